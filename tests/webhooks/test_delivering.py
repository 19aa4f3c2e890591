"""What is announced arrives, signed; what fails is tried again; two who try at once send once."""

from __future__ import annotations

import json
import threading
import time
from datetime import timedelta

import pytest
import sqlalchemy as sa
from receiver import OK
from redis import Redis
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from aiapp import queue
from aiapp.audit import AuditEvent
from aiapp.columns import now
from aiapp.errors import Unavailable
from aiapp.extensions import db
from aiapp.processes import scheduler
from aiapp.webhooks import actions, announcing, jobs, places, sweeper
from aiapp.webhooks.announcing import DELIVER
from aiapp.webhooks.models import EVENTS, FAILING_AFTER, WebhookDelivery
from aiapp.webhooks.retrying import ATTEMPTS, DELAYS

PUBLISHED, MOVED, *_ = EVENTS
BROKEN = (500, {}, b"<h1>Broken</h1>")


def eventually(fact, seconds=30):
    """Wait until `fact` is true; say whether it became so."""
    deadline = time.monotonic() + seconds
    while not fact() and time.monotonic() < deadline:
        time.sleep(0.02)
    return fact()


def seconds_until(delivery):
    return (delivery.next_attempt_at - now()).total_seconds()


def test_what_is_announced_arrives_as_it_was_and_signed(office):
    office.add()
    (delivery_id,) = office.announce(slug="greeting", number=3, name="Grüße")
    assert office.work(delivery_id).state == "delivered"
    (got,) = office.receiver.got
    sent = Verifier(office.secret).verify(got.body, got.headers)
    row = office.row(delivery_id)
    assert sent == row.message
    assert sent == {
        "type": PUBLISHED,
        "timestamp": row.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "data": {"slug": "greeting", "number": 3, "name": "Grüße"},
    }
    assert got.headers["webhook-id"] == delivery_id
    assert got.headers["content-type"] == "application/json"
    assert (row.http_status, row.error, row.attempts) == (200, "", 1)
    assert row.delivered_at is not None


def test_only_those_who_listen_are_told(office):
    both, one, off = office.add(), office.add(events=(MOVED,)), office.add()
    actions.update(office.access, off.id, {"active": False})
    told = {office.row(each).webhook_id for each in office.announce(PUBLISHED)}
    assert told == {both.id}
    assert {office.row(each).webhook_id for each in office.announce(MOVED)} == {both.id, one.id}


def test_an_event_that_does_not_exist_is_a_mistake_of_ours(office):
    with pytest.raises(ValueError, match="no such event"):
        announcing.announce(office.access.workspace.id, "prompt_template.sneezed", {})


def test_another_workspace_is_told_nothing(office, team):
    office.add()
    announcing.announce(team.rival_id, PUBLISHED, {})
    db.session.commit()
    assert db.session.scalars(sa.select(WebhookDelivery)).all() == []


def test_what_was_rolled_back_is_not_told(office):
    office.add()
    announcing.announce(office.access.workspace.id, PUBLISHED, {"slug": "greeting"})
    db.session.rollback()
    announcing.wake()
    assert db.session.scalars(sa.select(WebhookDelivery)).all() == []
    for job_id in queue.waiting():
        jobs.deliver(job_id)
    assert office.receiver.got == []


def test_a_receiver_that_fails_is_told_again_under_the_same_id_until_it_works(office):
    office.add()
    office.receiver.replies = [BROKEN, BROKEN, OK]
    (delivery_id,) = office.announce()
    first = office.work(delivery_id)
    assert (first.state, first.http_status, first.attempts) == ("pending", 500, 1)
    assert first.error == "500: <h1>Broken</h1>"
    assert DELAYS[0] - 3 < seconds_until(first) <= DELAYS[0] * 1.2
    second = office.work(delivery_id)
    assert second.attempts == 2
    assert DELAYS[1] - 3 < seconds_until(second) <= DELAYS[1] * 1.2
    assert office.work(delivery_id).state == "delivered"
    assert {got.headers["webhook-id"] for got in office.receiver.got} == {delivery_id}
    for got in office.receiver.got:
        Verifier(office.secret).verify(got.body, got.headers)


def test_nothing_is_sent_before_its_time(office):
    office.add()
    office.receiver.replies = [BROKEN]
    (delivery_id,) = office.announce()
    office.work(delivery_id)
    assert office.work(delivery_id, soon=False).attempts == 1
    assert len(office.receiver.got) == 1


def test_it_ends_after_the_last_attempt_and_is_not_sent_any_more(office):
    webhook = office.add()
    office.receiver.replies = [BROKEN]
    (delivery_id,) = office.announce()
    for number in range(1, ATTEMPTS + 1):
        row = office.work(delivery_id)
        assert (row.attempts, row.state) == (number, "failed" if number == ATTEMPTS else "pending")
    office.work(delivery_id)
    assert len(office.receiver.got) == ATTEMPTS
    assert office.webhook(webhook.id).failures == ATTEMPTS


