"""The shell in a browser: menus, dialogs, messages, keys, the drawer; axe-core finds nothing in any of these states."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect

import aiapp
from aiapp import filters
from aiapp.prompt_templates import actions

pytestmark = pytest.mark.browser

STATIC = Path(aiapp.__file__).parent / "static"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_open_menus_and_dialogs(see, address, violations, theme):
    page = see("list")
    page.context.add_cookies([{"name": "theme", "value": theme, "url": address}])
    see("list")
    for opener in [".workspace-switch", ".user-switch", "[aria-label='More for Triage']"]:
        page.click(opener)
        assert violations(page) == [], opener
    page.keyboard.press("Escape")
    for keys, dialog in [("?", "#keys"), ("Control+k", "#palette")]:
        page.keyboard.press(keys)
        expect(page.locator(dialog)).to_be_visible()
        assert violations(page) == [], dialog
        page.keyboard.press("Escape")


def test_menus_close_on_escape_and_on_a_click_elsewhere_and_one_is_open_at_a_time(see):
    page = see("list")
    opened = page.locator("details.menu[open]")
    page.click(".workspace-switch")
    expect(page.locator("#workspace-menu a[aria-current]")).to_have_text(re.compile("Acme"))
    page.click(".user-switch")
    expect(opened).to_have_count(1)
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="Profile")).to_be_focused()
    page.keyboard.press("Escape")
    expect(opened).to_have_count(0)
    expect(page.locator(".user-switch")).to_be_focused()
    page.click("[aria-label='More for Reply']")
    expect(opened).to_have_count(1)
    page.click("h1")
    expect(opened).to_have_count(0)


def test_the_theme_changes_at_once_and_stays(see):
    page = see("fields")
    page.fill("[name=notes]", "typed before")
    page.click(".user-switch")
    with page.expect_response("**/theme"):
        page.click("button[value=dark]")
    expect(page.locator("html")).to_have_class("dark")
    expect(page.locator("[name=notes]")).to_have_value("typed before")
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(page.locator("html")).to_have_class("dark")


def test_without_a_choice_the_page_has_the_colours_of_the_system_from_the_first_moment(see):
    page = see("list")
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_class("dark")  # also when the system changes its mind
    page.add_init_script(
        """addEventListener("DOMContentLoaded", () => (window.early = document.documentElement.className));"""
    )
    page.route("**/app.js*", lambda route: route.abort())  # what comes later has no part in it
    page.reload()
    assert page.evaluate("window.early") == "dark"


def test_a_choice_is_kept_whatever_the_system_says_until_it_is_given_back(see):
    page = see("list")
    page.emulate_media(color_scheme="dark")
    for choice, name in [("light", ""), ("dark", "dark"), ("light", ""), ("system", "dark")]:
        page.click(".user-switch")
        with page.expect_response("**/theme"):
            page.click(f"button[value={choice}]")
        expect(page.locator("html")).to_have_class(name)
        expect(page.locator(f"button[value={choice}]")).to_have_attribute("aria-pressed", "true")
        page.reload()
        expect(page.locator("html")).to_have_class(name)
        expect(page.locator("[data-theme-switch] [aria-pressed=true]")).to_have_attribute("value", choice)


def test_the_colours_of_the_system_without_scripts_are_the_dark_ones():
    tokens = (STATIC / "css" / "tokens.css").read_text(encoding="utf-8")
    dark = re.search(r"^\.dark \{(.*?)^\}", tokens, re.S | re.M)
    copied = re.search(r"html\[data-theme=system\] \{(.*?)\}", (STATIC / "app.css").read_text(encoding="utf-8"), re.S)
    assert dark
    assert copied
    assert dark[1].split() == copied[1].split()


def test_an_answer_can_say_something_in_a_toast(see):
    page = see("list")
    page.click("text=Send saved")
    toast = page.locator(".toast")
    expect(toast).to_have_text(re.compile("Credential saved"))
    expect(page.locator("#answer")).to_have_text("Saved")
    toast.get_by_label("Dismiss").click()
    expect(toast).to_have_count(0)


def test_our_own_error_is_one_toast_however_often_it_comes_and_the_page_stays(see):
    page = see("list")
    for _ in range(3):
        with page.expect_response("**/down"):
            page.click("text=Send down")
    toast = page.locator(".toast[role=alert]")
    expect(toast).to_have_count(1)
    expect(toast).to_contain_text("The queue did not answer.")
    expect(toast).to_contain_text("Request")
    expect(page.locator("#answer")).to_have_text("nothing yet")


def test_an_error_of_a_search_is_shown_too(see):
    page = see("list")
    page.evaluate("document.querySelector('.filter-bar').setAttribute('hx-post', 'down')")
    page.evaluate("document.querySelector('.filter-bar').removeAttribute('hx-get')")
    before = page.url
    page.fill("#main [name=q]", "Reply")
    expect(page.locator(".toast[role=alert]")).to_contain_text("The queue did not answer.")
    assert page.url == before


@pytest.mark.parametrize("status", ["502", "503"])
def test_a_proxys_error_page_is_never_put_into_ours(see, status):
    page = see("list")
    page.click(f"text=Send {status}")
    expect(page.locator(".toast[role=alert]")).to_contain_text(f"({status})")
    expect(page.locator("#answer")).to_have_text("nothing yet")


def test_a_lost_connection_is_said(see):
    page = see("list")
    page.context.set_offline(True)
    page.click("text=Send saved")
    expect(page.locator(".toast[role=alert]")).to_contain_text("cannot be reached")


def test_a_dialog_opens_over_the_page_and_gives_the_focus_back(see):
    page = see("list")
    page.click("[aria-label='More for Triage']")
    page.click("details[open] >> text=Delete")
    dialog = page.locator("dialog#delete")
    expect(dialog).to_be_visible()
    assert dialog.evaluate("one => one.matches(':modal')")
    assert page.url.endswith("/list")
    expect(page.get_by_role("link", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.locator("[aria-label='More for Triage']")).to_be_focused()


def test_a_dialog_that_is_a_page_leads_back_and_its_form_works(see):
    page = see("delete")
    page.get_by_role("link", name="Cancel").click()
    page.wait_for_url("**/list")
    see("delete")
    page.get_by_role("button", name="Delete it").click()
    page.wait_for_url("**/list")
    expect(page.locator(".toast")).to_contain_text("Deleted.")


def test_filters_replace_the_list_and_the_address_says_what_is_shown(see):
    page = see("list")
    page.fill("#main [name=q]", "Triage")
    expect(page.locator("#rows tr")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"/list\?q=Triage$"))
    page.fill("#main [name=q]", "")
    expect(page.locator("#rows tr")).to_have_count(3)
    expect(page).to_have_url(re.compile(r"/list$"))
    page.select_option("[name=status]", "failed")
    expect(page).to_have_url(re.compile(r"\?status=failed$"))
    page.get_by_text("Mine", exact=True).click()
    expect(page).to_have_url(re.compile(r"\?status=failed&mine=1$"))
    page.reload()
    expect(page.locator("[name=status]")).to_have_value("failed")
    expect(page.locator("[name=mine]")).to_be_checked()


def test_more_rows_are_added_and_the_last_ones_take_the_button_along(see):
    page = see("list")
    page.click("#more")
    expect(page.locator("#rows tr")).to_have_count(4)
    expect(page.locator("#more")).to_have_count(0)


def test_keys_lead_to_pages_and_through_rows(see):
    page = see("list")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="Triage")).to_be_focused()
    page.keyboard.press("k")
    expect(page.get_by_role("link", name="Reply")).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("#main [name=q]")).to_be_focused()
    page.keyboard.type("gp?j")
    expect(page.locator("#main [name=q]")).to_have_value("gp?j")
    expect(page.locator("dialog:modal")).to_have_count(0)
    page.locator("h1").click()
    page.keyboard.press("g")
    page.keyboard.press("p")
    page.wait_for_url("**/prompt-templates")


def test_keys_of_one_letter_can_be_switched_off(see):
    page = see("list")
    page.keyboard.press("?")
    page.uncheck("#single-keys")
    page.keyboard.press("Escape")
    page.reload()
    page.keyboard.press("?")
    expect(page.locator("#keys")).not_to_be_visible()
    page.keyboard.press("Control+k")
    expect(page.locator("#palette")).to_be_visible()


def test_the_palette_finds_a_page(see):
    page = see("list")
    page.keyboard.press("Control+k")
    expect(page.locator("#palette input")).to_be_focused()
    page.keyboard.type("member")
    expect(page.locator("#palette-pages a:visible")).to_have_text(["Members"])
    expect(page.locator("#palette h3:visible")).to_have_text(["Pages"])
    page.keyboard.press("Enter")
    page.wait_for_url("**/settings/members")


def test_the_arrows_walk_through_the_palette_from_the_field_and_back(see):
    page = see("list")
    page.keyboard.press("Control+k")
    field, links = page.locator("#palette input"), page.locator("#palette-pages a")
    page.keyboard.press("ArrowDown")
    expect(links.nth(0)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(links.nth(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(field).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/prompt-templates")


def test_escape_closes_the_palette_and_it_opens_empty_again(see):
    page = see("list")
    page.keyboard.press("Control+k")
    page.keyboard.type("member")
    page.keyboard.press("Escape")
    expect(page.locator("#palette")).not_to_be_visible()
    page.keyboard.press("Control+k")
    expect(page.locator("#palette input")).to_have_value("")
    expect(page.locator("#palette-pages a:visible")).to_have_count(9)


def test_a_palette_without_hits_says_so_and_has_no_empty_heading(see):
    page = see("list")
    page.keyboard.press("Control+k")
    page.keyboard.type("qqqq")
    expect(page.locator("#palette").get_by_role("status")).to_have_text("Nothing has these words.")
    expect(page.locator("#palette h3:visible")).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page.locator("#palette")).to_be_visible()


def test_enter_waits_for_the_prompt_templates_that_were_asked_for(see, app, team):
    with app.app_context():
        actions.create(team.access("alice"), {"name": "Support reply", "body": "Hi"})
        actions.create(team.access("alice"), {"name": "Release notes", "body": "Hi"})
    page = see("list")
    title = page.title()
    page.keyboard.press("Control+k")
    expect(page.locator("#palette-found a")).to_have_count(2)
    assert page.title() == title
    page.keyboard.type("elease")
    expect(page.locator("#palette-found a")).to_have_count(1)
    page.keyboard.press("Control+a")
    page.keyboard.type("support")
    page.keyboard.press("Enter")
    page.wait_for_url("**/prompt-templates/support-reply")


def test_the_drawer_opens_holds_the_focus_and_closes(see, violations):
    page = see("list", width=390)
    nav = page.locator("#nav")
    expect(nav).not_to_be_visible()
    page.get_by_label("Open menu").click()
    expect(nav).to_be_visible()
    expect(page.locator(".workspace-switch")).to_be_focused()
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(nav).not_to_be_visible()
    expect(page.get_by_label("Open menu")).to_be_focused()
    page.get_by_label("Open menu").click()
    page.mouse.click(380, 300)  # beside it: closes, and follows nothing that lies there
    expect(nav).not_to_be_visible()
    assert page.url.endswith("/list")


def test_the_marks_of_a_prompt_follow_its_text(see):
    page = see("fields")
    layer = page.locator(".highlighted-input pre")
    expect(layer.locator("mark")).to_have_text(["{{name}}", "{{order_id}}", "{{> greeting@2}}"])
    expect(layer.locator("mark.missing")).to_have_text(["{{order_id}}"])
    page.locator("#body").fill("<b>{{a.b}}</b> {{ c }} {{{{x}}\n\nend")
    expect(layer.locator("mark")).to_have_text(["{{a.b}}", "{{x}}"])
    assert layer.evaluate("one => one.textContent") == "<b>{{a.b}}</b> {{ c }} {{{{x}}\n\nend\n"
    assert page.locator("#body").evaluate("one => one.scrollHeight <= one.clientHeight")
    page.locator("#body").fill("{{" * 100_000)
    expect(layer.locator("mark")).to_have_count(0)


def test_leaving_asks_while_something_is_not_saved(see):
    page = see("fields")
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.locator("#body").press_sequentially("x")
    with page.expect_response("**/autosaved"):
        page.click("text=Autosave")
    see("list")
    assert asked == []
    see("fields")
    page.locator("#body").press_sequentially("x")
    see("list")
    assert asked == ["beforeunload"]


def test_a_copy_button_copies(see, address):
    page = see("list")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=address)
    page.get_by_role("button", name="Copy").click()
    expect(page.locator(".toast")).to_contain_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "copied text"


def test_the_script_tells_times_in_the_words_of_the_server(alice, address):
    now = datetime.now(UTC).replace(microsecond=0)
    seconds = [30, 90, 3_000, 7_200, 100_000, 1_000_000, 1_300_000, 9_000_000, 80_000_000]
    times = [now - timedelta(seconds=sign * one + 7) for one in seconds for sign in (1, -1)]
    alice.clock.install(time=now)
    query = "&".join(f"t={one:%Y-%m-%dT%H:%M:%SZ}" for one in times)
    alice.goto(f"{address}/w/acme/samples/times?{query}")
    alice.clock.fast_forward(16_000)
    shown = alice.locator("#main time").all_text_contents()
    server_now = datetime.fromtimestamp(int(alice.locator("html").get_attribute("data-now")), UTC)
    told = [{filters.relative(one, now=server_now + timedelta(seconds=s)) for s in range(10, 22)} for one in times]
    assert all(text in words for text, words in zip(shown, told, strict=True)), list(zip(shown, told, strict=True))
