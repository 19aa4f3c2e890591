"""What a reader of an execution sees: from the worker's events, and from the row where there are none."""

from __future__ import annotations

import json
import re
import threading
import time

import pytest
import sqlalchemy as sa
from redis import Redis
from scripted_provider import breaks_off, refuses, says

from aiapp import sealing
from aiapp.executions import jobs
from aiapp.executions.pages.watch_views import _StreamHtml
from aiapp.executions.streaming import publishing, relay, stream
from aiapp.executions.streaming.publishing import Publisher, key_of
from aiapp.executions.streaming.stream import Event, as_json, follow
from aiapp.extensions import db, redis
from aiapp.workspaces.models import Workspace


def parsed(text: str) -> tuple[str, dict, str | None]:
    lines = dict(line.split(": ", 1) for line in text.strip().split("\n") if not line.startswith(":"))
    return lines["event"], json.loads(lines["data"]), lines.get("id")


def read(execution_id: str, last_event_id: str | None = None, **more) -> list[tuple[str, dict, str | None]]:
    db.session.remove()
    reader = follow(execution_id, last_event_id=last_event_id, **more)
    return [parsed(text) for text in reader if not text.startswith(":")]


def text_of(events) -> str:
    """What a reader shows at the end: an attempt begins anew."""
    shown = ""
    for name, data, _ in events:
        shown = "" if name == "attempt" else shown + data.get("text", "")
    return shown


@pytest.fixture
def telling(stage, team):
    """Return what tells the readers of an execution of acme, as a worker does."""

    def telling(execution_id, client=None):
        publisher = Publisher(client or redis(), execution_id)
        publisher.seal_with(sealing.passing_sealer(team.acme_id), team.acme_id)
        db.session.commit()
        db.session.remove()
        return publisher

    return telling


@pytest.fixture
def ended(engine, provider):
    engine.credential("first")
    execution_id = engine.submit()
    engine.run(execution_id)
    assert publishing.flush(10)
    return execution_id


def test_a_reader_sees_the_execution_from_its_start_to_its_end(ended):
    events = read(ended)
    names = [name for name, _, _ in events]
    assert names[0] == "status"
    assert names.count("attempt") == 1
    assert names[-1] == "done"
    assert text_of(events) == "Hello there."
    assert events[-1][1] == {"status": "completed", "error_class": None}
    attempt = next(data for name, data, _ in events if name == "attempt")
    assert (attempt["number"], attempt["credential"], attempt["reason"]) == (1, "first", "Default credential")


def test_a_reader_sees_text_while_it_is_written(engine, provider, in_thread):
    engine.credential("first")
    provider.on("first", says("one two three", before=lambda number: provider.hold(number - 1)))
    execution_id = engine.submit()
    in_thread(jobs.run, execution_id)
    reader = follow(execution_id)
    seen = []
    for text in reader:
        if text.startswith(":"):
            continue
        seen.append(parsed(text))
        if seen[-1][0] == "delta" and not provider.released.is_set():
            assert engine.row(execution_id).status == "processing"
            provider.released.set()
    assert text_of(seen) == "one two three"
    assert seen[-1][0] == "done"


@pytest.mark.parametrize("position", range(6))
def test_a_reader_that_comes_back_misses_nothing_and_gets_nothing_twice(ended, position):
    events = read(ended)
    seen = events[: position + 1]
    last = seen[-1][2]
    rest = read(ended, last) if seen[-1][0] != "done" else []
    if last is None:  # before the first event of the stream: from the start
        assert text_of(rest) == "Hello there."
    else:
        assert text_of([*seen, *rest]) == "Hello there."
        assert [event[0] for event in [*seen, *rest]] == [event[0] for event in events]


@pytest.mark.parametrize("nonsense", ["x", "1-1", "0-0.1", "../..", "9" * 500, "1-1.1.1\n"])
def test_a_made_up_event_id_is_no_error(ended, nonsense):
    assert text_of(read(ended, nonsense))[-6:] == "there."


