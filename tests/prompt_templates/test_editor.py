"""The editor: saving as one types, the live preview, trying a prompt out; with htmx and without any script."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from aiapp.audit import AuditEvent
from aiapp.credentials import actions as credentials
from aiapp.executions.models import Execution
from aiapp.extensions import db
from aiapp.prompt_templates import actions, library
from aiapp.prompt_templates.models import PromptVersion

PAGE = "/w/acme/prompt-templates/support-reply"
DRAFT = f"{PAGE}/versions/1"
SignIn = Callable[[str], Any]
Write = Callable[..., Any]


def text_of(answer: Any) -> str:
    return str(answer.get_data(as_text=True))


def lock_version(page: str) -> str:
    found = re.search(r'id="lock-version"\s+value="(\d+)"', page)
    assert found, page
    return found[1]


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
    """bob's browser; he has a draft."""
    write("bob")
    return sign_in("bob")


def test_the_editor_has_the_text_and_an_input_for_each_variable(bob: Any) -> None:
    page = text_of(bob.get(DRAFT))
    assert "{{name}} wrote: {{message}}</textarea>" in page
    assert 'id="var-name"' in page
    assert 'id="var-message"' in page
    assert "0 of 2 filled" in page
    assert 'data-missing-variables="name message"' in page


def test_the_page_of_a_template_opens_the_draft_for_editors(write: Write, sign_in: SignIn) -> None:
    write("bob", published=True)
    bob, vera = sign_in("bob"), sign_in("vera")
    assert 'name="body"' not in text_of(bob.get(PAGE))
    bob.submit(f"{DRAFT}/drafts")
    assert "Draft v2" in text_of(bob.get(PAGE))
    assert "Published v1" in text_of(vera.get(PAGE))


def test_a_text_that_begins_with_an_empty_line_keeps_it(bob: Any, stored: Callable[..., PromptVersion]) -> None:
    """A browser drops the first line break after <textarea>, so the page has one more."""
    bob.submit(DRAFT, {"body": "\r\nHello", "lock_version": "1"})
    assert stored().body == "\nHello"
    assert re.search(r'name="body"[^>]*>\n\nHello</textarea>', text_of(bob.get(DRAFT)))


def test_saving_without_javascript_comes_back_to_the_editor(bob: Any, stored: Callable[..., PromptVersion]) -> None:
    seen = lock_version(text_of(bob.get(DRAFT)))
    saved = bob.submit(DRAFT, {"system": "Be kind.", "body": "Hello {{name}}", "lock_version": seen})
    assert (saved.status_code, saved.location) == (303, DRAFT)
    assert (stored().system, stored().body) == ("Be kind.", "Hello {{name}}")
    page = text_of(bob.get(DRAFT))
    assert "Saved." in page
    assert lock_version(page) != seen


def test_autosave_answers_with_the_lock_for_the_next_one(bob: Any, stored: Callable[..., PromptVersion]) -> None:
    answer = bob.swap(f"{DRAFT}/_autosave", {"body": "Hello", "lock_version": "1"})
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert lock_version(text_of(answer)) == "2"
    assert "just now" in text_of(answer)
    assert bob.swap(f"{DRAFT}/_autosave", {"body": "Hello", "lock_version": "2"}).status_code == 200
    assert stored().lock_version == 2


def test_autosaves_leave_no_audit_events(app: Flask, bob: Any) -> None:
    for number in range(1, 4):
        bob.swap(f"{DRAFT}/_autosave", {"body": f"Hello {number}", "lock_version": str(number)})
    with app.app_context():
        events = list(db.session.scalars(sa.select(AuditEvent.action).where(AuditEvent.workspace_id.is_not(None))))
    assert events.count("prompt_template.create") == 1
    assert not [event for event in events if "save" in event or "update" in event]


@pytest.fixture
def overtaken(bob: Any, sign_in: SignIn) -> str:
    """adam has written the draft that bob still has open; the lock version that bob has."""
    seen = lock_version(text_of(bob.get(DRAFT)))
    assert sign_in("adam").swap(f"{DRAFT}/_autosave", {"body": "their words", "lock_version": seen}).status_code == 200
    return seen


