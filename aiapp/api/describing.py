"""What the API says of itself: OpenAPI 3.1, from the request models and from what the views' signatures say that they answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from types import GenericAlias, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from flask import Flask, Response
from flask_openapi3.openapi import OpenAPI
from flask_openapi3.utils import parse_rule
from pydantic import TypeAdapter
from typing_extensions import TypedDict

from aiapp.api.idempotency import LONGEST_KEY
from aiapp.api.paging import Listed
from aiapp.api.shapes import OptionalBody

JSON = "application/json"
PROBLEM = "application/problem+json"
REFS = "#/components/schemas/{model}"
INTRODUCTION = (
    "Send a token of a workspace as `Authorization: Bearer aiapp_…`. Times are ISO 8601 in UTC, money is a decimal string in "
    "US dollars, an unknown number is null. Errors are problem JSON (RFC 9457) with a `code`; what belongs to another "
    "workspace is 404. An `Idempotency-Key` on a POST that creates makes it happen once in 24 hours."
)
_KEPT = "api.document"


class FieldError(TypedDict):
    """What is wrong with a field."""

    field: str
    message: str


class Problem(TypedDict):
    """Why a request was refused (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    errors: list[FieldError]


@dataclass(frozen=True, slots=True)
class Operation:
    """A view, where it answers, and what: `shape` is a type, None for no content. `others`: its other answers."""

    id: str
    path: str
    method: str
    view: Callable[..., Any]
    status: int
    shape: Any
    others: tuple[tuple[int, Any], ...] = ()

    @property
    def streams(self) -> bool:
        """Whether the answer is a response of its own kind."""
        return isinstance(self.shape, type) and issubclass(self.shape, Response)


def document(app: OpenAPI) -> dict[str, Any]:
    """Return the OpenAPI document of `app`. Do not change it."""
    if _KEPT not in app.extensions:
        app.extensions[_KEPT] = _document(app)
    kept: dict[str, Any] = app.extensions[_KEPT]
    return kept


def operations(app: Flask) -> Iterator[Operation]:
    """Yield what the API can do."""
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if getattr(view, "needs", None) is None:
            continue
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            name = rule.endpoint.split(".", 1)[1].replace(".", "_")
            yield Operation(name, parse_rule(rule.rule), method, view, *_answer(view))


def _document(app: OpenAPI) -> dict[str, Any]:
    described = deepcopy(app.api_doc)
    described["info"]["description"] = INTRODUCTION
    schemas = described["components"]["schemas"]
    del schemas[app.validation_error_model.__name__]
    known = list(operations(app))
    answers = dict.fromkeys(one.shape for one in known if one.shape is not None and not one.streams)
    answers |= dict.fromkeys(shape for one in known for _, shape in one.others)
    shapes, definitions = _schemas((Problem, *answers))
    schemas.update(definitions)
    for one in known:
        operation = described["paths"][one.path][one.method.lower()]
        role, scope = one.view.needs  # type: ignore[attr-defined]
        operation["operationId"] = one.id
        operation["x-role"], operation["x-scope"] = role, scope
        operation["responses"] = {str(one.status): _response(one, shapes), "default": {"$ref": _PROBLEM_REF}}
        for status, shape in one.others:
            operation["responses"][str(status)] = _content(status, shapes[shape])
        if getattr(one.view, "conditional", False):
            operation["responses"]["304"] = {"description": "It is what the client has"}
            operation.setdefault("parameters", []).append(_HELD)
        if getattr(one.view, "once", False):
            operation.setdefault("parameters", []).append(_KEY)
        body = get_type_hints(one.view).get("body")
        if body is not None and issubclass(body, OptionalBody):
            operation["requestBody"]["required"] = False
    described["components"]["responses"] = {
        "Problem": {"description": "Refused", "content": {PROBLEM: {"schema": shapes[Problem]}}}
    }
    return described


_PROBLEM_REF = "#/components/responses/Problem"
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "the same key and body get the first answer",
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY},
}


_HELD = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "the ETag of the answer that the client has",
    "schema": {"type": "string"},
}


def _answer(view: Callable[..., Any]) -> tuple[int, Any, tuple[tuple[int, Any], ...]]:
    said = get_type_hints(view, include_extras=True)["return"]
    first, *others = get_args(said) if get_origin(said) in (Union, UnionType) else [said]
    return *_one_answer(first), tuple(map(_one_answer, others))


def _one_answer(said: Any) -> tuple[int, Any]:
    if get_origin(said) is not tuple:
        return 200, said
    shape, status = get_args(said)
    return get_args(status)[0], None if get_origin(shape) is Literal else shape


@cache
def _schemas(shapes: tuple[Any, ...]) -> tuple[dict[Any, dict[str, Any]], dict[str, Any]]:
    """Return the schema of each shape and the definitions that they share."""
    # In a list a shape is referred to by its name; a page has no name of its own.
    lists: list[Any] = [shape if get_origin(shape) is Listed else GenericAlias(list, shape) for shape in shapes]
    adapters: list[Any] = [(number, "serialization", TypeAdapter(each)) for number, each in enumerate(lists)]
    found, rest = TypeAdapter.json_schemas(adapters, ref_template=REFS)
    schemas = [found[number, "serialization"] for number in range(len(shapes))]
    return {shape: schema.get("items", schema) for shape, schema in zip(shapes, schemas, strict=True)}, rest["$defs"]


def _response(one: Operation, shapes: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    if one.shape is None:
        return {"description": "Done; nothing to say"}
    if one.streams:
        return {
            "description": (one.shape.__doc__ or "").splitlines()[0],
            "content": {one.shape.default_mimetype: {"schema": {"type": "string"}}},
        }
    response = _content(one.status, shapes[one.shape])
    if hasattr(one.view, "creates"):
        response["headers"] = {"Location": {"description": "where it is", "schema": {"type": "string"}}}
    return response


def _content(status: int, schema: dict[str, Any]) -> dict[str, Any]:
    words = {200: "The answer", 201: "Created", 202: "Accepted"}[status]
    return {"description": words, "content": {JSON: {"schema": schema}}}
