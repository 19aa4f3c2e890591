"""The pages of webhooks: who may see them, what they show once, what they never show."""

from __future__ import annotations

import html
import json
import re

import pytest
import sqlalchemy as sa

from aiapp.audit import AuditEvent
from aiapp.extensions import db
from aiapp.webhooks import actions
from aiapp.webhooks.models import EVENTS, Webhook, WebhookDelivery

HOME = "/w/acme/settings/webhooks"
BROKEN = (500, {}, b"<script>alert(1)</script> the queue is full")


def form(receiver, **more):
    return {"url": receiver.url, "events": list(EVENTS), **more}


def secret_in(page):
    found = re.search(r"whsec_[A-Za-z0-9+/=]+", html.unescape(page))
    return found[0] if found else None


@pytest.fixture
def adam(sign_in):
    return sign_in("adam")


@pytest.fixture
def added(adam, receiver):
    """The address of a webhook's page."""
    adam.submit(HOME, form(receiver))
    page = adam.get(HOME).get_data(as_text=True)
    return re.search(rf'href="({HOME}/[0-9a-f]{{32}})"', page)[1]


def test_only_admins_come_here(sign_in, added):
    for name in ("bob", "vera"):
        person = sign_in(name)
        for path in (HOME, f"{HOME}/new", added, f"{added}/edit", f"{added}/_deliveries"):
            assert person.get(path).status_code == 403
        for path in (HOME, added, f"{added}/test", f"{added}/rotate", f"{added}/delete"):
            assert person.submit(path).status_code == 403
        assert "Webhooks</a>" not in person.get("/w/acme/settings").get_data(as_text=True)


def test_a_webhook_is_added_and_its_secret_is_shown_once(adam, receiver):
    made = adam.submit(HOME, form(receiver))
    assert made.status_code == 201
    secret = secret_in(made.get_data(as_text=True))
    assert secret
    page = adam.get(HOME).get_data(as_text=True)
    assert receiver.url in page
    own = re.search(rf'href="({HOME}/[0-9a-f]{{32}})"', page)[1]
    for path in (HOME, own, f"{own}/edit", f"{own}/_deliveries", "/w/acme/settings/audit"):
        assert "whsec_" not in adam.get(path).get_data(as_text=True)


def test_mistakes_stand_beside_their_fields_and_what_was_typed_stays(adam, receiver):
    answer = adam.submit(HOME, {"url": "https://127.0.0.1/typed"})
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert 'value="https://127.0.0.1/typed"' in page
    assert "Choose at least one." in page
    refused = adam.submit(HOME, form(receiver, url="https://127.0.0.1/typed"))
    assert refused.status_code == 422
    assert "The address could not be reached." in refused.get_data(as_text=True)


def test_a_query_of_the_address_is_shown_in_its_form_only(adam, receiver):
    made = adam.submit(HOME, form(receiver, url=f"{receiver.url}?key=hidden-123"))
    assert "hidden-123" not in made.get_data(as_text=True)
    listed = adam.get(HOME).get_data(as_text=True)
    own = re.search(rf'href="({HOME}/[0-9a-f]{{32}})"', listed)[1]
    assert "hidden-123" not in listed + adam.get(own).get_data(as_text=True)
    assert "hidden-123" not in adam.get("/w/acme/settings/audit").get_data(as_text=True)
    assert "hidden-123" in adam.get(f"{own}/edit").get_data(as_text=True)


def test_a_test_shows_what_came_back_with_and_without_scripts(adam, added, receiver):
    page = adam.submit(f"{added}/test").get_data(as_text=True)
    assert "<!doctype html>" in page.lower()
    assert "The receiver took it" in page
    assert "thank you" in page
    receiver.replies = [BROKEN]
    part = adam.swap(f"{added}/test").get_data(as_text=True)
    assert "<!doctype html>" not in part.lower()
    assert "The receiver did not take it" in part
    assert "&lt;script&gt;alert(1)" in part
    assert "<script>alert(1)" not in part
    assert 'hx-target="#deliveries"' in part
    assert [json.loads(got.body)["type"] for got in receiver.got] == ["ping", "ping"]


def test_a_test_is_sent_once_also_where_the_webhook_is_off(app, adam, added, receiver):
    adam.submit(f"{added}/active", {"active": "0"})
    receiver.replies = [BROKEN]
    adam.submit(f"{added}/test")
    with app.app_context():
        (row,) = db.session.scalars(sa.select(WebhookDelivery))
        assert (row.state, row.attempts, row.http_status) == ("failed", 1, 500)
    assert len(receiver.got) == 1


