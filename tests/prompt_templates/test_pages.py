"""Pages of the library and of one prompt template: who sees what, and that every form works without JavaScript."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from aiapp.executions.models import Execution
from aiapp.extensions import db
from aiapp.prompt_templates import actions, library, starters

LIBRARY = "/w/acme/prompt-templates"
PAGE = f"{LIBRARY}/support-reply"
SignIn = Callable[[str], Any]
Write = Callable[..., Any]

# every page of a prompt template with a draft 2 of a published version 1, and whether a viewer may see it
PAGES = {
    "": True,
    "/versions": True,
    "/versions/1": True,
    "/versions/2": True,
    "/versions/2/settings": True,
    "/versions/1/settings": True,
    "/executions": True,
    "/feedback": True,
    "/api": True,
    "/run": True,
    "/compare/1...2": True,
    "/compare/1...2?view=unified": True,
    "/compare/1...2/_hunk?part=body&first=1&count=1": True,
    "/versions/2/preview": True,
    "/versions/2/publish": False,
    "/versions/1/rollback": False,
    "/delete": False,
}
# every POST, and whether a viewer may send it
POSTS = {
    "": False,
    "/delete": False,
    "/run": True,
    "/versions/2": False,
    "/versions/2/settings": False,
    "/versions/2/_autosave": False,
    "/versions/2/_preview": True,
    "/versions/2/drafts": False,
    "/versions/2/preview": False,
    "/versions/2/edit": False,
    "/versions/2/publish": False,
    "/versions/1/rollback": False,
}


def text_of(answer: Any) -> str:
    return str(answer.get_data(as_text=True))


def lock_version(page: str) -> str:
    found = re.search(r'id="lock-version"\s+value="(\d+)"|name="lock_version"[^>]*value="(\d+)"', page)
    assert found, page
    return found[1] or found[2]


@pytest.fixture
def two_versions(app: Flask, team: Any, write: Write) -> None:
    """Support reply: version 1 published, version 2 a draft."""
    write("bob", published=True)
    with app.app_context():
        bob = team.access("bob")
        template = library.find(bob, "support-reply")
        draft = actions.new_draft(bob, library.version(bob, template, 1))
        actions.save_draft(bob, draft, {"body": "{{name}} wrote:\n{{message}}\nBe brief."}, 1)


@pytest.mark.parametrize("path", PAGES)
def test_an_editor_sees_every_page(two_versions: None, sign_in: SignIn, path: str) -> None:
    assert sign_in("bob").get(PAGE + path).status_code == 200


def test_a_viewer_reads_and_does_not_write(two_versions: None, sign_in: SignIn) -> None:
    vera = sign_in("vera")
    assert {path: vera.get(PAGE + path).status_code for path in PAGES} == {
        path: 200 if allowed else 403 for path, allowed in PAGES.items()
    }
    refused = [path for path, allowed in POSTS.items() if not allowed]
    assert [vera.submit(PAGE + path, {"body": "x"}).status_code for path in refused] == [403] * len(refused)
    assert vera.get(f"{LIBRARY}/new").status_code == 403
    assert vera.submit(LIBRARY, {"name": "Mine"}).status_code == 403


def test_what_a_viewer_sees_has_no_button_that_would_be_refused(two_versions: None, sign_in: SignIn) -> None:
    vera = sign_in("vera")
    for path in ("", "/versions", "/versions/2", "/versions/2/settings", "/compare/1...2"):
        page = text_of(vera.get(PAGE + path))
        for word in ("drafts", "/publish", "/rollback", "/delete", "_autosave"):
            assert f'{word}"' not in page, (path, word)


def test_a_stranger_finds_none_of_it(two_versions: None, sign_in: SignIn) -> None:
    charlie = sign_in("charlie")
    assert {charlie.get(PAGE + path).status_code for path in PAGES} == {404}
    assert {charlie.submit(PAGE + path).status_code for path in POSTS} == {404}
    # the same words in the stranger's own workspace
    assert {charlie.get(PAGE.replace("acme", "rival") + path).status_code for path in PAGES} == {404}


@pytest.mark.parametrize("number", [0, 3, 99, 10**12, 10**40])
def test_versions_that_are_not_there_are_not_found(two_versions: None, sign_in: SignIn, number: int) -> None:
    bob = sign_in("bob")
    pages = [path.replace("2", str(number)) for path in PAGES if "2" in path and "1...2" not in path]
    pages += [f"/compare/1...{number}", f"/compare/{number}...1", f"/compare?from={number}&to=1"]
    assert {bob.get(PAGE + path).status_code for path in pages} == {404}
    posts = [path.replace("2", str(number)) for path in POSTS if "2" in path]
    assert {bob.submit(PAGE + path, {"body": "x"}).status_code for path in posts} == {404}


def test_a_version_of_another_template_is_not_found(two_versions: None, write: Write, sign_in: SignIn) -> None:
    write("bob", name="Other")
    assert sign_in("bob").get(f"{LIBRARY}/other/versions/2").status_code == 404
    assert sign_in("bob").get(f"{LIBRARY}/other/compare/1...2").status_code == 404


@pytest.mark.parametrize("path", ["", "/versions/2", "/versions/2/settings", "/versions", "/compare/1...2", "/run"])
def test_pages_keep_the_content_security_policy(two_versions: None, sign_in: SignIn, path: str) -> None:
    page = text_of(sign_in("bob").get(PAGE + path))
    assert not re.search(r"<script>|\son\w+=|\sstyle=|hx-on|js:", page)


def test_the_library_is_empty_at_first(sign_in: SignIn, team: Any) -> None:
    page = text_of(sign_in("bob").get(LIBRARY))
    assert "No prompt templates yet" in page
    assert f"{LIBRARY}/new" in page
    assert "<table" not in page
    assert f"{LIBRARY}/new" not in text_of(sign_in("vera").get(LIBRARY))


def test_the_library_shows_what_matches(write: Write, sign_in: SignIn) -> None:
    write("bob", name="Invoices", tags=["finance"], published=True)
    write("bob", name="Replies", tags=["support"])
    vera = sign_in("vera")
    assert "2 prompt templates" in text_of(vera.get(LIBRARY))
    page = text_of(vera.get(f"{LIBRARY}?tag=finance&status=published&q=inv"))
    assert "1 of 2 prompt templates" in page
    assert "invoices</small>" in page
    assert "replies</small>" not in page
    nothing = text_of(vera.get(f"{LIBRARY}?q=nothing"))
    assert "Nothing matches" in nothing
    assert '<table class="table"' not in nothing


def test_a_long_library_is_loaded_page_by_page(app: Flask, team: Any, sign_in: SignIn) -> None:
    with app.app_context():
        bob = team.access("bob")
        for number in range(53):
            actions.create(bob, {"name": f"Template {number}", "tags": ["many"]})
    visitor = sign_in("vera")
    first = text_of(visitor.get(f"{LIBRARY}?tag=many"))
    link = re.search(r'hx-get="([^"]+/_more[^"]+)"', first)
    assert link
    rest = text_of(visitor.get(link[1].replace("&amp;", "&")))
    assert (first.count('class="cell-title"'), rest.count('class="cell-title"')) == (50, 3)
    assert rest.lstrip().startswith("<tr")
    page = re.search(r'href="([^"]+cursor=[^"]+)"', first)
    assert page
    assert text_of(visitor.get(page[1].replace("&amp;", "&"))).count('class="cell-title"') == 3
    assert visitor.get(f"{LIBRARY}?cursor=nonsense").status_code == 422


def test_a_template_is_made_without_javascript(sign_in: SignIn) -> None:
    bob = sign_in("bob")
    made = bob.submit(LIBRARY, {"name": "Ticket triage", "tags": "support, Email", "description": "Sorts tickets"})
    assert (made.status_code, made.location) == (303, f"{LIBRARY}/ticket-triage")
    page = text_of(bob.get(made.location))
    assert 'name="body"' in page
    assert "is ready to be written" in page


def test_a_template_begins_as_a_starter(sign_in: SignIn) -> None:
    bob = sign_in("bob")
    made = bob.submit(LIBRARY, {"name": "", "starter": "invoice-extraction", "tags": "", "description": ""})
    assert made.location == f"{LIBRARY}/invoice-extraction"
    again = bob.submit(LIBRARY, {"name": "Bills", "starter": "invoice-extraction"})
    assert again.location == f"{LIBRARY}/bills"
    assert "invoice_text" in text_of(bob.get(again.location))
    assert all(one.name in text_of(bob.get(f"{LIBRARY}/new")) for one in starters.featured())


def test_a_wrong_new_template_comes_back_with_what_was_typed(write: Write, sign_in: SignIn) -> None:
    write("bob")
    bob = sign_in("bob")
    answer = bob.submit(LIBRARY, {"name": "", "slug": "Not A Slug", "description": "Kept"})
    assert answer.status_code == 422
    assert "Not A Slug" in text_of(answer)
    assert "Kept" in text_of(answer)
    assert "single hyphens" in text_of(answer)
    taken = bob.submit(LIBRARY, {"name": "Reply", "slug": "support-reply"})
    assert (taken.status_code, "has this slug already" in text_of(taken)) == (422, True)


def test_hostile_names_and_texts_are_shown_as_text(write: Write, sign_in: SignIn) -> None:
    hostile = "<script>alert(1)</script>"
    write(
        "bob",
        name=hostile,
        slug="hostile",
        description=hostile,
        tags=[hostile],
        body=f"{hostile} {{{{7*7}}}} {{{{name}}}} {{% raw %}} {{{{ config }}}}",
        system=hostile,
        variables=[{"name": "name", "description": hostile, "sample": hostile, "default": hostile}],
        published=True,
    )
    bob = sign_in("bob")
    bob.submit(f"{LIBRARY}/hostile/versions/1/drafts")
    for path in ("", "/hostile", *(f"/hostile{path}" for path in PAGES)):
        page = text_of(bob.get(LIBRARY + path))
        assert "<script>alert" not in page, path
    page = text_of(bob.get(f"{LIBRARY}/hostile/versions/1"))
    assert page.count("{{7*7}} ") == 2  # in the text, and in the preview
    assert "{% raw %} {{ config }}" in page


def test_details_are_changed_without_javascript(two_versions: None, sign_in: SignIn) -> None:
    bob = sign_in("bob")
    form = {"name": "Reply", "slug": "reply", "tags": "a, b", "task": "chat", "version": "2"}
    changed = bob.submit(PAGE, form)
    assert (changed.status_code, changed.location) == (303, f"{LIBRARY}/reply/versions/2/settings")
    page = text_of(bob.get(changed.location))
    assert "Template archived" not in page
    assert bob.get(PAGE).status_code == 404


def test_wrong_details_come_back_with_what_was_typed(two_versions: None, write: Write, sign_in: SignIn) -> None:
    write("bob", name="Other")
    answer = sign_in("bob").submit(PAGE, {"name": "Kept", "slug": "other", "version": "2"})
    assert answer.status_code == 422
    assert "Kept" in text_of(answer)
    assert "has this slug already" in text_of(answer)


def test_deleting_needs_the_slug_and_says_what_uses_it(
    app: Flask, team: Any, two_versions: None, sign_in: SignIn
) -> None:
    with app.app_context():
        bob = team.access("bob")
        template = library.find(bob, "support-reply")
        db.session.add(Execution(workspace_id=bob.workspace.id, source="page", prompt_template_id=template.id))
        db.session.commit()
    visitor = sign_in("bob")
    dialog = text_of(visitor.get(f"{PAGE}/delete"))
    assert "<b>1 execution</b>" in dialog
    assert f'formaction="{PAGE}/archive"' in dialog
    assert visitor.submit(f"{PAGE}/delete", {"typed": "no"}).status_code == 422
    assert visitor.submit(f"{PAGE}/delete", {"typed": "support-reply"}).location == LIBRARY
    assert visitor.get(PAGE).status_code == 404


def test_settings_are_saved_without_javascript(two_versions: None, sign_in: SignIn) -> None:
    bob = sign_in("bob")
    here = f"{PAGE}/versions/2/settings"
    form = {
        "lock_version": lock_version(text_of(bob.get(here))),
        "output_format": "json",
        "json_schema": '{"type": "object"}',
        "provider": "demo",
        "model": "demo-good",
        "temperature": "0.3",
        "max_tokens": "500",
        "type-name": "choice",
        "choices-name": "Amina\r\nJon",
        "default-name": "Jon",
        "description-name": "Who wrote",
        "type-message": "long_text",
        "required-message": "1",
        "sample-message": "Hello\r\nthere",
    }
    assert bob.submit(here, form).status_code == 303
    page = text_of(bob.get(here))
    assert re.search(r'value="json"\s+selected', page)
    editor = text_of(bob.get(f"{PAGE}/versions/2"))
    assert re.search(r'<option value="Jon"\s*selected', editor)
    assert "Hello\nthere</textarea>" in editor


def test_wrong_settings_come_back_with_what_was_typed(two_versions: None, sign_in: SignIn) -> None:
    bob = sign_in("bob")
    here = f"{PAGE}/versions/2/settings"
    form = {
        "lock_version": lock_version(text_of(bob.get(here))),
        "output_format": "json",
        "json_schema": "{broken",
        "temperature": "hot",
        "type-name": "number",
        "default-name": "many",
        "type-message": "text",
    }
    answer = bob.submit(here, form)
    page = text_of(answer)
    assert answer.status_code == 422
    assert "{broken" in page
    assert "from 0 to 2" in page
    assert "This is not JSON" in page
    assert "This is not a number" in page
    assert re.search(r'value="number"\s+selected', page)


def test_settings_that_somebody_changed_meanwhile_show_both(
    app: Flask, team: Any, two_versions: None, sign_in: SignIn
) -> None:
    bob = sign_in("bob")
    here = f"{PAGE}/versions/2/settings"
    seen = lock_version(text_of(bob.get(here)))
    with app.app_context():
        adam = team.access("adam")
        version = library.version(adam, library.find(adam, "support-reply"), 2)
        actions.save_draft(adam, version, {"model": "theirs-model"}, version.lock_version)
    answer = bob.submit(here, {"lock_version": seen, "output_format": "text", "model": "my-model"})
    page = text_of(answer)
    assert answer.status_code == 409
    assert "my-model" in page
    assert "theirs-model" in page
    overwrite = re.search(r'name="overwrite" value="(\d+)"', page)
    assert overwrite
    kept = {"lock_version": seen, "overwrite": overwrite[1], "output_format": "text", "model": "my-model"}
    assert bob.submit(here, kept).status_code == 303
    assert "my-model" in text_of(bob.get(here))


def test_a_published_version_has_no_settings_to_change(two_versions: None, sign_in: SignIn) -> None:
    bob = sign_in("bob")
    here = f"{PAGE}/versions/1/settings"
    assert 'name="temperature"' not in text_of(bob.get(here))
    answer = bob.submit(here, {"lock_version": "1", "output_format": "json"})
    assert (answer.status_code, "never changes" in text_of(answer)) == (409, True)


def test_the_api_tab_pastes_into_a_shell_and_into_python(write: Write, sign_in: SignIn) -> None:
    sample = 'it\'s $HOME `ls` "quoted"\nJSON\n{{x}}'
    variables = [{"name": "name", "sample": sample}, {"name": "message", "type": "json", "sample": {"a": None}}]
    write("bob", published=True, variables=variables)
    page = text_of(sign_in("vera").get(f"{PAGE}/api"))
    codes = [
        code.replace("&#34;", '"').replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        for code in re.findall(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)
    ]
    body = codes[0].split("<<'JSON'\n")[1].split("\nJSON\n")[0]
    assert json.loads(body) == {"context": {"name": sample, "message": {"a": None}}}
    compile(codes[1], "snippet", "exec")
    assert "/prompt-templates/support-reply/executions" in codes[1]


def test_the_run_form_needs_a_published_version(write: Write, sign_in: SignIn) -> None:
    write("bob")
    vera = sign_in("vera")
    assert "Nothing is published yet" in text_of(vera.get(f"{PAGE}/run"))
    assert 'id="run-form"' in text_of(sign_in("bob").get(f"{PAGE}/run?version=1"))
    assert 'id="run-form"' not in text_of(vera.get(f"{PAGE}/run?version=1"))


def test_the_run_form_has_an_input_for_each_variable(write: Write, sign_in: SignIn) -> None:
    write(
        "bob",
        published=True,
        body="{{text}} {{long}} {{many}} {{sure}} {{which}} {{data}}",
        variables=[
            {"name": "long", "type": "long_text"},
            {"name": "many", "type": "number", "default": 3},
            {"name": "sure", "type": "boolean", "required": False},
            {"name": "which", "type": "choice", "choices": ["a", "b"], "sample": "b"},
            {"name": "data", "type": "json", "sample": {"a": 1}},
        ],
    )
    page = text_of(sign_in("vera").get(f"{PAGE}/run"))
    for name in ("text", "long", "many", "sure", "which", "data"):
        assert f'name="var-{name}"' in page
    assert re.search(r'type="number"\s+value="3"', page)
    assert re.search(r'<option value="b"\s*selected', page)
    assert "{&#34;a&#34;:1}</textarea>" in page
    assert f'action="{LIBRARY.replace("prompt-templates", "executions")}"' in page


def test_the_run_form_is_filled_from_json(write: Write, sign_in: SignIn) -> None:
    write("bob", published=True)
    vera = sign_in("vera")
    answer = vera.submit(f"{PAGE}/run", {"json": '{"name": "Amina", "other": 1}', "var-message": "typed"})
    page = text_of(answer)
    assert answer.status_code == 200
    assert 'value="Amina"' in page
    assert 'value="typed"' in page
    assert "No variable is called other" in page


@pytest.mark.parametrize("wrong", ["", "{", "[1]", "[" * 50_000, '"\x07"', '{"a": NaN}', "9" * 5000])
def test_json_that_is_no_object_comes_back(write: Write, sign_in: SignIn, wrong: str) -> None:
    write("bob", published=True)
    answer = sign_in("vera").submit(f"{PAGE}/run", {"json": wrong, "var-message": "typed"})
    assert answer.status_code == 422
    assert 'value="typed"' in text_of(answer)


def test_versions_are_compared_word_by_word(two_versions: None, sign_in: SignIn) -> None:
    vera = sign_in("vera")
    page = text_of(vera.get(f"{PAGE}/compare/1...2"))
    assert "1 part changed" in page
    assert "<ins>" in page
    assert 'class="diff-split"' in page
    unified = text_of(vera.get(f"{PAGE}/compare/1...2?view=unified"))
    assert 'class="diff-split"' not in unified
    assert "Nothing is different" in text_of(vera.get(f"{PAGE}/compare/1...1"))


def test_counts_of_lines_are_written_alike(app: Flask, team: Any, two_versions: None, sign_in: SignIn) -> None:
    with app.app_context():
        bob = team.access("bob")
        draft = library.version(bob, library.find(bob, "support-reply"), 2)
        actions.save_draft(bob, draft, {"body": "line\n" * 2_000}, draft.lock_version)
    assert "2,000 lines added" in text_of(sign_in("bob").get(f"{PAGE}/compare/1...2"))
    assert "2,000 removed" in text_of(sign_in("bob").get(f"{PAGE}/compare/2...1"))


def test_settings_and_variables_are_compared_in_words(
    app: Flask, team: Any, two_versions: None, sign_in: SignIn
) -> None:
    with app.app_context():
        bob = team.access("bob")
        version = library.version(bob, library.find(bob, "support-reply"), 2)
        specs = [{"name": "name", "default": "Amina"}, {"name": "order", "type": "number", "default": 7}]
        given = {
            "body": "{{name}} {{order}}",
            "variables": specs,
            "temperature": 0.5,
            "json_schema": {"type": "object"},
        }
        actions.save_draft(bob, version, given, version.lock_version)
    page = text_of(sign_in("vera").get(f"{PAGE}/compare/1...2"))
    assert "1 part, 2 settings and 3 variables changed" in page
    assert "<b>0.5</b>" in page
    assert "number, default 7" in page
    assert "default: none → Amina" in page
    assert "Removed" in page


def test_comparing_begins_with_what_everybody_had_before_whatever_stands_on_branches(
    app: Flask, team: Any, two_versions: None, sign_in: SignIn
) -> None:
    with app.app_context():
        bob = team.access("bob")
        first = library.version(bob, library.find(bob, "support-reply"), 1)
        actions.new_draft(bob, first, branch="side")
        actions.publish(bob, actions.new_draft(bob, first, given={"body": "Other"}), "Other")
    page = sign_in("bob").get(f"{PAGE}/compare")
    assert page.location == f"{PAGE}/compare/1...4"
    assert "v3 · draft on side" in text_of(sign_in("bob").get(page.location))


def test_the_comparison_is_chosen_without_javascript(two_versions: None, sign_in: SignIn) -> None:
    vera = sign_in("vera")
    chosen = vera.get(f"{PAGE}/compare?from=2&to=1&view=unified")
    assert (chosen.status_code, chosen.location) == (302, f"{PAGE}/compare/2...1?view=unified")
    assert sign_in("bob").get(f"{PAGE}/compare").location == f"{PAGE}/compare/1...2"


def test_a_version_that_is_published_is_compared_with_the_one_before_it(
    app: Flask, team: Any, two_versions: None, sign_in: SignIn
) -> None:
    with app.app_context():
        bob = team.access("bob")
        actions.publish(bob, library.version(bob, library.find(bob, "support-reply"), 2), "Second")
    for person in ("bob", "vera"):
        assert sign_in(person).get(f"{PAGE}/compare").location == f"{PAGE}/compare/1...2"


def test_the_only_version_is_compared_with_itself(write: Write, sign_in: SignIn) -> None:
    write("bob", published=True)
    assert sign_in("bob").get(f"{PAGE}/compare").location == f"{PAGE}/compare/1...1"


def test_versions_say_who_wrote_last_and_who_began_or_published_them(
    app: Flask, team: Any, write: Write, sign_in: SignIn
) -> None:
    write("bob")
    with app.app_context():
        draft = library.version(team.access("bob"), library.find(team.access("bob"), "support-reply"), 1)
        actions.save_draft(team.access("adam"), draft, {"body": "Hi {{name}}"}, 1)
    vera = sign_in("vera")
    assert "Adam, begun by Bob" in text_of(vera.get(f"{PAGE}/versions"))
    with app.app_context():
        draft = library.version(team.access("bob"), library.find(team.access("bob"), "support-reply"), 1)
        actions.publish(team.access("alice"), draft)
    page = text_of(vera.get(PAGE))
    assert "Alice, written by Adam" in page
    assert ", written by Adam</span>" in page


def test_long_unchanged_parts_are_folded_and_fetched_in_pieces(
    app: Flask, team: Any, write: Write, sign_in: SignIn
) -> None:
    lines = [f"line {number}" for number in range(1, 3001)]
    write("bob", published=True, body="\n".join(lines))
    with app.app_context():
        bob = team.access("bob")
        draft = actions.new_draft(bob, library.version(bob, library.find(bob, "support-reply"), 1))
        actions.save_draft(bob, draft, {"body": "\n".join([*lines, "the end"])}, 1)
    vera = sign_in("vera")
    for view in ("", "?view=unified"):
        page = text_of(vera.get(f"{PAGE}/compare/1...2{view}"))
        assert "line 17<" not in page
        link = re.search(r'hx-get="([^"]+/_hunk[^"]+)"', page)
        assert link
        seen = 0
        while link:
            part = text_of(vera.get(link[1].replace("&amp;", "&")))
            seen += len(set(re.findall(r"line \d+", part)))
            link = re.search(r'hx-get="([^"]+/_hunk[^"]+)"', part)
        assert seen == 2997  # all but the context beside the change


@pytest.mark.parametrize("query", ["", "part=body", "part=name&first=1&count=1", "part=body&first=0&count=5"])
def test_a_fold_that_no_page_offers_is_not_found(two_versions: None, sign_in: SignIn, query: str) -> None:
    assert sign_in("vera").get(f"{PAGE}/compare/1...2/_hunk?{query}").status_code == 404


def test_two_long_texts_that_have_nothing_in_common_are_compared_within_bounds(
    app: Flask, team: Any, write: Write, sign_in: SignIn
) -> None:
    write("bob", published=True, body="\n".join(f"{number * 7919 % 100_003:x}" for number in range(30_000)))
    with app.app_context():
        bob = team.access("bob")
        draft = actions.new_draft(bob, library.version(bob, library.find(bob, "support-reply"), 1))
        body = "\n".join(f"{number * 104_729 % 99_991:o}" for number in range(25_000))
        actions.save_draft(bob, draft, {"body": body}, 1)
    answer = sign_in("vera").get(f"{PAGE}/compare/1...2")
    assert answer.status_code == 200
    assert "are not shown" in text_of(answer)
    assert len(answer.data) < 4_000_000


def test_a_version_is_published_without_javascript(two_versions: None, sign_in: SignIn) -> None:
    bob = sign_in("bob")
    here = f"{PAGE}/versions/2/publish"
    page = text_of(bob.get(here))
    assert "Changes since v1" in page
    seen = re.search(r'name="lock_version"\s+value="(\d+)"', page[page.index("publish-form") :])
    assert seen
    done = bob.submit(here, {"message": "Be brief", "lock_version": seen[1]})
    assert (done.status_code, done.location) == (303, f"{PAGE}/versions/2")
    assert "Published v2" in text_of(bob.get(done.location))
    again = bob.submit(here, {"message": "Be brief", "lock_version": seen[1]})
    assert (again.status_code, "never changes" in text_of(again)) == (409, True)


def test_publishing_refuses_what_changed_since_it_was_shown(
    app: Flask, team: Any, two_versions: None, sign_in: SignIn
) -> None:
    bob = sign_in("bob")
    here = f"{PAGE}/versions/2/publish"
    with app.app_context():
        adam = team.access("adam")
        version = library.version(adam, library.find(adam, "support-reply"), 2)
        seen = version.lock_version
        actions.save_draft(adam, version, {"body": "theirs"}, seen)
    answer = bob.submit(here, {"message": "Mine", "lock_version": seen})
    page = text_of(answer)
    assert answer.status_code == 409
    assert 'value="Mine"' in page
    assert "theirs" in page
    fragment = bob.swap(here, {"message": "Mine", "lock_version": seen})
    assert fragment.status_code == 409
    assert text_of(fragment).lstrip().startswith("<dialog")


def test_an_empty_draft_shows_what_is_in_the_way_of_publishing(write: Write, sign_in: SignIn) -> None:
    write("bob", body="")
    bob = sign_in("bob")
    page = text_of(bob.get(f"{PAGE}/versions/1/publish"))
    assert "The user part is empty" in page
    assert re.search(r'form="publish-form"\s+disabled', page)
    assert bob.submit(f"{PAGE}/versions/1/publish", {"message": "x"}).status_code == 422


def test_going_back_is_a_new_version_without_javascript(
    app: Flask, team: Any, two_versions: None, sign_in: SignIn
) -> None:
    with app.app_context():
        bob = team.access("bob")
        actions.publish(bob, library.version(bob, library.find(bob, "support-reply"), 2), "Be brief")
    visitor = sign_in("bob")
    assert "as v3" in text_of(visitor.get(f"{PAGE}/versions/1/rollback"))
    done = visitor.submit(f"{PAGE}/versions/1/rollback", {"message": "It was better"})
    assert (done.status_code, done.location) == (303, f"{PAGE}/versions/3")
    page = text_of(visitor.get(done.location))
    assert "Published v3" in page
    assert "Be brief." not in page


def test_an_old_version_is_restored_as_a_draft_without_javascript(two_versions: None, sign_in: SignIn) -> None:
    bob = sign_in("bob")
    done = bob.submit(f"{PAGE}/versions/1/drafts")
    assert (done.status_code, done.location) == (303, f"{PAGE}/versions/3")
    assert "Draft v3" in text_of(bob.get(done.location))
