"""What only a browser can tell of the list of credentials: a row is dragged to its place in the order."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from aiapp.credentials import actions
from aiapp.credentials.order import in_order
from aiapp.extensions import db

pytestmark = pytest.mark.browser


@pytest.fixture
def names(app, team):
    """Add three credentials; return what reads their names in the order in which they are tried."""
    with app.app_context():
        for name in ("First", "Second", "Third"):
            actions.create(team.access("alice"), {"provider": "demo", "name": name})

    def read():
        with app.app_context():
            rows = [row.name for row in in_order(team.access("alice").workspace.id)]
            db.session.remove()
            return rows

    return read


@pytest.fixture
def rows(address, team, page, names):
    """The rows of the list, which adam, an admin, has opened."""
    page.goto(f"{address}/login?next=/w/acme/credentials")
    page.fill("[name=email]", "adam@example.com")
    page.fill("[name=password]", team.password)
    page.locator("[name=password]").press("Enter")
    yield page.locator("#credentials tbody")
    page.close()


def test_a_dragged_row_keeps_its_new_place(rows, names):
    expect(rows).to_have_count(3)
    assert rows.nth(0).locator(".drag-handle").count() == 0, "the default one is always tried first"
    rows.nth(2).locator(".drag-handle").drag_to(rows.nth(1), target_position={"x": 40, "y": 4})
    expect(rows.nth(1)).to_contain_text("Third")
    expect(rows.nth(2)).to_contain_text("Second")
    expect(rows.page.locator(".dragged")).to_have_count(0)
    assert names() == ["First", "Third", "Second"]
    rows.page.reload()
    expect(rows.nth(1)).to_contain_text("Third")


def test_a_row_that_is_dropped_nowhere_goes_back(rows, names):
    page = rows.page
    rows.nth(2).locator(".drag-handle").hover()
    page.mouse.down()
    rows.nth(1).hover(position={"x": 40, "y": 4})
    rows.nth(1).hover(position={"x": 44, "y": 6})
    expect(rows.nth(1)).to_contain_text("Third")
    page.locator("h1").hover()
    page.locator("h1").hover(position={"x": 2, "y": 2})
    page.mouse.up()
    expect(rows.nth(2)).to_contain_text("Third")
    assert names() == ["First", "Second", "Third"]
