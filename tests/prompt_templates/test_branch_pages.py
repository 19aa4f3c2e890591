"""Pages of example messages, saved versions, branches and merges, without any script; what is foreign is not found."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from aiapp.prompt_templates import actions, library, revisions
from aiapp.prompt_templates.models import PromptVersion

PAGE = "/w/acme/prompt-templates/support-reply"
DRAFT = f"{PAGE}/versions/1"
TEXT = "".join(f"Rule {n} says something.\n" for n in range(1, 9))
Write = Callable[..., Any]
SignIn = Callable[[str], Any]


def text_of(answer: Any) -> str:
    return str(answer.get_data(as_text=True))


@pytest.fixture
def stored(app: Flask, team: Any) -> Callable[..., PromptVersion]:
    """`stored(1)`: version 1 as it stands in the database."""

    def stored(number: int = 1) -> PromptVersion:
        with app.app_context():
            bob = team.access("bob")
            return library.version(bob, library.find(bob, "support-reply"), number)

    return stored


@pytest.fixture
def bob(write: Write, sign_in: SignIn) -> Any:
    """bob's browser; he has a draft of eight rules."""
    write("bob", body=TEXT)
    return sign_in("bob")


def form(*messages: tuple[str, str], lock: int = 1, **more: str) -> dict[str, Any]:
    return {
        "lock_version": str(lock),
        "has_messages": "1",
        "message-role": [role for role, _ in messages],
        "message-content": [content for _, content in messages],
        **more,
    }


# example messages


def test_example_messages_are_added_moved_and_removed_by_buttons(bob: Any, stored: Any) -> None:
    def said(number: int) -> list[tuple[str, str]]:
        assert stored().lock_version == number
        return [(one["role"], one["content"]) for one in stored().messages]

    done = bob.submit(DRAFT, form(part="add"))
    assert (done.status_code, done.location) == (303, f"{DRAFT}#examples")
    assert said(2) == [("user", "")]
    bob.submit(DRAFT, form(("user", "Hi {{name}}"), lock=2, part="add"))
    assert said(3) == [("user", "Hi {{name}}"), ("assistant", "")]
    two = (("user", "Hi {{name}}"), ("assistant", "Hello"))
    bob.submit(DRAFT, form(*two, lock=3, part="down-1"))
    assert said(4) == [two[1], two[0]]
    bob.submit(DRAFT, form(two[1], two[0], lock=4, part="up-2"))
    assert said(5) == list(two)
    bob.submit(DRAFT, form(*two, lock=5, part="remove-1"))
    assert said(6) == [two[1]]
    for harmless in ("remove-9", "up-", "down-x", "nothing", "up-\u0663"):
        bob.submit(DRAFT, form(two[1], lock=6, part=harmless))
    assert said(6) == [two[1]]
    bob.submit(DRAFT, form(lock=6))
    assert said(7) == []


def test_the_editor_shows_example_messages_and_their_variables(bob: Any) -> None:
    bob.submit(DRAFT, form(("user", "\r\nHi {{name}}"), ("assistant", "<b>Hello</b>")))
    page = text_of(bob.get(DRAFT))
    assert re.search(r'id="example-1" name="message-content"[^>]*>\n\nHi {{name}}</textarea>', page)
    assert "&lt;b&gt;Hello&lt;/b&gt;</textarea>" in page
    assert 'id="var-name"' in page
    assert page.count('name="message-content"') == 3  # one is the template of a new one


def test_a_form_without_example_messages_leaves_them_alone(bob: Any, stored: Any) -> None:
    bob.submit(DRAFT, form(("user", "Hi")))
    bob.submit(DRAFT, {"body": "Hello", "lock_version": "2"})
    assert stored().messages == [{"role": "user", "content": "Hi"}]


def test_the_preview_follows_typed_example_messages(bob: Any, stored: Any) -> None:
    page = text_of(bob.swap(f"{DRAFT}/_preview", form(("user", "Hi {{who}}"), **{"var-who": "Amina"})))
    assert '<span class="variable">Amina</span>' in page
    assert "Example: user" in page
    assert stored().messages == []


def test_what_is_wrong_with_an_example_message_is_said_at_it(bob: Any, stored: Any) -> None:
    wrong = form(("user", "Hi"), ("system", "Hello"))
    page = bob.submit(DRAFT, wrong)
    assert page.status_code == 422
    assert re.search(r'id="example-2-error"[^>]*>The role is user or assistant', text_of(page))
    fragment = bob.swap(f"{DRAFT}/_autosave", wrong)
    assert (fragment.status_code, "Example 2: The role" in text_of(fragment)) == (422, True)
    assert stored().messages == []


