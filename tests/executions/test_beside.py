"""Prompt templates run from the shell and from programs beside the app, with the demo provider and a real worker."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from worker_process import WorkerProcess, eventually

from aiapp.errors import InvalidInput, NotFound
from aiapp.executions import actions
from aiapp.executions.models import QueuePause
from aiapp.extensions import db
from aiapp.processes.cli import main
from aiapp.prompt_templates import actions as prompt_templates
from aiapp.prompt_templates import library

BODY = "Greet {{name}} in one sentence."


@pytest.fixture
def environ(settings) -> dict[str, str]:
    given = {"AIAPP_HOME": str(settings.home), "DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}
    return {**given, "AIAPP_LOG_LEVEL": "", "AIAPP_MAX_RETRIES": "0"}


@pytest.fixture
def greeting(engine, team) -> None:
    """A published prompt template, and two credentials of the demo provider, the first of which is refused."""
    for name, model in (("good", "demo-instant"), ("bad", "demo-bad-key")):
        engine.credential(name, provider="demo", api_key="", base_url="", preferred_model=model)
    bob = team.access("bob")
    template = prompt_templates.create(bob, {"name": "Greeting", "body": BODY})
    prompt_templates.publish(bob, library.version(bob, template, 1), "First")
    db.session.remove()


@pytest.fixture
def run(environ, greeting) -> Callable[..., Result]:
    """`aiapp run greeting --workspace acme …`; the result has exit_code, stdout and stderr."""
    words = ("run", "greeting", "--workspace", "acme")
    return lambda *more: CliRunner().invoke(main, (*words, *more), env=environ)


@pytest.fixture
def worker(settings, tmp_path: Path, greeting) -> Iterator[WorkerProcess]:
    started = WorkerProcess(settings, tmp_path / "worker.log", AIAPP_MAX_RETRIES="0")
    yield started
    started.close()


def process(environ: dict[str, str], *words: str, **more) -> subprocess.Popen:
    command = [sys.executable, "-m", "aiapp.processes.cli", "run", "greeting", "--workspace", "acme", *words]
    return subprocess.Popen(command, env={**os.environ, **environ}, text=True, **more)


def test_without_waiting_the_id_is_printed_and_the_owner_has_asked_unless_another_member_is_named(run, engine):
    asked = engine.row(run("--var", "name=Ada").stdout.strip())
    assert (asked.status, asked.source, asked.body) == ("pending", "cli", "Greet Ada in one sentence.")
    by_vera = engine.row(run("--var", "name=Ada", "--user", "vera@example.com", "--credential", "good").stdout.strip())
    assert by_vera.user_id != asked.user_id
    assert by_vera.requested_credential_id is not None


def test_values_come_from_a_file_and_from_files_of_their_own(run, engine, tmp_path):
    (tmp_path / "context.json").write_text('{"name": "from the file"}')
    (tmp_path / "name.txt").write_text("Ada\nLovelace")
    context, own = f"--context={tmp_path / 'context.json'}", f"--var=name=@{tmp_path / 'name.txt'}"
    bodies = [
        engine.row(run(*words).stdout.strip()).context for words in ((context,), (context, own), ("--var=name=@@a",))
    ]
    assert bodies == [{"name": "from the file"}, {"name": "Ada\nLovelace"}, {"name": "@a"}]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "This variable needs a value"),
        (("--var", "name"), "NAME=VALUE"),
        (("--var", "name=@nowhere.txt"), "cannot be read"),
        (("--var", "name=x", "--credential", "none"), "there is no credential none"),
        (("--var", "name=x", "--priority", "soon"), "soon"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(run, words, said):
    result = run(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_who_may_not_or_is_nobody_is_told_so(run):
    stranger = run("--var", "name=x", "--user", "charlie@example.com")
    assert (stranger.exit_code, stranger.stderr) == (
        1,
        "aiapp: charlie@example.com is not a member of the workspace acme\n",
    )


@pytest.mark.processes
@pytest.mark.timeout(180)
def test_an_answer_is_waited_for_by_programs_and_by_the_command_which_prints_it(run, worker, environ):
    called = actions.run_and_wait("acme", "greeting", {"name": "Ada"}, timeout=60, user="vera@example.com")
    assert (called.status, called.source) == ("completed", "python")
    (offered,) = actions.available_providers("acme")
    assert (offered.kind, offered.label) == ("demo", "Demo")
    assert (offered.credentials, offered.models) == (("good", "bad"), ("demo-instant", "demo-bad-key"))
    db.session.remove()

    done = run("--var", "name=Ada", "--wait", "--timeout", "60", "--credential", "good")
    assert (
        done.exit_code,
        done.stderr.replace("aiapp: No worker is running: start one with `aiapp worker`.\n", ""),
    ) == (
        0,
        "",
    )
    assert done.stdout == called.output + "\n"
    as_json = json.loads(run("--var", "name=Ada", "--wait", "--json").stdout)
    assert (as_json["status"], as_json["output"] + "\n", as_json["source"]) == ("completed", done.stdout, "cli")
    failed = run("--var", "name=Ada", "--wait", "--credential", "bad")
    assert (failed.exit_code, failed.stdout) == (1, "")
    assert "is failed: Incorrect API key" in failed.stderr

    ours, theirs = pty.openpty()
    waiting = process(
        environ,
        "--var",
        "name=Ada",
        "--wait",
        "--model",
        "demo-slow",
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    seen = _read(ours, until="You asked")
    assert seen.endswith("You asked"), "it is shown while it is written"
    waiting.send_signal(signal.SIGINT)
    _, said = waiting.communicate(timeout=60)
    assert waiting.returncode == 130
    assert "goes on without you" in said


@pytest.mark.processes
@pytest.mark.timeout(60)
def test_who_waits_in_vain_is_told_that_no_worker_runs(environ, greeting):
    waiting = process(
        environ, "--var", "name=Ada", "--wait", "--timeout", "0.2", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    output, said = waiting.communicate(timeout=50)
    assert (waiting.returncode, output) == (124, "")
    assert said.count("No worker is running") == 2
    assert "has not ended after 0.2 seconds and goes on" in said


def test_a_program_that_waits_in_vain_keeps_the_execution_and_mistakes_are_said_at_once(greeting):
    with pytest.raises(actions.NotFinishedError, match="and goes on") as late:
        actions.run_and_wait("acme", "greeting", {"name": "Ada"}, timeout=0.1)
    assert "No worker is running" in str(late.value)
    assert (late.value.execution.status, late.value.execution.source) == ("pending", "python")
    db.session.add(QueuePause(what="default", by="root@example.com"))
    db.session.commit()
    with pytest.raises(actions.NotFinishedError, match="is paused by root@example"):
        actions.run_and_wait("acme", "greeting", {"name": "Ada"}, timeout=0.1)
    with pytest.raises(InvalidInput):
        actions.run("acme", "greeting")
    with pytest.raises(NotFound):
        actions.run("acme", "farewell")
    with pytest.raises(NotFound):
        actions.available_providers("nowhere")


def test_without_a_credential_no_provider_is_available(stage, team):
    assert actions.available_providers("acme") == []


def _read(terminal: int, until: str) -> str:
    """What a terminal shows, up to some words."""
    seen = ""

    def more() -> bool:
        nonlocal seen
        while until not in seen and select.select([terminal], [], [], 0.1)[0]:
            seen += os.read(terminal, 1024).decode()
        return until in seen

    eventually(more)
    return seen[: seen.find(until) + len(until)]
