"""Finding prompt templates: filters, order, pages, and how many questions the database is asked."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from aiapp.columns import now
from aiapp.errors import InvalidInput
from aiapp.executions.models import Execution
from aiapp.extensions import db
from aiapp.prompt_templates import actions, favourites, library
from aiapp.prompt_templates.filters import EVERYTHING, FAVOURITES, SORTS, STATUSES, Filter, as_text, of_text
from aiapp.prompt_templates.listing import count_templates, list_templates
from aiapp.prompt_templates.models import Tag
from aiapp.prompt_templates.tagging import tags_in_use
from aiapp.prompt_templates.tasks import tasks_in_use
from aiapp.prompt_templates.uses import activity
from aiapp.workspaces.access import Access

LIBRARY = "/w/acme/prompt-templates"


def make(access: Access, name: str, *, published: bool = False, **given: Any) -> str:
    template = actions.create(access, {"name": name, "body": "Say {{word}}.", **given})
    if published:
        actions.publish(access, library.version(access, template, 1), "First version")
    return template.slug


def listed(access: Access, **wanted: Any) -> list[str]:
    return [row.template.slug for row in list_templates(access, Filter(**wanted)).rows]


@contextmanager
def counted(app: Flask) -> Iterator[list[str]]:
    """What the database is asked about prompt templates meanwhile; sessions and connections have questions of their own."""
    sent: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if "prompt_" in statement:
            sent.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_the_last_changed_comes_first(bob: Access) -> None:
    first, second = make(bob, "First"), make(bob, "Second")
    assert listed(bob) == [second, first]
    found = library.find(bob, first)
    actions.save_draft(bob, library.version(bob, found, 1), {"body": "changed"}, 1)
    assert listed(bob) == [first, second]


def test_another_workspace_sees_nothing(team: Any, bob: Access) -> None:
    make(bob, "First", tags=["support"])
    assert listed(team.access("charlie")) == []
    assert tags_in_use(team.access("charlie")) == []
    assert count_templates(team.access("charlie"), Filter()) == 0


def test_a_row_shows_the_published_version_and_what_is_being_written(bob: Access) -> None:
    slug = make(bob, "Reply", published=True, output_format="markdown")
    version = library.version(bob, library.find(bob, slug), 1)
    second = actions.new_draft(bob, version)
    actions.save_draft(bob, second, {"output_format": "html"}, 1)
    row = list_templates(bob, Filter()).rows[0]
    assert (row.status, row.number, row.output_format) == ("published", 1, "markdown")
    assert (row.open_number, row.open_status) == (2, "draft")
    actions.preview(bob, second)
    assert list_templates(bob, Filter()).rows[0].open_status == "preview"
    actions.publish(bob, second, "Second version")
    row = list_templates(bob, Filter()).rows[0]
    assert (row.number, row.output_format, row.open_number) == (2, "html", None)


def test_a_row_names_the_branch_of_what_is_being_written_beside_the_main_line(bob: Access) -> None:
    slug = make(bob, "Reply")
    first = library.version(bob, library.find(bob, slug), 1)
    side = actions.new_draft(bob, first, branch="careful")
    row = list_templates(bob, Filter()).rows[0]
    assert (row.status, row.number, row.open_number, row.open_branch) == ("draft", 1, 2, "careful")
    actions.preview(bob, side)
    assert listed(bob, status="draft") == [slug]
    actions.publish(bob, first, "First")
    main = actions.new_draft(bob, first)
    actions.new_draft(bob, side)
    row = list_templates(bob, Filter()).rows[0]
    assert (row.number, row.open_number, row.open_status, row.open_branch) == (1, main.number, "draft", None)


def test_lists_are_filtered_by_status(bob: Access) -> None:
    make(bob, "Written")
    make(bob, "Shown")
    make(bob, "Used", published=True)
    make(bob, "Gone", published=True)
    actions.preview(bob, library.version(bob, library.find(bob, "shown"), 1))
    actions.update(bob, library.find(bob, "gone"), {"active": False})
    assert listed(bob, status="draft") == ["written"]
    assert listed(bob, status="preview") == ["shown"]
    assert listed(bob, status="published") == ["used"]
    assert listed(bob, status="archived") == ["gone"]
    assert listed(bob, status="nonsense") == []


def test_lists_are_filtered_by_tags_task_and_format(bob: Access) -> None:
    make(bob, "A", tags=["support", "email"], task="chat")
    make(bob, "B", tags=["support"], task="prd_analysis", output_format="json")
    assert listed(bob, tags=("support",)) == ["b", "a"]
    assert listed(bob, tags=("support", "EMAIL")) == ["a"]
    assert listed(bob, task="prd_analysis") == ["b"]
    assert listed(bob, output_format="json") == ["b"]
    assert listed(bob, output_format="json", task="chat") == []
    assert tags_in_use(bob) == ["support", "email"]
    assert tasks_in_use(bob) == ["chat", "prd_analysis"]


@pytest.mark.parametrize("q", ["Refund", "REFUND", "refund-x", "money back", "{{order", "politely"])
def test_search_looks_into_name_slug_description_and_text(bob: Access, q: str) -> None:
    make(
        bob,
        "Refund X",
        description="When somebody wants money back",
        system="Answer politely.",
        body="Order {{order}}",
    )
    make(bob, "Other")
    assert listed(bob, q=q) == ["refund-x"]


@pytest.mark.parametrize("q", ["%", "_", "\\", "'", "\x00x", "\ud800", "x" * 5000])
def test_search_takes_every_text_as_text(bob: Access, q: str) -> None:
    make(bob, "Other")
    assert listed(bob, q=q) == []


def test_pages_follow_each_other_without_gaps(bob: Access) -> None:
    made = [make(bob, f"Template {number}") for number in range(7)]
    seen: list[str] = []
    cursor = None
    while True:
        page = list_templates(bob, Filter(), cursor=cursor, limit=3)
        seen += [row.template.slug for row in page.rows]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == made[::-1]


def runs(access: Access, slug: str, number: int, **given: Any) -> None:
    template = library.find(access, slug)
    for _ in range(number):
        run = {"source": "page", "status": "completed", **given}
        db.session.add(Execution(workspace_id=access.workspace.id, prompt_template_id=template.id, **run))
        db.session.commit()


def test_lists_are_sorted_by_change_name_use_and_last_run(bob: Access) -> None:
    for name in ("beta", "Alpha", "gamma"):
        make(bob, name)
    runs(bob, "beta", 3)
    runs(bob, "gamma", 1)
    runs(bob, "alpha", 5, source="preview")
    assert listed(bob) == ["gamma", "alpha", "beta"]
    assert listed(bob, sort="name") == ["alpha", "beta", "gamma"]
    assert listed(bob, sort="used") == ["beta", "gamma", "alpha"]
    assert listed(bob, sort="run") == ["gamma", "beta", "alpha"]
    assert listed(bob, sort="relevance") == ["gamma", "alpha", "beta"]
    favourites.keep(bob, library.find(bob, "beta"))
    assert listed(bob, favourites="first") == ["beta", "gamma", "alpha"]


def test_a_row_says_how_often_it_ran_of_late_and_how_well(bob: Access) -> None:
    template = library.find(bob, make(bob, "Reply"))
    runs(bob, "reply", 3)
    runs(bob, "reply", 1, status="failed")
    runs(bob, "reply", 1, status="cancelled")
    runs(bob, "reply", 7, source="preview")
    runs(bob, "reply", 2, created_at=now() - timedelta(days=31))
    found = activity(bob, [template])[template.id]
    assert (found.executions, found.completed, found.failed, found.success) == (5, 3, 1, 0.75)


@pytest.mark.parametrize("first", [None, "first"])
@pytest.mark.parametrize("sort", SORTS)
def test_pages_of_every_order_follow_each_other_without_gaps(bob: Access, sort: str, first: str | None) -> None:
    chance = random.Random(sort)
    for number in range(13):
        slug = make(bob, chance.choice(["Same", "same", "Other", "Éclair"]), body="word " * number)
        runs(bob, slug, chance.randrange(3))
        if chance.random() < 0.4:
            favourites.keep(bob, library.find(bob, slug))
    wanted = Filter(sort=sort, favourites=first, q="word" if sort == "relevance" else "")
    whole = [row.template.id for row in list_templates(bob, wanted).rows]
    assert len(set(whole)) == count_templates(bob, wanted)
    for limit in (1, 4):
        seen: list[str] = []
        cursor = None
        while True:
            page = list_templates(bob, wanted, cursor=cursor, limit=limit)
            seen += [row.template.id for row in page.rows]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert seen == whole


def test_a_cursor_belongs_to_its_order(bob: Access) -> None:
    for name in ("A", "B"):
        make(bob, name)
    cursor = list_templates(bob, Filter(sort="name"), limit=1).next_cursor
    for other in (Filter(), Filter(sort="used"), Filter(sort="name", favourites="first")):
        with pytest.raises(InvalidInput):
            list_templates(bob, other, cursor=cursor)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sort=st.sampled_from(SORTS),
    values=st.lists(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=5)
        | st.just("2026-01-01T00:00:00+00:00"),
        max_size=3,
    ),
)
def test_a_cursor_that_somebody_made_is_refused_or_read(bob: Access, sort: str, values: list[Any]) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps([f"{sort} ", *values]).encode()).decode().rstrip("=")
    with suppress(InvalidInput):
        list_templates(bob, Filter(sort=sort, q="x" if sort == "relevance" else ""), cursor=cursor)


@given(
    wanted=st.builds(
        Filter,
        q=st.text(st.characters(codec="utf-8"), max_size=20).map(str.strip),
        tags=st.lists(st.text(min_size=1, max_size=5), unique=True, max_size=3).map(lambda tags: tuple(sorted(tags))),
        status=st.none() | st.sampled_from([*STATUSES, EVERYTHING]),
        output_format=st.none() | st.sampled_from(["json", "text"]),
        task=st.none() | st.text(min_size=1, max_size=5),
        favourites=st.none() | st.sampled_from(FAVOURITES),
        sort=st.sampled_from(SORTS),
    )
)
def test_an_address_says_the_whole_filter(wanted: Filter) -> None:
    if wanted.sort == "relevance" and not wanted.q:
        wanted = replace(wanted, sort="changed")
    assert of_text(as_text(wanted)) == wanted


@pytest.mark.parametrize("cursor", ["x", "ä", "====", "MjAyNg", "OTk5OS0xMi0zMVQyMzo1OTo1OS0xMjowMCBhYmM"])
def test_a_made_up_cursor_is_refused(bob: Access, cursor: str) -> None:
    with pytest.raises(InvalidInput):
        list_templates(bob, Filter(), cursor=cursor)


def test_the_last_execution_is_the_newest_of_this_template(bob: Access) -> None:
    make(bob, "Never")
    template = library.find(bob, make(bob, "Often"))
    runs = [Execution(workspace_id=bob.workspace.id, source="page", prompt_template_id=template.id) for _ in range(3)]
    for run in runs:
        db.session.add(run)
        db.session.commit()
    found = activity(bob, [row.template for row in list_templates(bob, Filter()).rows])
    assert {template_id: one.last for template_id, one in found.items()} == {template.id: runs[-1].created_at}


def test_an_editor_opens_what_is_being_written_and_a_viewer_what_is_published(team: Any, bob: Access) -> None:
    template = library.find(bob, make(bob, "Reply", published=True))
    actions.new_draft(bob, library.version(bob, template, 1))
    assert library.current(bob, template).number == 2
    assert library.current(team.access("vera"), template).number == 1


def test_the_library_asks_the_database_alike_for_one_row_and_for_forty(
    app: Flask, team: Any, sign_in: Callable[[str], Any]
) -> None:
    visitor = sign_in("vera")
    with app.app_context():
        make(team.access("bob"), "First", tags=["support", "email"], published=True)
    with counted(app) as one:
        assert visitor.get(LIBRARY).status_code == 200
    with app.app_context():
        for number in range(39):
            tags = ["support", f"tag{number % 7}"]
            make(team.access("bob"), f"Template {number}", tags=tags, published=number % 2 == 0)
    with counted(app) as sent:
        page = visitor.get(LIBRARY).get_data(as_text=True)
    assert page.count('class="cell-title"') == 40
    assert len(one) == len(sent) <= 8, sent


def test_a_page_of_many_versions_asks_the_database_alike(app: Flask, team: Any, sign_in: Callable[[str], Any]) -> None:
    visitor = sign_in("bob")
    counts = []
    with app.app_context():
        slug = make(team.access("bob"), "Reply")
    for versions in (2, 20):
        with app.app_context():
            bob = team.access("bob")
            template = library.find(bob, slug)
            while template.last_number < versions:
                actions.new_draft(bob, library.version(bob, template, 1))
        # Outside of that context: what its session still holds is asked for no more.
        with counted(app) as sent:
            assert visitor.get(f"{LIBRARY}/{slug}/versions/2").status_code == 200
            assert visitor.get(f"{LIBRARY}/{slug}/versions").status_code == 200
        counts.append(len(sent))
    assert counts[0] == counts[1], sent


def test_tags_of_two_people_at_once_are_one_tag(bob: Access) -> None:
    make(bob, "A", tags=["support"])
    make(bob, "B", tags=["support"])
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Tag)) == 1
