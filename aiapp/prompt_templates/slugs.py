"""The slug of a prompt template: one of its own in its workspace, given when it is made."""

from __future__ import annotations

from itertools import chain, islice

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from aiapp.errors import Conflict
from aiapp.extensions import db
from aiapp.prompt_templates.models import PromptTemplate
from aiapp.prompt_templates.text import fields, wording


def insert(template: PromptTemplate, slug: str | None) -> None:
    """Add a new template under `slug`, else under the first free one made of its name. Raises Conflict `slug_taken`."""
    for candidate in [slug] if slug else _free(template):
        template.slug = candidate
        try:
            with db.session.begin_nested():
                db.session.add(template)
                db.session.flush()
        except IntegrityError as error:
            if "slug" not in str(error.orig):
                raise  # the workspace has just been deleted
            continue  # somebody took it a moment ago
        return
    raise taken()


def taken() -> Conflict:
    """Return the refusal of a slug that another prompt template of the workspace has."""
    message = "Another prompt template has this slug already."
    return Conflict(message, code="slug_taken", errors=[{"field": "slug", "message": message}])


def _free(template: PromptTemplate) -> list[str]:
    """Return a few slugs made of the name that nobody has."""
    base = wording.slug_of(template.name)
    candidates = chain([base], (f"{base[:55].rstrip('-')}-{number}" for number in range(2, 10_000)))
    there = sa.select(PromptTemplate.slug).where(PromptTemplate.workspace_id == template.workspace_id)
    used = set(db.session.scalars(there.where(PromptTemplate.slug.startswith(base[:55].rstrip("-")))))
    return list(islice((one for one in candidates if one not in used | fields.RESERVED), 20))
