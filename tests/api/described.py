"""The OpenAPI document as a judge of answers and as a list of all that the API can do."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

from flask import Flask
from flask_openapi3.utils import parse_rule
from jsonschema.validators import Draft202012Validator
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from aiapp.api.describing import Operation, document, operations

PREFIX = "/api/v1"


def strict(schema: Any) -> Any:
    """The schema, with no field allowed that it does not name."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: strict(value) for name, value in schema.items()}
    if "properties" in closed:
        closed.setdefault("additionalProperties", False)
    return closed


class Described:
    """The OpenAPI document as a judge of answers."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.document = deepcopy(document(app))
        self.components = strict(self.document["components"])
        # A conflict of two writers adds both texts.
        self.components["schemas"]["Problem"]["additionalProperties"] = True

    def judge(self, answer: TestResponse) -> None:
        """Fail unless the answer is one that the document promises for this request."""
        request = answer.request
        assert answer.headers["X-Request-ID"]
        assert answer.status_code < 500 or answer.status_code == 503, answer.get_data(as_text=True)
        responses = self._responses(request.path, request.method)
        promised = responses.get(str(answer.status_code))
        if promised is None:
            assert answer.status_code >= 400, f"{request.method} {request.path} does not promise {answer.status}"
            promised = self.document["components"]["responses"]["Problem"]
            assert answer.json["request_id"] == answer.headers["X-Request-ID"]
            assert answer.json["status"] == answer.status_code
        if "content" not in promised:
            assert answer.get_data() == b""
            return
        if "Location" in promised.get("headers", {}):
            assert answer.headers["Location"].startswith(f"{PREFIX}/")
        assert answer.mimetype in promised["content"]
        if answer.mimetype == "text/event-stream":
            return
        answer.get_data()  # to its end: a file that nobody reads keeps its request open
        if answer.is_json:  # a file is a text to the description
            self.check(promised["content"][answer.mimetype]["schema"], answer.json)

    def check(self, schema: Any, value: Any) -> None:
        whole = {**strict(schema), "components": self.components}
        errors = sorted(Draft202012Validator(whole).iter_errors(value), key=str)
        assert errors == [], "\n".join(f"{error.json_path}: {error.message}" for error in errors)

    def _responses(self, path: str, method: str) -> dict[str, Any]:
        try:
            rule, _ = self.app.url_map.bind("localhost").match(path, method, return_rule=True)
        except HTTPException:
            return {}
        return self.document["paths"].get(parse_rule(rule.rule), {}).get(method.lower(), {}).get("responses", {})


def every(app: Flask) -> list[Operation]:
    """Everything that the API can do."""
    found = list(operations(app))
    assert len(found) > 30
    return found


def filled(operation: Operation, values: dict[str, Any]) -> str:
    """The path of an operation below /api/v1, with values for its parameters."""
    path = re.sub(r"\{(\w+)\}", lambda match: str(values[match[1]]), operation.path)
    return path.removeprefix(PREFIX)


def least(schema: dict[str, Any], components: dict[str, Any]) -> Any:
    """The smallest value that a schema takes."""
    if "$ref" in schema:
        return least(components["schemas"][schema["$ref"].rsplit("/", 1)[-1]], components)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        properties = schema.get("properties", {})
        return {name: least(properties[name], components) for name in schema.get("required", ())}
    return {"string": "x", "integer": 1, "number": 1, "boolean": True, "array": []}[kind]


def request_of(described: Described, operation: Operation) -> dict[str, Any]:
    """The least that an operation asks for: `json` and `query_string`."""
    told = described.document["paths"][operation.path][operation.method.lower()]
    asked: dict[str, Any] = {
        "query_string": {
            one["name"]: least(one["schema"], described.document["components"])
            for one in told.get("parameters", ())
            if one["in"] == "query" and one["required"]
        }
    }
    if "requestBody" in told:
        schema = told["requestBody"]["content"]["application/json"]["schema"]
        asked["json"] = least(schema, described.document["components"])
    return asked
