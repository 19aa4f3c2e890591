"""Two executions of the same values beside each other: two versions of a prompt template, or two models."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from flask import make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from aiapp import htmx
from aiapp.errors import AppError, Conflict, Denied, InvalidInput, NotFound
from aiapp.executions import actions, forms, once
from aiapp.executions.models import Execution
from aiapp.executions.routes import SIDES, blueprint, shown
from aiapp.executions.submission import Submission, columns
from aiapp.extensions import db
from aiapp.workspaces.access import Access, missing, require


@blueprint.post("/w/<workspace>/executions/pair")
@require()
def create_pair(access: Access) -> Response:
    """Submit the form's values twice, as test runs: what differs has `left-` and `right-` before its name."""
    try:
        submissions = {side: _checked(access, side) for side in SIDES}  # both, before one of them costs anything
        made = {
            side: actions.submit(access, one, execution_id=once.execution_id(access, side))
            for side, one in submissions.items()
        }
    except (InvalidInput, Conflict, NotFound, Denied) as error:
        db.session.rollback()
        return _refused(access, error)
    if htmx.wanted():
        return htmx.fragment("executions/_pair.html", sides=_sides(access, made))
    left, right = (made[side].id for side in SIDES)
    return htmx.go(url_for("executions.pair", workspace=access.workspace.slug, left=left, right=right))


@blueprint.get("/w/<workspace>/executions/pair")
@require()
def pair(access: Access) -> str:
    """Two executions of one prompt template (`?left=id&right=id`)."""
    made = {side: _found(access, request.args.get(side, "")) for side in SIDES}
    return render_template("executions/pair.html", sides=_sides(access, made), template=made["left"].prompt_template)


def _found(access: Access, execution_id: str) -> Execution:
    if not re.fullmatch("[0-9a-f]{32}", execution_id):
        raise missing(Execution)
    return access.get(Execution, execution_id)


def _checked(access: Access, side: str) -> Submission:
    try:
        submission = replace(forms.submission(side), source="preview")
        columns(access, submission)
    except InvalidInput as error:
        errors = [{**one, "message": f"{one['message']} ({side.capitalize()})"} for one in error.errors]
        raise InvalidInput(error.detail or error.title, errors=errors) from error
    return submission


def _sides(access: Access, made: dict[str, Execution]) -> list[dict[str, Any]]:
    return [{**shown(access, execution), "side": side} for side, execution in made.items()]


def _refused(access: Access, error: AppError) -> Response:
    if htmx.wanted():
        return htmx.fragment("executions/_problems.html", error.status, error=error)
    slug = request.form.get("prompt_template", "")
    back = url_for("prompt_templates.index", workspace=access.workspace.slug)
    if slug:
        back = url_for("prompt_templates.compare_runs", workspace=access.workspace.slug, slug=slug)
    return make_response(render_template("executions/refused.html", error=error, back=back), error.status)
