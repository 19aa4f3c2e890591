"""Searching prompt templates: by the beginnings of words, by parts of words, and by whatever anybody types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiapp.extensions import db
from aiapp.prompt_templates import actions, library, tagging
from aiapp.prompt_templates.filters import EVERYTHING, Filter
from aiapp.prompt_templates.listing import count_templates, list_templates
from aiapp.prompt_templates.models import PromptTemplate
from aiapp.workspaces.access import Access


def make(access: Access, name: str, **given: Any) -> PromptTemplate:
    return actions.create(access, {"name": name, "body": "Say {{word}}.", **given})


def found(access: Access, q: str, **more: Any) -> list[str]:
    return [row.template.slug for row in list_templates(access, Filter(q=q, **more)).rows]


@pytest.mark.parametrize(
    "q",
    ["refund", "REFUND", "ref", "refund-x", "mon", "back money", "billing", "{{ord", "order_id", "politely", "otter"],
)
def test_words_are_found_by_their_beginnings_wherever_they_stand(bob: Access, q: str) -> None:
    make(
        bob,
        "Refund X",
        description="When somebody wants money back",
        tags=["billing"],
        system="Answer politely.",
        body="Order {{order_id}}",
        messages=[{"role": "user", "content": "Where is my otter?"}, {"role": "assistant", "content": "Here."}],
    )
    make(bob, "Other", description="Nothing of that")
    assert found(bob, q) == ["refund-x"]


@pytest.mark.parametrize("q", ["fund", "illin", "efun ollar", "{na", "ame}}"])
def test_parts_of_words_are_found_where_no_word_begins_so(bob: Access, q: str) -> None:
    make(bob, "Refund", tags=["billing"], body="Dollars for {{name}}")
    make(bob, "Other")
    assert found(bob, q) == ["refund"]


def test_what_begins_a_word_comes_alone_though_it_is_a_part_of_others(bob: Access) -> None:
    make(bob, "Refund")
    make(bob, "Fundamental")
    assert found(bob, "fund") == ["fundamental"]


def test_all_words_must_be_there_in_any_place(bob: Access) -> None:
    make(bob, "Refund", body="in German")
    make(bob, "Refund in French")
    assert found(bob, "german refund") == ["refund"]
    assert found(bob, "german french") == []


def test_parts_of_words_are_found_among_the_filtered_alone(bob: Access) -> None:
    make(bob, "Fundamental")
    make(bob, "Refund", task="chat")
    assert found(bob, "fund", task="chat") == ["refund"]


def test_the_published_and_the_newest_text_are_found_and_no_other(bob: Access) -> None:
    template = make(bob, "Reply", body="alpha")
    first = actions.publish(bob, library.version(bob, template, 1), "First")
    second = actions.new_draft(bob, first)
    actions.save_draft(bob, second, {"body": "beta"}, 1)
    third = actions.new_draft(bob, second)
    actions.save_draft(bob, third, {"body": "gamma"}, 1)
    assert [found(bob, q) for q in ("alpha", "beta", "gamma")] == [["reply"], [], ["reply"]]
    actions.publish(bob, library.version(bob, template, 3), "Third")
    assert [found(bob, q) for q in ("alpha", "beta", "gamma")] == [[], [], ["reply"]]
    actions.rollback(bob, library.version(bob, template, 1))
    assert [found(bob, q) for q in ("alpha", "gamma")] == [["reply"], []]


def test_what_is_not_called_so_any_more_is_not_found_so(bob: Access) -> None:
    template = make(bob, "Reply", tags=["support"], description="Polite")
    actions.update(bob, template, {"name": "Answer", "slug": "answer", "tags": ["mail"], "description": "Short"})
    for q in ("reply", "support", "polite"):
        assert found(bob, q) == []
    for q in ("answer", "mail", "short"):
        assert found(bob, q) == ["answer"]
    tag = tagging.find_named(bob, "mail")
    assert tag is not None
    tagging.rename(bob, tag, "letters")
    assert (found(bob, "mail"), found(bob, "letters")) == ([], ["answer"])
    actions.delete(bob, template)
    assert found(bob, "answer") == []
    kept = sa.text("SELECT count(*) FROM prompt_search WHERE prompt_template_id = :id")
    assert db.session.scalar(kept, {"id": template.id}) == 0


def test_what_is_not_kept_is_not_found(bob: Access) -> None:
    make(bob, "Reply")
    db.session.execute(sa.update(PromptTemplate).values(name="Lost"))
    db.session.rollback()
    assert (found(bob, "lost"), found(bob, "reply")) == ([], ["reply"])


def test_nobody_finds_what_is_of_another_workspace(team: Any, bob: Access) -> None:
    make(bob, "Refund")
    charlie = team.access("charlie")
    assert found(charlie, "refund") == []
    assert found(charlie, "fun") == []
    assert count_templates(charlie, Filter(q="refund", status=EVERYTHING)) == 0


def test_the_best_match_comes_first_only_where_that_is_asked_for(bob: Access) -> None:
    make(bob, "Refund")
    make(bob, "Other", body="Nothing about it. " * 50 + "A refund.")
    make(bob, "Letter", description="For a refund")
    assert found(bob, "refund") == ["letter", "other", "refund"]
    assert found(bob, "refund", sort="relevance") == ["refund", "letter", "other"]
    first = list_templates(bob, Filter(q="refund", sort="relevance"), limit=2)
    rest = list_templates(bob, Filter(q="refund", sort="relevance"), limit=2, cursor=first.next_cursor)
    assert [row.template.slug for row in [*first.rows, *rest.rows]] == ["refund", "letter", "other"]


SIGNS = st.text(st.sampled_from("\"'*^:(){}[]-+~&|!<>@\\%_/.,; \x00\u00a0\u2019\ud800aAß1²中"), max_size=30)
OPERATORS = st.sampled_from(
    ["AND", "OR", "NOT", "NEAR(a b, 2)", "name:", "a*", '"', "<->", ":*", "'", "{{", "''", "\\"]
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(q=SIGNS | st.text(max_size=40) | st.lists(OPERATORS, max_size=6).map(" ".join))
def test_whatever_is_typed_is_text_and_no_error(bob: Access, q: str) -> None:
    if not db.session.scalar(sa.select(sa.func.count()).select_from(PromptTemplate)):
        make(bob, "Other", body="a AND b OR c NOT d")
    for sort in ("changed", "relevance"):
        list_templates(bob, Filter(q=q, sort=sort))
    count_templates(bob, Filter(q=q))


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_word_of_a_text_is_found_by_each_of_its_beginnings(bob: Access, data: st.DataObject) -> None:
    words = data.draw(st.lists(st.text(st.sampled_from("abcdefgé1"), min_size=1, max_size=8), min_size=1, max_size=5))
    template = make(bob, "Other", body=" ".join(words))
    word = data.draw(st.sampled_from(words))
    beginning = word[: data.draw(st.integers(1, len(word)))]
    assert template.slug in found(bob, beginning)
    assert template.slug in found(bob, " ".join(words))
    actions.delete(bob, template)


def test_a_very_long_text_is_stored_and_found(bob: Access) -> None:
    words = " ".join(f"w{number:x}é" for number in range(25_000))[:200_000]
    template = make(bob, "Long", body=words)
    actions.save_draft(bob, library.version(bob, template, 1), {"system": words}, 1)
    assert found(bob, "w7b") == ["long"]


def test_the_page_searches_as_the_list_does(write: Callable[..., Any], sign_in: Callable[[str], Any]) -> None:
    write("bob", name="Refund", tags=["billing"])
    write("bob", name="Other")
    page = sign_in("vera").get("/w/acme/prompt-templates?q=bill&sort=relevance").get_data(as_text=True)
    assert "/prompt-templates/refund" in page
    assert "/prompt-templates/other" not in page
    assert "1 of 2 prompt templates" in page
