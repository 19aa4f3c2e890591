"""What is kept of how credentials do, and what lists and pages make of it; scheduled checks, which cost nothing."""

from __future__ import annotations

import json
import re
import threading
from base64 import b64encode
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from aiapp import queue
from aiapp.columns import now
from aiapp.credentials import actions, checks, jobs, model_list, ping, schedule, selection
from aiapp.credentials.checks import Day
from aiapp.credentials.health import Verdict, after_call
from aiapp.credentials.models import Credential, CredentialCheck
from aiapp.errors import Conflict, Unavailable
from aiapp.extensions import db, redis
from aiapp.installation.models import ProviderSetting
from aiapp.processes import scheduler

HOME = "/w/acme/credentials"
KEY = "sk-canary-4f9a8b7c6d5e4f3a2b1c9x7Z"
PASSED = {"ok": True, "steps": [{"step": "completion", "ok": True, "ms": 250, "detail": "", "hint": ""}]}


@pytest.fixture
def openai(openai, at_home):
    """OpenAI itself, whose list proves the key."""
    at_home("openai")
    return openai


def kept():
    db.session.expire_all()
    return db.session.scalars(sa.select(CredentialCheck).order_by(CredentialCheck.id)).all()


def look(credential, health, ms=None, ago=timedelta()):
    row = {"workspace_id": credential.workspace_id, "credential_id": credential.id, "source": "test"}
    db.session.add(CredentialCheck(**row, health=health, ms=ms, at=now() - ago))
    db.session.commit()


def state(credential):
    db.session.expire_all()
    return credential.health, credential.health_reason


def test_a_test_is_kept_with_what_it_showed_and_what_the_server_listed(adam, server, openai):
    server.works()
    credential = actions.create(adam, openai)
    ping.check(adam.workspace.id, credential.id)
    (check,) = kept()
    assert (check.source, check.health, check.reason, check.step) == ("test", "healthy", None, None)
    assert check.ms >= 0
    assert credential.models == ["gpt-6-luna", "gpt-6.1-sol"]
    assert credential.models_at is not None
    server.answers["GET /v1/models"] = (401, {})
    ping.check(adam.workspace.id, credential.id)
    assert [(one.health, one.reason, one.step, one.ms) for one in kept()][1:] == [("down", "bad_key", "auth", None)]
    assert credential.models == ["gpt-6-luna", "gpt-6.1-sol"]  # what is known is not forgotten for a refusal


def test_a_scheduled_check_asks_nothing_that_costs(adam, server, openai):
    server.works()
    credential = actions.create(adam, openai)
    jobs.check(credential.id)
    assert [line for line, _, _ in server.seen] == ["GET /v1/models"]
    assert state(credential) == ("healthy", None)
    assert [one.source for one in kept()] == ["schedule"]
    assert credential.last_test is None  # a short test that holds does not hide the last long one
    server.answers["GET /v1/models"] = (401, {})
    jobs.check(credential.id)
    assert state(credential) == ("down", "bad_key")
    assert credential.last_test["error_class"] == "auth"


@pytest.mark.parametrize(
    ("trouble", "taken_back"),
    [
        (("down", "out_of_credit", "completion"), False),
        (("down", "bad_key", "completion"), False),
        (("degraded", "no_json", "json"), False),
        (("down", "bad_key", "auth"), True),
        (("degraded", "rate_limited", "auth"), True),
        (("down", "unreachable", "network"), True),
        (("down", "not_an_api", "models"), True),
    ],
)
def test_a_check_takes_back_what_was_found_where_it_has_passed_now(adam, server, openai, trouble, taken_back):
    server.works()
    credential = actions.create(adam, openai)
    checks.record_test(credential, {"ok": False, "steps": []}, Verdict(*trouble))
    jobs.check(credential.id)
    assert state(credential) == (("healthy", None) if taken_back else trouble[:2])
    assert (kept()[-1].health, kept()[-1].reason) == state(credential)


def test_what_was_never_looked_at_is_healthy_after_a_check(adam, server, openai):
    server.works()
    credential = actions.create(adam, openai)
    jobs.check(credential.id)
    assert state(credential) == ("healthy", None)


def test_a_list_that_anybody_gets_does_not_hide_that_the_key_is_refused(adam, server, openai):
    server.works().answers["POST /v1/chat/completions"] = (401, {"error": {"message": "No."}})
    credential = actions.create(adam, {**openai, "provider": "openai_compatible", "preferred_model": "gpt-6-luna"})
    ping.check(adam.workspace.id, credential.id)
    assert state(credential) == ("down", "bad_key")
    jobs.check(credential.id)
    assert state(credential) == ("down", "bad_key")


