"""Labels, approvals, semantic versions and preview links: who may do what, what is kept, who wins a race."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from aiapp.audit import AuditEvent
from aiapp.columns import now
from aiapp.errors import AppError, Conflict, Denied, InvalidInput, NotFound
from aiapp.extensions import db, reading
from aiapp.prompt_templates import (
    actions,
    approvals,
    events,
    labels,
    library,
    preview_links,
    publishing_rules,
    releases,
)
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.prompt_templates.release_models import PreviewLink, PromptApproval
from aiapp.prompt_templates.telling import tell
from aiapp.webhooks.models import EVENTS, Webhook, WebhookDelivery
from aiapp.workspaces.access import Access


@pytest.fixture
def alice(bob: Access, team: Any) -> Access:
    """alice, who owns acme."""
    access: Access = team.access("alice")
    return access


@pytest.fixture
def published(bob: Access, draft: PromptVersion) -> PromptVersion:
    """Version 1, published."""
    return actions.publish(bob, draft, "First")


@pytest.fixture
def second(bob: Access, published: PromptVersion) -> PromptVersion:
    """Version 2, published after version 1."""
    return actions.publish(
        bob, actions.new_draft(bob, published, given={"body": "{{name}} wrote: {{message}}!"}), "Two"
    )


def refused(code: str, action: Callable[..., Any], *args: Any, **more: Any) -> AppError:
    with pytest.raises(AppError) as caught:
        action(*args, **more)
    assert caught.value.code == code, caught.value
    return caught.value


# ---------- semantic versions ----------


def test_published_versions_are_numbered_by_what_changed(bob: Access, second: PromptVersion) -> None:
    assert library.version(bob, second.prompt_template, 1).semver == "1.0.0"
    assert second.semver == "1.1.0"
    draft = actions.new_draft(bob, second, given={"body": "{{name}} wrote: {{message}}. {{question}}"})
    assert draft.semver is None
    assert releases.proposed(bob, draft) == ("2.0.0", "major", ("the required variable question was added",))
    assert actions.publish(bob, draft).semver == "2.0.0"
    assert actions.rollback(bob, second).semver == "3.0.0"


def test_a_semantic_version_may_be_typed_over_and_has_to_be_greater(bob: Access, published: PromptVersion) -> None:
    draft = actions.new_draft(bob, published, given={"body": "Hi"})
    for wrong in ("1.0.0", "0.9.9", "two", "1.0"):
        error = refused("invalid", actions.publish, bob, draft, semver=wrong)
        assert error.errors[0]["field"] == "semver"
        db.session.rollback()
    assert actions.publish(bob, draft, semver="4.2.0").semver == "4.2.0"
    assert releases.proposed(bob, actions.new_draft(bob, draft, given={"body": "Hello"})).semver == "4.3.0"


# ---------- labels ----------


def test_a_label_is_put_moved_taken_off_and_its_history_kept(
    alice: Access, bob: Access, template: PromptTemplate, second: PromptVersion
) -> None:
    staging = labels.create(alice, " Staging ")
    first = library.version(bob, template, 1)
    labels.move(bob, template, staging, first, "Try it")
    assert labels.version_at(bob, template, "staging").id == first.id
    labels.move(bob, template, staging, second)
    labels.move(bob, template, staging, second)  # it points there already: nothing happens
    labels.move(bob, template, staging, None)
    told = [tell(event) for event in events.listed(bob, template, label="staging")]
    assert told == [
        "took the label staging off v2",
        "moved the label staging from v1 to v2",
        "put the label staging on v1",
    ]
    refused("not_found", labels.version_at, bob, template, "staging")
    audited = db.session.scalars(sa.select(AuditEvent.action).where(AuditEvent.action == "prompt_template.label")).all()
    assert len(audited) == 3


def test_one_click_undoes_the_last_move_once(
    alice: Access, bob: Access, template: PromptTemplate, second: PromptVersion
) -> None:
    staging = labels.create(alice, "staging")
    labels.move(bob, template, staging, library.version(bob, template, 1))
    labels.move(bob, template, staging, second)
    last = events.listed(bob, template, 1, label="staging")[0]
    assert labels.undo(bob, template, staging, last.id) == library.version(bob, template, 1)
    refused("overtaken", labels.undo, bob, template, staging, last.id)
    assert labels.version_at(bob, template, "staging").number == 1


def test_only_what_cannot_change_is_labelled(alice: Access, bob: Access, published: PromptVersion) -> None:
    staging = labels.create(alice, "staging")
    draft = actions.new_draft(bob, published)
    refused("not_frozen", labels.move, bob, published.prompt_template, staging, draft)
    refused("not_frozen", approvals.ask, bob, draft, label=staging)


def test_a_renamed_label_keeps_its_places_and_its_history(
    alice: Access, bob: Access, template: PromptTemplate, published: PromptVersion
) -> None:
    staging = labels.create(alice, "staging")
    labels.move(bob, template, staging, published)
    labels.change(alice, staging, name="canary")
    assert labels.version_at(bob, template, "canary").id == published.id
    refused("not_found", labels.version_at, bob, template, "staging")
    assert [event.label for event in events.listed(bob, template, label="canary")] == ["canary"]


def test_a_deleted_label_says_where_it_pointed(
    alice: Access, bob: Access, template: PromptTemplate, published: PromptVersion
) -> None:
    staging = labels.create(alice, "staging")
    labels.move(bob, template, staging, published)
    labels.delete(alice, staging)
    assert labels.by_version(bob, template) == {}
    assert tell(events.listed(bob, template, 1)[0]) == "took the label staging off v1"


@pytest.mark.parametrize(
    "name", ["", "published", "latest", "1", "9lives", "a b", "ünder", "x" * 41, "a--b", "-a", "a/b"]
)
def test_a_label_needs_a_name_that_an_address_can_hold(alice: Access, name: str) -> None:
    assert refused("invalid", labels.create, alice, name).errors[0]["field"] == "name"


def test_two_labels_of_a_workspace_have_two_names(alice: Access, team: Any) -> None:
    labels.create(alice, "staging")
    refused("label_taken", labels.create, alice, "staging")
    canary = labels.create(alice, "canary")
    refused("label_taken", labels.change, alice, canary, name="staging")
    assert labels.create(team.access("charlie"), "staging").name == "staging"


def test_a_label_names_what_is_executed(
    alice: Access, bob: Access, team: Any, template: PromptTemplate, second: PromptVersion
) -> None:
    staging = labels.create(alice, "staging")
    labels.move(bob, template, staging, library.version(bob, template, 1))
    for who in (bob, team.access("vera")):
        assert actions.runnable_version(who, "support-reply", label="staging").number == 1
        assert actions.runnable_version(who, "support-reply", label="published").number == 2
        refused("not_found", actions.runnable_version, who, "support-reply", label="canary")
        refused("invalid", actions.runnable_version, who, "support-reply", 1, "staging")
    refused("denied", actions.runnable_version, team.access("vera"), "support-reply", 1)


# ---------- approvals ----------


def test_without_a_rule_editors_publish_alone(bob: Access) -> None:
    assert publishing_rules.rule_of(bob) == "none"
    assert not publishing_rules.approval_needed(bob)


def test_where_an_admin_has_to_agree_editors_ask_and_admins_publish(
    alice: Access, bob: Access, draft: PromptVersion
) -> None:
    publishing_rules.set_rule(alice, "admin")
    refused("approval_needed", actions.publish, bob, draft)
    asked = approvals.ask(bob, draft, "Please", wanted="1.4.0")
    refused("denied", approvals.approve, bob, asked)
    version = approvals.approve(alice, asked, "Fine")
    assert (version.status, version.semver, version.message) == ("published", "1.4.0", "Please")
    assert version.published_by == bob.user
    assert approvals.approver_of(bob, version) == "Alice"
    assert (asked.state, asked.decision, asked.decided_by) == ("approved", "Fine", alice.user)
    told = [tell(event) for event in events.listed(bob, version.prompt_template)]
    assert told == [
        "published v1 (1.4.0), asked for by Bob",
        "approved the request to publish v1",
        "asked to publish v1",
    ]
    assert actions.publish(alice, actions.new_draft(alice, version)).status == "published"


def test_where_a_second_person_has_to_agree_nobody_publishes_alone(
    alice: Access, bob: Access, team: Any, draft: PromptVersion
) -> None:
    publishing_rules.set_rule(alice, "second_person")
    refused("approval_needed", actions.publish, alice, draft)
    asked = approvals.ask(alice, draft, "Mine")
    refused("denied", approvals.approve, alice, asked)
    refused("denied", approvals.reject, alice, asked, "No")
    refused("denied", approvals.approve, team.access("vera"), asked)
    assert approvals.approve(bob, asked).status == "published"


def test_a_token_of_an_admin_is_no_admin_without_the_scope(alice: Access, team: Any) -> None:
    publishing_rules.set_rule(alice, "admin")
    token = Access(alice.workspace, alice.user, "owner", scope="write", token_name="ci")
    assert publishing_rules.approval_needed(token)
    assert not publishing_rules.approval_needed(alice)


def test_what_was_changed_since_is_not_approved(alice: Access, bob: Access, draft: PromptVersion) -> None:
    publishing_rules.set_rule(alice, "admin")
    asked = approvals.ask(bob, draft)
    actions.save_draft(bob, draft, {"body": "Something else"}, draft.lock_version)
    assert approvals.is_stale(asked)
    refused("stale", approvals.approve, alice, asked)
    assert db.session.get(PromptVersion, draft.id, populate_existing=True).status == "draft"  # type: ignore[union-attr]
    assert asked.state == "open"
    again = approvals.ask(bob, draft)
    assert (asked.state, again.state) == ("withdrawn", "open")
    assert approvals.approve(alice, again).body == "Something else"


def test_new_samples_alone_are_no_change_of_what_was_asked_for(
    alice: Access, bob: Access, draft: PromptVersion
) -> None:
    publishing_rules.set_rule(alice, "admin")
    asked = approvals.ask(bob, draft)
    actions.save_draft(bob, draft, {}, draft.lock_version, tried={"name": "Ada"})
    assert approvals.approve(alice, asked).status == "published"


def test_a_request_is_rejected_with_words_or_taken_back(alice: Access, bob: Access, draft: PromptVersion) -> None:
    publishing_rules.set_rule(alice, "admin")
    asked = approvals.ask(bob, draft)
    refused("approval_open", approvals.ask, bob, draft)
    assert refused("invalid", approvals.reject, alice, asked, "  ").errors[0]["field"] == "message"
    approvals.reject(alice, asked, "Too long")
    assert (asked.state, asked.decision) == ("rejected", "Too long")
    refused("decided", approvals.approve, alice, asked)
    second = approvals.ask(bob, draft)
    refused("denied", approvals.withdraw, alice, second)
    approvals.withdraw(bob, second)
    refused("decided", approvals.withdraw, bob, second)
    assert approvals.count_open(bob) == 0


def test_a_semantic_version_that_was_overtaken_gives_way(alice: Access, bob: Access, draft: PromptVersion) -> None:
    other = actions.new_draft(bob, draft, given={"body": "Other"})
    publishing_rules.set_rule(alice, "admin")
    asked = approvals.ask(bob, draft, wanted="1.0.0")
    actions.publish(alice, other, semver="1.0.0")
    assert approvals.approve(alice, asked).semver == "2.0.0"


def test_going_back_needs_the_approval_too_and_waits_as_a_draft(
    alice: Access, bob: Access, second: PromptVersion
) -> None:
    publishing_rules.set_rule(alice, "second_person")
    first = library.version(bob, second.prompt_template, 1)
    refused("approval_needed", actions.rollback, bob, first)
    asked = approvals.ask_rollback(bob, first)
    assert (asked.prompt_version.number, asked.prompt_version.status) == (3, "draft")
    assert library.published(bob, second.prompt_template) == second
    restored = approvals.approve(alice, asked)
    assert (restored.number, restored.status, restored.body) == (3, "published", first.body)


def test_a_protected_label_moves_with_an_approval(
    alice: Access, bob: Access, template: PromptTemplate, published: PromptVersion
) -> None:
    production = labels.create(alice, "production", protected=True)
    refused("approval_needed", labels.move, bob, template, production, published)
    refused("approval_needed", labels.undo, bob, template, production, "0" * 32)
    asked = approvals.ask(bob, published, "Go", label=production)
    refused("approval_open", approvals.ask, bob, published, label=production)
    approvals.approve(alice, asked)
    assert labels.version_at(bob, template, "production").id == published.id
    labels.move(alice, template, production, None)
    publishing_rules.set_rule(alice, "second_person")
    refused("approval_needed", labels.move, alice, template, production, published)
    mine = approvals.ask(alice, published, label=production)
    refused("denied", approvals.approve, alice, mine)
    approvals.approve(bob, mine)
    assert labels.by_version(bob, template) == {published.id: ["production"]}


def test_an_unready_version_is_not_asked_for(alice: Access, bob: Access, template: PromptTemplate) -> None:
    publishing_rules.set_rule(alice, "admin")
    empty = library.version(bob, actions.create(bob, {"name": "Empty"}), 1)
    refused("invalid", approvals.ask, bob, empty)
    draft = library.version(bob, template, 1)
    refused("conflict", approvals.ask, bob, draft, lock_version=7)
    actions.publish(alice, draft)
    refused("frozen", approvals.ask, bob, draft)


def test_foreign_requests_labels_and_links_are_unknown(
    alice: Access, bob: Access, team: Any, template: PromptTemplate, published: PromptVersion
) -> None:
    charlie = team.access("charlie")
    production = labels.create(alice, "production", protected=True)
    asked = approvals.ask(bob, published, label=production)
    link, _ = preview_links.create(bob, published, "1h")
    for table, row_id in ((PromptApproval, asked.id), (PreviewLink, link.id)):
        with pytest.raises(NotFound):
            charlie.get(table, row_id)
    refused("not_found", labels.find, charlie, "production")
    assert approvals.listed(charlie) == []
    assert labels.labelled(charlie, template) == {}


# ---------- going back, history, webhooks ----------


def test_the_version_before_is_the_one_that_everybody_had(bob: Access, second: PromptVersion) -> None:
    template = second.prompt_template
    before = releases.published_before(bob, template)
    assert before is not None
    assert before.number == 1
    third = actions.rollback(bob, before, expected=2)
    assert third.number == 3
    assert releases.published_before(bob, template) == second
    refused("overtaken", actions.rollback, bob, before, expected=2)


def test_details_are_in_the_history(bob: Access, template: PromptTemplate) -> None:
    actions.update(bob, template, {"name": "Reply", "tags": ["mail"], "description": "Short", "active": False})
    actions.update(bob, template, {"active": True})
    told = [tell(event) for event in events.listed(bob, template)]
    assert told[:2] == ["took it out of the archive", "archived it"]
    assert (
        told[2] == "renamed it from Support reply to Reply; described it; changed its tags from email, support to mail"
    )
    assert all(event.user == bob.user for event in events.listed(bob, template))


def test_webhooks_are_told_of_publishing_going_back_and_moves(
    alice: Access, bob: Access, draft: PromptVersion, team: Any
) -> None:
    hook = Webhook(workspace_id=team.acme_id, url="https://example.com/", secret=b"x", events=list(EVENTS))
    db.session.add(hook)
    db.session.commit()
    template = draft.prompt_template
    actions.publish(bob, draft)
    actions.rollback(bob, draft)
    labels.move(bob, template, labels.create(alice, "staging"), draft)
    rows = db.session.scalars(sa.select(WebhookDelivery).order_by(WebhookDelivery.id)).all()
    told = [
        (row.event, *(row.payload[key] for key in ("version", "semver", "label", "from", "to", "by"))) for row in rows
    ]
    assert told == [
        ("prompt_template.published", 1, "1.0.0", "published", None, 1, "Bob"),
        ("prompt_template.published", 2, "1.0.1", "published", 1, 2, "Bob"),
        ("prompt_template.label_moved", 1, "1.0.0", "staging", None, 1, "Bob"),
    ]
    assert rows[0].payload["template"] == {"slug": "support-reply", "name": "Support reply"}
    assert rows[0].payload["at"].endswith("Z")


def test_a_refused_release_tells_nobody(bob: Access, published: PromptVersion) -> None:
    count = len(events.listed(bob, published.prompt_template))
    refused("frozen", actions.publish, bob, published)
    assert len(events.listed(bob, published.prompt_template)) == count


# ---------- preview links ----------


def test_a_link_shows_its_version_until_it_runs_out(bob: Access, draft: PromptVersion) -> None:
    link, secret = preview_links.create(bob, draft, "1d")
    assert preview_links.find(secret) == draft
    assert secret not in (link.secret_hash, link.id)
    link.expires_at = now() - timedelta(seconds=1)
    db.session.commit()
    refused("not_found", preview_links.find, secret)
    assert preview_links.listed(bob, draft.prompt_template) == []


def test_a_link_that_was_taken_back_is_like_one_that_never_was(bob: Access, draft: PromptVersion) -> None:
    link, secret = preview_links.create(bob, draft, "7d")
    preview_links.revoke(bob, link)
    revoked = refused("not_found", preview_links.find, secret)
    unknown = refused("not_found", preview_links.find, "x" * 43)
    assert revoked.detail == unknown.detail
    refused("invalid", preview_links.create, bob, draft, "forever")


def test_a_link_to_what_was_archived_says_so_and_can_be_taken_back(bob: Access, draft: PromptVersion) -> None:
    _, secret = preview_links.create(bob, draft, "7d")
    actions.archive(bob, draft.prompt_template)
    gone = refused("gone", preview_links.find, secret)
    assert (gone.status, "archived" in gone.detail) == (410, True)
    refused("inactive", preview_links.create, bob, draft, "7d")
    actions.unarchive(bob, draft.prompt_template)
    assert preview_links.find(secret) == draft
    actions.archive(bob, draft.prompt_template)
    preview_links.revoke(bob, *preview_links.listed(bob, draft.prompt_template))
    refused("not_found", preview_links.find, secret)


# ---------- races ----------


def at_once(app: Flask, team: Any, people: list[str], action: Callable[[Access], Any]) -> list[Any]:
    """Let everybody do the same at the same moment, each in a thread of their own; return results or errors."""
    barrier, results = threading.Barrier(len(people)), []

    def run(name: str) -> None:
        with app.test_request_context(method="POST"):
            with reading():  # whoever only looks holds nobody up
                access = team.access(name)
                db.session.commit()
            barrier.wait(20)
            try:
                results.append(action(access))
            except AppError as error:
                results.append(error)
            finally:
                db.session.remove()

    threads = [threading.Thread(target=run, args=(name,)) for name in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == len(people)
    return results


def test_publishing_twenty_times_at_once_makes_one_published_version(
    app: Flask, team: Any, draft: PromptVersion
) -> None:
    db.session.remove()

    def publish(access: Access) -> PromptVersion:
        version = library.version(access, library.find(access, "support-reply"), 1)
        return actions.publish(access, version, "At once", 1)

    results = at_once(app, team, ["bob"] * 20, publish)
    assert sum(isinstance(one, PromptVersion) for one in results) == 1
    assert {one.code for one in results if isinstance(one, AppError)} == {"frozen"}
    bob = team.access("bob")
    template = library.find(bob, "support-reply")
    assert [(one.number, one.status, one.semver) for one in library.versions(bob, template)] == [
        (1, "published", "1.0.0")
    ]
    assert len(events.listed(bob, template)) == 1


def test_twenty_drafts_published_at_once_leave_one_published_and_twenty_semantic_versions(
    app: Flask, team: Any, bob: Access, published: PromptVersion
) -> None:
    for number in range(10):
        actions.new_draft(bob, published, given={"body": f"Draft {number}"})
    db.session.remove()
    numbers = iter(range(2, 12))

    def publish(access: Access) -> PromptVersion:
        version = library.version(access, library.find(access, "support-reply"), next(numbers))
        return actions.publish(access, version)

    results = at_once(app, team, ["bob"] * 10, publish)
    assert all(isinstance(one, PromptVersion) for one in results), results
    bob = team.access("bob")
    versions = library.versions(bob, library.find(bob, "support-reply"))
    assert sum(one.status == "published" for one in versions) == 1
    assert len({one.semver for one in versions}) == 11


def test_a_request_is_decided_once(app: Flask, team: Any, alice: Access, bob: Access, draft: PromptVersion) -> None:
    publishing_rules.set_rule(alice, "admin")
    asked = approvals.ask(bob, draft).id
    db.session.remove()

    def decide(access: Access) -> Any:
        return approvals.approve(access, access.get(PromptApproval, asked))

    results = at_once(app, team, ["alice", "adam"] * 4, decide)
    assert sum(isinstance(one, PromptVersion) for one in results) == 1
    assert {one.code for one in results if isinstance(one, AppError)} == {"decided"}


def test_approving_and_taking_back_at_once_has_one_winner(
    app: Flask, team: Any, alice: Access, bob: Access, draft: PromptVersion
) -> None:
    publishing_rules.set_rule(alice, "admin")
    asked = approvals.ask(bob, draft).id
    db.session.remove()

    def decide(access: Access) -> Any:
        approval = access.get(PromptApproval, asked)
        return approvals.withdraw(access, approval) if access.role == "editor" else approvals.approve(access, approval)

    results = at_once(app, team, ["alice", "bob"], decide)
    assert sum(isinstance(one, Conflict) for one in results) == 1
    bob = team.access("bob")
    state = bob.get(PromptApproval, asked).state
    status = library.version(bob, library.find(bob, "support-reply"), 1).status
    assert (state, status) in {("approved", "published"), ("withdrawn", "draft")}


def test_the_same_request_made_at_once_is_made_once(app: Flask, team: Any, alice: Access, draft: PromptVersion) -> None:
    publishing_rules.set_rule(alice, "admin")
    db.session.remove()

    def ask(access: Access) -> Any:
        return approvals.ask(access, library.version(access, library.find(access, "support-reply"), 1))

    results = at_once(app, team, ["bob"] * 6, ask)
    assert sum(isinstance(one, PromptApproval) for one in results) == 1
    assert {one.code for one in results if isinstance(one, AppError)} == {"approval_open"}


def test_a_label_moved_at_once_has_a_history_without_gaps(
    app: Flask, team: Any, alice: Access, bob: Access, second: PromptVersion
) -> None:
    labels.create(alice, "staging")
    db.session.remove()
    numbers = iter([1, 2] * 5)

    def move(access: Access) -> Any:
        template = library.find(access, "support-reply")
        version = library.version(access, template, next(numbers))
        return labels.move(access, template, labels.find(access, "staging"), version)

    at_once(app, team, ["bob"] * 10, move)
    bob = team.access("bob")
    template = library.find(bob, "support-reply")
    at = None
    for event in reversed(events.listed(bob, template, label="staging")):
        assert (event.before or {})["version"] == at
        at = (event.after or {})["version"]
    assert labels.version_at(bob, template, "staging").number == at


def test_a_rule_is_one_of_three(alice: Access) -> None:
    with pytest.raises(InvalidInput):
        publishing_rules.set_rule(alice, "everybody")


@pytest.mark.parametrize("wanted", ["banana", "v1", "1.0", "1.0.0-beta", "01.0.0"])
def test_a_first_publication_takes_no_word_for_a_version_either(bob: Access, wanted: str) -> None:
    template = actions.create(bob, {"name": "First", "body": "Hello"})
    with pytest.raises(InvalidInput):
        actions.publish(bob, library.version(bob, template, 1), "First", semver=wanted)
    assert actions.publish(bob, library.version(bob, template, 1), "First").semver == "1.0.0"


def test_a_draft_that_was_passed_by_is_not_what_opens(bob: Access) -> None:
    template = actions.create(bob, {"name": "Passed", "body": "Hello"})
    newer = actions.new_draft(bob, library.version(bob, template, 1))
    assert library.current(bob, template).number == 2
    actions.publish(bob, newer, "Second")
    assert library.current(bob, template).number == 2, "v1 is still a draft"
    actions.new_draft(bob, newer)
    assert library.current(bob, template).number == 3


def test_no_number_of_a_semantic_version_is_too_long_for_the_next_one(bob: Access) -> None:
    template = actions.create(bob, {"name": "Long", "body": "Hello"})
    with pytest.raises(InvalidInput):
        actions.publish(bob, library.version(bob, template, 1), "First", semver="9" * 26 + ".0.0")
    actions.publish(bob, library.version(bob, template, 1), "First", semver="999999999.0.0")
    draft = actions.new_draft(bob, library.version(bob, template, 1), given={"body": "Hello {{name}}"})
    assert len(actions.publish(bob, draft, "Second").semver or "") <= 30


def test_a_stored_version_that_is_none_stops_nobody(bob: Access) -> None:
    template = actions.create(bob, {"name": "Old", "body": "Hello"})
    first = actions.publish(bob, library.version(bob, template, 1), "First")
    db.session.execute(sa.update(PromptVersion).where(PromptVersion.id == first.id).values(semver="banana"))
    db.session.commit()
    assert actions.publish(bob, actions.new_draft(bob, first), "Second").semver == "1.0.0"


def test_nobody_alone_gives_away_the_slug_that_an_approval_stands_behind(bob: Access, alice: Access) -> None:
    template = actions.create(bob, {"name": "Agreed", "body": "Hello"})
    actions.publish(bob, library.version(bob, template, 1), "First")
    publishing_rules.set_rule(alice, "second_person")
    with pytest.raises(Denied):
        actions.update(bob, template, {"slug": "elsewhere"})
    db.session.rollback()
    assert actions.update(alice, template, {"slug": "elsewhere"}).slug == "elsewhere"


def test_the_samples_of_what_awaits_an_approval_stay_as_they_were_asked_for(bob: Access, alice: Access) -> None:
    publishing_rules.set_rule(alice, "second_person")
    template = actions.create(bob, {"name": "Asked", "body": "Hello {{name}}"})
    version = library.version(bob, template, 1)
    approval = approvals.ask(bob, version, "Please", version.lock_version)
    actions.save_draft(bob, version, {"body": version.body}, version.lock_version, tried={"name": "somebody else"})
    published = approvals.approve(alice, approval)
    assert published.variables[0]["sample"] is None


def test_what_is_deleted_twice_is_deleted_once(bob: Access) -> None:
    template = actions.create(bob, {"name": "Gone", "body": "Hello"})
    gone = PromptTemplate(id=template.id, name="Gone", slug="gone", workspace_id=template.workspace_id)
    actions.delete(bob, template)
    with pytest.raises(NotFound):
        actions.delete(bob, gone)
    db.session.rollback()
    deletions = sa.select(sa.func.count()).where(AuditEvent.action == "prompt_template.delete")
    assert db.session.scalar(deletions) == 1
