"""The API's webhooks."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from aiapp.api.asking import asking, needs
from aiapp.api.idempotency import once
from aiapp.api.locating import creates
from aiapp.api.paging import Listed, PageQuery, in_order, newest_first
from aiapp.api.shapes import GONE, Gone, Id, Text, Time
from aiapp.webhooks import actions, wording
from aiapp.webhooks.models import EVENTS
from aiapp.webhooks.models import Webhook as WebhookRow
from aiapp.webhooks.models import WebhookDelivery as DeliveryRow
from aiapp.wire_values import iso, moment

webhooks = APIBlueprint("webhooks", __name__, abp_tags=[Tag(name="Webhooks")], abp_security=[{"token": []}])


class WebhookId(BaseModel):
    """A webhook's id."""

    webhook_id: Id


class WebhookBody(BaseModel):
    """What can be set of a webhook. In a PATCH, what is left out or null stays."""

    url: Text | None = Field(None, description="where messages are sent by POST; https")
    events: list[Text] | None = Field(None, max_length=20, description=", ".join(EVENTS))
    active: bool | None = Field(None, description="switched off, it gives up what waits to be sent")


class Webhook(TypedDict):
    """An address that is told of events."""

    id: Id
    url: str
    events: list[str]
    active: bool
    state: Annotated[str, Field(description="active, failing or off")]
    gone: Annotated[bool, Field(description="whether it is off because its receiver answered 410")]
    failures: Annotated[int, Field(description="tries in a row that failed")]
    secret: Annotated[str | None, Field(description="shown once, in the answer that creates it")]
    created_at: Time


class Message(TypedDict):
    """What is sent."""

    type: str
    timestamp: Annotated[Time, Field(description="when it happened")]
    data: dict[str, Any]


class WebhookDelivery(TypedDict):
    """One message for one webhook."""

    id: Annotated[Id, Field(description="the header webhook-id")]
    event: str
    state: Annotated[str, Field(description="pending, sending, delivered or failed")]
    attempts: int
    next_attempt_at: Annotated[Time | None, Field(description="null: not waiting")]
    http_status: Annotated[int | None, Field(description="of the last answer; null: none came")]
    error: Annotated[str, Field(description="why the last attempt failed")]
    message: Message
    created_at: Time
    delivered_at: Time | None


class WebhookTest(TypedDict):
    """What came back of a test."""

    ok: bool
    http_status: int | None
    ms: int
    error: str
    body: Annotated[str, Field(description="the beginning of the answer, without what looks like a key")]
    delivery: WebhookDelivery


@webhooks.get("/webhooks", summary="Webhooks")
@needs("admin", "admin")
def index(query: PageQuery) -> Listed[Webhook]:
    """Oldest first. Secrets never come back."""
    return in_order(actions.listed(asking()), lambda row: (row.id,), query, show)


@webhooks.post("/webhooks", summary="Add a webhook")
@creates("webhooks.read", id="webhook_id")
@once(shown_once="secret")
@needs("admin", "admin")
def create(body: WebhookBody) -> tuple[Webhook, Literal[201]]:
    """Needs url and events. The secret, with which a receiver checks the signature (Standard Webhooks), is shown this once."""
    row, secret = actions.create(asking(), body.model_dump(exclude_none=True))
    return show(row, secret), 201


@webhooks.get("/webhooks/<id:webhook_id>", summary="One webhook")
@needs("admin", "admin")
def read(path: WebhookId) -> Webhook:
    """How it stands."""
    return show(asking().get(WebhookRow, path.webhook_id))


@webhooks.patch("/webhooks/<id:webhook_id>", summary="Change a webhook")
@needs("admin", "admin")
def update(path: WebhookId, body: WebhookBody) -> Webhook:
    """Switched off, it gives up what waits to be sent."""
    return show(actions.update(asking(), path.webhook_id, body.model_dump(exclude_none=True)))


@webhooks.delete("/webhooks/<id:webhook_id>", summary="Delete a webhook")
@needs("admin", "admin")
def delete(path: WebhookId) -> Gone:
    """Its secret and its deliveries are gone."""
    actions.delete(asking(), path.webhook_id)
    return GONE


@webhooks.post("/webhooks/<id:webhook_id>/test", summary="Send a test to a webhook")
@needs("admin", "admin")
def test(path: WebhookId) -> WebhookTest:
    """Sends the event `ping` once, also where the webhook is switched off. Answers within 15 s."""
    delivery, received = actions.test(asking(), path.webhook_id)
    return {
        "ok": received.ok,
        "http_status": received.status,
        "ms": received.ms,
        "error": received.error,
        "body": received.body,
        "delivery": show_delivery(delivery),
    }


@webhooks.get("/webhooks/<id:webhook_id>/deliveries", summary="What a webhook was told")
@needs("admin", "admin")
def deliveries(path: WebhookId, query: PageQuery) -> Listed[WebhookDelivery]:
    """Newest first, of the last 30 days."""
    access = asking()
    row = access.get(WebhookRow, path.webhook_id)
    found = access.select(DeliveryRow).where(DeliveryRow.webhook_id == row.id)
    return newest_first(found, DeliveryRow, query, show_delivery)


def show(row: WebhookRow, secret: str | None = None) -> Webhook:
    """Return a webhook without its secret, but for the one that was just made."""
    return {
        "id": row.id,
        "url": row.url,
        "events": list(row.events),
        "active": row.active,
        "state": row.state,
        "gone": row.gone,
        "failures": row.failures,
        "secret": secret,
        "created_at": moment(row.created_at),
    }


def show_delivery(row: DeliveryRow) -> WebhookDelivery:
    """Return a delivery."""
    return {
        "id": row.id,
        "event": row.event,
        "state": row.state,
        "attempts": row.attempts,
        "next_attempt_at": iso(wording.next_attempt(row)),
        "http_status": row.http_status,
        "error": row.error,
        "message": {"type": row.event, "timestamp": moment(row.created_at), "data": row.payload},
        "created_at": moment(row.created_at),
        "delivered_at": iso(row.delivered_at),
    }
