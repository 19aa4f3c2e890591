"""What a credential's page does about its circuits: close them, and rehearse that the provider is away."""

from __future__ import annotations

from flask import request, url_for
from werkzeug.wrappers import Response

from aiapp import htmx
from aiapp.credentials import breakers
from aiapp.credentials.models import Credential
from aiapp.credentials.routes import blueprint
from aiapp.workspaces.access import Access, require


@blueprint.post("/<id:credential_id>/reset")
@require()
def reset(access: Access, credential_id: str) -> Response:
    """Close all circuits: the next execution asks the credential in its place."""
    credential = breakers.reset(access, credential_id)
    return _back(access, credential, f"{credential.name} is asked in its place again.")


@blueprint.post("/<id:credential_id>/drill")
@require()
def drill(access: Access, credential_id: str) -> Response:
    """Begin a failure drill of `seconds`, or (0) end it."""
    seconds = request.form.get("seconds", default=breakers.DRILL_SECONDS, type=int)
    credential = breakers.drill(access, credential_id, seconds)
    if not seconds:
        return _back(access, credential, f"The drill is over: {credential.name} is called again.")
    said = (
        f"{credential.name} counts as failing for {round(seconds / 60) or 1} min. Run something and watch who answers."
    )
    return _back(access, credential, said)


def _back(access: Access, credential: Credential, said: str) -> Response:
    """Return to the page that asked: that of who would answer, or the credential's."""
    workspace = access.workspace.slug
    if request.form.get("page") == "selection":
        return htmx.go(url_for("executions.selection", workspace=workspace), said)
    return htmx.go(url_for("credentials.show", workspace=workspace, credential_id=credential.id), said)
