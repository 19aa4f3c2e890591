"""What differs between two outputs."""

from __future__ import annotations

import re

from flask import redirect, render_template, request
from sqlalchemy.orm import joinedload
from werkzeug.wrappers import Response

from aiapp.errors import InvalidInput, NotFound
from aiapp.executions import actions, differing, provenance
from aiapp.executions.models import Execution
from aiapp.executions.pages.routes import blueprint, diff_address
from aiapp.extensions import db
from aiapp.workspaces.access import Access, require

RELATED = 20
_ID = re.compile("(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")


@blueprint.get("/w/<workspace>/executions/<id:execution_id>/diff")
@require()
def choose_diff(access: Access, execution_id: str) -> Response | str:
    """Choose the other one: a related one, or by its address or id (`?with=`)."""
    execution = access.get(Execution, execution_id)
    given, problem = request.args.get("with", ""), ""
    if given:
        try:
            older, newer = sorted((_named(access, given), execution), key=lambda one: one.id)
            return redirect(diff_address(access, older, newer), 303)
        except (InvalidInput, NotFound) as error:
            problem = error.detail
    return render_template(
        "executions/choose_diff.html",
        execution=execution,
        related=_related(access, execution),
        given=given,
        problem=problem,
    )


@blueprint.get("/w/<workspace>/executions/<id:execution_id>/diff/<id:other_id>")
@require()
def diff(access: Access, execution_id: str, other_id: str) -> str:
    """Line by line, from the first to the second; and what was asked of them differently."""
    old, new = access.get(Execution, execution_id), access.get(Execution, other_id)
    split = request.args.get("view") != "unified"
    return render_template(
        "executions/diff.html",
        old=old,
        new=new,
        split=split,
        found=differing.outputs_between(old, new, split=split),
        asked=differing.asked_differently(old, new),
    )


def _named(access: Access, given: str) -> Execution:
    """Return the execution whose id stands in a text, the address of its page for example; the last one of several."""
    ids = _ID.findall(given.lower())
    if not ids:
        raise InvalidInput("There is no id of an execution in this. It has 32 letters and digits.")
    return access.get(Execution, ids[-1])


def _related(access: Access, execution: Execution) -> list[tuple[str, Execution]]:
    """Return the executions that one is likely to be compared with, each with why: what it repeats, what repeats it, its like."""
    family = provenance.of(access, execution)
    found: dict[str, tuple[str, Execution]] = {}
    if family["parent"] is not None:
        found[family["parent"].id] = ("what it repeats", family["parent"])
        siblings = access.select(Execution).where(Execution.parent_id == execution.parent_id)
        query = siblings.order_by(Execution.id.desc()).limit(RELATED).options(joinedload(Execution.prompt_version))
        for one in db.session.scalars(query):
            found.setdefault(one.id, ("repeats the same one", one))
    for one in family["children"]:
        found.setdefault(one.id, ("repeats it", one))
    if execution.prompt_template is not None:
        wanted = actions.Filters(template=execution.prompt_template.slug, status="completed")
        for one in actions.list_executions(access, wanted, limit=RELATED, texts=False).rows:
            found.setdefault(one.id, ("the same prompt template", one))
    found.pop(execution.id, None)
    return list(found.values())[:RELATED]
