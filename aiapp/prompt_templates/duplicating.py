"""Copies of prompt templates, to begin something similar from."""

from __future__ import annotations

from aiapp.extensions import db
from aiapp.prompt_templates import library, slugs, versioning
from aiapp.prompt_templates.models import PromptTemplate
from aiapp.prompt_templates.tagging import set_tags
from aiapp.prompt_templates.text import fields
from aiapp.workspaces.access import Access

_LONGEST_NAME = 100


def duplicate(access: Access, template: PromptTemplate) -> PromptTemplate:
    """Make a prompt template that says what the current version of `template` says, as its own version 1, a draft.

    Labels, history, favourites and executions stay where they are.
    """
    source = library.current(access, template)
    details = {"description": template.description, "task": template.task}
    name = f"Copy of {template.name}"[:_LONGEST_NAME].rstrip()
    copy = PromptTemplate(workspace_id=access.workspace.id, name=name, last_number=1, **details)
    slugs.insert(copy, None)
    set_tags(access, copy, [tag.name for tag in template.tags][: fields.MAX_TAGS])
    message = f"Copy of {template.name} v{source.number}"
    db.session.add(versioning.make(access, copy, 1, versioning.content(source), message=message))
    access.audit(
        "prompt_template.duplicate", copy.name, after={"slug": copy.slug, "of": template.slug, "version": source.number}
    )
    db.session.commit()
    return copy
