"""The pages of webhooks: a workspace's, one of them, what it was told."""

from __future__ import annotations

import re
from typing import Any

from flask import make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from aiapp import htmx
from aiapp.errors import Conflict, InvalidInput
from aiapp.extensions import db
from aiapp.webhooks import actions, delivering
from aiapp.webhooks.models import Webhook, WebhookDelivery
from aiapp.webhooks.routes import blueprint
from aiapp.workspaces.access import Access, require

__all__ = ["blueprint"]

PAGE = 25


@blueprint.get("")
@require("admin")
def index(access: Access) -> str:
    """The workspace's webhooks, each with its last delivery."""
    webhooks = actions.listed(access)
    latest = delivering.latest(access.workspace.id, [one.id for one in webhooks])
    return render_template("webhooks/index.html", webhooks=webhooks, latest=latest)


@blueprint.get("/new")
@require("admin")
def new(access: Access) -> str:
    """The form that adds a webhook."""
    return _form(None, {"url": "", "events": [], "active": True}, {})


@blueprint.post("")
@require("admin")
def create(access: Access) -> Response:
    """Add a webhook and show its secret, this once."""
    values = {**_sent(), "active": True}
    try:
        webhook, secret = actions.create(access, values)
    except InvalidInput as error:
        return make_response(_form(None, values, _errors(error)), 422)
    return make_response(_show(access, webhook, secret=secret), 201)


@blueprint.get("/<id:webhook_id>")
@require("admin")
def show(access: Access, webhook_id: str) -> str:
    """One webhook: how it stands, what it was told."""
    return _show(access, access.get(Webhook, webhook_id))


@blueprint.get("/<id:webhook_id>/edit")
@require("admin")
def edit(access: Access, webhook_id: str) -> str:
    """The form that changes a webhook."""
    webhook = access.get(Webhook, webhook_id)
    return _form(webhook, {"url": webhook.url, "events": webhook.events, "active": webhook.active}, {})


@blueprint.post("/<id:webhook_id>")
@require("admin")
def update(access: Access, webhook_id: str) -> Response:
    """Change its address, its events, and whether it is told at all."""
    webhook = access.get(Webhook, webhook_id)
    values = {**_sent(), "active": "active" in request.form}
    try:
        actions.update(access, webhook_id, values)
    except InvalidInput as error:
        return make_response(_form(webhook, values, _errors(error)), 422)
    return htmx.go(_address(access, webhook_id), "Saved.")


@blueprint.post("/<id:webhook_id>/active")
@require("admin")
def set_active(access: Access, webhook_id: str) -> Response:
    """Switch a webhook on or off."""
    active = request.form.get("active") == "1"
    actions.update(access, webhook_id, {"active": active})
    return htmx.go(_address(access, webhook_id), "The webhook is switched on." if active else "It is switched off.")


@blueprint.post("/<id:webhook_id>/test")
@require("admin")
def test(access: Access, webhook_id: str) -> Response:
    """Send a test now and show what came back."""
    delivery, received = actions.test(access, webhook_id)
    if htmx.wanted():
        found = _deliveries(access, webhook_id)
        webhook = access.get(Webhook, webhook_id)
        return htmx.fragment("webhooks/_after_test.html", webhook=webhook, received=received, tested=delivery, **found)
    page = _show(access, access.get(Webhook, webhook_id), received=received, tested=delivery)
    return make_response(page)


@blueprint.get("/<id:webhook_id>/rotate")
@require("admin")
def rotate_dialog(access: Access, webhook_id: str) -> str:
    """Ask before the secret is replaced."""
    return render_template("webhooks/rotate.html", webhook=access.get(Webhook, webhook_id))


@blueprint.post("/<id:webhook_id>/rotate")
@require("admin")
def rotate(access: Access, webhook_id: str) -> Response:
    """Replace the secret and show the new one, this once."""
    webhook, secret = actions.rotate(access, webhook_id)
    return make_response(_show(access, webhook, secret=secret), 201)