def test_many_failures_in_a_row_are_shown_and_one_success_takes_them_back(office):
    webhook = office.add()
    office.receiver.replies = [BROKEN] * FAILING_AFTER + [OK]
    (delivery_id,) = office.announce()
    for number in range(1, FAILING_AFTER + 1):
        office.work(delivery_id)
        assert office.webhook(webhook.id).state == ("failing" if number == FAILING_AFTER else "active")
    office.work(delivery_id)
    assert (office.webhook(webhook.id).state, office.webhook(webhook.id).failures) == ("active", 0)


@pytest.mark.parametrize(
    ("status", "asked", "waits"), [(503, "900", 900), (429, "7200", 7200), (503, "9999999", 43_200)]
)
def test_a_receiver_may_ask_for_more_time_but_not_for_ever(office, status, asked, waits):
    office.add()
    office.receiver.replies = [(status, {"retry-after": asked}, b"")]
    (delivery_id,) = office.announce()
    assert waits - 5 < seconds_until(office.work(delivery_id)) <= waits


def test_a_receiver_that_is_gone_switches_its_webhook_off_and_it_is_said(office):
    webhook = office.add()
    first, second = office.announce(), office.announce()
    office.receiver.replies = [(410, {}, b"")]
    assert office.work(first[0]).state == "failed"
    row = office.webhook(webhook.id)
    assert (row.active, row.gone, row.state) == (False, True, "off")
    waiting = office.row(second[0])
    assert (waiting.state, waiting.error) == ("failed", "The webhook was switched off before this was delivered.")
    assert office.announce() == []
    event = db.session.scalars(sa.select(AuditEvent).where(AuditEvent.action == "webhook.gone")).one()
    assert event.after == {"active": False, "http_status": 410}
    actions.update(office.access, webhook.id, {"active": True})
    assert (office.webhook(webhook.id).gone, office.webhook(webhook.id).state) == (False, "active")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_a_failure_and_nobody_follows_it(office, status):
    office.add()
    office.receiver.replies = [(status, {"location": f"http://{office.receiver.origin}/elsewhere"}, b"")]
    (delivery_id,) = office.announce()
    row = office.work(delivery_id)
    assert (row.state, row.http_status) == ("pending", status)
    assert "redirects are not followed" in row.error
    assert [got.path for got in office.receiver.got] == ["/hooks"]


def test_a_webhook_that_is_switched_off_gives_up_what_waits(office):
    webhook = office.add()
    (delivery_id,) = office.announce()
    actions.update(office.access, webhook.id, {"active": False})
    assert office.work(delivery_id).state == "failed"
    assert office.receiver.got == []


def test_of_workers_that_try_at_once_one_sends(app, office):
    office.add()
    release, arrived = threading.Event(), threading.Event()
    office.receiver.before = lambda got: (arrived.set(), release.wait(30))
    (delivery_id,) = office.announce()

    def worker():
        with app.app_context():
            jobs.deliver(delivery_id)

    workers = [threading.Thread(target=worker) for _ in range(6)]
    for each in workers:
        each.start()
    assert arrived.wait(30)
    # While its lease is alive nobody else takes it, however often it is tried.
    sweeper.sweep_webhooks()
    office.work(delivery_id)
    assert office.row(delivery_id).state == "sending"
    release.set()
    for each in workers:
        each.join(30)
    assert len(office.receiver.got) == 1
    assert (office.row(delivery_id).state, office.row(delivery_id).attempts) == ("delivered", 1)


def test_a_worker_that_was_overtaken_writes_nothing(app, office):
    office.add()
    office.receiver.replies = [BROKEN, OK]

    def overtake(got):
        office.receiver.before = lambda got: None
        with app.app_context():
            lost = sa.update(WebhookDelivery).where(WebhookDelivery.state == "sending")
            db.session.execute(lost.values(next_attempt_at=now()))
            db.session.commit()
            jobs.deliver(delivery_id)

    office.receiver.before = overtake
    (delivery_id,) = office.announce()
    row = office.work(delivery_id)
    assert (row.state, row.attempts, row.http_status, row.error) == ("delivered", 2, 200, "")


def test_a_receiver_that_hangs_takes_only_some_places(app, office):
    webhook = office.add()
    release = threading.Event()
    office.receiver.before = lambda got: release.wait(60)
    ids = [office.announce()[0] for _ in range(5)]

    def worker(delivery_id):
        with app.app_context():
            jobs.deliver(delivery_id)

    workers = [threading.Thread(target=worker, args=(each,)) for each in ids]
    for each in workers:
        each.start()
    # Those without a place are done, the others wait for the receiver.
    assert eventually(lambda: sum(each.is_alive() for each in workers) == len(office.receiver.got))
    assert len(office.receiver.got) == places.MOST_OF_WEBHOOK
    with pytest.raises(Unavailable):
        actions.test(office.access, webhook.id)
    db.session.commit()
    release.set()
    for each in workers:
        each.join(30)
    states = sorted(office.row(each).state for each in ids)
    assert states == ["delivered"] * places.MOST_OF_WEBHOOK + ["pending"] * (5 - places.MOST_OF_WEBHOOK)
    assert [office.work(each).state for each in ids] == ["delivered"] * 5
    with places.place("w", "h"):
        pass  # every place was given back