def test_a_stale_save_shows_example_messages_too(bob: Any, sign_in: SignIn) -> None:
    sign_in("adam").swap(f"{DRAFT}/_autosave", form(("user", "their words")))
    page = text_of(bob.swap(f"{DRAFT}/_autosave", form(("user", "my words"))))
    assert "Examples: theirs → yours" in page
    assert re.search(r"<del>their</del>", page)


# saved versions


def test_saved_versions_are_listed_compared_and_restored(bob: Any, stored: Any) -> None:
    assert "Nothing was replaced yet" in text_of(bob.get(f"{DRAFT}/saved"))
    bob.submit(DRAFT, {"body": "Other", "lock_version": "1"})
    listed = text_of(bob.get(f"{DRAFT}/saved"))
    (path,) = set(re.findall(rf'"({DRAFT}/saved/[0-9a-f]{{32}})"', listed))
    page = text_of(bob.get(path))
    assert "<ins>Other</ins>" in page
    assert "Restore it" in page
    assert bob.submit(path, {"lock_version": "1"}).status_code == 409
    assert stored().body == "Other"
    assert bob.submit(path, {"lock_version": "2"}).location == DRAFT
    assert stored().body == TEXT


def test_a_viewer_looks_at_saved_versions_and_restores_none(bob: Any, sign_in: SignIn, app: Flask, team: Any) -> None:
    bob.submit(DRAFT, {"body": "Other", "lock_version": "1"})
    with app.app_context():
        access = team.access("bob")
        kept = revisions.listed(access, library.version(access, library.find(access, "support-reply"), 1))[0].id
    vera = sign_in("vera")
    page = text_of(vera.get(f"{DRAFT}/saved/{kept}"))
    assert "Restore it" not in page
    assert vera.submit(f"{DRAFT}/saved/{kept}", {"lock_version": "2"}).status_code == 403


# branches and merges


def begin(bob: Any, name: str, body: str, number: int) -> None:
    done = bob.submit(f"{DRAFT}/branch", {"branch": name})
    assert done.location == f"{PAGE}/versions/{number}"
    bob.submit(f"{PAGE}/versions/{number}", {"body": body, "lock_version": "1"})


def test_a_branch_is_begun_with_a_name(bob: Any, stored: Any) -> None:
    assert 'id="branch-name"' in text_of(bob.get(f"{DRAFT}/branch"))
    begin(bob, "warm", "Be warm.", 2)
    assert stored(2).branch == "warm"
    refused = bob.submit(f"{DRAFT}/branch", {"branch": "warm"})
    assert (refused.status_code, "There is a branch called warm already." in text_of(refused)) == (409, True)
    fragment = bob.swap(f"{DRAFT}/branch", {"branch": "main"})
    assert (fragment.status_code, text_of(fragment).lstrip().startswith("<dialog")) == (422, True)
    page = text_of(bob.get(f"{PAGE}/versions/2"))
    assert ">warm</" in page
    assert 'value="publish"' not in page
    assert "Draft v1" in text_of(bob.get(PAGE))  # the main line is what the template's page opens


def test_a_branch_is_not_published_by_its_page(bob: Any, stored: Any) -> None:
    begin(bob, "warm", "Be warm.", 2)
    assert "merge the branch first" in text_of(bob.get(f"{PAGE}/versions/2/publish"))
    refused = bob.submit(f"{PAGE}/versions/2/publish", {"message": "No", "lock_version": "2"})
    assert (refused.status_code, stored(2).status) == (409, "draft")


def test_a_branch_is_merged_on_one_page(bob: Any, stored: Any) -> None:
    begin(bob, "warm", TEXT.replace("Rule 8 says something.", "Be warm."), 2)
    bob.submit(DRAFT, {"body": TEXT.replace("Rule 1 says something.", "Be brief."), "lock_version": "1"})
    to_merge = bob.submit(f"{PAGE}/versions/2", {"lock_version": "2", "then": "merge"})
    assert to_merge.location == f"{PAGE}/merge?branch=warm"
    assert "/merge?into=1" in text_of(bob.get(DRAFT))  # what is open there is what a branch is merged into
    page = text_of(bob.get(to_merge.location))
    assert "No conflicts" in page
    assert "<ins>Be warm.</ins>" in page
    done = bob.submit(f"{PAGE}/merge", {"branch": "warm", "into": "1", "message": "Warmer"})
    assert done.location == f"{PAGE}/versions/3"
    merged = stored(3)
    assert merged.body == TEXT.replace("Rule 1 says something.", "Be brief.").replace(
        "Rule 8 says something.", "Be warm."
    )
    assert (merged.message, merged.branch) == ("Warmer", None)
    history = re.sub(r"\s+", " ", text_of(bob.get(f"{PAGE}/versions")))
    assert "from v1, merged from warm (v2)" in history
    assert "on warm, from v1" in history
    assert "v3 has all of warm already" in text_of(bob.get(f"{PAGE}/merge?branch=warm&into=3"))


