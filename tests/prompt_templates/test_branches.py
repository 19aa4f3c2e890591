"""Saved versions of a draft, branches, and merging them: nobody's text is lost, and only the main line is published."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from test_template_actions import at_once

from aiapp.audit import AuditEvent
from aiapp.errors import Conflict, InvalidInput, NotFound
from aiapp.extensions import db
from aiapp.prompt_templates import actions, ancestry, branches, drafts, library, merges, revisions
from aiapp.prompt_templates.ancestry import Node, nearest
from aiapp.prompt_templates.comparing import conflicts, merging
from aiapp.prompt_templates.merges import Decision
from aiapp.prompt_templates.models import PromptRevision, PromptTemplate, PromptVersion
from aiapp.workspaces.access import Access

TEXT = "".join(f"Rule {n} says something.\n" for n in range(1, 9))


@pytest.fixture
def adam(team: Any, bob: Access) -> Access:
    return team.access("adam")


@pytest.fixture
def draft(bob: Access, draft: PromptVersion) -> PromptVersion:
    """Version 1, saved once: eight rules."""
    return actions.save_draft(bob, draft, {"body": TEXT}, 1)


def save(access: Access, version: PromptVersion, body: str, *, auto: bool = False) -> PromptVersion:
    return actions.save_draft(access, version, {"body": body}, version.lock_version, tidy=not auto)


def kept(access: Access, version: PromptVersion) -> list[str]:
    """What the version said before, oldest first."""
    return [one.content["body"] for one in reversed(revisions.listed(access, version))]


def rule(number: int, words: str, text: str = TEXT) -> str:
    return text.replace(f"Rule {number} says something.", words)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`later(90)`: the clock of what saves and keeps, moved on."""
    moved = [0.0]

    def now() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=moved[0])

    for module in (revisions, drafts):
        monkeypatch.setattr(module, "now", now)
    return lambda seconds: moved.__setitem__(0, moved[0] + seconds)


# saved versions


def test_each_save_keeps_what_it_replaced(bob: Access, adam: Access, draft: PromptVersion) -> None:
    before = kept(bob, draft)
    save(bob, draft, "one")
    save(adam, draft, "two")
    assert kept(bob, draft) == [*before, TEXT, "one"]
    assert [one.author_id for one in revisions.listed(bob, draft)][:2] == [adam.user.id, bob.user.id]
    assert revisions.last_writer(draft) == adam.user.id


def test_who_wrote_last_is_told_of_many_versions_at_once(bob: Access, adam: Access, draft: PromptVersion) -> None:
    other = actions.new_draft(bob, draft)
    assert other.id not in revisions.writers(bob, [draft, other])
    save(adam, draft, "one")
    actions.new_draft(bob, draft)  # keeps what it said, which nobody has replaced
    assert revisions.writers(bob, [draft, other])[draft.id] == adam.user


def test_autosaves_in_a_row_are_one(bob: Access, draft: PromptVersion, later: Any) -> None:
    later(120)
    for word in ("o", "on", "one"):
        save(bob, draft, word, auto=True)
        later(10)
    assert kept(bob, draft)[1:] == [TEXT]
    later(60)
    save(bob, draft, "two", auto=True)
    assert kept(bob, draft)[1:] == [TEXT, "one"]


def test_autosaves_of_two_people_are_kept_apart(bob: Access, adam: Access, draft: PromptVersion) -> None:
    save(bob, draft, "bob", auto=True)
    save(adam, draft, "adam", auto=True)
    save(bob, draft, "bob again", auto=True)
    assert kept(bob, draft)[-2:] == ["bob", "adam"]


def test_a_save_that_was_asked_for_is_kept_even_within_a_row_of_autosaves(bob: Access, draft: PromptVersion) -> None:
    save(bob, draft, "one", auto=True)
    save(bob, draft, "one")  # nothing is new, and it is what somebody wanted to keep
    save(bob, draft, "two", auto=True)
    assert kept(bob, draft)[-1] == "one"
    assert "two" not in kept(bob, draft)


def test_a_save_of_nothing_new_keeps_nothing(bob: Access, draft: PromptVersion, later: Any) -> None:
    later(120)
    before = kept(bob, draft)
    save(bob, draft, draft.body)
    assert kept(bob, draft) == before