def test_a_stale_autosave_shows_both_texts_and_the_choices(
    bob: Any, overtaken: str, stored: Callable[..., PromptVersion]
) -> None:
    answer = bob.swap(f"{DRAFT}/_autosave", {"body": "my words", "lock_version": overtaken})
    page = text_of(answer)
    assert answer.status_code == 409
    assert answer.headers["HX-Retarget"] == "#autosave"
    assert "Not saved" in page
    assert re.search(r"<del>their</del>", page)
    assert re.search(r"<ins>my</ins>", page)
    for choice in ("Keep mine", "Take theirs", "Save mine on a branch"):
        assert choice in page
    assert 'id="lock-version"' not in page  # the next try is still a conflict, until a choice is made
    assert stored().body == "their words"


def test_a_conflict_with_ones_own_other_window_is_called_that(bob: Any, overtaken: str, sign_in: SignIn) -> None:
    stale = {"body": "my words", "lock_version": overtaken}
    assert "Somebody else has changed this draft" in text_of(bob.swap(f"{DRAFT}/_autosave", stale))
    first = {"body": "in the other window", "lock_version": "2"}
    assert sign_in("bob").swap(f"{DRAFT}/_autosave", first).status_code == 200
    page = text_of(bob.swap(f"{DRAFT}/_autosave", stale))
    assert "You (in another window) have changed this draft" in page
    for choice in ("Keep this one", "Take the other one", "Save this one on a branch"):
        assert choice in page


def test_a_stale_save_without_javascript_keeps_what_was_typed(
    bob: Any, overtaken: str, stored: Callable[..., PromptVersion]
) -> None:
    form = {"body": "my words", "system": "", "lock_version": overtaken, "var-name": "Amina"}
    answer = bob.submit(DRAFT, form)
    page = text_of(answer)
    assert answer.status_code == 409
    assert "my words</textarea>" in page
    assert "<del>their</del>" in page
    assert lock_version(page) == overtaken
    overwrite = re.search(r'name="overwrite" value="(\d+)"', page)
    assert overwrite
    assert stored().body == "their words"
    assert bob.submit(DRAFT, {**form, "overwrite": overwrite[1]}).status_code == 303
    assert stored().body == "my words"


def test_mine_can_be_saved_as_a_draft_of_its_own(
    bob: Any, overtaken: str, stored: Callable[..., PromptVersion]
) -> None:
    done = bob.submit(f"{DRAFT}/drafts", {"body": "my words", "system": "", "lock_version": overtaken})
    assert done.location == f"{PAGE}/versions/2"
    assert (stored(1).body, stored(2).body) == ("their words", "my words")


def test_what_is_typed_into_a_version_published_meanwhile_is_not_lost(
    app: Flask, team: Any, bob: Any, stored: Callable[..., PromptVersion]
) -> None:
    with app.app_context():
        adam = team.access("adam")
        actions.publish(adam, library.version(adam, library.find(adam, "support-reply"), 1), "Done")
    fragment = bob.swap(f"{DRAFT}/_autosave", {"body": "my words", "lock_version": "1"})
    assert (fragment.status_code, "never changes" in text_of(fragment)) == (409, True)
    page = bob.submit(DRAFT, {"body": "my words", "lock_version": "1"})
    assert page.status_code == 409
    assert "my words</textarea>" in text_of(page)
    assert "Save mine as a new draft" in text_of(page)
    assert stored().body == "{{name}} wrote: {{message}}"


@pytest.mark.parametrize("text", ["x" * (200 * 1024 + 1), "".join(f"{{{{v{n}}}}}" for n in range(201))])
def test_a_text_that_cannot_be_stored_says_why(bob: Any, text: str, stored: Callable[..., PromptVersion]) -> None:
    page = bob.submit(DRAFT, {"body": text, "lock_version": "1"})
    assert page.status_code == 422
    assert "This cannot be saved" in text_of(page)
    fragment = bob.swap(f"{DRAFT}/_autosave", {"body": text, "lock_version": "1"})
    assert fragment.status_code == 422
    assert "Not saved" in text_of(fragment)
    assert stored().lock_version == 1


def test_the_preview_of_very_many_variables_tells_the_first_ones_apart_and_shows_all(bob: Any) -> None:
    page = text_of(bob.swap(f"{DRAFT}/_preview", {"body": "{{a}}-" * 3_000, "var-a": "X"}))
    shown = page[page.index('id="rendered-prompt"') :].partition("</p>")[0]
    assert re.sub("<[^>]+>", "", shown).count("X-") == 3_000
    assert shown.count("<span") < 1_100


