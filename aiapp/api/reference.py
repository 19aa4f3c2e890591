"""The API reference for people: the OpenAPI document, sorted into chapters and words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiapp.api.describing import JSON

Schema = Mapping[str, Any]
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a field of a body or an answer. `note` is what else is to know: required, header."""

    name: str
    kind: str
    words: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation. `listed` says that the answer is a page of things with these fields."""

    id: str
    method: str
    path: str
    summary: str
    words: str
    role: str
    scope: str
    parameters: list[Field]
    body: list[Field]
    status: str
    listed: bool
    answer: list[Field]


@dataclass(frozen=True, slots=True)
class Part:
    """A named part of bodies and answers."""

    name: str
    words: str
    fields: list[Field]


def parts(document: Schema) -> list[Part]:
    """Return what the fields of bodies and answers name as their type."""
    schemas = document["components"]["schemas"]
    named = sorted(set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(schemas))))
    return [Part(name, schemas[name].get("description", ""), _fields(schemas[name], set())) for name in named]


def chapters(document: Schema) -> dict[str, list[Entry]]:
    """Return the operations of an OpenAPI document by their tag."""
    found: dict[str, list[Entry]] = {tag["name"]: [] for tag in document["tags"]}
    schemas = document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for method in sorted(methods, key=METHODS.index):
            operation = methods[method]
            found[operation["tags"][0]].append(_entry(path, method, operation, schemas))
    return found


def _entry(path: str, method: str, operation: Schema, schemas: Schema) -> Entry:
    status, response = next(iter(operation["responses"].items()))
    answer = _json(response, schemas)
    listed = set(answer.get("properties", ())) == {"data", "next_cursor"}
    if listed:
        answer = _named(answer["properties"]["data"]["items"], schemas)
    body = _json(operation.get("requestBody", {}), schemas)
    return Entry(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        words=operation["description"],
        role=operation["x-role"],
        scope=operation["x-scope"],
        parameters=[_parameter(one) for one in operation.get("parameters", ())],
        body=_fields(body, set(body.get("required", ()))),
        status=status,
        listed=listed,
        answer=_fields(answer, set()),
    )


def _json(content: Schema, schemas: Schema) -> Schema:
    """Return the schema of what is JSON in a request or response."""
    return _named(content.get("content", {}).get(JSON, {}).get("schema", {}), schemas)


def _named(schema: Schema, schemas: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    found: Schema = schemas[schema["$ref"].rsplit("/", 1)[-1]]
    return found


def _parameter(one: Schema) -> Field:
    notes = [word for word, holds in (("required", one["required"]), ("header", one["in"] == "header")) if holds]
    return Field(one["name"], _kind(one["schema"]), one.get("description", ""), ", ".join(notes))


def _fields(model: Schema, required: set[str]) -> list[Field]:
    return [
        Field(name, _kind(schema), schema.get("description", ""), "required" if name in required else "")
        for name, schema in model.get("properties", {}).items()
    ]


def _kind(schema: Schema) -> str:
    """Return the type of a value in words."""
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    return "time" if schema.get("format") == "date-time" else str(schema.get("type", "any"))
