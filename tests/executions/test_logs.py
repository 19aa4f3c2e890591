"""What the log says of an execution: a line for every step, with ids and figures, and never a text."""

from __future__ import annotations

import io
import json
import sys

import pytest
from scripted_provider import refuses, says

from aiapp.executions import actions
from aiapp.executions.models import Execution
from aiapp.extensions import db
from aiapp.observability import logs


@pytest.fixture
def lines(monkeypatch):
    """Everything that is logged from now on, as it was written."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    logs.configure("info")
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    monkeypatch.undo()
    logs.configure("warning")


def test_every_step_of_an_execution_is_a_line_with_ids_and_figures_and_no_text(engine, provider, sign_in, lines):
    first = engine.credential("first", provider="openai", preferred_model="gpt-4o-mini")
    second = engine.credential("second", provider="openai", preferred_model="gpt-4o-mini")
    provider.on("first", refuses(401, "your key of the very secret kind"))
    provider.on("second", says("A secret answer.", usage=(1000, 100)))
    page = sign_in("bob").submit("/w/acme/executions", {"template": "A secret prompt for {{who}}", "var-who": "nobody"})
    execution_id = page.headers["Location"].rpartition("/")[2]
    row = engine.run(execution_id)
    assert row.status == "completed"
    told = [line for line in lines() if line["event"].startswith("execution.")]
    assert [line["event"] for line in told] == [
        "execution.submitted",
        "execution.started",
        "execution.attempt",
        "execution.attempt",
        "execution.completed",
    ]
    submitted, started, failed, answered, completed = told
    assert submitted["request_id"] == page.headers["X-Request-ID"]
    assert (submitted["source"], submitted["priority"], submitted["user_id"]) == ("page", "default", row.user_id)
    for line in told:
        assert (line["execution_id"], line["workspace_id"], line["prompt_template_id"]) == (
            row.id,
            row.workspace_id,
            None,
        )
    assert started["targets"] == 2
    assert (failed["number"], failed["credential_id"], failed["error_class"], failed["http_status"]) == (
        1,
        first,
        "auth",
        401,
    )
    assert (answered["number"], answered["credential_id"], answered["error_class"]) == (2, second, None)
    assert (answered["input_tokens"], answered["output_tokens"], answered["first_ms"] <= answered["ms"]) == (
        1000,
        100,
        True,
    )
    assert (completed["credential_id"], completed["cost"], completed["ms"] >= 0) == (second, str(row.cost), True)
    assert "secret" not in json.dumps(told)


def test_a_cancelled_and_a_failed_execution_say_so(engine, team, lines):
    cancelled, failed = engine.submit(), engine.submit()
    for _ in range(3):
        actions.cancel(team.access("bob"), db.session.get(Execution, cancelled))
    engine.run(failed)
    ended = [line for line in lines() if line["event"] in ("execution.cancelled", "execution.failed")]
    ends = {line["event"]: line for line in ended}
    assert ends["execution.cancelled"]["execution_id"] == cancelled
    assert len(ended) == 2
    assert (ends["execution.failed"]["execution_id"], ends["execution.failed"]["error_class"]) == (
        failed,
        "no_credential",
    )