def test_a_test_again_and_again_fills_no_table(adam, server, openai):
    server.works()
    credential = actions.create(adam, openai)
    for _ in range(5):
        ping.check(adam.workspace.id, credential.id, "network")
    assert len(kept()) == 1


def test_a_list_of_any_length_is_kept_to_a_bound_and_without_what_tells_of_the_key(adam, server, openai):
    names = [f"model-{number}" for number in range(checks.MOST_MODELS + 50)]
    long = "x" * 170 + KEY  # cut to 200 characters somewhere, it would still hold most of the key
    coded = b64encode(KEY.encode()).decode()
    server.answers["GET /v1/models"] = (
        200,
        {"data": [{"id": name} for name in [KEY[:-2], long, KEY[3:], coded, *names]]},
    )
    credential = actions.create(adam, {**openai, "preferred_model": ""})
    climbed = ping.check(adam.workspace.id, credential.id, "models")
    db.session.expire_all()
    assert credential.models == names[: checks.MOST_MODELS]
    assert KEY[:12] not in str(climbed.as_json())
    server.answers["GET /v1/models"] = (200, {"data": [{"id": coded}, {"id": "plain"}]})
    assert model_list.fetch(adam, credential.id) == ["plain"]


def test_tests_take_only_some_of_a_process_and_of_a_workspace(adam, server, openai, monkeypatch):
    monkeypatch.setattr(ping, "MOST_OF_ONE", 2)
    credential = actions.create(adam, openai)
    with ping.place(adam.workspace.id), ping.place(adam.workspace.id):
        with pytest.raises(Unavailable) as refusal:
            ping.check(adam.workspace.id, credential.id)
        assert (refusal.value.code, refusal.value.retry_after) == ("busy", 5)
        assert "not reachable" not in refusal.value.title
        with ping.place("another"):
            pass
        schedule.ask_tests([credential.id])
        jobs.check(credential.id)  # it comes back later
        jobs.test(credential.id)
    assert server.seen == []
    later = redis().zrange(queue.LATER, 0, -1)
    assert sorted(json.loads(member)[1] for member in later) == [jobs.CHECK, jobs.TEST]
    db.session.expire_all()
    assert credential.test_asked_at is not None
    with ping.place(adam.workspace.id):
        server.works()
        assert ping.check(adam.workspace.id, credential.id).ok


def test_asking_for_models_takes_a_place_as_a_test_does_and_waits_no_longer(adam, server, openai, monkeypatch):
    server.works()
    credential = actions.create(adam, openai)
    with monkeypatch.context() as few:
        few.setattr(ping, "MOST_OF_ONE", 1)
        with ping.place(adam.workspace.id), pytest.raises(Unavailable):
            model_list.fetch(adam, credential.id)
    assert server.seen == []
    monkeypatch.setattr(ping, "FREE_SECONDS", 0.2)
    gone_on = threading.Event()
    server.before = lambda line: gone_on.wait(30) and None
    try:
        with pytest.raises(Conflict):
            model_list.fetch(adam, credential.id)
    finally:
        gone_on.set()
    assert server.seen


def test_a_viewers_token_does_not_read_how_a_test_went(app, team, api, server, openai):
    server.works()
    made = api("adam")("POST", "/credentials", openai).json["id"]
    api("adam")("POST", f"/credentials/{made}/test", {"level": "models"})
    assert api("adam")("GET", f"/credentials/{made}").json["last_test"]["ok"]
    assert api("vera")("GET", f"/credentials/{made}").json["last_test"] is None


@pytest.mark.parametrize(
    ("rung", "answer", "health"),
    [
        ("stream", (200, b"data: {broken\n\n"), ("degraded", "no_stream")),
        ("stream", (402, {}), ("down", "out_of_credit")),
        ("json", (400, {"error": {"message": "no"}}), ("degraded", "no_json")),
        ("json", (429, {}), ("degraded", "rate_limited")),
    ],
)
def test_what_breaks_after_a_completion_is_no_reason_to_call_a_credential_down(
    adam, server, openai, rung, answer, health
):
    server.works().answers["POST /v1/chat/completions"] = server.only(rung, answer)
    credential = actions.create(adam, openai)
    ping.check(adam.workspace.id, credential.id)
    assert state(credential) == health