def test_a_delivery_shows_its_payload_and_is_sent_again_under_its_id(app, adam, office, receiver):
    webhook = office.add()
    receiver.replies = [(404, {}, b"no such hook"), (200, {}, b"ok")]
    (delivery_id,) = office.announce(slug="greeting", note="<b>bold</b>")
    office.work(delivery_id)
    path = f"{HOME}/{webhook.id}/deliveries/{delivery_id}"
    page = adam.get(path).get_data(as_text=True)
    assert "404: no such hook" in page
    assert "&lt;b&gt;bold" in page
    assert "1 of 8" in page
    assert delivery_id in page
    assert adam.submit(f"{path}/again").status_code == 303
    assert office.work(delivery_id, soon=False).state == "delivered"
    assert [got.headers["webhook-id"] for got in receiver.got] == [delivery_id] * 2
    assert adam.submit(f"{path}/again").status_code == 303
    assert office.work(delivery_id, soon=False).attempts == 1
    assert len(receiver.got) == 3


def test_a_webhook_that_is_off_is_not_told_again(adam, office):
    path = f"{HOME}/{office.add().id}"
    (delivery_id,) = office.announce()
    adam.submit(f"{path}/active", {"active": "0"})
    adam.submit(f"{path}/deliveries/{delivery_id}/again")
    assert office.row(delivery_id).state == "failed"
    assert office.receiver.got == []
    assert "switch it on first" in adam.get(path).get_data(as_text=True)


def test_a_webhook_is_changed_switched_and_deleted_and_the_audit_trail_says_so(app, adam, added, receiver):
    adam.submit(added, form(receiver, url=f"{receiver.url}/two", events=[EVENTS[1]], active="1"))
    adam.submit(f"{added}/active", {"active": "0"})
    adam.submit(f"{added}/rotate")
    adam.submit(f"{added}/delete")
    assert adam.get(added).status_code == 404
    with app.app_context():
        assert db.session.scalars(sa.select(Webhook)).all() == []
        events = list(db.session.scalars(sa.select(AuditEvent).order_by(AuditEvent.id)))
    facts = [(event.action, event.before, event.after) for event in events if event.action.startswith("webhook.")]
    assert [action for action, _, _ in facts] == [
        "webhook.create",
        "webhook.update",
        "webhook.update",
        "webhook.rotate_secret",
        "webhook.delete",
    ]
    assert facts[1][2] == {"url": f"{receiver.url}/two", "events": [EVENTS[1]]}
    assert facts[2][1:] == ({"active": True}, {"active": False})
    assert "whsec_" not in json.dumps(facts)


def test_a_new_secret_is_shown_once_and_is_another_one(adam, receiver):
    made = adam.submit(HOME, form(receiver))
    first = secret_in(made.get_data(as_text=True))
    own = re.search(rf'action="({HOME}/[0-9a-f]{{32}})/test"', made.get_data(as_text=True))[1]
    second = secret_in(adam.submit(f"{own}/rotate").get_data(as_text=True))
    assert second
    assert second != first
    assert secret_in(adam.get(own).get_data(as_text=True)) is None


def test_long_lists_of_deliveries_come_in_parts(adam, office):
    webhook = office.add()
    ids = [office.announce()[0] for _ in range(30)]
    first = adam.get(f"{HOME}/{webhook.id}").get_data(as_text=True)
    more = re.search(r'hx-get="([^"]+_more[^"]+)"', first)[1]
    rest = adam.get(html.unescape(more)).get_data(as_text=True)
    shown = re.findall(r'<tr id="delivery-([0-9a-f]{32})"', first + rest)
    assert shown == ids[::-1]
    assert "<!doctype html>" in adam.get(f"{HOME}/{webhook.id}?before={ids[5]}").get_data(as_text=True).lower()


def test_the_number_of_webhooks_is_bounded(adam, office):
    for _ in range(actions.MOST_WEBHOOKS):
        office.add()
    answer = adam.submit(HOME, form(office.receiver))
    assert answer.status_code == 409


def test_what_others_changed_while_the_test_ran_is_no_crash(app, adam, added, receiver):
    webhook_id = added.rpartition("/")[2]

    def delete(got):
        with app.app_context():
            db.session.execute(sa.delete(Webhook).where(Webhook.id == webhook_id))
            db.session.commit()

    receiver.before = delete
    assert adam.submit(f"{added}/test").status_code == 404
