"""A workspace that encrypts its texts: a canary that was put in everywhere is in no file, no Redis key and no log."""

from __future__ import annotations

import io
import secrets
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from scripted_provider import breaks_off, refuses, says
from test_stream import read, text_of

from aiapp import sealing
from aiapp.api.models import IdempotencyKey
from aiapp.columns import now
from aiapp.credentials.models import CircuitBreaker
from aiapp.credentials.vault import Unreadable
from aiapp.executions import actions
from aiapp.executions.models import Attempt, Execution
from aiapp.executions.streaming import publishing
from aiapp.executions.streaming.relay import FIRST, Relay
from aiapp.extensions import db, redis
from aiapp.feedback import actions as feedback
from aiapp.feedback.models import Feedback
from aiapp.observability import logs
from aiapp.retention import actions as rules
from aiapp.retention import erasing, resealing, rows


@pytest.fixture
def canary():
    return f"canary {secrets.randbelow(10**6):06} sang"


@pytest.fixture
def lines(monkeypatch):
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    logs.configure("debug")
    yield written
    monkeypatch.undo()
    logs.configure("warning")


@pytest.fixture
def rule(stage, team):
    """Set a rule of the workspace acme as alice, who confirms whatever it is."""

    def rule(**values):
        db.session.remove()
        rules.change(team.access("alice"), values, confirm="acme")
        db.session.remove()

    return rule


def stored_in_database() -> bytes:
    """Everything that the database holds: SQLite's files byte by byte, of another one every row."""
    db.session.remove()
    url = db.engine.url
    if url.get_backend_name() == "sqlite":
        files = [Path(f"{url.database}{end}") for end in ("", "-wal", "-journal")]
        return b"".join(file.read_bytes() for file in files if file.exists())
    with db.engine.connect() as connection:
        tables = db.metadata.sorted_tables
        rows = [connection.exec_driver_sql(f'SELECT t::text FROM "{table.name}" t').scalars() for table in tables]
        return "\n".join(text for some in rows for text in some).encode()


def stored_in_redis() -> bytes:
    client, found = redis(), []
    reads = {
        b"string": lambda key: [client.get(key)],
        b"list": lambda key: client.lrange(key, 0, -1),
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1),
        b"hash": lambda key: [part for pair in client.hgetall(key).items() for part in pair],
        b"stream": lambda key: [part for _, fields in client.xrange(key) for pair in fields.items() for part in pair],
    }
    for key in client.scan_iter("*"):
        found += [key, *reads[client.type(key)](key)]
    return b"\n".join(found)


def full_use(engine, provider, team, api, canary) -> dict[str, str]:
    """Everything that has a text in it, once; returns the ids of the executions."""
    engine.credential("good")
    provider.on("good", says(f"Out {canary}.", usage=(3, 4)))
    made = {"text": engine.submit(f"{canary} {{{{name}}}}", system=f"You {canary}", context={"name": canary})}
    engine.finish(made["text"])
    # an answer that breaks off, and a refusal that quotes the prompt
    provider.on("good", breaks_off(f"Half {canary}"), refuses(400, f"What is {canary}?"))
    made["failed"] = engine.submit(canary)
    engine.finish(made["failed"])
    provider.on("good", says(f'{{"{canary}": 1}}'))
    made["json"] = engine.submit(canary, format="json")
    engine.finish(made["json"])
    feedback.rate(team.access("bob"), engine.row(made["text"]), "up", f"Nice {canary}")
    db.session.remove()
    key = {"Idempotency-Key": f"once-{secrets.token_hex(4)}"}
    for _ in range(2):
        answer = api("bob")(
            "POST", "/executions", {"template": f"{canary} {{{{a}}}}", "context": {"a": canary}}, headers=key
        )
        assert answer.status_code == 202
        assert canary in answer.get_data(as_text=True)
    made["once"] = answer.get_json()["id"]
    assert publishing.flush(10)
    return made


