"""The pages of labels, approvals, preview links and the history of releases, without JavaScript and by htmx."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from aiapp.columns import new_id, now
from aiapp.credentials import actions as credentials
from aiapp.executions import actions as executions
from aiapp.executions.models import Execution
from aiapp.executions.submission import Submission
from aiapp.extensions import db
from aiapp.feedback.models import Feedback
from aiapp.prompt_templates import actions, approvals, labels, library, publishing_rules
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.prompt_templates.release_models import PreviewLink

PAGE = "/w/acme/prompt-templates/support-reply"
APPROVALS = "/w/acme/approvals"
PUBLISHING = "/w/acme/settings/publishing"
SignIn = Callable[[str], Any]


@pytest.fixture
def two(app: Flask, team: Any, write: Callable[..., PromptTemplate]) -> None:
    """Version 1 is published, version 2 a draft with another text."""
    write("bob", published=True)
    with app.app_context():
        bob = team.access("bob")
        first = library.version(bob, library.find(bob, "support-reply"), 1)
        actions.new_draft(bob, first, given={"body": "{{name}} wrote: {{message}} Be brief."})


@pytest.fixture
def rule(app: Flask, team: Any) -> Callable[[str], None]:
    """`rule("admin")`: what the workspace asks for from now on."""

    def rule(approval: str) -> None:
        with app.app_context():
            publishing_rules.set_rule(team.access("alice"), approval)

    return rule


def text_of(answer: TestResponse) -> str:
    assert answer.status_code < 500, answer.get_data(as_text=True)
    return re.sub(r"\s+", " ", unescape(answer.get_data(as_text=True)))


def lock_of(page: str) -> str:
    return re.findall(r'name="lock_version" value="(\d+)"', page)[0]


def request_of(client: FlaskClient) -> str:
    found: str = re.findall(rf'"({APPROVALS}/[0-9a-f]{{32}})"', text_of(client.get(APPROVALS)))[0]
    return found


def test_the_publish_dialog_proposes_a_version_that_may_be_typed_over(two: None, sign_in: SignIn) -> None:
    bob = sign_in("bob")
    page = text_of(bob.get(f"{PAGE}/versions/2/publish"))
    assert 'value="1.1.0"' in page
    assert "Proposed: 1.1.0 (minor), because the text changed." in page
    assert "/executions/_last_test?version=" in page
    form = {"message": "Brief", "lock_version": lock_of(page)}
    refused = bob.submit(f"{PAGE}/versions/2/publish", {**form, "semver": "1.0.0"})
    assert refused.status_code == 422
    assert "This has to be greater than 1.0.0" in text_of(refused)
    assert bob.submit(f"{PAGE}/versions/2/publish", {**form, "semver": "1.5.0"}).status_code == 303
    shown = text_of(bob.get(f"{PAGE}/versions"))
    assert "1.5.0" in shown
    assert "You published v2 (1.5.0) in place of v1: <q>Brief</q>" in shown


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_a_preview_link_made_while_publishing_leaves_what_is_typed(
    two: None, sign_in: SignIn, visitor: Any, headers: dict[str, str]
) -> None:
    bob = sign_in("bob")
    form = {"message": "Half a sen", "semver": "1.9.0"}
    page = text_of(bob.submit(f"{PAGE}/versions/2/publish/link", form, headers=headers))
    assert 'value="Half a sen"' in page
    assert 'value="1.9.0"' in page
    link = re.findall(r'id="preview-link">http://[^/]+(/preview/[^<]+)<', page)[0]
    assert "Be brief." in text_of(visitor().get(link))


def test_one_click_goes_back_to_the_version_before_and_a_second_one_does_nothing(two: None, sign_in: SignIn) -> None:
    bob = sign_in("bob")
    page = text_of(bob.get(f"{PAGE}/versions/2/publish"))
    bob.submit(f"{PAGE}/versions/2/publish", {"message": "Brief", "lock_version": lock_of(page)})
    shown = text_of(bob.get(f"{PAGE}/versions/2"))
    assert "Publish v1 again, the version before" in shown
    form = {"expected": "2", "message": "Back to v1"}
    assert bob.submit(f"{PAGE}/versions/1/rollback", form).status_code == 303
    again = bob.submit(f"{PAGE}/versions/1/rollback", form)
    assert again.status_code == 409
    assert "Another version was published meanwhile" in text_of(again)
    assert "which says what v1 said" in text_of(bob.get(f"{PAGE}/versions"))
    assert "Publish v2 again, the version before" in text_of(bob.get(f"{PAGE}/versions/3"))


def test_the_way_back_has_one_name_wherever_it_is_offered(two: None, sign_in: SignIn) -> None:
    bob = sign_in("bob")
    compared = text_of(bob.get(f"{PAGE}/compare/1...2"))
    assert re.search(r'<a href="[^"]*/versions/2/publish" class="btn"[^>]*>Publish v2</a>', compared)
    page = text_of(bob.get(f"{PAGE}/versions/2/publish"))
    bob.submit(f"{PAGE}/versions/2/publish", {"message": "Brief", "lock_version": lock_of(page)})
    told = text_of(bob.get(f"{PAGE}/versions/2"))
    link = f'<a class="link" href="{PAGE}/versions/1/rollback">Publish v1 again</a>'
    assert f"Everybody gets it from now on. {link}" in told
    menu = told[told.index('class="menu-items"') : told.index('id="release"')]
    assert "Publish v1 again" in menu.partition(link)[0]
    for path in ("versions/1", "versions/1/rollback", "versions", "compare/1...2"):
        shown = text_of(bob.get(f"{PAGE}/{path}"))
        assert "Publish v1 again" in shown, path
        assert "Go back to" not in shown, path
    assert "Publish v1 again" not in text_of(sign_in("vera").get(f"{PAGE}/versions/1"))


def test_an_archived_template_offers_the_way_out_of_the_archive_alone(
    app: Flask, team: Any, two: None, sign_in: SignIn
) -> None:
    bob, vera = sign_in("bob"), sign_in("vera")
    assert f'formaction="{PAGE}/versions/2/run"' in text_of(bob.get(f"{PAGE}/versions/2"))
    with app.app_context():
        access = team.access("bob")
        actions.archive(access, library.find(access, "support-reply"))
    for person, number in ((bob, 1), (bob, 2), (vera, 1)):
        shown = text_of(person.get(f"{PAGE}/versions/{number}"))
        assert "It keeps everything, and it is neither run nor published." in shown
        assert f'formaction="{PAGE}/versions/{number}/run"' not in shown
        assert 'value="publish"' not in shown
        assert ("Take out of the archive" in shown) is (person is bob)


def test_an_editor_asks_and_an_admin_publishes(two: None, sign_in: SignIn, rule: Callable[[str], None]) -> None:
    rule("admin")
    bob, adam, vera = sign_in("bob"), sign_in("adam"), sign_in("vera")
    page = text_of(bob.get(f"{PAGE}/versions/2/publish"))
    assert "Ask for approval" in page
    assert "Publish v2</button>" not in page
    asked = bob.submit(
        f"{PAGE}/versions/2/publish", {"message": "Brief", "lock_version": lock_of(page), "semver": "1.2.0"}
    )
    assert asked.status_code == 303
    assert 'Publish v2</a> <span class="muted">waits for an approval' in text_of(bob.get(f"{PAGE}/versions/2"))
    assert "Approvals (1)" in text_of(bob.get("/w/acme/prompt-templates"))
    here = request_of(bob)
    assert "Take the request back" in text_of(bob.get(here))
    assert "Approve" not in text_of(vera.get(here))
    assert bob.submit(f"{here}/approve").status_code == 403
    assert vera.submit(f"{here}/approve").status_code == 403
    shown = text_of(adam.get(here))
    assert "Changes since v1" in shown
    assert adam.submit(f"{here}/approve", {"message": "Good"}).status_code == 303
    page = text_of(bob.get(f"{PAGE}/versions/2"))
    assert "approved by Adam" in page
    assert "1.2.0" in page
    late = adam.submit(f"{here}/approve")
    assert late.status_code == 409
    assert "This request is approved already." in text_of(late)


def test_who_may_decide_is_told_on_home_and_in_the_navigation(
    app: Flask, team: Any, two: None, sign_in: SignIn, rule: Callable[[str], None]
) -> None:
    with app.app_context():
        alice = team.access("alice")
        credentials.create(alice, {"provider": "demo", "name": "Demo"})
        executions.submit(alice, Submission(prompt_template="support-reply", context={"name": "x", "message": "y"}))
    rule("second_person")
    bob = sign_in("bob")
    bob.submit(f"{PAGE}/versions/2/publish", {"message": "Brief", "lock_version": ""})
    told = {name: text_of(sign_in(name).get("/w/acme/")) for name in ("adam", "bob", "vera")}
    assert "Waiting for your approval" in told["adam"]
    assert "Publish Support reply v2</a>" in told["adam"]
    assert 'Approvals<span class="nav-count">1<' in told["adam"]
    for other in ("bob", "vera"):
        assert "Waiting for your approval" not in told[other]
        assert "nav-count" not in told[other]


@pytest.mark.parametrize("approval", ["none", "admin", "second_person"])
def test_what_waits_for_somebody_is_what_they_may_decide(
    app: Flask, team: Any, two: None, rule: Callable[[str], None], approval: str
) -> None:
    rule("second_person")
    with app.app_context():
        alice, bob = team.access("alice"), team.access("bob")
        template = library.find(bob, "support-reply")
        production = labels.create(alice, "production", protected=True)
        approvals.ask(bob, library.version(bob, template, 2))
        approvals.ask(alice, library.version(bob, template, 1), label=production)
    rule(approval)
    with app.app_context():
        for name in ("alice", "adam", "bob", "vera"):
            access = team.access(name)
            may = [one.id for one in approvals.listed(access) if publishing_rules.may_decide(access, one)]
            assert [one.id for one in approvals.waiting_for(access, 10)] == may
            assert approvals.count_waiting_for(access, 10) == len(may)


def test_what_was_changed_since_says_so_and_is_not_approved(
    two: None, sign_in: SignIn, rule: Callable[[str], None]
) -> None:
    rule("second_person")
    bob, alice = sign_in("bob"), sign_in("alice")
    page = text_of(bob.get(f"{PAGE}/versions/2/publish"))
    bob.submit(f"{PAGE}/versions/2/publish", {"message": "Brief", "lock_version": lock_of(page)})
    here = request_of(alice)
    bob.submit(f"{PAGE}/versions/2", {"body": "{{name}}", "lock_version": lock_of(page)})
    shown = text_of(alice.get(here))
    assert "v2 was changed since this was asked for" in shown
    assert "Approve and publish" not in shown
    assert alice.submit(f"{here}/approve").status_code == 409
    assert "changed since" in text_of(alice.get(APPROVALS))


def test_a_request_is_rejected_with_words_only(two: None, sign_in: SignIn, rule: Callable[[str], None]) -> None:
    rule("second_person")
    bob, adam = sign_in("bob"), sign_in("adam")
    page = text_of(bob.get(f"{PAGE}/versions/2/publish"))
    bob.submit(f"{PAGE}/versions/2/publish", {"message": "Brief", "lock_version": lock_of(page)})
    here = request_of(bob)
    assert bob.submit(f"{here}/reject", {"message": "x"}).status_code == 403
    empty = adam.submit(f"{here}/reject", {"message": ""})
    assert empty.status_code == 422
    assert "Say why" in text_of(empty)
    assert adam.submit(f"{here}/reject", {"message": "Too brief"}).status_code == 303
    assert "Rejected: Too brief" in text_of(bob.get(APPROVALS))


def test_a_request_is_taken_back_by_who_made_it(two: None, sign_in: SignIn, rule: Callable[[str], None]) -> None:
    rule("second_person")
    bob, adam = sign_in("bob"), sign_in("adam")
    page = text_of(bob.get(f"{PAGE}/versions/2/publish"))
    bob.submit(f"{PAGE}/versions/2/publish", {"message": "Brief", "lock_version": lock_of(page)})
    here = request_of(bob)
    assert adam.submit(f"{here}/withdraw").status_code == 403
    assert bob.submit(f"{here}/withdraw").status_code == 303
    assert "Nothing waits" in text_of(bob.get(APPROVALS))


def test_going_back_asks_too(two: None, sign_in: SignIn, rule: Callable[[str], None]) -> None:
    rule("second_person")
    bob = sign_in("bob")
    assert "a draft until somebody approves it" in text_of(bob.get(f"{PAGE}/versions/1/rollback"))
    assert bob.submit(f"{PAGE}/versions/1/rollback", {"message": "Back"}).status_code == 303
    assert "Publish v3" in text_of(bob.get(APPROVALS))


def test_admins_make_labels_and_editors_move_them(two: None, sign_in: SignIn) -> None:
    alice, bob, vera = sign_in("alice"), sign_in("bob"), sign_in("vera")
    assert "An admin of the workspace can make some" in text_of(bob.get(f"{PAGE}/labels"))
    assert bob.get(PUBLISHING).status_code == 403
    assert bob.submit(f"{PUBLISHING}/labels", {"name": "staging"}).status_code == 403
    assert alice.submit(f"{PUBLISHING}/labels", {"name": "staging"}).status_code == 303
    taken = alice.submit(f"{PUBLISHING}/labels", {"name": "staging"})
    assert taken.status_code == 422
    assert "There is a label called staging already." in text_of(taken)
    assert vera.submit(f"{PAGE}/labels/staging", {"version": "1"}).status_code == 403
    assert bob.submit(f"{PAGE}/labels/staging", {"version": "1", "message": "Try"}).status_code == 303
    assert 'class="tag">staging</span>' in text_of(vera.get(f"{PAGE}/versions/1"))
    draft = bob.submit(f"{PAGE}/labels/staging", {"version": "2"})
    assert draft.status_code == 409
    assert "Publish it first" in text_of(draft)
    moves = text_of(bob.get(f"{PAGE}/labels"))
    assert "You put the label staging on v1: <q>Try</q>" in moves
    event = re.findall(r'name="event" value="([0-9a-f]{32})"', moves)[0]
    assert bob.submit(f"{PAGE}/labels/staging/undo", {"event": event}).status_code == 303
    assert "points to no version" in text_of(bob.get(f"{PAGE}/labels"))
    assert bob.submit(f"{PAGE}/labels/staging/undo", {"event": event}).status_code == 409
    assert bob.submit(f"{PAGE}/labels/unknown", {"version": "1"}).status_code == 404


def test_a_protected_label_is_asked_for(two: None, sign_in: SignIn) -> None:
    alice, bob = sign_in("alice"), sign_in("bob")
    alice.submit(f"{PUBLISHING}/labels", {"name": "production", "protected": "1"})
    assert "Ask for approval" in text_of(bob.get(f"{PAGE}/labels"))
    assert bob.submit(f"{PAGE}/labels/production", {"version": "1"}).status_code == 303
    here = request_of(alice)
    assert "Move production of Support reply to v1" in text_of(alice.get(here))
    assert alice.submit(f"{here}/approve").status_code == 303
    assert "put the label production on v1" in text_of(bob.get(f"{PAGE}/labels"))


def test_taking_a_protected_label_off_is_asked_for_too(app: Flask, team: Any, two: None, sign_in: SignIn) -> None:
    alice, bob = sign_in("alice"), sign_in("bob")
    alice.submit(f"{PUBLISHING}/labels", {"name": "production", "protected": "1"})
    nowhere = bob.submit(f"{PAGE}/labels/production", {"version": ""})
    assert (nowhere.status_code, "points to no version here" in text_of(nowhere)) == (409, True)
    alice.submit(f"{PAGE}/labels/production", {"version": "1"})
    assert bob.submit(f"{PAGE}/labels/production", {"version": "", "message": "Not ready"}).status_code == 303
    assert bob.submit(f"{PAGE}/labels/production", {"version": ""}).status_code == 409
    here = request_of(alice)
    assert "Take production off Support reply v1" in text_of(alice.get(here))
    assert alice.submit(f"{here}/approve").status_code == 303
    moves = text_of(bob.get(f"{PAGE}/labels"))
    assert "points to no version" in moves
    event = re.findall(r'name="event" value="([0-9a-f]{32})"', moves)[0]
    assert bob.submit(f"{PAGE}/labels/production/undo", {"event": event}).status_code == 303
    assert "Move production to v1" in text_of(alice.get(APPROVALS))


def test_a_label_that_was_moved_meanwhile_is_not_taken_off(two: None, sign_in: SignIn) -> None:
    alice, bob = sign_in("alice"), sign_in("bob")
    alice.submit(f"{PUBLISHING}/labels", {"name": "production", "protected": "1"})
    alice.submit(f"{PAGE}/labels/production", {"version": "1"})
    bob.submit(f"{PAGE}/labels/production", {"version": ""})
    here = request_of(alice)
    alice.submit(f"{PAGE}/versions/2/publish", {"message": "Brief", "lock_version": ""})
    alice.submit(f"{PAGE}/labels/production", {"version": "2"})
    assert "production does not point to v1 any more" in text_of(alice.get(here))
    assert alice.submit(f"{here}/approve").status_code == 409
    assert "Take production off v1" in text_of(alice.get(APPROVALS))


def test_labels_are_renamed_and_deleted(app: Flask, team: Any, two: None, sign_in: SignIn) -> None:
    alice = sign_in("alice")
    with app.app_context():
        label = labels.create(team.access("alice"), "staging").id
    assert alice.submit(f"{PUBLISHING}/labels/{label}", {"name": "canary", "protected": "1"}).status_code == 303
    assert "canary" in text_of(alice.get(PUBLISHING))
    assert "Delete the label canary" in text_of(alice.get(f"{PUBLISHING}/labels/{label}/delete"))
    assert alice.submit(f"{PUBLISHING}/labels/{label}/delete").status_code == 303
    assert alice.submit(f"{PUBLISHING}/labels/{label}/delete").status_code == 404


def test_the_rule_is_set_by_admins(sign_in: SignIn) -> None:
    adam = sign_in("adam")
    assert adam.submit(PUBLISHING, {"approval": "second_person"}).status_code == 303
    assert re.search(r'value="second_person" checked', text_of(adam.get(PUBLISHING)))
    assert adam.submit(PUBLISHING, {"approval": "everybody"}).status_code == 422


# ---------- preview links ----------


def link_of(client: Any, lifetime: str = "1h") -> str:
    made = client.submit(f"{PAGE}/versions/2/links", {"lifetime": lifetime})
    assert made.status_code == 201
    found: str = re.findall(r'id="preview-link">http://[^/]+(/preview/[^<]+)<', text_of(made))[0]
    return found


def test_a_preview_link_shows_the_version_to_whoever_has_it(two: None, sign_in: SignIn, visitor: Any) -> None:
    path = link_of(sign_in("bob"))
    answer = visitor().get(path)
    page = text_of(answer)
    assert "Support reply" in page
    assert "Be brief." in page
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "noindex" in answer.headers["X-Robots-Tag"]
    assert "/w/acme" not in page
    assert "Bob" not in page
    assert "<form" not in page.replace(page[page.find("<template") :], "")


def test_what_runs_out_what_was_taken_back_and_what_never_was_look_the_same(
    app: Flask, two: None, sign_in: SignIn, visitor: Any
) -> None:
    bob = sign_in("bob")
    taken_back, run_out = link_of(bob), link_of(bob, "7d")
    page = text_of(bob.get(f"{PAGE}/versions/2/links"))
    last = re.findall(r"/versions/2/links/([0-9a-f]{32})/revoke", page)[-1]
    assert bob.submit(f"{PAGE}/versions/2/links/{last}/revoke").status_code == 303
    with app.app_context():
        db.session.execute(sa.update(PreviewLink).values(expires_at=now() - timedelta(seconds=1)))
        db.session.commit()

    def shown(path: str) -> tuple[int, str]:
        answer = visitor().get(path)
        page = text_of(answer).replace(answer.headers["X-Request-ID"], "")
        return answer.status_code, re.sub(r'data-now="\d+"|csrf_token[^>]*|X-CSRFToken[^>]*', "", page).replace(
            path, ""
        )

    assert shown(taken_back) == shown(run_out) == shown("/preview/" + "x" * 43)
    assert shown(taken_back)[0] == 404


def test_a_preview_link_is_asked_for_only_so_often(two: None, visitor: Any) -> None:
    client = visitor()
    codes = [client.get("/preview/guess").status_code for _ in range(61)]
    assert codes[0] == 404
    assert codes[-1] == 429


def test_viewers_make_no_links_and_strangers_take_none_back(two: None, sign_in: SignIn) -> None:
    assert sign_in("vera").get(f"{PAGE}/versions/2/links").status_code == 403
    bob = sign_in("bob")
    link_of(bob)
    link = re.findall(r"/links/([0-9a-f]{32})/revoke", text_of(bob.get(f"{PAGE}/versions/2/links")))[0]
    assert sign_in("charlie").submit(f"{PAGE}/versions/2/links/{link}/revoke").status_code == 404
    wrong = bob.submit(f"{PAGE}/versions/2/links", {"lifetime": "forever"})
    assert wrong.status_code == 422


# ---------- numbers ----------


def execute(app: Flask, team: Any, number: int, **more: Any) -> str:
    with app.app_context():
        bob = team.access("bob")
        template = library.find(bob, "support-reply")
        version = library.version(bob, template, number)
        row = Execution(
            id=new_id(),
            workspace_id=bob.workspace.id,
            user_id=bob.user.id,
            prompt_template_id=template.id,
            prompt_version_id=version.id,
            **{"source": "page", "status": "completed", **more},
        )
        db.session.add(row)
        db.session.commit()
        return row.id


def test_the_history_counts_runs_by_version_and_tests_apart(app: Flask, team: Any, two: None, sign_in: SignIn) -> None:
    vera = sign_in("vera")
    fragment = "/w/acme/executions/_by_version?template=support-reply"
    assert "It has not been run yet." in text_of(vera.get(fragment))
    liked = execute(app, team, 1, cost=Decimal("0.02"))
    execute(app, team, 1, status="failed", cost=Decimal("0.01"))
    execute(app, team, 1, status="pending")
    execute(app, team, 1, source="preview", cost=Decimal(5))
    with app.app_context():
        bob = team.access("bob")
        db.session.add(Feedback(workspace_id=bob.workspace.id, execution_id=liked, user_id=bob.user.id, rating="up"))
        db.session.commit()
    page = text_of(vera.get(fragment))
    cells = dict(re.findall(r'hx-target="#([a-z]+)-v1" hx-swap="innerHTML">(.*?)</hx-partial>', page))
    assert {name: re.sub("<[^>]+>", "", cell) for name, cell in cells.items()} == {
        "runs": "3 + 1 test",
        "success": "50 %",
        "thumbs": "1 up, 0 down",
        "cost": "$0.0150",
    }
    assert sign_in("charlie").get(fragment).status_code == 404
    for cell in cells:
        assert f'id="{cell}-v1"' in text_of(vera.get(f"{PAGE}/versions"))


def test_the_last_test_run_is_told_and_whether_the_text_changed_since(
    app: Flask, team: Any, two: None, sign_in: SignIn
) -> None:
    bob = sign_in("bob")
    with app.app_context():
        version = db.session.scalars(sa.select(PromptVersion).where(PromptVersion.number == 2)).one()
    fragment = f"/w/acme/executions/_last_test?version={version.id}"
    assert "v2 had no test run yet" in text_of(bob.get(fragment))
    execute(app, team, 2, source="preview")
    assert "on this text completed" in text_of(bob.get(fragment))
    page = text_of(bob.get(f"{PAGE}/versions/2/publish"))
    bob.submit(f"{PAGE}/versions/2", {"body": "{{name}}", "lock_version": lock_of(page)})
    assert "before the last change completed" in text_of(bob.get(fragment))
    assert sign_in("charlie").get(fragment.replace("acme", "rival")).status_code == 404
    assert bob.get("/w/acme/executions/_last_test").status_code == 404
