"""What the editor says of saving, in a real browser: no session, no server, Back, values, another window."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Dialog, Page, expect

from aiapp.prompt_templates import library

pytestmark = pytest.mark.browser

DRAFT = "/w/acme/prompt-templates/support-reply/versions/1"


def leave(dialog: Dialog) -> None:
    dialog.accept()


def sign_in_by_the_link(page: Page, person: str, password: str) -> None:
    """Follow the link of the header into a new tab, and sign in there."""
    with page.expect_popup() as opened:
        page.locator("#autosave a").click()
    tab = opened.value
    tab.get_by_label("Email").fill(f"{person}@example.com")
    tab.get_by_label("Password").fill(password)
    tab.get_by_role("button", name="Sign in").click()
    tab.wait_for_url("**/w/**")


@pytest.fixture
def stored(app: Flask, team: Any) -> Callable[[], tuple[str, dict[str, Any]]]:
    """The stored text of version 1, and the sample of each of its variables."""

    def stored() -> tuple[str, dict[str, Any]]:
        with app.app_context():
            bob = team.access("bob")
            version = library.version(bob, library.find(bob, "support-reply"), 1)
            return version.body, {spec["name"]: spec["sample"] for spec in version.variables}

    return stored


@pytest.fixture
def signed_out(enter: Any, write: Any) -> Page:
    """bob's editor, whose session has ended while he typed."""
    write("bob", body="Hello")
    page: Page = enter("bob", DRAFT)
    page.wait_for_load_state("networkidle")  # each answer brings the cookie again
    page.context.clear_cookies()
    page.locator("#prompt-body").fill("Hello {{name}}")
    expect(page.locator("#autosave")).to_contain_text("Not saved: you are signed out")
    return page


def test_a_session_that_ended_is_said_and_after_signing_in_elsewhere_the_text_is_saved(
    signed_out: Page, team: Any, body: Callable[[], str]
) -> None:
    page = signed_out
    page.locator("#prompt-body").press("End")
    page.keyboard.type("!")
    expect(page.locator("#autosave")).to_contain_text("you are signed out")
    sign_in_by_the_link(page, "bob", team.password)
    assert page.url.endswith(DRAFT)
    expect(page.locator("#autosave")).to_have_text(re.compile("^Saved"), timeout=35_000)
    assert body() == "Hello {{name}}!"
    expect(page.locator("#rendered-prompt")).to_have_text("User Hello name!", use_inner_text=False)


def test_the_keys_that_save_work_in_the_old_tab_too(signed_out: Page, team: Any, body: Callable[[], str]) -> None:
    sign_in_by_the_link(signed_out, "bob", team.password)
    signed_out.locator("#prompt-body").press("Control+s")
    expect(signed_out.locator("#autosave")).to_have_text(re.compile("^Saved"))
    assert body() == "Hello {{name}}"
    signed_out.locator("#var-name").fill("Amina")
    signed_out.get_by_role("button", name="Preview", exact=True).first.click()
    expect(signed_out.get_by_role("dialog")).to_contain_text("Amina")


def test_nobody_else_saves_what_somebody_typed_before_them(
    signed_out: Page, team: Any, body: Callable[[], str]
) -> None:
    sign_in_by_the_link(signed_out, "adam", team.password)
    signed_out.locator("#prompt-body").press("Control+s")
    expect(signed_out.locator("#autosave")).to_contain_text("somebody else is signed in")
    assert body() == "Hello"
    expect(signed_out.locator("#prompt-body")).to_have_value("Hello {{name}}")


def test_a_button_that_leaves_the_page_waits_until_the_text_is_saved(signed_out: Page) -> None:
    signed_out.locator(".topbar-actions").get_by_role("button", name="Publish").click()
    signed_out.wait_for_timeout(300)
    expect(signed_out.locator("#prompt-body")).to_have_value("Hello {{name}}")


def test_a_phone_says_it_too_without_a_wider_page(signed_out: Page) -> None:
    signed_out.set_viewport_size({"width": 390, "height": 844})
    expect(signed_out.locator("#autosave a")).to_be_visible()
    assert signed_out.evaluate("document.documentElement.scrollWidth") == 390
    expect(signed_out.locator("#toasts .toast")).to_have_count(0)


