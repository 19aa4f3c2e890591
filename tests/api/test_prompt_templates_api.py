"""Prompt templates and their versions by the API."""

from __future__ import annotations

import pytest

from aiapp.prompt_templates.text.rendering import estimate_tokens

WHOLE = {
    "name": "Support reply",
    "description": "Answers customers.",
    "tags": ["support", "Mail"],
    "task": "chat",
    "output_format": "json",
    "system": "You are {{role}}.",
    "messages": [{"role": "user", "content": "Hi, {{role}}"}, {"role": "assistant", "content": "Hello"}],
    "body": "Answer {{question}}",
    "variables": [
        {"name": "role", "type": "choice", "choices": ["friendly", "stern"], "default": "friendly", "required": False},
        {"name": "question", "type": "long_text", "description": "What they ask", "sample": "Why?"},
        {"name": "unused"},
    ],
    "json_schema": {"type": "object"},
    "provider": "openai",
    "model": "gpt-4o-mini",
    "temperature": 0.5,
    "max_tokens": 50,
}


@pytest.fixture
def bob(api):
    return api("bob", "write")


def test_a_prompt_template_is_made_with_a_draft(bob):
    made = bob("POST", "/prompt-templates", WHOLE)
    assert made.status_code == 201
    one = made.json
    assert (one["slug"], one["tags"], one["status"], one["active"]) == (
        "support-reply",
        ["mail", "support"],
        "draft",
        True,
    )
    for field in ("system", "messages", "body", "output_format", "json_schema", "provider", "model", "temperature"):
        assert one[field] == WHOLE[field]
    assert [variable["name"] for variable in one["variables"]] == ["role", "question"]
    version = one["version"]
    assert (version["number"], version["status"], version["author"], version["parent"]) == (1, "draft", "Bob", None)
    assert bob("GET", "/prompt-templates/support-reply").json == one


def test_null_is_as_good_as_left_out_where_nothing_can_be_empty(bob):
    given = {"name": "x", "slug": None, "tags": None, "body": None, "variables": None, "output_format": None}
    made = bob("POST", "/prompt-templates", given)
    assert made.status_code == 201
    assert (made.json["slug"], made.json["tags"], made.json["output_format"]) == ("x", [], "text")
    version = bob("PATCH", "/prompt-templates/x/versions/1", {"lock_version": 1, "model": None, "body": "Hi"}).json
    assert (version["model"], version["body"]) == (None, "Hi")


def test_a_taken_slug_is_a_conflict(bob):
    bob("POST", "/prompt-templates", {"name": "x", "slug": "x"})
    again = bob("POST", "/prompt-templates", {"name": "y", "slug": "x"})
    assert (again.status_code, again.json["code"], again.json["errors"][0]["field"]) == (409, "slug_taken", "slug")


def test_details_change_and_the_rest_stays(bob):
    bob("POST", "/prompt-templates", WHOLE)
    changed = bob(
        "PATCH", "/prompt-templates/support-reply", {"name": "Reply", "slug": "reply", "task": None, "tags": []}
    )
    assert (changed.json["name"], changed.json["task"], changed.json["tags"]) == ("Reply", None, [])
    assert changed.json["description"] == WHOLE["description"]
    assert bob("GET", "/prompt-templates/support-reply").status_code == 404
    assert bob("GET", "/prompt-templates/reply").status_code == 200


def test_a_list_is_filtered(bob):
    bob("POST", "/prompt-templates", WHOLE)
    bob("POST", "/prompt-templates", {"name": "Other", "tags": ["mail"], "body": "Look here"})
    bob("POST", "/prompt-templates/other/versions/1/publish")

    def found(**query):
        return [one["slug"] for one in bob("GET", "/prompt-templates", query_string=query).json["data"]]

    assert found() == ["other", "support-reply"]
    assert found(tag="mail") == ["other", "support-reply"]
    assert found(tag=["mail", "support"]) == ["support-reply"]
    assert found(status="published") == ["other"]
    assert found(task="chat") == ["support-reply"]
    assert found(q="look") == ["other"]
    assert found(output_format="json") == ["support-reply"]
    assert found(task="", tag="") == ["other", "support-reply"]
    assert found(tag="nothing") == []
    for wrong in ({"status": "gone"}, {"output_format": "pdf"}, {"q": "x" * 201}):
        assert bob("GET", "/prompt-templates", query_string=wrong).status_code == 422, wrong


def test_a_slug_that_no_row_can_have_is_just_not_found(bob):
    for slug in ("A", "%ED%A0%80", "x" * 5000, "..%2Fadmin"):
        assert bob("GET", f"/prompt-templates/{slug}").status_code == 404, slug


def test_a_prompt_template_is_deleted_with_its_versions(bob):
    bob("POST", "/prompt-templates", {"name": "x"})
    assert bob("DELETE", "/prompt-templates/x").status_code == 204
    assert bob("GET", "/prompt-templates/x").status_code == 404
    assert bob("GET", "/prompt-templates/x/versions/1").status_code == 404


