"""Archiving: a prompt template that nobody needs keeps everything, is out of the way, and cannot be run."""

from __future__ import annotations

from collections.abc import Sequence

from aiapp.errors import Conflict
from aiapp.extensions import db
from aiapp.prompt_templates import details, partials, publishing_rules
from aiapp.prompt_templates.models import PromptTemplate
from aiapp.workspaces.access import Access


def archive(access: Access, template: PromptTemplate, *, force: bool = False) -> None:
    """Archive a prompt template; one that is archived already stays so. Raises as demand_unneeded."""
    demand_unneeded(access, [template], force=force)
    details.change(access, template, {"active": False})
    db.session.commit()


def unarchive(access: Access, template: PromptTemplate) -> None:
    """Bring an archived prompt template back."""
    details.change(access, template, {"active": True})
    db.session.commit()


def demand_unneeded(access: Access, templates: Sequence[PromptTemplate], *, force: bool = False) -> None:
    """Raise Denied, or Conflict `included` that names who needs them, where `templates` are not archived unawares.

    Arguments:
        force: archive what others include too: these can run no more.
    """
    going = [template for template in templates if template.active]
    for template in going:
        publishing_rules.demand_free(access, template, "archives it")
    users = [] if force else needed_by(access, going)
    if users:
        message = (
            f"This is included by {partials.named(users)}. With force=true it is archived, and these can run no more."
        )
        raise Conflict(message, code="included", errors=[{"field": "active", "message": message}])


def needed_by(access: Access, templates: Sequence[PromptTemplate]) -> list[tuple[PromptTemplate, int]]:
    """Return the versions that could run no more without `templates`, as partials.included_by does.

    One whose own prompt template is archived, or is to be with these, loses nothing.
    """
    leaving = {template.id for template in templates}
    found = partials.versions_including(access, {template.slug for template in templates}) if templates else []
    users = [(one.prompt_template, one.number) for one in found]
    return [(user, number) for user, number in users if user.active and user.id not in leaving]
