"""Running a prompt template in a real browser: what is pressed twice in a hurry is paid for once."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from playwright.sync_api import Page, expect

from aiapp.executions.models import Execution
from aiapp.extensions import db

pytestmark = pytest.mark.browser

PAGE = "/w/acme/prompt-templates/support-reply"


@pytest.fixture
def made(app: Flask, team: Any) -> Callable[[], int]:
    """How many executions there are."""

    def made() -> int:
        with app.app_context():
            return db.session.scalar(sa.select(sa.func.count()).select_from(Execution)) or 0

    return made


@pytest.fixture(params=["/versions/1", "/run", "/versions/1 published"])
def page(request: pytest.FixtureRequest, enter: Any, write: Any) -> Page:
    """The editor, the run form, the page of a published version: each runs without another input."""
    path, _, published = request.param.partition(" ")
    write("bob", body="Hello", published=path == "/run" or bool(published))
    page: Page = enter("bob", PAGE + path)
    page.wait_for_load_state("networkidle")
    return page


def run_button(page: Page) -> Any:
    return page.locator(".topbar-actions").get_by_role("button", name="Run").last


def is_there(page: Page) -> None:
    expect(page.locator("#test-run .status")).to_contain_text("Pending")
    page.wait_for_timeout(400)  # for what might still come


def test_a_double_click_on_run_makes_one_execution(page: Page, made: Callable[[], int]) -> None:
    run_button(page).dblclick()
    is_there(page)
    assert made() == 1


@pytest.mark.parametrize("pause", [0, 150])
def test_two_clicks_on_run_one_after_the_other_make_one_execution(
    page: Page, made: Callable[[], int], pause: int
) -> None:
    run_button(page).evaluate("(one, pause) => { one.click(); setTimeout(() => one.click(), pause); }", pause)
    is_there(page)
    assert made() == 1


def test_the_keys_that_run_may_be_held_down(page: Page, made: Callable[[], int]) -> None:
    page.keyboard.down("Control")
    for _ in range(15):
        page.keyboard.down("Enter")
        page.wait_for_timeout(100)
    page.keyboard.up("Enter")
    page.keyboard.up("Control")
    is_there(page)
    assert made() == 1


def test_a_second_run_after_the_answer_is_another_execution(page: Page, made: Callable[[], int]) -> None:
    for number in (1, 2):
        run_button(page).click()
        deadline = time.monotonic() + 20  # both panels say "Pending": the number tells that this run was taken
        while made() < number and time.monotonic() < deadline:
            page.wait_for_timeout(50)
        is_there(page)
        assert made() == number
        page.wait_for_timeout(1000)


def test_a_run_is_not_lost_where_its_panel_is_refreshed_while_it_is_asked_for(
    page: Page, made: Callable[[], int]
) -> None:
    def refreshed(route: Any) -> None:
        page.locator("#test-run").evaluate("panel => panel.replaceWith(panel.cloneNode(true))")
        route.continue_()

    page.route(re.compile("/(run|executions)$"), refreshed, times=1)
    run_button(page).click()
    is_there(page)
    assert made() == 1


def test_a_run_that_did_not_reach_the_server_can_be_repeated_at_once(page: Page, made: Callable[[], int]) -> None:
    page.route("**/*", lambda route: route.abort())
    run_button(page).click()
    expect(page.locator("#toasts")).to_contain_text("cannot be reached")
    page.unroute("**/*")
    run_button(page).click()
    is_there(page)
    assert made() == 1
