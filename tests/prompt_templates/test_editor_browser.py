"""The editor in a real browser: nothing typed is lost, everything works from the keyboard."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Route, expect

from aiapp.prompt_templates import actions, library

pytestmark = pytest.mark.browser

PAGE = "/w/acme/prompt-templates/support-reply"
DRAFT = f"{PAGE}/versions/1"
KINDS = [
    {"name": "language", "type": "choice", "choices": ["English", "German", "French"], "default": "English"},
    {"name": "message", "type": "long_text"},
]


def slowly(seconds: float) -> Callable[[Route], None]:
    """Let a request arrive, and hold back its answer."""

    def handle(route: Route) -> None:
        answer = route.fetch()
        time.sleep(seconds)
        route.fulfill(response=answer)

    return handle


def test_inputs_and_preview_follow_what_is_typed(enter: Any, write: Any, body: Callable[[], str]) -> None:
    write("bob", body="")
    page = enter("bob", DRAFT)
    page.locator("#prompt-body").press_sequentially("Dear {{customer}}, {{greeting}}")
    expect(page.locator("#variables input")).to_have_count(2)
    expect(page.locator(".highlighted-input mark.missing")).to_have_count(2)
    page.locator("#var-customer").fill("Amina")
    expect(page.locator("#rendered-prompt .variable").first).to_have_text("Amina")
    expect(page.locator(".highlighted-input mark.missing")).to_have_text("{{greeting}}")
    expect(page.locator("#var-customer")).not_to_have_attribute("aria-invalid", "true")
    expect(page.locator("#autosave")).to_contain_text("Saved")
    assert body() == "Dear {{customer}}, {{greeting}}"


def test_an_input_is_called_required_once_it_was_emptied_or_a_run_was_asked_for(enter: Any, write: Any) -> None:
    write("bob")
    page = enter("bob", DRAFT)
    errors = page.locator("#variables .field-error")
    page.locator("#prompt-body").press_sequentially("Hi ")
    expect(page.locator("#rendered-prompt")).to_contain_text("Hi name")
    expect(errors).to_have_count(0)
    page.locator("#var-message").press_sequentially("x")
    expect(page.locator("#rendered-prompt")).to_contain_text("wrote: x")
    page.locator("#var-message").press("Backspace")
    expect(errors).to_have_count(1)
    expect(page.locator("#var-message")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#var-name")).not_to_have_attribute("aria-invalid", "true")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#test-run")).to_contain_text("Not started")
    expect(errors).to_have_count(2)
    page.locator("#var-message").press_sequentially("Hello")
    expect(errors).to_have_count(1)
    expect(page.locator("#var-name-error")).to_be_visible()


def test_a_slow_preview_changes_no_input_that_is_typed_in(enter: Any, write: Any) -> None:
    write("bob")
    page = enter("bob", DRAFT)
    page.route("**/_preview", slowly(0.6))
    page.locator("#var-name").press_sequentially("Am", delay=20)
    page.wait_for_timeout(500)  # the request is under way
    page.locator("#var-name").press_sequentially("ina", delay=20)
    page.keyboard.press("Tab")
    page.keyboard.type("Hello there", delay=90)
    expect(page.locator("#rendered-prompt")).to_have_text("User Amina wrote: Hello there", use_inner_text=False)
    assert page.locator("#var-name").input_value() == "Amina"
    assert page.locator("#var-message").input_value() == "Hello there"


def test_what_is_typed_after_a_save_is_not_taken_back_by_the_preview(enter: Any, write: Any) -> None:
    """Saving makes samples of the values: from then on the inputs begin with something else than on the open page."""
    write("bob", body="{{name}} {{language}} {{message}}", variables=KINDS)
    page = enter("bob", DRAFT)
    page.locator("#var-name").fill("Amina")
    page.locator("#var-message").fill("Hello")
    page.locator("#var-language").select_option("German")
    page.keyboard.press("Control+s")
    expect(page.locator("#autosave")).to_contain_text("Saved")
    page.locator("#var-name").fill("Noor")
    page.locator("#var-message").fill("Goodbye")
    page.locator("#var-language").select_option("French")
    page.locator("#prompt-body").press_sequentially("!")
    expect(page.locator("#rendered-prompt")).to_contain_text("!Noor French Goodbye")
    expect(page.locator("#variables .section-header .tiny")).to_have_text("3 of 3 filled")
    values = [page.locator(f"#var-{name}").input_value() for name in ("name", "language", "message")]
    assert values == ["Noor", "French", "Goodbye"]


def test_values_are_still_there_after_a_preview_and_after_publishing(enter: Any, write: Any) -> None:
    write("bob")
    page = enter("bob", DRAFT)
    page.locator("#var-name").fill("Amina")
    page.get_by_role("button", name="Preview", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Mark as ready for review").click()
    expect(page.locator(".topbar .status")).to_have_text("Preview v1")
    expect(page.locator("#var-name")).to_have_value("Amina")
    page.locator("#var-message").fill("Hello")
    page.get_by_role("link", name="Publish").click()
    page.locator("#message").fill("First version")
    page.get_by_role("button", name="Publish v1").click()
    expect(page.locator(".topbar .status")).to_have_text("Published v1")
    expect(page.locator("#rendered-prompt")).to_contain_text("Amina wrote: Hello")
    expect(page.locator("#var-message")).to_have_value("Hello")


def test_enter_in_an_input_beside_a_preview_runs_it(enter: Any, write: Any) -> None:
    write("bob", body="{{name}}")
    page = enter("bob", DRAFT)
    page.get_by_role("button", name="Preview", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Mark as ready for review").click()
    page.locator("#var-name").fill("Amina")
    page.keyboard.press("Enter")
    expect(page.locator("#test-run h2")).to_be_visible()
    expect(page.locator(".topbar .status")).to_have_text("Preview v1")


def test_what_is_typed_during_a_slow_autosave_is_saved_too(enter: Any, write: Any, body: Callable[[], str]) -> None:
    write("bob", body="")
    page = enter("bob", DRAFT)
    page.route("**/_autosave", slowly(1.0))
    text = page.locator("#prompt-body")
    with page.expect_request("**/_autosave"):
        text.press_sequentially("first ")
    text.press_sequentially("second")
    expect(page.locator("#autosave")).to_contain_text("Saved")
    deadline = time.monotonic() + 20
    while body() != "first second" and time.monotonic() < deadline:
        page.wait_for_timeout(100)
    assert body() == "first second"
    expect(page.locator("#save-problem")).to_be_hidden()
    assert text.input_value() == "first second"


def test_two_people_edit_one_draft_and_nobody_loses_a_word(enter: Any, write: Any, body: Callable[[], str]) -> None:
    write("bob", body="Start. ")
    bob, adam = enter("bob", DRAFT), enter("adam", DRAFT)
    adam.locator("#prompt-body").press("End")
    adam.locator("#prompt-body").press_sequentially("Adam was here.")
    expect(adam.locator("#autosave")).to_contain_text("Saved")
    bob.locator("#prompt-body").press("End")
    bob.locator("#prompt-body").press_sequentially("Bob was here.")
    expect(bob.locator("#save-problem")).to_contain_text("Somebody else has changed this draft")
    assert body() == "Start. Adam was here."
    assert bob.locator("#prompt-body").input_value() == "Start. Bob was here."
    expect(bob.locator("#save-problem ins")).to_contain_text("Bob")
    expect(bob.locator("#save-problem del")).to_contain_text("Adam")
    bob.get_by_role("button", name="Keep mine").click()
    expect(bob.locator("#save-problem")).to_be_hidden()
    assert body() == "Start. Bob was here."
    bob.locator("#prompt-body").press_sequentially(" Still.")
    expect(bob.locator("#autosave")).to_contain_text("Saved")
    adam.locator("#prompt-body").press_sequentially(" Again.")
    adam.get_by_role("link", name="Take theirs").click()
    expect(adam.locator("#prompt-body")).to_have_value(body())


def test_a_draft_is_written_and_published_by_the_keyboard_alone(enter: Any, write: Any, team: Any, app: Flask) -> None:
    write("bob", body="")
    page = enter("bob", DRAFT)
    page.locator("#system").focus()
    page.keyboard.press("Tab")
    page.keyboard.type("Say hello.")
    page.keyboard.press("Control+s")
    expect(page.locator("#autosave")).to_contain_text("Saved")
    button = page.locator(".topbar-actions").get_by_role("button", name="Publish")
    while not button.evaluate("one => one === document.activeElement"):
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#publish-form [name=message]")).to_be_focused()
    page.keyboard.type("First version")
    page.keyboard.press("Enter")
    expect(page.locator(".topbar .status")).to_have_text("Published v1")
    with app.app_context():
        vera = team.access("vera")
        found = library.published(vera, library.find(vera, "support-reply"))
        assert found
        assert (found.body, found.message) == ("Say hello.", "First version")


def test_square_brackets_walk_through_the_versions(enter: Any, write: Any, app: Flask, team: Any) -> None:
    write("bob", published=True)
    with app.app_context():
        bob = team.access("bob")
        actions.new_draft(bob, library.version(bob, library.find(bob, "support-reply"), 1))
    page = enter("vera", f"{PAGE}/versions/2")
    page.keyboard.press("[")
    expect(page.locator(".topbar .status")).to_have_text("Published v1")
    page.keyboard.press("]")
    expect(page.locator(".topbar .status")).to_have_text("Draft v2")


@pytest.mark.parametrize("width", [1440, 390])
def test_a_variable_with_a_very_long_name_widens_no_page(
    enter: Any, write: Any, app: Flask, team: Any, address: str, width: int
) -> None:
    write("bob", published=True)
    with app.app_context():
        bob = team.access("bob")
        first = library.version(bob, library.find(bob, "support-reply"), 1)
        second = actions.save_draft(bob, actions.new_draft(bob, first), {"body": "{{name}}: {{" + "x" * 90 + "}}"}, 1)
        actions.publish(bob, second, "Longer")
        actions.save_draft(bob, actions.new_draft(bob, second), {"body": "Hello {{order}}", "temperature": 0.2}, 1)
    page = enter("bob", PAGE)
    page.set_viewport_size({"width": width, "height": 900})
    wide = []
    for path in ("/versions/3", "/versions/2", "/compare/2...3", "/compare/2...3?view=unified", "/api", "/run"):
        page.goto(address + PAGE + path)
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            wide.append(path)
    assert wide == []


def test_enter_in_an_input_saves_and_leaves_everything_where_it_is(
    enter: Any, write: Any, body: Callable[[], str]
) -> None:
    write("bob")
    page = enter("bob", DRAFT)
    page.locator("#prompt-body").press_sequentially("Hi. ")
    page.locator("#var-name").fill("Amina")
    with page.expect_response(lambda answer: answer.url.endswith("/versions/1") and answer.request.method == "POST"):
        page.keyboard.press("Enter")
    expect(page.locator("#autosave")).to_contain_text("Saved")
    expect(page.locator("#var-name")).to_be_focused()
    assert page.locator("#var-name").input_value() == "Amina"
    assert "Hi. " in body()


def test_the_whole_way_works_without_javascript(enter: Any, write: Any, app: Flask, team: Any) -> None:
    page = enter("bob", "/w/acme/prompt-templates", java_script_enabled=False)
    page.get_by_role("link", name="New prompt template").first.click()
    page.get_by_label("Name", exact=True).fill("Support reply")
    page.get_by_role("button", name="Create prompt template").click()
    page.get_by_label("User", exact=True).fill("Hello {{name}}")
    page.get_by_role("button", name="Save").first.click()
    expect(page.locator("#toasts")).to_contain_text("Saved.")
    page.get_by_label("name", exact=True).fill("Amina")
    page.get_by_role("button", name="Run").first.click()
    page.wait_for_url("**/w/acme/executions/*")
    page.goto(page.url.split("/w/")[0] + PAGE)
    page.get_by_role("button", name="Publish").first.click()
    page.get_by_label("Message").fill("First version")
    page.get_by_role("button", name="Publish v1").click()
    expect(page.locator(".topbar .status").first).to_have_text("Published v1")
    with app.app_context():
        bob = team.access("bob")
        found = library.published(bob, library.find(bob, "support-reply"))
        assert found
        assert found.body == "Hello {{name}}"
