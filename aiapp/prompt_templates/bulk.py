"""What is done to several prompt templates at once: all of it or, where one of them cannot be, none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from aiapp.errors import InvalidInput, NotFound
from aiapp.extensions import db
from aiapp.prompt_templates import archiving, details
from aiapp.prompt_templates.models import PromptTemplate
from aiapp.prompt_templates.text import fields
from aiapp.workspaces.access import Access

MOST = 500


def find_all(access: Access, slugs: Iterable[str]) -> list[PromptTemplate]:
    """Return the prompt templates with these slugs, by id. Raises InvalidInput for none or too many, NotFound."""
    wanted = set(slugs)
    if not 1 <= len(wanted) <= MOST:
        raise InvalidInput(errors=[{"field": "slug", "message": f"Choose 1 to {MOST} prompt templates."}])
    if not all(fields.SLUG.fullmatch(slug) for slug in wanted):
        raise _missing()
    # Always in the same order: two who lock the same rows the other way round wait for ever.
    query = access.select(PromptTemplate).where(PromptTemplate.slug.in_(wanted)).order_by(PromptTemplate.id)
    found = list(db.session.scalars(query.with_for_update()))
    if len(found) != len(wanted):
        raise _missing()
    return found


def add_tags(access: Access, templates: Iterable[PromptTemplate], names: Iterable[str]) -> int:
    """Give each of them these tags too, and return how many have changed. Raises InvalidInput."""
    wanted = _tags(names)
    return _change(access, templates, lambda has: {"tags": [*has, *wanted]})


def remove_tags(access: Access, templates: Iterable[PromptTemplate], names: Iterable[str]) -> int:
    """Take these tags from each that has them, and return how many have changed. Raises InvalidInput."""
    unwanted = _tags(names)
    return _change(access, templates, lambda has: {"tags": [tag for tag in has if tag not in unwanted]})


def set_active(access: Access, templates: Sequence[PromptTemplate], active: bool, *, force: bool = False) -> int:
    """Archive them, or bring them back, and return how many have changed. Raises as archiving.demand_unneeded."""
    if not active:
        archiving.demand_unneeded(access, templates, force=force)
    return _change(access, templates, lambda has: {"active": active})


def _change(
    access: Access, templates: Iterable[PromptTemplate], given: Callable[[list[str]], Mapping[str, Any]]
) -> int:
    changed = 0
    for template in templates:
        try:
            changed += details.change(access, template, given([tag.name for tag in template.tags]))
        except InvalidInput as error:
            db.session.rollback()
            raise InvalidInput(
                errors=[{**one, "message": f"{template.name}: {one['message']}"} for one in error.errors]
            ) from error
    db.session.commit()
    return changed


def _tags(names: Iterable[str]) -> list[str]:
    clean: list[str] = fields.details({"tags": list(names)})["tags"]
    if not clean:
        raise InvalidInput(errors=[{"field": "tags", "message": "Name a tag."}])
    return clean


def _missing() -> NotFound:
    return NotFound("There is no such prompt template in this workspace.")
