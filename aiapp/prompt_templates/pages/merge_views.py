"""Merging a branch into the main line, on one page: what comes of it, what both changed, and who wins where."""

from __future__ import annotations

from typing import Any

from flask import Response, request
from werkzeug.wrappers import Response as BaseResponse

from aiapp import htmx
from aiapp.errors import AppError, Conflict, InvalidInput
from aiapp.extensions import db, reading
from aiapp.prompt_templates import branches, library, merges, versioning
from aiapp.prompt_templates.comparing import conflicts
from aiapp.prompt_templates.comparing.changes import changes_in
from aiapp.prompt_templates.comparing.diffing import Room
from aiapp.prompt_templates.models import PromptTemplate
from aiapp.prompt_templates.pages import forms
from aiapp.prompt_templates.pages.routes import address, answer, blueprint, shell
from aiapp.workspaces.access import Access, require


@blueprint.get("/<slug>/merge")
@require("editor")
def merge_page(access: Access, slug: str) -> Response:
    """What a merge would make of `branch` and the version `into` of the main line; without them of the branch changed last."""
    template, room = library.find(access, slug), Room.of_page()
    found = branches.listed(access, template)
    branch = request.args.get("branch", "")
    if not found and not branch:
        return _answer(access, template, found, plan=None)
    open_first = sorted(found, key=lambda one: one.merged)
    plan = merges.plan(access, template, branch or open_first[0].name, request.args.get("into", type=int), room)
    return _page(access, template, plan, room)


@blueprint.post("/<slug>/merge")
@require("editor")
def merge(access: Access, slug: str) -> BaseResponse:
    """Make the merged draft as the form decides."""
    db.session.commit()  # who asks is known; what follows is read and compared without the writer's lock
    with reading():
        template = library.find(access, slug)
    branch, into = request.form.get("branch", ""), forms.typed_number("into")
    room = Room.of_page()
    plan = merges.plan(access, template, branch, into, room)
    try:
        draft = merges.make(access, plan, _decisions(plan), request.form.get("message", ""))
    except (InvalidInput, Conflict) as error:
        db.session.commit()
        with reading():
            if error.code == "merge_overtaken":
                room = Room.of_page()
                plan = merges.plan(access, template, branch, into, room)
            return _page(access, template, plan, room, error)
    done = f"v{draft.number} is a draft of both. Publish it when it is right."
    return htmx.go(address(draft, workspace=access.workspace.slug), done)


def _decisions(plan: merges.Plan) -> dict[str, merges.Decision]:
    form = request.form
    return {
        one.key: merges.Decision(form[f"take-{one.key}"], form.get(f"text-{one.key}", ""))
        for one in plan.conflicts
        if form.get(f"take-{one.key}")
    }


def _page(
    access: Access, template: PromptTemplate, plan: merges.Plan, room: Room, error: AppError | None = None
) -> Response:
    """Return the page of a merge; `room` is what planning it has left."""
    decisions = _decisions(plan)
    result = plan.merged.content({one.key: merges.decide(one, decisions[one.key]) for one in _valid(plan, decisions)})
    return _answer(
        access,
        template,
        branches.listed(access, template),
        error,
        plan=plan,
        targets=branches.targets(access, template),
        conflicts=conflicts.shown(plan.conflicts, decisions, room),
        changes=changes_in(versioning.content(plan.ours), result, split=False, room=room),
        message=request.form.get("message", f"Merge {plan.theirs.branch}"),
    )


def _answer(
    access: Access,
    template: PromptTemplate,
    found: list[branches.Branch],
    error: AppError | None = None,
    **context: Any,
) -> Response:
    return answer(
        "prompt_templates/merge.html",
        error.status if error else 200,
        **shell(access, template, library.current(access, template), ""),
        branches=found,
        error=error,
        errors=forms.errors_of(error) if error else {},
        **context,
    )


def _valid(plan: merges.Plan, decisions: dict[str, merges.Decision]) -> list[Any]:
    return [one for one in plan.conflicts if one.key in decisions and decisions[one.key].take in merges.takes(one)]
