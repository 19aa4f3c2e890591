"""Prompt templates as files by the API: out, and in again."""

from __future__ import annotations

import base64
import json

import pytest

from aiapp.prompt_files import archives

REPLY = {"name": "reply.md", "content": "---\nname: Reply\ntags: [mail]\n---\nAnswer {{question}}\n"}
LANGFUSE = {
    "name": "langfuse.json",
    "content": json.dumps({"name": "Triage", "version": 1, "labels": ["production"], "prompt": "Sort {{ticket}}"}),
}
PROMPTFOO = {
    "name": "promptfooconfig.yaml",
    "content": "prompts: ['Sum up {{text}}']\nproviders: [openai:gpt-4o-mini]\n",
}


@pytest.fixture
def bob(api):
    return api("bob", "write")


def test_a_plan_changes_nothing_and_the_import_does_what_it_said(bob):
    body = {"files": [REPLY, LANGFUSE, PROMPTFOO], "message": "From files"}
    planned = bob("POST", "/prompt-templates/import", {**body, "plan_only": True})
    assert (planned.status_code, planned.json["done"]) == (200, False)
    assert [(one["file"], one["action"]) for one in planned.json["steps"]] == [
        ("reply.md", "create"),
        ("langfuse.json", "create"),
        ("promptfooconfig.yaml", "create"),
    ]
    assert bob("GET", "/prompt-templates").json["data"] == []
    done = bob("POST", "/prompt-templates/import", body, key="k")
    assert (done.status_code, done.json["done"]) == (201, True)
    assert bob("POST", "/prompt-templates/import", body, key="k").headers["Idempotent-Replayed"] == "true"
    assert len(bob("GET", "/prompt-templates").json["data"]) == 3
    again = bob("POST", "/prompt-templates/import", body)
    assert (again.status_code, {one["action"] for one in again.json["steps"]}) == (200, {"unchanged"})


def test_what_is_exported_is_imported_unchanged_as_it_is_and_as_a_zip_file(api, bob):
    bob("POST", "/prompt-templates/import", {"files": [REPLY], "publish": True})
    out = api("vera", "read")("POST", "/prompt-templates/export", {"slugs": ["reply"]})
    assert [one["name"] for one in out.json["files"]] == ["reply.md"]
    assert bob("POST", "/prompt-templates/export").json == out.json
    packed = base64.b64encode(archives.pack((one["name"], one["content"]) for one in out.json["files"])).decode()
    zipped = {"name": "all.zip", "content": packed, "encoding": "base64"}
    for files in (out.json["files"], [zipped]):
        steps = bob("POST", "/prompt-templates/import", {"files": files}).json["steps"]
        assert [(one["slug"], one["action"]) for one in steps] == [("reply", "unchanged")]
    assert bob("POST", "/prompt-templates/export", {"slugs": ["nobodys"]}).status_code == 404


def test_all_of_it_is_imported_or_nothing(bob):
    broken = {"name": "broken.md", "content": "---\nname: [\n---\n"}
    refused = bob("POST", "/prompt-templates/import", {"files": [REPLY, broken]})
    assert (refused.status_code, [one["field"] for one in refused.json["errors"]]) == (422, ["broken.md"])
    garbled = bob("POST", "/prompt-templates/import", {"files": [{**REPLY, "encoding": "base64"}]})
    assert (garbled.status_code, garbled.json["errors"][0]["field"]) == (422, "files.0.content")
    assert bob("GET", "/prompt-templates").json["data"] == []


def test_publishing_by_import_needs_the_approval_that_publishing_needs(api, bob):
    api("alice")("PUT", "/publishing-rule", {"approval": "admin"})
    refused = bob("POST", "/prompt-templates/import", {"files": [REPLY], "publish": True})
    assert (refused.status_code, refused.json["code"]) == (409, "approval_needed")
