"""Batches: each row of a table is an execution, exactly once, and every count of them is the same."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from decimal import Decimal

import pytest
import sqlalchemy as sa
from batch_desk import MESSAGES
from scripted_provider import says

from aiapp import queue
from aiapp.batches import actions, drafts, jobs, listing, sweeper, tables
from aiapp.batches.models import Batch, BatchRow
from aiapp.batches.wishes import Wish
from aiapp.columns import now
from aiapp.errors import Conflict, InvalidInput, NotFound
from aiapp.executions import jobs as executing
from aiapp.executions.models import Execution
from aiapp.extensions import db
from aiapp.prompt_templates import actions as prompt_templates
from aiapp.prompt_templates import library
from aiapp.workspaces.models import Membership, Workspace


def of_rows(batch: Batch) -> list[tuple[str, str | None, str | None]]:
    rows = db.session.execute(
        sa.select(BatchRow.state, BatchRow.execution_id, BatchRow.parent_id)
        .where(BatchRow.batch_id == batch.id)
        .order_by(BatchRow.number)
    )
    found = [tuple(row) for row in rows]
    db.session.remove()
    return found


def test_every_count_is_the_same_on_the_page_in_the_api_in_files_and_in_sql(desk, sign_in, api):
    batch = desk.start([*MESSAGES[:6], "broken one", "not json", "broken two"])
    desk.work(batch)
    by_sql = Counter(db.session.scalars(sa.select(Execution.status)))
    db.session.remove()
    assert by_sql == {"completed": 7, "failed": 2}
    vera, reader = sign_in("vera"), api("vera", "read")
    told = reader("GET", f"/batches/{batch.id}").json
    assert (told["status"], told["rows"], told["cost"], told["unpriced"]) == ("incomplete", 9, None, 7)
    zero = {"waiting": 0, "running": 0, "cancelled": 0}
    assert told["counts"] == {**zero, "completed": 7, "failed": 2, "invalid": 1}
    page = vera.get(f"/w/acme/batches/{batch.id}").get_data(as_text=True)
    for words in (
        "Ended with 2 failed",
        "7 of 9 completed",
        "Completed 7",
        "Failed 2",
        "status-degraded",
        "2 rows failed:",
        "the provider did not understand the request.",
    ):
        assert words in page
    assert "status-completed" not in page.split("batch-state")[1].split("</span></span>")[0]
    assert "hx-get" not in page.split('id="batch"')[1].split(">")[0]  # nothing moves any more
    listed = vera.get("/w/acme/batches").get_data(as_text=True)
    assert "Ended with 2 failed" in listed
    texts = vera.get(f"/w/acme/batches/{batch.id}/results.csv").get_data(as_text=True)
    rows = list(csv.DictReader(io.StringIO(texts)))
    assert Counter(row["status"] for row in rows) == by_sql
    assert [row["row"] for row in rows] == [str(number) for number in range(1, 10)]
    assert rows[0]["input.Message"] == "message 1"
    assert rows[0]["input.note"] == "'=message 1"
    assert rows[6]["error"] == "bad_request: I cannot read this."
    assert rows[7]["valid"] == "false"
    lines = reader("GET", f"/batches/{batch.id}/results.jsonl").get_data(as_text=True).splitlines()
    assert Counter(json.loads(line)["status"] for line in lines) == by_sql
    assert json.loads(lines[0])["input"] == {"Message": "message 1", "note": "=message 1"}
    failed = reader("GET", f"/batches/{batch.id}/results.jsonl?status=failed").get_data(as_text=True).splitlines()
    assert [json.loads(line)["row"] for line in failed] == [7, 9]
    paged = reader("GET", f"/batches/{batch.id}/rows?limit=5").json
    paged["data"] += reader("GET", f"/batches/{batch.id}/rows?limit=5&cursor={paged['next_cursor']}").json["data"]
    assert Counter(row["status"] for row in paged["data"]) == by_sql
    assert {row["execution_id"] for row in paged["data"]} == set(db.session.scalars(sa.select(Execution.id)))


def test_a_row_whose_end_is_not_copied_yet_counts_as_what_it_is(desk, api):
    batch = desk.start(at_once=3)
    jobs.feed(batch.id)
    first = desk.waiting()[0]
    executing.run(first)
    assert [state for state, *_ in of_rows(batch)].count("running") == 3
    counts = desk.counts(batch)
    assert (counts.completed, counts.running, counts.waiting) == (1, 2, 9)
    assert [line.row.number for line in listing.lines(batch.id, state="completed")] == [1]
    db.session.remove()
    assert [
        row["row"] for row in api("vera", "read")("GET", f"/batches/{batch.id}/rows?status=running").json["data"]
    ] == [
        2,
        3,
    ]


def test_no_more_rows_are_under_way_than_wanted_however_many_feed(desk, in_thread):
    batch = desk.start(at_once=5)
    threads = [in_thread(jobs.feed, batch.id) for _ in range(6)]
    for thread in threads:
        thread.join(30)
    assert len(desk.waiting()) == 5
    desk.work(batch)
    rows = of_rows(batch)
    assert len({execution for _, execution, _ in rows}) == len(rows) == len(MESSAGES)
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Execution)) == len(MESSAGES)


def test_no_more_rows_are_begun_in_a_minute_than_wanted(desk):
    batch = desk.start(at_once=10, per_minute=3)
    desk.work(batch)
    assert desk.counts(batch).completed == 3
    with queue.answering() as connection:
        ((member, due),) = connection.zrange(queue.LATER, 0, -1, withscores=True)
    assert json.loads(member)[1:3] == ["aiapp.batches.jobs.feed", batch.id]
    assert 30 < due - now().timestamp() <= 61
    db.session.execute(sa.update(BatchRow).values(fed_at=sa.null()))  # a minute later
    db.session.commit()
    desk.work(batch)
    assert desk.counts(batch).completed == 6


def test_a_paused_batch_begins_nothing_and_goes_on_when_it_is_resumed(desk):
    batch = desk.start()
    jobs.feed(batch.id)
    desk.act(actions.pause, batch)
    desk.work(batch)
    assert (desk.outcome(batch), desk.counts(batch).completed, desk.counts(batch).waiting) == ("paused", 4, 8)
    desk.act(actions.resume, batch, by="alice")
    desk.work(batch)
    assert (desk.outcome(batch), desk.counts(batch).completed) == ("completed", 12)
    with pytest.raises(Conflict):
        desk.act(actions.pause, batch)


def test_a_cancelled_batch_ends_what_waits_and_what_runs_and_can_be_run_after_all(desk):
    batch = desk.start()
    jobs.feed(batch.id)
    executing.run(desk.waiting()[0])
    desk.act(actions.cancel, batch)
    assert desk.waiting() == []
    desk.work(batch)
    counts = desk.counts(batch)
    assert (desk.outcome(batch), counts.completed, counts.cancelled) == ("cancelled", 1, 11)
    with pytest.raises(Conflict):
        desk.act(actions.retry, batch)  # nothing has failed
    desk.act(actions.retry, batch, "cancelled")
    desk.work(batch)
    assert (desk.outcome(batch), desk.counts(batch).completed) == ("completed", 12)


def test_only_rows_that_failed_run_again_each_with_the_failed_one_as_its_parent(desk, provider):
    batch = desk.start(["one", "broken two", "three"])
    desk.work(batch)
    before = of_rows(batch)
    provider.on("first", says("{}"))
    desk.engine.change(before[1][1], cost=Decimal("0.25"))
    db.session.execute(sa.update(BatchRow).where(BatchRow.number == 2).values(cost=Decimal("0.25")))
    db.session.commit()
    desk.act(actions.retry, batch)
    desk.work(batch)
    after = of_rows(batch)
    assert (after[0], after[2]) == (before[0], before[2])
    assert after[1][0] == "completed"
    assert after[1][2] == before[1][1] != after[1][1]
    assert desk.engine.row(after[1][1]).parent_id == before[1][1]
    assert (desk.outcome(batch), desk.counts(batch).cost) == ("completed", Decimal("0.25"))


def test_the_prompt_is_what_it_was_at_the_start_whatever_is_published_later(desk):
    batch = desk.start(at_once=1)
    jobs.feed(batch.id)
    bob = desk.team.access("bob")
    draft = prompt_templates.new_draft(bob, library.version(bob, desk.template, 1))
    prompt_templates.save_draft(bob, draft, {"body": "Other: {{message}}"}, 1)
    desk.publish(2)
    desk.work(batch)
    bodies = set(db.session.scalars(sa.select(Execution.body)))
    assert bodies == {f"Sort: {message} (calm)" for message in MESSAGES}
    assert set(db.session.scalars(sa.select(Execution.source))) == {"batch"}
    assert set(db.session.scalars(sa.select(Execution.priority))) == {"low"}


def test_what_is_deleted_meanwhile_keeps_no_row_from_its_result(desk, provider):
    batch = desk.start(["broken one", *MESSAGES[:5]], at_once=1)
    jobs.feed(batch.id)
    alice = desk.team.access("alice")
    prompt_templates.delete(alice, library.find(alice, "triage"))
    desk.work(batch)
    assert (desk.counts(batch).completed, desk.counts(batch).failed) == (5, 1)
    failed = next(execution_id for state, execution_id, _ in of_rows(batch) if state == "failed")
    desk.act(actions.retry, batch)
    db.session.execute(sa.delete(Execution).where(Execution.id == failed))
    db.session.commit()
    desk.work(batch)
    assert desk.counts(batch).failed == 1


def test_a_batch_whose_prompt_nobody_knows_any_more_waits_and_is_not_retried(desk):
    batch = desk.start(["broken one", "message"], at_once=1)
    db.session.execute(sa.update(Batch).values(prompt=None))
    db.session.commit()
    jobs.feed(batch.id)
    found = db.session.get_one(Batch, batch.id)
    assert (found.status, "texts were erased" in found.note) == ("paused", True)
    with pytest.raises(Conflict) as refused:
        desk.act(actions.retry, batch)
    assert refused.value.code == "texts_erased"


def test_a_batch_of_somebody_who_may_run_none_any_more_waits_for_another(desk):
    batch = desk.start(at_once=2)
    jobs.feed(batch.id)
    bob = desk.team.access("bob").user.id
    db.session.execute(sa.update(Membership).where(Membership.user_id == bob).values(role="viewer"))
    db.session.commit()
    desk.work(batch)
    assert (desk.outcome(batch), desk.counts(batch).completed) == ("paused", 2)
    desk.act(actions.resume, batch, by="alice")
    desk.work(batch)
    assert desk.counts(batch).completed == 12
    alice = desk.team.access("alice").user.id
    assert Counter(db.session.scalars(sa.select(Execution.user_id))) == {bob: 2, alice: 10}


def test_rows_that_cannot_be_run_are_named_and_nothing_is_stored(desk):
    rows = [{"message": "a"}, {"message": ""}, {"message": "b", "tone": "sad"}]
    with pytest.raises(InvalidInput) as refusal:
        drafts.create(desk.team.access("bob"), tables.from_rows(rows), Wish(prompt_template="triage"), start=True)
    db.session.rollback()
    assert [error["field"] for error in refusal.value.errors] == ["rows.2.message", "rows.3.tone"]
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Batch)) == 0


def test_lost_wake_ups_are_made_good_by_the_sweep(desk):
    batch = desk.start()
    with queue.answering() as connection:
        connection.flushall()
    assert sweeper.sweep_batches() == 1
    assert batch.id in queue.waiting()
    jobs.feed(batch.id)
    execution_id = desk.waiting()[0]
    executing.run(execution_id)  # its end wakes the batch
    assert execution_id in queue.waiting(["low"])
    desk.act(actions.cancel, batch)
    desk.work(batch)
    assert sweeper.sweep_batches() == 0


def test_drafts_that_nobody_starts_are_forgotten_after_a_week(desk):
    access = desk.team.access("bob")
    draft = drafts.create(access, tables.from_rows([{"message": "a"}]), Wish(prompt_template="triage"))
    kept = desk.start(["b"])
    assert sweeper.forget_old_drafts() == 0
    db.session.execute(sa.update(Batch).values(created_at=now() - sweeper.KEPT * 2))
    db.session.commit()
    assert sweeper.forget_old_drafts() == 1
    assert list(db.session.scalars(sa.select(Batch.id))) == [kept.id]
    assert list(db.session.scalars(sa.select(BatchRow.batch_id))) == [kept.id]
    assert draft.id != kept.id


def test_where_executions_are_private_a_batch_is_its_authors_and_the_admins(desk):
    batch = desk.start()
    db.session.execute(sa.update(Workspace).values(private_executions=True))
    db.session.commit()
    vera, adam = desk.team.access("vera"), desk.team.access("adam")
    with pytest.raises(NotFound):
        vera.get(Batch, batch.id)
    assert listing.batches(vera)[0] == []
    assert [one.id for one in listing.batches(adam)[0]] == [batch.id]


def test_a_text_at_rest_is_sealed_where_the_workspace_wants_that(desk):
    db.session.execute(sa.update(Workspace).values(seals_texts=True))
    db.session.commit()
    canary = "a canary in a row"
    table = tables.from_rows([{"message": canary}])
    mapping = {"tone": {"value": "angry"}}
    batch = drafts.create(desk.team.access("bob"), table, Wish(prompt_template="triage"), mapping=mapping, start=True)
    db.session.remove()
    desk.work(batch)
    stored = [db.session.execute(sa.text(f"SELECT * FROM {table}")).all() for table in ("batch", "batch_row")]
    written = str(stored)
    for text in (canary, "angry", "Sort:"):
        assert text not in written
    (line,) = listing.lines(batch.id)
    assert line.row.context == {"message": canary}
    assert line.execution.body == f"Sort: {canary} (angry)"