def test_a_canary_is_in_no_file_no_key_and_no_log_and_everybody_reads_it_nevertheless(
    engine, provider, team, api, sign_in, rule, canary, lines
):
    rule(seals_texts=True)
    made = full_use(engine, provider, team, api, canary)
    assert canary in text_of(read(made["text"])), "a reader gets the answer from Redis"
    browser = sign_in("bob")
    page = browser.get(f"/w/acme/executions/{made['text']}").get_data(as_text=True)
    assert f"Out {canary}." in page
    listed = browser.get("/w/acme/executions").get_data(as_text=True)
    assert f"{canary} {canary}" in listed, "the first words of a text are its name in the list"
    db.session.remove()
    assert canary in api("bob")("GET", f"/executions/{made['json']}").get_data(as_text=True)
    failed = browser.get(f"/w/acme/executions/{made['failed']}").get_data(as_text=True)
    assert f"Half {canary}" in failed
    raw = browser.get(f"/w/acme/executions/{made['failed']}/attempts/2/raw").get_data(as_text=True)
    assert canary in raw
    again = actions.rerun(team.access("bob"), engine.row(made["text"]))
    db.session.remove()
    assert engine.row(again.id).body == f"{canary} {canary}"
    assert canary.encode() not in stored_in_database()
    assert canary.encode() not in stored_in_redis()
    assert canary not in lines.getvalue()


def test_what_was_there_before_is_encrypted_and_opened_again_with_no_trace_in_free_pages(
    engine, provider, team, api, rule, canary
):
    made = full_use(engine, provider, team, api, canary)
    assert canary.encode() in stored_in_database()
    rule(seals_texts=True)
    assert engine.row(made["text"]).output == f"Out {canary}.", "unencrypted rows are read meanwhile"
    while resealing.reseal_some(team.acme_id) is not None:
        db.session.remove()
    assert team.access("bob").workspace.resealing is None
    assert canary.encode() not in stored_in_database()
    row = engine.row(made["text"])
    assert (row.output, row.context["name"]) == (f"Out {canary}.", canary)
    rule(seals_texts=False)
    while resealing.reseal_some(team.acme_id) is not None:
        db.session.remove()
    stored = db.session.execute(
        sa.select(Execution.output, Execution.context).where(Execution.id == made["text"])
    ).one()
    assert (stored.output, stored.context["name"]) == (f"Out {canary}.", canary)


def test_an_answer_under_way_is_never_in_redis_in_the_clear_so_that_encryption_may_be_turned_on_at_any_moment(
    engine, provider, canary, rule, in_thread, stage
):
    engine.credential("good")
    provider.on("good", says(f"Out {canary}. " * 3, before=provider.hold))
    execution_id = engine.submit("Hello")
    working = in_thread(engine.run, execution_id)
    opened = Relay(stage, redis())
    while not any(entry.name == "delta" for entry in opened.history(execution_id, FIRST)):
        time.sleep(0.01)
    assert canary.encode() not in stored_in_redis()
    rule(seals_texts=True)
    provider.released.set()
    working.join(30)
    assert publishing.flush(10)
    assert canary in text_of(read(execution_id))
    assert canary.encode() not in stored_in_redis()
    assert canary.encode() not in stored_in_database()


def test_without_a_key_readers_find_the_answer_at_the_end(engine, provider, team, stage):
    execution_id = engine.submit("Hello")
    told = publishing.Publisher(redis(), execution_id)
    told.seal_with(None, team.acme_id)
    told.attempt(1)
    told.delta("A secret")
    engine.change(execution_id, status="completed", output="A secret")
    told.done("completed")
    assert publishing.flush(10)
    assert b"secret" not in stored_in_redis()
    assert text_of(read(execution_id)) == "A secret"


def test_what_began_before_a_workspace_encrypted_and_ends_late_is_encrypted_too(engine, team, rule, canary):
    if db.engine.dialect.name == "sqlite":
        pytest.skip("SQLite lets one writer in at a time")
    execution_id = engine.submit("Hello")
    table = Execution.__table__
    with db.engine.connect() as early:
        assert sealing.sealer(team.acme_id, early).key is None
        rule(seals_texts=True)
        for _ in range(3):
            assert resealing.step() == 0
        early.execute(sa.update(table).where(table.c.id == execution_id).values(body=canary))
        early.commit()
    with db.engine.connect() as later:
        later.execute(sa.select(1))  # whoever begins later is not waited for
        while resealing.step():
            pass
    assert team.access("bob").workspace.resealing is None
    assert canary.encode() not in stored_in_database()
    assert engine.row(execution_id).body == canary


