"""The real worker process: killed in mid-call, stopped politely, and fed with what providers really answered."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from documented_answers import ANSWERS, REFUSALS
from scripted_provider import Reply, Script, says
from worker_process import WorkerProcess, eventually

from aiapp.executions.sweeper import sweep

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

FOLDER = Path(os.environ.get("AIAPP_RECORDINGS") or Path(__file__).parents[2] / "../shared/recordings").resolve()
OURS = {"openai", "anthropic", "groq", "openrouter", "xai", "mistral", "deepseek", "ollama"}
APIS = {"openai_chat", "anthropic", "ollama"}


@pytest.fixture
def settings(settings):
    return replace(settings, lease_seconds=3.0)


@pytest.fixture
def start_worker(settings, tmp_path: Path) -> Iterator[Callable[..., WorkerProcess]]:
    started: list[WorkerProcess] = []

    def start(**environ: str) -> WorkerProcess:
        started.append(WorkerProcess(settings, tmp_path / "worker.log", **environ))
        return started[-1]

    yield start
    for worker in started:
        worker.close()


def ends(engine, execution_id: str) -> bool:
    """Sweep as the scheduler does until the execution has ended."""
    return eventually(lambda: [sweep(), engine.row(execution_id).finished][1])


def test_a_worker_that_is_killed_in_mid_call_loses_nothing(engine, provider, start_worker):
    engine.credential("first")
    provider.on("first", says(before=provider.hang), says("The second worker's answer."))
    worker = start_worker()
    execution_id = engine.submit()
    assert provider.arrived.wait(60), worker.output()
    worker.kill()
    assert engine.row(execution_id).status == "processing"
    start_worker()
    assert ends(engine, execution_id), worker.output()
    row = engine.row(execution_id)
    assert (row.status, row.output) == ("completed", "The second worker's answer.")
    assert [(one.status, one.error_class) for one in row.attempts] == [("failed", "worker_lost"), ("completed", None)]
    assert len(provider.calls) == 2


def test_a_worker_that_is_stopped_finishes_or_hands_back_and_exits_well(engine, provider, start_worker):
    engine.credential("first")
    provider.on("first", says(before=provider.hang), says("After the restart."))
    worker = start_worker(AIAPP_SHUTDOWN_SECONDS="0.5")
    execution_id = engine.submit()
    assert provider.arrived.wait(60), worker.output()
    assert worker.terminate() == 0, worker.output()
    row = engine.row(execution_id)
    assert (row.status, row.round, row.lease_owner) == ("pending", 0, None), worker.output()
    assert row.attempts[0].error_message == "Handed back at shutdown."
    start_worker()
    assert ends(engine, execution_id), worker.output()
    assert engine.row(execution_id).output == "After the restart."


def recorded(*kinds: str) -> list[dict[str, Any]]:
    """The recordings of the providers that this version has, where there are any."""
    if not FOLDER.is_dir():
        return []
    found = (json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json")))
    return [one for one in found if one["provider"] in OURS and one["api"] in APIS and one["expect"]["kind"] in kinds]


def replayed(recording: dict[str, Any]) -> Script:
    response = recording["response"]
    body = response["body"]
    data = body["text"].encode() if "text" in body else base64.b64decode(body["base64"])
    # in pieces, as a network would cut it: in the middle of lines and characters
    pieces = [data[start : start + 700] for start in range(0, len(data), 700)] or [b""]
    skipped = {"content-length", "transfer-encoding", "content-encoding", "connection"}
    headers = {name: value for name, value in response["headers"] if name.lower() not in skipped}
    return lambda call: Reply(response["status"], headers, pieces)


def credential_for(engine, recording: dict[str, Any], **more: Any) -> str:
    """A credential of the recording's provider whose server answers with the recording."""
    kind, api = recording["provider"], recording["api"]
    if kind == "ollama" and api == "openai_chat":
        kind = "openai_compatible"  # Ollama's other side
    origin = f"http://{engine.provider.origin}/{recording['id']}"
    engine.provider.on(recording["id"], replayed(recording))
    return engine.credential(
        recording["id"],
        provider=kind,
        base_url=f"{origin}/v1" if api == "openai_chat" else origin,
        preferred_model=recording["model"] or "documented",
        **more,
    )


