"""Pages and fragments of feedback."""

from __future__ import annotations

from typing import Any

from flask import render_template, request, url_for
from werkzeug.wrappers import Response

from aiapp import htmx
from aiapp.errors import InvalidInput, NotFound
from aiapp.executions.models import Execution
from aiapp.extensions import db
from aiapp.feedback import actions, report_views, reports
from aiapp.feedback.models import REASONS, Feedback
from aiapp.feedback.routes import blueprint
from aiapp.feedback.votes import Wanted
from aiapp.prompt_templates.models import PromptTemplate
from aiapp.workspaces.access import Access, require

__all__ = ["blueprint", "report_views"]


@blueprint.get("/w/<workspace>/executions/<id:execution_id>/_feedback")
@require()
def form(access: Access, execution_id: str) -> Response:
    """The thumbs under an output."""
    return htmx.fragment("feedback/_form.html", **_shown(access, access.get(Execution, execution_id)))


@blueprint.get("/w/<workspace>/executions/<id:execution_id>/feedback")
@require()
def page(access: Access, execution_id: str) -> str:
    """The thumbs on a page of their own, for browsers without scripts."""
    return render_template("feedback/page.html", **_shown(access, access.get(Execution, execution_id)))


@blueprint.post("/w/<workspace>/executions/<id:execution_id>/feedback")
@require()
def rate(access: Access, execution_id: str) -> Response:
    """Keep a thumb and its comment; an empty rating withdraws it."""
    execution = access.get(Execution, execution_id)
    rating, comment = request.form.get("rating", ""), request.form.get("comment")
    before = actions.mine(access, execution)
    detailed = bool(request.form.get("has_reasons"))  # the form that follows a thumb
    reasons = request.form.getlist("reasons") if detailed else None
    if before is not None and before.rating != rating:
        reasons = []  # they were about the other thumb
    taken_back = _of_the_other_thumb(before, rating, comment)
    if taken_back:
        comment, taken_back = "", taken_back if access.workspace.keeps_texts else None
    message = error = ""
    try:
        if rating:
            actions.rate(access, execution, rating, comment, reasons)
            message = _said(taken_back, detailed or comment is not None)
        else:
            actions.withdraw(access, execution)
            message = "Withdrawn."
    except InvalidInput as invalid:
        db.session.rollback()
        error = invalid.errors[0]["message"]
    if not htmx.wanted() and not error and not (rating and taken_back):
        only_thumb = rating and comment is None and not detailed  # a comment may follow
        onward = "feedback.page" if only_thumb else "executions.show"
        return htmx.go(url_for(onward, workspace=access.workspace.slug, execution_id=execution.id), message)
    shown = _shown(access, execution) | {"message": message, "error": error}
    if error or (rating and taken_back):
        shown |= {"typed": taken_back or comment, "chosen": rating}  # stays in the form, to be made to fit
    if not htmx.wanted():
        return Response(render_template("feedback/page.html", **shown), 422 if error else 200, mimetype="text/html")
    return htmx.fragment("feedback/_form.html", 422 if error else 200, **shown)


def _of_the_other_thumb(before: Feedback | None, rating: str, comment: str | None) -> str | None:
    """Return the comment that nobody has changed while they changed the thumb: whoever still means it saves it again."""
    if before is None or before.rating == rating or not actions.readable(before):
        return None
    return before.comment if comment is None or actions.plain(comment) == before.comment else None


def _said(taken_back: str | None, detailed: bool) -> str:
    if taken_back:
        return "Save the comment again if it still holds."
    return "Saved." if detailed else "Thank you."


def _shown(access: Access, execution: Execution) -> dict[str, Any]:
    mine = actions.mine(access, execution)
    readable = mine is None or actions.readable(mine)
    return {"execution": execution, "mine": mine, "readable": readable, "reasons": REASONS}


@blueprint.get("/w/<workspace>/feedback/_of")
@require()
def of_prompt_template(access: Access) -> Response:
    """How a prompt template's executions were rated (`?template=slug`)."""
    query = access.select(PromptTemplate).where(PromptTemplate.slug == request.args.get("template", ""))
    template = db.session.scalar(query)
    if template is None:
        raise NotFound
    return htmx.fragment(
        "feedback/_of.html",
        share=reports.total(access, Wanted(template=template.slug)),
        rows=actions.newest_of(access, template),
        slug=template.slug,
    )
