"""Whatever a browser sends to a page, a fragment or a form, the answer is no mistake of ours."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from one_of_each import one_of_each

from aiapp.credentials.ping import Climb, Step
from aiapp.executions import jobs
from aiapp.executions.streaming import publishing

pytestmark = pytest.mark.long

FIELDS = [
    "provider",
    "name",
    "api_key",
    "base_url",
    "preferred_model",
    "temperature",
    "max_tokens",
    "system_prompt",
    "extra",
    "api",
    "stream",
    "then",
    "position",
    "credential_id",
    "id",
    "move",
    "active",
    "page",
    "slug",
    "confirm",
    "email",
    "role",
    "scope",
    "expires_at",
    "days",
    "expires",
    "prompt_template",
    "template",
    "version",
    "context",
    "var-name",
    "model",
    "priority",
    "format",
    "system",
    "q",
    "status",
    "period",
    "mine",
    "feedback",
    "cursor",
    "ids",
    "since",
    "place",
    "next",
    "rating",
    "comment",
    "reasons",
    "message",
    "lock_version",
    "body",
    "tags",
    "description",
    "variables",
    "from",
    "to",
    "view",
    "password",
    "field",
]
VALUES = st.one_of(
    st.sampled_from(
        [
            *("", " ", "0", "-1", "1", "2147483648", "9" * 30, "1e400", "nan", "inf", "-0.0", "١٢", "true", "on"),
            *(
                "demo",
                "openai",
                "openai_compatible",
                "greeting",
                "acme",
                "rival",
                "up",
                "down",
                "admin",
                "owner",
                "test",
            ),
            *("0" * 32, "f" * 32, "x" * 3000, "\u202e", "\u2028", "<b>", "{{name}}", "{{" * 500, "%00", "../.."),
            *(
                "http://127.0.0.1/",
                "https://[::1]:1/",
                "https://a b/",
                "javascript:alert(1)",
                "//evil.example",
                "demo://scripted",
            ),
            *(
                "[" * 2000,
                "{}",
                "null",
                '{"a": {"b": [1e999]}}',
                '{"a": "\\u0000"}',
                '{"a": "\\ud800"}',
                "2026-13-45",
                "9999-12-31",
            ),
            *("9999-12-31", "0001-01-01T00:00:00+23:59", "a@b.c", "a\r\nBcc: x@example.com", "'; DROP TABLE user; --"),
        ]
    ),
    st.text(max_size=12).filter(lambda text: "\x00" not in text),
)
FORMS = st.dictionaries(st.sampled_from(FIELDS), VALUES | st.lists(VALUES, max_size=3), max_size=6)
OPEN = {"workspaces.delete", "workspaces.remove_member", "accounts.logout", "accounts.sign_in"}
MINE = ("credentials.", "executions.", "workspaces.", "feedback.", "home.")


@pytest.fixture
def ids(app, team, monkeypatch):
    """One row of each kind in acme; nothing leaves for the internet."""
    monkeypatch.setattr("aiapp.credentials.destination.resolve", lambda *arguments, **more: ())
    tested = Climb((Step("network", True, 1),))
    monkeypatch.setattr("aiapp.credentials.ping.climb", lambda *arguments, **more: tested)
    made = one_of_each(app, team)
    with app.app_context():
        jobs.run(made["execution_id"])
        assert publishing.flush(10)
    return {**made, "workspace": "acme", "slug": "greeting", "number": "1", "provider": "demo", "secret": "x" * 43}


def path_of(rule, values):
    return re.sub(r"<([^>]+)>", lambda found: values.get(found[1].rpartition(":")[2], "x"), rule.rule)


def try_out(send: Any) -> None:
    @settings(max_examples=15, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(FORMS, st.booleans())
    def each(form: dict[str, Any], with_htmx: bool) -> None:
        answer = send(form, {"HX-Request": "true"} if with_htmx else {})
        assert answer.status_code < 500, (answer.request.path, form)

    each()


def test_no_form_makes_a_page_stumble(app, sign_in, ids):
    alice = sign_in("alice")
    token = alice.csrf()
    walked = 0
    for rule in app.url_map.iter_rules():
        if "POST" not in rule.methods or rule.endpoint in OPEN or not rule.endpoint.startswith(MINE):
            continue
        path = path_of(rule, ids)

        def send(form, headers, path=path):
            return alice.post(path, data=form, headers={**headers, "X-CSRFToken": token})

        try_out(send)
        walked += 1
    assert walked > 20


def test_no_query_makes_a_page_stumble(app, sign_in, ids):
    alice = sign_in("alice")
    walked = 0
    for rule in app.url_map.iter_rules():
        if "GET" not in rule.methods or not rule.endpoint.startswith(MINE) or rule.endpoint.endswith("stream_text"):
            continue
        path = path_of(rule, ids)

        def send(form, headers, path=path):
            return alice.get(path, query_string=form, headers=headers)

        try_out(send)
        walked += 1
    assert walked > 20
