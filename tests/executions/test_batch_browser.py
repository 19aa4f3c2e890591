"""The page of a batch in a real browser: it follows by itself, is right after a reload, and is quiet when the batch has ended."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from playwright.sync_api import Page, expect

from aiapp.batches import drafts, jobs, tables
from aiapp.batches.models import BatchRow
from aiapp.batches.wishes import Wish
from aiapp.credentials import actions as credentials
from aiapp.executions import jobs as executing
from aiapp.extensions import db
from aiapp.prompt_templates import actions as prompt_templates
from aiapp.prompt_templates import library

pytestmark = pytest.mark.browser
ROWS = 10


@pytest.fixture
def batch(app: Flask, team: Any) -> str:
    """A batch of ten rows, two at a time, started by bob."""
    with app.app_context():
        credentials.create(
            team.access("alice"), {"provider": "demo", "name": "Demo", "preferred_model": "demo-instant"}
        )
        bob = team.access("bob")
        template = prompt_templates.create(bob, {"name": "Echo", "body": "{{text}}"})
        prompt_templates.publish(bob, library.version(bob, template, 1), "")
        table = tables.from_rows({"text": str(number)} for number in range(ROWS))
        return drafts.create(bob, table, Wish(prompt_template="echo", at_once=2, name="March"), start=True).id


@pytest.fixture
def work(app: Flask, batch: str) -> Callable[[int], None]:
    """Do what workers do, until so many rows have ended (in a thread: the browser's driver runs a loop of its own here)."""

    def until(number: int) -> None:
        with app.app_context():
            while True:
                jobs.feed(batch)
                states = db.session.execute(sa.select(BatchRow.state, BatchRow.execution_id)).all()
                db.session.remove()
                left = number - sum(state == "completed" for state, _ in states)
                if left <= 0:
                    return
                for execution_id in [one for state, one in states if state == "running"][:left]:
                    executing.run(execution_id or "")

    def work(number: int) -> None:
        thread = threading.Thread(target=until, args=(number,))
        thread.start()
        thread.join(30)
        assert not thread.is_alive()

    return work


def shows(page: Page, ended: int) -> None:
    expect(page.locator("#progress-title")).to_have_text(f"{ended} of {ROWS} completed")
    expect(page.locator("#progress .row-bar .status-completed")).to_have_count(int(ended > 0))


def test_the_progress_is_right_after_a_reload_in_the_middle(
    page: Page, address: str, sign_in: Any, batch: str, work: Callable[[int], None]
) -> None:
    cookie = sign_in("bob").get_cookie("aiapp_session")
    page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": address}])
    page.goto(f"{address}/w/acme/batches/{batch}")
    shows(page, 0)
    work(4)
    shows(page, 4)  # by itself
    page.reload()
    shows(page, 4)
    page.get_by_role("button", name="Pause").first.press("Enter")
    expect(page.locator("#batch-state")).to_have_text("Paused")
    page.get_by_role("button", name="Resume").first.press("Enter")
    expect(page.locator("#batch-state")).to_have_text("Running")
    work(ROWS)
    shows(page, ROWS)
    expect(page.locator("#batch-state")).to_have_text("Completed")
    expect(page.locator("#batch[hx-get]")).to_have_count(0)
    expect(page.get_by_role("button", name="Pause")).to_have_count(0)
