"""Example messages, overtaken drafts, merges and comparisons in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import expect

from aiapp.prompt_templates import actions, library
from aiapp.prompt_templates.models import PromptVersion

pytestmark = pytest.mark.browser

PAGE = "/w/acme/prompt-templates/support-reply"
DRAFT = f"{PAGE}/versions/1"
TEXT = "".join(f"Rule {n} says something.\n" for n in range(1, 31))


@pytest.fixture
def stored(app: Flask, team: Any) -> Callable[..., PromptVersion]:
    """`stored(1)`: version 1 as it stands in the database."""

    def stored(number: int = 1) -> PromptVersion:
        with app.app_context():
            bob = team.access("bob")
            return library.version(bob, library.find(bob, "support-reply"), number)

    return stored


def test_example_messages_are_written_moved_and_removed(enter: Any, write: Any, stored: Any) -> None:
    write("bob", body="Hi")
    page = enter("bob", DRAFT)
    saved = page.locator("#autosave")
    for text in ("Where is {{order}}?", "On its way.", "Thanks"):
        page.get_by_role("button", name="Add example").click()
        page.keyboard.type(text)
    expect(page.locator("#rendered-prompt")).to_contain_text("On its way.")
    expect(page.locator("#var-order")).to_be_visible()
    expect(page.locator("#examples mark")).to_have_text("{{order}}")
    page.get_by_role("button", name="Move up example 3").press("Enter")
    expect(page.get_by_role("button", name="Move up example 2")).to_be_focused()
    page.get_by_role("button", name="Remove example 1").click()
    expect(page.get_by_label("Example 1", exact=True)).to_have_value("Thanks")
    expect(page.get_by_role("button", name="Move up example 1")).to_be_disabled()
    page.keyboard.press("Control+s")
    expect(saved).to_contain_text("Saved")
    expect(saved).not_to_contain_text("yet")
    said = [{"role": "user", "content": "Thanks"}, {"role": "assistant", "content": "On its way."}]
    assert stored().messages == said
    page.locator("#examples .drag-handle").nth(1).drag_to(page.locator("#examples > div").first)
    expect(saved).to_contain_text("Not saved yet")
    expect(saved).to_contain_text("Saved just now")
    assert stored().messages == said[::-1]
    page.reload()
    expect(page.get_by_label("Role of example 1")).to_have_value("assistant")


def test_an_overtaken_text_goes_on_a_branch_and_both_come_together(enter: Any, write: Any, stored: Any) -> None:
    write("bob", body=TEXT)
    bob, adam = enter("bob", DRAFT), enter("adam", DRAFT)
    theirs = TEXT.replace("Rule 1 says something.", "Adam was here.")
    mine = TEXT.replace("Rule 30 says something.", "Bob was here.")
    adam.locator("#prompt-body").fill(theirs)
    expect(adam.locator("#autosave")).to_contain_text("Saved")
    bob.locator("#prompt-body").fill(mine)
    expect(bob.locator("#save-problem")).to_contain_text("Somebody else has changed this draft")
    bob.get_by_label("Name of the branch").fill("bobs words")
    bob.get_by_role("button", name="Save mine on a branch").click()
    bob.wait_for_url("**/versions/2")
    assert (stored(1).body, stored(2).body, stored(2).branch) == (theirs, mine, "bobs words")
    bob.locator(".topbar-actions").get_by_role("button", name="Merge").click()
    expect(bob.locator("#result-title")).to_have_text("What changes in v1")
    bob.locator(".topbar-actions").get_by_role("button", name="Make the merged draft").click()
    bob.wait_for_url("**/versions/3")
    assert stored(3).body == theirs.replace("Rule 30 says something.", "Bob was here.")


def test_a_branch_is_begun_and_its_conflict_solved_by_the_keyboard(enter: Any, write: Any, stored: Any) -> None:
    write("bob", body=TEXT)
    page = enter("bob", f"{DRAFT}/branch")
    page.get_by_label("Name", exact=True).fill("warm")
    page.keyboard.press("Enter")
    page.wait_for_url("**/versions/2")
    for number, words in ((2, "warm"), (1, "brief")):
        page.goto(page.url.rpartition("/")[0] + f"/{number}")
        page.locator("#prompt-body").fill(TEXT.replace("something", words, 1))
        page.keyboard.press("Control+s")
        expect(page.locator("#autosave")).to_contain_text("Saved just now")
    page.goto(page.url.replace("/versions/1", "/merge"))
    expect(page.locator("#conflicts-title")).to_have_text("1 conflict")
    page.keyboard.press("n")
    expect(page.locator(".conflict")).to_be_focused()
    by_hand = page.get_by_label("What is to stand there", exact=True).and_(page.locator("textarea"))
    expect(by_hand).to_be_hidden()
    page.get_by_label("Something else").press("Space")
    by_hand.fill("Both.\n")
    page.locator(".topbar-actions").get_by_role("button", name="Make the merged draft").press("Enter")
    page.wait_for_url("**/versions/3")
    assert stored(3).body == TEXT.replace("Rule 1 says something.", "Both.")


def test_keys_walk_over_the_changes_of_a_comparison_and_switch_its_view(
    enter: Any, write: Any, app: Flask, team: Any
) -> None:
    write("bob", published=True, body=TEXT)
    with app.app_context():
        bob = team.access("bob")
        draft = actions.new_draft(bob, library.version(bob, library.find(bob, "support-reply"), 1))
        changed = TEXT.replace("Rule 2 says", "Rule 2 sings").replace("Rule 28 says", "Rule 28 sings")
        actions.save_draft(bob, draft, {"body": changed}, 1)
    page = enter("bob", f"{PAGE}/compare/1...2")
    here = page.locator(".current-change")
    for key, words in (("n", "Rule 2 sings"), ("n", "Rule 28 sings"), ("n", "Rule 2 sings"), ("p", "Rule 28 sings")):
        page.keyboard.press(key)
        expect(here).to_contain_text(words)
        expect(here).to_be_focused()
        expect(here).to_be_in_viewport()
    page.keyboard.press("u")
    page.wait_for_url("**?view=unified")
    page.keyboard.press("p")
    expect(here).to_contain_text("Rule 28 says")
    page.keyboard.press("s")
    page.wait_for_url(lambda url: "unified" not in url)
