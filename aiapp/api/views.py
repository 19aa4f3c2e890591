"""The JSON API, /api/v1: its parts, its description and the page that shows it."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app, jsonify, make_response, render_template
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.openapi import OpenAPI
from pydantic import ValidationError

from aiapp.api.asking import authenticate
from aiapp.api.credentials import credentials
from aiapp.api.executions import executions
from aiapp.api.people import people
from aiapp.api.prompt_templates import prompt_templates
from aiapp.errors import InvalidInput, problem

blueprint = APIBlueprint("api", __name__, url_prefix="/api/v1")
PARTS = (people, credentials, prompt_templates, executions)


def openapi() -> Response:
    """Return the description of the API (OpenAPI 3.1)."""
    app: OpenAPI = current_app._get_current_object()  # type: ignore[attr-defined]
    return jsonify(app.api_doc)


def docs() -> Response:
    """Show the API for people: every path with its fields, made of the same description."""
    app: OpenAPI = current_app._get_current_object()  # type: ignore[attr-defined]
    described: dict[str, Any] = app.api_doc
    return make_response(render_template("api/docs.html", spec=described, groups=_groups(described)))


def invalid(error: ValidationError) -> Response:
    """Return what pydantic found as a problem with field errors."""
    errors = [
        {"field": ".".join(str(part) for part in item["loc"]), "message": f"{item['msg']}."} for item in error.errors()
    ]
    return problem(InvalidInput("Some fields cannot stay as they are.", errors=errors))


def _groups(described: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    schemas = described.get("components", {}).get("schemas", {})
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            model = schemas.get(body.get("$ref", "").rsplit("/", 1)[-1], {})
            groups.setdefault(operation["tags"][0], []).append(
                {
                    "id": operation["operationId"],
                    "method": method.upper(),
                    "path": path,
                    "summary": operation.get("summary", ""),
                    "description": operation.get("description", ""),
                    "parameters": operation.get("parameters", []),
                    "body": [
                        {"name": name, "required": name in model.get("required", ()), **field}
                        for name, field in model.get("properties", {}).items()
                    ],
                }
            )
    return groups


for public in (openapi, docs):
    public.public = True  # type: ignore[attr-defined]
blueprint.add_url_rule("/openapi.json", "openapi", openapi)
blueprint.add_url_rule("/docs", "docs", docs)
for part in PARTS:
    part.before_request(authenticate)
    blueprint.register_api(part)
