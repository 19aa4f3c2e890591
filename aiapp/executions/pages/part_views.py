"""What other pages show of executions: those of a prompt template, the values they had, what a credential is used by."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from flask import render_template, request
from werkzeug.wrappers import Response

from aiapp import htmx
from aiapp.credentials import keeping
from aiapp.errors import NotFound
from aiapp.executions import actions
from aiapp.executions.lists.filters import SEARCHED
from aiapp.executions.lists.listing import using
from aiapp.executions.models import Execution
from aiapp.executions.pages.routes import blueprint
from aiapp.extensions import db
from aiapp.prompt_templates.models import PromptTemplate
from aiapp.workspaces.access import Access, require

OF_TEMPLATE = 10
LOOKED_AT = 30  # executions, for contexts that are not alike


@blueprint.get("/w/<workspace>/executions/_of")
@require()
def of_prompt_template(access: Access) -> Response:
    """The newest executions of a prompt template (`?template=slug&but=id`)."""
    slug = request.args.get("template", "")
    if db.session.scalar(access.select(PromptTemplate).where(PromptTemplate.slug == slug)) is None:
        raise NotFound
    found = actions.list_executions(access, actions.Filters(template=slug), limit=OF_TEMPLATE + 1, texts=False)
    but = request.args.get("but")
    rows = [row for row in found.rows if row.id != but][:OF_TEMPLATE]
    return htmx.fragment("executions/_of.html", executions=rows, but=but)


@blueprint.get("/w/<workspace>/executions/_contexts")
@require()
def contexts(access: Access) -> Response:
    """The values that a prompt template was executed with lately, to fill a form with (`?template=slug&version=3&into=run`).

    The buttons belong to the form of the editor, or with `into=run` to that of the run form.
    """
    return htmx.fragment("executions/_contexts.html", **_contexts(access, OF_TEMPLATE))


@blueprint.get("/w/<workspace>/executions/contexts")
@require()
def all_contexts(access: Access) -> str:
    """The same as a page, for where no script runs and for older ones: `?cursor` goes on."""
    return render_template("executions/contexts.html", page=True, **_contexts(access, LOOKED_AT))


def _contexts(access: Access, most: int) -> dict[str, Any]:
    """Return up to `most` contexts that are not alike, of the LOOKED_AT executions from the cursor on."""
    slug, version = request.args.get("template", ""), request.args.get("version", default=0, type=int)
    template = db.session.scalar(access.select(PromptTemplate).where(PromptTemplate.slug == slug))
    if template is None:
        raise NotFound
    found = actions.list_executions(
        access, actions.Filters(template=slug), cursor=request.args.get("cursor"), limit=LOOKED_AT, texts=False
    )
    given: dict[str, Execution] = {}
    for execution in found.rows:
        if execution.context and len(given) < most:
            given.setdefault(json.dumps(execution.context, sort_keys=True), execution)
    into = "run" if request.args.get("into") == "run" else "editor"
    return {
        "owner": template,
        "slug": slug,
        "version": version,
        "into": into,
        "executions": list(given.values()),
        "next_cursor": found.next_cursor,
    }


@blueprint.get("/w/<workspace>/executions/_with")
@require()
def with_credential(access: Access) -> Response:
    """What a credential is used by (`?credential=id`), for who may change it."""
    credential = keeping.kept(access, request.args.get("credential", ""))
    users = using(access, credential.id)
    ran = bool(users) or db.session.scalar(sa.select(access.select(Execution).exists()))
    return htmx.fragment("executions/_using.html", users=users, newest=SEARCHED, ran=ran)
