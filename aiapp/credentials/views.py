"""Pages of credentials: the list in fallback order and what its rows do; the forms are imported."""

from __future__ import annotations

from typing import Any

from flask import Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from aiapp import htmx
from aiapp.columns import now
from aiapp.credentials import (
    actions,
    checks,
    circuit_views,
    form_views,
    forms,
    keeping,
    model_list,
    ping,
    schedule,
    transfer_views,
)
from aiapp.credentials.routes import awaited_since, blueprint, line, lines, news_since, state_of
from aiapp.workspaces.access import Access, require

__all__ = ["blueprint", "circuit_views", "form_views", "transfer_views"]

# How many credentials Home lists.
HOME_ROWS = 6


@blueprint.get("")
@require()
def index(access: Access) -> str:
    """The workspace's credentials, tried from top to bottom."""
    return _list(access, keeping.WORKSPACE)


@blueprint.get("/personal")
@require()
def personal(access: Access) -> str:
    """The asking person's own credentials, tried before the workspace's and for their own executions alone."""
    keeping.demand(access, access.user.id)
    return _list(access, keeping.PERSONAL)


@blueprint.post("/_stale")
@require()
def refresh(access: Access) -> Response:
    """Have checked what nobody looked at for a while: an open list asks for it."""
    schedule.ask_due(access.workspace.id)
    return Response(status=204)


@blueprint.get("/_news")
@require()
def news(access: Access) -> BaseResponse:
    """What is shown of looks at credentials, for those of which it is not what `state` says any more; else nothing."""
    scope = request.args.get("scope", keeping.WORKSPACE)
    shown = lines(access, None, keeping.owner_of(access, scope))
    changed = news_since(shown, request.args.get("state", ""))
    if changed == []:
        return Response(status=204)
    state = state_of(shown)
    return htmx.fragment(
        "credentials/_news.html", changed=changed or [], state=state, other_rows=changed is None, scope=scope
    )


@blueprint.get("/<id:credential_id>/_row")
@require()
def row(access: Access, credential_id: str) -> Response:
    """One row of the list; it asks again while a worker's test is awaited, and then shows what failed."""
    since = awaited_since()
    shown = line(access, credential_id, since)
    may_see = shown.credential.owner_id is not None or access.allows("admin")
    came = shown.credential.last_test if since and not shown.awaited and may_see else None
    answer = htmx.fragment("credentials/_row.html", line=shown, result=came if came and not came["ok"] else None)
    owner_id = shown.credential.owner_id
    if not any(one.awaited for one in lines(access, since, owner_id)):
        answer.headers["HX-Replace-Url"] = url_for(_page(owner_id), workspace=access.workspace.slug)
    return answer


@blueprint.get("/<id:credential_id>/_checks")
@require()
def show_checks(access: Access, credential_id: str) -> BaseResponse:
    """The last looks at a credential, where there is a newer one than `last`; else nothing."""
    keeping.kept(access, credential_id)
    shown = line(access, credential_id)
    found = checks.latest(access, credential_id)
    if (found[0].id if found else "") == request.args.get("last"):
        return Response(status=204)
    return htmx.fragment("credentials/_checks_and_health.html", credential=shown.credential, line=shown, checks=found)


@blueprint.post("/<id:credential_id>/_models")
@require()
def fetch_models(access: Access, credential_id: str) -> Response:
    """Ask the provider for its models, and suggest them."""
    found = model_list.fetch(access, credential_id)
    shown = line(access, credential_id)
    context: dict[str, Any] = {"models": found, "provider": shown.provider, "credential": shown.credential}
    return htmx.fragment("credentials/_models_and_allowed.html", allowed=forms.allowed(request.form), **context)


@blueprint.post("/<id:credential_id>/_test")
@require()
def test(access: Access, credential_id: str) -> BaseResponse:
    """Test a stored credential: its row with the result beneath, or its page."""
    climbed = ping.check(access.workspace.id, keeping.kept(access, credential_id).id)
    if not htmx.wanted():
        return redirect(_page_of(access, credential_id), 303)
    return htmx.fragment("credentials/_row.html", line=line(access, credential_id), result=climbed.as_json())


