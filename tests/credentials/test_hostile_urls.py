"""No form of a hostile address is stored, tested or run, through the page, the API and the worker."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hostile_urls import HOSTILE

from aiapp.credentials import actions
from aiapp.credentials.models import Credential
from aiapp.executions import actions as executions
from aiapp.executions import jobs
from aiapp.executions.models import Execution
from aiapp.executions.streaming import publishing
from aiapp.executions.submission import Submission
from aiapp.extensions import db

HOME = "/w/acme/credentials"
KEY = "sk-canary-4f9a8b7c6d5e4f3a2b1c9x7Z"
# A form takes away space around what is typed, and a slash at its end.
TYPED = [url for url in HOSTILE if url.strip() == url]

pytestmark = pytest.mark.long


@pytest.fixture
def nobody_dialled(monkeypatch):
    """Fails where anything would have been dialled."""
    dialled: list[object] = []
    monkeypatch.setattr("aiapp.providers.transport.connect", lambda *arguments: dialled.append(arguments))
    yield
    assert dialled == []


def test_there_are_enough_of_them():
    assert len(TYPED) >= 30


def test_none_is_saved_or_tested(sign_in, api, nobody_dialled):
    browser, adam = sign_in("adam"), api("adam")
    form = {"provider": "openai_compatible", "name": "x", "api_key": KEY, "preferred_model": "m"}
    for url in TYPED:
        stored = adam("POST", "/credentials", {**form, "base_url": url})
        assert (stored.status_code, stored.json["errors"][0]["field"]) == (422, "base_url"), url
        for path, values in ((HOME, {"then": "save"}), (f"{HOME}/_test", {})):
            answer = browser.swap(path, {**form, "base_url": url, **values})
            assert answer.status_code == (400 if "\x00" in url else 422), (path, url)
    assert adam("GET", "/credentials").json["data"] == []


def test_none_is_run_even_where_it_came_to_be_stored(app, team, nobody_dialled):
    with app.app_context():
        adam = team.access("adam")
        credential = actions.create(adam, {"provider": "demo", "name": "x", "preferred_model": "m"})
        # A query, a line break or what follows a # changes nothing about where a call goes.
        for url in (url for url in TYPED if url.isprintable() and not {"#", "?"} & set(url) and len(url) <= 500):
            change = sa.update(Credential).where(Credential.id == credential.id)
            db.session.execute(change.values(provider="openai_compatible", base_url=url))
            db.session.commit()
            made = executions.submit(adam, Submission(template="Hello", context={}))
            jobs.run(made.id)
            assert publishing.flush(10)
            db.session.expire_all()
            row = db.session.get(Execution, made.id)
            assert (row.status, row.error_class) == ("failed", "blocked_address"), url