def test_a_draft_is_written_under_its_lock_version(bob, api):
    bob("POST", "/prompt-templates", {"name": "x", "body": "one"})
    path = "/prompt-templates/x/versions/1"
    first = bob("PATCH", path, {"body": "two", "lock_version": 1})
    assert (first.json["body"], first.json["lock_version"]) == ("two", 2)
    stale = api("alice")("PATCH", path, {"body": "three", "lock_version": 1})
    assert (stale.status_code, stale.json["code"]) == (409, "conflict")
    assert stale.json["yours"] == {"body": "three"}
    assert stale.json["theirs"] == {"body": "two", "lock_version": 2}
    assert bob("PATCH", path, {"body": "four"}).json["errors"][0]["field"] == "lock_version"


def test_publishing_freezes_and_archives_the_one_before(bob):
    bob("POST", "/prompt-templates", {"name": "x", "body": "one"})
    versions = "/prompt-templates/x/versions"
    assert bob("POST", f"{versions}/1/preview").json["status"] == "preview"
    assert bob("PATCH", f"{versions}/1", {"body": "uno", "lock_version": 2}).json["status"] == "draft"
    first = bob("POST", f"{versions}/1/publish", {"message": "First"}).json
    assert (first["status"], first["message"], first["published_by"]) == ("published", "First", "Bob")
    draft = bob("POST", versions, {"body": "two", "message": "Better"})
    assert draft.status_code == 201
    assert (draft.json["number"], draft.json["parent"], draft.json["body"]) == (2, 1, "two")
    assert bob("POST", f"{versions}/2/publish").json["message"] == "Better"
    assert bob("GET", f"{versions}/1").json["status"] == "archived"
    frozen = bob("PATCH", f"{versions}/1", {"body": "x", "lock_version": first["lock_version"]})
    assert (frozen.status_code, frozen.json["code"]) == (409, "frozen")
    restored = bob("POST", "/prompt-templates/x/rollback", {"version": 1})
    assert restored.status_code == 201
    assert (restored.json["number"], restored.json["status"], restored.json["body"]) == (3, "published", "uno")
    assert [one["number"] for one in bob("GET", versions).json["data"]] == [3, 2, 1]
    assert bob("GET", "/prompt-templates/x").json["version"]["number"] == 3


def test_a_draft_may_begin_from_any_version(bob):
    bob("POST", "/prompt-templates", {"name": "x", "body": "one"})
    bob("POST", "/prompt-templates/x/versions", {"body": "two"})
    third = bob("POST", "/prompt-templates/x/versions", {"parent": 1}).json
    assert (third["body"], third["parent"]) == ("one", 1)
    assert bob("POST", "/prompt-templates/x/versions").json["body"] == "one"


def test_unknown_versions_are_not_found(bob):
    bob("POST", "/prompt-templates", {"name": "x", "body": "one"})
    for number in (0, 2, 2**31, 10**30):
        assert bob("GET", f"/prompt-templates/x/versions/{number}").status_code == 404
        assert bob("POST", "/prompt-templates/x/rollback", {"version": number}).status_code == 404
        assert bob("POST", "/prompt-templates/x/versions", {"parent": number}).status_code == 404
        assert bob("POST", "/prompt-templates/x/render", {"version": number}).status_code == 404
        assert bob("GET", "/prompt-templates/x/diff", query_string={"from": 1, "to": number}).status_code == 404


def test_a_diff_shows_texts_settings_and_variables(bob):
    bob("POST", "/prompt-templates", WHOLE)
    bob(
        "POST",
        "/prompt-templates/support-reply/versions",
        {"body": "Reply to {{question}} by {{when}}", "temperature": 1},
    )
    diff = bob("GET", "/prompt-templates/support-reply/diff", query_string={"from": 1, "to": 2}).json
    body = next(part for part in diff["parts"] if part["field"] == "body")
    assert {line["op"] for line in body["lines"]} != {"equal"}
    assert diff["settings"] == [{"field": "temperature", "old": 0.5, "new": 1.0}]
    assert [one["name"] for one in diff["variables"]["added"]] == ["when"]
    assert bob("GET", "/prompt-templates/support-reply/diff", query_string={"from": 1}).status_code == 422


def test_rendering_fills_every_part_and_counts_them(bob, api):
    bob("POST", "/prompt-templates", WHOLE)
    path = "/prompt-templates/support-reply/render"
    empty = bob("POST", path).json
    assert (empty["version"], empty["missing"], empty["unknown"]) == (1, ["question"], [])
    full = bob("POST", path, {"version": 1, "context": {"question": "Why?", "role": "stern", "other": 1}}).json
    assert (full["system"], full["body"]) == ("You are stern.", "Answer Why?")
    assert full["messages"][0]["content"] == "Hi, stern"
    assert (full["missing"], full["unknown"], full["errors"]) == ([], ["other"], [])
    assert full["tokens"] == sum(map(estimate_tokens, ("You are stern.", "Answer Why?", "Hi, stern", "Hello")))
    assert float(full["estimated_cost"]) > 0
    wrong = bob("POST", path, {"context": {"role": "unknown", "question": "x"}}).json
    assert [error["field"] for error in wrong["errors"]] == ["role"]
    assert api("vera", "read")("POST", path, {"context": {}}).status_code == 200


