"""The pages on which requests to publish are seen and decided."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, g, request, url_for
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response as BaseResponse

from aiapp import htmx
from aiapp.errors import AppError, Conflict, InvalidInput
from aiapp.prompt_templates import approvals, checks, dependents, labels, library, publishing_rules
from aiapp.prompt_templates.comparing.changes import changes_between
from aiapp.prompt_templates.models import PromptVersion
from aiapp.prompt_templates.pages import forms
from aiapp.prompt_templates.pages.routes import address, answer, with_way_back
from aiapp.prompt_templates.release_models import PromptApproval
from aiapp.workspaces.access import Access, require

# What a workspace's prompt templates have in common stands beside them: any word may be the slug of one.
blueprint = Blueprint("publishing", __name__, url_prefix="/w/<workspace>")
DECIDED = 50
MOST_COUNTED = 99


@blueprint.app_context_processor
def waiting() -> dict[str, Callable[[], int]]:
    """Give the navigation a function: how many requests the person who looks may decide."""
    return {"approvals_waiting": _waiting}


@blueprint.get("/approvals")
@require()
def index(access: Access) -> Response:
    """The requests that wait, and the last ones that were decided."""
    waiting = approvals.listed(access)
    recent = [one for one in approvals.listed(access, state=None, limit=DECIDED) if one.state != "open"]
    return answer(
        "prompt_templates/approvals.html",
        waiting=waiting,
        stale={one.id for one in waiting if approvals.is_stale(one)},
        yours={one.id for one in waiting if publishing_rules.may_decide(access, one)},
        decided=recent,
        rule=publishing_rules.rule_of(access),
    )


@blueprint.get("/approvals/<id:approval_id>")
@require()
def show(access: Access, approval_id: str) -> Response:
    """What was asked for: what would change, what was checked; and the answer."""
    return _page(access, access.get(PromptApproval, approval_id))


@blueprint.post("/approvals/<id:approval_id>/approve")
@require("editor")
def approve(access: Access, approval_id: str) -> BaseResponse:
    """Do what was asked for."""
    approval = access.get(PromptApproval, approval_id)
    try:
        version = approvals.approve(access, approval, request.form.get("message", ""))
    except (InvalidInput, Conflict) as error:
        return _page(access, access.get(PromptApproval, approval_id), error)
    if approval.label is None:
        done = with_way_back(access, version, f"v{version.number} is published. Everybody gets it from now on.")
    else:
        done = f"{approval.label.name} points to {'no version' if approval.takes_off else f'v{version.number}'} now."
    return htmx.go(address(version, workspace=access.workspace.slug), done)


@blueprint.post("/approvals/<id:approval_id>/reject")
@require("editor")
def reject(access: Access, approval_id: str) -> BaseResponse:
    """Say no, and why."""
    approval = access.get(PromptApproval, approval_id)
    try:
        approvals.reject(access, approval, request.form.get("message", ""))
    except (InvalidInput, Conflict) as error:
        return _page(access, access.get(PromptApproval, approval_id), error)
    return htmx.go(url_for("publishing.index", workspace=access.workspace.slug), "The request is rejected.")


@blueprint.post("/approvals/<id:approval_id>/withdraw")
@require("editor")
def withdraw(access: Access, approval_id: str) -> BaseResponse:
    """Take one's own request back."""
    approval = approvals.withdraw(access, access.get(PromptApproval, approval_id))
    back = address(approval.prompt_version, workspace=access.workspace.slug)
    return htmx.go(back, "Your request is taken back.")


def _waiting() -> int:
    access: Access | None = g.get("access")
    try:
        return approvals.count_waiting_for(access, MOST_COUNTED) if access else 0
    except SQLAlchemyError:  # the database is down: the shell of the page that says so does without
        return 0


def _page(access: Access, approval: PromptApproval, error: AppError | None = None) -> Response:
    version, template = approval.prompt_version, approval.prompt_template
    now = _replaced(access, approval)
    waits = approval.state == "open"
    return answer(
        "prompt_templates/approval.html",
        error.status if error else 200,
        approval=approval,
        version=version,
        template=template,
        path={"workspace": access.workspace.slug, "slug": template.slug},
        replaced=now,
        changes=changes_between(now, version, split=False) if waits and now and now.id != version.id else None,
        checks=[*checks.checks(version), *dependents.checks(access, version)]
        if waits and approval.label_id is None
        else [],
        stale=waits and approvals.is_stale(approval),
        decides=waits and publishing_rules.may_decide(access, approval),
        mine=waits and approval.requested_by_id == access.user.id and access.allows("editor"),
        typed=request.form.get("message", ""),
        error=error,
        errors=forms.errors_of(error) if error else {},
    )


def _replaced(access: Access, approval: PromptApproval) -> PromptVersion | None:
    """Return what stands there now in place of what was asked for."""
    if approval.label is None:
        return library.published(access, approval.prompt_template)
    return labels.labelled(access, approval.prompt_template).get(approval.label.name)