def test_an_hour_shows_the_worst_of_it_and_a_day_is_told_in_words(adam, openai):
    credential = actions.create(adam, openai)
    for health, ms, minutes in [
        ("healthy", 100, 5),
        ("down", None, 20),
        ("degraded", 900, 70),
        ("healthy", 300, 24 * 60 + 5),
    ]:
        look(credential, health, ms, timedelta(minutes=minutes))
    day = checks.days(adam.workspace.id)[credential.id]
    assert day.hours[-2:] == ("degraded", "down")
    assert set(day.hours[:-2]) == {"unknown"}
    assert day.p95 == 900
    assert day.words == "degraded 1 h, down 1 h, not checked 22 h"
    assert Day().words == "not checked 24 h"


@pytest.mark.parametrize(("took", "p95"), [([], None), ([7], 7), (range(1, 21), 19), (range(1, 101), 95), ([1, 2], 2)])
def test_the_95th_percentile_is_one_of_the_times(took, p95):
    assert checks._p95(list(reversed(took))) == p95


def test_another_workspaces_checks_are_not_shown(adam, charlie, openai):
    credential = actions.create(adam, openai)
    look(credential, "healthy", 5)
    assert checks.days(charlie.workspace.id) == {}
    assert checks.latest(charlie, credential.id) == []


def test_old_checks_are_forgotten(adam, openai):
    credential = actions.create(adam, openai)
    look(credential, "healthy", ago=checks.KEPT + timedelta(hours=1))
    look(credential, "down")
    assert checks.forget_old() == 1
    assert [one.health for one in kept()] == ["down"]


def age(*credentials, hours=2):
    for credential in credentials:
        db.session.execute(
            sa.update(Credential)
            .where(Credential.id == credential.id)
            .values(created_at=now() - timedelta(hours=hours), last_tested_at=None)
        )
    db.session.commit()


def test_what_nobody_looked_at_for_a_while_is_checked_once_however_many_ask(adam, openai):
    old = actions.create(adam, openai)
    new = actions.create(adam, {**openai, "name": "new"})
    off = actions.create(adam, {**openai, "name": "off", "active": False})
    age(old, off)
    assert schedule.ask_due() == 1
    assert schedule.ask_due() == 0
    assert schedule.ask_due(adam.workspace.id) == 0
    assert queue.waiting() == {old.id}
    db.session.expire_all()
    assert new.check_asked_at is None
    assert off.check_asked_at is None


def test_only_the_named_workspaces_credentials_are_asked_for(adam, charlie, openai):
    age(actions.create(adam, openai))
    assert schedule.ask_due(charlie.workspace.id) == 0
    assert schedule.ask_due(adam.workspace.id) == 1


def test_checks_can_be_switched_off(stage, adam, openai):
    age(actions.create(adam, openai))
    stage.extensions["aiapp.settings"] = replace(stage.extensions["aiapp.settings"], health_check_seconds=0.0)
    assert schedule.ask_due() == 0


def test_without_a_queue_a_check_is_skipped_and_asked_for_again_later(stage, adam, openai, monkeypatch):
    old = actions.create(adam, openai)
    age(old)

    def away(*arguments, **more):
        raise schedule.Unavailable("away")

    monkeypatch.setattr(schedule.queue, "enqueue_many", away)
    assert schedule.ask_due() == 1
    monkeypatch.undo()
    later = now() + timedelta(seconds=stage.extensions["aiapp.settings"].health_check_seconds + 1)
    monkeypatch.setattr(schedule, "now", lambda: later)
    assert schedule.ask_due() == 1


def test_a_test_of_all_outlives_the_worker_that_ran_it(app, team, server, openai, api, settings, monkeypatch):
    monkeypatch.setattr(scheduler, "create_app", lambda settings: app)  # one of its own would keep its connections open
    server.works()
    ids = {api("adam")("POST", "/credentials", {**openai, "name": name}).json["id"] for name in "ab"}
    assert api("adam")("POST", "/credentials/test").status_code == 202
    with app.app_context():

        def sweep(after):
            redis().flushall()  # a worker took the deliveries and was killed in the middle; nobody leads
            monkeypatch.setattr(schedule, "now", lambda: now() + after)
            scheduler.make(settings).tick()
            return queue.waiting()

        assert sweep(timedelta(seconds=60)) == set(), "the test may still be running"
        assert sweep(timedelta(seconds=91)) == ids
        assert sweep(timedelta(seconds=100)) == set(), "nor is it begun twice by two sweeps"
        assert sweep(timedelta(seconds=190)) == ids
        monkeypatch.setattr(jobs, "now", lambda: now() + timedelta(seconds=200))
        for one in ids:
            jobs.test(one)
        assert sweep(timedelta(seconds=400)) == set(), "they have ended"
    assert {one["health"] for one in api("adam")("GET", "/credentials").json["data"]} == {"healthy"}


