"""What uses a prompt template. Other features stand below this one: only their foreign keys are known here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from aiapp.columns import now
from aiapp.errors import NotFound
from aiapp.extensions import Model, db
from aiapp.prompt_templates.models import PromptFavourite, PromptTemplate, PromptVersion, prompt_template_tag
from aiapp.prompt_templates.release_models import LabelledVersion, PromptApproval, PromptEvent
from aiapp.workspaces.access import Access

_OWN = frozenset(
    {table.__tablename__ for table in (PromptVersion, PromptFavourite, PromptEvent, PromptApproval, LabelledVersion)}
    | {prompt_template_tag.name}
)

DAYS = 30
COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class Activity:
    """When a prompt template was last executed, and how often lately (see counts)."""

    last: datetime
    executions: int
    completed: int
    failed: int

    @property
    def success(self) -> float | None:
        """How many of those that ended by themselves were completed, 0 to 1; None where none has ended."""
        ended = self.completed + self.failed
        return self.completed / ended if ended else None


def uses(access: Access, template: PromptTemplate) -> dict[str, int]:
    """Return how many rows of which other tables point at `template`: `{"execution": 12}`."""
    counts = {}
    for table in Model.metadata.sorted_tables:
        if table.name in _OWN or "workspace_id" not in table.c:
            continue
        for key in table.foreign_keys:
            if key.column.table.name == PromptTemplate.__tablename__:
                found = sa.select(sa.func.count()).where(
                    key.parent == template.id, table.c.workspace_id == access.workspace.id
                )
                counts[table.name] = db.session.scalar(found) or 0
    return {name: count for name, count in counts.items() if count}


def counts(access: Access) -> sa.Select[str, int, int, int]:
    """Return the query for how often each prompt template was executed lately: its id, executions, completed and failed ones.

    Lately is within DAYS, and among the workspace's COUNTED newest executions: nobody waits for a walk through all of them.
    Test runs (previews) do not count.
    """
    execution = Model.metadata.tables["execution"]
    of_workspace = sa.select(
        execution.c.prompt_template_id, execution.c.status, execution.c.source, execution.c.created_at
    ).where(execution.c.workspace_id == access.workspace.id)
    newest = of_workspace.order_by(execution.c.id.desc()).limit(COUNTED).subquery()
    ended = [
        sa.func.sum(sa.case((newest.c.status == status, 1), else_=0)).label(status)
        for status in ("completed", "failed")
    ]
    return (
        sa.select(newest.c.prompt_template_id, sa.func.count().label("executions"), *ended)
        .where(newest.c.prompt_template_id.is_not(None), newest.c.source != "preview")
        .where(newest.c.created_at >= now() - timedelta(days=DAYS))
        .group_by(newest.c.prompt_template_id)
    )


def last_execution_id(access: Access) -> sa.ScalarSelect[str]:
    """Return the id of a PromptTemplate's last execution, for a query of prompt templates; test runs (previews) are none.

    Ids sort by the time they were made: it is one index seek each, and a step for each test run since.
    """
    execution = Model.metadata.tables["execution"]
    return (
        sa.select(execution.c.id)
        .where(execution.c.workspace_id == access.workspace.id, execution.c.prompt_template_id == PromptTemplate.id)
        .where(execution.c.source != "preview")
        .order_by(execution.c.id.desc())
        .limit(1)
        .correlate(PromptTemplate)
        .scalar_subquery()
    )


def activity(access: Access, templates: Sequence[PromptTemplate]) -> dict[str, Activity]:
    """Return how each of `templates` was executed, by its id, for those that ever were."""
    execution = Model.metadata.tables["execution"]
    lately = counts(access).subquery()
    query = (
        sa.select(PromptTemplate.id, execution.c.created_at, lately.c.executions, lately.c.completed, lately.c.failed)
        .join(execution, execution.c.id == last_execution_id(access))
        .outerjoin(lately, lately.c.prompt_template_id == PromptTemplate.id)
        .where(PromptTemplate.workspace_id == access.workspace.id)
        .where(PromptTemplate.id.in_([template.id for template in templates]))
    )
    return {
        row.id: Activity(row.created_at, row.executions or 0, row.completed or 0, row.failed or 0)
        for row in db.session.execute(query)
    }


def past_context(access: Access, template: PromptTemplate, execution_id: str) -> dict[str, Any]:
    """Return the values that an execution of `template` was given. Raises NotFound."""
    execution = Model.metadata.tables["execution"]
    found = (
        re.fullmatch("[0-9a-f]{32}", execution_id)
        and db.session.execute(
            sa.select(execution.c.context).where(
                execution.c.id == execution_id,
                execution.c.workspace_id == access.workspace.id,
                execution.c.prompt_template_id == template.id,
            )
        ).first()
    )
    if not found:
        raise NotFound("There is no such execution of this prompt template.")
    return dict(found.context)
