"""What kinds of work prompt templates do: the ten that every workspace knows, and a workspace's own."""

from __future__ import annotations

import sqlalchemy as sa

from aiapp.extensions import db
from aiapp.prompt_templates.models import PromptTemplate
from aiapp.workspaces.access import Access

TASKS = (
    "chat",
    "prd_generation",
    "prd_analysis",
    "insight_extraction",
    "spec_generation",
    "task_suggestions",
    "task_analysis",
    "spec_refinement",
    "research_generation",
    "markdown_generation",
)


def tasks_in_use(access: Access, limit: int = 100) -> list[str]:
    """Return the tasks that the workspace's prompt templates are for."""
    task = PromptTemplate.task
    query = sa.select(task).where(PromptTemplate.workspace_id == access.workspace.id, task.is_not(None))
    return [name for name in db.session.scalars(query.distinct().order_by(task).limit(limit)) if name]


def offered(access: Access) -> list[str]:
    """Return the tasks to choose from: the ten, then the workspace's own."""
    return [*TASKS, *(task for task in tasks_in_use(access) if task not in TASKS)]
