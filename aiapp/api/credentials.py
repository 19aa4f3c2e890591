"""The API's credentials and providers."""

from __future__ import annotations

from typing import Literal, cast

from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from aiapp.api.asking import asking, needs
from aiapp.api.credential_shapes import (
    Credential,
    CredentialBody,
    CredentialId,
    Document,
    DocumentBody,
    Imported,
    Models,
    Provider,
    TestBody,
    TestResult,
    TestsQueued,
    show,
    show_provider,
)
from aiapp.api.idempotency import once
from aiapp.api.locating import creates
from aiapp.api.paging import Listed, PageQuery, in_order
from aiapp.api.shapes import GONE, Gone
from aiapp.credentials import actions, keeping, order, ping, schedule, transfer
from aiapp.credentials.rungs import LEVELS
from aiapp.errors import InvalidInput
from aiapp.installation.offers import offers
from aiapp.wire_values import iso

credentials = APIBlueprint("credentials", __name__, abp_tags=[Tag(name="Credentials")], abp_security=[{"token": []}])


@credentials.get("/providers", summary="Providers that credentials can be for")
@needs("viewer", "read")
def providers(query: PageQuery) -> Listed[Provider]:
    """Those that this installation offers, in the order of its catalogue."""
    found = [one for one in offers().values() if one.enabled]
    kinds = [one.provider.kind for one in found]
    return in_order(found, lambda one: (kinds.index(one.provider.kind),), query, show_provider)


@credentials.get("/credentials", summary="Credentials in fallback order")
@needs("viewer", "read")
def index(query: PageQuery) -> Listed[Credential]:
    """The asking user's own first, then the workspace's; the default one first, then by position. Keys never come back."""
    access = asking()
    found = order.usable_by(access.workspace.id, access.user.id)
    return in_order(found, lambda row: (row.owner_id is None, not row.is_default, row.position, row.id), query, show)


@credentials.post("/credentials", summary="Add a credential")
@creates("credentials.read", id="credential_id")
@once()
@needs("editor", "write")
def create(body: CredentialBody) -> tuple[Credential, Literal[201]]:
    """The key is encrypted before it is stored and is never shown again. Needs provider, name and mostly api_key."""
    return show(actions.create(asking(), body.given)), 201


@credentials.get("/credentials/export", summary="The workspace's credentials as a document, without keys")
@needs("admin", "admin")
def export() -> Document:
    """What POST /credentials/import takes. What looks like a key in free text is cut."""
    return cast("Document", transfer.export(asking()))


@credentials.post("/credentials/import", summary="Add the credentials of a document")
@once()
@needs("admin", "admin")
def import_all(body: DocumentBody) -> tuple[Imported, Literal[201]]:
    """All of them or none; a name that is taken is numbered. Each needs its `api_key`, which no export holds."""
    document = {"format": body.format, "version": body.version, "credentials": [one.given for one in body.credentials]}
    found = transfer.listed(document)
    return {"data": [show(row) for row in transfer.import_all(asking(), found)]}, 201


@credentials.get("/credentials/<id:credential_id>", summary="One credential")
@needs("viewer", "read")
def read(path: CredentialId) -> Credential:
    """Its facts and health."""
    return show(keeping.find(asking(), path.credential_id))


@credentials.patch("/credentials/<id:credential_id>", summary="Change a credential")
@needs("editor", "write")
def update(path: CredentialId, body: CredentialBody) -> Credential:
    """Another provider or base URL needs the key again (`key_required`)."""
    return show(actions.update(asking(), path.credential_id, body.given))


@credentials.delete("/credentials/<id:credential_id>", summary="Delete a credential")
@needs("editor", "write")
def delete(path: CredentialId) -> Gone:
    """Its key is gone; executions that used it keep its name."""
    actions.delete(asking(), path.credential_id)
    return GONE


@credentials.post("/credentials/<id:credential_id>/test", summary="Test a credential")
@needs("editor", "write")
def test(path: CredentialId, body: TestBody) -> TestResult:
    """Climb up to a level; stops at the first failure and says what to do. Answers within 60 s."""
    if body.level not in LEVELS:
        message = f"Use one of {', '.join(LEVELS)}."
        raise InvalidInput(errors=[{"field": "level", "message": message}])
    access = asking()
    climbed = ping.check(access.workspace.id, keeping.kept(access, path.credential_id).id, body.level)
    return cast("TestResult", climbed.as_json())


@credentials.get("/credentials/<id:credential_id>/models", summary="The models that a credential's provider lists")
@needs("viewer", "read")
def models(path: CredentialId) -> Models:
    """As they were last listed, in the provider's order. A test, or a scheduled check, asks anew."""
    row = keeping.find(asking(), path.credential_id)
    return {"data": [{"id": name} for name in row.models or ()], "listed_at": iso(row.models_at)}


@credentials.post("/credentials/test", summary="Test all credentials")
@needs("admin", "admin")
def test_all() -> tuple[TestsQueued, Literal[202]]:
    """The active ones. Each one's health is written when its test ends; look at the list again."""
    ids = [row.id for row in order.in_order(asking().workspace.id) if row.active]
    schedule.ask_tests(ids)
    return {"queued": len(ids)}, 202
