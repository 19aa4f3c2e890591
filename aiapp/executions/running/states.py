"""How an execution's row moves: each move is one conditional UPDATE, so that of two who try only one succeeds.

Times of leases and retries are the database's: workers whose clocks differ by an hour agree on what is due. Statements that
every execution needs are built once (SQLAlchemy builds one of the ORM's in more time than the database needs to run it).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from aiapp import sealing
from aiapp.columns import UtcDateTime
from aiapp.executions import pauses
from aiapp.executions.models import Execution
from aiapp.extensions import db, settings

# SQLite lets one writer in and makes the others sleep in growing steps; a queue of our own wakes the next one at once.
_one_writer = threading.Lock()


@contextmanager
def transaction() -> Iterator[None]:
    """Commit what is done inside and let go of the connection, so that nothing is held while the network is waited for."""
    with _one_writer if settings().sqlite else nullcontext():
        try:
            yield
            db.session.commit()
        finally:
            db.session.remove()  # rolls back what was not committed


class database_time(FunctionElement[datetime]):
    """The database's own time, some seconds later: `database_time(30.0)`."""

    type = UtcDateTime()
    inherit_cache = True

    def __init__(self, seconds: float | sa.BindParameter[float] = 0.0) -> None:
        super().__init__(sa.literal(seconds, sa.Float()) if isinstance(seconds, float) else seconds)


@compiles(database_time, "postgresql")
def _on_postgresql(element: database_time, compiler: SQLCompiler, **more: Any) -> str:
    return f"(clock_timestamp() + make_interval(secs => {compiler.process(element.clauses, **more)}))"


@compiles(database_time, "sqlite")
def _on_sqlite(element: database_time, compiler: SQLCompiler, **more: Any) -> str:
    # as SQLAlchemy writes a datetime there: six digits of a second, of which SQLite knows three
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', {compiler.process(element.clauses, **more)} || ' seconds')"


def due() -> sa.ColumnElement[bool]:
    """Return the condition for a row that waits and may be taken now."""
    return sa.and_(
        Execution.status == "pending",
        sa.or_(Execution.next_attempt_at.is_(None), Execution.next_attempt_at <= database_time()),
    )


def abandoned() -> sa.ColumnElement[bool]:
    """Return the condition for a row whose worker no longer says that it lives."""
    return sa.and_(Execution.status == "processing", Execution.lease_until < database_time())


def startable() -> sa.ColumnElement[bool]:
    """Return the condition for a row that somebody should run now: due or abandoned, and nobody has paused it."""
    return sa.and_(sa.or_(due(), abandoned()), ~pauses.paused())


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker needs to know of an execution whose lease it has just taken; names and values are the row's."""

    id: str
    workspace_id: str
    user_id: str | None
    prompt_template_id: str | None
    source: str
    priority: str
    round: int
    system: str
    body: str
    messages: list[dict[str, str]]
    format: str
    json_schema: dict[str, Any] | None
    requested_provider: str | None
    requested_credential_id: str | None
    requested_model: str | None
    temperature: float | None
    max_tokens: int | None
    stream: bool
    cancel_requested_at: datetime | None
    created_at: datetime
    started_at: datetime
    lease_until: datetime

    @property
    def names(self) -> dict[str, Any]:
        """What the log calls it by."""
        return {
            "execution_id": self.id,
            "workspace_id": self.workspace_id,
            "prompt_template_id": self.prompt_template_id,
            "round": self.round,
        }


_table = Execution.metadata.tables[Execution.__tablename__]
_row = _table.c
_mine = sa.and_(
    _row.id == sa.bindparam("b_id"), _row.status == "processing", _row.lease_owner == sa.bindparam("b_owner")
)
_CLAIM = (
    sa.update(_table)
    .where(_row.id == sa.bindparam("b_id"), startable())
    .values(
        status="processing",
        round=sa.case((_row.status == "processing", _row.round + 1), else_=_row.round),
        lease_owner=sa.bindparam("b_owner"),
        lease_until=database_time(sa.bindparam("b_seconds", type_=sa.Float())),
        next_attempt_at=None,
        started_at=sa.func.coalesce(_row.started_at, database_time()),
    )
    .returning(*(_row[field.name] for field in fields(Work)))
)
_STANDING = sa.select(_row.cancel_requested_at).where(_mine).with_for_update()
_EXTEND = (
    sa.update(_table)
    .where(_row.status == "processing", _row.lease_owner == sa.bindparam("b_owner"))
    .values(lease_until=database_time(sa.bindparam("b_seconds", type_=sa.Float())))
)
_LEAVE = sa.update(_table).where(_mine)


def opened(work: Work) -> Work:
    """Return it with its texts as they were before they were sealed. Raises vault.Unreadable."""
    texts = {name: getattr(work, name) for name in ("system", "body", "messages")}
    return replace(work, **sealing.opened(Execution, work.workspace_id, work.id, texts, strict=True))


def claim(execution_id: str, owner: str) -> Work | None:
    """Take the lease of a row that is due or abandoned; None where there is nothing to do (any more).

    A row whose worker was lost enters its next round. Its texts are as they are stored (see opened).
    """
    values = {"b_id": execution_id, "b_owner": owner, "b_seconds": settings().lease_seconds}
    row = db.session.connection().execute(_CLAIM, values).first()
    return None if row is None else Work(*row)


def standing(execution_id: str, owner: str) -> Literal["wanted", "cancelled", "lost"]:
    """Say whether a row is still wanted of `owner`, and lock it; lost is one whose lease is gone or that has ended."""
    row = db.session.connection().execute(_STANDING, {"b_id": execution_id, "b_owner": owner}).first()
    if row is None:
        return "lost"
    return "wanted" if row.cancel_requested_at is None else "cancelled"


def extend(owner: str) -> None:
    """Extend every lease of `owner`."""
    db.session.connection().execute(_EXTEND, {"b_owner": owner, "b_seconds": settings().lease_seconds})


def leave(work: Work, owner: str, values: Mapping[str, Any], *, plain: bool = False) -> None:
    """Give up the lease and write `values`, texts sealed; nothing happens where `owner` has it no more.

    Arguments:
        values: columns; `status` is one of them, and not processing.
        plain: they hold no text of people or models, and are stored as they are.

    Raises Unsealable.
    """
    stored = values if plain else sealing.sealed(Execution, work.workspace_id, work.id, values)
    given = {**stored, "lease_owner": None, "lease_until": None, "b_id": work.id, "b_owner": owner}
    db.session.connection().execute(_LEAVE, given)
