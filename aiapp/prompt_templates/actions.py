"""What people do with prompt templates; each verb commits once, at its end. Versions have verbs of their own (drafts, releases).

A version is a draft or a preview until it is published; then it never changes again, and becomes archived when another one
is published. Numbers are given when a version is made and stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiapp.extensions import db
from aiapp.prompt_templates import partials, publishing_rules, slugs, versioning
from aiapp.prompt_templates.archiving import archive, demand_unneeded, unarchive
from aiapp.prompt_templates.details import change
from aiapp.prompt_templates.drafts import new_draft, preview, reopen, restore_saved, save_draft
from aiapp.prompt_templates.duplicating import duplicate
from aiapp.prompt_templates.models import PromptTemplate
from aiapp.prompt_templates.releases import publish, rollback, runnable_version
from aiapp.prompt_templates.tagging import set_tags
from aiapp.prompt_templates.text import fields
from aiapp.prompt_templates.uses import uses
from aiapp.workspaces.access import Access

__all__ = [
    "add",
    "archive",
    "change",
    "create",
    "delete",
    "duplicate",
    "new_draft",
    "preview",
    "publish",
    "reopen",
    "restore_saved",
    "rollback",
    "runnable_version",
    "save_draft",
    "unarchive",
    "update",
]


def create(access: Access, given: Mapping[str, Any]) -> PromptTemplate:
    """Make a prompt template and its version 1, a draft.

    Arguments:
        given: `name`, and what else CONTRACT.md names for a prompt template. Without a slug one is made of the name.
    Raises InvalidInput, Conflict `slug_taken`.
    """
    template = add(access, given)
    db.session.commit()
    return template


def add(access: Access, given: Mapping[str, Any]) -> PromptTemplate:
    """As create, uncommitted: for what makes several."""
    details = fields.details({"name": "", **given})
    text = partials.with_variables(access, {**versioning.empty(), **fields.content(given)})
    tags = details.pop("tags", [])
    slug = details.pop("slug", None)
    template = PromptTemplate(workspace_id=access.workspace.id, last_number=1, **details)
    slugs.insert(template, slug)
    set_tags(access, template, tags)
    db.session.add(versioning.make(access, template, 1, text))
    access.audit("prompt_template.create", template.name, after={"slug": template.slug})
    db.session.flush()
    return template


def update(
    access: Access, template: PromptTemplate, given: Mapping[str, Any], *, force: bool = False
) -> PromptTemplate:
    """Change details (name, slug, description, tags, task, active); what is not given stays.

    Arguments:
        force: archive what others include too.
    Raises InvalidInput, Conflict `slug_taken`, Conflict `included` for the slug or the archiving of what others include,
    Denied.
    """
    if given.get("active") is False:
        demand_unneeded(access, [template], force=force)
    if change(access, template, given):
        db.session.commit()
    return template


def delete(access: Access, template: PromptTemplate) -> dict[str, int]:
    """Delete a prompt template with all its versions, and return what used it (see uses). Executions stay, without it.

    Raises NotFound where somebody else has just done so, Denied where an approval stands behind what programs get by it.
    """
    publishing_rules.demand_free(access, template, "deletes it")
    used = uses(access, template)
    name, slug = template.name, template.slug
    access.delete(template)
    access.audit("prompt_template.delete", name, before={"slug": slug, **used})
    db.session.commit()
    return used
