"""Pages and fragments of feedback."""

from __future__ import annotations

from flask import Blueprint, render_template, request, url_for
from werkzeug.wrappers import Response

from aiapp import htmx
from aiapp.errors import InvalidInput, NotFound
from aiapp.executions.models import Execution
from aiapp.extensions import db
from aiapp.feedback import actions
from aiapp.prompt_templates.models import PromptTemplate
from aiapp.workspaces.access import Access, require

blueprint = Blueprint("feedback", __name__)


@blueprint.get("/w/<workspace>/executions/<id:execution_id>/_feedback")
@require()
def form(access: Access, execution_id: str) -> Response:
    """The thumbs under an output."""
    execution = access.get(Execution, execution_id)
    return htmx.fragment("feedback/_form.html", execution=execution, mine=actions.mine(access, execution))


@blueprint.get("/w/<workspace>/executions/<id:execution_id>/feedback")
@require()
def page(access: Access, execution_id: str) -> str:
    """The thumbs on a page of their own, for browsers without scripts."""
    execution = access.get(Execution, execution_id)
    return render_template("feedback/page.html", execution=execution, mine=actions.mine(access, execution))


@blueprint.post("/w/<workspace>/executions/<id:execution_id>/feedback")
@require()
def rate(access: Access, execution_id: str) -> Response:
    """Keep a thumb and its comment; an empty rating withdraws it."""
    execution = access.get(Execution, execution_id)
    rating, comment = request.form.get("rating", ""), request.form.get("comment")
    message = error = ""
    try:
        if rating:
            actions.rate(access, execution, rating, comment)
            message = "Thank you." if comment is None else "Saved."
        else:
            actions.withdraw(access, execution)
            message = "Withdrawn."
    except InvalidInput as invalid:
        db.session.rollback()
        error = invalid.errors[0]["message"]
    if not htmx.wanted() and not error:
        onward = "feedback.page" if rating and comment is None else "executions.show"  # a comment may follow the thumb
        return htmx.go(url_for(onward, workspace=access.workspace.slug, execution_id=execution.id), message)
    shown = {"execution": execution, "mine": actions.mine(access, execution), "message": message, "error": error}
    if error:
        shown |= {"typed": comment, "chosen": rating}  # what was refused stays, to be made to fit
    if not htmx.wanted():
        return Response(render_template("feedback/page.html", **shown), 422, mimetype="text/html")
    return htmx.fragment("feedback/_form.html", 422 if error else 200, **shown)


@blueprint.get("/w/<workspace>/feedback/_of")
@require()
def of_prompt_template(access: Access) -> Response:
    """How a prompt template's executions were rated (`?template=slug`)."""
    query = access.select(PromptTemplate).where(PromptTemplate.slug == request.args.get("template", ""))
    template = db.session.scalar(query)
    if template is None:
        raise NotFound
    return htmx.fragment(
        "feedback/_of.html", counts=actions.counts_of(access, template), rows=actions.newest_of(access, template)
    )
