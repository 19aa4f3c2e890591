"""Pages and fragments of executions: the list, one execution as it happens, what it wrote."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, make_response, render_template, request, url_for
from sqlalchemy.orm import joinedload
from werkzeug.wrappers import Response

from aiapp import htmx
from aiapp.accounts.actions import session_user
from aiapp.columns import now
from aiapp.errors import AppError, Conflict, Denied, InvalidInput, NotFound
from aiapp.executions import actions, formats, showing, stream
from aiapp.executions.models import STATUSES, Execution
from aiapp.executions.submission import Submission
from aiapp.extensions import db
from aiapp.prompt_templates.models import PromptTemplate
from aiapp.providers.registry import PROVIDERS
from aiapp.workspaces.access import Access, enter, require

blueprint = Blueprint("executions", __name__)

PERIODS = {"1": "Last 24 hours", "7": "Last 7 days", "30": "Last 30 days"}
FILTERS = ("q", "status", "template", "model", "provider", "period", "mine", "feedback")
OF_TEMPLATE = 10
POLLED = 50

# A model's HTML runs in a frame without rights, from an address of its own, under a policy of its own (PROMISES 20).
DOCUMENT_CSP = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
DOWNLOAD_TYPES = {
    "json": ("application/json", "json"),
    "markdown": ("text/markdown", "md"),
    "html": ("text/html", "html"),
}


@blueprint.app_context_processor
def words() -> dict[str, Any]:
    """The words that the templates of executions use."""
    names = ("error_title", "error_advice", "provider_label", "state_word", "author", "elapsed_ms", "waited_ms")
    return {**{name: getattr(showing, name) for name in names}, "cut_off": showing.CUT_OFF}


@blueprint.get("/w/<workspace>/executions")
@require()
def index(access: Access) -> str:
    """The list, newest first."""
    given = {name: request.args[name] for name in FILTERS if request.args.get(name)}
    found = actions.list_executions(access, _filters(given), cursor=request.args.get("cursor"), texts=False)
    return render_template(
        "executions/index.html",
        executions=found.rows,
        next_cursor=found.next_cursor,
        filters=given,
        unfinished=_unfinished(found.rows),
        status_options=[("", "Any status"), *((status, status.capitalize()) for status in STATUSES)],
        template_options=[("", "Any prompt template"), *_templates(access)],
        model_options=[("", "Any model"), *((model, model) for model in _models(access))],
        period_options=[("", "Any time"), *PERIODS.items()],
    )


@blueprint.get("/w/<workspace>/executions/_more")
@require()
def more(access: Access) -> Response:
    """The next rows of the list."""
    given = {name: request.args[name] for name in FILTERS if request.args.get(name)}
    found = actions.list_executions(access, _filters(given), cursor=request.args.get("cursor"), texts=False)
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


@blueprint.get("/w/<workspace>/executions/new")
@require("editor")
def new(access: Access) -> str:
    """The form that runs a text without a prompt template."""
    return _form(access, {"format": "markdown", "priority": "default"}, {})


@blueprint.post("/w/<workspace>/executions")
@require()
def create(access: Access) -> Response:
    """Submit: a prompt template with its variables, or a text."""
    try:
        execution = actions.submit(access, _submission())
    except (InvalidInput, Conflict, NotFound, Denied) as error:
        db.session.rollback()
        return _refused(access, error)
    if htmx.wanted():
        return htmx.fragment("executions/_execution.html", **_shown(access, execution))
    return htmx.go(_address(access, execution))


@blueprint.get("/w/<workspace>/executions/<id:execution_id>")
@require()
def show(access: Access, execution_id: str) -> str:
    """One execution: what was asked, every attempt, what came back."""
    return render_template("executions/show.html", **_shown(access, _read(access, execution_id)))


@blueprint.get("/w/<workspace>/executions/<id:execution_id>/_live")
@require()
def live(access: Access, execution_id: str) -> Response:
    """The page's body as it is now; without a trigger once the execution has ended."""
    return htmx.fragment("executions/_refresh.html", **_shown(access, _read(access, execution_id)))


@blueprint.get("/w/<workspace>/executions/<id:execution_id>/_panel")
@require()
def panel(access: Access, execution_id: str) -> Response:
    """The same beside a prompt: the panel of the editor and the run page."""
    return htmx.fragment("executions/_execution.html", **_shown(access, _read(access, execution_id)))