def test_the_preview_marks_values_and_what_is_missing(bob: Any, stored: Callable[..., PromptVersion]) -> None:
    form = {"system": "For {{product}}", "body": "Hi {{name}}, {{7*7}}", "var-name": "<b>Amina</b>", "var-old": "x"}
    page = text_of(bob.swap(f"{DRAFT}/_preview", form))
    assert '<span class="variable">&lt;b&gt;Amina&lt;/b&gt;</span>' in page
    assert '<span class="variable variable-missing mono">product</span>' in page
    assert 'data-missing-variables="product"' in page
    assert ">{{7*7}}</code>" in page  # no variable: sent as written
    assert ">{{customer}</code>" in text_of(bob.swap(f"{DRAFT}/_preview", {"body": "Dear {{customer}, hello"}))
    assert "1 of 2 filled" in page
    assert "tokens filled in" in page
    assert stored().body == "{{name}} wrote: {{message}}"  # nothing is stored


def wrong_inputs(page: str) -> list[str]:
    return re.findall(r'id="var-(\w+)-error"', page)


def test_an_empty_input_is_not_wrong_before_somebody_has_typed_in_it(bob: Any) -> None:
    page = text_of(bob.get(DRAFT))
    assert (wrong_inputs(page), "aria-invalid" in page.split('id="variables"')[1]) == ([], False)
    body = "{{name}} {{message}}"
    assert wrong_inputs(text_of(bob.swap(f"{DRAFT}/_preview", {"body": body, "var-name": "", "touched": ""}))) == []
    after_typing = text_of(bob.swap(f"{DRAFT}/_preview", {"body": body, "var-name": "", "touched": " name"}))
    assert wrong_inputs(after_typing) == ["name"]
    assert 'data-missing-variables="name message"' in after_typing
    after_a_run = text_of(bob.swap(f"{DRAFT}/_preview", {"body": body, "var-name": "", "touched": "* name"}))
    assert wrong_inputs(after_a_run) == ["name", "message"]


def test_a_run_marks_every_input_that_it_misses(bob: Any) -> None:
    page = text_of(bob.swap(f"{DRAFT}/run", {"var-name": "Amina", "touched": " name"}))
    assert wrong_inputs(page) == ["message"]
    assert re.search(r'id="touched"\s+value="\*"', page)
    complete = text_of(bob.swap(f"{DRAFT}/run", {"var-name": "Amina", "var-message": "Hi"}))
    assert 'id="variables"' not in complete


def test_the_preview_says_what_the_input_would_cost(app: Flask, team: Any, bob: Any) -> None:
    page = text_of(bob.get(DRAFT))
    assert "input cost unknown" in page
    assert "no credential can answer" in page
    with app.app_context():
        adam = team.access("adam")
        openai = {"provider": "openai", "base_url": "https://1.1.1.1/v1", "api_key": "sk-0123456789abcdef"}
        credentials.create(adam, {**openai, "name": "Main"})
        credentials.create(adam, {"provider": "demo", "name": "Demo"})
    words = {"body": "word " * 2000}
    page = text_of(bob.swap(f"{DRAFT}/_preview", words))
    assert re.search(r"≈ \$0\.\d{4} for the input", page)
    bob.submit(f"{DRAFT}/settings", {"provider": "demo", "lock_version": "1"})
    assert "free of charge" in text_of(bob.swap(f"{DRAFT}/_preview", words))
    bob.submit(f"{DRAFT}/settings", {"provider": "openai", "model": "nobody-knows-it", "lock_version": "2"})
    page = text_of(bob.swap(f"{DRAFT}/_preview", words))
    assert "input cost unknown" in page
    assert "nobody-knows-it" in page


def test_inputs_appear_and_go_with_their_variables(bob: Any) -> None:
    page = text_of(bob.swap(f"{DRAFT}/_preview", {"body": "{{name}} {{order}}", "var-name": "Amina"}))
    assert re.findall(r'id="(var-\w+)"', page) == ["var-name", "var-order"]


def test_the_preview_never_sends_back_what_was_typed_into_an_input(bob: Any) -> None:
    """The page takes the inputs over by a morph: a value in the answer could replace what is typed meanwhile."""
    page = text_of(bob.swap(f"{DRAFT}/_preview", {"body": "{{name}}", "var-name": "Amina"}))
    assert re.search(r'name="var-name"\s+type="text"\s+value=""', page)


def test_the_preview_of_a_published_version_shows_its_own_text(write: Write, sign_in: SignIn) -> None:
    write("bob", published=True)
    page = text_of(sign_in("vera").swap(f"{DRAFT}/_preview", {"body": "forged", "var-name": "Amina"}))
    assert "forged" not in page
    assert '<span class="variable">Amina</span> wrote:' in page