def test_a_fallback_after_text_starts_the_answer_anew_for_the_reader(engine, provider):
    engine.credential("first")
    engine.credential("second")
    provider.on("first", breaks_off("Half an ans"))
    execution_id = engine.submit()
    engine.run(execution_id)
    publishing.flush(10)
    events = read(execution_id)
    assert [data["number"] for name, data, _ in events if name == "attempt"] == [1, 2]
    assert any(data.get("text") == "Half an ans" for _, data, _ in events)
    assert text_of(events) == "Hello there."


def test_without_a_stream_the_whole_answer_comes_from_the_row(ended):
    redis().delete(key_of(ended))
    events = read(ended)
    assert [name for name, _, _ in events] == ["status", "attempt", "delta", "done"]
    assert text_of(events) == "Hello there."


def test_without_redis_the_whole_answer_comes_from_the_row(ended, stage, monkeypatch):
    away = Redis.from_url("unix:///nowhere/redis.sock", socket_connect_timeout=1)
    monkeypatch.setitem(stage.extensions, "aiapp.redis", away)
    assert text_of(read(ended)) == "Hello there."


def test_a_stream_that_lost_its_middle_is_made_whole_from_the_row(ended):
    client = redis()
    entries = client.xrange(key_of(ended))
    deltas = [entry_id for entry_id, fields in entries if fields[b"event"] == b"delta"]
    client.delete(key_of(ended))
    client.xadd(key_of(ended), {"event": "attempt", "data": json.dumps({"number": 1})})
    client.xadd(key_of(ended), {"event": "delta", "data": json.dumps({"attempt": 1, "at": 6, "text": "there."})})
    client.xadd(key_of(ended), {"event": "done", "data": json.dumps({"status": "completed"})})
    events = read(ended)
    assert deltas
    assert text_of(events) == "Hello there."
    assert events[-1][0] == "done"


def test_what_was_written_twice_is_shown_once(ended):
    client = redis()
    client.delete(key_of(ended))
    for event, data in (
        ("attempt", {"number": 1}),
        ("delta", {"attempt": 1, "at": 0, "text": "Hello "}),
        ("delta", {"attempt": 1, "at": 0, "text": "Hello there"}),
        ("delta", {"attempt": 1, "at": 0, "text": "Hello "}),
        ("delta", {"attempt": 1, "at": 11, "text": "."}),
        ("done", {"status": "completed"}),
    ):
        client.xadd(key_of(ended), {"event": event, "data": json.dumps(data)})
    assert text_of(read(ended)) == "Hello there."


def test_a_worker_that_died_leaves_readers_that_learn_the_end_from_the_row(engine, telling, monkeypatch):
    monkeypatch.setattr(relay, "LOOK_SECONDS", 0.0)
    execution_id = engine.submit()
    publisher = telling(execution_id)
    publisher.attempt(1)
    publisher.delta("Half")
    publishing.flush(10)
    engine.change(execution_id, status="failed", error_class="worker_lost", output="Half of it", partial=True)
    events = read(execution_id)
    assert events[-1][:2] == ("done", {"status": "failed", "error_class": "worker_lost"})
    assert text_of(events) == "Half of it"


@pytest.mark.parametrize("future", ["9" * 19 + "-1.1.0", "9" * 20 + "-1.1.0"])
def test_who_claims_to_have_seen_the_future_keeps_nothing_from_others(engine, telling, monkeypatch, future):
    monkeypatch.setattr(relay, "LOOK_SECONDS", 0.1)
    execution_id = engine.submit()
    publisher = telling(execution_id)
    publisher.attempt(1)
    publishing.flush(10)
    liar = follow(execution_id, last_event_id=future, encode=lambda event: event.name if event else "")
    waiting = threading.Thread(target=lambda: list(liar))
    waiting.start()
    reader = follow(execution_id, encode=lambda event: event.data.get("text", "") if event else "")
    shown = next(reader) + next(reader)
    publisher.delta("Half")
    while not shown:
        shown += next(reader)
    reader.close()
    engine.change(execution_id, status="completed", output="Half of it")
    waiting.join(20)
    assert (shown, waiting.is_alive()) == ("Half", False)


