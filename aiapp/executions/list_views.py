"""The list of executions, and the parts of it that other pages show."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask import render_template, request
from sqlalchemy.orm import joinedload
from werkzeug.wrappers import Response

from aiapp import htmx
from aiapp.columns import now
from aiapp.credentials import keeping
from aiapp.errors import NotFound
from aiapp.executions import actions
from aiapp.executions.filters import SEARCHED
from aiapp.executions.listing import using
from aiapp.executions.models import STATUSES, Execution
from aiapp.executions.routes import blueprint
from aiapp.extensions import db
from aiapp.prompt_templates.models import PromptTemplate
from aiapp.workspaces.access import Access, require

PERIODS = {"1": "Last 24 hours", "7": "Last 7 days", "30": "Last 30 days"}
FILTERS = ("q", "status", "template", "model", "provider", "period", "mine", "feedback", "source")
OF_TEMPLATE = 10
LOOKED_AT = 30  # executions, for contexts that are not alike
POLLED = 50


@blueprint.get("/w/<workspace>/executions")
@require()
def index(access: Access) -> str:
    """The list, newest first."""
    given = {name: request.args[name] for name in FILTERS if request.args.get(name)}
    found = actions.list_executions(
        access, _filters(given), cursor=request.args.get("cursor"), texts=False, openings=True
    )
    return render_template(
        "executions/index.html",
        executions=found.rows,
        next_cursor=found.next_cursor,
        filters=given,
        unfinished=_unfinished(found.rows),
        status_options=[("", "Any status"), *((status, status.capitalize()) for status in STATUSES)],
        template_options=[("", "Any prompt template"), *_templates(access)],
        model_options=[("", "Any model"), *((model, model) for model in _models(access))],
        source_options=[("", "Any source"), ("runs", "Runs"), ("preview", "Test runs")],
        period_options=[("", "Any time"), *PERIODS.items()],
    )


@blueprint.get("/w/<workspace>/executions/_more")
@require()
def more(access: Access) -> Response:
    """The next rows of the list."""
    given = {name: request.args[name] for name in FILTERS if request.args.get(name)}
    found = actions.list_executions(
        access, _filters(given), cursor=request.args.get("cursor"), texts=False, openings=True
    )
    return htmx.fragment("executions/_more.html", executions=found.rows, next_cursor=found.next_cursor, filters=given)


@blueprint.get("/w/<workspace>/executions/_status")
@require()
def status(access: Access) -> Response:
    """The rows that were under way, as they are now (`?ids=a,b`): one poll for the whole list."""
    ids = [part for part in request.args.get("ids", "").split(",") if re.fullmatch("[0-9a-f]{32}", part)][:POLLED]
    related = (joinedload(Execution.prompt_template), joinedload(Execution.prompt_version), joinedload(Execution.user))
    rows = list(db.session.scalars(access.select(Execution).where(Execution.id.in_(ids)).options(*related)))
    return htmx.fragment("executions/_status.html", changed=rows, unfinished=_unfinished(rows))


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


def _unfinished(rows: list[Execution]) -> list[str]:
    return [row.id for row in rows if not row.finished]


def _filters(given: Mapping[str, str]) -> actions.Filters:
    days = given.get("period")
    return actions.Filters(
        q=given.get("q"),
        status=given.get("status"),
        template=given.get("template"),
        model=given.get("model"),
        provider=given.get("provider"),
        feedback=given.get("feedback"),
        source=given.get("source"),
        mine=bool(given.get("mine")),
        since=now() - timedelta(days=int(days)) if days in PERIODS else None,
    )


def _templates(access: Access) -> list[tuple[str, str]]:
    query = sa.select(PromptTemplate.slug, PromptTemplate.name).where(
        PromptTemplate.workspace_id == access.workspace.id
    )
    return [(slug, name) for slug, name in db.session.execute(query.order_by(PromptTemplate.name).limit(200))]


def _models(access: Access) -> list[str]:
    newest = (
        sa.select(Execution.model)
        .where(Execution.workspace_id == access.workspace.id, Execution.model.is_not(None))
        .order_by(Execution.id.desc())
        .limit(500)  # the models in use now: a walk through all executions would be slow and long
        .subquery()
    )
    return sorted(model for model in db.session.scalars(sa.select(newest.c.model).distinct()) if model)