def test_conflicts_are_solved_on_one_page(bob: Any, stored: Any) -> None:
    begin(bob, "warm", TEXT.replace("something.", "warm <b>.", 1), 2)
    bob.submit(DRAFT, {"body": TEXT.replace("something.", "brief.", 1), "lock_version": "1"})
    bob.submit(f"{DRAFT}/settings", {"temperature": "0.1", "lock_version": "2"})
    bob.submit(f"{PAGE}/versions/2/settings", {"temperature": "0.9", "lock_version": "2"})
    page = text_of(bob.get(f"{PAGE}/merge"))
    keys = list(dict.fromkeys(re.findall(r'name="take-([0-9a-f]+)"', page)))
    assert "2 conflicts" in page
    assert "<b>." not in page
    given = {"branch": "warm", "into": "1", f"take-{keys[0]}": "edit", f"text-{keys[0]}": "Both.\r\n"}
    refused = bob.submit(f"{PAGE}/merge", given)
    again = text_of(refused)
    assert refused.status_code == 409
    assert "Both have changed one place." in again
    assert again.count("Say what is to stand here.") == 1
    assert re.search(r'value="edit"\s+checked', again)
    assert re.search(r"Both\.\r?\n</textarea>", again)
    assert bob.submit(f"{PAGE}/merge", {**given, f"take-{keys[1]}": "edit"}).status_code == 422
    assert bob.submit(f"{PAGE}/merge", {**given, f"take-{keys[1]}": "theirs"}).status_code == 303
    assert stored(3).body == TEXT.replace("Rule 1 says something.", "Both.")
    assert stored(3).temperature == 0.9


def test_without_a_branch_the_page_says_how_to_begin_one(bob: Any) -> None:
    page = text_of(bob.get(f"{PAGE}/merge"))
    assert "There is no branch" in page
    assert f"{DRAFT}/branch" in page


def test_mine_is_saved_on_a_branch_and_merged_with_theirs(bob: Any, sign_in: SignIn, stored: Any) -> None:
    theirs = TEXT.replace("Rule 1 says something.", "Adam was here.")
    assert sign_in("adam").swap(f"{DRAFT}/_autosave", {"body": theirs, "lock_version": "1"}).status_code == 200
    mine = {"body": TEXT.replace("Rule 8 says something.", "Bob was here."), "lock_version": "1"}
    page = text_of(bob.swap(f"{DRAFT}/_autosave", mine))
    assert re.search(r'name="branch"\s+form="editor"\s+value="bob"', page)
    assert "Save mine on a branch" in page
    done = bob.submit(f"{DRAFT}/branch", {**mine, "branch": "main", "typed": "1"})
    assert done.location == f"{PAGE}/versions/2"  # a name that cannot be had is no reason to lose what was typed
    assert (stored(1).body, stored(2).body, stored(2).branch) == (theirs, mine["body"], "bob")
    bob.submit(f"{PAGE}/merge", {"branch": "bob"})
    assert stored(3).body == theirs.replace("Rule 8 says something.", "Bob was here.")


# what is foreign


def test_versions_of_others_are_not_found_anywhere(
    bob: Any, write: Write, sign_in: SignIn, app: Flask, team: Any
) -> None:
    begin(bob, "warm", "Be warm.", 2)
    with app.app_context():
        access = team.access("bob")
        draft = library.version(access, library.find(access, "support-reply"), 2)
        kept = revisions.listed(access, draft)[0].id
        actions.create(access, {"name": "Other", "body": "x"})
        actions.create(team.access("charlie", "rival"), {"name": "Support reply", "body": "x"})
    charlie = sign_in("charlie")
    for who, base in ((bob, "/w/acme/prompt-templates/other"), (charlie, "/w/rival/prompt-templates/support-reply")):
        for path in (
            "/compare/1...2",
            "/compare?from=1&to=2",
            "/compare/1...2/_hunk?part=body&first=1&count=1",
            "/versions/2/branch",
            "/versions/2/saved",
            f"/versions/1/saved/{kept}",
            "/versions/2/rollback",
            "/merge?branch=warm",
        ):
            assert who.get(base + path).status_code == 404, (base, path)
        for path, given in (
            ("/versions/2/branch", {"branch": "mine"}),
            ("/versions/2/rollback", {"message": "x"}),
            ("/versions/2/drafts", {}),
            (f"/versions/1/saved/{kept}", {"lock_version": "1"}),
            ("/merge", {"branch": "warm"}),
        ):
            assert who.submit(base + path, given).status_code == 404, (base, path)