def test_a_reader_that_is_too_slow_gets_what_it_missed_from_the_row(engine, telling, monkeypatch):
    monkeypatch.setattr(relay, "MOST_UNREAD", 2)
    execution_id = engine.submit()
    publisher = telling(execution_id)
    reader = follow(execution_id)
    events = [parsed(next(reader))]
    publisher.attempt(1)
    publishing.flush(10)
    events.append(parsed(next(reader)))
    for word in ("one ", "two ", "three ", "four "):
        publisher.delta(word)
        publishing.flush(10)
        time.sleep(0.1)  # until it was read of Redis
    engine.change(execution_id, status="completed", output="one two three four ")
    publisher.done("completed")
    events += [parsed(text) for text in reader if not text.startswith(":")]
    assert text_of(events) == "one two three four "
    assert events[-1][1]["status"] == "completed"


def test_a_deleted_execution_ends_its_readers(stage):
    assert read("0" * 32)[-1][:2] == ("done", {"status": "deleted"})


def test_a_retry_is_told_as_a_status(engine, provider):
    engine.credential("first")
    provider.on("first", refuses(500), says())
    execution_id = engine.submit()
    engine.finish(execution_id)
    publishing.flush(10)
    statuses = [data["status"] for name, data, _ in read(execution_id) if name == "status"]
    assert statuses[1:] == ["processing", "pending", "processing"]


def test_a_reader_who_may_no_longer_look_is_sent_away(engine, monkeypatch):
    monkeypatch.setattr(relay, "CHECK_SECONDS", 0.0)
    execution_id = engine.submit()
    asked = []

    def allowed():
        asked.append(1)
        return len(asked) < 2

    events = read(execution_id, allowed=allowed)
    assert [name for name, _, _ in events] == ["status"]
    assert len(asked) == 2


def test_a_quiet_stream_sends_heartbeats_so_that_a_lost_reader_is_noticed(engine, monkeypatch):
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.01)
    reader = follow(engine.submit())
    next(reader)
    assert next(reader).startswith(":")
    reader.close()


def test_shutdown_and_old_age_end_a_stream(engine, monkeypatch):
    execution_id = engine.submit()
    stream.closing.set()
    assert [name for name, _, _ in read(execution_id)] == ["status"]
    stream.closing.clear()
    monkeypatch.setattr(stream, "MAX_SECONDS", 0.0)
    assert [name for name, _, _ in read(execution_id)] == ["status"]


def test_above_the_cap_a_reader_polls_and_a_closed_stream_makes_room(engine, monkeypatch):
    execution_id = engine.submit()
    monkeypatch.setattr(stream, "_slots", threading.BoundedSemaphore(2))
    first, second = follow(execution_id), follow(execution_id)
    assert follow(execution_id) is None
    first.close()  # never read: its client was gone before the first byte
    first.close()
    third = follow(execution_id)
    assert third is not None
    next(second)
    second.close()
    third.close()


def test_events_are_encoded_as_one_line_of_json_each():
    text = as_json(Event("delta", {"text": "a\nb\r\n\u2028 é"}, "1-0.1.4"))
    assert text.count("\n") == 4
    assert parsed(text) == ("delta", {"text": "a\nb\r\n\u2028 é"}, "1-0.1.4")


def test_a_stream_in_redis_is_bounded_and_expires(ended, telling):
    client = redis()
    assert 0 < client.ttl(key_of(ended)) <= publishing.ENDED_SECONDS
    publisher = telling("f" * 32)
    publisher.delta("x")
    publishing.flush(10)
    assert publishing.ENDED_SECONDS < client.ttl(key_of("f" * 32)) <= publishing.LIVE_SECONDS


def test_many_small_pieces_are_written_in_few_entries(stage, telling):
    publisher = telling("e" * 32)
    publisher.attempt(1)
    for letter in "many small pieces " * 200:
        publisher.delta(letter)
    publishing.flush(10)
    entries = relay.Relay(stage, redis()).history("e" * 32, relay.FIRST)
    assert len(entries) < 500
    deltas = [entry.data for entry in entries if entry.name == "delta"]
    assert "".join(delta["text"] for delta in deltas) == "many small pieces " * 200
    assert [delta["at"] for delta in deltas] == [
        sum(len(delta["text"]) for delta in deltas[:number]) for number in range(len(deltas))
    ]


