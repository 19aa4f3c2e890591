"""How credentials and providers look in JSON, and what can be set of a credential."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, cast

from pydantic import BaseModel, Field, SkipValidation
from typing_extensions import TypedDict

from aiapp.api.asking import asking
from aiapp.api.shapes import Id, OptionalBody, Strict, Text, Time
from aiapp.credentials import keeping, ping, selection, transfer
from aiapp.credentials import models as rows
from aiapp.credentials.rungs import LEVELS
from aiapp.installation.offers import Offer
from aiapp.wire_values import iso, moment


class CredentialId(BaseModel):
    """A credential's id."""

    credential_id: Id


class CredentialBody(BaseModel):
    """What can be set of a credential. In a PATCH, what is left out stays; so does what is null and cannot be empty.

    The rules of the fields look at their types too, so that every mistake of a body is told at once.
    """

    provider: SkipValidation[Text | None] = Field(None, description="a kind of GET /providers")
    name: SkipValidation[Text | None] = None
    scope: SkipValidation[Text] = Field(
        keeping.WORKSPACE, description=f"{' or '.join(keeping.SCOPES)}; cannot be changed"
    )
    api_key: SkipValidation[Text | None] = Field(None, description="write-only")
    base_url: SkipValidation[Text | None] = Field(
        None, description="what the provider's own SDK takes; null: the provider's"
    )
    preferred_model: SkipValidation[Text | None] = None
    temperature: SkipValidation[float | None] = Field(None, description="0 to 2")
    max_tokens: SkipValidation[int | None] = None
    system_prompt: SkipValidation[Text | None] = None
    allowed_models: SkipValidation[list[Text] | None] = Field(
        None, description="no other model is asked of it; null: any"
    )
    settings: SkipValidation[dict[str, Any] | None] = Field(None, description="`api`, `api_version`, `stream`, `extra`")
    is_default: SkipValidation[bool | None] = Field(
        None, description="tried first; the workspace's first credential is"
    )
    position: SkipValidation[int | None] = Field(None, description="its place in the fallback order, from 0")
    active: SkipValidation[bool | None] = None

    @property
    def given(self) -> dict[str, Any]:
        """What was sent."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class TestBody(OptionalBody, Strict):
    """How far a test climbs."""

    level: Text = Field(ping.FULL, description=", ".join(LEVELS))


class Provider(TypedDict):
    """A provider that credentials can be for."""

    kind: str
    label: str
    base_url: Annotated[str | None, Field(description="null: every server has its own")]
    needs_key: bool
    capabilities: list[str]
    apis: Annotated[
        list[str], Field(description="what a credential's setting `api` may choose; the first is the default")
    ]
    default_model: str | None
    docs_url: str | None


class TestStep(TypedDict):
    """A rung of a test."""

    step: str
    ok: Annotated[bool | None, Field(description="null: skipped, or not to be judged")]
    ms: int | None
    detail: str
    hint: Annotated[str, Field(description="what to do about a failure")]


class TestResult(TypedDict):
    """The result of a test."""

    ok: bool
    steps: list[TestStep]
    error_class: str | None
    at: NotRequired[Annotated[Time, Field(description="when that was: of a result that was kept, but for old ones")]]


class TestsQueued(TypedDict):
    """How many tests will run."""

    queued: int


class Credential(TypedDict):
    """A credential, without its key."""

    id: Id
    provider: str
    name: str
    scope: str
    key_hint: Annotated[
        str | None, Field(description="the last four characters of the key, for those who may change the credential")
    ]
    base_url: Annotated[str | None, Field(description="null for those who may not change the credential")]
    preferred_model: str | None
    temperature: float | None
    max_tokens: int | None
    system_prompt: str | None
    allowed_models: list[str] | None
    settings: dict[str, Any]
    is_default: bool
    position: int
    active: bool
    health: Annotated[str, Field(description="unknown, healthy, degraded or down")]
    health_reason: str | None
    health_since: Annotated[Time | None, Field(description="since when its health is what it is; null: not known yet")]
    last_test: Annotated[
        TestResult | None, Field(description="for those who may change the credential; null: none yet")
    ]
    last_tested_at: Time | None
    last_used_at: Time | None
    created_at: Time
    updated_at: Time


class ModelName(TypedDict):
    """A model by the name that its provider gives it."""

    id: str


class Models(TypedDict):
    """What a provider listed."""

    data: list[ModelName]
    listed_at: Annotated[Time | None, Field(description="null: it has never told")]


class DocumentBody(BaseModel):
    """An exported document, with the keys put in."""

    format: Text = transfer.FORMAT
    version: int = transfer.VERSION
    credentials: list[CredentialBody]


class Document(TypedDict):
    """An exported document."""

    format: str
    version: int
    credentials: list[dict[str, Any]]


class Imported(TypedDict):
    """What was added."""

    data: list[Credential]


def show(row: rows.Credential) -> Credential:
    """Return a credential of the asking workspace without its key; one whose key cannot be read is down."""
    access = asking()
    health, reason = selection.health_of(access.workspace, row)
    keeps = row.owner_id is not None or access.allows("admin")
    return {
        "id": row.id,
        "provider": row.provider,
        "name": row.name,
        "scope": keeping.scope_of(row.owner_id),
        "key_hint": row.key_hint if keeps else None,
        "base_url": row.base_url if keeps else None,
        "preferred_model": row.preferred_model,
        "temperature": row.temperature,
        "max_tokens": row.max_tokens,
        "system_prompt": row.system_prompt,
        "allowed_models": row.allowed_models,
        "settings": row.settings if keeps else {},
        "is_default": row.is_default,
        "position": row.position,
        "active": row.active,
        "health": health,
        "health_reason": reason,
        "health_since": iso(row.health_since),
        "last_test": cast("TestResult | None", row.last_test) if keeps else None,
        "last_tested_at": iso(row.last_tested_at),
        "last_used_at": iso(row.last_used_at),
        "created_at": moment(row.created_at),
        "updated_at": moment(row.updated_at),
    }


def show_provider(offer: Offer) -> Provider:
    """Return what a credential for this provider needs."""
    provider = offer.provider
    return {
        "kind": provider.kind,
        "label": provider.label,
        "base_url": offer.base_url or None,
        "needs_key": provider.needs_key,
        "capabilities": list(provider.capabilities),
        "apis": list(provider.apis),
        "default_model": offer.default_model or None,
        "docs_url": provider.docs_url or None,
    }
