"""The main job while no script runs: every step is a plain form or a link."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect
from watching import sign_in

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(180)]


def test_the_main_job_works_without_scripts(new_page, product):
    page = new_page(java_script_enabled=False)
    sign_in(page, product.address)
    page.click(".workspace-switch")
    page.click("text=All workspaces")
    page.get_by_role("main").get_by_role("link", name="New workspace").click()
    page.get_by_label("Name").fill("Plain")
    page.get_by_role("button", name="Create workspace").click()
    add_credential(page, "expired key", "demo-bad-key", "expired key is saved and switched off")
    page.get_by_role("button", name="Switch on").click()
    expect(page.locator(".toast")).to_contain_text("expired key is switched on again")
    add_credential(page, "working key", "demo-good", "working key is saved and works.")
    write_prompt(page)
    publish(page)
    run_it(page)
    rate_it(page)
    page.locator("#nav").get_by_role("link", name="Home").click()
    expect(page.locator(".notice")).to_contain_text("expired key (Demo) is down. Key refused")
    page.get_by_role("link", name="Fix credential").click()
    expect(page.get_by_label("Name")).to_have_value("expired key")


def add_credential(page: Page, name: str, model: str, message: str) -> None:
    page.locator("#nav").get_by_role("link", name="Credentials").click()
    page.get_by_role("main").get_by_role("link", name="Add credential").click()
    page.get_by_role("main").get_by_role("link", name=re.compile("^Demo")).click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Preferred model").fill(model)
    page.get_by_role("main").get_by_role("button", name="Test and save").click()
    expect(page.locator(".toast")).to_contain_text(message)


def write_prompt(page: Page) -> None:
    page.locator("#nav").get_by_role("link", name="Prompt templates").click()
    page.get_by_role("main").get_by_role("link", name="New prompt template").click()
    page.get_by_label("Name").fill("Greeting")
    page.get_by_role("button", name="Create prompt template").click()
    page.get_by_label("User", exact=True).fill("Say hello to {{customer}}.")
    page.get_by_role("main").get_by_role("button", name="Save").click()
    expect(page.get_by_label("customer")).to_be_visible()
    expect(page.locator("#rendered-prompt .variable-missing")).to_have_text("customer")


def publish(page: Page) -> None:
    page.get_by_role("main").get_by_role("button", name="Publish").click()
    page.get_by_label("Message").fill("The first one")
    page.get_by_role("button", name="Publish v1").click()
    expect(page.locator(".topbar")).to_contain_text("Published v1")


def run_it(page: Page) -> None:
    page.get_by_label("More actions").click()
    page.get_by_role("link", name="Run form").click()
    page.get_by_label("customer").fill("Amina")
    page.get_by_role("main").get_by_role("button", name="Run").click()
    expect(page).to_have_url(re.compile("/executions/[0-9a-f]{32}"))
    expect(page.locator("#execution-state")).to_have_text("Completed")  # the page looks again by itself
    assert "http-equiv" not in page.content()
    expect(page.locator("#output")).to_contain_text("Say hello to Amina.")
    expect(page.locator("#attempts > li")).to_contain_text(["auth 401", "It answered."])


def rate_it(page: Page) -> None:
    page.get_by_role("link", name="Was this useful?").click()
    page.get_by_role("button", name="Good").click()
    page.get_by_label("Comment").fill("Just right")
    page.get_by_role("button", name="Save feedback").click()
    expect(page).to_have_url(re.compile("/executions/[0-9a-f]{32}$"))
    page.get_by_role("link", name="Was this useful?").click()
    expect(page.get_by_role("button", name="Good")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_label("Comment")).to_have_value("Just right")