def test_values_typed_beside_a_published_version_stay_when_the_session_ends(enter: Any, write: Any, team: Any) -> None:
    write("bob", body="{{name}}", published=True)
    page = enter("bob", DRAFT)
    page.wait_for_load_state("networkidle")
    page.context.clear_cookies()
    page.locator("#var-name").fill("Amina")
    toast = page.locator("#toasts .toast")
    expect(toast).to_contain_text("You are signed out")
    with page.expect_popup() as opened:
        toast.get_by_role("link").click()
    opened.value.get_by_label("Email").fill("bob@example.com")
    opened.value.get_by_label("Password").fill(team.password)
    opened.value.get_by_role("button", name="Sign in").click()
    opened.value.wait_for_url("**/w/**")
    page.locator(".topbar-actions").get_by_role("button", name="Run").last.click()
    expect(page.locator("#test-run .status")).to_contain_text("Pending")
    expect(toast).to_have_count(0)


def test_what_is_not_saved_yet_is_never_called_saved(enter: Any, write: Any, body: Callable[[], str]) -> None:
    write("bob", body="Hello")
    page = enter("bob", DRAFT)
    page.locator("#prompt-body").press_sequentially("Oh. ")
    expect(page.locator("#autosave")).to_have_text(re.compile("^Saved"))
    page.locator("#prompt-body").press("x")
    assert page.locator("#autosave").inner_text() == "Not saved yet"
    expect(page.locator("#autosave")).to_have_text(re.compile("^Saved"))


def test_autosave_tries_again_until_the_server_is_back(enter: Any, write: Any, body: Callable[[], str]) -> None:
    write("bob", body="")
    page = enter("bob", DRAFT)
    refused = []

    def refuse(route: Any) -> None:
        refused.append(route.request.url)
        route.abort()

    page.route("**/_*", refuse)
    page.locator("#prompt-body").fill("Hello {{name}}")
    expect(page.locator("#autosave")).to_have_text("Not saved: the server does not answer")
    expect(page.locator("#toasts")).to_contain_text("cannot be reached")
    page.unroute("**/_*")
    expect(page.locator("#autosave")).to_have_text(re.compile("^Saved"), timeout=30_000)
    assert body() == "Hello {{name}}"
    expect(page.locator("#toasts .toast")).to_have_count(0)
    expect(page.locator("#var-name")).to_be_visible()
    assert any(url.endswith("/_autosave") for url in refused)


def test_text_that_back_brings_again_is_saved(enter: Any, write: Any, address: str, body: Callable[[], str]) -> None:
    write("bob", body="Hello")
    page = enter("bob", DRAFT)
    page.on("dialog", leave)
    page.locator("#prompt-body").press_sequentially("Oh, {{who}}. ")
    page.goto(f"{address}/w/acme/prompt-templates")
    assert body() == "Hello"
    page.go_back()
    expect(page.locator("#prompt-body")).to_have_value("Oh, {{who}}. Hello")
    expect(page.locator("#autosave")).to_have_text(re.compile("^Saved"))
    assert body() == "Oh, {{who}}. Hello"
    expect(page.locator("#var-who")).to_be_visible()


def test_a_typed_value_alone_is_saved_and_said_to_be(enter: Any, write: Any, stored: Any) -> None:
    write("bob")
    page = enter("bob", DRAFT)
    page.locator("#var-name").fill("Amina")
    expect(page.locator("#autosave")).to_have_text("Not saved yet")
    expect(page.locator("#autosave")).to_have_text(re.compile("^Saved"))
    assert stored()[1] == {"name": "Amina", "message": None}
    page.reload()
    expect(page.locator("#var-name")).to_have_value("Amina")


def test_values_of_a_run_are_there_after_a_reload(enter: Any, write: Any, stored: Any) -> None:
    write("bob")
    page = enter("bob", DRAFT)
    page.route("**/_autosave", lambda route: route.abort())
    page.locator("#var-name").fill("Amina")
    page.locator("#var-message").fill("Hello")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#test-run h2")).to_be_visible()
    page.reload()
    expect(page.locator("#var-name")).to_have_value("Amina")
    expect(page.locator("#var-message")).to_have_value("Hello")


def test_a_value_comes_back_with_the_name_of_its_variable(enter: Any, write: Any, stored: Any) -> None:
    write("bob", body="{{order_id}}")
    page = enter("bob", DRAFT)
    page.route("**/_autosave", lambda route: route.abort())  # the page itself remembers it
    page.locator("#var-order_id").fill("4711")
    text = page.locator("#prompt-body")
    text.fill("{{order_i}}")
    expect(page.locator("#var-order_i")).to_have_value("")
    expect(page.locator("#var-order_id")).to_have_count(0)
    text.fill("{{order_id}} {{other}}")
    expect(page.locator("#var-other")).to_have_value("")
    expect(page.locator("#var-order_id")).to_have_value("4711")
    expect(page.locator("#rendered-prompt")).to_contain_text("4711")
    page.unroute("**/_autosave")
    expect(page.locator("#autosave")).to_have_text(re.compile("^Saved"), timeout=30_000)
    assert stored()[1]["order_id"] == "4711"
