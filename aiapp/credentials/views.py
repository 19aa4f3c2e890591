"""Pages of credentials: the list in fallback order and what its rows do; the forms are imported."""

from __future__ import annotations

from flask import Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from aiapp import htmx, queue
from aiapp.columns import now
from aiapp.credentials import actions, checks, form_views, ping, schedule
from aiapp.credentials.models import Credential
from aiapp.credentials.routes import awaited_since, blueprint, line, lines, state_of
from aiapp.workspaces.access import Access, require

__all__ = ["blueprint", "form_views"]

# How many credentials Home lists.
HOME_ROWS = 6


@blueprint.get("")
@require()
def index(access: Access) -> str:
    """The workspace's credentials, tried from top to bottom."""
    shown = lines(access, awaited_since())
    return render_template("credentials/index.html", lines=shown, state=state_of(shown))


@blueprint.post("/_stale")
@require()
def refresh(access: Access) -> Response:
    """Have checked what nobody looked at for a while: an open list asks for it."""
    schedule.ask_due(access.workspace.id)
    return Response(status=204)


@blueprint.get("/_news")
@require()
def news(access: Access) -> BaseResponse:
    """The health of every credential, where one of them is not what `state` says any more; else nothing."""
    shown, known = lines(access), request.args.get("state", "")
    state = state_of(shown)
    if state == known:
        return Response(status=204)
    other_rows = state.partition("-")[0] != known.partition("-")[0]
    return htmx.fragment(
        "credentials/_news.html", lines=shown, state=state, changed=not other_rows, other_rows=other_rows
    )


@blueprint.get("/<id:credential_id>/_row")
@require()
def row(access: Access, credential_id: str) -> Response:
    """One row of the list; it asks again while a worker's test is awaited, and then shows what failed."""
    since = awaited_since()
    shown = line(access, credential_id, since)
    came = shown.credential.last_test if since and not shown.awaited and access.allows("admin") else None
    return htmx.fragment("credentials/_row.html", line=shown, result=came if came and not came["ok"] else None)


@blueprint.get("/<id:credential_id>/_checks")
@require("admin")
def show_checks(access: Access, credential_id: str) -> BaseResponse:
    """The last looks at a credential, where there is a newer one than `last`; else nothing."""
    shown = line(access, credential_id)
    found = checks.latest(access, credential_id)
    if (found[0].id if found else "") == request.args.get("last"):
        return Response(status=204)
    return htmx.fragment("credentials/_checks_and_health.html", credential=shown.credential, line=shown, checks=found)


@blueprint.post("/<id:credential_id>/_test")
@require("admin")
def test(access: Access, credential_id: str) -> BaseResponse:
    """Test a stored credential: its row with the result beneath, or its page."""
    climbed = ping.check(access.workspace.id, credential_id)
    if not htmx.wanted():
        return redirect(_page_of(access, credential_id), 303)
    return htmx.fragment("credentials/_row.html", line=line(access, credential_id), result=climbed.as_json())


@blueprint.post("/test")
@require("admin")
def test_all(access: Access) -> BaseResponse:
    """Let workers test every active credential; the rows show each result as it comes."""
    rows = [one.credential.id for one in lines(access) if one.credential.active]
    since = now().isoformat()
    queue.enqueue_many("aiapp.credentials.jobs.test", rows)
    number = f"{len(rows)} credential{'s' if len(rows) != 1 else ''}"
    page = url_for("credentials.index", workspace=access.workspace.slug, since=since)
    return htmx.go(page, f"Testing {number}. Each result appears in its row.", "info")


@blueprint.post("/_order")
@require("admin")
def reorder(access: Access) -> BaseResponse:
    """Move one credential `up` or `down`, or store a whole order given as `id` again and again."""
    if "id" in request.form:
        actions.reorder(access, request.form.getlist("id"))
    else:
        credential = access.get(Credential, request.form.get("credential_id", ""))
        actions.move(access, credential.id, request.form.get("move", ""))
    return _table(access)


@blueprint.post("/<id:credential_id>/default")
@require("admin")
def make_default(access: Access, credential_id: str) -> BaseResponse:
    """Make it the one that is tried first."""
    credential = actions.set_default(access, credential_id)
    return _table(access, f"{credential.name} is tried first now.")


@blueprint.post("/<id:credential_id>/active")
@require("admin")
def set_active(access: Access, credential_id: str) -> BaseResponse:
    """Switch it on (`active` 1) or off."""
    active = request.form.get("active") == "1"
    credential = actions.set_active(access, credential_id, active)
    state = "on again" if active else "off: executions pass it over"
    return _table(access, f"{credential.name} is switched {state}.")


@blueprint.get("/<id:credential_id>/delete")
@require("admin")
def confirm_delete(access: Access, credential_id: str) -> str:
    """The question before a credential is deleted."""
    return render_template("credentials/delete.html", credential=access.get(Credential, credential_id))


@blueprint.post("/<id:credential_id>/delete")
@require("admin")
def delete(access: Access, credential_id: str) -> BaseResponse:
    """Delete it with its key."""
    name = actions.delete(access, credential_id)
    return htmx.go(url_for("credentials.index", workspace=access.workspace.slug), f"{name} is deleted.")


@blueprint.get("/_health")
@require()
def health(access: Access) -> Response:
    """How the credentials are doing, for Home."""
    active = [one for one in lines(access) if one.credential.active]
    return htmx.fragment("credentials/_health.html", lines=active[:HOME_ROWS], more=len(active) - HOME_ROWS)


@blueprint.get("/_options")
@require()
def options(access: Access) -> Response:
    """Who may answer, as fields for a form that runs something: provider, credential_id and model."""
    active = [one for one in lines(access) if one.credential.active]
    provider = request.args.get("provider", "")
    chosen = request.args.get("credential_id", "")
    offered = [one for one in active if provider in ("", one.credential.provider)]
    if chosen not in {one.credential.id for one in offered}:
        chosen = ""
    asked = [one for one in offered if chosen in ("", one.credential.id)]
    models = dict.fromkeys(one.model for one in asked if one.model)
    models.update(dict.fromkeys(name for one in asked if one.provider for name in one.provider.models))
    return htmx.fragment(
        "credentials/_options.html",
        providers=list({one.credential.provider: one.label for one in active}.items()),
        provider=provider,
        credentials=[(one.credential.id, f"{one.credential.name} · {one.label}") for one in offered],
        credential_id=chosen,
        model=request.args.get("model", ""),
        models=list(models),
        own_model=asked[0].model if len({one.model for one in asked}) == 1 else "",
    )


def _page_of(access: Access, credential_id: str) -> str:
    return url_for("credentials.show", workspace=access.workspace.slug, credential_id=credential_id)


def _table(access: Access, message: str | None = None) -> BaseResponse:
    """Answer a change of the list: the table for htmx, else the page that the form was on."""
    if not htmx.wanted():
        shown = request.form.get("page")
        known = shown is not None and any(one.credential.id == shown for one in lines(access))
        back = _page_of(access, shown or "") if known else url_for("credentials.index", workspace=access.workspace.slug)
        return htmx.go(back, message)
    answer = htmx.fragment("credentials/_table.html", lines=lines(access))
    return htmx.toast(answer, message) if message else answer
