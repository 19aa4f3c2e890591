"""Labels, the current text, approvals and semantic versions by the API."""

from __future__ import annotations

import pytest

HERE = "/prompt-templates/support-reply"


@pytest.fixture
def bob(api):
    return api("bob", "write")


@pytest.fixture
def alice(api):
    return api("alice")


@pytest.fixture
def published(bob):
    """Version 1, published, and version 2, a draft."""
    bob("POST", "/prompt-templates", {"name": "Support reply", "body": "Answer {{question}}"})
    first = bob("POST", f"{HERE}/versions/1/publish", {"message": "First"}).json
    bob("POST", f"{HERE}/versions", {"body": "Answer {{question}} kindly"})
    return first


def test_publishing_takes_a_semantic_version_or_proposes_one(bob, published):
    assert (published["semver"], published["labels"]) == ("1.0.0", ["published"])
    assert bob("GET", f"{HERE}/versions/2").json["semver"] is None
    wrong = bob("POST", f"{HERE}/versions/2/publish", {"semver": "1.0.0"})
    assert (wrong.status_code, wrong.json["errors"][0]["field"]) == (422, "semver")
    assert bob("POST", f"{HERE}/versions/2/publish", {"semver": "2.1.0"}).json["semver"] == "2.1.0"
    assert [one["labels"] for one in bob("GET", f"{HERE}/versions").json["data"]] == [["published"], []]


def test_the_current_text_is_had_by_label_with_an_etag(api, alice, bob, published):
    vera = api("vera", "read")
    first = vera("GET", f"{HERE}/versions/published")
    assert first.json == published
    etag = first.headers["ETag"]
    assert etag.startswith('"')
    assert first.headers["Cache-Control"] == "private, no-cache"
    again = vera("GET", f"{HERE}/versions/published", headers={"If-None-Match": etag})
    assert (again.status_code, again.get_data(), again.headers["ETag"]) == (304, b"", etag)
    assert vera("GET", f"{HERE}/versions/1", headers={"If-None-Match": etag}).status_code == 304
    bob("POST", f"{HERE}/versions/2/publish")
    changed = vera("GET", f"{HERE}/versions/published", headers={"If-None-Match": etag})
    assert (changed.status_code, changed.json["number"]) == (200, 2)
    alice("POST", "/labels", {"name": "staging"})
    assert vera("GET", f"{HERE}/versions/staging").status_code == 404
    bob("PUT", f"{HERE}/labels/staging", {"version": 1})
    assert vera("GET", f"{HERE}/versions/staging").json["number"] == 1
    assert vera("GET", f"{HERE}/versions/unknown").status_code == 404


def test_labels_are_made_by_admins_and_moved_by_editors(api, alice, bob, published):
    assert bob("POST", "/labels", {"name": "staging"}).status_code == 403
    made = alice("POST", "/labels", {"name": "staging"}, key="one")
    assert made.status_code == 201
    assert alice("POST", "/labels", {"name": "staging"}).json["code"] == "label_taken"
    moved = bob("PUT", f"{HERE}/labels/staging", {"version": 1, "message": "Try"})
    assert moved.json == {"name": "staging", "protected": False, "version": 1, "semver": "1.0.0"}
    assert bob("PUT", f"{HERE}/labels/staging", {"version": 2}).json["code"] == "not_frozen"
    assert bob("PUT", f"{HERE}/labels/published", {"version": 1}).status_code == 422
    assert bob("PUT", f"{HERE}/labels/unknown", {"version": 1}).status_code == 404
    assert api("vera")("PUT", f"{HERE}/labels/staging", {"version": 1}).status_code == 403
    places = bob("GET", f"{HERE}/labels").json["data"]
    assert [(one["name"], one["version"]) for one in places] == [("published", 1), ("staging", 1)]
    assert bob("GET", f"{HERE}/versions/1").json["labels"] == ["published", "staging"]
    renamed = alice("PATCH", f"/labels/{made.json['id']}", {"name": "canary"})
    assert (renamed.json["name"], bob("GET", "/labels").json["data"]) == ("canary", [renamed.json])
    assert bob("DELETE", f"{HERE}/labels/canary").status_code == 204
    assert alice("DELETE", f"/labels/{made.json['id']}").status_code == 204


def test_a_label_is_executed(api, alice, bob, published):
    alice("POST", "/labels", {"name": "staging"})
    bob("PUT", f"{HERE}/labels/staging", {"version": 1})
    bob("POST", f"{HERE}/versions/2/publish")
    vera, context = api("vera", "run"), {"question": "Why?"}
    made = vera("POST", f"{HERE}/executions", {"context": context, "label": "staging"})
    assert (made.status_code, made.json["template"]["version"]) == (202, 1)
    both = vera("POST", f"{HERE}/executions", {"context": context, "label": "staging", "version": 1})
    assert (both.status_code, both.json["errors"][0]["field"]) == (422, "label")
    assert vera("POST", f"{HERE}/executions", {"context": context, "label": "x"}).status_code == 404


