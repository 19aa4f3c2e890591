"""Which tags a prompt template has, and which a workspace uses."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from aiapp.columns import new_id
from aiapp.extensions import db
from aiapp.prompt_templates.models import PromptTemplate, Tag, prompt_template_tag
from aiapp.workspaces.access import Access


def set_tags(access: Access, template: PromptTemplate, names: Sequence[str]) -> None:
    """Let `template` have exactly the tags called `names` (cleaned); uncommitted. A word is a tag as soon as it is used."""
    workspace_id = access.workspace.id
    if names:
        rows = [{"id": new_id(), "workspace_id": workspace_id, "name": name} for name in names]
        # Two people may use a new word at the same moment: whoever comes second finds it there.
        insert = postgresql.insert if db.session.get_bind().dialect.name == "postgresql" else sqlite.insert
        db.session.execute(insert(Tag).values(rows).on_conflict_do_nothing(index_elements=["workspace_id", "name"]))
    links = prompt_template_tag
    db.session.execute(
        sa.delete(links).where(links.c.prompt_template_id == template.id, links.c.workspace_id == workspace_id)
    )
    wanted = sa.select(sa.literal(template.id), Tag.id, Tag.workspace_id).where(
        Tag.workspace_id == workspace_id, Tag.name.in_(names)
    )
    db.session.execute(sa.insert(links).from_select(["prompt_template_id", "tag_id", "workspace_id"], wanted))
    db.session.expire(template, ["tags"])


def tags_in_use(access: Access, limit: int = 50) -> list[str]:
    """Return the tags of the workspace's prompt templates, most used first."""
    links = prompt_template_tag
    query = (
        sa.select(Tag.name)
        .join(links, links.c.tag_id == Tag.id)
        .where(Tag.workspace_id == access.workspace.id)
        .group_by(Tag.id, Tag.name)
        .order_by(sa.func.count().desc(), Tag.name)
        .limit(limit)
    )
    return list(db.session.scalars(query))