def test_the_old_secret_signs_too_for_a_day(office):
    webhook = office.add()
    old = office.secret
    _, new = actions.rotate(office.access, webhook.id)
    office.work(office.announce()[0])
    for secret in (old, new):
        Verifier(secret).verify(office.receiver.got[0].body, office.receiver.got[0].headers)
    office.webhook(webhook.id).old_secret_until = now() - timedelta(seconds=1)
    db.session.commit()
    office.work(office.announce()[0])
    Verifier(new).verify(office.receiver.got[1].body, office.receiver.got[1].headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(old).verify(office.receiver.got[1].body, office.receiver.got[1].headers)


def test_a_secret_that_cannot_be_read_is_said_and_a_new_one_mends_it(office):
    webhook = office.add()
    office.webhook(webhook.id).secret = b"\x01garbled"
    db.session.commit()
    (delivery_id,) = office.announce()
    row = office.work(delivery_id)
    assert (row.state, row.http_status) == ("pending", None)
    assert "secret cannot be read" in row.error
    _, secret = actions.rotate(office.access, webhook.id)
    assert office.work(delivery_id).state == "delivered"
    Verifier(secret).verify(office.receiver.got[0].body, office.receiver.got[0].headers)


def test_what_a_receiver_answers_is_kept_short_and_without_secrets(office):
    webhook = office.add()
    bare = office.secret.removeprefix("whsec_")
    echo = f"you sent {office.secret} that is {bare}\x00 " + "x" * 5000
    office.receiver.replies = [(500, {}, echo.encode())]
    row = office.work(office.announce()[0])
    _, received = actions.test(office.access, webhook.id)
    for text in (row.error, received.error, received.body):
        assert bare not in text
        assert "\x00" not in text
    assert len(row.error) <= 300
    assert len(received.body) <= 2000


class TestWithoutRedis:
    @pytest.fixture
    def away(self, app):
        known = app.extensions["aiapp.redis"]
        app.extensions["aiapp.redis"] = Redis.from_url("unix:///nowhere/redis.sock")
        yield lambda: app.extensions.update({"aiapp.redis": known})
        app.extensions["aiapp.redis"] = known

    def test_an_announcement_is_kept_and_swept_up_later(self, office, away):
        office.add()
        (delivery_id,) = office.announce()
        assert sweeper.sweep_webhooks() == 0
        away()
        assert queue.waiting() == set()
        assert sweeper.sweep_webhooks() == 1
        assert queue.waiting() == {delivery_id}
        assert office.work(delivery_id, soon=False).state == "delivered"
        assert sweeper.sweep_webhooks() == 0

    def test_a_retry_is_kept_too(self, office, away):
        office.add()
        office.receiver.replies = [BROKEN, OK]
        (delivery_id,) = office.announce()
        assert office.work(delivery_id).state == "pending"
        away()
        assert sweeper.sweep_webhooks() == 0  # it is not due yet
        assert office.work(delivery_id).state == "delivered"


def test_a_retry_is_promised_for_its_time(office, app):
    office.add()
    office.receiver.replies = [BROKEN]
    (delivery_id,) = office.announce()
    row = office.work(delivery_id)
    ((member, when),) = app.extensions["aiapp.redis"].zrange(queue.LATER, 0, -1, withscores=True)
    assert json.loads(member) == ["default", DELIVER, delivery_id, row.workspace_id]
    assert when == pytest.approx(row.next_attempt_at.timestamp())


def test_old_deliveries_are_forgotten_and_waiting_ones_are_not(office):
    office.add()
    ids = [office.announce()[0] for _ in range(4)]
    long_ago = now() - sweeper.KEPT - timedelta(minutes=1)
    for delivery_id, state in zip(ids, ("delivered", "failed", "pending", "delivered"), strict=True):
        row = office.row(delivery_id)
        row.state = state
        if delivery_id != ids[3]:
            row.created_at = long_ago
        db.session.commit()
    assert sweeper.forget_old_deliveries() == 2
    assert set(db.session.scalars(sa.select(WebhookDelivery.id))) == set(ids[2:])


def test_the_scheduler_sweeps_and_forgets(settings):
    duties = {duty.perform for duty in scheduler.make(settings)._duties}
    assert {sweeper.sweep_webhooks, sweeper.forget_old_deliveries} <= duties
