"""How the versions of a prompt template do: runs, success, thumbs and cost, of its newest executions."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

import sqlalchemy as sa

from aiapp.executions.models import FINISHED, Execution
from aiapp.extensions import db
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.workspaces.access import Access

NEWEST = 5000

# Feedback stands below executions in the order of imports: only its table's name is known here.
_FEEDBACK = sa.table("feedback", sa.column("execution_id"), sa.column("rating"))


@dataclass(slots=True)
class Numbers:
    """What became of a version's executions. `tests` are those of the editor, which count for nothing else."""

    runs: int = 0
    tests: int = 0
    completed: int = 0
    failed: int = 0
    up: int = 0
    down: int = 0
    costs: list[Decimal] = field(default_factory=list)

    @property
    def success(self) -> int | None:
        """Completed ones in percent of those that ended by themselves; None while there are none."""
        ended = self.completed + self.failed
        return round(100 * self.completed / ended) if ended else None

    @property
    def cost(self) -> Decimal | None:
        """What one run cost on average in US dollars; None where no cost is known."""
        return sum(self.costs, Decimal(0)) / len(self.costs) if self.costs else None


def by_version(access: Access, template: PromptTemplate) -> tuple[dict[int, Numbers], bool]:
    """Return the numbers of each version that ran, by its number, and whether there are executions older than were looked at."""
    newest = (
        sa.select(Execution.id, Execution.prompt_version_id, Execution.status, Execution.source, Execution.cost)
        .where(Execution.workspace_id == access.workspace.id, Execution.prompt_template_id == template.id)
        .order_by(Execution.id.desc())
        .limit(NEWEST + 1)
        .subquery()
    )
    of_version = PromptVersion.id == newest.c.prompt_version_id
    rows = db.session.execute(
        sa.select(newest.c.id, PromptVersion.number, newest.c.status, newest.c.source, newest.c.cost)
        .outerjoin(PromptVersion, of_version)
        .order_by(newest.c.id.desc())
    ).all()
    found: dict[int, Numbers] = defaultdict(Numbers)
    for row in rows[:NEWEST]:
        if row.number is not None:
            _count(found[row.number], row.status, row.source, row.cost)
    thumbs = (
        sa.select(PromptVersion.number, _FEEDBACK.c.rating, sa.func.count())
        .select_from(newest)
        .join(PromptVersion, of_version)
        .join(_FEEDBACK, _FEEDBACK.c.execution_id == newest.c.id)
        .where(newest.c.source != "preview")
        .group_by(PromptVersion.number, _FEEDBACK.c.rating)
    )
    for number, rating, count in db.session.execute(thumbs):
        if rating == "up":
            found[number].up = count
        else:
            found[number].down = count
    return dict(found), len(rows) > NEWEST


def last_test(access: Access, version: PromptVersion) -> Execution | None:
    """Return the newest test run of a version, among the newest executions of its template."""
    newest = (
        access.select(Execution)
        .with_only_columns(Execution.id, Execution.prompt_version_id, Execution.source)
        .where(Execution.prompt_template_id == version.prompt_template_id)
        .order_by(Execution.id.desc())
        .limit(NEWEST)
        .subquery()
    )
    last = sa.select(sa.func.max(newest.c.id)).where(
        newest.c.prompt_version_id == version.id, newest.c.source == "preview"
    )
    return db.session.scalars(access.select(Execution).where(Execution.id == last.scalar_subquery())).first()


def _count(numbers: Numbers, status: str, source: str, cost: Decimal | None) -> None:
    if source == "preview":
        numbers.tests += 1
        return
    numbers.runs += 1
    if status in FINISHED:
        numbers.completed += status == "completed"
        numbers.failed += status == "failed"
    if cost is not None:
        numbers.costs.append(cost)
