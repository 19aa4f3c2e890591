"""What happened to a prompt template, for its history: rows are only added, by the verbs that do what they tell of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiapp.extensions import db
from aiapp.prompt_templates.models import PromptTemplate
from aiapp.prompt_templates.release_models import PromptEvent
from aiapp.workspaces.access import Access

SHOWN = 200


def note(
    access: Access,
    template: PromptTemplate,
    action: str,
    *,
    label: str | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    message: str = "",
) -> None:
    """Add an event to the session; the caller's commit keeps it.

    Arguments:
        action: details, archive, publish, label or approval.
        before, after: the fields that changed, as JSON values; of a label, `{"version": number or None}`.
    """
    event = PromptEvent(
        workspace_id=access.workspace.id,
        prompt_template_id=template.id,
        action=action,
        label=label,
        before=dict(before) if before is not None else None,
        after=dict(after) if after is not None else None,
        message=message,
        user_id=access.user.id,
    )
    db.session.add(event)


def note_update(access: Access, template: PromptTemplate, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Add what a change of a template's details says of its history: being switched off or on is told apart."""
    details = [field for field in after if field != "active"]
    if details:
        told = ({field: values[field] for field in details} for values in (before, after))
        old, new = told
        note(access, template, "details", before=old, after=new)
    if "active" in after:
        note(access, template, "archive", before={"active": before["active"]}, after={"active": after["active"]})


def listed(
    access: Access, template: PromptTemplate, limit: int = SHOWN, *, label: str | None = None
) -> list[PromptEvent]:
    """Return what happened, newest first; of one label only, where one is named."""
    query = access.select(PromptEvent).where(PromptEvent.prompt_template_id == template.id)
    if label is not None:
        query = query.where(PromptEvent.action == "label", PromptEvent.label == label)
    return list(db.session.scalars(query.order_by(PromptEvent.id.desc()).limit(limit)))
