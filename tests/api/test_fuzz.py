"""Whatever is sent, the API answers as it says it does; never with a mistake of its own."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from described import PREFIX, every, filled
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiapp.api.describing import Operation

pytestmark = pytest.mark.long

NUMBERS = count()

TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["", " ", "\x00", "\ud800", "‮", "demo", "openai", "greeting", "text", "json", "high", "{{name}}", "0" * 32]
    ),
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 5),
    st.sampled_from([2**31, 2**63, -(2**70), 10**400, 1.5, -0.0, 1e308, float("inf"), float("nan")]),
    TEXTS,
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8
)


# What asks somebody else's server, or can be done once only.
ONCE = ("/test", "/publish", "/approve", "/reject", "/withdraw", "/undo", "/retry")


def by_schema(schema: dict[str, Any], components: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values of the right type, mostly of the wrong kind."""
    if "$ref" in schema:
        return by_schema(components["schemas"][schema["$ref"].rsplit("/", 1)[-1]], components)
    if "anyOf" in schema:
        return st.one_of([by_schema(one, components) for one in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kind = schema.get("type")
    if kind == "object" and "properties" in schema:
        return st.fixed_dictionaries({name: by_schema(one, components) for name, one in schema["properties"].items()})
    if kind == "array":
        return st.lists(by_schema(schema["items"], components), max_size=3)
    kinds = {
        "object": st.dictionaries(TEXTS, VALUES, max_size=3),
        "string": TEXTS,
        "integer": st.integers(-2, 5) | st.sampled_from([2**31, 2**63, 10**30]),
        "number": st.floats() | st.sampled_from([0, 1, 2]),
        "boolean": st.booleans(),
        "null": st.none(),
    }
    return kinds.get(kind, VALUES)


def changes(schema: dict[str, Any], components: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """One to three fields of a body, so that the rest of it may pass."""
    properties = components["schemas"][schema["$ref"].rsplit("/", 1)[-1]]["properties"]
    fields = [
        st.tuples(st.just(name), by_schema(one, components) | by_schema(one, components) | VALUES)
        for name, one in properties.items()
    ]
    return st.lists(st.one_of(fields), min_size=1, max_size=3).map(dict)


def fitting(path: str) -> dict[str, Any]:
    """A body that is accepted, again and again."""
    number = next(NUMBERS)
    return {
        "/credentials": {"provider": "demo", "name": f"Credential {number}"},
        "/credentials/import": {"credentials": [{"provider": "demo", "name": f"Imported {number}"}]},
        "/invitations": {"email": f"{number}@example.com"},
        "/tokens": {"name": "Token"},
        "/webhooks": {"url": "https://1.1.1.1/", "events": ["prompt_template.published"]},
        "/members/{membership_id}": {"role": "editor"},
        "/prompt-templates": {"name": "Template", "body": "{{a}}"},
        "/prompt-templates/import": {"files": [{"name": "imported.md", "content": "---\nname: Imported\n---\nHi\n"}]},
        "/prompt-templates/{slug}/executions": {"context": {"name": "Ada"}},
        "/prompt-templates/{slug}/rollback": {"version": 1},
        "/prompt-templates/{slug}/labels/{label}": {"version": 1},
        "/prompt-templates/{slug}/merge": {"branch": "other"},
        "/publishing-rule": {"approval": "none"},
        "/tags/{tag_id}": {"name": f"tag-{number}"},
        "/labels": {"name": f"label-{number}"},
        "/prompt-templates/{slug}/versions/{number}": {"lock_version": 1},
        "/executions": {"template": "Hi"},
        "/saved-views": {"name": f"View {number}", "query": {"status": "failed"}},
        "/executions/compare": {
            "template": "{{a}}",
            "context": {"a": "1"},
            "variants": [{"provider": "demo"}, {"provider": "demo", "model": "demo-good"}],
        },
        "/batches": {"prompt_template": "greeting", "rows": [{"name": "Ada"}]},
        "/batches/{batch_id}/table": {"rows": [{"name": "Ada"}]},
        "/llm_jobs": {"template": "Hi"},
        "/executions/{execution_id}/feedback": {"rating": "up"},
    }.get(path.removeprefix(PREFIX), {})


def try_out(values: st.SearchStrategy[Any], send: Callable[[Any], Any]) -> None:
    """Send some of the values; the client fails the test where an answer is not as described."""

    @settings(max_examples=25, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(values)
    def each(value: Any) -> None:
        send(value)

    each()


def test_no_body_makes_the_api_stumble(app, api, described, rows, work):
    alice = api("alice")
    alice("POST", "/prompt-templates/greeting/versions")
    alice("POST", "/prompt-templates/greeting/versions", {"branch": "other", "body": "Something else for {{name}}"})
    work(rows["execution_id"])
    components = described.document["components"]
    walked = 0
    # What is changed comes last: a slug leads nowhere once it is another one.
    for one in sorted(every(app), key=lambda one: (one.method == "PATCH", -len(one.path))):
        told = described.document["paths"][one.path][one.method.lower()]
        if "requestBody" not in told or one.path.endswith(ONCE):
            continue
        path = filled(one, {**rows, "number": 2})

        def send(body: dict[str, Any], one: Operation = one, path: str = path) -> int:
            return alice(one.method, path, {**fitting(one.path), **body}).status_code

        assert send({}) < 300, f"{one.method} {one.path}: only what is accepted unchanged can be reached with changes"
        try_out(changes(told["requestBody"]["content"]["application/json"]["schema"], components), send)
        walked += 1
    assert walked > 12


def test_no_query_makes_the_api_stumble(app, api, described, rows):
    alice = api("alice")
    dates = st.sampled_from(["0001-01-01", "9999-12-31T23:59:59-14:00", "1e400", "-1", "2026-01-01T00:00:00"])
    values = TEXTS.filter(lambda text: text.isascii() or text.isprintable()) | dates
    walked = 0
    for one in every(app):
        told = described.document["paths"][one.path][one.method.lower()]
        names = {parameter["name"] for parameter in told.get("parameters", ()) if parameter["in"] == "query"} - {"wait"}
        if one.method != "GET" or not names:
            continue
        path = filled(one, rows)
        try_out(
            st.dictionaries(st.sampled_from(sorted(names)), values),
            lambda query, path=path: alice("GET", path, query_string=query),
        )
        walked += 1
    assert walked > 8