@blueprint.get("/w/<workspace>/executions/<id:execution_id>/_stream")
@require()
def stream_text(access: Access, execution_id: str) -> Response:
    """The answer as it is written, as server-sent HTML; the events `attempt` and `done` make the page look again."""
    access.get(Execution, execution_id)
    slug, secret = access.workspace.slug, access.user.session_secret

    def allowed() -> bool:
        user = session_user(secret)
        try:
            return user is not None and bool(enter(user, slug))
        except NotFound:
            return False

    reader = stream.follow(
        execution_id, last_event_id=request.headers.get("Last-Event-ID"), encode=_StreamHtml(), allowed=allowed
    )
    if reader is None:  # too many readers: the page goes on asking every few seconds
        return Response(status=204)
    headers = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
    return Response(reader, mimetype="text/event-stream", headers=headers)


@blueprint.get("/w/<workspace>/executions/<id:execution_id>/output")
@require()
def output(access: Access, execution_id: str) -> Response:
    """The output as a file, never shown by the browser itself."""
    execution = access.get(Execution, execution_id)
    if not execution.output:
        raise NotFound("This execution wrote nothing.")
    kind, ending = DOWNLOAD_TYPES.get(execution.format, ("text/plain", "txt"))
    response = make_response(execution.output)
    response.headers["Content-Type"] = f"{kind}; charset=utf-8"
    response.headers["Content-Disposition"] = f'attachment; filename="execution-{execution.id[-6:]}.{ending}"'
    response.headers["Content-Security-Policy"] = DOCUMENT_CSP
    return response


@blueprint.get("/w/<workspace>/executions/<id:execution_id>/document")
@require()
def output_document(access: Access, execution_id: str) -> Response:
    """A model's HTML, for the sandboxed frame of its page and nothing else."""
    execution = access.get(Execution, execution_id)
    if execution.format != "html" or not execution.output:
        raise NotFound
    response = make_response(formats.html_document(execution.output))
    response.headers["Content-Security-Policy"] = DOCUMENT_CSP
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    return response


@blueprint.post("/w/<workspace>/executions/<id:execution_id>/cancel")
@require()
def cancel(access: Access, execution_id: str) -> Response:
    """Stop it."""
    execution = actions.cancel(access, access.get(Execution, execution_id))
    if htmx.wanted():
        return htmx.fragment("executions/_execution.html", **_shown(access, _read(access, execution.id)))
    return htmx.go(_address(access, execution))


@blueprint.post("/w/<workspace>/executions/<id:execution_id>/rerun")
@require()
def rerun(access: Access, execution_id: str) -> Response:
    """Ask the same once more."""
    return htmx.go(_address(access, actions.rerun(access, access.get(Execution, execution_id))))


@blueprint.get("/w/<workspace>/executions/<id:execution_id>/changes")
@require()
def changes(access: Access, execution_id: str) -> str:
    """The form that asks again with changes."""
    parent = _read(access, execution_id)
    values = {
        "context": json.dumps(parent.context, indent=2, ensure_ascii=False),
        "provider": parent.requested_provider,
        "model": parent.requested_model,
        "temperature": parent.temperature,
        "version": parent.prompt_version.number if parent.prompt_version else "",
    }
    return _form(access, values, {}, parent=parent)


@blueprint.post("/w/<workspace>/executions/<id:execution_id>/regenerate")
@require()
def regenerate(access: Access, execution_id: str) -> Response:
    """Ask again with changes."""
    parent = access.get(Execution, execution_id)
    try:
        made = actions.regenerate(access, parent, _changes(parent))
    except (InvalidInput, Conflict) as error:
        db.session.rollback()
        page = _form(access, request.form, _by_field(error), parent=_read(access, execution_id), problem=error.detail)
        return make_response(page, 422)
    return htmx.go(_address(access, made))


class _StreamHtml:
    """Events of an execution as htmx's SSE extension reads them: unnamed messages are swapped in, named ones only heard."""

    def __init__(self) -> None:
        self._attempts = 0

    def __call__(self, event: stream.Event | None) -> str:
        if event is None:
            return ": still here\n\n"
        head = f"id: {event.id}\n" if event.id else ""
        if event.name == "delta":
            lines = html.escape(event.data.get("text", "")).split("\n")
            return head + "".join(f"data: {line}\n" for line in lines) + "\n" if lines != [""] else ""
        if event.name == "attempt":
            self._attempts += 1
            if self._attempts == 1:  # the page has shown this one already
                return ""
        if event.name == "status":
            return ""
        return f"{head}event: {event.name}\ndata: {event.name}\n\n"


def _read(access: Access, execution_id: str) -> Execution:
    return access.get(Execution, execution_id)


