"""The engine from a submitted row to its end: in process, against a real HTTP provider and a real database."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from redis import Redis
from scripted_provider import breaks_off, refuses, says
from worker_process import eventually

from aiapp import queue
from aiapp.columns import now
from aiapp.credentials import actions as credentials
from aiapp.credentials.models import Credential
from aiapp.executions import actions, jobs
from aiapp.executions.running import endings, leases, noting, states
from aiapp.executions.streaming import publishing
from aiapp.extensions import db


def test_an_execution_is_answered_and_everything_about_it_is_written_down(engine, provider):
    credential_id = engine.credential("first")
    provider.on("first", says("It is up.", usage=(20, 4)))
    execution_id = engine.submit("What is {{what}}?", context={"what": "up"}, system="Be brief.")
    row = engine.run(execution_id)
    assert (row.status, row.output, row.partial, row.finish) == ("completed", "It is up.", False, "stop")
    assert (row.input_tokens, row.output_tokens, row.cost) == (20, 4, None)
    assert (row.provider, row.model, row.credential_id, row.credential_name) == (
        "openai_compatible",
        "small",
        credential_id,
        "first",
    )
    assert (row.lease_owner, row.lease_until, row.next_attempt_at, row.error_class) == (None, None, None, None)
    assert row.created_at <= row.started_at <= row.completed_at
    (attempt,) = row.attempts
    assert (attempt.number, attempt.status, attempt.http_status) == (1, "completed", 200)
    assert (attempt.reason, attempt.next_reason) == ("Default credential", "It answered.")
    assert attempt.duration_ms >= attempt.first_token_ms
    (call,) = provider.calls
    assert call.body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is up?"},
    ]
    assert db.session.get(Credential, credential_id).last_used_at is not None


def test_a_mistyped_model_is_answered_by_no_other_and_the_end_names_it(engine, provider):
    engine.credential("demo", provider="demo", api_key="", base_url="", preferred_model=None)
    engine.credential("first")
    provider.on("first", refuses(503, "away"))
    row = engine.finish(engine.submit(model="no-such-model-xyz"))
    assert {call.body["model"] for call in provider.calls} == {"no-such-model-xyz"}
    assert (row.status, row.error_class, row.model) == ("failed", "model_not_found", "no-such-model-xyz")
    assert "no-such-model-xyz" in row.error_message
    assert [attempt.error_class for attempt in row.attempts].count("model_not_found") == 1


def test_an_unknown_model_is_not_blamed_where_nobody_asked_for_it(engine, provider):
    engine.credential("demo", provider="demo", api_key="", base_url="", preferred_model="gone")
    engine.credential("first")
    provider.on("first", refuses(503, "away"))
    assert engine.finish(engine.submit()).error_class == "overloaded"


def test_a_failed_credential_falls_back_to_the_next_in_order_and_each_attempt_says_why(engine, provider):
    engine.credential("first")
    engine.credential("second")
    provider.on("first", refuses(401, "bad key"))
    row = engine.run(engine.submit())
    assert row.status == "completed"
    failed, good = row.attempts
    assert (failed.status, failed.error_class, failed.http_status) == ("failed", "auth", 401)
    assert failed.next_reason == "The key was refused; the next credential is tried."
    assert (good.status, good.reason) == ("completed", "Second in the fallback order")
    assert row.credential_name == "second"


def test_a_second_delivery_changes_nothing(engine, provider):
    engine.credential("first")
    execution_id = engine.submit()
    first = engine.run(execution_id)
    again = engine.run(execution_id)
    assert provider.count() == {"first": 1}
    assert (again.completed_at, again.output, len(again.attempts)) == (first.completed_at, first.output, 1)


def test_of_two_deliveries_at_once_one_works_and_the_other_has_nothing_to_do(engine, provider, in_thread):
    engine.credential("first")
    provider.on("first", says(before=provider.hang))
    execution_id = engine.submit()
    worker = in_thread(jobs.run, execution_id)
    assert provider.arrived.wait(10)
    jobs.run(execution_id)
    assert engine.row(execution_id).status == "processing"
    provider.released.set()
    worker.join(20)
    assert engine.row(execution_id).status == "completed"
    assert provider.count() == {"first": 1}


def test_one_500_then_an_answer_takes_two_requests(engine, provider):
    engine.credential("first")
    provider.on("first", refuses(500), says())
    execution_id = engine.submit()
    waiting = engine.run(execution_id)
    assert (waiting.status, waiting.round, waiting.lease_owner) == ("pending", 1, None)
    row = engine.finish(execution_id)
    assert row.status == "completed"
    assert provider.count() == {"first": 2}
    assert [attempt.number for attempt in row.attempts] == [1, 2]
    assert row.attempts[0].next_reason.startswith("The provider had an error; round 2 of 6 in ")
    assert row.attempts[1].reason == "Default credential; round 2 of 6"


def test_a_provider_that_always_fails_is_asked_in_six_rounds_and_the_execution_fails_with_its_error(engine, provider):
    engine.credential("first")
    provider.on("first", refuses(500, "broken"))
    row = engine.finish(engine.submit())
    assert (row.status, row.error_class, row.error_message) == ("failed", "server", "broken")
    assert provider.count() == {"first": 6}
    assert row.attempts[-1].next_reason == "The provider had an error; given up after 6 rounds."
    assert row.completed_at is not None


def test_a_round_asks_the_chain_before_anything_is_retried(engine, provider):
    engine.credential("first")
    engine.credential("second")
    provider.on("first", refuses(500), says("late"))
    provider.on("second", refuses(503), says("later"))
    row = engine.finish(engine.submit())
    assert [call.key for call in provider.calls] == ["first", "second", "first"]
    assert row.output == "late"


@pytest.mark.parametrize("refusal", [refuses(401), refuses(429, code="insufficient_quota"), refuses(403)])
def test_a_refused_key_is_asked_once_and_never_again(engine, provider, refusal):
    engine.credential("first")
    engine.credential("second")
    provider.on("first", refusal)
    provider.on("second", refuses(500), refuses(500), says())
    row = engine.finish(engine.submit())
    assert row.status == "completed"
    assert provider.count() == {"first": 1, "second": 3}


def test_only_refused_keys_fail_at_once_with_the_last_refusal(engine, provider):
    engine.credential("first")
    engine.credential("second")
    provider.on("first", refuses(401))
    provider.on("second", refuses(429, code="insufficient_quota"))
    row = engine.run(engine.submit())
    assert (row.status, row.error_class, row.round) == ("failed", "quota", 0)
    assert provider.count() == {"first": 1, "second": 1}


def test_the_providers_own_delay_is_waited_for(engine, provider):
    engine.credential("first")
    provider.on("first", refuses(429, "slow down", retry_after="40"), says())
    execution_id = engine.submit()
    before = now()
    row = engine.run(execution_id)
    assert row.status == "pending"
    assert row.next_attempt_at >= before + timedelta(seconds=40)
    assert row.attempts[0].retry_after == 40.0
    early = engine.run(execution_id)
    assert (early.status, early.round, provider.count()) == ("pending", 1, {"first": 1})
    engine.change(execution_id, next_attempt_at=now() - timedelta(seconds=1))
    # delivered by somebody whose clock runs ahead: the provider's delay holds nevertheless
    still = engine.run(execution_id)
    assert (still.status, still.round, provider.count()) == ("pending", 1, {"first": 1})
    assert still.next_attempt_at > now() + timedelta(seconds=30)


def test_leases_and_retries_go_by_the_databases_clock_and_not_by_a_workers(engine, provider, monkeypatch):
    engine.credential("first")
    provider.on("first", refuses(503, "no", retry_after="20"))
    real = now
    for module in (jobs, noting):
        monkeypatch.setattr(module, "now", lambda: real() + timedelta(hours=1))
    row = engine.run(engine.submit())
    assert abs(row.next_attempt_at - now()) < timedelta(minutes=5)
    assert abs(row.started_at - now()) < timedelta(minutes=5)
    assert abs(row.attempts[0].started_at - now()) < timedelta(minutes=5)


def test_the_databases_time_can_be_asked_for_some_seconds_later(stage):
    for seconds in (0.0, -90.5, 3600.0):
        asked = db.session.scalar(sa.select(states.database_time(seconds)))
        assert abs(asked - now() - timedelta(seconds=seconds)) < timedelta(seconds=10)


def test_a_delay_of_a_day_gives_that_credential_up(engine, provider):
    engine.credential("first")
    engine.credential("second")
    provider.on("first", refuses(429, "come back tomorrow", retry_after="86400"))
    provider.on("second", refuses(500), says())
    row = engine.finish(engine.submit())
    assert row.status == "completed"
    assert provider.count() == {"first": 1, "second": 2}


def test_a_permanent_error_ends_the_execution_at_once(engine, provider):
    engine.credential("first")
    engine.credential("second")
    provider.on("first", refuses(400, "what is this"))
    row = engine.run(engine.submit())
    assert (row.status, row.error_class) == ("failed", "bad_request")
    assert provider.count() == {"first": 1}


def test_without_a_credential_it_fails_at_once_and_says_what_to_do(engine):
    row = engine.run(engine.submit())
    assert (row.status, row.error_class, row.attempts) == ("failed", "no_credential", [])
    assert "An admin adds one" in row.error_message


def test_a_pinned_credential_is_the_only_one_asked(engine, provider):
    engine.credential("first")
    pinned = engine.credential("second")
    provider.on("second", refuses(401))
    row = engine.run(engine.submit(credential_id=pinned))
    assert row.status == "failed"
    assert provider.count() == {"second": 1}


def test_a_stream_that_breaks_off_keeps_its_text_and_the_answer_comes_whole_from_the_next(engine, provider):
    engine.credential("first")
    engine.credential("second")
    provider.on("first", breaks_off("Half an ans"))
    row = engine.run(engine.submit())
    assert (row.status, row.output, row.partial) == ("completed", "Hello there.", False)
    assert (row.attempts[0].output, row.attempts[1].output) == ("Half an ans", None)
    assert row.attempts[0].error_class == "bad_response"


def test_where_everything_breaks_off_the_longest_text_is_kept_as_partial(engine, provider):
    engine.credential("first")
    engine.credential("second")
    provider.on("first", breaks_off("A longer half of an answer"))
    provider.on("second", breaks_off("Short"))
    row = engine.finish(engine.submit())
    assert (row.status, row.error_class) == ("failed", "bad_response")
    assert (row.output, row.partial) == ("A longer half of an answer", True)
    assert row.output_data is None
    assert row.attempts[0].output is None  # the execution has it now


def test_text_that_no_database_takes_is_made_storable(engine, provider):
    engine.credential("first")
    provider.on("first", says('{"a": "\\u0000 \\ud800"}'))
    row = engine.run(engine.submit(format="json"))
    assert row.status == "completed"
    assert "\x00" not in str(row.output_data)


def test_an_answer_that_is_not_the_json_asked_for_completes_and_says_so(engine, provider):
    engine.credential("first")
    provider.on("first", says("Sorry, I cannot answer in that format."))
    row = engine.run(engine.submit(format="json"))
    assert (row.status, row.valid) == ("completed", False)
    assert row.problems
    assert row.output.startswith("Sorry")


def test_cost_is_summed_over_attempts_and_unknown_stays_unknown(engine, provider):
    engine.credential("first", provider="openai", preferred_model="gpt-4o-mini")
    provider.on("first", says(usage=(1000, 100)))
    row = engine.run(engine.submit())
    assert row.cost == row.attempts[0].cost
    assert row.cost > Decimal(0)
    assert row.attempts[0].prices


def test_a_lost_worker_is_an_attempt_of_its_own_and_another_worker_goes_on(engine, provider):
    engine.credential("first")
    execution_id = engine.submit()
    provider.on("first", says(before=provider.hang), says("Second time."))
    died = threading.Thread(target=_die_in_mid_call, args=(engine, execution_id))
    died.start()
    assert provider.arrived.wait(10)
    engine.change(execution_id, lease_owner="elsewhere:1:gone", lease_until=now() - timedelta(seconds=1))
    leases._held.pop(execution_id)  # as if that thread were of another process
    row = engine.run(execution_id)
    assert (row.status, row.output, row.round) == ("completed", "Second time.", 1)
    provider.released.set()
    died.join(20)
    row = engine.row(execution_id)
    assert (row.status, row.output) == ("completed", "Second time.")
    assert [(one.number, one.status, one.error_class) for one in row.attempts] == [
        (1, "failed", "worker_lost"),
        (2, "completed", None),
    ]


def _die_in_mid_call(engine, execution_id):
    with engine.app.app_context():
        jobs.run(execution_id)


def test_workers_that_are_lost_again_and_again_do_not_make_it_run_for_ever(engine):
    engine.credential("first")
    execution_id = engine.submit()
    engine.change(
        execution_id, status="processing", round=5, lease_owner="gone", lease_until=now() - timedelta(seconds=1)
    )
    row = engine.run(execution_id)
    assert (row.status, row.error_class) == ("failed", "worker_lost")


def test_a_live_lease_of_another_worker_is_respected(engine, provider):
    engine.credential("first")
    execution_id = engine.submit()
    engine.change(execution_id, status="processing", lease_owner="elsewhere", lease_until=now() + timedelta(seconds=30))
    assert engine.run(execution_id).status == "processing"
    assert provider.calls == []


def test_a_result_that_comes_after_the_lease_was_lost_is_thrown_away(engine, provider, in_thread):
    engine.credential("first")
    provider.on("first", says("Too late.", before=provider.hang))
    execution_id = engine.submit()
    worker = in_thread(jobs.run, execution_id)
    assert provider.arrived.wait(10)
    engine.change(execution_id, status="completed", output="Mine.", lease_owner=None)
    provider.released.set()
    worker.join(20)
    assert engine.row(execution_id).output == "Mine."


def test_the_heartbeat_extends_the_lease_of_a_long_call(engine, provider, in_thread, stage, monkeypatch):
    monkeypatch.setitem(
        stage.extensions, "aiapp.settings", replace(stage.extensions["aiapp.settings"], lease_seconds=9.0)
    )
    engine.credential("first")
    provider.on("first", says(before=provider.hang))
    execution_id = engine.submit()
    worker = in_thread(jobs.run, execution_id)
    assert provider.arrived.wait(10)
    first = engine.row(execution_id).lease_until
    assert eventually(lambda: engine.row(execution_id).lease_until > first + timedelta(seconds=1))
    provider.released.set()
    worker.join(20)
    assert engine.row(execution_id).status == "completed"
    assert len(provider.calls) == 1


def test_cancelling_a_running_execution_stops_its_call_and_keeps_what_had_come(engine, provider, in_thread):
    engine.credential("first")
    provider.on("first", says("A long answer here.", before=lambda number: provider.hold(number - 1)))
    execution_id = engine.submit()
    worker = in_thread(jobs.run, execution_id)
    assert provider.arrived.wait(10)
    access = engine.team.access("bob")
    asked = actions.cancel(access, access.get(actions.Execution, execution_id))
    assert asked.status in ("processing", "cancelled")
    db.session.remove()
    worker.join(20)  # the provider still hangs: only the cancel ends this call
    row = engine.row(execution_id)
    assert (row.status, row.error_class) == ("cancelled", "cancelled")
    assert row.error_message == f"Cancelled by {access.user.name}."
    assert row.partial is (row.output is not None)
    assert row.attempts[0].error_class == "cancelled"
    provider.released.set()
    assert engine.run(execution_id).status == "cancelled"


def test_an_answer_that_comes_after_the_cancel_does_not_complete_it(engine, provider, in_thread):
    engine.credential("first")
    provider.on("first", says(before=provider.hang))
    execution_id = engine.submit()
    worker = in_thread(jobs.run, execution_id)
    assert provider.arrived.wait(10)
    engine.change(execution_id, cancel_requested_at=now())
    provider.released.set()
    worker.join(20)
    assert engine.row(execution_id).status == "cancelled"


def test_a_worker_that_lost_its_lease_between_two_attempts_makes_no_further_call(engine, provider):
    engine.credential("first")
    engine.credential("second")
    execution_id = engine.submit()

    def taken_meanwhile(call):
        with engine.app.app_context():
            engine.change(execution_id, lease_owner="elsewhere")
        return refuses(500)(call)

    provider.on("first", taken_meanwhile)
    row = engine.run(execution_id)
    assert (row.status, row.lease_owner) == ("processing", "elsewhere")
    assert provider.count() == {"first": 1}
    assert len(row.attempts) == 1


def test_a_cancel_that_its_worker_did_not_live_to_see_is_done_by_the_next(engine, provider):
    engine.credential("first")
    execution_id = engine.submit()
    past = now() - timedelta(seconds=1)
    engine.change(execution_id, status="processing", lease_owner="gone", lease_until=past, cancel_requested_at=past)
    assert engine.run(execution_id).status == "cancelled"
    assert provider.calls == []


def test_where_only_refused_credentials_are_left_a_retry_ends_with_the_last_error(engine, provider):
    engine.credential("first")
    second = engine.credential("second")
    provider.on("first", refuses(401, "bad key"))
    provider.on("second", refuses(500, "broken"))
    execution_id = engine.submit()
    assert engine.run(execution_id).status == "pending"
    credentials.delete(engine.team.access("alice"), second)
    row = engine.run(execution_id)
    assert (row.status, row.error_class, row.error_message) == ("failed", "server", "broken")
    assert provider.count() == {"first": 1, "second": 1}


def test_shutdown_hands_the_row_back_and_the_round_is_not_used_up(engine, provider, in_thread):
    engine.credential("first")
    provider.on("first", says(before=provider.hang), says())
    execution_id = engine.submit()
    for delivery in queue.queues(engine.app.extensions["aiapp.redis"]):
        delivery.empty()
    worker = in_thread(jobs.run, execution_id)
    assert provider.arrived.wait(10)
    jobs.shutdown.set()
    worker.join(20)  # the provider still hangs
    row = engine.row(execution_id)
    assert (row.status, row.round, row.lease_owner, row.next_attempt_at) == ("pending", 0, None, None)
    assert (row.attempts[0].error_class, row.attempts[0].error_message) == ("worker_lost", "Handed back at shutdown.")
    assert execution_id in queue.waiting()
    assert engine.run(execution_id).status == "pending"  # no new work begins here
    jobs.shutdown.clear()
    assert engine.run(execution_id).status == "completed"


def test_a_mistake_of_ours_costs_a_round_and_not_the_execution(engine, provider, monkeypatch):
    engine.credential("first")
    execution_id = engine.submit()
    real = endings.answer
    with monkeypatch.context() as broken:
        broken.setattr(endings, "answer", lambda *arguments: 1 / 0)
        row = engine.run(execution_id)
    assert (row.status, row.round) == ("pending", 1)
    assert (row.attempts[0].status, row.attempts[0].error_class) == ("failed", "worker_lost")
    assert endings.answer is real
    assert engine.finish(execution_id).status == "completed"


def test_a_database_that_goes_away_in_mid_call_leaves_the_row_to_its_lease(engine, provider, monkeypatch):
    engine.credential("first")
    execution_id = engine.submit()

    def away(*arguments):
        raise sa.exc.OperationalError("UPDATE", {}, Exception("gone"))

    with monkeypatch.context() as broken:
        broken.setattr(jobs, "_settle", away)
        broken.setattr(jobs, "_PAUSES", (0.0,))
        jobs.run(execution_id)
    row = engine.row(execution_id)
    assert (row.status, row.attempts[0].status) == ("processing", "processing")
    engine.change(execution_id, lease_until=now() - timedelta(seconds=1))
    assert engine.finish(execution_id).status == "completed"


def test_an_answer_waits_for_a_database_that_comes_back(engine, provider, monkeypatch):
    engine.credential("first")
    execution_id = engine.submit()
    real, failures = jobs._settle, iter([True, True, False])

    def sometimes(*arguments):
        if next(failures):
            raise sa.exc.OperationalError("UPDATE", {}, Exception("gone"))
        return real(*arguments)

    monkeypatch.setattr(jobs, "_settle", sometimes)
    monkeypatch.setattr(jobs, "_PAUSES", (0.0, 0.0, 0.0))
    assert engine.run(execution_id).status == "completed"
    assert provider.count() == {"first": 1}


def test_no_database_connection_is_held_while_the_network_is_waited_for(engine, provider, in_thread):
    engine.credential("first")
    provider.on("first", says(before=provider.hang))
    execution_id = engine.submit()
    worker = in_thread(jobs.run, execution_id)
    assert provider.arrived.wait(10)
    leases.shutdown.wait(0.1)
    held = db.engine.pool.checkedout()
    provider.released.set()
    worker.join(20)
    assert held == 0


def test_an_absent_redis_does_not_keep_an_execution_from_its_end(engine, provider, stage, monkeypatch):
    engine.credential("first")
    execution_id = engine.submit()
    monkeypatch.setattr(publishing, "PATIENCE_SECONDS", 0.0)
    away = Redis.from_url("unix:///nowhere/redis.sock", socket_connect_timeout=1)
    monkeypatch.setitem(stage.extensions, "aiapp.redis", away)
    assert engine.run(execution_id).status == "completed"
    assert engine.finish(engine.submit()).status == "completed"
    assert publishing.flush(10)


def test_fifty_executions_in_one_process_are_answered_once_each(engine, provider, in_thread):
    engine.credential("first")
    provider.default = says(lambda call: call.prompt.upper())
    ids = {engine.submit(f"number {number}"): f"NUMBER {number}" for number in range(50)}
    gate = threading.Event()

    def work(execution_id):
        gate.wait(10)
        jobs.run(execution_id)

    workers = [in_thread(work, execution_id) for execution_id in ids for _ in range(2)]  # each is delivered twice
    gate.set()
    for worker in workers:
        worker.join(60)
    rows = {execution_id: engine.row(execution_id) for execution_id in ids}
    assert {execution_id: row.output for execution_id, row in rows.items()} == ids
    assert {len(row.attempts) for row in rows.values()} == {1}
    assert provider.count() == {"first": 50}
