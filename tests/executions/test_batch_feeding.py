"""What keeps a batch from going on, and what does not: rows that cannot be stored, were erased or are empty; people who left."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from batch_desk import MESSAGES
from scripted_provider import says

from aiapp import queue
from aiapp.accounts.models import User
from aiapp.batches import actions, checking, drafts, feeding, jobs, listing, sweeper, tables
from aiapp.batches.models import BatchRow
from aiapp.batches.wishes import Wish
from aiapp.columns import new_id
from aiapp.executions.lists import filters
from aiapp.executions.models import Execution
from aiapp.executions.submission import prepare
from aiapp.extensions import db
from aiapp.prompt_templates import actions as prompt_templates
from aiapp.prompt_templates import library
from aiapp.webhooks.models import Webhook, WebhookDelivery
from aiapp.workspaces.models import Workspace


@pytest.fixture
def picky(stage) -> Iterator[None]:
    """A database that lets the rows 2 and 4 of no batch begin."""
    made = "ALTER TABLE batch_row ADD CONSTRAINT picky CHECK (state <> 'running' OR number NOT IN (2, 4))"
    unmade = "ALTER TABLE batch_row DROP CONSTRAINT picky"
    if db.engine.dialect.name == "sqlite":
        when = "WHEN NEW.state = 'running' AND NEW.number IN (2, 4)"
        made = f"CREATE TRIGGER picky BEFORE UPDATE ON batch_row {when} BEGIN SELECT RAISE(ABORT, 'picky'); END"
        unmade = "DROP TRIGGER picky"
    with db.engine.begin() as connection:
        connection.exec_driver_sql(made)
    yield
    db.session.remove()
    with db.engine.begin() as connection:
        connection.exec_driver_sql(unmade)


@pytest.mark.parametrize("sealed", [False, True])
def test_rows_that_the_database_refuses_fail_and_keep_no_other_one_waiting(desk, picky, sealed):
    db.session.execute(sa.update(Workspace).values(seals_texts=sealed))
    db.session.commit()
    batch = desk.start(MESSAGES[:5])
    desk.work(batch)
    lines = listing.lines(batch.id)
    assert [line.state for line in lines] == ["completed", "failed", "completed", "failed", "completed"]
    assert {line.row.error for line in lines if line.state == "failed"} == {feeding.REFUSED}
    assert [line.execution.body for line in lines if line.execution] == [
        f"Sort: message {number} (calm)" for number in (1, 3, 5)
    ]
    assert desk.outcome(batch) == "incomplete"


def test_a_row_without_values_runs_and_one_whose_texts_were_erased_does_not(desk, provider):
    provider.on("first", says("{}"))
    bob = desk.team.access("bob")
    template = prompt_templates.create(bob, {"name": "Greet", "body": "Hello {{name}}."})
    values = [{"name": "name", "type": "text", "required": False, "default": "you"}]
    draft = library.version(bob, template, 1)
    prompt_templates.save_draft(bob, draft, {"variables": values}, 1)
    prompt_templates.publish(bob, library.version(bob, template, 1), "")
    table = tables.from_rows([{"name": "Ada"}, {}, {"name": "Bo"}])
    batch = drafts.create(bob, table, Wish(prompt_template="greet", at_once=2), start=True)
    db.session.remove()
    jobs.feed(batch.id)
    erased = sa.update(BatchRow.__table__).where(BatchRow.number == 3).values(context={})
    db.session.execute(erased)
    db.session.commit()
    desk.work(batch)
    assert list(db.session.scalars(sa.select(Execution.body).order_by(Execution.id))) == ["Hello Ada.", "Hello you."]
    (failed,) = listing.lines(batch.id, state="failed")
    assert (failed.row.number, failed.row.error) == (3, feeding.UNKNOWN_VALUES)


def test_whoever_resumes_takes_over_at_once_what_its_author_left_who_was_switched_off(desk):
    batch = desk.start(at_once=2)
    jobs.feed(batch.id)
    desk.act(actions.pause, batch)
    bob, alice = (desk.team.access(name).user.id for name in ("bob", "alice"))
    db.session.execute(sa.update(User).where(User.id == bob).values(active=False))
    db.session.commit()
    desk.act(actions.resume, batch, by="alice")
    desk.work(batch)
    assert (desk.outcome(batch), desk.counts(batch).completed) == ("completed", 12)
    assert sorted(set(db.session.scalars(sa.select(Execution.user_id)))) == sorted((bob, alice))


def test_a_batch_of_somebody_who_is_switched_off_pauses_and_its_page_says_so(desk, sign_in):
    batch = desk.start(at_once=2)
    db.session.execute(sa.update(User).where(User.name == "Bob").values(active=False))
    db.session.commit()
    desk.work(batch)
    assert desk.counts(batch).waiting == 12
    assert "can no longer run batches here" in sign_in("vera").get(f"/w/acme/batches/{batch.id}").get_data(as_text=True)


def test_rows_that_are_tried_again_count_in_the_throttle(desk, provider):
    batch = desk.start(["broken one", "broken two"], per_minute=3)
    desk.work(batch)
    for _ in range(2):
        desk.act(actions.retry, batch)
        desk.work(batch)
        db.session.execute(sa.update(BatchRow).where(BatchRow.state == "waiting").values(state="failed"))
        db.session.commit()
    made = sa.select(sa.func.count()).select_from(Execution)
    assert db.session.scalar(made) <= 3
    desk.act(actions.retry, batch)
    desk.work(batch)
    with queue.answering() as connection:
        assert connection.zcard(queue.LATER) == 1
    provider.on("first", says("{}"))
    minute = sa.func.datetime(BatchRow.fed_at, "-1 minute")
    minute = minute if db.engine.dialect.name == "sqlite" else BatchRow.fed_at - sa.text("interval '1 minute'")
    db.session.execute(sa.update(BatchRow).values(fed_at=minute))
    db.session.commit()
    before = db.session.scalar(made)
    db.session.remove()
    desk.work(batch)
    assert (db.session.scalar(made), desk.outcome(batch)) == (before + 2, "completed")


def test_every_batch_has_its_turn_in_the_sweep(desk, monkeypatch):
    monkeypatch.setattr(sweeper, "MOST", 2)
    batches = {desk.start(["one"]).id for _ in range(3)}
    with queue.answering() as connection:
        connection.flushall()
    assert (sweeper.sweep_batches(), sweeper.sweep_batches()) == (2, 1)
    assert batches <= queue.waiting()
    assert sweeper.sweep_batches() == 2


def test_looking_at_all_rows_ends_in_time_and_says_where_it_stopped(desk):
    prepared = prepare(desk.team.access("bob"), Wish(prompt_template="triage").submission())
    rows = [(number, {"message": "a"}) for number in (1, 2)]
    found = checking.check(prepared, {"message": {"column": "message"}}, ["message"], rows, seconds=-1.0)
    assert (found.complete, found.ready, found.problems[0].row) == (False, False, 1)
    assert "Bring the table in parts" in found.problems[0].message
    assert checking.check(prepared, {"message": {"column": "message"}}, ["message"], rows).ready


def test_the_page_reads_the_opening_of_an_answer_and_files_the_whole(desk, provider, sign_in):
    provider.on("first", says("long " * 5000))
    batch = desk.start(["one"])
    desk.work(batch)
    seen: list[str] = []
    told = (db.engine, "before_cursor_execute", lambda *given: seen.append(given[2]))
    sa.event.listen(*told)
    (opened,) = listing.lines(batch.id, openings=True)
    sa.event.remove(*told)
    assert opened.output == "long " * (listing.OPENING // 5)
    read = seen[0].partition("FROM")[0]
    for column in ("output_data", "problems", "tool_calls", "template", "body", "context"):
        assert f"execution.{column}" not in read
    (whole,) = listing.lines(batch.id)
    assert whole.output == "long " * 5000


def test_a_sealed_answer_is_opened_or_said_to_be_too_long_for_the_page(desk, provider):
    db.session.execute(sa.update(Workspace).values(seals_texts=True))
    db.session.commit()
    provider.on("first", lambda call: says("long " * 5000 if "two" in call.prompt else "short")(call))
    batch = desk.start(["one", "two"])
    desk.work(batch)
    assert [line.output for line in listing.lines(batch.id, openings=True)] == ["short", listing.TOO_LONG]
    assert [line.output for line in listing.lines(batch.id)] == ["short", "long " * 5000]


def test_the_list_of_the_api_asks_as_often_for_many_batches_as_for_one(desk, api):
    reader, seen = api("vera", "read"), []
    told = (db.engine, "before_cursor_execute", lambda *given: seen.append(given[2]))

    def asked(number: int) -> int:
        db.session.remove()
        seen.clear()
        sa.event.listen(*told)
        found = reader("GET", "/batches").json["data"]
        sa.event.remove(*told)
        assert len(found) == number
        assert found[0]["columns"] == {"message": "Message"}
        return len(seen)

    desk.start(["one"])
    asked(1)  # notes that the token is used
    one = asked(1)
    for _ in range(4):
        desk.start(["one"])
    assert asked(5) == one


def test_webhooks_are_told_of_the_end_with_the_counts(desk):
    given = {"url": "https://127.0.0.1/", "events": ["batch.ended"], "secret": b"-"}
    db.session.add(Webhook(id=new_id(), workspace_id=desk.team.acme_id, **given))
    db.session.commit()
    batch = desk.start(["one", "broken two"])
    desk.work(batch)
    other = desk.start(["three"])
    desk.act(actions.cancel, other)
    ended, cancelled = db.session.scalars(sa.select(WebhookDelivery).order_by(WebhookDelivery.id))
    assert {ended.id, cancelled.id} <= queue.waiting()
    zero = {"waiting": 0, "running": 0, "completed": 0, "failed": 0, "cancelled": 0, "invalid": 0}
    at = ended.payload.pop("at")
    assert at.endswith("Z")
    assert ended.payload == {
        "batch": {"id": batch.id, "name": "triage"},
        "template": {"slug": "triage", "name": "Triage"},
        "version": 1,
        "status": "incomplete",
        "rows": 2,
        "counts": {**zero, "completed": 1, "failed": 1},
        "cost": None,
        "unpriced": 1,
    }
    assert (cancelled.payload["status"], cancelled.payload["counts"]) == ("cancelled", {**zero, "cancelled": 1})


def test_executions_are_found_by_their_batch_also_those_that_were_tried_again(desk, api, provider):
    batch = desk.start(["broken one", "two"])
    desk.work(batch)
    desk.act(actions.retry, batch)
    desk.work(batch)
    desk.act(actions.retry, batch)  # waits for its third try
    other = desk.start(["three"])
    jobs.feed(other.id)
    desk.engine.run(desk.engine.submit())
    made = set(
        db.session.scalars(sa.select(Execution.id).where(Execution.body.like("%one%") | Execution.body.like("%two%")))
    )
    assert len(made) == 3
    db.session.remove()
    listed = api("vera", "read")
    assert {one["id"] for one in listed("GET", f"/executions?batch={batch.id}").json["data"]} == made
    assert len(listed("GET", f"/executions?batch={batch.id}&status=failed").json["data"]) == 2
    assert listed("GET", f"/executions?batch={new_id()}").json["data"] == []
    stranger = filters.conditions(desk.team.access("charlie"), filters.Filters(batch=batch.id))
    assert db.session.scalars(sa.select(Execution.id).where(*stranger)).all() == []


def test_an_execution_names_its_row_the_rows_beside_it_and_that_it_was_tried_again(desk, sign_in):
    batch = desk.start(["one", "broken two", "three"])
    desk.work(batch)
    desk.act(actions.retry, batch)
    desk.work(batch)
    ids = dict(db.session.execute(sa.select(BatchRow.number, BatchRow.execution_id)).all())
    first_try = db.session.scalar(sa.select(Execution.parent_id).where(Execution.id == ids[2]))
    db.session.remove()
    vera = sign_in("vera")
    for one in (ids[2], first_try):
        page = " ".join(vera.get(f"/w/acme/executions/{one}").get_data(as_text=True).split())
        assert "row 2 of the batch" in page
        assert f'href="/w/acme/batches/{batch.id}">triage</a>' in page
        assert f'href="/w/acme/executions/{ids[1]}">row 1</a>' in page
        assert f'href="/w/acme/executions/{ids[3]}">row 3</a>' in page
    assert "which the batch tried again" in vera.get(f"/w/acme/executions/{ids[2]}").get_data(as_text=True)