def test_a_value_of_the_wrong_type_says_so_beside_its_input(
    app: Flask, team: Any, write: Write, sign_in: SignIn
) -> None:
    write("bob", body="{{many}}", variables=[{"name": "many", "type": "number"}])
    page = text_of(sign_in("bob").swap(f"{DRAFT}/_preview", {"body": "{{many}}", "var-many": "lots"}))
    assert "This is not a number" in page
    assert 'aria-invalid="true"' in page


@pytest.mark.parametrize(
    "text", ["{{" * 100_000, "{{a}}" * 40_000, "{{> other}}" * 10_000, "\\{{" * 60_000, "{" * 200_000, "\x07"]
)
def test_hostile_texts_are_previewed(bob: Any, text: str) -> None:
    answer = bob.swap(f"{DRAFT}/_preview", {"body": text, "var-a": "x" * 1000})
    assert answer.status_code == 200
    assert len(answer.data) < 2_000_000


def test_a_prompt_beyond_all_bounds_has_a_reason_instead_of_a_preview(bob: Any) -> None:
    page = text_of(bob.swap(f"{DRAFT}/_preview", {"body": "{{a}}" * 20_000, "var-a": "x" * 5000}))
    assert "longer than 10,000,000 characters" in page


def test_the_preview_waits_for_no_writer(app: Flask, bob: Any) -> None:
    """It is a POST that only reads: on SQLite it must not ask for the one write lock, which would end in a 503."""
    headers = {"HX-Request": "true", "X-CSRFToken": bob.csrf()}
    with app.app_context(), db.engine.connect() as writer:
        writer.execute(sa.text("UPDATE prompt_template SET name = name"))
        answer = bob.post(f"{DRAFT}/_preview", data={"body": "Hi"}, headers=headers)
        writer.rollback()
    assert answer.status_code == 200


TRIED = {
    "body": "{{name}} wrote {{message}}",
    "system": "",
    "lock_version": "1",
    "var-name": "Amina",
    "var-message": "Hi\r\nyou",
}


@pytest.mark.parametrize(
    ("path", "more", "leads_to"),
    [
        ("", {}, DRAFT),
        ("", {"then": "publish"}, f"{DRAFT}/publish"),
        ("", {"then": "look"}, f"{DRAFT}/preview"),
        ("/preview", {}, DRAFT),
        ("/drafts", {}, f"{PAGE}/versions/2"),
    ],
)
def test_values_typed_into_the_inputs_are_still_there_on_the_next_page(
    bob: Any, path: str, more: dict[str, str], leads_to: str
) -> None:
    answer = bob.submit(DRAFT + path, {**TRIED, **more})
    assert answer.location == leads_to
    page = text_of(bob.get(leads_to))
    assert re.search(r'name="var-name"\s+type="text"\s+value="Amina"', page)
    assert re.search(r'name="var-message"\s+type="text"\s+value="Hi\nyou"', page)
    assert "2 of 2 filled" in page


def test_values_typed_beside_a_preview_are_published_and_edited_with_it(
    bob: Any, stored: Callable[..., PromptVersion]
) -> None:
    bob.submit(f"{DRAFT}/preview", {"body": "{{name}}", "system": "", "lock_version": "1"})
    bob.submit(f"{DRAFT}/edit", {"var-name": "Amina"})
    assert (stored().status, stored().variables[0]["sample"]) == ("draft", "Amina")
    bob.submit(f"{DRAFT}/publish", {"message": "First", "var-name": "Noor"})
    assert (stored().status, stored().variables[0]["sample"]) == ("published", "Noor")


def test_a_value_that_no_sample_can_be_keeps_nobody_from_saving(
    write: Write, sign_in: SignIn, stored: Callable[..., PromptVersion]
) -> None:
    write("bob", body="{{many}}", variables=[{"name": "many", "type": "number", "sample": 7}])
    form = {
        "body": "{{many}} {{few}}",
        "system": "",
        "lock_version": "1",
        "var-many": "lots",
        "var-few": "",
        "var-x": "y",
    }
    assert sign_in("bob").submit(DRAFT, form).status_code == 303
    assert [(spec["name"], spec["sample"]) for spec in stored().variables] == [("many", 7), ("few", None)]