def test_what_a_provider_said_when_its_circuit_was_opened_goes_with_the_texts(engine, provider, team, rule, canary):
    engine.credential("good")
    provider.on("good", refuses(401, f"No key for {canary}"))

    def opened() -> bool:
        engine.finish(engine.submit("Hello"))
        db.session.remove()
        return canary in db.session.scalars(sa.select(CircuitBreaker.message)).one()

    assert opened()
    db.session.remove()
    rule(texts_days=3)
    erasing.sweep(now() + timedelta(days=4))
    assert db.session.scalars(sa.select(CircuitBreaker.message)).one() == ""
    db.session.execute(sa.delete(CircuitBreaker))
    db.session.commit()
    assert opened()
    db.session.remove()
    rule(seals_texts=True)
    while resealing.reseal_some(team.acme_id) is not None:
        db.session.remove()
    assert canary.encode() not in stored_in_database()


def test_no_transaction_has_more_than_some_megabytes_of_texts(engine, team, rule, canary, monkeypatch):
    monkeypatch.setattr(rows, "MOST_CHARACTERS", 10)
    for _ in range(3):
        engine.submit(f"What is {canary}?")
    rule(seals_texts=True)
    done = []
    while (found := resealing.reseal_some(team.acme_id)) is not None:
        done.append(found)
        db.session.remove()
    assert (sum(done), max(done)) == (3, 1)
    assert canary.encode() not in stored_in_database()
    db.session.execute(sa.update(Execution).values(status="completed", completed_at=now()))
    db.session.commit()
    rule(texts_days=1)
    duty = erasing._erase_due(team.acme_id, now() + timedelta(days=2))
    assert list(duty) == [1, 1, 1]


@pytest.mark.parametrize("kind", sealing.KINDS.values(), ids=lambda kind: kind.model.__tablename__)
def test_the_next_rows_are_found_without_sorting_all(stage, kind):
    if db.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL plans by what is in the tables")
    query = resealing._next(kind, "0" * 32, "0" * 32).compile(db.engine, compile_kwargs={"literal_binds": True})
    plan = db.session.execute(sa.text(f"EXPLAIN QUERY PLAN {query}".replace(":", "\\:"))).all()
    assert "TEMP B-TREE" not in str(plan)
    assert "id>?" in str(plan)


def test_reasons_in_own_words_are_encrypted_and_the_listed_ones_are_counted(engine, team, api, rule, canary):
    engine.credential("good")
    execution_id = engine.submit("Hello")
    engine.finish(execution_id)
    feedback.rate(team.access("bob"), engine.row(execution_id), "up", "", ["Correct", canary])
    rule(seals_texts=True)
    while resealing.reseal_some(team.acme_id) is not None:
        db.session.remove()
    assert canary.encode() not in stored_in_database()
    assert db.session.scalars(sa.select(Feedback)).one().reasons == ["Correct", canary]
    db.session.remove()
    bob = api("bob")
    assert canary in bob("GET", f"/executions/{execution_id}").get_data(as_text=True)
    db.session.remove()
    counted = bob("GET", "/feedback/summary?group_by=reason").get_json()["rows"]
    assert {row["key"]: row["up"] for row in counted} == {"Correct": 1, "In their own words": 1}
    rule(seals_texts=False)
    while resealing.reseal_some(team.acme_id) is not None:
        db.session.remove()
    assert db.session.execute(sa.select(Feedback.reasons)).scalar() == ["Correct", canary]
    db.session.remove()
    rule(texts_days=1)
    erasing.sweep(now() + timedelta(days=2))
    assert db.session.execute(sa.select(Feedback.reasons)).scalar() == ["Correct"]


def test_search_finds_encrypted_executions_by_what_is_not_encrypted(engine, rule, sign_in):
    rule(seals_texts=True)
    execution_id = engine.submit("Where is the needle?")
    browser = sign_in("bob")
    nothing = browser.get("/w/acme/executions?q=needle").get_data(as_text=True)
    assert execution_id not in nothing
    assert "not their texts, which are encrypted" in nothing
    page = browser.get(f"/w/acme/executions?q={execution_id[-6:]}").get_data(as_text=True)
    assert execution_id in page
    assert "Id, template, model or credential" in page


@pytest.mark.parametrize("column", ["body", "context"])
def test_an_encrypted_value_that_is_moved_to_another_row_field_or_workspace_cannot_be_read(engine, rule, column):
    rule(seals_texts=True)
    one, other = (engine.submit("{{x}}", context={"x": text}) for text in ("mine", "other"))
    table = Execution.__table__
    with db.engine.begin() as connection:
        stored = connection.scalar(sa.select(table.c[column]).where(table.c.id == one))
        assert sealing.is_sealed(stored)
        connection.execute(sa.update(table).where(table.c.id == other).values({column: stored}))
        if column == "body":
            connection.execute(sa.update(table).where(table.c.id == one).values(system=stored))
    moved = engine.row(other)
    assert getattr(moved, column) in (sealing.UNREADABLE, {})
    assert "mine" not in str(getattr(moved, column))
    if column == "body":
        assert engine.row(one).system == sealing.UNREADABLE
        with pytest.raises(Unreadable):
            sealing.opened(Execution, "0" * 32, one, {"body": stored}, strict=True)


