"""A whole execution as a file, for people: the same JSON as the API's."""

from __future__ import annotations

import json

from flask import Blueprint, make_response
from werkzeug.wrappers import Response

from aiapp.api.execution_shapes import show
from aiapp.executions.models import Execution
from aiapp.workspaces.access import Access, require

blueprint = Blueprint("execution_files", __name__)


@blueprint.get("/w/<workspace>/executions/<id:execution_id>/execution.json")
@require()
def whole(access: Access, execution_id: str) -> Response:
    """Everything that is kept of it, but for what providers sent (each attempt has a file of its own)."""
    execution = access.get(Execution, execution_id)
    response = make_response(json.dumps(show(access, execution), indent=2, ensure_ascii=False) + "\n")
    response.headers["Content-Type"] = "application/json; charset=utf-8"
    response.headers["Content-Disposition"] = f'attachment; filename="execution-{execution.id[-6:]}.json"'
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response