def normalised(recording: dict[str, Any]) -> tuple[int | None, ...]:
    """Input, output, cached, cache_write, reasoning as CONTRACT counts them, from what the provider reports."""
    reported = recording["expect"]["usage"]
    read, written = reported["input"], reported["output"]
    if recording["api"] == "anthropic":
        read += (reported["cached"] or 0) + (reported["cache_write"] or 0)
    if reported["total"] is not None and reported["total"] > read + written:
        written = reported["total"] - read  # xAI leaves reasoning out of the completion's tokens
    return read, written, reported["cached"], reported["cache_write"], reported["reasoning"]


def seen(row: Any) -> dict[str, Any]:
    return {
        "status": row.status,
        "text": row.output,
        "finish": row.finish,
        "usage": (
            row.input_tokens,
            row.output_tokens,
            row.cached_tokens,
            row.cache_write_tokens,
            row.reasoning_tokens,
        ),
        "tool_calls": len(row.tool_calls),
        "attempts": [one.status for one in row.attempts],
    }


def wanted(recording: dict[str, Any]) -> dict[str, Any]:
    expect = recording["expect"]
    return {
        "status": "completed",
        "text": expect["text"],
        "finish": expect["finish"],
        "usage": normalised(recording),
        "tool_calls": expect["tool_calls"],
        "attempts": ["completed"],
    }


@pytest.mark.parametrize("source", ["documented", "recorded"])
def test_real_answers_come_through_the_real_worker_as_the_provider_gave_them(engine, start_worker, source):
    answers = ANSWERS if source == "documented" else recorded("ok")
    if not answers:
        pytest.skip(f"no recordings at {FOLDER}; AIAPP_RECORDINGS names another place")
    pinned = {one["id"]: credential_for(engine, one) for one in answers}
    ids = {
        one["id"]: engine.submit(f"Answer with {one['id']}.", credential_id=pinned[one["id"]], stream=one["stream"])
        for one in answers
    }
    worker = start_worker()
    assert all(ends(engine, execution_id) for execution_id in ids.values()), worker.output()
    assert {name: seen(engine.row(execution_id)) for name, execution_id in ids.items()} == {
        one["id"]: wanted(one) for one in answers
    }
    asked = {call.path.split("/")[1]: call for call in engine.provider.calls}
    assert {name for name, call in asked.items() if call.body.get("stream")} == {
        one["id"] for one in answers if one["stream"]
    }
    assert all(call.prompt == f"Answer with {name}." for name, call in asked.items())


@pytest.mark.parametrize("source", ["documented", "recorded"])
def test_a_real_refusal_of_the_first_credential_falls_back_to_the_second(engine, start_worker, source):
    refusals = REFUSALS if source == "documented" else recorded("error")
    refusals = [one for one in refusals if one["response"]["status"] in (401, 429)]
    if not refusals:
        pytest.skip(f"no recordings at {FOLDER}; AIAPP_RECORDINGS names another place")
    worker = start_worker()
    for refusal in refusals:
        credential_for(engine, refusal, is_default=True)
        if refusal is refusals[0]:
            engine.credential("second")
            engine.provider.on("second", says("From the second."))
        execution_id = engine.submit()
        assert ends(engine, execution_id), worker.output()
        row = engine.row(execution_id)
        assert (row.status, row.output, row.credential_name) == ("completed", "From the second.", "second")
        first = row.attempts[0]
        assert (first.credential_name, first.error_class) == (refusal["id"], refusal["expect"]["error_class"])
        assert first.http_status == refusal["response"]["status"]
        assert first.next_reason.endswith("the next credential is tried.")
        assert refusal["id"] not in first.error_message