@pytest.mark.parametrize("way", ["run", "_autosave"])
def test_a_tried_value_is_kept_and_is_no_change_of_the_draft(
    bob: Any, stored: Callable[..., PromptVersion], way: str
) -> None:
    """Somebody else may be writing it: what one only tries must not make their next save a conflict."""
    text = {"body": stored().body, "system": "", "lock_version": "1", "var-name": "Amina"}
    assert bob.swap(f"{DRAFT}/{way}", text).status_code == 200
    assert (stored().lock_version, stored().variables[0]["sample"]) == (1, "Amina")


def test_a_tried_value_is_kept_together_with_a_changed_text(bob: Any, stored: Callable[..., PromptVersion]) -> None:
    form = {"body": "Hi {{name}}", "system": "", "lock_version": "1", "var-name": "Amina"}
    assert bob.swap(f"{DRAFT}/_autosave", form).status_code == 200
    assert (stored().lock_version, stored().body, stored().variables[0]["sample"]) == (2, "Hi {{name}}", "Amina")


def test_a_value_tried_beside_a_published_version_is_not_kept_nor_promised(
    write: Write, sign_in: SignIn, stored: Callable[..., PromptVersion]
) -> None:
    promise = "kept as samples"
    write("bob", published=True)
    bob = sign_in("bob")
    assert promise not in text_of(bob.get(DRAFT))
    assert bob.swap(f"{DRAFT}/run", {"var-name": "Amina", "var-message": "Hi"}).status_code == 200
    assert stored().variables[0]["sample"] is None
    bob.submit(f"{DRAFT}/drafts")
    assert promise in text_of(bob.get(f"{PAGE}/versions/2"))


