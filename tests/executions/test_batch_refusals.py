"""A batch whose rows are all refused pauses itself, and goes on with another model or credential."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from batch_desk import answering
from scripted_provider import refuses, says

from aiapp.batches import actions, counting, jobs
from aiapp.batches.halting import REFUSALS
from aiapp.batches.models import Batch
from aiapp.columns import now
from aiapp.executions.models import Execution
from aiapp.extensions import db
from aiapp.workspaces.models import Workspace

ROWS = [f"message {number}" for number in range(1, 41)]


def test_a_batch_whose_rows_are_all_refused_pauses_and_goes_on_with_another_credential(desk, provider, sign_in, api):
    db.session.execute(sa.update(Workspace).values(seals_texts=True))
    db.session.commit()
    provider.on("first", refuses(401))
    provider.on("second", answering)
    batch = desk.start(ROWS)
    desk.work(batch)
    counts = desk.counts(batch)
    assert REFUSALS <= counts.failed < REFUSALS + 4
    assert (desk.outcome(batch), counts.completed, counts.waiting) == ("paused", 0, 40 - counts.failed)
    desk.act(actions.resume, batch)  # counts anew
    desk.work(batch)
    assert desk.outcome(batch) == "failed"
    bob, path = sign_in("bob"), f"/w/acme/batches/{batch.id}"
    assert "the key was refused" in bob.get(path).get_data(as_text=True)
    second = desk.engine.credential("second")
    assert bob.submit(f"{path}/retry", {"credential_id": "0" * 32, "model": "", "provider": ""}).status_code == 404
    assert desk.outcome(batch) == "failed"
    assert bob.submit(f"{path}/retry", {"credential_id": second, "model": "large", "provider": ""}).status_code == 303
    desk.work(batch)
    assert desk.outcome(batch) == "completed"
    models = db.session.scalars(sa.select(Execution.model).where(Execution.status == "completed"))
    assert set(models) == {"large"}
    db.session.remove()
    told = api("bob", "run")("GET", f"/batches/{batch.id}").json
    assert (told["credential_id"], told["model"]) == (second, "large")
    page = bob.get(path).get_data(as_text=True)
    assert "large" in page.split('id="asked"')[1]


def test_one_that_paused_by_itself_goes_on_when_it_is_retried_and_one_answer_keeps_it_going(desk, provider, api):
    provider.on("first", refuses(402))
    batch = desk.start(ROWS)
    desk.work(batch)
    by_token = api("bob", "run")
    assert "out of credit" in by_token("GET", f"/batches/{batch.id}").json["note"]
    provider.on("first", lambda call: (says("{}") if "message 3 " in call.prompt else refuses(402))(call))
    told = by_token("POST", f"/batches/{batch.id}/retry", {"model": "large"}).json
    db.session.remove()
    assert (told["status"], told["note"], told["model"]) == ("running", "", "large")
    desk.work(batch)
    found = db.session.get_one(Batch, batch.id)
    assert counting.of([batch.id])[batch.id].completed == 1
    assert found.status == "paused"  # the last twenty were refused again
    db.session.remove()


def test_rows_whose_worker_was_lost_are_told_in_place_of_an_estimate(desk, sign_in):
    batch = desk.start(ROWS[:4], at_once=2)
    jobs.feed(batch.id)
    lost = {"status": "processing", "lease_until": now() - timedelta(seconds=1)}
    db.session.execute(sa.update(Execution).values(**lost))
    db.session.commit()
    page = sign_in("vera").get(f"/w/acme/batches/{batch.id}").get_data(as_text=True)
    assert "2 rows wait for a worker that was lost" in page
    assert 'aria-label="2 pending, 2 processing"' in page
