"""The shape of the house, held by tests: which way imports point, who may import what, what a template must not contain."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "aiapp"

# A module imports only what stands above it (or beside it, in the same package).
ORDER = [
    "config",
    "columns",
    "containing",
    "csv_records",
    "wire_values",
    "observability",
    "errors",
    "extensions",
    "error_handlers",
    "headers",
    "filters",
    "htmx",
    "queue",
    "queue_figures",
    "health",
    "providers",
    "audit",
    "accounts",
    "workspaces",
    "installation",
    "usage",
    "gateway",
    "credentials",
    "sealing",
    "catalog",
    "webhooks",
    "prompt_templates",
    "prompt_files",
    "codex",
    "executions",
    "batches",
    "feedback",
    "retention",
    "operations",
    "home",
    "api",
    "models",
    "demo",
    "__init__",
    "processes",
]
# What dials, waits or holds sockets; the rest of providers/ takes bytes and gives values.
DIALLING = {"transport", "connection", "pool", "addresses", "exchange", "http1", "bounds"}
PURE = [
    *sorted(
        path.relative_to(PACKAGE).as_posix()
        for path in (PACKAGE / "providers").glob("*.py")
        if path.stem not in DIALLING
    ),
    *sorted(path.relative_to(PACKAGE).as_posix() for path in (PACKAGE / "executions/outputs").glob("*.py")),
    "usage/pricing.py",
    "gateway/fallback.py",
    "prompt_templates/text/documents.py",
    "prompt_templates/text/front_matter.py",
    "prompt_templates/text/rendering.py",
    "prompt_templates/text/grammar.py",
    "prompt_templates/text/including.py",
    "prompt_templates/text/sampling.py",
    "prompt_templates/text/schema_sketch.py",
    "prompt_templates/text/json_schemas.py",
    "prompt_templates/text/values.py",
    "prompt_templates/comparing/diffing.py",
    "prompt_templates/comparing/contents.py",
    "prompt_templates/comparing/aligning.py",
    "prompt_templates/comparing/marking.py",
    "prompt_templates/comparing/rows.py",
    "prompt_templates/comparing/weaving.py",
    "prompt_templates/comparing/merging.py",
    "prompt_templates/semver.py",
    "webhooks/signing.py",
    "webhooks/retrying.py",
    "prompt_files/beside.py",
    "prompt_files/decoding.py",
    "prompt_files/langfuse.py",
    "prompt_files/promptfoo.py",
    "prompt_files/translating.py",
    "prompt_files/archives.py",
    "batches/json_rows.py",
    "batches/tables.py",
    "csv_records.py",
    "wire_values.py",
    "executions/lists/list_columns.py",
    "feedback/wilson.py",
]
# The rooms of a package, each of which may use those before it; what stands outside of them may use all but pages.
ROOMS = {
    "executions": ["outputs", "streaming", "running", "lists", "pages"],
    "prompt_templates": ["text", "comparing", "pages"],
}
# Heavy libraries, each imported in the one function that uses it (CONTRIBUTING says why).
HEAVY = {"alembic", "deepdiff", "phonenumbers", "genai_prices", "bpe_openai", "zxcvbn"}
# Providers' own clients: what the dialects are measured by in tests/providers, and nothing that runs in the product.
SDKS = {"anthropic", "cohere", "google", "groq", "ollama", "openai"}
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


@cache
def imports(path: Path) -> list[tuple[str, bool]]:
    """Every module that `path` imports, and whether the import stands inside a function."""
    found = []

    def walk(node: ast.AST, inside: bool) -> None:
        for child in ast.iter_child_nodes(node):
            deeper = inside or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            if isinstance(child, ast.Import):
                found.extend((alias.name, inside) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                module = child.module or ""
                if module == "aiapp":
                    found.extend((f"aiapp.{alias.name}", inside) for alias in child.names)
                else:
                    found.append((module, inside))
            walk(child, deeper)

    walk(ast.parse(path.read_text(encoding="utf-8")), False)
    return found


def place(module: str) -> int:
    """Where a module of ours stands in ORDER."""
    parts = module.split(".")
    name = parts[1] if len(parts) > 1 else "__init__"
    return ORDER.index(name if name in ORDER else "__init__")


@pytest.mark.parametrize("package", ROOMS)
def test_rooms_use_only_the_rooms_before_them(package):
    rooms = ROOMS[package]
    for path in (PACKAGE / package).rglob("*.py"):
        room = path.relative_to(PACKAGE / package).parts[0]
        known = rooms[: rooms.index(room) + 1] if room in rooms else rooms[: rooms.index("pages")]
        for module, _ in imports(path):
            parts = module.split(".")
            if parts[:2] == ["aiapp", package] and parts[2:] and parts[2] in rooms:
                assert parts[2] in known, f"{path.relative_to(PACKAGE)} imports {module}"


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_only_up_the_list(module):
    name = module.removesuffix(".py").removesuffix("/__init__")
    here = ORDER.index(name.split("/")[0])
    below = [used for used, _ in imports(PACKAGE / module) if used.split(".")[0] == "aiapp" and place(used) > here]
    assert below == [] or module in {"__init__.py"}, f"{module} imports what stands below it: {below}"


@pytest.mark.parametrize("module", MODULES)
def test_no_import_hides_inside_a_function(module):
    if module.startswith("processes/") or module == "__init__.py":
        return
    hidden = [used for used, inside in imports(PACKAGE / module) if inside and used.split(".")[0] not in HEAVY]
    assert hidden == []


@pytest.mark.parametrize("module", MODULES)
def test_heavy_libraries_are_imported_where_they_are_used(module):
    eager = [used for used, inside in imports(PACKAGE / module) if not inside and used.split(".")[0] in HEAVY]
    assert eager == []


def test_the_packages_have_no_cycles():
    graph: dict[str, set[str]] = {}
    for module in MODULES:
        name = "aiapp." + module.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        graph[name] = {
            used
            for used, inside in imports(PACKAGE / module)
            if used.startswith("aiapp.") and not inside and used != name
        }
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"a cycle: {' -> '.join([*path, name])}"
        if name not in done:
            for used in graph.get(name, ()):
                visit(used, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("module", PURE)
def test_pure_modules_know_no_framework(module):
    used = {name.split(".")[0] for name, _ in imports(PACKAGE / module)}
    assert used.isdisjoint({"flask", "sqlalchemy", "flask_sqlalchemy", "rq", "redis", "httpx", "requests", "socket"})


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        ("rq", ("queue.py", "queue_figures.py", "processes/")),
        ("httpx", ("providers/transport.py",)),
        ("cryptography", ("credentials/vault.py",)),
        ("flask_migrate", ("processes/",)),
        ("granian", ("processes/",)),
    ],
)
def test_some_libraries_are_known_in_one_place_only(library, homes):
    strangers = [
        module
        for module in MODULES
        if not module.startswith(homes) and any(used.split(".")[0] == library for used, _ in imports(PACKAGE / module))
    ]
    assert strangers == []


@pytest.mark.parametrize("module", MODULES)
def test_no_module_imports_a_providers_own_client(module):
    assert {used.split(".")[0] for used, _ in imports(PACKAGE / module)}.isdisjoint(SDKS)


def test_no_providers_own_client_is_installed_with_the_product():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {re.split(r"[^a-z0-9-]", each, maxsplit=1)[0] for each in project["dependencies"]}
    assert needed.isdisjoint(SDKS | {"google-genai"})


def test_views_never_import_another_features_views():
    for module in MODULES:
        if module.endswith("views.py"):
            feature = module.split("/")[0]
            others = [
                used
                for used, _ in imports(PACKAGE / module)
                if used.endswith(".views") and used.split(".")[1] not in {feature, "accounts"}
            ]
            assert others == [], f"{module} imports {others}: features meet by URL"


def test_a_feature_package_has_no_drawer_for_everything():
    for module in MODULES:
        assert not re.search(r"(^|/|_)(utils?|helpers?|services?|managers?|dao|common|misc|base)(_|\.py$)", module), (
            module
        )


def test_every_table_with_workspace_data_names_its_workspace():
    import aiapp.models  # noqa: F401
    from aiapp.extensions import Base

    without = {"user", "user_session", "password_reset", "workspace", "provider_setting"}
    for table in Base.metadata.sorted_tables:
        assert ("workspace_id" in table.columns) != (table.name in without), table.name


def test_the_lock_files_name_no_address():
    assert "://" not in (ROOT / "requirements.lock").read_text()
    assert '"resolved"' not in (ROOT / "package-lock.json").read_text()
    assert "://" not in (ROOT / ".npmrc").read_text()


def test_registered_foundations_are_listed():
    """A new top-level module must find its place in ORDER: the list is the map of the house."""
    names = {module.split("/")[0].removesuffix(".py") for module in MODULES}
    assert names - set(ORDER) == set()