def test_without_the_master_key_pages_say_so_and_nothing_is_stored_in_the_clear(engine, rule, sign_in, provider, app):
    rule(seals_texts=True)
    engine.credential("good")
    execution_id, waiting = engine.submit("Hello"), engine.submit("Later")
    engine.finish(execution_id)
    browser = sign_in("bob")
    settings = app.extensions["aiapp.settings"]
    app.extensions["aiapp.settings"] = replace(settings, master_keys=(secrets.token_bytes(32),))
    page = browser.get(f"/w/acme/executions/{execution_id}")
    assert page.status_code == 200
    assert "This text cannot be read" in page.get_data(as_text=True)
    assert browser.get("/w/acme/executions").status_code == 200
    refused = browser.submit("/w/acme/executions", {"template": "Secret"})
    assert refused.status_code == 409
    assert browser.submit(f"/w/acme/executions/{execution_id}/rerun").status_code == 409
    ended = engine.run(waiting)
    assert (ended.status, ended.error_class) == ("failed", "no_credential")


def test_a_text_that_looks_like_an_encrypted_one_is_itself(engine, rule):
    odd = [sealing.SEALED + "QUJD", sealing.AS_IT_IS + "x", sealing.MARK]
    context = {sealing.KEY: "QUJD"}
    for on in (False, True):
        rule(seals_texts=on)
        for text in odd:
            made = engine.submit("x", system=text)
            assert engine.row(made).system == text
        whose = engine.row(made).workspace_id
        values = sealing.sealed(Execution, whose, "1", {"context": context})
        assert values["context"] != context
        assert sealing.opened(Execution, whose, "1", values)["context"] == context
        db.session.remove()


def test_every_kind_of_text_is_written_encrypted(engine, provider, team, api, rule, canary):
    rule(seals_texts=True)
    made = full_use(engine, provider, team, api, canary)
    db.session.remove()

    def stored(model, condition, *names):
        table = model.__table__
        row = db.session.execute(sa.select(*(table.c[name] for name in names)).where(condition)).first()
        return {name: sealing.is_sealed(getattr(row, name)) for name in names}

    of_text = Execution.id == made["text"]
    asked = ("template", "template_system", "context", "system", "body", "output")
    assert all(stored(Execution, of_text, *asked).values())
    assert stored(Execution, Execution.id == made["json"], "output_data") == {"output_data": True}
    assert stored(Execution, Execution.id == made["failed"], "error_message", "output") == dict.fromkeys(
        ("error_message", "output"), True
    )
    assert stored(Attempt, Attempt.execution_id == made["text"], "raw") == {"raw": True}
    assert stored(Feedback, Feedback.execution_id == made["text"], "comment") == {"comment": True}
    assert stored(IdempotencyKey, IdempotencyKey.id == made["once"], "answer") == {"answer": True}


# Texts of a table with a workspace that are not sealed, and why.
IN_THE_CLEAR = {
    "attempt": "prices, and names of credentials",
    "audit_event": "settings",
    "batch": "names of columns, and who is asked",
    "credential": "settings; its secrets have columns of their own",
    "execution": "names, and the prompt template's schema",
    "list_preference": "names of columns",
    "prompt_event": "prompt templates are searched by their words",
    "prompt_revision": "prompt templates are searched by their words",
    "prompt_template": "prompt templates are searched by their words",
    "prompt_version": "prompt templates are searched by their words",
    "saved_view": "names of columns",
    "webhook": "names of events",
    "webhook_delivery": "what became of a prompt template",
    "workspace": "numbers",
}


def test_a_new_column_of_texts_is_sealed_or_says_why_not():
    registered = {(kind.model.__tablename__, name) for kind in sealing.KINDS.values() for name in kind.fields}
    texts = {
        (table.name, column.name)
        for table in db.metadata.sorted_tables
        if "workspace_id" in table.columns or table.name == "workspace"
        for column in table.columns
        if isinstance(column.type, sa.JSON) or type(column.type) is sa.Text
    }
    assert {table for table, _ in texts - registered} == set(IN_THE_CLEAR)
