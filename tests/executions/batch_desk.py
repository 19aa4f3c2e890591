"""What the tests of batches share: somebody who runs them, and workers without a process."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from scripted_provider import Call, Reply, refuses, says

from aiapp.batches import counting, drafts, jobs, tables
from aiapp.batches.models import Batch
from aiapp.batches.wishes import Wish
from aiapp.executions import jobs as executing
from aiapp.executions.models import Execution
from aiapp.extensions import db
from aiapp.prompt_templates import actions as prompt_templates
from aiapp.prompt_templates import library

MESSAGES = [f"message {number}" for number in range(1, 13)]


def answering(call: Call) -> Reply:
    """Refuse what is broken, else answer; `not json` is no answer in that format."""
    if "broken" in call.prompt:
        return refuses(400, "I cannot read this.")(call)
    return says("no value" if "not json" in call.prompt else json.dumps({"of": call.prompt}))(call)


class Desk:
    """bob runs batches of one prompt template; `work` does what workers do."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.team = engine.team
        engine.credential("first")
        bob = self.team.access("bob")
        given = {"name": "Triage", "body": "Sort: {{message}} ({{tone}})", "output_format": "json"}
        given["variables"] = [
            {"name": "message", "type": "text", "required": True},
            {"name": "tone", "type": "choice", "choices": ["calm", "angry"], "required": False, "default": "calm"},
        ]
        self.template = prompt_templates.create(bob, given)
        self.publish(1)

    def publish(self, number: int) -> None:
        bob = self.team.access("bob")
        prompt_templates.publish(bob, library.version(bob, self.template, number), "")
        db.session.remove()

    def start(self, messages: list[str] = MESSAGES, **wish: Any) -> Batch:
        wish = {"prompt_template": "triage", "at_once": 4, "max_tokens": 100, **wish}
        table = tables.from_rows([{"Message": message, "note": f"={message}"} for message in messages])
        batch = drafts.create(self.team.access("bob"), table, Wish(**wish), start=True)
        db.session.remove()
        return batch

    def work(self, batch: Batch, rounds: int = 100) -> None:
        """Feed and answer until nothing is left to do."""
        for _ in range(rounds):
            jobs.feed(batch.id)
            waiting = self.waiting()
            if not waiting:
                return
            for execution_id in waiting:
                executing.run(execution_id)
        raise AssertionError("it does not end")

    def waiting(self) -> list[str]:
        found = list(db.session.scalars(sa.select(Execution.id).where(Execution.status == "pending")))
        db.session.remove()
        return found

    def counts(self, batch: Batch) -> counting.Counts:
        found = counting.of([batch.id])[batch.id]
        db.session.remove()
        return found

    def outcome(self, batch: Batch) -> str:
        found = counting.outcome(db.session.get_one(Batch, batch.id), counting.of([batch.id])[batch.id])
        db.session.remove()
        return found

    def act(self, verb: Callable[..., Batch], batch: Batch, *more: Any, by: str = "bob") -> Batch:
        access = self.team.access(by)
        made = verb(access, access.get(Batch, batch.id), *more)
        db.session.remove()
        return made
