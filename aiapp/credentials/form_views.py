"""Pages that add and change a credential: the catalogue of providers, the form, its test before it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import Response, make_response, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from aiapp import htmx
from aiapp.columns import now
from aiapp.credentials import actions, checks, destination, draft, fields, forms, keeping, order, ping, schedule
from aiapp.credentials.models import Credential
from aiapp.credentials.ping import Climb
from aiapp.credentials.routes import blueprint, line
from aiapp.errors import InvalidInput, NotFound
from aiapp.installation.offers import Offer, offer, offers
from aiapp.providers.registry import PROVIDERS, Provider
from aiapp.providers.types import Target
from aiapp.workspaces.access import Access, require

PLACES = (("cloud", "Cloud"), ("own", "On your machines"), ("demo", "To try things out"))


@blueprint.get("/new")
@require()
def catalogue(access: Access) -> str:
    """The providers that a credential can be for."""
    scope = _asked_scope(access)
    wanted, place = request.args.get("q", "").strip().lower(), request.args.get("place", "")
    offered = [one.provider for one in offers().values() if one.enabled]
    found = [
        one for one in offered if wanted in f"{one.label} {one.tagline} {one.kind}".lower() and place in ("", one.place)
    ]
    groups = [(name, [one for one in found if one.place == kind]) for kind, name in PLACES]
    return render_template(
        "credentials/catalogue.html", groups=groups, q=request.args.get("q", ""), place=place, scope=scope
    )


@blueprint.get("/new/<provider>")
@require()
def add(access: Access, provider: str) -> str:
    """The form of a new credential."""
    scope = _asked_scope(access)
    chosen = _offered(provider)
    taken = {row.name for row in order.in_order(access.workspace.id, keeping.owner_of(access, scope))}
    return render_template(
        "credentials/form.html",
        **_form(chosen.provider, forms.empty(chosen.provider, taken, chosen.base_url), scope=scope),
    )


@blueprint.post("")
@require()
def create(access: Access) -> BaseResponse:
    """Test what was typed and store it, or store it untested (`then` other than test).

    With htmx a test that fails is shown beside the form and nothing is stored: the typed key stays where it is, in the browser.
    Without, the credential is stored first, switched off where its test fails, and its page shows the result.
    """
    scope = _asked_scope(access)
    provider = _known(request.form.get("provider", ""))
    try:
        values = {**forms.values_of(request.form), "scope": scope}
        target, climbed = _tested_first(access, values)
        if climbed is not None and not climbed.ok:
            return _result(climbed, provider, failed=True)
        credential = actions.create(access, values)
    except InvalidInput as refusal:
        return _again(provider, refusal, None)
    return _stored(access, credential, target, climbed, new=True)


@blueprint.get("/<id:credential_id>")
@require()
def show(access: Access, credential_id: str) -> str:
    """A credential: its form, its last test, its facts, the danger zone."""
    credential = keeping.kept(access, credential_id)
    shown = forms.filled(credential)
    return render_template("credentials/form.html", **_form(_known(credential.provider), shown, access, credential))


@blueprint.post("/<id:credential_id>")
@require()
def update(access: Access, credential_id: str) -> BaseResponse:
    """Test and store a changed credential, as create does."""
    credential = keeping.kept(access, credential_id)
    try:
        values = _changes(credential)
        target, climbed = _tested_first(access, values, credential_id)
        if climbed is not None and not climbed.ok:
            return _result(climbed, _known(credential.provider), credential=credential, failed=True)
        credential = actions.update(access, credential_id, values)
    except InvalidInput as refusal:
        return _again(_known(credential.provider), refusal, access, credential)
    return _stored(access, credential, target, climbed)


@blueprint.post("/_test")
@require()
def test_typed(access: Access) -> BaseResponse:
    """Test what was typed and store none of it. `credential_id` names the credential whose form it is, if there is one.

    Where nothing was changed in the form, it was a test of the stored credential, and its result is kept.
    """
    credential_id = request.form.get("credential_id") or None
    credential = keeping.kept(access, credential_id) if credential_id else None
    scope = keeping.scope_of(credential.owner_id) if credential else _asked_scope(access)
    provider = _known(credential.provider if credential else request.form.get("provider", ""))
    try:
        values = _changes(credential) if credential else {**forms.values_of(request.form), "scope": scope}
        target = draft.target(access, values, credential_id)
        climbed = ping.climb(target)
    except InvalidInput as refusal:
        return _again(provider, refusal, access, credential)
    shown: dict[str, Any] = {"credential": credential}
    if credential and "api_key" not in values and draft.same(target, credential):
        ping.record(credential, climbed)
        shown |= {"line": line(access, credential.id), "tested_at": now()}
    return _result(climbed, provider, **shown)


@blueprint.get("/_validate")
@require()
def validate(access: Access) -> Response:
    """What is wrong with one field while the form is filled in: `name` or `base_url`, with `provider` and `credential_id`."""
    owner_id = keeping.owner_of(access, _asked_scope(access))
    given = {name: request.args[name] for name in ("name", "base_url") if name in request.args}
    provider, own_id = request.args.get("provider", ""), request.args.get("credential_id")
    message = ""
    try:
        cleaned = fields.checked(given)
        if "name" in cleaned:
            rows = [row for row in order.in_order(access.workspace.id, owner_id) if row.id != own_id]
            draft.check_name(rows, cleaned["name"])
        if cleaned.get("base_url") and provider in PROVIDERS:
            destination.check((provider, cleaned["base_url"]))
    except InvalidInput as refusal:
        message = refusal.errors[0]["message"]
    return htmx.fragment("credentials/_validate.html", message=message)


def _result(climbed: Climb, provider: Provider, **context: Any) -> Response:
    """Answer a test of what was typed: its steps, and the models that it found, to choose from."""
    found: dict[str, Any] = {
        "result": climbed.as_json(),
        "models": climbed.models or (),
        "listed": bool(climbed.models),
        "allowed": forms.allowed(request.form),
    }
    return htmx.fragment("credentials/_test.html", provider=provider, **found, **context)


def _moment(result: Mapping[str, Any] | None) -> datetime | None:
    return datetime.fromisoformat(result["at"]) if result and "at" in result else None


def _asked_scope(access: Access) -> str:
    """Return the scope that the form or the address names. Raises InvalidInput, Denied for who may not keep credentials there."""
    scope = request.values.get("scope") or keeping.WORKSPACE
    keeping.demand(access, keeping.owner_of(access, scope))
    return scope


def _offered(kind: str) -> Offer:
    found = offer(kind)
    if found is None or not found.enabled:
        raise NotFound("There is no such provider.")
    return found


def _offer_of(credential: Credential) -> Offer:
    return offer(credential.provider) or Offer(_known(credential.provider))


def _known(kind: str) -> Provider:
    if kind not in PROVIDERS:
        raise NotFound("There is no such provider.")
    return PROVIDERS[kind]


def _changes(credential: Credential) -> dict[str, Any]:
    values = forms.values_of(request.form, credential.settings)
    values.pop("provider", None)  # another provider is another credential
    return values


def _tested_first(
    access: Access, values: Mapping[str, Any], credential_id: str | None = None
) -> tuple[Target | None, Climb | None]:
    if request.form.get("then") != "test" or not htmx.wanted():
        return None, None
    target = draft.target(access, values, credential_id)
    return target, ping.climb(target)


def _stored(
    access: Access, credential: Credential, asked: Target | None, climbed: Climb | None, *, new: bool = False
) -> BaseResponse:
    """Lead on from a stored credential: to the list, or to its page where its test failed."""
    workspace, name = access.workspace.slug, credential.name
    if asked is not None and climbed is not None:
        if draft.is_stored(asked, access.workspace, credential):
            ping.record(credential, climbed)
        else:  # somebody else has changed it during the test, which therefore says nothing about it
            climbed = None
    elif request.form.get("then") == "test":
        climbed = ping.check(access.workspace.id, credential.id)
    endpoint = "credentials.personal" if credential.owner_id else "credentials.index"
    if climbed is None:
        since = now().isoformat()
        schedule.ask_tests([credential.id])
        return htmx.go(
            url_for(endpoint, workspace=workspace, since=since), f"{name} is saved. A test of it runs.", "info"
        )
    back = url_for(endpoint, workspace=workspace)
    if climbed.ok:
        with_model = ""
        if not credential.preferred_model and not _offer_of(credential).default_model:
            # Without a model of its own it could only run what names one: keep the one that has just answered.
            actions.update(access, credential.id, {"preferred_model": climbed.model})
            with_model = f" with {climbed.model}"
        switched_on = ""
        if not credential.active and credential.last_used_at is None and not htmx.wanted():
            # It was switched off below, where its first test failed.
            actions.set_active(access, credential.id, True)
            switched_on = " It is switched on."
        return htmx.go(back, f"{name} is saved and works{with_model}.{switched_on}")
    page = url_for("credentials.show", workspace=workspace, credential_id=credential.id)
    if new:  # a browser without scripts cannot keep the typed key: it is stored, and not yet used
        actions.set_active(access, credential.id, False)
        return htmx.go(page, f"{name} is saved and switched off, because its test failed.", "warn")
    return htmx.go(page, f"{name} is saved, but its test failed.", "warn")


def _again(
    provider: Provider, refusal: InvalidInput, access: Access | None = None, credential: Credential | None = None
) -> BaseResponse:
    """Answer a form with mistakes: the fields alone for htmx, which keeps the typed key, else the page."""
    context = _form(provider, forms.typed(request.form, refusal), access, credential)
    if not htmx.wanted():
        return make_response(render_template("credentials/form.html", **context), 422)
    answer = htmx.fragment("credentials/_form.html", 422, **context)
    answer.headers["HX-Retarget"] = "#credential-form"
    answer.headers["HX-Reswap"] = "outerHTML"
    return answer


def _form(
    provider: Provider,
    shown: forms.Shown,
    access: Access | None = None,
    credential: Credential | None = None,
    *,
    scope: str | None = None,
) -> dict[str, Any]:
    if scope is None:
        scope = keeping.scope_of(credential.owner_id) if credential else request.values.get("scope", keeping.WORKSPACE)
    return {
        "scope": scope,
        "provider": provider,
        "offer": offer(provider.kind),
        "shown": shown,
        "credential": credential,
        "line": line(access, credential.id) if access and credential else None,
        "result": credential.last_test if credential else None,
        "tested_at": _moment(credential.last_test) if credential else None,
        "models": (credential.models or ()) if credential else (),
        "allowed": shown.allowed,
        "checks": checks.latest(access, credential.id) if access and credential else [],
    }
