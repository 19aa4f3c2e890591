"""Nobody takes away alone, or unawares, what programs and other prompt templates get: archiving and deleting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from aiapp.prompt_templates import labels, library, publishing_rules
from aiapp.prompt_templates.models import PromptTemplate

LIBRARY = "/w/acme/prompt-templates"
PAGE = f"{LIBRARY}/support-reply"


@pytest.fixture
def call(app: Flask, team: Any) -> Callable[..., Any]:
    """`call("bob", "DELETE", "/x", json)`: the API."""

    def call(name: str, method: str, path: str, json: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {team.token(name, 'admin')}"}
        return app.test_client().open(f"/api/v1/prompt-templates{path}", method=method, json=json, headers=headers)

    return call


def _under_a_rule(team: Any) -> None:
    publishing_rules.set_rule(team.access("alice"), "second_person")


def _with_a_protected_label(team: Any) -> None:
    alice = team.access("alice")
    template = library.find(alice, "support-reply")
    label = labels.create(alice, "production", protected=True)
    labels.move(alice, template, label, library.version(alice, template, 1))


@pytest.mark.parametrize("guard", [_under_a_rule, _with_a_protected_label])
def test_an_admin_takes_away_what_was_agreed_on_and_an_editor_does_not(
    app: Flask, team: Any, write: Callable[..., PromptTemplate], sign_in: Any, call: Any, guard: Callable[[Any], None]
) -> None:
    write("bob", published=True)
    write("bob", name="Notes")
    with app.app_context():
        guard(team)
    bob = sign_in("bob")

    refused = [
        bob.submit(f"{PAGE}/archive", {"force": "1"}),
        bob.get(f"{PAGE}/delete"),
        bob.submit(f"{PAGE}/delete", {"typed": "support-reply"}),
        bob.submit(f"{LIBRARY}/_chosen", {"slug": ["notes", "support-reply"], "change": "archive", "force": "1"}),
        call("bob", "PATCH", "/support-reply?force=true", {"active": False}),
        call("bob", "DELETE", "/support-reply?force=true"),
    ]

    assert [one.status_code for one in refused] == [403] * 6
    assert all("What programs get from Support reply needs an approval here" in one.text for one in refused)
    assert [call("bob", "GET", f"/{slug}").json["active"] for slug in ("notes", "support-reply")] == [True, True]
    assert call("bob", "PATCH", "/notes", {"active": False}).status_code == 200
    assert call("bob", "DELETE", "/notes").status_code == 204
    assert call("adam", "PATCH", "/support-reply", {"active": False}).status_code == 200
    assert sign_in("adam").submit(f"{PAGE}/delete", {"typed": "support-reply"}).status_code == 303


@pytest.fixture
def included(write: Callable[..., PromptTemplate]) -> None:
    """Letter includes Support reply, which is published."""
    write("bob", published=True)
    write("bob", published=True, name="Letter", body="{{> support-reply}}")


def test_the_api_archives_what_others_include_with_force_only(included: None, call: Any) -> None:
    answer = call("bob", "PATCH", "/support-reply", {"active": False})

    assert (answer.status_code, answer.json["code"]) == (409, "included")
    assert "This is included by Letter v1." in answer.json["detail"]
    assert call("bob", "GET", "/support-reply").json["active"]
    assert call("bob", "PATCH", "/support-reply", {"description": "As before"}).status_code == 200
    assert not call("bob", "PATCH", "/support-reply?force=true", {"active": False}).json["active"]
    assert call("bob", "PATCH", "/support-reply", {"active": False}).status_code == 200, "it is archived already"


def test_the_page_names_who_includes_it_before_it_is_archived(included: None, sign_in: Any, call: Any) -> None:
    bob = sign_in("bob")

    question = bob.submit(f"{PAGE}/archive")

    assert question.status_code == 409
    assert "Letter v1" in question.text
    assert "Archive anyway" in question.text
    assert f'action="{PAGE}/archive"' in question.text
    assert call("bob", "GET", "/support-reply").json["active"]
    assert bob.submit(f"{PAGE}/archive", {"force": "1"}).status_code == 303
    assert not call("bob", "GET", "/support-reply").json["active"]


def test_several_are_archived_after_the_same_question_unless_all_who_include_them_go_too(
    included: None, write: Callable[..., PromptTemplate], sign_in: Any, call: Any
) -> None:
    write("bob", name="Notes")
    bob = sign_in("bob")

    question = bob.submit(f"{LIBRARY}/_chosen", {"slug": ["notes", "support-reply"], "change": "archive"})

    assert question.status_code == 409
    assert "Letter v1" in question.text
    assert 'name="slug" value="notes"' in question.text
    assert 'name="change" value="archive"' in question.text
    assert call("bob", "GET", "/notes").json["active"]
    together = {"slug": ["letter", "support-reply"], "change": "archive"}
    assert bob.submit(f"{LIBRARY}/_chosen", together).status_code == 303
    assert not call("bob", "GET", "/support-reply").json["active"]
    back = {"slug": ["letter", "support-reply"], "change": "unarchive"}
    assert bob.submit(f"{LIBRARY}/_chosen", back).status_code == 303
    forced = {"slug": ["notes", "support-reply"], "change": "archive", "force": "1"}
    assert bob.submit(f"{LIBRARY}/_chosen", forced).status_code == 303
    assert [call("bob", "GET", f"/{slug}").json["active"] for slug in ("letter", "notes", "support-reply")] == [
        True,
        False,
        False,
    ]