@blueprint.post("/test")
@require()
def test_all(access: Access) -> BaseResponse:
    """Let workers test every active credential; the rows show each result as it comes."""
    scope = request.form.get("scope", keeping.WORKSPACE)
    owner_id = keeping.owner_of(access, scope)
    keeping.demand(access, owner_id)
    rows = [one.credential.id for one in lines(access, None, owner_id) if one.credential.active]
    since = now().isoformat()
    schedule.ask_tests(rows)
    number = f"{len(rows)} credential{'s' if len(rows) != 1 else ''}"
    page = url_for(_page(owner_id), workspace=access.workspace.slug, since=since)
    return htmx.go(page, f"Testing {number}. Each result appears in its row.", "info")


@blueprint.post("/_order")
@require()
def reorder(access: Access) -> BaseResponse:
    """Move one credential `up` or `down`, or store a whole order given as `id` again and again."""
    scope = request.form.get("scope", keeping.WORKSPACE)
    keeping.demand(access, keeping.owner_of(access, scope))
    if "id" in request.form:
        actions.reorder(access, request.form.getlist("id"), scope)
        return _table(access, keeping.owner_of(access, scope))
    credential = actions.move(access, request.form.get("credential_id", ""), request.form.get("move", ""))
    return _table(access, credential.owner_id)


@blueprint.post("/<id:credential_id>/default")
@require()
def make_default(access: Access, credential_id: str) -> BaseResponse:
    """Make it the one that is tried first."""
    credential = actions.set_default(access, credential_id)
    return _table(access, credential.owner_id, f"{credential.name} is tried first now.")


@blueprint.post("/<id:credential_id>/active")
@require()
def set_active(access: Access, credential_id: str) -> BaseResponse:
    """Switch it on (`active` 1) or off."""
    active = request.form.get("active") == "1"
    credential = actions.set_active(access, credential_id, active)
    state = "on again" if active else "off: executions pass it over"
    return _table(access, credential.owner_id, f"{credential.name} is switched {state}.")


@blueprint.get("/<id:credential_id>/delete")
@require()
def confirm_delete(access: Access, credential_id: str) -> str:
    """The question before a credential is deleted."""
    return render_template("credentials/delete.html", credential=keeping.kept(access, credential_id))


@blueprint.post("/<id:credential_id>/delete")
@require()
def delete(access: Access, credential_id: str) -> BaseResponse:
    """Delete it with its key."""
    owner_id = keeping.kept(access, credential_id).owner_id
    name = actions.delete(access, credential_id)
    return htmx.go(url_for(_page(owner_id), workspace=access.workspace.slug), f"{name} is deleted.")


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
    both = lines(access, None, access.user.id) + lines(access)
    active = [one for one in both if one.credential.active]
    provider = request.args.get("provider", "")
    chosen = request.args.get("credential_id", "")
    offered = [one for one in active if provider in ("", one.credential.provider)]
    if chosen not in {one.credential.id for one in offered}:
        chosen = ""
    asked = [one for one in offered if chosen in ("", one.credential.id)]
    models = dict.fromkeys(one.model for one in asked if one.model)
    models.update(dict.fromkeys(name for one in asked for name in one.offered))
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


def _list(access: Access, scope: str) -> str:
    owner_id = keeping.owner_of(access, scope)
    shown = lines(access, awaited_since(), owner_id)
    return render_template(
        "credentials/index.html",
        lines=shown,
        state=state_of(shown),
        scope=scope,
        may_keep=owner_id is not None or access.allows("admin"),
        others_personal=keeping.others_personal(access) if owner_id is None and access.allows("admin") else 0,
    )


def _page(owner_id: str | None) -> str:
    return "credentials.index" if owner_id is None else "credentials.personal"


def _table(access: Access, owner_id: str | None, message: str | None = None) -> BaseResponse:
    """Answer a change of the list: the table for htmx, else the page that the form was on."""
    shown = lines(access, None, owner_id)
    if not htmx.wanted():
        asked = request.form.get("page")
        known = asked is not None and any(one.credential.id == asked for one in shown)
        back = _page_of(access, asked or "") if known else url_for(_page(owner_id), workspace=access.workspace.slug)
        return htmx.go(back, message)
    answer = htmx.fragment("credentials/_table.html", lines=shown)
    return htmx.toast(answer, message) if message else answer
