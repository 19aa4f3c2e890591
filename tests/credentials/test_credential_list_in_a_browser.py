"""What only a browser can tell of the list of credentials: rows that are dragged, moved by keys, ticked and looked at."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from aiapp.credentials import actions, ping
from aiapp.credentials.models import Credential
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


def test_a_row_moved_by_its_menu_keeps_the_focus_and_can_be_moved_again(rows, names):
    page = rows.page
    page.locator("summary[aria-label='More for Third']").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Move up").locator("visible=true").press("Enter")
    expect(rows.nth(1)).to_contain_text("Third")
    expect(page.locator("summary[aria-label='More for Third']")).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Move down").locator("visible=true").press("Enter")
    expect(rows.nth(2)).to_contain_text("Third")
    assert names() == ["First", "Second", "Third"]


def test_what_is_done_to_ticked_rows_stands_within_the_screen_of_a_phone_and_moves_no_row(rows):
    page = rows.page
    page.set_viewport_size({"width": 390, "height": 500})
    before = rows.nth(0).bounding_box()
    rows.nth(0).get_by_role("checkbox").check()
    assert rows.nth(0).bounding_box() == before
    expect(page.get_by_role("button", name="Switch off", exact=True)).to_be_in_viewport(ratio=1)
    page.get_by_role("button", name="Tick all", exact=True).click()
    assert page.locator("#credentials :checked").count() == 3
    page.get_by_role("button", name="Untick all", exact=True).click()
    expect(page.locator("#chosen-credentials")).to_be_hidden()


def test_a_look_at_a_credential_changes_its_cells_and_leaves_a_tick_and_an_open_menu(app, rows):
    page = rows.page
    page.clock.install()
    page.reload()
    rows.nth(0).get_by_role("checkbox").check()
    rows.nth(0).locator("summary").click()
    with app.app_context():
        ping.check(*db.session.execute(sa.select(Credential.workspace_id, Credential.id).filter_by(name="First")).one())
    expect(rows.nth(0)).to_contain_text("never")
    page.clock.fast_forward(16_000)
    expect(rows.nth(0)).not_to_contain_text("never")
    expect(rows.nth(0)).to_contain_text("Healthy")
    expect(rows.nth(0).locator(".health-strip .healthy")).to_have_count(1)
    expect(rows.nth(0).locator("td.number")).to_contain_text("s")
    expect(rows.nth(0).get_by_role("checkbox")).to_be_checked()
    expect(rows.nth(0).locator(".menu")).to_have_attribute("open", "")
    expect(rows.nth(1)).to_contain_text("never")


def test_a_result_can_be_closed_and_the_address_forgets_that_results_were_awaited(app, rows):
    page = rows.page
    rows.nth(0).get_by_role("button", name="Test First").click()
    rows.nth(0).get_by_role("button", name="Close the result").click()
    expect(page.locator(".row-detail")).to_have_count(0)
    page.get_by_role("button", name="Test all").locator("visible=true").click()
    page.wait_for_url("**/credentials?since=*")
    with app.app_context():
        for one in db.session.execute(sa.select(Credential.workspace_id, Credential.id)).all():
            ping.check(*one)
    page.wait_for_url("**/credentials")
