"""A batch whose worker is killed: every row has exactly one result. The suite runs it with 200 rows; by hand with more:

AIAPP_BATCH_ROWS=2000 pytest tests/executions/test_batch_worker.py -s
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from scripted_provider import Call, Reply, refuses, says
from worker_process import WorkerProcess, eventually

from aiapp.batches import actions, counting, drafts, sweeper, tables
from aiapp.batches.models import Batch, BatchRow
from aiapp.batches.wishes import Wish
from aiapp.executions.models import Attempt, Execution
from aiapp.executions.sweeper import sweep
from aiapp.extensions import db
from aiapp.prompt_templates import actions as prompt_templates
from aiapp.prompt_templates import library

pytestmark = [pytest.mark.processes, pytest.mark.long, pytest.mark.timeout(1200)]

ROWS = int(os.environ.get("AIAPP_BATCH_ROWS", "200"))
SECONDS = 60 + ROWS / 4


@pytest.fixture
def settings(settings: Any) -> Any:
    return replace(settings, lease_seconds=2.0)


@pytest.fixture
def start_worker(settings: Any, tmp_path: Path) -> Iterator[Callable[[], WorkerProcess]]:
    started: list[WorkerProcess] = []

    def start() -> WorkerProcess:
        started.append(WorkerProcess(settings, tmp_path / "worker.log"))
        return started[-1]

    yield start
    for worker in started:
        worker.close()


def test_a_batch_that_is_paused_killed_resumed_and_retried_has_one_result_for_each_row(engine, provider, start_worker):
    """Every 20th row fails at first, and is tried again once the rest is done."""
    mended: list[bool] = []

    def script(call: Call) -> Reply:
        time.sleep(0.02)  # so that calls are under way when the worker is killed
        return refuses(400)(call) if "fails" in call.prompt and not mended else says(call.prompt)(call)

    provider.on("first", script)
    engine.credential("first")
    bob = engine.team.access("bob")
    template = prompt_templates.create(bob, {"name": "Echo", "body": "{{text}}"})
    prompt_templates.publish(bob, library.version(bob, template, 1), "")
    texts = [f"{number} fails" if number % 20 == 0 else str(number) for number in range(1, ROWS + 1)]
    table = tables.from_rows({"text": text} for text in texts)
    batch = drafts.create(bob, table, Wish(prompt_template="echo", at_once=16), start=True)
    failing = ROWS // 20

    def now() -> counting.Counts:
        db.session.remove()
        found = counting.of([batch.id])[batch.id]
        db.session.remove()
        return found

    def reaches(fact: Callable[[counting.Counts], bool]) -> None:
        def looked() -> bool:
            sweep()
            sweeper.sweep_batches()
            return fact(now())

        assert eventually(looked, SECONDS), (now(), worker.output()[-2000:])

    def act(verb: Callable[..., Any]) -> None:
        access = engine.team.access("bob")
        verb(access, access.get(Batch, batch.id))
        db.session.remove()

    began = time.monotonic()
    worker = start_worker()
    reaches(lambda counts: counts.ended >= ROWS // 5)
    act(actions.pause)
    worker.kill()
    before = now()
    assert before.rows == ROWS
    assert before.waiting > 0
    worker = start_worker()
    reaches(lambda counts: counts.running == 0)  # what was under way goes on to its end, and nothing else begins
    assert now().waiting == before.waiting
    act(actions.resume)
    reaches(lambda counts: counts.ended >= ROWS * 3 // 5)
    worker.kill()
    worker = start_worker()
    reaches(lambda counts: counts.ended == ROWS)
    assert (now().completed, now().failed) == (ROWS - failing, failing)
    mended.append(True)
    act(actions.retry)
    reaches(lambda counts: counts.completed == ROWS)
    seconds = time.monotonic() - began

    rows = db.session.execute(
        sa.select(BatchRow.number, BatchRow.execution_id, Execution.status, Execution.output, Execution.parent_id)
        .join(Execution, Execution.id == BatchRow.execution_id)
        .order_by(BatchRow.number)
    ).all()
    assert [(row.number, row.output) for row in rows] == list(enumerate(texts, 1))
    assert len({row.execution_id for row in rows}) == ROWS
    made = Counter(db.session.scalars(sa.select(Execution.status)))
    assert made == {"completed": ROWS, "failed": failing}  # none was made twice, but for those that were tried again
    assert {row.number for row in rows if row.parent_id} == set(range(20, ROWS + 1, 20))
    answered = sa.select(Attempt.execution_id).where(Attempt.status == "completed")
    assert max(Counter(db.session.scalars(answered)).values()) == 1
    lost = db.session.scalar(sa.select(sa.func.count()).where(Attempt.error_class == "worker_lost"))
    print(f"{ROWS} rows: {seconds:.0f} s, {lost} calls lost with a killed worker, {len(provider.calls)} calls")
