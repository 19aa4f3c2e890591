"""The API while Redis is away: what is stored is accepted, and nothing else is needed for that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aiapp.executions.streaming import publishing


@pytest.fixture
def settings(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(publishing, "PATIENCE_SECONDS", 0.0)
    yield replace(settings, redis_url=f"unix://{tmp_path}/gone.sock")
    assert publishing.flush(10)


def test_an_execution_is_stored_and_accepted(api):
    bob = api("bob")
    answer = bob("POST", "/executions", {"template": "Hi"}, key="k")
    assert (answer.status_code, answer.json["status"]) == (202, "pending")
    assert bob("POST", "/llm_jobs", {"template": "Hi"}).status_code == 202
    assert bob("GET", f"/executions/{answer.json['id']}").status_code == 200
    assert bob("POST", f"/executions/{answer.json['id']}/cancel").json["status"] == "cancelled"


def test_what_is_stored_can_be_read_and_changed(api, rows):
    bob = api("bob")
    for path in ("/me", "/executions", "/prompt-templates", "/credentials"):
        assert bob("GET", path).status_code == 200
    assert bob("POST", "/prompt-templates", {"name": "x"}).status_code == 201


def test_tests_of_credentials_are_remembered_and_accepted(api, rows):
    answer = api("alice")("POST", "/credentials/test")
    assert answer.status_code == 202
    assert answer.json["queued"] > 0


def test_the_end_of_an_execution_is_told_from_its_row(api):
    bob = api("bob")
    execution_id = bob("POST", "/executions", {"template": "Hi"}).json["id"]
    bob("POST", f"/executions/{execution_id}/cancel")
    text = bob("GET", f"/executions/{execution_id}/events").get_data(as_text=True)
    assert "event: done" in text
    assert '"status": "cancelled"' in text