def test_what_redis_does_not_take_is_written_when_it_is_back(stage, telling, redis_url):
    class Sometimes(Redis):
        refuse = 1

        def pipeline(self, *arguments, **more):
            if Sometimes.refuse:
                Sometimes.refuse -= 1
                raise ConnectionError_("away")
            return super().pipeline(*arguments, **more)

    from redis.exceptions import ConnectionError as ConnectionError_

    client = Sometimes.from_url(redis_url)
    publisher = telling("d" * 32, client)
    publisher.attempt(1)
    publisher.delta("kept ")
    publisher.delta("for later")
    assert publishing.flush(10)
    entries = client.xrange(key_of("d" * 32))
    assert [fields[b"event"] for _, fields in entries] == [b"attempt", b"delta"]
    client.close()


def test_a_page_that_streamed_hears_of_the_pause_between_two_rounds_and_of_the_end(engine, provider, sign_in):
    engine.credential("first")
    provider.on("first", breaks_off("Half an ans"), says("All of it."))
    execution_id = engine.submit()
    bob, page = sign_in("bob"), f"/w/acme/executions/{execution_id}"
    assert engine.run(execution_id).status == "pending"
    publishing.flush(10)
    heard = follow(execution_id, encode=_StreamHtml(1))
    shown = ""
    while "event: paused" not in shown:
        shown += next(heard)
    heard.close()
    assert "data: Half an ans" in shown
    live = bob.get(f"{page}/_live").get_data(as_text=True)
    assert "Retrying" in live
    assert re.search(r'hx-trigger="every (1s|250ms)"', live)
    assert "_stream" not in live
    engine.run(execution_id)
    publishing.flush(10)
    last = re.findall("id: (.*)", shown)[-1]
    rest = bob.get(f"{page}/_stream?attempt=1", headers={"Last-Event-ID": last}).get_data(as_text=True)
    assert re.findall("event: (.*)|data: (All of it.)", rest) == [("attempt", ""), ("", "All of it."), ("done", "")]


def test_where_too_many_read_a_page_asks_every_second_instead_of_streaming(engine, sign_in, monkeypatch):
    execution_id = engine.submit()
    engine.change(execution_id, status="processing")
    bob, page = sign_in("bob"), f"/w/acme/executions/{execution_id}"
    assert "_stream?" in bob.get(page).get_data(as_text=True)
    monkeypatch.setattr(stream, "_slots", threading.BoundedSemaphore(1))
    stream._slots.acquire()
    shown = bob.get(page).get_data(as_text=True)
    assert "_stream?" not in shown
    assert 'hx-trigger="every 1s"' in shown


def test_of_a_very_long_answer_readers_are_told_the_beginning_and_find_the_rest_in_the_row(engine, telling, ended):
    client = redis()
    client.delete(key_of(ended))
    told = telling(ended)
    told.attempt(1)
    for _ in range(4):
        told.delta("x" * (publishing.MOST_TOLD // 2))
    told.done("completed")
    publishing.flush(10)
    texts = [entry.data.get("text", "") for entry in relay.Relay(engine.app, client).history(ended, relay.FIRST)]
    assert sum(map(len, texts)) == publishing.MOST_TOLD
    assert text_of(read(ended)) == engine.row(ended).output


def test_readers_go_on_with_a_new_key_where_the_old_one_was_given_up(stage, team, telling):
    readers = relay.Relay(stage, redis())

    def shown(after):
        assert publishing.flush(10)
        entries = readers.history("c" * 32, after)
        return entries[-1].id, [entry.data["text"] for entry in entries if entry.name == "delta"]

    telling("c" * 32).delta("one")
    last, texts = shown(relay.FIRST)
    assert texts == ["one"]
    db.session.execute(sa.update(Workspace).where(Workspace.id == team.acme_id).values(data_key=None))
    db.session.commit()
    telling("c" * 32).delta("two")
    assert shown(last)[1] == ["two"]
