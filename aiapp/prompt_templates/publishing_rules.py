"""What a workspace asks for before a version is published or a protected label is moved, and who may give it."""

from __future__ import annotations

import sqlalchemy as sa

from aiapp.errors import Conflict, Denied, InvalidInput
from aiapp.extensions import db
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.prompt_templates.release_models import APPROVALS, Label, LabelledVersion, PromptApproval, PublishingRule
from aiapp.workspaces.access import Access

WORDS = {
    "none": "Nobody: an editor publishes alone",
    "admin": "An admin",
    "second_person": "A second person",
}


def rule_of(access: Access) -> str:
    """Return who has to agree in this workspace: one of APPROVALS."""
    query = sa.select(PublishingRule.approval).where(PublishingRule.workspace_id == access.workspace.id)
    return db.session.scalar(query) or "none"


def set_rule(access: Access, approval: str) -> None:
    """Say who has to agree from now on. Requests that are open stay open. Raises InvalidInput."""
    if approval not in APPROVALS:
        message = "Choose one of: " + ", ".join(APPROVALS) + "."
        raise InvalidInput(errors=[{"field": "approval", "message": message}])
    row = db.session.get(PublishingRule, access.workspace.id, with_for_update=True)
    before = row.approval if row else "none"
    if before == approval:
        return
    if row is None:
        db.session.add(PublishingRule(workspace_id=access.workspace.id, approval=approval))
    else:
        row.approval = approval
    access.audit(
        "workspace.publishing_rule", access.workspace.name, before={"approval": before}, after={"approval": approval}
    )
    db.session.commit()


def approval_needed(access: Access, label: Label | None = None) -> bool:
    """Whether this person has to ask before they publish, or before they move `label`."""
    if label is not None and not label.protected:
        return False
    rule = rule_of(access)
    if rule == "second_person":
        return True
    return (rule == "admin" or label is not None) and not is_admin(access)


def demand_none_needed(access: Access, label: Label | None = None) -> None:
    """Raise Conflict `approval_needed` where this person has to ask first."""
    if approval_needed(access, label):
        what = "publishing" if label is None else f"moving the protected label {label.name}"
        raise Conflict(f"In this workspace {what} needs an approval: ask for one.", code="approval_needed")


def demand_free(access: Access, template: PromptTemplate, does: str) -> None:
    """Raise Denied where what programs get by `template` was agreed on, and this person may not take it away alone.

    Archived or deleted it gives them nothing; under another slug neither, and another prompt template could take the old one.

    Arguments:
        does: what an admin has to do instead, for people: `archives it`.
    """
    if not is_guarded(access, template):
        return
    if not access.allows("admin"):
        raise Denied(f"What programs get from {template.name} needs an approval here: an admin {does}.", role="admin")
    access.demand("admin", "admin")


def is_guarded(access: Access, template: PromptTemplate) -> bool:
    """Whether what programs get by `template` was agreed on: it is published under a rule, or has a protected label."""
    published = sa.exists().where(PromptVersion.prompt_template_id == template.id, PromptVersion.status == "published")
    guarded = sa.exists().where(
        LabelledVersion.prompt_template_id == template.id, LabelledVersion.label_id == Label.id, Label.protected
    )
    under_rule = rule_of(access) != "none" and db.session.scalar(sa.select(published))
    return bool(under_rule or db.session.scalar(sa.select(guarded)))


def may_decide(access: Access, approval: PromptApproval) -> bool:
    """Whether this person may approve or reject a request."""
    rule = rule_of(access)
    if rule == "second_person":
        return access.allows("editor") and approval.requested_by_id != access.user.id
    if rule == "admin" or approval.label_id is not None:
        return is_admin(access)
    return access.allows("editor")  # nobody has to agree any more


def decidable(access: Access) -> sa.ColumnElement[bool] | None:
    """Return the condition on requests that this person may decide, as may_decide says; None where that is none."""
    if not access.allows("editor"):
        return None
    rule = rule_of(access)
    if rule == "second_person":
        return PromptApproval.requested_by_id.is_distinct_from(access.user.id)
    if is_admin(access):
        return sa.true()
    return None if rule == "admin" else PromptApproval.label_id.is_(None)


def is_admin(access: Access) -> bool:
    """Whether both the role and the scope of who asks are an admin's."""
    return access.allows("admin") and access.scope == "admin"
