"""Which tags a prompt template has, which a workspace uses, and what they are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from aiapp.columns import new_id
from aiapp.errors import InvalidInput
from aiapp.extensions import db, insert
from aiapp.prompt_templates import events
from aiapp.prompt_templates.models import PromptTemplate, Tag, prompt_template_tag
from aiapp.prompt_templates.text import fields
from aiapp.workspaces.access import Access


@dataclass(frozen=True, slots=True)
class Counted:
    """A tag and how many prompt templates have it, archived ones too."""

    tag: Tag
    count: int


def set_tags(access: Access, template: PromptTemplate, names: Sequence[str]) -> None:
    """Let `template` have exactly the tags called `names` (cleaned); uncommitted. A word is a tag as soon as it is used."""
    workspace_id = access.workspace.id
    links = prompt_template_tag
    if names:
        rows = [{"id": new_id(), "workspace_id": workspace_id, "name": name} for name in names]
        # Two people may use a new word at the same moment: whoever comes second finds it there.
        db.session.execute(insert(Tag).values(rows).on_conflict_do_nothing(index_elements=["workspace_id", "name"]))
    wanted = sa.select(Tag.id).where(Tag.workspace_id == workspace_id, Tag.name.in_(names))
    # What stays is left alone: every link that goes or comes is written into the full-text index.
    db.session.execute(
        sa.delete(links).where(
            links.c.prompt_template_id == template.id,
            links.c.workspace_id == workspace_id,
            links.c.tag_id.not_in(wanted),
        )
    )
    link = sa.select(sa.literal(template.id), Tag.id, Tag.workspace_id).where(
        Tag.workspace_id == workspace_id, Tag.name.in_(names)
    )
    db.session.execute(
        insert(links)
        .from_select(["prompt_template_id", "tag_id", "workspace_id"], link)
        .on_conflict_do_nothing(index_elements=["prompt_template_id", "tag_id"])
    )
    db.session.expire(template, ["tags"])


def all_tags(access: Access) -> list[Counted]:
    """Return the workspace's tags by name, with how many prompt templates have each."""
    links = prompt_template_tag
    query = (
        sa.select(Tag, sa.func.count(links.c.tag_id))
        .outerjoin(links, links.c.tag_id == Tag.id)
        .where(Tag.workspace_id == access.workspace.id)
        .group_by(Tag.id)
        .order_by(Tag.name)
    )
    return [Counted(tag, count) for tag, count in db.session.execute(query)]


def counted(access: Access, tag: Tag) -> Counted:
    """Return a tag with how many prompt templates have it."""
    links = prompt_template_tag
    has_it = sa.select(sa.func.count()).where(links.c.tag_id == tag.id, links.c.workspace_id == access.workspace.id)
    return Counted(tag, db.session.scalar(has_it) or 0)


def find_named(access: Access, name: str) -> Tag | None:
    """Return the tag that is called so, in capitals or not."""
    return db.session.scalars(access.select(Tag).where(Tag.name == name.lower())).first()


def rename(access: Access, tag: Tag, name: str) -> Tag:
    """Call a tag otherwise; a name that another tag has merges the two. Returns the tag that is left.

    Raises InvalidInput.
    """
    clean = _name(name)
    if clean == tag.name:
        return tag
    old = tag.name
    templates = _with(tag)
    before = {template.id: [one.name for one in template.tags] for template in templates}
    there = find_named(access, clean)
    if there is None:
        tag.name = clean
        db.session.flush()
    else:
        _move(tag, there)
    for template in templates:
        db.session.expire(template, ["tags"])
        _note(access, template, before[template.id])
    verb = "rename" if there is None else "merge"
    access.audit(f"tag.{verb}", clean, before={"name": old}, after={"name": clean, "prompt_templates": len(templates)})
    db.session.commit()
    return there or tag


def remove(access: Access, tag: Tag) -> int:
    """Delete a tag, and return how many prompt templates had it."""
    templates = _with(tag)
    before = {template.id: [one.name for one in template.tags] for template in templates}
    access.delete(tag)
    for template in templates:
        db.session.expire(template, ["tags"])
        _note(access, template, before[template.id])
    access.audit("tag.delete", tag.name, before={"prompt_templates": len(templates)})
    db.session.commit()
    return len(templates)


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


def _name(name: str) -> str:
    """Return a tag's name as it is stored. Raises InvalidInput."""
    try:
        (clean,) = fields.details({"tags": [name]})["tags"]
    except InvalidInput as error:
        raise InvalidInput(errors=[{**one, "field": "name"} for one in error.errors]) from error
    except ValueError as error:
        raise InvalidInput(errors=[{"field": "name", "message": "Use 1 to 50 characters."}]) from error
    return str(clean)


def _with(tag: Tag) -> list[PromptTemplate]:
    """Return the prompt templates that have the tag; their rows stay locked until the commit."""
    links = prompt_template_tag
    query = (
        sa.select(PromptTemplate)
        .join(links, links.c.prompt_template_id == PromptTemplate.id)
        .where(links.c.tag_id == tag.id, PromptTemplate.workspace_id == tag.workspace_id)
    )
    return list(db.session.scalars(query.order_by(PromptTemplate.id).with_for_update(of=PromptTemplate)))


def _move(tag: Tag, there: Tag) -> None:
    """Let what has `tag` have `there` instead, once, and delete `tag`."""
    links = prompt_template_tag
    moved = sa.select(links.c.prompt_template_id, sa.literal(there.id), links.c.workspace_id).where(
        links.c.tag_id == tag.id
    )
    db.session.execute(
        insert(links)
        .from_select(["prompt_template_id", "tag_id", "workspace_id"], moved)
        .on_conflict_do_nothing(index_elements=["prompt_template_id", "tag_id"])
    )
    db.session.execute(sa.delete(Tag).where(Tag.id == tag.id).execution_options(synchronize_session=False))
    db.session.expunge(tag)


def _note(access: Access, template: PromptTemplate, before: list[str]) -> None:
    events.note_update(access, template, {"tags": before}, {"tags": [tag.name for tag in template.tags]})