def news_url(page):
    return re.search(r'id="credentials-news"\s+hx-get="([^"]+)"', page)[1].replace("&amp;", "&")


def test_a_change_of_health_reaches_a_list_that_is_open(adam, openai, sign_in):
    credential = actions.create(adam, openai)
    browser = sign_in("vera")
    page = browser.get(HOME).get_data(as_text=True)
    assert "not checked 24 h" in page
    url = news_url(page)
    assert browser.get(url).status_code == 204
    checks.record_test(credential, {"ok": False, "steps": []}, Verdict("down", "bad_key"))
    answer = browser.get(url)
    news = answer.get_data(as_text=True)
    assert answer.headers["Cache-Control"] == "no-store"
    assert f'hx-target="#health-{credential.id}"' in news
    assert "Key refused" in news
    assert browser.get(news_url(news)).status_code == 204


def test_a_list_that_misses_a_row_says_so(adam, openai, sign_in):
    actions.create(adam, openai)
    browser = sign_in("bob")
    url = news_url(browser.get(HOME).get_data(as_text=True))
    actions.create(adam, {**openai, "name": "another"})
    news = browser.get(url).get_data(as_text=True)
    assert "The list has changed" in news
    assert "hx-partial" not in news


def test_opening_the_list_has_what_is_stale_checked(app, team, openai, sign_in):
    with app.app_context():
        credential = actions.create(team.access("adam"), openai)
        age(credential)
    browser = sign_in("vera")
    assert f'hx-post="{HOME}/_stale"' in browser.get(HOME).get_data(as_text=True)
    with app.app_context():
        assert queue.waiting() == set()
    assert browser.swap(f"{HOME}/_stale").status_code == 204
    with app.app_context():
        assert queue.waiting() == {credential.id}


def test_a_credentials_page_lists_its_checks_and_asks_for_newer_ones(adam, openai, sign_in, server):
    credential = actions.create(adam, openai)
    browser = sign_in("adam")
    page = browser.get(f"{HOME}/{credential.id}").get_data(as_text=True)
    assert "Nobody has looked at it yet" in page
    url = f"{HOME}/{credential.id}/_checks?last="
    assert browser.get(url).status_code == 204
    server.answers["GET /v1/models"] = (401, {})
    jobs.check(credential.id)
    shown = browser.get(url).get_data(as_text=True)
    for words in ("Scheduled check, stopped at Authentication", "Key refused", f'hx-target="#health-{credential.id}"'):
        assert words in shown
    assert browser.get(url + kept()[0].id).status_code == 204


def test_the_models_are_asked_for_kept_and_offered(app, team, server, openai, sign_in, api):
    with app.app_context():
        own = actions.create(team.access("adam"), openai).id
    browser = sign_in("adam")
    assert "No list of its models is known yet" in browser.get(f"{HOME}/{own}").get_data(as_text=True)
    assert api("vera")("GET", f"/credentials/{own}/models").json == {"data": [], "listed_at": None}
    server.works()
    shown = browser.swap(f"{HOME}/{own}/_models").get_data(as_text=True)
    assert '<option value="gpt-6.1-sol">' in shown
    assert "2 models listed" in shown
    listed = api("vera")("GET", f"/credentials/{own}/models").json
    assert [one["id"] for one in listed["data"]] == ["gpt-6-luna", "gpt-6.1-sol"]
    assert listed["listed_at"] is not None
    assert '<option value="gpt-6.1-sol">' in browser.get(f"{HOME}/_options").get_data(as_text=True)
    server.answers["GET /v1/models"] = (401, {"error": {"message": f"Bad key {KEY}"}})
    refused = browser.swap(f"{HOME}/{own}/_models")
    assert refused.status_code == 409
    assert KEY not in refused.get_data(as_text=True)
    assert sign_in("bob").swap(f"{HOME}/{own}/_models").status_code == 403


