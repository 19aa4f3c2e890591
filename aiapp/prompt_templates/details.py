"""Changing what a prompt template is called: one step, uncommitted, that several verbs are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.exc import IntegrityError

from aiapp.columns import now
from aiapp.extensions import db
from aiapp.prompt_templates import events, partials, publishing_rules, slugs
from aiapp.prompt_templates.models import PromptTemplate
from aiapp.prompt_templates.tagging import set_tags
from aiapp.prompt_templates.text import fields
from aiapp.workspaces.access import Access


def change(access: Access, template: PromptTemplate, given: Mapping[str, Any]) -> bool:
    """Change details (name, slug, description, tags, task, active), with their history and audit; what is not given stays.

    Returns whether anything has changed. Raises InvalidInput, Conflict `slug_taken`, Conflict `included` for the slug of what
    others include, Denied for the slug, or the archiving, of what an approval stands behind.
    """
    clean = fields.details(given)
    before: dict[str, Any] = {"tags": [tag.name for tag in template.tags]}
    before |= {field: getattr(template, field) for field in clean if field != "tags"}
    changed = {field: value for field, value in clean.items() if value != before[field]}
    if not changed:
        return False
    if "slug" in changed:
        partials.demand_unincluded(access, template)
        publishing_rules.demand_free(access, template, "gives it another slug")
    if changed.get("active") is False:
        publishing_rules.demand_free(access, template, "archives it")
    _write(template, {field: value for field, value in changed.items() if field != "tags"})
    if "tags" in changed:
        set_tags(access, template, changed["tags"])
    events.note_update(access, template, before, changed)
    old = {field: before[field] for field in changed}
    access.audit(f"prompt_template.{_verb(changed)}", template.name, before=old, after=changed)
    return True


def _write(template: PromptTemplate, columns: Mapping[str, Any]) -> None:
    try:
        with db.session.begin_nested():
            for field, value in columns.items():
                setattr(template, field, value)
            template.updated_at = now()
            db.session.flush()
    except IntegrityError as error:
        if "slug" not in str(error.orig):
            raise
        raise slugs.taken() from error


def _verb(changed: Mapping[str, Any]) -> str:
    if set(changed) != {"active"}:
        return "update"
    return "unarchive" if changed["active"] else "archive"
