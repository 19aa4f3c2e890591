"""The circuit breakers of a workspace's credentials as rows: read before a round, opened and closed by what calls show; drills.

Every move is one statement, so that many workers agree. Callers commit, and give the time: the database's (see
executions.states), so that workers whose clocks differ agree on it too. The rules are in circuit.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from aiapp.columns import UtcDateTime, new_id, now
from aiapp.credentials import keeping
from aiapp.credentials.circuit import CLOSED, Breaker, Opening, Rules
from aiapp.credentials.models import CircuitBreaker, Credential
from aiapp.errors import InvalidInput
from aiapp.extensions import db, insert, settings
from aiapp.workspaces.access import Access
from aiapp.workspaces.models import Workspace

# How long the one execution that tries a half-open circuit has it for itself.
PROBE = timedelta(seconds=30)
DRILL_SECONDS, MOST_DRILL_SECONDS = 300, 3600

_table = CircuitBreaker.metadata.tables[CircuitBreaker.__tablename__]
_row = _table.c
_READ = [_row[field.name] for field in fields(Breaker)]
# Everybody who may ask a credential reads of its circuits, and a provider's words may quote the prompt of somebody's execution.
_TELLS = (
    sa.select(sa.and_(Workspace.keeps_texts, sa.not_(Workspace.seals_texts), sa.not_(Workspace.private_executions)))
    .where(Workspace.id == sa.bindparam("b_workspace"))
    .scalar_subquery()
)
_TOLD = sa.case((_TELLS, _row.message), else_="").label("message")  # also of what was written down before it was hidden
_OF = sa.select(*(_TOLD if column is _row.message else column for column in _READ)).where(
    _row.workspace_id == sa.bindparam("b_workspace"), _row.cause != CLOSED
)
_AT = sa.select(*_READ).where(_row.credential_id == sa.bindparam("b_credential"), _row.model == sa.bindparam("b_model"))
_CLOSE = (
    sa.update(_table)
    .where(
        _row.credential_id == sa.bindparam("b_credential"),
        _row.model.in_((sa.bindparam("b_model"), "")),
        _row.cause != CLOSED,
        # an answer to a call of before says nothing about what happened since
        _row.opened_at <= sa.bindparam("b_started", type_=UtcDateTime()),
    )
    .values(cause=CLOSED, opened_at=sa.bindparam("b_at", type_=UtcDateTime()), probe_until=None, message="")
)
_PROBE = (
    sa.update(_table)
    .where(
        _row.id == sa.bindparam("b_id"),
        _row.cause != CLOSED,
        _row.until <= sa.bindparam("b_at", type_=UtcDateTime()),
        sa.or_(_row.probe_until.is_(None), _row.probe_until <= sa.bindparam("b_at", type_=UtcDateTime())),
    )
    .values(probe_until=sa.bindparam("b_until", type_=UtcDateTime()))
    .returning(_row.id)
)


def rules() -> Rules:
    """Return how long circuits of this deployment stay open: in proportion to its retries."""
    config = settings()
    return Rules(6 * config.retry_base_seconds, config.retry_max_seconds)


def of(workspace_id: str) -> Mapping[tuple[str, str], Breaker]:
    """Return the circuits of a workspace that are or were open, by credential and model ("": every model of it)."""
    rows = db.session.connection().execute(_OF, {"b_workspace": workspace_id})
    return {(row.credential_id, row.model): Breaker(*row) for row in rows}


def at_place(credential_id: str, model: str) -> Breaker | None:
    """Return the circuit of one model of a credential, also a closed one, which says since when its calls count."""
    row = db.session.connection().execute(_AT, {"b_credential": credential_id, "b_model": model}).first()
    return None if row is None else Breaker(*row)


def open_circuit(
    workspace_id: str, credential_id: str, opening: Opening, error_class: str, message: str, at: datetime
) -> None:
    """Open a circuit. One that is open for longer already stays as it is.

    Arguments:
        message: the provider's words, which are not kept where executions or their texts are hidden.
    """
    until = at + timedelta(seconds=opening.seconds)
    values: dict[str, Any] = {
        "cause": opening.cause,
        "error_class": error_class,
        "message": message if db.session.scalar(sa.select(_TELLS), {"b_workspace": workspace_id}) else "",
        "trips": opening.trips,
        "opened_at": at,
        "until": until,
        "probe_until": None,
    }
    place = {"id": new_id(), "workspace_id": workspace_id, "credential_id": credential_id, "model": opening.model}
    given = {**place, **values}
    # Selected from the credential: it may have been deleted while it was asked.
    row = sa.select(*(sa.bindparam(f"b_{name}", value, type_=_row[name].type) for name, value in given.items()))
    there = row.select_from(Credential).where(Credential.id == credential_id)
    db.session.connection().execute(
        insert(_table)
        .from_select(list(given), there.with_for_update(read=True, key_share=True))
        .on_conflict_do_update(
            index_elements=["credential_id", "model"],
            set_=values,
            where=sa.or_(_row.cause == CLOSED, _row.until < until),
        )
    )


def close_circuit(credential_id: str, model: str, started_at: datetime, at: datetime) -> None:
    """Close what stands open before a call that was answered.

    Arguments:
        started_at: when the call began; a circuit that opened after it stays open.
    """
    given = {"b_credential": credential_id, "b_model": model, "b_started": started_at, "b_at": at}
    db.session.connection().execute(_CLOSE, given)


def take_probe(breaker: Breaker, at: datetime) -> bool:
    """Whether the asking execution is the one that tries a half-open circuit now."""
    given = {"b_id": breaker.id, "b_at": at, "b_until": at + PROBE}
    return db.session.connection().execute(_PROBE, given).first() is not None


def forget(credential_id: str, causes: Sequence[str] = ()) -> None:
    """Close the circuits of a credential, as if nothing had ever failed; uncommitted.

    Arguments:
        causes: only those that were opened for one of these; default: all.
    """
    close = sa.update(CircuitBreaker).where(CircuitBreaker.credential_id == credential_id)
    if causes:
        close = close.where(CircuitBreaker.cause.in_(causes))
    db.session.execute(
        close.values(cause=CLOSED, trips=0, opened_at=now(), probe_until=None).execution_options(
            synchronize_session=False
        )
    )


def forget_words(workspace_id: str, until: datetime) -> int:
    """Forget the providers' words of circuits that opened before `until`, uncommitted; return of how many."""
    told = sa.and_(_row.workspace_id == workspace_id, _row.message != "", _row.opened_at < until)
    return len(
        db.session.connection().execute(sa.update(_table).where(told).values(message="").returning(_row.id)).all()
    )


def reset(access: Access, credential_id: str) -> Credential:
    """Close all circuits of a credential and return it. Raises NotFound, Denied."""
    credential = keeping.kept(access, credential_id)
    forget(credential_id)
    if credential.owner_id is None:
        access.audit("credential.reset", credential.name)
    db.session.commit()
    return credential


def drill(access: Access, credential_id: str, seconds: int) -> Credential:
    """Let every call of a credential fail without being made for so long, or (0) no longer; return it.

    So one sees what follows when a provider is away, and that others answer. Raises InvalidInput, NotFound, Denied.
    """
    credential = keeping.kept(access, credential_id)
    if not 0 <= seconds <= MOST_DRILL_SECONDS:
        raise InvalidInput(errors=[{"field": "seconds", "message": f"Use 0 to {MOST_DRILL_SECONDS}."}])
    credential.drill_until = now() + timedelta(seconds=seconds) if seconds else None
    if credential.owner_id is None:
        access.audit("credential.drill", credential.name, after={"seconds": seconds})
    db.session.commit()
    return credential
