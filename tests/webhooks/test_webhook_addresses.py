"""No form of a hostile address is stored or called, through the page, the API and the worker."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hostile_urls import HOSTILE

from aiapp.extensions import db
from aiapp.providers.addresses import Address
from aiapp.webhooks.models import EVENTS, Webhook

HOME = "/w/acme/settings/webhooks"
# A webhook's address may have a query; space around what is typed is taken away.
TYPED = [url for url in HOSTILE if url.strip() == url and not url.endswith("?key=1")]

pytestmark = pytest.mark.long


@pytest.fixture
def nobody_dialled(monkeypatch):
    """Fails where anything would have been dialled."""
    dialled: list[object] = []
    monkeypatch.setattr("aiapp.providers.transport.connect", lambda *arguments: dialled.append(arguments))
    yield
    assert dialled == []


def test_none_is_saved(sign_in, api, nobody_dialled):
    browser, adam = sign_in("adam"), api("adam")
    for url in TYPED:
        stored = adam("POST", "/webhooks", {"url": url, "events": list(EVENTS)})
        assert (stored.status_code, stored.json["errors"][0]["field"]) == (422, "url"), url
        answer = browser.submit(HOME, {"url": url, "events": list(EVENTS)})
        assert answer.status_code == (400 if "\x00" in url else 422), url
    assert adam("GET", "/webhooks").json["data"] == []


def test_none_is_a_change(api, office, nobody_dialled):
    webhook, adam = office.add(), api("adam")
    for url in TYPED:
        if url:
            assert adam("PATCH", f"/webhooks/{webhook.id}", {"url": url}).status_code == 422, url
    assert office.webhook(webhook.id).url == office.receiver.url


def test_none_is_called_even_where_it_came_to_be_stored(office, nobody_dialled):
    webhook = office.add()
    for url in (*(url for url in TYPED if url.isprintable() and len(url) <= 500), "demo://local/"):
        db.session.execute(sa.update(Webhook).where(Webhook.id == webhook.id).values(url=url))
        db.session.commit()
        row = office.work(office.announce()[0])
        assert (row.state, row.http_status, row.attempts) == ("pending", None, 1), url
        assert row.error, url


def test_a_name_that_leads_home_after_it_was_saved_is_not_called(office, monkeypatch, nobody_dialled):
    webhook = office.add()
    db.session.execute(sa.update(Webhook).where(Webhook.id == webhook.id).values(url="https://rebound.example/"))
    db.session.commit()
    found = (Address(2, ("127.0.0.1", 443)),)
    monkeypatch.setattr("aiapp.providers.addresses._look_up", lambda *arguments: found)
    row = office.work(office.announce()[0])
    assert (row.http_status, row.error[:35]) == (None, "The address could not be reached. C")
