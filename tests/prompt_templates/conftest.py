"""A prompt template in acme, written by bob."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Page

import aiapp.models  # noqa: F401 - every table, whichever test runs first
from aiapp.prompt_templates import actions, library
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.workspaces.access import Access


@pytest.fixture
def bob(app: Flask, team: Any) -> Iterator[Access]:
    """bob's access to acme, in an app context."""
    with app.app_context():
        yield team.access("bob")


@pytest.fixture
def template(bob: Access) -> PromptTemplate:
    """Support reply with one draft."""
    return actions.create(
        bob,
        {
            "name": "Support reply",
            "tags": ["support", "email"],
            "system": "Write in {{language}}.",
            "body": "{{name}} wrote:\n{{message}}\n",
            "variables": [
                {"name": "language", "type": "choice", "choices": ["English", "German"], "default": "English"}
            ],
        },
    )


@pytest.fixture
def draft(bob: Access, template: PromptTemplate) -> PromptVersion:
    """Version 1 of Support reply."""
    return library.version(bob, template, 1)


@pytest.fixture
def write(app: Flask, team: Any) -> Callable[..., PromptTemplate]:
    """`write("bob", published=True, name="Ticket triage", body="…")` for pages' tests: its own app context."""

    def write(person: str, *, published: bool = False, **given: Any) -> PromptTemplate:
        with app.app_context():
            access = team.access(person)
            made = actions.create(access, {"name": "Support reply", "body": "{{name}} wrote: {{message}}", **given})
            if published:
                actions.publish(access, library.version(access, made, 1), "First version")
            return made

    return write


@pytest.fixture
def enter(new_context: Any, address: str, sign_in: Callable[[str], Any]) -> Iterator[Callable[..., Page]]:
    """`enter("bob", DRAFT)`: a browser of bob's own on that page; no page may complain of the CSP or a script."""
    complaints: list[str] = []

    def enter(name: str, path: str, **options: Any) -> Page:
        cookie = sign_in(name).get_cookie("aiapp_session")
        context = new_context(viewport={"width": 1440, "height": 900}, **options)
        context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": address}])
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complaints.append(line.text) if "Content Security" in line.text else None)
        page.set_default_timeout(15_000)
        page.goto(address + path)
        return page

    yield enter
    assert complaints == []


@pytest.fixture
def body(app: Flask, team: Any) -> Callable[[], str]:
    """The stored text of version 1."""

    def body() -> str:
        with app.app_context():
            bob = team.access("bob")
            return library.version(bob, library.find(bob, "support-reply"), 1).body

    return body
