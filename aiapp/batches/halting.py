"""Why a batch pauses by itself: nobody may go on with it, nobody knows its prompt, or every row is refused."""

from __future__ import annotations

from collections import Counter

import sqlalchemy as sa

from aiapp.accounts.models import User
from aiapp.batches.models import Batch, BatchRow
from aiapp.executions.models import Execution
from aiapp.executions.showing import ERRORS
from aiapp.extensions import db
from aiapp.workspaces.models import ROLES, Membership

UNKNOWN_PROMPT = "Nobody knows its prompt any more: its texts were erased, or the server's keys do not open them."
LEFT = "Whoever started it can no longer run batches here. Who resumes it takes it over."
# So many in a row, and for these reasons: the next row would be refused as well.
REFUSALS = 20
HOPELESS = frozenset({"auth", "permission", "quota", "model_not_found", "blocked_address", "no_credential"})


def reason(batch: Batch) -> str:
    """Return why no more of its rows shall be begun, in words for its page; "" where they may be."""
    if not may_go_on(batch):
        return LEFT
    if not batch.prompt:
        return UNKNOWN_PROMPT
    return _refused(batch)


def may_go_on(batch: Batch) -> bool:
    """Whether the one who started it may still do that: a change of their role acts on what is not begun yet."""
    role = db.session.scalar(
        sa.select(Membership.role)
        .join(User, User.id == Membership.user_id)
        .where(Membership.workspace_id == batch.workspace_id, Membership.user_id == batch.user_id, User.active)
    )
    return role is not None and ROLES.index(role) >= ROLES.index("editor")


def _refused(batch: Batch) -> str:
    """Look at the rows that were begun last and have ended, none from before the start, the last resuming or retrying."""
    if batch.counted_from is None:  # it was started by an older version of this program
        return ""
    ended = sa.select(BatchRow.state, BatchRow.execution_id).where(
        BatchRow.batch_id == batch.id,
        BatchRow.fed_at >= batch.counted_from,
        BatchRow.state.in_(("completed", "failed")),
    )
    last = db.session.execute(ended.order_by(BatchRow.fed_at.desc()).limit(REFUSALS)).all()
    if len(last) < REFUSALS or any(state != "failed" for state, _ in last):
        return ""
    ids = [execution_id for _, execution_id in last if execution_id is not None]
    classes = Counter(db.session.scalars(sa.select(Execution.error_class).where(Execution.id.in_(ids))))
    if classes.total() < REFUSALS or not HOPELESS.issuperset(classes):
        return ""
    what, hint = ERRORS[str(classes.most_common(1)[0][0])]
    return f"The last {REFUSALS} rows failed: {what}. {hint} Then resume it, or retry with another model or credential."
