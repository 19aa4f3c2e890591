"""The API's credentials and providers."""

from __future__ import annotations

from typing import Any

from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, Field

from aiapp import queue
from aiapp.api.asking import asking, needs
from aiapp.api.idempotency import once
from aiapp.api.paging import page
from aiapp.api.shapes import Id, iso
from aiapp.credentials import actions, order, ping
from aiapp.credentials.models import Credential
from aiapp.errors import InvalidInput
from aiapp.providers.registry import PROVIDERS

credentials = APIBlueprint(
    "credentials_api", __name__, abp_tags=[Tag(name="Credentials")], abp_security=[{"token": []}]
)
TEST = "aiapp.credentials.jobs.test"


class CredentialId(BaseModel):
    """A credential's id."""

    credential_id: str = Id


class CredentialBody(BaseModel):
    """What can be set of a credential. In a PATCH, what is left out stays."""

    provider: str | None = Field(None, description="a kind of GET /providers")
    name: str | None = None
    scope: str = Field("workspace", description="workspace")
    api_key: str | None = Field(None, description="write-only")
    base_url: str | None = Field(None, description="what the provider's own SDK takes; null: the provider's")
    preferred_model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    system_prompt: str | None = None
    settings: dict[str, Any] | None = Field(None, description="`api`, `stream`, `extra`")
    is_default: bool | None = None
    position: int | None = None
    active: bool | None = None


class LevelBody(BaseModel):
    """How far a test climbs."""

    level: str = Field("completion", description="network, auth or completion")


@credentials.get("/providers", summary="Providers that credentials can be for")
@needs("viewer", "read")
def providers() -> dict[str, Any]:
    """In the order of the catalogue."""
    rows = [
        {
            "kind": provider.kind,
            "label": provider.label,
            "base_url": provider.base_url or None,
            "needs_key": provider.needs_key,
            "capabilities": list(provider.capabilities),
            "default_model": provider.default_model or None,
            "docs_url": provider.docs_url or None,
        }
        for provider in PROVIDERS.values()
    ]
    return page(rows, None)


@credentials.get("/credentials", summary="Credentials in fallback order")
@needs("viewer", "read")
def index() -> dict[str, Any]:
    """The default one first, then by position. Keys never come back."""
    return page([show(row) for row in order.in_order(asking().workspace.id)], None)


@credentials.post("/credentials", summary="Add a credential")
@once
@needs("admin", "admin")
def create(body: CredentialBody) -> tuple[dict[str, Any], int]:
    """The key is encrypted before it is stored and is never shown again."""
    return show(actions.create(asking(), _given(body))), 201


@credentials.get("/credentials/<id:credential_id>", summary="One credential")
@needs("viewer", "read")
def read(path: CredentialId) -> dict[str, Any]:
    """Its facts and health."""
    return show(asking().get(Credential, path.credential_id))


@credentials.patch("/credentials/<id:credential_id>", summary="Change a credential")
@needs("admin", "admin")
def update(path: CredentialId, body: CredentialBody) -> dict[str, Any]:
    """Another provider or base URL needs the key again (`key_required`)."""
    return show(actions.update(asking(), path.credential_id, _given(body)))


@credentials.delete("/credentials/<id:credential_id>", summary="Delete a credential")
@needs("admin", "admin")
def delete(path: CredentialId) -> tuple[str, int]:
    """Its key is gone; executions that used it keep its name."""
    actions.delete(asking(), path.credential_id)
    return "", 204


@credentials.post("/credentials/<id:credential_id>/test", summary="Test a credential")
@needs("admin", "admin")
def test(path: CredentialId, body: LevelBody) -> dict[str, Any]:
    """Climb network, auth and completion; stops at the first failure and says what to do. Answers within 60 s."""
    if body.level not in ping.LEVELS:
        message = f"Use one of {', '.join(ping.LEVELS)}."
        raise InvalidInput(errors=[{"field": "level", "message": message}])
    access = asking()
    access.get(Credential, path.credential_id)
    return ping.check(access.workspace.id, path.credential_id, body.level).as_json()


@credentials.post("/credentials/test", summary="Test all credentials")
@needs("admin", "admin")
def test_all() -> tuple[dict[str, Any], int]:
    """Each one's health is written when its test ends; look at the list again."""
    ids = [row.id for row in order.in_order(asking().workspace.id) if row.active]
    queue.enqueue_many(TEST, ids)
    return {"queued": len(ids)}, 202


def show(row: Credential) -> dict[str, Any]:
    """Return a credential without its key."""
    return {
        "id": row.id,
        "provider": row.provider,
        "name": row.name,
        "scope": "workspace",
        "key_hint": row.key_hint,
        "base_url": row.base_url,
        "preferred_model": row.preferred_model,
        "temperature": row.temperature,
        "max_tokens": row.max_tokens,
        "system_prompt": row.system_prompt,
        "settings": row.settings,
        "is_default": row.is_default,
        "position": row.position,
        "active": row.active,
        "health": row.health,
        "health_reason": row.health_reason,
        "last_tested_at": iso(row.last_tested_at),
        "last_used_at": iso(row.last_used_at),
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
    }


def _given(body: CredentialBody) -> dict[str, Any]:
    given = body.model_dump(exclude_unset=True)
    if given.pop("scope", "workspace") != "workspace":
        raise InvalidInput(errors=[{"field": "scope", "message": "Use workspace."}])
    return given
