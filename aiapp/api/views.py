"""The JSON API, /api/v1: its parts, its description and the page that shows it."""

from __future__ import annotations

from flask import Response, current_app, jsonify, make_response, render_template
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.openapi import OpenAPI
from pydantic import ValidationError

from aiapp.api.asking import authenticate, challenge, public
from aiapp.api.batches import batches
from aiapp.api.credentials import credentials
from aiapp.api.data import data
from aiapp.api.describing import document
from aiapp.api.execution_comparisons import execution_comparisons
from aiapp.api.execution_lists import executions
from aiapp.api.feedback import feedback
from aiapp.api.locating import locate
from aiapp.api.people import people
from aiapp.api.prompt_files import prompt_files
from aiapp.api.prompt_links import prompt_links
from aiapp.api.prompt_merges import prompt_merges
from aiapp.api.prompt_releases import prompt_releases
from aiapp.api.prompt_templates import prompt_templates
from aiapp.api.prompt_versions import prompt_versions
from aiapp.api.queue import queue
from aiapp.api.reference import chapters, parts
from aiapp.api.selection import selection
from aiapp.api.tags import tags
from aiapp.api.webhooks import webhooks
from aiapp.errors import InvalidInput, NotFound, problem

blueprint = APIBlueprint("api", __name__, url_prefix="/api/v1")
PARTS = (
    people,
    credentials,
    selection,
    prompt_templates,
    tags,
    prompt_versions,
    prompt_releases,
    prompt_merges,
    prompt_links,
    prompt_files,
    executions,
    feedback,
    execution_comparisons,
    batches,
    queue,
    webhooks,
    data,
)
MOST_ERRORS = 100


@public
def openapi() -> Response:
    """Return the description of the API (OpenAPI 3.1)."""
    return jsonify(document(_app()))


@public
def docs() -> Response:
    """Show the API for people: every path with its fields, made of the same description."""
    described = document(_app())
    introduction = described["info"]["description"]
    return make_response(
        render_template(
            "api/docs.html", introduction=introduction, chapters=chapters(described), parts=parts(described)
        )
    )


def invalid(error: ValidationError) -> Response:
    """Return what pydantic found as a problem with field errors."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    errors = [
        {
            "field": ".".join(str(part) for part in item["loc"]) or "body",
            "message": item["msg"].removeprefix("Value error, ").rstrip(".") + ".",
        }
        for item in found[:MOST_ERRORS]
    ]
    return problem(InvalidInput("Some fields cannot stay as they are.", errors=errors))


def missing(error: NotFound) -> Response:
    """Return a 404 as a problem; it is a thing that is missing here, not a page."""
    error.title = "Not found"
    return problem(error)


def _app() -> OpenAPI:
    app: OpenAPI = current_app._get_current_object()  # type: ignore[attr-defined]
    return app


blueprint.before_request(authenticate)
blueprint.after_request(challenge)
blueprint.after_request(locate)
blueprint.register_error_handler(NotFound, missing)
blueprint.add_url_rule("/openapi.json", "openapi", openapi)
blueprint.add_url_rule("/docs", "docs", docs)
for part in PARTS:
    blueprint.register_api(part)
