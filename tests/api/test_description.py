"""The OpenAPI document: complete, consistent, and nothing but the truth (every test's answers are held against it)."""

from __future__ import annotations

import json
import re

import pytest
from described import PREFIX, every
from flask_openapi3.utils import parse_rule
from jsonschema.validators import Draft202012Validator

from aiapp.api.describing import document


@pytest.fixture
def told(app, team):
    return app.test_client().get(f"{PREFIX}/openapi.json").json


def test_every_route_is_described_and_every_description_is_a_route(app, told):
    routes = {
        (parse_rule(rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(PREFIX) and rule.endpoint not in {"api.openapi", "api.docs"}
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert routes == {(path, method) for path, methods in told["paths"].items() for method in methods}


def test_the_document_is_openapi_3_1(told):
    assert told["openapi"].startswith("3.1.")
    assert told["info"]["title"] == "aiapp"
    assert told["info"]["version"]
    assert told["components"]["securitySchemes"]["token"] == {"type": "http", "scheme": "bearer"}


def test_every_schema_is_a_json_schema_and_every_reference_leads_somewhere(told):
    for schema in told["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(told)):
        node = told
        for part in reference.split("/"):
            node = node[part]


def test_no_schema_is_left_over(told):
    schemas = set(told["components"]["schemas"])
    used = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(told)))
    assert schemas == used


def test_operations_have_names_of_their_own(told):
    names = [operation["operationId"] for methods in told["paths"].values() for operation in methods.values()]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"\w+", name) for name in names)


def test_the_parameters_of_a_path_are_the_ones_it_names(told):
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            named = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"}
            assert named == set(re.findall(r"\{(\w+)\}", path)), f"{method} {path}"


def test_every_operation_says_its_role_scope_answer_and_refusal(app, told):
    for one in every(app):
        operation = told["paths"][one.path][one.method.lower()]
        assert (operation["x-role"], operation["x-scope"]) == one.view.needs
        assert operation["security"] == [{"token": []}]
        assert operation["summary"]
        statuses = {one.status, *(status for status, _ in one.others)}
        statuses |= {304} if getattr(one.view, "conditional", False) else set()
        assert set(operation["responses"]) == {*map(str, statuses), "default"}


def test_posts_that_create_take_an_idempotency_key(told):
    with_key = {
        path.removeprefix(PREFIX)
        for path, methods in told["paths"].items()
        for operation in methods.values()
        if any(one["name"] == "Idempotency-Key" for one in operation.get("parameters", ()))
    }
    creating = {
        path.removeprefix(PREFIX)
        for path, methods in told["paths"].items()
        if "post" in methods and ("201" in methods["post"]["responses"] or "202" in methods["post"]["responses"])
    }
    assert creating - with_key == {"/executions/{execution_id}/cancel", "/credentials/test"}  # they create nothing
    assert with_key <= creating


def test_a_body_without_required_fields_may_be_left_out(told, api, rows):
    path = "/prompt-templates/{slug}/versions/{number}/publish"
    assert told["paths"][PREFIX + path]["post"]["requestBody"]["required"] is False
    assert told["paths"][f"{PREFIX}/executions"]["post"]["requestBody"]["required"] is True


def test_the_document_is_made_once(app, team):
    with app.app_context():
        assert document(app) is document(app)