def test_where_somebody_has_to_agree_publishing_is_202(api, alice, bob, published):
    assert bob("PUT", "/publishing-rule", {"approval": "admin"}).status_code == 403
    assert alice("PUT", "/publishing-rule", {"approval": "admin"}).json == {"approval": "admin"}
    asked = bob("POST", f"{HERE}/versions/2/publish", {"message": "Kind", "semver": "1.4.0"})
    assert (asked.status_code, asked.json["state"], asked.json["version"]) == (202, "open", 2)
    assert bob("GET", f"{HERE}/versions/2").json["status"] == "draft"
    assert bob("POST", f"{HERE}/versions/2/publish").json["code"] == "approval_open"
    path = f"/approvals/{asked.json['id']}"
    assert bob("POST", f"{path}/approve").status_code == 403
    assert api("alice", "write")("POST", f"{path}/approve").status_code == 403
    done = alice("POST", f"{path}/approve", {"message": "Fine"})
    assert (done.json["state"], done.json["decided_by"], done.json["decision"]) == ("approved", "Alice", "Fine")
    assert bob("GET", f"{HERE}/versions/published").json["semver"] == "1.4.0"
    assert bob("GET", "/approvals?state=open").json["data"] == []
    assert alice("POST", f"{path}/reject", {"message": "No"}).json["code"] == "decided"


def test_going_back_is_202_too_and_a_stale_request_says_so(api, alice, bob, published):
    alice("PUT", "/publishing-rule", {"approval": "second_person"})
    asked = alice("POST", f"{HERE}/rollback", {"version": 1}, key="back")
    assert (asked.status_code, asked.json["version"], asked.json["stale"]) == (202, 3, False)
    assert alice("POST", f"{HERE}/rollback", {"version": 1}, key="back").json == asked.json
    bob("PATCH", f"{HERE}/versions/3", {"lock_version": 1, "body": "Other"})
    path = f"/approvals/{asked.json['id']}"
    assert bob("GET", path).json["stale"] is True
    assert bob("POST", f"{path}/approve").json["code"] == "stale"
    assert alice("POST", f"{path}/withdraw").json["state"] == "withdrawn"


def test_a_protected_label_is_202_for_an_editor(alice, bob, published):
    alice("POST", "/labels", {"name": "production", "protected": True})
    asked = bob("PUT", f"{HERE}/labels/production", {"version": 1})
    assert (asked.status_code, asked.json["label"]) == (202, "production")
    assert bob("DELETE", f"{HERE}/labels/production").json["code"] == "points_nowhere"
    alice("POST", f"/approvals/{asked.json['id']}/approve")
    assert bob("GET", f"{HERE}/versions/production").json["number"] == 1
    off = bob("DELETE", f"{HERE}/labels/production")
    assert (off.status_code, off.json["takes_off"], off.json["version"]) == (202, True, 1)
    assert alice("POST", f"/approvals/{off.json['id']}/approve").json["state"] == "approved"
    assert bob("GET", f"{HERE}/versions/production").status_code == 404


def test_the_last_move_of_a_label_is_undone_once(api, alice, bob, published):
    alice("POST", "/labels", {"name": "staging"})
    bob("POST", f"{HERE}/versions/2/publish")
    bob("PUT", f"{HERE}/labels/staging", {"version": 1})
    bob("PUT", f"{HERE}/labels/staging", {"version": 2, "message": "Newer"})
    last, first = bob("GET", f"{HERE}/labels/staging/moves").json["data"]
    assert (last["old"], last["new"], last["message"], last["by"]) == (1, 2, "Newer", "Bob")
    assert (first["old"], first["new"]) == (None, 1)
    assert bob("POST", f"{HERE}/labels/staging/undo", {"move": first["id"]}).json["code"] == "overtaken"
    assert api("vera")("POST", f"{HERE}/labels/staging/undo", {"move": last["id"]}).status_code == 403
    undone = bob("POST", f"{HERE}/labels/staging/undo", {"move": last["id"]}, key="k")
    assert undone.json["version"] == 1
    assert bob("POST", f"{HERE}/labels/staging/undo", {"move": last["id"]}, key="k").json == undone.json
    label = next(one for one in alice("GET", "/labels").json["data"] if one["name"] == "staging")
    alice("PATCH", f"/labels/{label['id']}", {"protected": True})
    move = bob("GET", f"{HERE}/labels/staging/moves").json["data"][0]["id"]
    asked = bob("POST", f"{HERE}/labels/staging/undo", {"move": move})
    assert (asked.status_code, asked.json["version"]) == (202, 2)


def test_a_preview_link_is_made_listed_and_taken_back(app, api, bob, published):
    made = bob("POST", f"{HERE}/versions/2/preview-links", {"lifetime": "1h"}, key="k")
    assert made.status_code == 201
    page = made.json["url"].partition("/preview/")[2]
    assert "kindly" in app.test_client().get(f"/preview/{page}").get_data(as_text=True)
    assert bob("POST", f"{HERE}/versions/2/preview-links", {"lifetime": "1h"}, key="k").json == {
        **made.json,
        "url": None,
    }
    assert bob("GET", f"{HERE}/preview-links").json["data"] == [{**made.json, "url": None}]
    assert api("vera")("GET", f"{HERE}/preview-links").status_code == 403
    bob("POST", "/prompt-templates", {"name": "Other"})
    assert bob("DELETE", f"/prompt-templates/other/preview-links/{made.json['id']}").status_code == 404
    assert bob("DELETE", f"{HERE}/preview-links/{made.json['id']}").status_code == 204
    assert app.test_client().get(f"/preview/{page}").status_code == 404


def test_publishing_twice_with_one_key_publishes_once(bob, published):
    first = bob("POST", f"{HERE}/versions/2/publish", {"message": "x"}, key="k")
    again = bob("POST", f"{HERE}/versions/2/publish", {"message": "x"}, key="k")
    assert first.json == again.json
    assert again.headers["Idempotent-Replayed"] == "true"
