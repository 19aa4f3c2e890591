"""The one instance of each Flask extension, and how the database and Redis are opened."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from flask import Flask, current_app, has_request_context, request
from flask_limiter import Limiter
from flask_login import LoginManager
from flask_sqlalchemy import SQLAlchemy
from flask_wtf.csrf import CSRFProtect
from redis import Redis
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase

from aiapp.config import Settings

NAMING = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The metadata of every table; constraints are named so that migrations can name them."""

    metadata = sa.MetaData(naming_convention=NAMING)


db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})
if TYPE_CHECKING:

    class Model(DeclarativeBase):
        """What a table's class derives from, as a type checker should see it."""

else:
    Model = db.Model

login_manager = LoginManager()
csrf = CSRFProtect()

# Of SQLite's machine between two looks at the clock.
_STEPS = 1000
_GIVEN_UP = (sqlite3.SQLITE_INTERRUPT, "57014")  # PostgreSQL's query_canceled

_reading: ContextVar[bool] = ContextVar("reading", default=False)


def client_address() -> str:
    """Return the address of the client of this request (already unwrapped from trusted proxies)."""
    return request.remote_addr or "unknown"


limiter = Limiter(key_func=client_address, strategy="moving-window", headers_enabled=False)


def settings() -> Settings:
    """Return the settings of the running app."""
    value: Settings = current_app.extensions["aiapp.settings"]
    return value


def redis() -> Redis:
    """Return the client of this app's Redis (thread-safe, pooled; every wait is bounded)."""
    client: Redis = current_app.extensions["aiapp.redis"]
    return client


def insert(table: Any) -> Any:
    """Return an INSERT that may say what a conflict does: both databases have it, each as its own."""
    return (postgresql if db.session.get_bind().dialect.name == "postgresql" else sqlite).insert(table)


def init_app(app: Flask, config: Settings) -> None:
    """Attach every extension to `app`."""
    app.extensions["aiapp.settings"] = config
    app.extensions["aiapp.redis"] = connect_redis(config)
    app.config.update(SQLALCHEMY_DATABASE_URI=config.database_url, SQLALCHEMY_ENGINE_OPTIONS=_engine_options(config))
    db.init_app(app)
    with app.app_context():
        if config.sqlite:
            _prepare_sqlite(db.engine)
    login_manager.init_app(app)
    csrf.init_app(app)
    limiter.init_app(app)


def connect_redis(config: Settings) -> Redis:
    """Return a Redis client for `config`; a dead Redis is noticed within two seconds, never waited for."""
    return Redis.from_url(config.redis_url, socket_connect_timeout=1, socket_timeout=2, health_check_interval=30)


@contextmanager
def reading() -> Iterator[None]:
    """Begin the transactions inside as readers: on SQLite they take no write lock.

    A GET is a reader by itself; everything else (a POST, a job, a command) takes the write lock at BEGIN, because SQLite
    cannot turn a reader into a writer once another one has written.
    """
    token = _reading.set(True)
    try:
        yield
    finally:
        _reading.reset(token)


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Have the database give up a statement inside after so many seconds. Raises TimeoutError; the transaction is over then."""
    connection = db.session.connection()
    driver: Any = connection.connection.driver_connection
    sqlite_driver = isinstance(driver, sqlite3.Connection)
    end = time.monotonic() + seconds
    try:
        if sqlite_driver:
            driver.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
        else:
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {max(1, int(seconds * 1000))}")
        yield
        if not sqlite_driver:
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    except sa.exc.OperationalError as error:
        told = getattr(error.orig, "sqlite_errorcode", None) or getattr(error.orig, "sqlstate", None)
        if told not in _GIVEN_UP:
            raise
        db.session.rollback()
        raise TimeoutError from error
    finally:
        if sqlite_driver:
            driver.set_progress_handler(None, 0)


def _engine_options(config: Settings) -> dict[str, Any]:
    if config.sqlite:
        # One connection a thread at the most; SQLite itself queues the writers (busy_timeout).
        connect = {"timeout": 15, "check_same_thread": False}
        return {"connect_args": connect, "pool_size": 50, "max_overflow": 500, "hide_parameters": True}
    return {
        "pool_size": 10,
        "max_overflow": 40,
        "pool_pre_ping": True,
        "pool_timeout": 10,
        "hide_parameters": True,  # a failed statement is logged: prompts and hashes are not
        "connect_args": {"connect_timeout": 5},
    }


def _prepare_sqlite(engine: sa.Engine) -> None:
    @event.listens_for(engine, "connect")
    def on_connect(connection: sqlite3.Connection, record: object) -> None:
        connection.isolation_level = None  # the driver's own implicit BEGIN is a reader's
        # secure_delete: a text that was erased or encrypted stands in no free page any more
        pragmas = (
            "journal_mode=WAL",
            "busy_timeout=15000",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            "secure_delete=ON",
        )
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def on_begin(connection: sa.Connection) -> None:
        reader = _reading.get() or (has_request_context() and request.method in {"GET", "HEAD", "OPTIONS"})
        connection.exec_driver_sql("BEGIN" if reader else "BEGIN IMMEDIATE")