def test_the_form_chooses_models_api_and_version(app, sign_in, server):
    browser = sign_in("adam")
    form = {"provider": "azure", "name": "az", "api_key": KEY, "base_url": server.url, "extra": "", "stream": "1"}
    form |= {"allowed_models": "gpt-6\n\ngpt-5 ", "api": "responses", "api_version": "2024-10-21", "then": "save"}
    assert browser.submit(HOME, form).status_code == 303
    with app.app_context():
        made = db.session.scalars(sa.select(Credential)).one()
        assert made.allowed_models == ["gpt-6", "gpt-5"]
        assert made.settings == {"api": "responses", "api_version": "2024-10-21"}
        page = f"{HOME}/{made.id}"
    shown = browser.get(page).get_data(as_text=True)
    for words in (
        'value="gpt-6" checked',
        'value="gpt-5" checked',
        'value="2024-10-21"',
        '<option value="responses" selected',
    ):
        assert words in shown
    assert browser.submit(page, {**form, "api_key": "", "api": "", "api_version": ""}).status_code == 303
    with app.app_context():
        assert db.session.scalars(sa.select(Credential)).one().settings == {}
    assert "API version" not in browser.get(f"{HOME}/new/openai").get_data(as_text=True)


def test_what_a_free_check_found_is_taken_back_by_the_next_one(adam, server):
    server.works()
    open_list = {"provider": "openai_compatible", "name": "own", "api_key": KEY, "base_url": server.url}
    credential = actions.create(adam, open_list)
    server.answers["GET /v1/models"] = (401, {})
    jobs.check(credential.id)
    assert state(credential) == ("down", "bad_key")
    server.works()
    jobs.check(credential.id)
    assert state(credential) == ("unknown", "unproven"), "a list that anybody may read proves no key"
    ping.check(adam.workspace.id, credential.id)
    jobs.check(credential.id)
    assert state(credential) == ("healthy", None), "what is known is not forgotten"


def test_an_answered_execution_does_not_hide_that_json_is_not_kept_to(adam, server, openai):
    server.works().answers["POST /v1/chat/completions"] = server.only("json", (400, {"error": {"message": "no"}}))
    credential = actions.create(adam, openai)
    ping.check(adam.workspace.id, credential.id)
    checks.record_call(adam.workspace.id, credential.id, after_call(None), now() + timedelta(seconds=5))
    db.session.commit()
    assert state(credential) == ("degraded", "no_json")


def test_what_works_without_a_model_of_its_own_is_not_called_healthy(adam, server, openai):
    server.works()
    values = {**openai, "provider": "openai_compatible"}
    credential = actions.create(adam, values)
    assert ping.check(adam.workspace.id, credential.id).ok
    assert selection.health_of(adam.workspace, credential) == ("degraded", "no_model")
    actions.update(adam, credential.id, {"allowed_models": ["gpt-6-luna"]})
    assert selection.health_of(adam.workspace, credential) == ("healthy", None)


def test_of_a_provider_that_is_not_offered_nothing_is_said_and_nothing_is_left_over(adam, server, openai, sign_in):
    server.works()
    credential = actions.create(adam, openai)
    ping.check(adam.workspace.id, credential.id)
    setting = ProviderSetting(kind="openai", enabled=False)
    db.session.add(setting)
    db.session.execute(sa.update(Credential).values(last_tested_at=now() - timedelta(days=1)))
    db.session.commit()
    assert schedule.ask_due() == 0
    assert not ping.check(adam.workspace.id, credential.id).ok
    assert selection.health_of(adam.workspace, credential) == ("unknown", "not_offered")
    assert "Not offered here" in sign_in("adam").get(HOME).get_data(as_text=True)
    db.session.delete(setting)
    db.session.commit()
    assert selection.health_of(adam.workspace, credential) == state(credential) == ("healthy", None)


def test_a_test_of_a_key_that_was_replaced_meanwhile_says_nothing_of_the_new_one(adam, server, openai, sign_in):
    server.works()
    credential = actions.create(adam, openai)
    form = {"name": openai["name"], "base_url": server.url, "then": "test"}
    once = []

    def replace_key(line):
        if not once:
            once.append(line)
            with sa.create_engine(db.engine.url, poolclass=sa.NullPool).begin() as other:
                other.execute(sa.text("UPDATE credential SET api_key = :key"), {"key": b"another"})

    server.before = replace_key
    browser = sign_in("adam")
    db.session.remove()
    browser.submit(f"{HOME}/{credential.id}", form, headers={"HX-Request": "true"})
    row = db.session.get(Credential, credential.id)
    assert once
    assert row.health == "unknown"
