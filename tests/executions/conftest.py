"""What the tests of the engine share: providers on the loopback, credentials for them, and a worker without a process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from batch_desk import Desk, answering
from flask import Flask
from scripted_provider import ScriptedProvider, scripted

from aiapp import config
from aiapp.credentials import actions as credentials
from aiapp.executions import actions, jobs
from aiapp.executions.models import Attempt, Execution
from aiapp.executions.running import leases, states
from aiapp.executions.streaming import publishing, stream
from aiapp.executions.submission import Submission
from aiapp.extensions import db
from aiapp.gateway.complete import transport


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    with scripted() as running:
        yield running


@pytest.fixture
def settings(settings: config.Settings, provider: ScriptedProvider) -> config.Settings:
    """The scripted provider may be reached, and retries follow at once."""
    return replace(
        settings,
        outbound_allow=frozenset({provider.origin}),
        retry_base_seconds=0.0,
        idle_timeout=10.0,
        lease_seconds=30.0,
    )


@pytest.fixture
def stage(app: Flask, team: Any) -> Iterator[Flask]:
    """The app with its context pushed, for tests that call actions."""
    with app.app_context():
        yield app
        leases.shutdown.clear()
        stream.closing.clear()
        publishing.flush(5)
        transport().close()


class Engine:
    """Verbs of the tests: make credentials, submit, and do a worker's work in this process."""

    def __init__(self, app: Flask, team: Any, provider: ScriptedProvider) -> None:
        self.app, self.team, self.provider = app, team, provider

    def credential(self, key: str, *, by: str = "alice", **more: Any) -> str:
        """Add a credential for the scripted provider, last in the order; returns its id."""
        given = {
            "provider": "openai_compatible",
            "name": key,
            "api_key": key,
            "base_url": self.provider.url,
            "preferred_model": "small",
        }
        created = credentials.create(self.team.access(by), {**given, **more}).id
        db.session.remove()
        return created

    def submit(self, template: str = "What is up?", *, by: str = "bob", **more: Any) -> str:
        """Submit a text; returns the execution's id. The session is left, as a request would leave it."""
        more = more if "prompt_template" in more else {"template": template, **more}
        execution = actions.submit(self.team.access(by), Submission(**more))
        db.session.remove()
        return execution.id

    def run(self, execution_id: str) -> Execution:
        """Do what a worker does with one delivery; the test's own session lets go before (it may hold SQLite's only writer)."""
        db.session.remove()
        jobs.run(execution_id)
        return self.row(execution_id)

    def finish(self, execution_id: str, rounds: int = 20) -> Execution:
        """Deliver until the execution has ended."""
        for _ in range(rounds):
            row = self.run(execution_id)
            if row.finished:
                return row
        raise AssertionError(f"still {row.status} after {rounds} deliveries")

    def row(self, execution_id: str) -> Execution:
        """The execution as it is now, detached, with its attempts."""
        db.session.remove()
        row = db.session.scalars(
            sa.select(Execution)
            .where(Execution.id == execution_id)
            .options(sa.orm.selectinload(Execution.attempts), sa.orm.selectinload(Execution.prompt_version))
        ).one()
        db.session.remove()
        return row

    def attempts(self, execution_id: str) -> list[Attempt]:
        return self.row(execution_id).attempts

    def change(self, execution_id: str, **values: Any) -> None:
        """Write to the row behind the engine's back."""
        db.session.remove()
        with states.transaction():
            db.session.execute(sa.update(Execution).where(Execution.id == execution_id).values(**values))


@pytest.fixture
def engine(stage: Flask, team: Any, provider: ScriptedProvider) -> Engine:
    return Engine(stage, team, provider)


@pytest.fixture
def in_thread(stage: Flask) -> Iterator[Callable[..., Any]]:
    """`in_thread(function, …)` runs it in a thread with an app context of its own; the test waits for all of them."""
    import threading

    threads: list[threading.Thread] = []

    def start(function: Callable[..., Any], *arguments: Any) -> threading.Thread:
        def work() -> None:
            with stage.app_context():
                function(*arguments)

        thread = threading.Thread(target=work)
        threads.append(thread)
        thread.start()
        return thread

    yield start
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture
def desk(engine: Engine, provider: ScriptedProvider) -> Desk:
    provider.on("first", answering)
    return Desk(engine)