@pytest.mark.parametrize("path", ["_autosave", "_preview", "run"])
def test_without_a_session_the_editor_is_told_so_whatever_its_token(bob: Any, path: str) -> None:
    headers = {"HX-Request": "true", "X-CSRFToken": bob.csrf(), "HX-Current-URL": f"http://localhost{DRAFT}?a=b"}
    bob.delete_cookie("aiapp_session")
    answer = bob.post(f"{DRAFT}/{path}", data={"body": "Hello", "lock_version": "1"}, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"] == "/login?next=/w/acme/prompt-templates/support-reply/versions/1?a%3Db"
    assert "X-CSRFToken" not in answer.headers


def test_a_page_of_the_session_before_gets_the_token_of_this_one(
    bob: Any, sign_in: SignIn, stored: Callable[..., PromptVersion]
) -> None:
    stale, form = bob.csrf(), {"body": "Hello", "system": "", "lock_version": "1"}
    again = sign_in("bob")
    refused = again.post(f"{DRAFT}/_autosave", data=form, headers={"HX-Request": "true", "X-CSRFToken": stale})
    assert (refused.status_code, stored().body) == (400, "{{name}} wrote: {{message}}")
    assert refused.headers["X-User"] == re.findall(r'data-user="(\w+)"', text_of(again.get(DRAFT)))[0]
    assert "no-store" in refused.headers["Cache-Control"]
    fresh = {"HX-Request": "true", "X-CSRFToken": refused.headers["X-CSRFToken"]}
    assert again.post(f"{DRAFT}/_autosave", data=form, headers=fresh).status_code == 200
    assert stored().body == "Hello"


def test_a_form_that_a_browser_sends_itself_gets_no_token_back(bob: Any) -> None:
    """A form of another site can be sent that way; what htmx sends cannot come from there without CORS."""
    refused = bob.post(DRAFT, data={"body": "Hello", "lock_version": "1"})
    assert (refused.status_code, "X-CSRFToken" in refused.headers) == (400, False)


def test_a_run_saves_what_is_typed_and_hands_it_to_the_executions(
    bob: Any, stored: Callable[..., PromptVersion]
) -> None:
    form = {
        "body": "Hi {{name}}",
        "system": "",
        "lock_version": "1",
        "var-name": "Amina\nO",
        "prompt_template": "support-reply",
    }
    page = text_of(bob.swap(f"{DRAFT}/run", form))
    assert stored().body == "Hi {{name}}"
    assert 'hx-post="/w/acme/executions"' in page
    assert 'hx-trigger="load"' in page
    assert 'name="var-name" value="Amina\nO"' in page
    assert 'name="version" value="1"' in page
    assert lock_version(page) == "2"


def test_a_run_without_javascript_leads_to_the_execution(app: Flask, bob: Any) -> None:
    form = {
        "body": "Hi {{name}}",
        "system": "",
        "lock_version": "1",
        "var-name": "Amina",
        "prompt_template": "support-reply",
        "version": "1",
        "source": "preview",
    }
    answer = bob.submit(f"{DRAFT}/run", form)
    assert (answer.status_code, answer.location) == (307, "/w/acme/executions")
    done = bob.submit(answer.location, form)  # what a browser does on 307
    assert done.status_code == 303
    with app.app_context():
        execution = db.session.scalars(sa.select(Execution)).one()
        assert (execution.body, execution.source) == ("Hi Amina", "preview")


def test_a_run_of_a_stale_draft_does_not_start(app: Flask, bob: Any, overtaken: str) -> None:
    answer = bob.swap(f"{DRAFT}/run", {"body": "my words", "lock_version": overtaken})
    assert (answer.status_code, answer.headers["HX-Retarget"]) == (409, "#autosave")
    assert "/w/acme/executions" not in text_of(answer)


def test_a_viewer_runs_a_published_version_from_its_page(write: Write, sign_in: SignIn) -> None:
    write("bob", published=True)
    vera = sign_in("vera")
    assert "formaction=" in text_of(vera.get(PAGE))
    page = text_of(vera.swap(f"{DRAFT}/run", {"body": "forged", "var-name": "Amina"}))
    assert "forged" not in page
    assert 'name="var-name" value="Amina"' in page


def test_a_run_of_a_published_version_is_no_test_run(app: Flask, write: Write, sign_in: SignIn) -> None:
    write("bob", published=True, body="Hello")
    vera = sign_in("vera")
    assert re.search(r'name="source"\s+value="page"', text_of(vera.get(PAGE)))
    page = text_of(vera.swap(f"{DRAFT}/run"))
    assert "<h2>Run</h2>" in page
    sent = dict(re.findall(r'<input type="hidden"\s+name="(\w+)"\s+value="([^"]*)"', page))
    panel = text_of(vera.swap("/w/acme/executions", sent))
    assert "<h2>Run</h2>" in panel
    with app.app_context():
        assert db.session.scalars(sa.select(Execution)).one().source == "page"


def test_a_viewer_has_no_run_button_on_a_draft(write: Write, sign_in: SignIn) -> None:
    write("bob")
    page = text_of(sign_in("vera").get(DRAFT))
    assert f'formaction="{DRAFT}/run"' not in page
    assert "<textarea" not in page.split('id="variables"')[0]


def test_a_preview_is_read_only_until_it_is_edited(bob: Any, stored: Callable[..., PromptVersion]) -> None:
    form = {"body": "Hello", "system": "", "lock_version": "1"}
    assert bob.submit(f"{DRAFT}/preview", form).location == DRAFT
    page = text_of(bob.get(DRAFT))
    assert "This is a preview" in page
    assert 'name="body"' not in page
    assert (stored().body, stored().status) == ("Hello", "preview")
    bob.submit(f"{DRAFT}/edit")
    assert 'name="body"' in text_of(bob.get(DRAFT))


def test_the_preview_button_saves_and_shows_the_filled_prompt_and_freezes_nothing(
    bob: Any, sign_in: SignIn, stored: Callable[..., PromptVersion]
) -> None:
    form = {"body": "Hello {{name}} and {{who}}", "system": "", "lock_version": "1", "var-name": "Amina"}
    bob.submit(DRAFT, {**form, "then": "look"})
    page = text_of(bob.get(f"{DRAFT}/preview")).split('<dialog class="modal modal-wide"')[1]
    assert "Amina" in page
    assert "Without a value" in page
    assert "Mark as ready for review" in page
    assert stored().status == "draft"
    seen = text_of(sign_in("vera").get(f"{DRAFT}/preview"))
    assert "Preview of Support reply v1" in seen
    assert "Mark as ready for review" not in seen


def test_the_publish_button_saves_and_leads_to_the_checks(bob: Any, stored: Callable[..., PromptVersion]) -> None:
    form = {"body": "Hello", "system": "", "lock_version": "1", "then": "publish"}
    assert bob.submit(DRAFT, form).location == f"{DRAFT}/publish"
    assert stored().body == "Hello"


def test_a_form_without_texts_empties_nothing(bob: Any, stored: Callable[..., PromptVersion]) -> None:
    assert bob.submit(DRAFT, {"lock_version": "1"}).status_code == 303
    assert stored().body == "{{name}} wrote: {{message}}"
