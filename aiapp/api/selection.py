"""The API's selection: who would answer now, circuit breakers and failure drills."""

from __future__ import annotations

from typing import Annotated

from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from aiapp.api.asking import asking, needs
from aiapp.api.credential_shapes import CredentialId
from aiapp.api.shapes import Id, OptionalBody, Strict, Text, Time
from aiapp.columns import now
from aiapp.credentials import breakers, keeping
from aiapp.credentials.models import Credential
from aiapp.executions.explaining import explain
from aiapp.executions.submission import Submission
from aiapp.wire_values import iso, moment

selection = APIBlueprint("selection", __name__, abp_tags=[Tag(name="Credentials")], abp_security=[{"token": []}])


class SelectionQuery(BaseModel):
    """What would be asked for. Without a prompt template: what a text would."""

    prompt_template: Text | None = Field(None, description="the slug of a prompt template")
    version: int | None = Field(None, ge=1, le=10**9, description="default: the published one")
    label: Text | None = None
    provider: Text | None = None
    credential_id: Text | None = None
    model: Text | None = None


class DrillBody(OptionalBody, Strict):
    """How long a failure drill lasts."""

    seconds: int = Field(
        breakers.DRILL_SECONDS, ge=0, le=breakers.MOST_DRILL_SECONDS, description="0 ends one that is going on"
    )


class Considered(TypedDict):
    """A credential that is considered."""

    credential_id: Id
    credential: str
    provider: str
    model: Annotated[str | None, Field(description="that it would be asked for; null: it is not asked")]
    verdict: Annotated[str, Field(description="first, next, waits or skipped")]
    why: str
    until: Annotated[Time | None, Field(description="when a circuit lets it be asked; null: it does not wait")]
    drill: Annotated[bool, Field(description="whether its calls fail for a failure drill")]


class Selection(TypedDict):
    """The credentials in the order in which they are asked, those that are not asked among them."""

    basis: Annotated[str, Field(description="what was asked for")]
    candidates: list[Considered]
    problem: Annotated[str | None, Field(description="why nobody can answer; null: somebody can")]


class Circuit(TypedDict):
    """A model of a credential that is left alone, because calls failed."""

    model: Annotated[str | None, Field(description="null: all of them; the credential is then asked last")]
    state: Annotated[str, Field(description="open, or half_open: one execution tries it")]
    cause: Annotated[str, Field(description="failures, rate_limit, auth or quota")]
    error_class: str
    message: str
    opened_at: Time
    until: Time


class Circuits(TypedDict):
    """What keeps executions from asking a credential in its place."""

    circuits: list[Circuit]
    drill_until: Time | None


@selection.get("/selection", summary="Who would answer now")
@needs("viewer", "read")
def who_answers(query: SelectionQuery) -> Selection:
    """The choice that an execution of the asking person would make at this moment, with its reasons. Nothing is sent."""
    found = explain(asking(), Submission(**query.model_dump(exclude_none=True)))
    return {
        "basis": found.basis,
        "candidates": [
            {
                "credential_id": one.credential_id,
                "credential": one.name,
                "provider": one.provider,
                "model": one.model or None,
                "verdict": one.verdict,
                "why": one.why,
                "until": iso(one.until),
                "drill": one.drilled,
            }
            for one in found.considered
        ],
        "problem": found.problem or None,
    }


@selection.get("/credentials/<id:credential_id>/circuits", summary="The circuit breakers of a credential")
@needs("viewer", "read")
def circuits(path: CredentialId) -> Circuits:
    """Those that are not closed."""
    return show(keeping.find(asking(), path.credential_id))


@selection.post("/credentials/<id:credential_id>/reset", summary="Close the circuit breakers of a credential")
@needs("editor", "write")
def reset(path: CredentialId) -> Circuits:
    """The next execution asks it in its place. An admin's for the workspace's credentials, their owner's for personal ones."""
    return show(breakers.reset(asking(), path.credential_id))


@selection.post("/credentials/<id:credential_id>/drill", summary="Rehearse that a credential fails")
@needs("editor", "write")
def drill(path: CredentialId, body: DrillBody) -> Circuits:
    """For so long every call of it fails without being made, so that one sees who answers instead.

    An admin's for the workspace's credentials, their owner's for personal ones.
    """
    return show(breakers.drill(asking(), path.credential_id, body.seconds))


def show(credential: Credential) -> Circuits:
    """Return the circuits of a credential that are not closed, by model."""
    at = now()
    found = [one for one in breakers.of(credential.workspace_id).values() if one.credential_id == credential.id]
    drilled = credential.drill_until is not None and credential.drill_until > at
    return {
        "circuits": [
            {
                "model": one.model or None,
                "state": one.state(at),
                "cause": one.cause,
                "error_class": one.error_class,
                "message": one.message,
                "opened_at": moment(one.opened_at),
                "until": moment(one.free_at),
            }
            for one in sorted(found, key=lambda one: one.model)
            if one.state(at) != "closed"
        ],
        "drill_until": iso(credential.drill_until) if drilled else None,
    }
