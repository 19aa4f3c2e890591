"""How long executions and their texts are kept: hashes only, texts for some days, executions for some days."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from scripted_provider import says
from test_sealed_texts import canary, full_use, rule, stored_in_database, stored_in_redis

from aiapp.api.execution_shapes import show_erased
from aiapp.audit import AuditEvent
from aiapp.batches import actions as batches
from aiapp.batches import drafts, tables
from aiapp.batches.models import Batch, BatchRow
from aiapp.batches.wishes import Wish
from aiapp.columns import now
from aiapp.credentials import vault
from aiapp.errors import Conflict, InvalidInput
from aiapp.executions import actions
from aiapp.executions.models import Attempt, Execution
from aiapp.executions.streaming import publishing
from aiapp.executions.submission import Submission
from aiapp.extensions import db, redis
from aiapp.feedback import actions as feedback
from aiapp.filters import absolute
from aiapp.prompt_templates import actions as prompt_templates
from aiapp.prompt_templates import library
from aiapp.retention import actions as rules
from aiapp.retention import erasing, erasing_batches

__all__ = ["canary", "rule"]

LATER = timedelta(hours=1, seconds=1)


def sweep(after: timedelta = LATER) -> int:
    db.session.remove()
    return erasing.sweep(now() + after)


def test_a_workspace_that_keeps_no_texts_has_hashes_and_numbers_an_hour_after_the_end(
    engine, provider, team, api, sign_in, rule, canary
):
    made = full_use(engine, provider, team, api, canary)  # also what was there before
    rule(keeps_texts=False)
    provider.on("good", *[says(f"Out {canary}.", usage=(3, 4))] * 3)
    made["later"] = engine.submit(canary)
    engine.finish(made["later"])
    assert publishing.flush(10)
    assert sweep(timedelta(minutes=59)) == 0
    assert engine.row(made["later"]).output == f"Out {canary}."
    cancelled = engine.row(made["once"])
    assert not cancelled.finished
    assert sweep() == 4 + 1, "also what the API would answer a retry"
    row = engine.row(made["text"])
    assert (row.output, row.body, row.context, row.template) == (None, "", {}, None)
    assert db.session.scalars(sa.select(Attempt.raw).distinct()).all() == [None]
    assert (row.status, row.input_tokens, row.output_tokens) == ("completed", 3, 4)
    assert (row.output_characters, row.texts_erased_at is not None) == (len(f"Out {canary}."), True)
    # of the same texts the same hash, which nobody can make without the key
    assert row.output_hash == engine.row(made["later"]).output_hash
    kinds = (hashlib.sha256, hashlib.sha1, hashlib.md5, hashlib.sha512, hashlib.blake2b)
    texts = (f"Out {canary}.", json.dumps(f"Out {canary}."), f"output\0Out {canary}.")
    plain = {kind(text.encode()).hexdigest()[:64] for kind in kinds for text in texts}
    assert row.output_hash not in plain
    engine.finish(made["once"])
    assert sweep() == 1
    assert sweep() == 0
    assert canary.encode() not in stored_in_database()
    forget_streams(engine, made)
    assert canary.encode() not in stored_in_redis()
    page = sign_in("bob").get(f"/w/acme/executions/{made['text']}").get_data(as_text=True)
    assert "Texts were not kept" in page
    assert row.output_hash in page


def test_only_authors_and_admins_see_hashes_by_which_a_short_text_could_be_guessed(engine, team, rule, sign_in):
    engine.credential("good")
    execution_id = engine.submit("PIN 4711")  # by bob
    engine.finish(execution_id)
    rule(keeps_texts=False)
    sweep()
    row = engine.row(execution_id)
    db.session.remove()
    hashes = (row.input_hash, row.output_hash)
    for name, told in (("bob", hashes), ("adam", hashes), ("vera", (None, None))):
        left = show_erased(team.access(name), row)
        assert (left["input_hash"], left["output_hash"]) == told
    db.session.remove()
    page = sign_in("vera").get(f"/w/acme/executions/{execution_id}").get_data(as_text=True)
    assert "Texts were not kept" in page
    assert row.input_hash not in page


def forget_streams(engine, made):
    """Let the minute pass after which Redis forgets the streams of executions that have ended."""
    assert publishing.flush(10)
    for execution_id in made.values():
        assert redis().ttl(publishing.key_of(execution_id)) <= publishing.ENDED_SECONDS
        redis().delete(publishing.key_of(execution_id))


def test_pages_say_until_when_texts_are_kept_and_a_comment_is_shown_until_then(engine, team, rule, start, sign_in):
    batch = start()
    made = engine.submit("Hello Ada")
    engine.finish(made)
    ended = engine.row(made).completed_at
    feedback.rate(team.access("bob"), engine.row(made), "up", "A comment")
    db.session.remove()
    bob = sign_in("bob")

    def show(page):
        return bob.get(f"/w/acme/{page}").get_data(as_text=True)

    assert "kept until" not in show(f"executions/{made}")
    rule(texts_days=3)
    assert f"kept until {absolute(ended + timedelta(days=3))[:11]}" in show(f"executions/{made}")
    rule(keeps_texts=False)
    assert f"read until {absolute(ended + timedelta(hours=1))}" in show(f"executions/{made}")
    for page in ("executions/new", f"batches/{batch.id}", "batches/new"):
        assert "one hour after the end" in show(page), page
    assert all("A comment" in show(page) for page in (f"executions/{made}/_feedback", "feedback"))
    sweep()
    assert not any("A comment" in show(page) for page in (f"executions/{made}/_feedback", "feedback"))


def test_nobody_repeats_an_execution_without_texts_or_comments_on_it(engine, team, rule, api, sign_in):
    engine.credential("good")
    execution_id = engine.submit("Hello {{name}}", context={"name": "Ada"})
    engine.finish(execution_id)
    rule(keeps_texts=False)
    sweep()
    db.session.remove()
    bob = team.access("bob")
    for repeat in (lambda row: actions.rerun(bob, row), lambda row: actions.regenerate(bob, row, {"model": "x"})):
        with pytest.raises(Conflict) as refused:
            repeat(engine.row(execution_id))
        assert refused.value.code == "texts_erased"
    db.session.remove()
    answer = api("bob")("POST", f"/executions/{execution_id}/rerun")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "texts_erased")
    with pytest.raises(InvalidInput) as refused:
        feedback.rate(team.access("bob"), engine.row(execution_id), "up", "A comment")
    assert "keeps no texts" in refused.value.errors[0]["message"]
    with pytest.raises(InvalidInput) as refused:
        feedback.rate(team.access("bob"), engine.row(execution_id), "up", reasons=["A secret of one's own"])
    assert refused.value.errors[0]["field"] == "reasons"
    rated = feedback.rate(team.access("bob"), engine.row(execution_id), "up", reasons=["Correct"])
    assert (rated.comment, rated.reasons) == ("", ["Correct"])
    db.session.remove()
    assert 'name="comment"' not in sign_in("bob").get(f"/w/acme/executions/{execution_id}/_feedback").get_data(
        as_text=True
    )


def test_two_workspaces_have_different_hashes_of_one_text(engine, team):
    db.session.remove()
    hashes = []
    for name in ("alice", "charlie"):
        workspace = team.access(name).workspace
        vault.make_data_key(workspace)
        hashes.append(vault.data_key(workspace.id, workspace.data_key).keyed_hash("output", "yes"))
    assert len(set(hashes)) == 2


def test_texts_are_erased_and_executions_deleted_after_their_days(engine, team, rule):
    engine.credential("good")
    execution_id, waiting = engine.submit("Hello"), engine.submit("Waits")
    engine.finish(execution_id)
    feedback.rate(team.access("bob"), engine.row(execution_id), "up", "Good")
    rule(texts_days=3, executions_days=30)
    assert sweep(timedelta(days=2)) == 0
    assert sweep(timedelta(days=4)) == 1
    row = engine.row(execution_id)
    assert (row.output, row.status) == (None, "completed")
    assert sweep(timedelta(days=29)) == 0
    assert sweep(timedelta(days=31)) == 1
    db.session.remove()
    assert db.session.scalars(sa.select(Execution.id)).all() == [waiting], "what has not ended stays"
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Attempt)) == 0


def test_without_a_rule_of_its_own_a_workspace_has_that_of_the_installation(engine, stage, team):
    engine.credential("good")
    execution_id = engine.submit("Hello")
    engine.finish(execution_id)
    assert sweep(timedelta(days=100)) == 0
    stage.extensions["aiapp.settings"] = replace(stage.extensions["aiapp.settings"], retention_days=10)
    assert sweep(timedelta(days=9)) == 0
    assert sweep(timedelta(days=11)) == 1


def test_what_cannot_be_undone_is_confirmed_and_audited(app, team, sign_in):
    with app.app_context():
        for _ in range(2):
            actions.submit(team.access("bob"), Submission(template="Hello"))
        db.session.execute(sa.update(Execution).values(status="completed", completed_at=now()))
        db.session.commit()
    admin = sign_in("adam")
    page = admin.get("/w/acme/settings/data").get_data(as_text=True)
    assert "Erase texts after (days)" in page
    form = {"keeps_texts": "0", "texts_days": "", "executions_days": "", "private_executions": "0"}
    asked = admin.submit("/w/acme/settings/data", form)
    assert asked.status_code == 422
    assert "2 executions lose their texts for good" in asked.get_data(as_text=True)
    assert admin.submit("/w/acme/settings/data", {**form, "confirm": "wrong"}).status_code == 422
    with app.app_context():
        assert team.access("adam").workspace.keeps_texts
    assert admin.submit("/w/acme/settings/data", {**form, "confirm": "acme"}).status_code == 303
    with app.app_context():
        assert not team.access("adam").workspace.keeps_texts
        event = db.session.scalars(sa.select(AuditEvent).where(AuditEvent.action == "workspace.data")).one()
        assert (event.before, event.after) == ({"keeps_texts": True}, {"keeps_texts": False})
    assert sign_in("bob").get("/w/acme/settings/data").status_code == 403
    wrong = admin.submit("/w/acme/settings/data", {**form, "texts_days": "many"})
    assert "whole number of days" in wrong.get_data(as_text=True)


def test_the_api_reads_and_changes_the_rules(api):
    alice = api("alice")
    assert alice("GET", "/settings/data").get_json() == {
        "encrypt_texts": False,
        "keep_texts": True,
        "private_executions": False,
        "texts_days": None,
        "executions_days": None,
        "server_days": None,
        "resealing": None,
    }
    changed = alice("PATCH", "/settings/data", {"encrypt_texts": True, "texts_days": 7}).get_json()
    assert (changed["encrypt_texts"], changed["texts_days"], changed["resealing"]["done"]) == (True, 7, 0)
    refused = alice("PATCH", "/settings/data", {"keep_texts": False})
    assert (refused.status_code, refused.get_json()["code"], refused.get_json()["texts"]) == (409, "confirm", 0)
    done = alice("PATCH", "/settings/data", {"keep_texts": False, "texts_days": None, "confirm": "acme"})
    assert (done.get_json()["keep_texts"], done.get_json()["texts_days"]) == (False, None)
    assert alice("PATCH", "/settings/data", {"texts_days": 0}).status_code == 422
    assert api("bob")("GET", "/settings/data").status_code == 403


def test_losses_are_those_of_a_stricter_rule_only(engine, stage, team, rule):
    engine.credential("good")
    engine.finish(engine.submit("Hello"))
    workspace, later = team.access("alice").workspace, now() + timedelta(days=6)
    as_it_is = rules.rules_of(workspace)
    assert rules.losses_of(workspace, {**as_it_is, "texts_days": 5}, later) == rules.Losses(texts=1)
    assert rules.losses_of(workspace, {**as_it_is, "executions_days": 5}, later) == rules.Losses(executions=1)
    stage.extensions["aiapp.settings"] = replace(stage.extensions["aiapp.settings"], retention_days=5)
    workspace.executions_days = 30
    assert rules.losses_of(workspace, {**as_it_is, "executions_days": None}, later) == rules.Losses(executions=1)
    workspace.texts_days = 5
    as_it_is["executions_days"] = 30
    assert rules.losses_of(workspace, {**as_it_is, "texts_days": 4}, later) == rules.Losses(texts=1)
    assert rules.losses_of(workspace, {**as_it_is, "texts_days": 6}, later) == rules.Losses()
    db.session.remove()


@pytest.fixture
def start(engine, team, canary):
    """Start a batch of two rows as bob, or leave it a draft."""
    engine.credential("good")
    bob = team.access("bob")
    made = prompt_templates.create(bob, {"name": "Sort", "body": "Sort: {{word}}"})
    prompt_templates.publish(bob, library.version(bob, made, 1), "")
    table = tables.read(f"word\n{canary} one\n{canary} two\n".encode())
    return lambda now=True: drafts.create(bob, table, Wish(prompt_template="sort"), start=now)


def texts_of_batches() -> list[object]:
    db.session.remove()
    return [
        *(row.context for row in db.session.scalars(sa.select(BatchRow).order_by(BatchRow.number))),
        *db.session.scalars(sa.select(Batch.prompt)),
    ]


def test_the_rows_of_a_batch_are_encrypted_and_go_after_its_end_also_those_that_never_ran(team, rule, canary, start):
    rule(keeps_texts=False)
    batch = start()
    batches.cancel(team.access("bob"), batch)
    assert canary.encode() not in stored_in_database()
    assert texts_of_batches()[:2] == [{"word": f"{canary} one"}, {"word": f"{canary} two"}]
    assert sweep(timedelta(minutes=59)) == 0
    assert sweep() == 3
    assert texts_of_batches() == [{}, {}, None]
    assert sweep() == 0
    assert db.session.scalars(sa.select(Batch.texts_erased_at)).one() is not None


@pytest.mark.parametrize("rules", [{"texts_days": 3}, {"executions_days": 3}, {"texts_days": 9, "executions_days": 3}])
def test_a_batch_has_texts_for_as_long_as_its_executions_have_any(team, rule, start, rules):
    batches.cancel(team.access("bob"), start())
    rule(**rules)
    assert sweep(timedelta(days=2, hours=23)) == 0
    assert sweep(timedelta(days=3, hours=1)) == 3
    assert texts_of_batches() == [{}, {}, None]


@pytest.mark.parametrize(("rules", "hours"), [({"texts_days": 3}, 72), ({"keeps_texts": False}, 24)])
def test_a_batch_that_nobody_resumes_is_ended_and_its_texts_go(team, rule, start, rules, hours):
    rule(**rules)
    batch = start()
    batches.pause(team.access("bob"), batch)
    assert sweep(timedelta(hours=hours - 1)) == 0
    db.session.execute(sa.update(BatchRow).where(BatchRow.number == 1).values(fed_at=now() + timedelta(hours=1)))
    db.session.execute(sa.update(BatchRow).where(BatchRow.number == 1).values(state="completed"))
    db.session.commit()
    assert sweep(timedelta(hours=hours, minutes=30)) == 0, "its last row has moved it"
    assert sweep(timedelta(hours=hours + 2)) == 3
    assert texts_of_batches() == [{}, {}, None]
    found = db.session.get_one(Batch, batch.id)
    assert (found.status, found.note) == ("cancelled", "Nobody resumed it for so long that its texts were erased.")
    assert list(db.session.scalars(sa.select(BatchRow.state).order_by(BatchRow.number))) == ["completed", "cancelled"]
    with pytest.raises(Conflict) as refused:
        batches.retry(team.access("bob"), found, "cancelled")
    assert refused.value.code == "texts_erased"


@pytest.mark.parametrize(("rules", "hours"), [({"texts_days": 3}, 72), ({"keeps_texts": False}, 24)])
def test_a_table_that_nobody_starts_is_deleted_when_its_texts_are_to_go(team, rule, start, rules, hours):
    rule(**rules)
    start(False)
    assert sweep(timedelta(hours=hours - 1)) == 0
    assert sweep(timedelta(hours=hours + 1)) == 1
    assert db.session.scalars(sa.select(BatchRow)).all() == []


def test_an_erasing_that_was_interrupted_goes_on_where_it_was(team, rule, start, canary, monkeypatch):
    rule(keeps_texts=False)
    batch = start()
    batches.cancel(team.access("bob"), batch)
    monkeypatch.setattr(erasing_batches, "ROWS", 1)
    duty = erasing_batches.erase_batches(batch.workspace_id, now() + LATER)
    assert [next(duty), next(duty)] == [1, 1]
    duty.close()
    assert texts_of_batches() == [{}, {"word": f"{canary} two"}, None]
    assert sweep() == 2
    assert texts_of_batches() == [{}, {}, None]


def test_no_kind_of_texts_and_no_workspace_waits_for_all_of_another(engine, team, rule, start, monkeypatch):
    """Whatever one sweep has time for, it has done something of everything."""
    batches.cancel(team.access("bob"), start())
    for _ in range(6):
        actions.submit(team.access("bob"), Submission(template="Hello"))
    db.session.execute(sa.update(Execution).values(status="completed", completed_at=now()))
    db.session.commit()
    rule(texts_days=3, executions_days=30)
    monkeypatch.setattr(erasing, "BATCH", 1)
    done = []
    monkeypatch.setattr(erasing.time, "monotonic", lambda: 0.0 if len(done) < 4 else 1e9)
    monkeypatch.setattr(erasing, "erase_batches", counting(erasing.erase_batches, "batch", done))
    monkeypatch.setattr(erasing, "_delete_old", counting(erasing._delete_old, "delete", done))
    monkeypatch.setattr(erasing, "_erase_due", counting(erasing._erase_due, "erase", done))
    sweep(timedelta(days=31))
    assert {"batch", "delete", "erase"} <= set(done)


def counting(duty, name, done):
    """The duty, which says each time that it has changed something."""

    def counted(*arguments):
        for some in duty(*arguments):
            done.append(name)
            yield some

    return counted


def test_batches_that_a_stricter_rule_takes_texts_from_are_named_before(team, rule, start, sign_in, api):
    batches.cancel(team.access("bob"), start())
    workspace, later = team.access("alice").workspace, now() + timedelta(days=6)
    as_it_is = rules.rules_of(workspace)
    for stricter in ({"texts_days": 5}, {"executions_days": 5}, {"keeps_texts": False}):
        assert rules.losses_of(workspace, {**as_it_is, **stricter}, later) == rules.Losses(batches=1)
    assert rules.losses_of(workspace, {**as_it_is, "texts_days": 7}, later) == rules.Losses()
    workspace.executions_days = 5
    as_it_is = rules.rules_of(workspace)
    assert rules.losses_of(workspace, {**as_it_is, "texts_days": 5}, later) == rules.Losses()
    db.session.rollback()
    db.session.remove()
    refused = api("alice")("PATCH", "/settings/data", {"keep_texts": False}).get_json()
    assert (refused["code"], refused["batches"]) == ("confirm", 1)
    assert "1 batch loses its texts." in refused["detail"]
    db.session.remove()
    form = {"keeps_texts": "0", "texts_days": "", "executions_days": "", "private_executions": "0"}
    asked = sign_in("adam").submit("/w/acme/settings/data", form)
    assert "1 batch loses its texts for good" in asked.get_data(as_text=True)


def test_a_batch_without_texts_says_so_and_offers_no_retry(team, rule, start, sign_in):
    batch = start()
    batches.cancel(team.access("bob"), batch)
    bob = sign_in("bob")
    page = f"/w/acme/batches/{batch.id}"
    assert "after all" in bob.get(page).get_data(as_text=True)
    db.session.remove()
    rule(texts_days=3)
    sweep(timedelta(days=4))
    shown = bob.get(page).get_data(as_text=True)
    assert "Texts were not kept" in shown
    assert "after all" not in shown


def test_a_sweep_begins_where_everything_before_is_erased_and_passes_nothing_that_still_runs(engine, team, rule):
    engine.credential("good")
    first, running, last = (engine.submit(f"Hello {number}") for number in range(3))
    engine.finish(first)
    engine.finish(last)
    rule(texts_days=3)
    assert sweep(timedelta(days=4)) == 2
    db.session.remove()
    assert team.access("bob").workspace.texts_erased_to == running
    db.session.remove()
    engine.finish(running)
    assert sweep(timedelta(days=4)) == 1
    db.session.remove()
    assert team.access("bob").workspace.texts_erased_to > last
