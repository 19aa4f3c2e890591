"""What uses a prompt template. Other features stand below this one: only their foreign keys are known here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from aiapp.extensions import Model, db
from aiapp.prompt_templates.models import PromptFavourite, PromptTemplate, PromptVersion, prompt_template_tag
from aiapp.prompt_templates.release_models import LabelledVersion, PromptApproval, PromptEvent
from aiapp.workspaces.access import Access

_OWN = frozenset(
    {table.__tablename__ for table in (PromptVersion, PromptFavourite, PromptEvent, PromptApproval, LabelledVersion)}
    | {prompt_template_tag.name}
)


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


def last_executions(access: Access, templates: Sequence[PromptTemplate]) -> dict[str, datetime]:
    """Return when each of `templates` was executed last, by template id, for those that ever were."""
    execution = Model.metadata.tables["execution"]
    # One index seek a template: ids sort by the time they were made.
    last_id = (
        sa.select(sa.func.max(execution.c.id))
        .where(execution.c.workspace_id == access.workspace.id, execution.c.prompt_template_id == PromptTemplate.id)
        .correlate(PromptTemplate)
        .scalar_subquery()
    )
    query = (
        sa.select(PromptTemplate.id, execution.c.created_at)
        .join(execution, execution.c.id == last_id)
        .where(PromptTemplate.workspace_id == access.workspace.id)
        .where(PromptTemplate.id.in_([template.id for template in templates]))
    )
    return {row.id: row.created_at for row in db.session.execute(query)}