@blueprint.get("/<id:webhook_id>/delete")
@require("admin")
def delete_dialog(access: Access, webhook_id: str) -> str:
    """Ask before a webhook is deleted."""
    return render_template("webhooks/delete.html", webhook=access.get(Webhook, webhook_id))


@blueprint.post("/<id:webhook_id>/delete")
@require("admin")
def delete(access: Access, webhook_id: str) -> Response:
    """Delete a webhook and what it was told."""
    address = actions.delete(access, webhook_id)
    return htmx.go(url_for("webhooks.index", workspace=access.workspace.slug), f"{address} is deleted.")


@blueprint.get("/<id:webhook_id>/_deliveries")
@require("admin")
def deliveries(access: Access, webhook_id: str) -> Response:
    """The newest deliveries of a webhook, as they stand now."""
    webhook = access.get(Webhook, webhook_id)
    return htmx.fragment("webhooks/_deliveries.html", webhook=webhook, **_deliveries(access, webhook_id))


@blueprint.get("/<id:webhook_id>/_more")
@require("admin")
def more(access: Access, webhook_id: str) -> Response:
    """The next deliveries of a webhook."""
    webhook = access.get(Webhook, webhook_id)
    return htmx.fragment("webhooks/_more.html", webhook=webhook, **_deliveries(access, webhook_id))


@blueprint.get("/<id:webhook_id>/deliveries/<id:delivery_id>")
@require("admin")
def delivery(access: Access, webhook_id: str, delivery_id: str) -> str:
    """One delivery: what was sent, how often, and what came back."""
    webhook = access.get(Webhook, webhook_id)
    found = actions.find_delivery(access, webhook_id, delivery_id)
    return render_template("webhooks/delivery.html", webhook=webhook, delivery=found)


@blueprint.get("/<id:webhook_id>/deliveries/<id:delivery_id>/_delivery")
@require("admin")
def delivery_facts(access: Access, webhook_id: str, delivery_id: str) -> Response:
    """One delivery as it stands now."""
    webhook = access.get(Webhook, webhook_id)
    found = actions.find_delivery(access, webhook_id, delivery_id)
    return htmx.fragment("webhooks/_delivery.html", webhook=webhook, delivery=found)


@blueprint.post("/<id:webhook_id>/deliveries/<id:delivery_id>/again")
@require("admin")
def again(access: Access, webhook_id: str, delivery_id: str) -> Response:
    """Send a delivery again."""
    address = url_for(
        "webhooks.delivery", workspace=access.workspace.slug, webhook_id=webhook_id, delivery_id=delivery_id
    )
    try:
        actions.send_again(access, webhook_id, delivery_id)
    except Conflict as error:
        db.session.rollback()
        return htmx.go(address, error.detail, "warn")
    return htmx.go(address, "It is being sent again.")


def _show(access: Access, webhook: Webhook, **more: Any) -> str:
    return render_template("webhooks/show.html", webhook=webhook, **_deliveries(access, webhook.id), **more)


def _form(webhook: Webhook | None, values: dict[str, Any], errors: dict[str, str]) -> str:
    return render_template("webhooks/form.html", webhook=webhook, values=values, errors=errors)


def _deliveries(access: Access, webhook_id: str) -> dict[str, Any]:
    """Return a page of deliveries, newest first, and the cursor of the next one."""
    query = access.select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook_id)
    before = request.args.get("before", "")
    if re.fullmatch("[0-9a-f]{32}", before):
        query = query.where(WebhookDelivery.id < before)
    newest = query.order_by(WebhookDelivery.id.desc()).limit(PAGE + 1)
    found = list(db.session.scalars(newest.execution_options(populate_existing=True)))
    return {"deliveries": found[:PAGE], "next": found[PAGE - 1].id if len(found) > PAGE else None}


def _sent() -> dict[str, Any]:
    return {"url": request.form.get("url", ""), "events": request.form.getlist("events")}


def _errors(error: InvalidInput) -> dict[str, str]:
    return {item["field"]: item["message"] for item in error.errors}


def _address(access: Access, webhook_id: str) -> str:
    return url_for("webhooks.show", workspace=access.workspace.slug, webhook_id=webhook_id)
