"""Writing, publishing and restoring prompt templates."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from aiapp.audit import AuditEvent
from aiapp.errors import Conflict, Denied, InvalidInput, NotFound
from aiapp.executions.models import Execution
from aiapp.extensions import db
from aiapp.prompt_templates import actions, library
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion, Tag
from aiapp.workspaces.access import Access


def audited() -> list[str]:
    return list(db.session.scalars(sa.select(AuditEvent.action).order_by(AuditEvent.id)))


def names(version: PromptVersion) -> list[str]:
    return [spec["name"] for spec in version.variables]


def statuses(access: Access, template: PromptTemplate) -> dict[int, str]:
    return {one.number: one.status for one in library.versions(access, template)}


def test_a_new_template_has_version_1_as_a_draft(bob: Access, template: PromptTemplate, draft: PromptVersion) -> None:
    assert (template.slug, template.last_number) == ("support-reply", 1)
    assert (draft.status, draft.lock_version, draft.author_id) == ("draft", 1, bob.user.id)
    assert [tag.name for tag in template.tags] == ["email", "support"]
    assert audited() == ["prompt_template.create"]


def test_detected_variables_are_declared(draft: PromptVersion) -> None:
    assert names(draft) == ["language", "name", "message"]
    assert draft.variables[0]["choices"] == ["English", "German"]
    assert draft.variables[1] == {
        "name": "name",
        "type": "text",
        "required": True,
        "default": None,
        "description": "",
        "sample": None,
    }


def test_a_name_used_twice_gets_a_numbered_slug(bob: Access, template: PromptTemplate) -> None:
    assert actions.create(bob, {"name": "Support reply"}).slug == "support-reply-2"
    assert actions.create(bob, {"name": "Support reply"}).slug == "support-reply-3"
    assert actions.create(bob, {"name": "New"}).slug == "new-2"


def test_a_slug_that_is_taken_is_a_conflict(bob: Access, template: PromptTemplate) -> None:
    with pytest.raises(Conflict) as caught:
        actions.create(bob, {"name": "Other", "slug": "support-reply"})
    assert caught.value.code == "slug_taken"
    assert caught.value.errors[0]["field"] == "slug"


def test_two_workspaces_may_use_one_slug_and_one_tag(app: Flask, team: Any, template: PromptTemplate) -> None:
    theirs = actions.create(team.access("charlie"), {"name": "Support reply", "tags": ["support"]})
    assert theirs.slug == "support-reply"
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Tag).where(Tag.name == "support")) == 2


def test_details_change_and_versions_stay(bob: Access, template: PromptTemplate, draft: PromptVersion) -> None:
    actions.update(bob, template, {"name": "Reply", "slug": "reply", "tags": ["email", "new"], "active": False})
    found = library.find(bob, "reply")
    assert (found.name, found.active, [tag.name for tag in found.tags]) == ("Reply", False, ["email", "new"])
    assert statuses(bob, found) == {1: "draft"}
    event = db.session.scalars(sa.select(AuditEvent).where(AuditEvent.action == "prompt_template.update")).one()
    assert event.before == {
        "name": "Support reply",
        "slug": "support-reply",
        "tags": ["email", "support"],
        "active": True,
    }
    assert event.after == {"name": "Reply", "slug": "reply", "tags": ["email", "new"], "active": False}


def test_an_update_that_changes_nothing_leaves_no_trace(bob: Access, template: PromptTemplate) -> None:
    before = template.updated_at
    actions.update(bob, template, {"name": "Support  reply", "tags": ["Email", "support"]})
    assert (template.updated_at, audited()) == (before, ["prompt_template.create"])


def test_a_template_cannot_take_the_slug_of_another(bob: Access, template: PromptTemplate) -> None:
    other = actions.create(bob, {"name": "Other"})
    with pytest.raises(Conflict) as caught:
        actions.update(bob, other, {"name": "Changed", "slug": "support-reply"})
    assert caught.value.code == "slug_taken"
    db.session.rollback()
    assert library.find(bob, "other").name == "Other"


def test_saving_a_draft_counts_its_lock_version(bob: Access, draft: PromptVersion) -> None:
    actions.save_draft(bob, draft, {"body": "Hello {{name}}", "temperature": 0.5}, 1)
    assert (draft.body, draft.temperature, draft.lock_version) == ("Hello {{name}}", 0.5, 2)
    assert draft.system == "Write in {{language}}."  # what is not given stays


def test_variables_that_are_gone_are_forgotten_on_save(bob: Access, draft: PromptVersion) -> None:
    actions.save_draft(bob, draft, {"system": "", "body": "{{message}} {{order_id}}"}, 1)
    assert names(draft) == ["message", "order_id"]


def test_variables_that_are_gone_come_back_while_somebody_types(bob: Access, draft: PromptVersion) -> None:
    actions.save_draft(bob, draft, {"system": "Write in {{langua}}."}, 1, tidy=False)
    actions.save_draft(bob, draft, {"system": "Write in {{language}}."}, 2, tidy=False)
    spec = next(spec for spec in draft.variables if spec["name"] == "language")
    assert spec["choices"] == ["English", "German"]
    actions.publish(bob, draft, "First version")
    assert names(draft) == ["language", "name", "message"]  # and what was left over is gone


def test_saving_what_stands_there_already_changes_nothing(bob: Access, draft: PromptVersion) -> None:
    actions.save_draft(bob, draft, {"body": draft.body}, 99)
    assert draft.lock_version == 1


def test_a_stale_save_keeps_both_texts(bob: Access, team: Any, draft: PromptVersion) -> None:
    actions.save_draft(team.access("adam"), draft, {"body": "theirs"}, 1)
    with pytest.raises(Conflict) as caught:
        actions.save_draft(bob, draft, {"body": "mine"}, 1)
    assert caught.value.code == "conflict"
    assert caught.value.extra["yours"] == {"body": "mine"}
    assert caught.value.extra["theirs"] == {"body": "theirs", "lock_version": 2}
    actions.save_draft(bob, draft, {"body": "mine"}, caught.value.extra["theirs"]["lock_version"])
    assert draft.body == "mine"


def test_a_save_that_lost_the_race_in_the_database_is_a_conflict(bob: Access, draft: PromptVersion) -> None:
    """The row is written by somebody else after it was read."""
    table = PromptVersion.__table__
    db.session.commit()
    with db.engine.begin() as connection:
        connection.execute(sa.update(table).where(table.c.id == draft.id).values(body="theirs", lock_version=2))
    with pytest.raises(Conflict) as caught:
        actions.save_draft(bob, draft, {"body": "mine"}, 1)
    assert caught.value.extra["theirs"]["body"] == "theirs"


def test_a_preview_becomes_a_draft_when_it_is_written(bob: Access, draft: PromptVersion) -> None:
    actions.preview(bob, draft)
    assert draft.status == "preview"
    actions.save_draft(bob, draft, {"body": "Hello"}, draft.lock_version)
    assert draft.status == "draft"
    actions.preview(bob, draft)
    assert actions.reopen(bob, draft).status == "draft"


def test_publishing_freezes_and_archives_the_one_before(
    bob: Access, template: PromptTemplate, draft: PromptVersion
) -> None:
    actions.publish(bob, draft, "First version")
    second = actions.new_draft(bob, draft)
    assert (second.number, second.parent_id, second.body) == (2, draft.id, draft.body)
    actions.publish(bob, second, "Second version")
    assert statuses(bob, template) == {1: "archived", 2: "published"}
    assert (second.message, second.published_by_id) == ("Second version", bob.user.id)
    assert second.published_at is not None


@pytest.mark.parametrize(
    "change",
    [
        lambda access, version: actions.save_draft(access, version, {"body": "changed"}, version.lock_version),
        lambda access, version: actions.preview(access, version),
        lambda access, version: actions.reopen(access, version),
        lambda access, version: actions.publish(access, version, "again"),
    ],
)
def test_a_published_version_never_changes(
    bob: Access, draft: PromptVersion, change: Callable[[Access, PromptVersion], object]
) -> None:
    actions.publish(bob, draft, "First version")
    with pytest.raises(Conflict) as caught:
        change(bob, draft)
    assert caught.value.code == "frozen"
    db.session.expire_all()
    assert (draft.body, draft.status) == ("{{name}} wrote:\n{{message}}\n", "published")


def test_publishing_what_somebody_changed_meanwhile_is_a_conflict(bob: Access, draft: PromptVersion) -> None:
    actions.save_draft(bob, draft, {"body": "changed"}, 1)
    with pytest.raises(Conflict) as caught:
        actions.publish(bob, draft, "As I saw it", lock_version=1)
    assert (caught.value.code, draft.status) == ("conflict", "draft")


def test_an_empty_version_cannot_be_published(bob: Access, draft: PromptVersion) -> None:
    actions.save_draft(bob, draft, {"body": " \n"}, 1)
    with pytest.raises(InvalidInput) as caught:
        actions.publish(bob, draft, "First version")
    assert caught.value.errors == [{"field": "body", "message": "The user part is empty."}]


def test_a_version_with_a_broken_schema_cannot_be_published(bob: Access, draft: PromptVersion) -> None:
    draft.json_schema = {"type": "nothing"}  # as an older release may have stored it
    db.session.commit()
    with pytest.raises(InvalidInput) as caught:
        actions.publish(bob, draft, "First version")
    assert caught.value.errors[0]["field"] == "json_schema"


def test_going_back_publishes_the_old_text_as_a_new_version(
    bob: Access, template: PromptTemplate, draft: PromptVersion
) -> None:
    actions.publish(bob, draft, "First version")
    second = actions.save_draft(bob, actions.new_draft(bob, draft), {"body": "worse"}, 1)
    actions.publish(bob, second, "Second version")
    third = actions.rollback(bob, library.version(bob, template, 1))
    assert statuses(bob, template) == {1: "archived", 2: "archived", 3: "published"}
    assert (third.body, third.message, third.parent_id) == (draft.body, "Restore v1", draft.id)
    assert audited()[-1] == "prompt_template.restore"


def test_a_draft_may_begin_with_a_text_of_its_own(bob: Access, draft: PromptVersion) -> None:
    other = actions.new_draft(bob, draft, "Mine", {"body": "{{order}}"})
    assert (other.body, other.system, names(other)) == ("{{order}}", draft.system, ["language", "order"])


@pytest.mark.parametrize("message", ["x" * 501, "a\x00b"])
def test_a_message_is_one_short_line(bob: Access, draft: PromptVersion, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        actions.publish(bob, draft, message)
    assert caught.value.errors[0]["field"] == "message"


def test_deleting_says_what_used_it_and_keeps_the_executions(
    bob: Access, template: PromptTemplate, draft: PromptVersion
) -> None:
    for _ in range(2):
        db.session.add(
            Execution(
                workspace_id=bob.workspace.id,
                source="page",
                prompt_template_id=template.id,
                prompt_version_id=draft.id,
            )
        )
    db.session.commit()
    assert actions.delete(bob, template) == {"execution": 2}
    assert db.session.scalar(sa.select(sa.func.count()).select_from(PromptVersion)) == 0
    assert list(db.session.scalars(sa.select(Execution.prompt_template_id))) == [None, None]
    with pytest.raises(NotFound):
        library.find(bob, "support-reply")
    assert audited()[-1] == "prompt_template.delete"


def test_a_viewer_runs_only_what_is_published(team: Any, bob: Access, draft: PromptVersion) -> None:
    vera = team.access("vera")
    with pytest.raises(NotFound):
        actions.runnable_version(vera, "support-reply")
    with pytest.raises(Denied):
        actions.runnable_version(vera, "support-reply", 1)
    assert actions.runnable_version(bob, "support-reply", 1) is draft
    actions.publish(bob, draft, "First version")
    assert actions.runnable_version(vera, "support-reply").number == 1
    assert actions.runnable_version(vera, "support-reply", 1).number == 1


def test_nobody_runs_an_archived_template(bob: Access, template: PromptTemplate, draft: PromptVersion) -> None:
    actions.publish(bob, draft, "First version")
    actions.update(bob, template, {"active": False})
    with pytest.raises(Conflict) as caught:
        actions.runnable_version(bob, "support-reply")
    assert caught.value.code == "inactive"


@pytest.mark.parametrize("number", [0, 2, 10**9, 10**30])
def test_a_version_that_does_not_exist_is_not_found(bob: Access, template: PromptTemplate, number: int) -> None:
    with pytest.raises(NotFound):
        library.version(bob, template, number)


def test_a_stranger_finds_nothing(team: Any, template: PromptTemplate) -> None:
    with pytest.raises(NotFound):
        actions.runnable_version(team.access("charlie"), "support-reply", 1)


def at_once(app: Flask, jobs: list[Callable[[], object]]) -> list[object]:
    """Run `jobs` in threads that begin together, each with an app context; return what they returned or raised."""
    db.session.rollback()  # on SQLite, this thread's open transaction would hold the only write lock
    gate = threading.Barrier(len(jobs))
    results: list[object] = [None] * len(jobs)

    def run(at: int) -> None:
        with app.app_context():
            gate.wait(30)
            try:
                results[at] = jobs[at]()
            except Exception as error:
                results[at] = error

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def test_twenty_people_publish_one_draft_at_once(app: Flask, team: Any, bob: Access, template: PromptTemplate) -> None:
    def publish() -> int:
        bob = team.access("bob")
        return actions.publish(bob, library.version(bob, library.find(bob, "support-reply"), 1), "Mine").number

    results = at_once(app, [publish] * 20)
    assert results.count(1) == 1
    assert [getattr(result, "code", result) for result in results].count("frozen") == 19
    events = db.session.scalars(sa.select(AuditEvent).where(AuditEvent.action == "prompt_template.publish")).all()
    assert len(events) == 1


def test_twenty_drafts_published_at_once_leave_one_published(
    app: Flask, team: Any, bob: Access, draft: PromptVersion
) -> None:
    numbers = [actions.new_draft(bob, draft).number for _ in range(20)]

    def publish(number: int) -> int:
        access = team.access("bob")
        found = library.version(access, library.find(access, "support-reply"), number)
        return actions.publish(access, found, "Mine").number

    results = at_once(app, [lambda number=number: publish(number) for number in numbers])  # type: ignore[misc]
    assert sorted(results) == numbers  # type: ignore[type-var]
    db.session.expire_all()
    counted = list(statuses(bob, library.find(bob, "support-reply")).values())
    assert (counted.count("published"), counted.count("archived")) == (1, 19)


def test_twenty_drafts_made_at_once_have_twenty_numbers(app: Flask, team: Any, draft: PromptVersion) -> None:
    def branch() -> int:
        access = team.access("bob")
        return actions.new_draft(access, library.version(access, library.find(access, "support-reply"), 1)).number

    assert sorted(at_once(app, [branch] * 20)) == list(range(2, 22))  # type: ignore[type-var]


def test_ten_templates_of_one_name_made_at_once_have_ten_slugs(app: Flask, team: Any, bob: Access) -> None:
    made = at_once(app, [lambda: actions.create(team.access("bob"), {"name": "Triage", "tags": ["a"]}).slug] * 10)
    assert sorted(map(str, made)) == sorted(["triage", *(f"triage-{number}" for number in range(2, 11))])


@pytest.mark.parametrize("act", ["save", "preview"])
def test_whoever_writes_a_version_waits_for_its_template_first(
    app: Flask, bob: Access, draft: PromptVersion, act: str
) -> None:
    """As publishing does: two who lock the two rows in different orders would wait for each other."""
    if db.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one lock for all")
    db.session.commit()

    def write() -> None:
        with app.app_context():
            own = db.session.get_one(PromptVersion, draft.id)
            if act == "save":
                actions.save_draft(bob, own, {"body": "new"}, 1)
            else:
                actions.preview(bob, own)

    with db.engine.connect() as other:
        other.execute(
            sa.update(PromptTemplate).where(PromptTemplate.id == draft.prompt_template_id).values(name="Held")
        )
        writer = threading.Thread(target=write)
        writer.start()
        waiting = sa.text(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        with db.engine.connect() as watching:
            while not watching.scalar(waiting):
                watching.rollback()
        other.execute(sa.text("SET LOCAL lock_timeout = '5s'"))
        other.execute(sa.update(PromptVersion).where(PromptVersion.id == draft.id).values(message="free"))
        other.rollback()
    writer.join(20)
    db.session.expire_all()
    assert draft.lock_version == 2
