"""The main job by the API alone: credential, prompt template, publish, run, wait, judge, repeat, compare, look back."""

from __future__ import annotations


def test_from_a_credential_to_an_audited_answer(api, work):
    alice, bob = api("alice"), api("bob", "write")

    bad = {"provider": "demo", "name": "First", "preferred_model": "demo-bad-key", "is_default": True}
    good = {"provider": "demo", "name": "Second", "preferred_model": "demo-instant"}
    for body in (bad, good):
        assert alice("POST", "/credentials", body, key=body["name"]).status_code == 201
    second = alice("GET", "/credentials").json["data"][1]
    assert alice("POST", f"/credentials/{second['id']}/test").json["ok"] is True

    body = {"name": "Support reply", "tags": ["mail"], "system": "Be kind.", "body": "Answer {{question}}"}
    assert bob("POST", "/prompt-templates", body, key="template").json["version"]["status"] == "draft"
    versions = "/prompt-templates/support-reply/versions"
    assert bob("POST", "/prompt-templates/support-reply/executions").status_code == 404  # nothing is published yet
    assert bob("POST", f"{versions}/1/preview").json["status"] == "preview"
    assert bob("POST", f"{versions}/1/publish", {"message": "First"}).json["status"] == "published"
    rendered = bob("POST", "/prompt-templates/support-reply/render", {"context": {}}).json
    assert rendered["missing"] == ["question"]

    vera = api("vera", "run")
    run = {"context": {"question": "Where is my parcel?"}}
    first = vera("POST", "/prompt-templates/support-reply/executions", run, key="run")
    assert first.status_code == 202
    execution_id = first.json["id"]
    work(execution_id)
    one = vera("GET", f"/executions/{execution_id}", query_string={"wait": 5}).json
    assert (one["status"], one["credential_id"]) == ("completed", second["id"])
    assert [(attempt["credential"], attempt["status"]) for attempt in one["attempts"]] == [
        ("First", "failed"),
        ("Second", "completed"),
    ]
    assert one["attempts"][0]["error_class"] == "auth"
    assert all(attempt["reason"] for attempt in one["attempts"])
    assert one["output"]

    assert vera("PUT", f"/executions/{execution_id}/feedback", {"rating": "up", "comment": "Kind"}).status_code == 200
    assert [row["id"] for row in vera("GET", "/executions", query_string={"feedback": "up"}).json["data"]] == [
        execution_id
    ]

    again = vera("POST", f"/executions/{execution_id}/rerun", key="again").json
    changed = bob("POST", f"/executions/{execution_id}/regenerate", {"context": {"question": "And my refund?"}}).json
    assert again["parent_id"] == changed["parent_id"] == execution_id
    for repeated in (again["id"], changed["id"]):
        work(repeated)
        assert bob("GET", f"/executions/{repeated}").json["status"] == "completed"
    assert changed["prompt"]["body"] == "Answer And my refund?"

    assert bob("POST", versions, {"system": "Be brief."}).json["number"] == 2
    diff = bob("GET", "/prompt-templates/support-reply/diff", query_string={"from": 1, "to": 2}).json
    changed_parts = [part["field"] for part in diff["parts"] if any(line["op"] != "equal" for line in part["lines"])]
    assert changed_parts == ["system"]

    actions = [event["action"] for event in alice("GET", "/audit").json["data"]]
    for action in ("credential.create", "prompt_template.create", "prompt_template.publish", "prompt_template.draft"):
        assert action in actions