def test_an_unknown_price_is_null(bob):
    bob("POST", "/prompt-templates", {"name": "x", "body": "Hi"})
    assert bob("POST", "/prompt-templates/x/render").json["estimated_cost"] is None


def test_hostile_templates_are_text(bob):
    body = "{{7*7}} {% raw %} {0} ${x} {{constructor.name}} {{" + "\\{{"
    made = bob("POST", "/prompt-templates", {"name": "x", "body": body})
    assert made.json["body"] == body
    shown = bob("POST", "/prompt-templates/x/render", {"context": {"constructor": {"name": "{{7*7}}"}}}).json
    assert shown["body"] == "{{7*7}} {% raw %} {0} ${x} {{7*7}} {{{{"


def test_a_rejected_version_says_why(bob):
    for wrong, field in (
        ({"variables": [{"name": "a b"}]}, "variables"),
        ({"json_schema": {"type": "nothing"}}, "json_schema"),
        ({"temperature": 9}, "temperature"),
        ({"output_format": "pdf"}, "output_format"),
        ({"body": "a\x00b"}, "body"),
        ({"body": "\ud800"}, "body"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
    ):
        answer = bob("POST", "/prompt-templates", {"name": "x", **wrong})
        assert answer.status_code == 422, wrong
        assert answer.json["errors"][0]["field"].startswith(field), answer.json


def test_a_list_is_sorted_and_knows_the_favourites_of_the_tokens_person(api, bob):
    for name in ("beta", "alpha"):
        bob("POST", "/prompt-templates", {"name": name})

    def found(**query):
        return [one["slug"] for one in bob("GET", "/prompt-templates", query_string=query).json["data"]]

    assert (found(), found(sort="name")) == (["alpha", "beta"], ["alpha", "beta"])
    assert bob("PUT", "/prompt-templates/beta/favourite").status_code == 204
    assert found(favourites="first") == ["beta", "alpha"]
    assert found(favourites="only") == ["beta"]
    listed = bob("GET", "/prompt-templates", query_string={"sort": "name", "limit": 1}).json
    assert [one["favourite"] for one in listed["data"]] == [False]
    later = {"sort": "name", "cursor": listed["next_cursor"]}
    assert bob("GET", "/prompt-templates", query_string=later).json["data"][0]["favourite"] is True
    assert bob("GET", "/prompt-templates", query_string={**later, "sort": "used"}).status_code == 422
    vera = api("vera", "read")
    assert vera("GET", "/prompt-templates", query_string={"favourites": "only"}).json["data"] == []
    assert bob("DELETE", "/prompt-templates/beta/favourite").status_code == 204
    assert found(favourites="only") == []


def test_the_list_has_what_is_archived_too(bob):
    bob("POST", "/prompt-templates", {"name": "x"})
    bob("PATCH", "/prompt-templates/x", {"active": False})
    (listed,) = bob("GET", "/prompt-templates").json["data"]
    assert (listed["status"], listed["active"]) == ("archived", False)


def test_a_duplicate_is_a_prompt_template_of_its_own(bob):
    bob("POST", "/prompt-templates", WHOLE)
    copy = bob("POST", "/prompt-templates/support-reply/duplicate")
    assert copy.status_code == 201
    assert copy.headers["Location"].endswith("/prompt-templates/copy-of-support-reply")
    assert (copy.json["name"], copy.json["version"]["status"]) == ("Copy of Support reply", "draft")
    for field in ("system", "messages", "body", "output_format", "json_schema", "tags", "task", "description"):
        assert copy.json[field] == bob("GET", "/prompt-templates/support-reply").json[field]


def test_tags_are_listed_renamed_merged_and_deleted(bob):
    bob("POST", "/prompt-templates", {"name": "x", "tags": ["mail", "short"]})
    bob("POST", "/prompt-templates", {"name": "y", "tags": ["mail"]})

    def tags():
        return {one["name"]: one["prompt_templates"] for one in bob("GET", "/tags").json["data"]}

    assert tags() == {"mail": 2, "short": 1}
    ids = {one["name"]: one["id"] for one in bob("GET", "/tags").json["data"]}
    renamed = bob("PATCH", f"/tags/{ids['mail']}", {"name": "E-Mail"})
    assert renamed.json == {"id": ids["mail"], "name": "e-mail", "prompt_templates": 2}
    merged = bob("PATCH", f"/tags/{ids['mail']}", {"name": "short"})
    assert merged.json == {"id": ids["short"], "name": "short", "prompt_templates": 2}
    assert bob("PATCH", f"/tags/{ids['mail']}", {"name": "again"}).status_code == 404
    assert bob("PATCH", f"/tags/{ids['short']}", {"name": "a,b"}).json["errors"][0]["field"] == "name"
    assert bob("DELETE", f"/tags/{ids['short']}").status_code == 204
    assert tags() == {}
