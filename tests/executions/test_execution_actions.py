"""What people ask for becomes rows, or an error that names the field."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from redis import Redis
from scripted_provider import refuses, says

from aiapp import queue
from aiapp.columns import now
from aiapp.credentials import actions as credentials
from aiapp.errors import Conflict, Denied, InvalidInput, NotFound
from aiapp.executions import actions, cancelling
from aiapp.executions.actions import Filters, Submission
from aiapp.executions.lists import filters
from aiapp.executions.models import Execution
from aiapp.extensions import db
from aiapp.feedback import actions as feedback
from aiapp.prompt_templates import actions as prompt_templates
from aiapp.prompt_templates.models import PromptVersion


@pytest.fixture
def bob(engine):
    return engine.team.access("bob")


@pytest.fixture
def vera(engine):
    return engine.team.access("vera")


@pytest.fixture
def greeting(engine, bob):
    """A published prompt template with one variable, and its draft number 2."""
    template = prompt_templates.create(
        bob,
        {
            "name": "Greeting",
            "system": "Be kind.",
            "body": "Greet {{name}}.",
            "messages": [{"role": "user", "content": "Greet Ann."}, {"role": "assistant", "content": "Hello Ann!"}],
            "model": "large",
            "temperature": 0.3,
            "max_tokens": 50,
        },
    )
    first = db.session.scalars(sa.select(PromptVersion)).one()
    prompt_templates.publish(bob, first, "first")
    prompt_templates.new_draft(bob, first, "second", {"body": "Greet {{name}} loudly."})
    return template.slug


def fields(call) -> dict[str, str]:
    with pytest.raises(InvalidInput) as refused:
        call()
    db.session.rollback()
    return {error["field"]: error["message"] for error in refused.value.errors}


def row(access, execution_id) -> Execution:
    return access.get(Execution, execution_id)


def test_a_submission_is_stored_rendered_and_delivered(engine, bob, greeting):
    execution = actions.submit(bob, Submission(prompt_template=greeting, context={"name": "Zoë"}, priority="high"))
    assert (execution.status, execution.source, execution.priority) == ("pending", "page", "high")
    assert (execution.system, execution.body) == ("Be kind.", "Greet Zoë.")
    assert [message["role"] for message in execution.messages] == ["user", "assistant"]
    assert (execution.requested_model, execution.temperature, execution.max_tokens) == ("large", 0.3, 50)
    assert (execution.user_id, execution.workspace_id) == (bob.user.id, bob.workspace.id)
    assert execution.prompt_version.number == 1
    assert execution.id in queue.waiting()
    assert queue.depth() == {"high": 1, "default": 0, "low": 0}


def test_the_run_overrides_the_version(engine, bob, greeting):
    execution = actions.submit(
        bob,
        Submission(prompt_template=greeting, context={"name": "A"}, provider="ollama", model="tiny", temperature=1.5),
    )
    assert (execution.requested_provider, execution.requested_model) == ("ollama", "tiny")
    assert (execution.temperature, execution.max_tokens) == (1.5, 50)


def test_a_versions_model_is_not_sent_to_another_provider(engine, bob, greeting):
    version = db.session.scalars(sa.select(PromptVersion).where(PromptVersion.number == 2)).one()
    prompt_templates.save_draft(bob, version, {"provider": "openai"}, version.lock_version)
    plain = actions.submit(bob, Submission(prompt_template=greeting, version=2, context={"name": "A"}))
    assert (plain.requested_provider, plain.requested_model) == ("openai", "large")
    other = actions.submit(
        bob, Submission(prompt_template=greeting, version=2, context={"name": "A"}, provider="anthropic")
    )
    assert (other.requested_provider, other.requested_model) == ("anthropic", None)
    pinned = engine.credential("first")
    elsewhere = actions.submit(
        engine.team.access("bob"),
        Submission(prompt_template=greeting, version=2, context={"name": "A"}, credential_id=pinned),
    )
    assert (elsewhere.requested_provider, elsewhere.requested_credential_id) == (None, pinned)
    assert elsewhere.requested_model is None


def test_missing_and_wrong_variables_are_named(engine, bob, greeting):
    assert fields(lambda: actions.submit(bob, Submission(prompt_template=greeting))) == {
        "context.name": "This variable needs a value."
    }
    assert "context.a" in fields(lambda: actions.submit(bob, Submission(template="{{a}} {{b}}", context={"b": 1})))


def test_every_mistake_is_named_by_its_field(engine, bob):
    found = fields(
        lambda: actions.submit(
            bob,
            Submission(
                template="x",
                format="pdf",
                provider="acme-ai",
                temperature=9.0,
                max_tokens=0,
                priority="urgent",
                system="\x00",
                model="m" * 201,
            ),
        )
    )
    assert set(found) == {"format", "provider", "temperature", "max_tokens", "priority", "system", "model"}


@pytest.mark.parametrize(
    "submission",
    [
        Submission(),
        Submission(template="x", prompt_template="y"),
        Submission(template="   "),
        Submission(template="x" * (2**20 + 1)),
        Submission(template="\ud800"),
    ],
)
def test_a_text_that_is_none_is_refused(engine, bob, submission):
    assert "template" in fields(lambda: actions.submit(bob, submission))


@pytest.mark.parametrize(
    "given",
    [
        {"a": "\x00"},
        {"a": {"b": ["\ud800"]}},
        {"\x00": 1},
        {"a": float("nan")},
        {"a": "x" * 2**21},
        {"a": {1, 2}},
        [],
    ],
)
def test_a_context_that_no_database_takes_is_refused(engine, bob, given):
    found = fields(lambda: actions.submit(bob, Submission(template="{{a}}", context=given)))
    assert all(field.startswith("context") for field in found)


def test_a_deep_context_is_refused(engine, bob):
    deep: dict = {}
    for _ in range(100):
        deep = {"a": deep}
    assert "context.a" in fields(lambda: actions.submit(bob, Submission(template="{{a}}", context=deep)))


def test_a_prompt_that_grows_without_end_is_refused(engine, bob):
    many = Submission(template="{{a}}" * 100_000, context={"a": "x" * 1_000_000})
    assert "context" in fields(lambda: actions.submit(bob, many))


def test_hostile_templates_are_text(engine, bob, provider):
    engine.credential("first")
    hostile = "{{7*7}} {% for x in y %} {{ config }} ${jndi:ldap://x} {0.__class__}"
    row = engine.run(engine.submit(hostile + "{{v}}", context={"v": "{{w}}"}))
    assert provider.calls[0].prompt == hostile + "{{w}}"
    assert row.status == "completed"


def test_a_foreign_credential_is_as_unknown_as_one_that_does_not_exist(engine, bob):
    foreign = engine.credential("theirs", by="charlie")
    for credential_id in (foreign, "0" * 32, "nonsense", "\x00"):
        with pytest.raises(NotFound):
            actions.submit(engine.team.access("bob"), Submission(template="x", credential_id=credential_id))


def test_a_credential_that_is_off_or_of_another_provider_is_refused(engine):
    off = engine.credential("first", active=False)
    bob = engine.team.access("bob")
    assert "credential_id" in fields(lambda: actions.submit(bob, Submission(template="x", credential_id=off)))
    on = engine.credential("second")
    bob = engine.team.access("bob")
    mixed = Submission(template="x", credential_id=on, provider="openai")
    assert "credential_id" in fields(lambda: actions.submit(bob, mixed))


def test_a_foreign_prompt_template_is_unknown(engine, greeting):
    charlie = engine.team.access("charlie")
    with pytest.raises(NotFound):
        actions.submit(charlie, Submission(prompt_template=greeting, context={"name": "A"}))


@pytest.mark.parametrize(("slug", "version"), [("greeting", 0), ("greeting", 2**40), ("no-such", None), ("\x00", None)])
def test_an_unknown_version_is_not_found_whatever_it_is_called(bob, greeting, slug, version):
    with pytest.raises(NotFound):
        actions.submit(bob, Submission(prompt_template=slug, version=version, context={"name": "A"}))


def test_a_viewer_runs_the_published_version_and_nothing_else(engine, vera, greeting):
    assert actions.submit(vera, Submission(prompt_template=greeting, context={"name": "A"})).status == "pending"
    with pytest.raises(Denied):
        actions.submit(vera, Submission(prompt_template=greeting, version=2, context={"name": "A"}))
    with pytest.raises(Denied):
        actions.submit(vera, Submission(template="anything"))


def test_a_submission_is_stored_although_redis_is_away(engine, bob, stage, monkeypatch):
    away = Redis.from_url("unix:///nowhere/redis.sock", socket_connect_timeout=1)
    monkeypatch.setitem(stage.extensions, "aiapp.redis", away)
    execution = actions.submit(bob, Submission(template="x"))
    assert row(bob, execution.id).status == "pending"


def test_a_rerun_asks_the_same_even_where_the_draft_has_changed(engine, bob, greeting, provider):
    engine.credential("first")
    bob = engine.team.access("bob")
    parent = actions.submit(bob, Submission(prompt_template=greeting, version=2, context={"name": "A"}))
    version = parent.prompt_version
    prompt_templates.save_draft(bob, version, {"body": "Something else."}, version.lock_version)
    again = actions.rerun(bob, parent)
    assert (again.parent_id, again.body, again.prompt_version_id) == (parent.id, "Greet A loudly.", version.id)
    assert again.id != parent.id
    db.session.remove()
    assert engine.run(again.id).status == "completed"


def test_what_ends_without_an_answer_names_whom_it_asked_last(engine, bob, provider):
    credential_id = engine.credential("first")
    provider.on("first", refuses(503, "away"))
    cancelled = engine.run(engine.submit())
    assert (cancelled.status, cancelled.model) == ("pending", None)
    actions.cancel(bob, db.session.get(Execution, cancelled.id))
    credentials.set_active(engine.team.access("alice"), credential_id, False)
    unanswerable = engine.run(engine.submit())
    assert (unanswerable.status, unanswerable.model) == ("failed", None)
    row = engine.row(cancelled.id)
    assert (row.status, row.provider, row.model) == ("cancelled", "openai_compatible", "small")
    assert (row.credential_id, row.credential_name) == (credential_id, "first")


def test_a_round_that_finds_nobody_left_names_whom_the_one_before_asked(engine, bob, provider):
    credential_id = engine.credential("first")
    provider.on("first", refuses(503, "away"))
    execution_id = engine.submit()
    engine.run(execution_id)
    credentials.set_active(engine.team.access("alice"), credential_id, False)
    row = engine.run(execution_id)
    assert (row.status, row.error_class, row.model) == ("failed", "no_credential", "small")


def test_regenerate_leaves_out_the_values_that_the_other_version_does_not_take(engine, bob, greeting):
    parent = actions.submit(
        bob, Submission(prompt_template=greeting, context={"name": "A", "gone": 1}, source="preview")
    )
    assert parent.context == {"name": "A", "gone": 1}
    assert actions.regenerate(bob, parent, {"version": 2}).context == {"name": "A"}
    assert fields(lambda: actions.regenerate(bob, parent, {"context": {"name": "B", "gone": 1}})) == {
        "context.gone": "No variable is called gone."
    }


def test_regenerate_fills_the_prompt_anew_with_another_context_or_version(engine, bob, greeting):
    parent = actions.submit(bob, Submission(prompt_template=greeting, context={"name": "A"}))
    other = actions.regenerate(bob, parent, {"context": {"name": "B"}})
    assert (other.body, other.context, other.parent_id) == ("Greet B.", {"name": "B"}, parent.id)
    loud = actions.regenerate(bob, parent, {"version": 2})
    assert (loud.body, loud.prompt_version.number) == ("Greet A loudly.", 2)


def test_regenerate_with_another_provider_lets_go_of_the_pin_and_the_model(engine, greeting):
    pinned = engine.credential("first")
    bob = engine.team.access("bob")
    parent = actions.submit(
        bob, Submission(prompt_template=greeting, context={"name": "A"}, credential_id=pinned, model="mine")
    )
    other = actions.regenerate(bob, parent, {"provider": "openai", "temperature": 0.0})
    assert (other.requested_provider, other.requested_credential_id) == ("openai", None)
    assert (other.temperature, other.body) == (0.0, "Greet A.")
    assert actions.regenerate(bob, parent, {"model": "bigger"}).requested_credential_id == pinned


def test_regenerate_of_a_text_keeps_it_and_its_system_part(engine, bob):
    parent = actions.submit(bob, Submission(template="Hi {{a}}", system="You are {{a}}", context={"a": "one"}))
    other = actions.regenerate(bob, parent, {"context": {"a": "two"}})
    assert (other.body, other.system, other.template) == ("Hi two", "You are two", "Hi {{a}}")


def test_regenerate_refuses_what_cannot_be_changed_and_what_is_gone(engine, bob, greeting):
    parent = actions.submit(bob, Submission(prompt_template=greeting, context={"name": "A"}))
    assert set(fields(lambda: actions.regenerate(bob, parent, {"status": "completed"}))) == {"status"}
    parent = row(bob, parent.id)
    prompt_templates.delete(bob, parent.prompt_template)
    db.session.expire_all()
    parent = row(engine.team.access("bob"), parent.id)
    bob = engine.team.access("bob")
    with pytest.raises(Conflict) as gone:
        actions.regenerate(bob, parent, {"context": {"name": "B"}})
    assert gone.value.code == "gone"
    assert actions.rerun(bob, parent).body == "Greet A."


def test_a_viewer_repeats_only_what_a_viewer_may_run(engine, bob, greeting):
    parent = actions.submit(bob, Submission(prompt_template=greeting, context={"name": "A"}))
    draft = actions.submit(bob, Submission(prompt_template=greeting, version=2, context={"name": "A"}))
    text = actions.submit(bob, Submission(template="free"))
    vera = engine.team.access("vera")
    assert actions.rerun(vera, row(vera, parent.id)).parent_id == parent.id
    for denied in (draft, text):
        with pytest.raises(Denied):
            actions.rerun(vera, row(vera, denied.id))
        with pytest.raises(Denied):
            actions.regenerate(vera, row(vera, denied.id), {"model": "x"})


def test_a_waiting_execution_is_cancelled_at_once_and_stays_so(engine, bob):
    execution_id = engine.submit()
    bob = engine.team.access("bob")
    ended = actions.cancel(bob, row(bob, execution_id))
    assert (ended.status, ended.error_class) == ("cancelled", "cancelled")
    assert ended.completed_at is not None
    assert actions.cancel(bob, ended).status == "cancelled"
    db.session.remove()
    assert engine.run(execution_id).status == "cancelled"


def test_an_execution_between_two_rounds_is_cancelled_with_what_it_has_used(engine, provider, sign_in):
    engine.credential("first")
    provider.on("first", refuses(500))
    execution_id = engine.submit()
    engine.run(execution_id)
    bob = engine.team.access("bob")
    ended = actions.cancel(bob, row(bob, execution_id))
    assert (ended.status, ended.next_attempt_at, len(ended.attempts)) == ("cancelled", None, 1)
    assert ended.error_message == f"Cancelled by {bob.user.name}."
    page = sign_in("bob").get(f"/w/acme/executions/{execution_id}").get_data(as_text=True)
    assert "round 2 of" not in page, "no round follows"


def test_an_execution_of_a_lost_worker_is_cancelled_without_waiting_for_another(engine):
    execution_id = engine.submit()
    engine.change(execution_id, status="processing", lease_owner="gone", lease_until=now() - timedelta(seconds=1))
    bob = engine.team.access("bob")
    ended = actions.cancel(bob, row(bob, execution_id))
    assert (ended.status, ended.lease_owner) == ("cancelled", None)


def test_what_has_ended_cannot_be_cancelled(engine):
    engine.credential("first")
    execution_id = engine.submit()
    engine.run(execution_id)
    bob = engine.team.access("bob")
    with pytest.raises(Conflict) as refused:
        actions.cancel(bob, row(bob, execution_id))
    assert refused.value.code == "finished"
    assert row(bob, execution_id).status == "completed"


def test_a_cancel_that_meets_a_worker_putting_the_row_back_is_not_lost(engine, monkeypatch):
    execution_id = engine.submit()
    future = now() + timedelta(seconds=60)
    engine.change(execution_id, status="processing", lease_owner="there", lease_until=future)
    real = cancelling.end_unworked

    def put_back_meanwhile(row_id, how):
        ended = real(row_id, how)
        monkeypatch.setattr(cancelling, "end_unworked", real)
        db.session.execute(sa.update(Execution).values(status="pending", lease_owner=None, lease_until=None))
        return ended

    monkeypatch.setattr(cancelling, "end_unworked", put_back_meanwhile)
    bob = engine.team.access("bob")
    assert actions.cancel(bob, row(bob, execution_id)).status == "cancelled"


def test_a_viewer_cancels_only_what_is_theirs(engine, vera, greeting):
    mine = actions.submit(vera, Submission(prompt_template=greeting, context={"name": "A"}))
    theirs = engine.submit()
    vera = engine.team.access("vera")
    with pytest.raises(Denied):
        actions.cancel(vera, row(vera, theirs))
    assert actions.cancel(vera, row(vera, mine.id)).status == "cancelled"


def test_waiting_returns_when_it_has_ended_or_the_time_is_up(engine, in_thread):
    engine.credential("first")
    execution_id = engine.submit()
    assert actions.wait(execution_id, 0.1).status == "pending"
    assert db.engine.pool.checkedout() <= 1
    db.session.remove()
    in_thread(engine.run, execution_id)
    assert actions.wait(execution_id, 30).status == "completed"
    assert actions.wait("0" * 32, 1) is None


def test_the_list_is_paged_newest_first_and_stays_in_the_workspace(engine):
    ids = [engine.submit(f"number {number}") for number in range(5)]
    engine.submit("theirs", by="charlie")
    bob = engine.team.access("bob")
    seen, cursor = [], None
    while True:
        page = actions.list_executions(bob, cursor=cursor, limit=2)
        seen.extend(execution.id for execution in page.rows)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == ids[::-1]
    assert "cursor" in fields(lambda: actions.list_executions(bob, cursor="drop table"))


def test_the_list_is_filtered(engine, provider, greeting):
    engine.credential("first")
    done = engine.submit("find the needle here")
    engine.run(done)
    waiting = engine.submit("hay", by="adam")
    named = engine.submit(prompt_template=greeting, context={"name": "A"})
    bob = engine.team.access("bob")
    adam = engine.team.access("adam")

    def ids(**filters):
        return [execution.id for execution in actions.list_executions(bob, Filters(**filters)).rows]

    everything = [named, waiting, done]
    assert ids() == everything
    assert ids(status="completed") == [done]
    assert ids(provider="openai_compatible", model="small") == [done]
    assert ids(provider="openai") == []
    assert ids(template=greeting) == [named]
    assert ids(template="unknown") == []
    assert ids(user=adam.user.id) == [waiting]
    assert ids(mine=True) == [named, done]
    assert ids(q="NEEDLE") == [done]
    assert ids(q="Hello there") == [done]
    assert ids(q="100%") == []
    assert ids(q="\x00") == ids(template="\ud800") == []
    assert ids(q=done[-8:]) == [done]
    assert ids(since=now() - timedelta(minutes=5)) == everything
    assert ids(since=now() + timedelta(minutes=5)) == []
    assert ids(until=now() - timedelta(minutes=5)) == []
    assert ids(feedback="none") == everything
    assert ids(feedback="any") == []
    feedback.rate(bob, row(bob, done), "down", "meh")
    assert (ids(feedback="down"), ids(feedback="any"), ids(feedback="up")) == ([done], [done], [])
    assert "feedback" in fields(lambda: ids(feedback="sideways"))


def test_a_list_without_texts_reads_none(engine):
    engine.submit("x" * 1000)
    bob = engine.team.access("bob")
    (found,) = actions.list_executions(bob, texts=False).rows
    assert "body" in sa.inspect(found).unloaded
    assert found.body == "x" * 1000


def test_a_search_looks_only_at_the_newest(engine, monkeypatch):
    old = engine.submit("needle")
    for number in range(3):
        engine.submit(f"hay {number}")
    monkeypatch.setattr(filters, "SEARCHED", 3)
    bob = engine.team.access("bob")
    assert actions.list_executions(bob, Filters(q="needle")).rows == []
    monkeypatch.setattr(filters, "SEARCHED", 4)
    assert [found.id for found in actions.list_executions(bob, Filters(q="needle")).rows] == [old]


def test_the_end_is_estimated_from_what_was_and_unknown_before_that(engine, provider):
    engine.credential("first")
    first = engine.submit()
    bob = engine.team.access("bob")
    assert actions.estimated_completion(row(bob, first)) is None
    engine.run(first)
    engine.change(first, started_at=now() - timedelta(seconds=10), completed_at=now())
    waiting = [engine.submit() for _ in range(3)]
    bob = engine.team.access("bob")
    one = actions.estimated_completion(row(bob, waiting[0]))
    three = actions.estimated_completion(row(bob, waiting[2]))
    assert timedelta(seconds=5) < one - now() < timedelta(seconds=15)
    assert timedelta(seconds=25) < three - now() < timedelta(seconds=35)


def test_a_token_names_itself(engine, bob):
    execution = actions.submit(replace(bob, token_name="ci"), Submission(template="x", source="api"))
    assert (execution.token_name, execution.source) == ("ci", "api")


@pytest.mark.long
def test_two_workspaces_with_the_same_provider_and_model_never_mix(engine, provider, in_thread):
    """200 interleaved runs: each key only with its own prompts (PROMISES 13)."""
    provider.default = says(lambda call: f"to {call.prompt}")
    engine.credential("key-of-acme")
    engine.credential("key-of-rival", by="charlie")
    ids = {}
    for number in range(100):
        ids[engine.submit(f"acme {number}")] = f"to acme {number}"
        ids[engine.submit(f"rival {number}", by="charlie")] = f"to rival {number}"
    lots = [list(ids)[start::8] for start in range(8)]

    def work(lot):
        for execution_id in lot:
            engine.run(execution_id)

    for thread in [in_thread(work, lot) for lot in lots]:
        thread.join(60)
    assert all(call.key == f"key-of-{call.prompt.split()[0]}" for call in provider.calls)
    assert provider.count() == {"key-of-acme": 100, "key-of-rival": 100}
    assert {execution_id: engine.row(execution_id).output for execution_id in ids} == ids


def test_a_credential_that_is_deleted_before_its_turn_is_not_used(engine, provider):
    pinned = engine.credential("first")
    execution_id = engine.submit(credential_id=pinned)
    credentials.delete(engine.team.access("alice"), pinned)
    db.session.remove()
    ended = engine.run(execution_id)
    assert (ended.status, ended.error_class, provider.calls) == ("failed", "no_credential", [])
