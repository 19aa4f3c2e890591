"""To a stranger, what others have answers byte for byte as what nobody has: pages, fragments, forms, the JSON API."""

from __future__ import annotations

import re

import pytest
from one_of_each import one_of_each

pytestmark = pytest.mark.long

# As long as acme, so that not even the length of an answer differs.
THERE, ABSENT = "acme", "zzzz"
SLUG, NO_SLUG = "greeting", "nothings"


@pytest.fixture
def ids(app, team):
    """What acme has of each kind, by the names of routes."""
    return one_of_each(app, team)


def absent(ids):
    # The name of a label is a word, which leads to other routes than digits do.
    return {**dict.fromkeys(ids, "0" * 32), "label": "nothing", "number": ids["number"]}


def path_of(rule, **values):
    def value(found):
        name = found[1].rpartition(":")[2]
        return values.get(name) or ("1" if found[1].startswith("int") else "x")

    return re.sub(r"<([^>]+)>", value, rule.rule)


def told(answer, *names):
    """Everything of an answer that a stranger sees, without what names the request or repeats what was asked for."""
    headers = {name: value for name, value in answer.headers if name not in {"X-Request-ID", "Date", "Set-Cookie"}}
    seen = f"{answer.status}\n{headers}\n{answer.get_data(as_text=True)}"
    for name in (answer.headers["X-Request-ID"], *(name for name in names if len(name) > 1)):
        seen = seen.replace(name, "#" * len(name))
    # a page holds a token of its own for its forms, and the second in which it was made
    return re.sub(r'(?<=name="csrf_token" value=")[^"]+|(?<=X-CSRFToken&#34;: &#34;)[^&]+|(?<=")\d{10}(?=")', "", seen)


def asked(client, path, rule):
    """What every way to ask for `path` answers: the page, the fragment, the form, a method that it does not take."""
    if "GET" in rule.methods:
        yield client.get(path)
        yield client.get(path, headers={"HX-Request": "true"})
        yield client.head(path)
    else:
        yield client.submit(path)
        yield client.swap(path)
    yield client.put(path, headers={"X-CSRFToken": client.csrf()})


def test_a_foreign_workspace_answers_byte_for_byte_as_one_that_is_not_there(app, sign_in, ids):
    charlie = sign_in("charlie")
    walked = 0
    for rule in app.url_map.iter_rules():
        if "<workspace>" not in rule.rule:
            continue
        foreign = asked(charlie, path_of(rule, workspace=THERE, slug=SLUG, **ids), rule)
        unknown = asked(charlie, path_of(rule, workspace=ABSENT, slug=SLUG, **ids), rule)
        for one, other in zip(foreign, unknown, strict=True):
            assert one.status_code in {404, 405}, f"{rule} {one.status}"
            assert told(one, THERE) == told(other, ABSENT), f"{one.request.method} {rule}"
            walked += 1
    assert walked > 100


def test_an_anonymous_visitor_is_sent_to_the_login_page_by_both(app, visitor, ids):
    client = visitor()
    for path in ("/w/{}", "/w/{}/executions", "/w/{}/settings/members"):
        there, not_there = client.get(path.format(THERE)), client.get(path.format(ABSENT))
        assert there.status_code in {302, 303, 308}
        assert told(there, THERE) == told(not_there, ABSENT)


def test_a_foreign_id_in_ones_own_workspace_answers_byte_for_byte_as_an_unknown_one(app, sign_in, ids):
    charlie = sign_in("charlie")
    walked = 0
    for rule in app.url_map.iter_rules():
        if "<workspace>" not in rule.rule or rule.rule.count("<") == 1:
            continue
        nobodys = absent(ids)
        foreign = asked(charlie, path_of(rule, workspace="rival", slug=SLUG, **ids), rule)
        unknown = asked(charlie, path_of(rule, workspace="rival", slug=NO_SLUG, **nobodys), rule)
        for one, other in zip(foreign, unknown, strict=True):
            assert told(one, SLUG, *ids.values()) == told(other, NO_SLUG, *nobodys.values()), (
                f"{one.request.method} {rule}"
            )
            walked += 1
    assert walked > 50


def test_the_json_api_answers_so_too(app, api, ids):
    charlie, nobodys = api("charlie"), absent(ids)
    walked = 0
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith("/api/v1") or "<" not in rule.rule:
            continue
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            body = None if method == "GET" else {"rating": "up", "version": 1, "role": "viewer", "lock_version": 1}
            foreign = charlie(method, path_of(rule, slug=SLUG, **ids).removeprefix("/api/v1"), body)
            unknown = charlie(method, path_of(rule, slug=NO_SLUG, **nobodys).removeprefix("/api/v1"), body)
            assert foreign.status_code >= 400
            assert told(foreign, SLUG, *ids.values()) == told(unknown, NO_SLUG, *nobodys.values()), f"{method} {rule}"
            walked += 1
    assert walked > 100
    for credential_id in (ids["credential_id"], nobodys["credential_id"]):
        answer = charlie("POST", "/executions", {"template": "x", "credential_id": credential_id})
        assert (answer.status_code, answer.json["detail"]) == (404, "There is no such credential in this workspace.")
