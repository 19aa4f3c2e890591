"""Saved versions, branches and merges over the API."""

from __future__ import annotations

from typing import Any

import pytest

TEXT = "".join(f"Rule {n} says something.\n" for n in range(1, 9))
VERSIONS = "/prompt-templates/support-reply/versions"
MERGE = "/prompt-templates/support-reply/merge"


@pytest.fixture
def bob(api: Any) -> Any:
    """bob's token; Support reply is published with eight rules."""
    bob = api("bob", "write")
    assert bob("POST", "/prompt-templates", {"name": "Support reply", "body": TEXT}).status_code == 201
    assert bob("POST", f"{VERSIONS}/1/publish", {"message": "First"}).status_code == 200
    return bob


def draft(bob: Any, body: str, **more: Any) -> Any:
    made = bob("POST", VERSIONS, {"body": body, "parent": 1, **more})
    assert made.status_code == 201, made.json
    return made.json


def test_what_a_draft_said_before_is_listed_and_shown(bob: Any) -> None:
    number = draft(bob, "one")["number"]
    for lock, text in ((1, "two"), (2, "three")):
        assert bob("PATCH", f"{VERSIONS}/{number}", {"body": text, "lock_version": lock}).status_code == 200
    found = bob("GET", f"{VERSIONS}/{number}/revisions").json
    assert [(one["lock_version"], one["saved_by"]) for one in found["data"]] == [(2, "Bob"), (1, "Bob")]
    first = bob("GET", f"{VERSIONS}/{number}/revisions/{found['data'][1]['id']}").json
    assert first["content"]["body"] == "one"
    page = bob("GET", f"{VERSIONS}/{number}/revisions?limit=1").json
    assert len(page["data"]) == 1
    rest = bob("GET", f"{VERSIONS}/{number}/revisions?limit=1&cursor={page['next_cursor']}").json
    assert [one["lock_version"] for one in rest["data"]] == [1]


def test_a_branch_is_made_listed_merged_and_published(bob: Any) -> None:
    branch = draft(bob, TEXT.replace("Rule 8 says something.", "Be warm."), branch="warm")
    assert (branch["branch"], branch["parent"], branch["merged"]) == ("warm", 1, None)
    refused = bob("POST", f"{VERSIONS}/{branch['number']}/publish", {"message": "No"})
    assert (refused.status_code, refused.json["code"]) == (409, "on_branch")
    assert bob("POST", VERSIONS, {"branch": "warm"}).json["code"] == "branch_taken"
    made = bob("POST", MERGE, {"branch": "warm", "message": "Warmer"})
    assert made.status_code == 201
    assert made.headers["Location"].endswith(f"{VERSIONS}/{made.json['number']}")
    assert (made.json["branch"], made.json["merged"], made.json["message"]) == (None, branch["number"], "Warmer")
    listed = bob("GET", "/prompt-templates/support-reply/branches").json["data"]
    assert listed == [{"name": "warm", "newest": branch["number"], "merged": True}]
    again = bob("POST", MERGE, {"branch": "warm", "into": made.json["number"]})
    assert again.json["code"] == "nothing_to_merge"
    assert bob("POST", f"{VERSIONS}/{made.json['number']}/publish", {"message": "Warm"}).status_code == 200


def test_conflicts_are_told_and_decided(bob: Any) -> None:
    draft(bob, TEXT.replace("Rule 1 says something.", "Theirs."), branch="warm", temperature=0.1)
    ours = draft(bob, TEXT.replace("Rule 1 says something.", "Ours."), temperature=0.2)
    wanted = {"branch": "warm", "into": ours["number"]}
    refused = bob("POST", MERGE, wanted)
    assert (refused.status_code, refused.json["code"]) == (409, "merge_conflicts")
    text, value = refused.json["conflicts"]
    assert (text["field"], text["base"], text["ours"], text["theirs"], text["takes"]) == (
        "body", "Rule 1 says something.\n", "Ours.\n", "Theirs.\n", ["ours", "theirs", "both", "edit"],
    )  # fmt: skip
    assert (value["field"], value["base"], value["ours"], value["theirs"]) == ("temperature", None, 0.2, 0.1)
    half = bob("POST", MERGE, {**wanted, "resolutions": [{"key": value["key"], "take": "theirs"}]})
    assert [one["field"] for one in half.json["conflicts"]] == ["body"]
    wrong = bob("POST", MERGE, {**wanted, "resolutions": [{"key": value["key"], "take": "both"}]})
    assert (wrong.status_code, wrong.json["errors"][0]["field"]) == (422, f"resolutions.{value['key']}")
    decided = [{"key": text["key"], "take": "edit", "text": "Both.\n"}, {"key": value["key"], "take": "theirs"}]
    made = bob("POST", MERGE, {**wanted, "resolutions": decided})
    assert made.status_code == 201
    assert made.json["body"].startswith("Both.\nRule 2")
    assert (made.json["temperature"], made.json["parent"]) == (0.1, ours["number"])


def test_branches_and_versions_of_others_are_not_found(bob: Any, api: Any) -> None:
    branch = draft(bob, "one", branch="warm")
    assert bob("POST", "/prompt-templates", {"name": "Other", "body": "x"}).status_code == 201
    charlie = api("charlie", "write")
    assert charlie("POST", "/prompt-templates", {"name": "Support reply", "body": "x"}).status_code == 201
    for who, path in ((bob, "/prompt-templates/other"), (charlie, "/prompt-templates/support-reply")):
        unknown = who("POST", f"{path}/merge", {"branch": "nothing"})
        assert unknown.status_code == 404
        assert who("POST", f"{path}/merge", {"branch": "warm"}).json["detail"] == unknown.json["detail"]
        assert who("POST", f"{path}/versions", {"parent": branch["number"], "branch": "b"}).status_code == 404
        assert who("POST", f"{path}/rollback", {"version": branch["number"]}).status_code == 404
        assert who("GET", f"{path}/diff?from=1&to={branch['number']}").status_code == 404
        assert who("GET", f"{path}/versions/{branch['number']}/revisions").status_code == 404
    assert bob("POST", MERGE, {"branch": "warm", "into": branch["number"]}).status_code == 422
