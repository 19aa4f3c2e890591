"""The raw answers of providers: read for who may see the execution, and forgotten after AIAPP_RAW_DAYS."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from aiapp import sealing
from aiapp.columns import now
from aiapp.errors import NotFound
from aiapp.executions.models import Attempt, Execution
from aiapp.extensions import db, reading, settings
from aiapp.workspaces.access import Access

# So many in one transaction: others want to write, too.
BATCH = 500
MOST_ATTEMPTS = 1_000_000


def read(access: Access, execution_id: str, number: int) -> str | None:
    """Return what the provider answered to an attempt; None where nothing came, or it is not kept (any more).

    Raises NotFound where the workspace has no such execution or attempt.
    """
    execution = access.get(Execution, execution_id)
    attempt = sa.select(Attempt.raw, Attempt.workspace_id).where(
        Attempt.execution_id == execution.id, Attempt.number == number
    )
    # a number that no database can hold is no attempt's either
    found = db.session.execute(attempt).first() if number < MOST_ATTEMPTS else None
    if found is None:
        raise NotFound("This execution has no such attempt.")
    text: str | None = sealing.opened(Attempt, found.workspace_id, f"{execution.id}/{number}", {"raw": found.raw})[
        "raw"
    ]
    return text


def forget_old() -> int:
    """Forget the answers that are older than AIAPP_RAW_DAYS; return how many there were. Commits, some at a time."""
    bound = int((now() - timedelta(days=settings().raw_days)).timestamp() * 1000)
    # an id begins with the moment of its making, so that the primary key leads to the old ones
    old = sa.select(Attempt.id).where(Attempt.id < f"{bound:012x}", Attempt.raw.is_not(None)).limit(BATCH)
    forgotten = 0
    while True:
        with reading():
            ids = db.session.scalars(old).all()
            db.session.commit()
        if not ids:
            return forgotten
        db.session.execute(
            sa.update(Attempt).where(Attempt.id.in_(ids)).values(raw=None),
            execution_options={"synchronize_session": False},
        )
        db.session.commit()
        forgotten += len(ids)