def test_an_old_text_comes_back_as_a_save_that_keeps_the_one_it_replaces(bob: Access, draft: PromptVersion) -> None:
    save(bob, draft, "one")
    found = revisions.listed(bob, draft)[0]
    actions.restore_saved(bob, draft, revisions.find(bob, draft, found.id), draft.lock_version)
    assert draft.body == TEXT
    assert kept(bob, draft)[-1] == "one"
    events = list(db.session.scalars(sa.select(AuditEvent.action)))
    assert "prompt_template.restore_saved" in events


def test_an_overtaken_save_keeps_nothing(bob: Access, draft: PromptVersion) -> None:
    save(bob, draft, "theirs")
    before = kept(bob, draft)
    with pytest.raises(Conflict):
        actions.save_draft(bob, draft, {"body": "mine"}, draft.lock_version - 1)
    assert kept(bob, draft) == before


def test_the_oldest_are_forgotten_but_not_what_a_branch_began_with(
    bob: Access, draft: PromptVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(bob, draft, "one")
    actions.new_draft(bob, draft, branch="warm")
    monkeypatch.setattr(revisions, "KEPT", 3)
    for number in range(8):
        save(bob, draft, f"text {number}")
    texts = list(db.session.scalars(sa.select(PromptRevision).order_by(PromptRevision.id)))
    assert [one.content["body"] for one in texts] == ["one", "text 4", "text 5", "text 6"]


def test_a_saved_version_of_another_draft_is_not_found(bob: Access, draft: PromptVersion) -> None:
    save(bob, draft, "one")
    found = revisions.listed(bob, draft)[0]
    other = actions.new_draft(bob, draft)
    with pytest.raises(NotFound):
        revisions.find(bob, other, found.id)


# branches


def test_a_draft_of_a_branchs_version_stays_on_the_branch(
    bob: Access, template: PromptTemplate, draft: PromptVersion
) -> None:
    warm = actions.new_draft(bob, draft, branch=" warm   tone ")
    cold = actions.new_draft(bob, draft, branch="cold")
    again = actions.new_draft(bob, warm)
    assert [one.branch for one in (draft, warm, cold, again)] == [None, "warm tone", "cold", "warm tone"]
    assert branches.names(bob, template) == ["warm tone", "cold"]
    assert branches.newest(bob, template, "warm tone").id == again.id
    assert {one.status for one in (draft, warm, cold, again)} == {"draft"}


@pytest.mark.parametrize("name", ["", "  ", "x" * 61, "Main", "a\x00b", "\ud800"])
def test_a_name_that_no_branch_can_have_is_refused(bob: Access, draft: PromptVersion, name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        actions.new_draft(bob, draft, branch=name)
    assert refused.value.errors[0]["field"] == "branch"


def test_a_name_is_given_once(bob: Access, template: PromptTemplate, draft: PromptVersion) -> None:
    actions.new_draft(bob, draft, branch="bob")
    with pytest.raises(Conflict) as refused:
        actions.new_draft(bob, draft, branch="bob")
    assert refused.value.code == "branch_taken"
    assert branches.free_name(bob, template) != "bob"


def test_a_branch_is_not_published(bob: Access, draft: PromptVersion) -> None:
    branch = actions.new_draft(bob, draft, branch="warm")
    for publish in (actions.publish, actions.rollback):
        with pytest.raises(Conflict) as refused:
            publish(bob, branch, "No")
        assert refused.value.code == "on_branch"


def test_a_branch_of_another_template_is_not_found(bob: Access, template: PromptTemplate, draft: PromptVersion) -> None:
    other = actions.create(bob, {"name": "Other", "body": "x"})
    actions.new_draft(bob, draft, branch="warm")
    for name in ("warm", "nothing", "", "x" * 100, "a\x00"):
        with pytest.raises(NotFound):
            merges.plan(bob, other, name)
    with pytest.raises(InvalidInput):
        merges.plan(bob, template, "warm", 2)  # no version of the main line


# what two versions have in common

AT = [datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 10)]


def nodes(*parents: tuple[int, ...]) -> dict[int, Node]:
    return {number: Node(of, AT[number]) for number, of in enumerate(parents, 1)}


@pytest.mark.parametrize(
    ("parents", "ours", "theirs", "expected"),
    [
        (((), (1,), (1,)), 2, 3, (1, AT[2])),
        (((), (1,)), 1, 2, (1, AT[2])),
        (((), (1,), (2,), (2,), (4,)), 3, 5, (2, AT[3])),
        (((), (1,), (1, 2)), 3, 2, (2, AT[3])),
        (((), (1,), (1, 2), (2,), (3,)), 5, 4, (2, AT[3])),
        (((), ()), 1, 2, None),
        (((),), 1, 1, (1, None)),
    ],
    ids=["siblings", "child", "deeper", "merged", "on after a merge", "strangers", "itself"],
)
def test_the_nearest_version_that_both_came_from(
    parents: Any, ours: int, theirs: int, expected: tuple[int, datetime | None] | None
) -> None:
    assert nearest(nodes(*parents), ours, theirs) == expected
    assert nearest(nodes(*parents), theirs, ours) == expected


def test_what_two_drafts_have_in_common_is_what_the_one_said_when_the_other_began(
    bob: Access, draft: PromptVersion
) -> None:
    branch = actions.new_draft(bob, draft, branch="warm")
    save(bob, draft, rule(1, "changed"), auto=True)
    save(bob, draft, rule(1, "changed again"), auto=True)
    assert ancestry.base_of(draft, branch)["body"] == TEXT
    assert ancestry.base_of(branch, draft)["body"] == TEXT


# merging


@pytest.fixture
def published(bob: Access, draft: PromptVersion) -> PromptVersion:
    return actions.publish(bob, draft, "First")


def test_changes_of_both_lines_come_together(bob: Access, template: PromptTemplate, published: PromptVersion) -> None:
    branch = actions.new_draft(bob, published, branch="warm")
    save(bob, branch, rule(7, "Be warm, {{name}}."))
    main = actions.publish(bob, save(bob, actions.new_draft(bob, published), rule(2, "Be brief.")), "Brief")
    wanted = merges.plan(bob, template, "warm")
    assert (wanted.ours.id, wanted.theirs.id, wanted.conflicts) == (main.id, branch.id, ())
    made = merges.make(bob, wanted)
    assert made.body == rule(7, "Be warm, {{name}}.", rule(2, "Be brief."))
    assert (made.parent_id, made.merged_id, made.branch, made.status) == (main.id, branch.id, None, "draft")
    assert [spec["name"] for spec in made.variables] == ["language", "name"]
    assert made.message == "Merge warm"
    assert actions.publish(bob, made, "Warm").status == "published"


def test_the_same_merge_makes_one_draft_until_something_changes(
    app: Flask, team: Any, bob: Access, adam: Access, template: PromptTemplate, published: PromptVersion
) -> None:
    branch = actions.new_draft(bob, published, branch="warm")
    save(bob, branch, rule(3, "Theirs."))
    db.session.commit()

    def merged() -> int:
        access = team.access("bob")
        return merges.make(access, merges.plan(access, library.find(access, template.slug), "warm")).number

    (number,) = set(at_once(app, [merged] * 10))
    draft = library.version(bob, template, int(str(number)))
    save(adam, draft, draft.body + "More.")
    other = merges.make(bob, merges.plan(bob, template, "warm"))
    assert other.number == draft.number + 1
    save(bob, branch, rule(4, "Later."))
    assert merges.make(bob, merges.plan(bob, template, "warm")).number == other.number + 1


def test_nobody_waits_for_the_writer_s_lock_while_a_merge_is_planned(
    bob: Access, template: PromptTemplate, published: PromptVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    actions.new_draft(bob, published, branch="warm")
    planned = []

    def merge(*sides: Any) -> Any:
        if db.engine.dialect.name == "sqlite":
            other = sqlite3.connect(str(db.engine.url.database), timeout=0)
            other.execute("BEGIN IMMEDIATE")
            other.close()
        planned.append(sides)
        return merging.merge(*sides)

    monkeypatch.setattr(merges, "merging", SimpleNamespace(merge=merge, ABSENT=merging.ABSENT))
    db.session.execute(sa.select(sa.literal(1)))  # what the edge has read until then, under the lock of a POST
    merges.plan(bob, template, "warm")
    assert len(planned) == 1


@pytest.mark.parametrize("what", ["ours", "theirs", "newer"])
def test_what_somebody_changed_since_it_was_planned_is_not_merged(
    bob: Access, template: PromptTemplate, published: PromptVersion, what: str
) -> None:
    branch = actions.new_draft(bob, published, branch="warm")
    save(bob, branch, rule(3, "Theirs."))
    main = actions.new_draft(bob, published)
    wanted = merges.plan(bob, template, "warm", main.number)
    if what == "newer":
        actions.new_draft(bob, branch)
    else:
        save(bob, main if what == "ours" else branch, rule(5, "Later."))
    with pytest.raises(Conflict) as refused:
        merges.make(bob, wanted)
    assert refused.value.code == "merge_overtaken"


def test_a_page_shows_a_bounded_number_of_rows_of_all_conflicts() -> None:
    sides = ("".join(f"{side}{n}\n" for n in range(1_000)) for side in "xyz")
    base, ours, theirs = sides
    found = [merging.Conflict(str(n), f"messages.{n}", "text", base, ours, theirs) for n in range(1, 51)]
    shown = conflicts.shown(found, {})
    assert [one.key for one in shown] == [one.key for one in found]
    assert sum(len(one.split) for one in shown) <= conflicts.PAGE_ROWS
    assert all(len(one.split) >= conflicts.MIN_ROWS for one in shown)
    assert len(conflicts.shown(found[:1], {})[0].split) == 1_000


def test_a_branch_that_goes_on_is_merged_again_without_old_conflicts(
    bob: Access, template: PromptTemplate, published: PromptVersion
) -> None:
    branch = actions.new_draft(bob, published, branch="warm")
    save(bob, branch, rule(3, "Mine."))
    made = merges.make(bob, merges.plan(bob, template, "warm"))
    actions.publish(bob, save(bob, made, made.body.replace("Mine.", "Mine, edited in the main line.")), "Merged")
    with pytest.raises(Conflict) as refused:
        merges.make(bob, merges.plan(bob, template, "warm"))
    assert refused.value.code == "nothing_to_merge"
    assert [one.merged for one in branches.listed(bob, template)] == [True]
    save(bob, branch, rule(8, "More.", rule(3, "Mine.")), auto=True)
    assert [one.merged for one in branches.listed(bob, template)] == [False]
    again = merges.make(bob, merges.plan(bob, template, "warm"))
    assert again.body == rule(8, "More.", rule(3, "Mine, edited in the main line."))


def test_what_both_changed_has_to_be_decided(bob: Access, template: PromptTemplate, published: PromptVersion) -> None:
    branch = actions.new_draft(bob, published, branch="warm")
    save(bob, branch, rule(3, "Theirs."))
    main = save(bob, actions.new_draft(bob, published), rule(3, "Ours."))
    wanted = merges.plan(bob, template, "warm", main.number)
    with pytest.raises(Conflict) as refused:
        merges.make(bob, wanted)
    assert refused.value.code == "merge_conflicts"
    (conflict,) = refused.value.extra["conflicts"]
    assert (conflict["field"], conflict["ours"], conflict["theirs"]) == ("body", "Ours.\n", "Theirs.\n")
    key = conflict["key"]

    def body(take: str, text: str = "") -> str:
        return str(merges.content(bob, wanted, {key: Decision(take, text)})["body"])

    assert body("ours") == rule(3, "Ours.")
    assert body("theirs") == rule(3, "Theirs.")
    assert body("both") == rule(3, "Ours.\nTheirs.")
    assert body("edit", "By\r\nhand.\r\n") == rule(3, "By\nhand.")
    with pytest.raises(InvalidInput):
        body("neither")
    made = merges.make(bob, wanted, {key: Decision("both"), "unknown": Decision("ours")})
    assert made.parent_id == main.id


def test_a_branch_made_of_an_overtaken_text_is_merged_with_what_overtook_it(
    bob: Access, adam: Access, template: PromptTemplate, draft: PromptVersion
) -> None:
    seen = draft.lock_version
    save(adam, draft, rule(1, "Adam was here."), auto=True)
    mine = {"body": rule(8, "Bob was here.")}
    with pytest.raises(Conflict):
        actions.save_draft(bob, draft, mine, seen)
    branch = actions.new_draft(bob, draft, given=mine, branch="bob", lock_version=seen)
    assert branch.body == mine["body"]
    made = merges.make(bob, merges.plan(bob, template, "bob"))
    assert made.body == rule(8, "Bob was here.", rule(1, "Adam was here."))


def test_a_merge_leaves_an_audit_event(app: Flask, bob: Access, template: PromptTemplate, draft: PromptVersion) -> None:
    branch = actions.new_draft(bob, draft, branch="warm")
    save(bob, branch, "other")
    merges.make(bob, merges.plan(bob, template, "warm"))
    event = db.session.scalars(sa.select(AuditEvent).where(AuditEvent.action == "prompt_template.merge")).one()
    assert event.after == {"branch": "warm", "merged": 2, "parent": 1}