def _address(access: Access, execution: Execution) -> str:
    return url_for("executions.show", workspace=access.workspace.slug, execution_id=execution.id)


def _shown(access: Access, execution: Execution) -> dict[str, Any]:
    version = execution.prompt_version
    path = {"workspace": access.workspace.slug, "execution_id": execution.id}
    view = "source" if request.args.get("view") == "source" else "rendered"
    return {
        "execution": execution,
        "view": view,
        "rendered": showing.rendered(execution) if execution.output and view == "rendered" else None,
        "costs": showing.costs(execution),
        "stream_url": url_for("executions.stream_text", **path) if not execution.finished else None,
        "may_run": access.allows("editor") or (version is not None and version.status == "published"),
    }


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


def _submission() -> Submission:
    form = request.form
    template = form.get("prompt_template") or None
    return Submission(
        prompt_template=template,
        version=_number(form.get("version"), "version"),
        template=None if template else form.get("template", ""),
        system=None if template else form.get("system") or None,
        context=_context(form),
        format=form.get("format") or None,
        provider=form.get("provider") or None,
        credential_id=form.get("credential_id") or None,
        model=form.get("model") or None,
        temperature=form.get("temperature") or None,  # type: ignore[arg-type]  # the check reads a form's text too
        max_tokens=form.get("max_tokens") or None,  # type: ignore[arg-type]
        priority=form.get("priority") or "default",
        source="preview" if form.get("source") == "preview" else "page",
    )


def _context(form: Mapping[str, str]) -> dict[str, Any]:
    """Return the context: the pasted JSON, and over it the variables that were typed one by one."""
    pasted = form.get("context", "").strip()
    context: Any = {}
    if pasted:
        try:
            context = json.loads(pasted)
        except (ValueError, RecursionError) as error:
            message = f"This is not JSON: {error}" if isinstance(error, ValueError) else "This is nested too deep."
            raise InvalidInput(errors=[{"field": "context", "message": message}]) from error
        if not isinstance(context, dict):
            raise InvalidInput(errors=[{"field": "context", "message": "Write an object: {…}."}])
    typed = {name.removeprefix("var-"): form[name] for name in form if name.startswith("var-") and form[name] != ""}
    return {**context, **typed}


def _changes(parent: Execution) -> dict[str, Any]:
    form = request.form
    context = _context(form)
    given = {
        "context": context if context != parent.context else None,
        "provider": form.get("provider") if form.get("provider") != (parent.requested_provider or "") else None,
        "model": form.get("model") or None,
        "temperature": form.get("temperature") or None,
        "version": _number(form.get("version"), "version"),
    }
    return {name: value for name, value in given.items() if value}


def _number(text: str | None, field: str) -> int | None:
    if not text:
        return None
    if not re.fullmatch("[0-9]{1,9}", text):
        raise InvalidInput(errors=[{"field": field, "message": "Use a whole number."}])
    return int(text)


def _by_field(error: AppError) -> dict[str, str]:
    """Return the mistakes by form field; those of single variables stand together under the context."""
    fields: dict[str, str] = {}
    for item in error.errors:
        field, _, variable = item["field"].partition(".")
        message = f"{variable}: {item['message']}" if variable else item["message"]
        fields[field] = f"{fields[field]} {message}" if field in fields else message
    return fields


def _refused(access: Access, error: AppError) -> Response:
    """Answer a submission that cannot be: beside the prompt for htmx, else the form or a page that lists why."""
    if htmx.wanted():
        return htmx.fragment("executions/_problems.html", error.status, error=error)
    if request.form.get("prompt_template"):
        back = url_for("prompt_templates.show", workspace=access.workspace.slug, slug=request.form["prompt_template"])
        return make_response(render_template("executions/refused.html", error=error, back=back), error.status)
    if isinstance(error, InvalidInput):
        return make_response(_form(access, request.form, _by_field(error), problem=error.detail), 422)
    raise error


def _form(access: Access, values: Mapping[str, Any], errors: Mapping[str, str], **more: Any) -> str:
    parent: Execution | None = more.get("parent")
    if parent is not None:
        action = url_for("executions.regenerate", workspace=access.workspace.slug, execution_id=parent.id)
    else:
        action = url_for("executions.create", workspace=access.workspace.slug)
    providers = [("", "Any"), *((kind, provider.label) for kind, provider in PROVIDERS.items())]
    return render_template(
        "executions/form.html", action=action, values=values, errors=errors, provider_options=providers, **more
    )
