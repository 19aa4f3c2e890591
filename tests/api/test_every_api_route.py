"""Every operation of the API, walked: no token, too small a scope, too small a role, ids of another workspace. A new one is
covered at once."""

from __future__ import annotations

import json

from described import PREFIX, every, filled, request_of

from aiapp.accounts.tokens import SCOPES
from aiapp.workspaces.models import ROLES

PEOPLE = {"viewer": "vera", "editor": "bob", "admin": "adam", "owner": "alice"}
UNKNOWN = {
    "slug": "unknown",
    "number": 1,
    "label": "unknown",
    **dict.fromkeys(
        (
            "credential_id",
            "execution_id",
            "batch_id",
            "other_id",
            "invitation_id",
            "token_id",
            "tag_id",
            "membership_id",
            "webhook_id",
            "view_id",
            "revision_id",
        ),
        "0" * 32,
    ),
    **dict.fromkeys(("label_id", "approval_id", "link_id"), "0" * 32),
}


def test_every_route_of_the_api_says_what_it_needs(app):
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith(PREFIX):
            view = app.view_functions[rule.endpoint]
            assert view.needs is None or (view.needs[0] in ROLES and view.needs[1] in SCOPES), rule


def test_only_the_description_is_public(app):
    views = app.view_functions
    rules = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith(PREFIX)]
    public = {rule.endpoint for rule in rules if views[rule.endpoint].needs is None}
    assert public == {"api.openapi", "api.docs"}


def test_without_a_token_nothing_answers(app, described, rows):
    client = app.test_client()
    for one in every(app):
        answer = client.open(PREFIX + filled(one, rows), method=one.method, **request_of(described, one))
        assert answer.status_code == 401, f"{one.method} {one.path}"
        assert answer.json["code"] == "unauthenticated"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        described.judge(answer)


def test_a_scope_that_is_too_small_is_refused(app, api, described, rows):
    tokens = {scope: api("alice", scope) for scope in SCOPES}
    for one in every(app):
        needed = SCOPES.index(one.view.needs[1])
        for scope in SCOPES[:needed]:
            answer = tokens[scope](one.method, filled(one, rows), **request_of(described, one))
            assert (answer.status_code, answer.json["code"]) == (403, "scope"), f"{scope}: {one.method} {one.path}"


def test_a_role_that_is_too_small_is_refused(app, api, described, rows):
    tokens = {role: api(PEOPLE[role]) for role in ROLES}
    for one in every(app):
        needed = ROLES.index(one.view.needs[0])
        for role in ROLES[:needed]:
            answer = tokens[role](one.method, filled(one, rows), **request_of(described, one))
            assert (answer.status_code, answer.json["code"]) == (403, "denied"), f"{role}: {one.method} {one.path}"


def test_what_belongs_to_another_workspace_answers_as_if_it_did_not_exist(app, api, described, rows):
    charlie = api("charlie")
    walked = 0
    for one in every(app):
        if "{" not in one.path:
            continue
        asked = request_of(described, one)
        foreign = charlie(one.method, filled(one, rows), **asked)
        unknown = charlie(one.method, filled(one, UNKNOWN), **asked)
        assert foreign.status_code == unknown.status_code == 404, f"{one.method} {one.path}: {foreign.json}"
        # the text repeats what was asked for, and nothing else
        said = foreign.get_data(as_text=True).replace(rows["slug"], UNKNOWN["slug"])
        assert {**json.loads(said), "request_id": ""} == {**unknown.json, "request_id": ""}
        walked += 1
    assert walked > 20


def test_a_404_says_what_is_missing(api, rows):
    bob, unknown = api("bob"), "0" * 32
    for method, path, body, words in (
        ("GET", f"/executions/{unknown}", None, "There is no such execution in this workspace."),
        ("GET", f"/executions/{unknown}/events", None, "There is no such execution in this workspace."),
        ("GET", f"/credentials/{unknown}", None, "There is no such credential in this workspace."),
        ("DELETE", f"/members/{unknown}", None, "There is no such member in this workspace."),
        ("DELETE", f"/tokens/{unknown}", None, "There is no such token in this workspace."),
        ("GET", "/prompt-templates/nothing", None, "There is no prompt template called nothing in this workspace."),
        ("DELETE", "/prompt-templates/nothing", None, "There is no prompt template called nothing in this workspace."),
        ("GET", "/prompt-templates/greeting/versions/7", None, "The prompt template greeting has no version 7."),
        (
            "POST",
            "/prompt-templates/nothing/executions",
            {},
            "There is no prompt template called nothing in this workspace.",
        ),
        (
            "POST",
            "/prompt-templates/greeting/executions",
            {"version": 7},
            "The prompt template greeting has no version 7.",
        ),
        (
            "POST",
            "/executions",
            {"template": "x", "credential_id": unknown},
            "There is no such credential in this workspace.",
        ),
        (
            "POST",
            "/executions",
            {"template": "x", "credential_id": "x"},
            "There is no such credential in this workspace.",
        ),
    ):
        answer = bob(method, path, body)
        assert (answer.status_code, answer.json["title"], answer.json["detail"]) == (404, "Not found", words), path


def test_what_was_made_is_found_at_its_location(api, rows):
    alice = api("alice")
    execution = f"/executions/{rows['execution_id']}"
    for path, body in (
        ("/executions", {"template": "Hi"}),
        ("/llm_jobs", {"template": "Hi"}),
        ("/prompt-templates/greeting/executions", {"context": {"name": "Ada"}}),
        (f"{execution}/rerun", None),
        (f"{execution}/regenerate", {"temperature": 1}),
        ("/credentials", {"provider": "demo", "name": "Second"}),
        ("/prompt-templates", {"name": "Second"}),
        ("/prompt-templates/greeting/versions", {"body": "Two"}),
        ("/prompt-templates/greeting/rollback", {"version": 1}),
        ("/webhooks", {"url": "https://1.1.1.1/", "events": ["prompt_template.published"]}),
    ):
        made = alice("POST", path, body, key=path)
        found = alice("GET", made.headers["Location"].removeprefix(PREFIX))
        assert found.status_code == 200
        shown = made.json.get("id") or made.json.get("job_id") or made.json["slug"]
        assert shown in (found.json["id"] if "id" in found.json else found.json["slug"])
        assert alice("POST", path, body, key=path).headers["Location"] == made.headers["Location"]
    for path, body in (("/tokens", {"name": "x"}), ("/invitations", {"email": "x@example.com"})):
        made = alice("POST", path, body)
        assert made.headers["Location"] == f"{PREFIX}{path}/{made.json['id']}"


def test_a_method_that_an_address_does_not_take_is_told_which_ones_it_takes(api, rows):
    answer = api("bob")("PUT", "/executions")
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


def test_lists_hold_nothing_of_another_workspace(app, api, described, rows):
    charlie = api("charlie")
    known = [value for value in rows.values() if isinstance(value, str)]
    for one in every(app):
        if one.method == "GET" and "{" not in one.path:
            text = charlie("GET", filled(one, rows)).get_data(as_text=True)
            assert not [value for value in known if value in text], one.path


def test_whoever_may_is_let_in_everywhere(app, api, described, rows):
    """So that the refusals above are not refusals of everything."""
    reading = [one for one in every(app) if one.method == "GET" and one.shape and not one.streams]
    vera, alice = api("vera", "read"), api("alice", "admin")
    for one in reading:
        client = vera if one.view.needs == ("viewer", "read") else alice
        answer = client("GET", filled(one, rows), **request_of(described, one))
        assert answer.status_code == 200, f"{one.path}: {answer.json}"
