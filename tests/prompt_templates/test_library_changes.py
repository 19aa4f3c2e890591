"""What is done to whole prompt templates: favourites, copies, archiving, tags, several at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from aiapp.audit import AuditEvent
from aiapp.errors import Conflict, InvalidInput, NotFound
from aiapp.executions.models import Execution
from aiapp.extensions import db
from aiapp.prompt_templates import actions, bulk, events, favourites, library, tagging
from aiapp.prompt_templates.filters import EVERYTHING, Filter
from aiapp.prompt_templates.listing import list_templates
from aiapp.prompt_templates.models import PromptTemplate, Tag
from aiapp.workspaces.access import Access

LIBRARY = "/w/acme/prompt-templates"
PAGE = f"{LIBRARY}/support-reply"
Client = Callable[[str], Any]


def make(access: Access, name: str, **given: Any) -> PromptTemplate:
    return actions.create(access, {"name": name, "body": "Say {{word}}.", **given})


def listed(access: Access, **wanted: Any) -> list[str]:
    return [row.template.slug for row in list_templates(access, Filter(**wanted)).rows]


def tags_of(access: Access, slug: str) -> list[str]:
    db.session.expire_all()
    return [tag.name for tag in library.find(access, slug).tags]


def text_of(answer: Any) -> str:
    text: str = answer.get_data(as_text=True)
    return text


# ---------- favourites ----------


def test_a_favourite_is_of_one_person(team: Any, bob: Access) -> None:
    template = make(bob, "Reply")
    make(bob, "Other")
    for _ in range(2):
        favourites.keep(bob, template)
    assert favourites.is_one(bob, template)
    assert listed(bob, favourites="only") == ["reply"]
    assert listed(bob, favourites="first") == ["reply", "other"]
    vera = team.access("vera")
    assert not favourites.is_one(vera, template)
    assert (listed(vera, favourites="only"), listed(vera)) == ([], ["other", "reply"])
    favourites.drop(bob, template)
    favourites.drop(bob, template)
    assert listed(bob, favourites="only") == []


def test_a_viewer_stars_in_the_list_and_is_led_back_to_it(write: Callable[..., Any], sign_in: Client) -> None:
    write("bob", tags=["a&b"])
    vera = sign_in("vera")
    form = {"favourite": "1", "list": "q=support&tag=a%26b&sort=name"}
    starred = vera.submit(f"{PAGE}/favourite", form)
    assert (starred.status_code, starred.location) == (303, f"{LIBRARY}?q=support&tag=a%26b&sort=name")
    assert 'aria-pressed="true"' in text_of(vera.get(f"{LIBRARY}?favourites=only"))
    swapped = vera.swap(f"{PAGE}/favourite", {"favourite": "0"})
    assert swapped.status_code == 200
    assert 'aria-pressed="false"' in text_of(swapped)
    assert "Support reply" not in text_of(vera.get(f"{LIBRARY}?favourites=only"))


@pytest.mark.parametrize("sent", ["//evil.example", "q=%00&tag=%ff", "&" * 3000, "status=x&favourites=y&sort=z"])
def test_an_odd_way_back_leads_to_the_library(write: Callable[..., Any], sign_in: Client, sent: str) -> None:
    write("bob")
    answer = sign_in("vera").submit(f"{PAGE}/favourite", {"favourite": "1", "list": sent})
    assert answer.status_code == 303
    assert answer.location.split("?")[0] == LIBRARY


def test_the_star_stands_on_the_template_s_page(write: Callable[..., Any], sign_in: Client) -> None:
    write("bob", published=True)
    vera = sign_in("vera")
    starred = vera.submit(f"{PAGE}/favourite", {"favourite": "1"})
    assert starred.location == PAGE
    assert 'aria-pressed="true"' in text_of(vera.get(PAGE, follow_redirects=True))


# ---------- copies ----------


def test_a_copy_begins_as_a_draft_of_what_the_original_says_now(bob: Access) -> None:
    source = make(bob, "Reply", tags=["a", "b"], task="chat", description="Polite", output_format="json")
    version = actions.publish(bob, library.version(bob, source, 1), "First")
    actions.save_draft(bob, actions.new_draft(bob, version), {"body": "Newer {{thing}}"}, 1)
    copy = actions.duplicate(bob, source)
    first = library.version(bob, copy, 1)
    assert (copy.name, copy.slug, copy.description, copy.task) == ("Copy of Reply", "copy-of-reply", "Polite", "chat")
    assert [tag.name for tag in copy.tags] == ["a", "b"]
    assert (first.status, first.body, first.output_format, first.parent_id) == (
        "draft",
        "Newer {{thing}}",
        "json",
        None,
    )
    assert [spec["name"] for spec in first.variables] == ["thing"]
    assert actions.duplicate(bob, source).slug == "copy-of-reply-2"
    assert db.session.scalars(sa.select(AuditEvent.action)).all().count("prompt_template.duplicate") == 2


def test_a_copy_of_the_longest_name_fits(bob: Access) -> None:
    copy = actions.duplicate(bob, make(bob, "n" * 100))
    assert copy.name == ("Copy of " + "n" * 100)[:100]


def test_duplicating_opens_the_copy(write: Callable[..., Any], sign_in: Client) -> None:
    write("bob")
    bob = sign_in("bob")
    made = bob.submit(f"{PAGE}/duplicate")
    assert made.location == f"{LIBRARY}/copy-of-support-reply"
    assert "Copy of Support reply" in text_of(bob.get(made.location, follow_redirects=True))
    assert sign_in("vera").submit(f"{PAGE}/duplicate").status_code == 403


# ---------- archiving, deleting ----------


def test_what_is_archived_keeps_everything_and_is_out_of_the_way(bob: Access) -> None:
    template = make(bob, "Reply", tags=["a"])
    actions.publish(bob, library.version(bob, template, 1), "First")
    for _ in range(2):
        actions.archive(bob, template)
    assert (listed(bob), listed(bob, status="archived"), listed(bob, status=EVERYTHING)) == ([], ["reply"], ["reply"])
    with pytest.raises(Conflict):
        actions.runnable_version(bob, "reply")
    actions.unarchive(bob, template)
    assert listed(bob) == ["reply"]
    assert actions.runnable_version(bob, "reply").number == 1
    assert tags_of(bob, "reply") == ["a"]
    told = [(event.action, event.after) for event in events.listed(bob, template) if event.action == "archive"]
    assert told == [("archive", {"active": True}), ("archive", {"active": False})]
    audited = db.session.scalars(sa.select(AuditEvent.action).order_by(AuditEvent.id)).all()
    assert audited[-2:] == ["prompt_template.archive", "prompt_template.unarchive"]


def test_archiving_is_a_button_of_its_own(write: Callable[..., Any], sign_in: Client) -> None:
    write("bob", published=True)
    bob = sign_in("bob")
    assert bob.submit(f"{PAGE}/archive").location == PAGE
    page = text_of(bob.get(LIBRARY))
    assert f'href="{PAGE}"' not in page
    assert "All are archived" in page
    assert "Support reply" in text_of(bob.get(f"{LIBRARY}?status=archived"))
    page = text_of(bob.get(f"{PAGE}/versions/1/settings"))
    assert f"{PAGE}/unarchive" in page
    assert f'action="{PAGE}/archive"' not in page
    bob.submit(f"{PAGE}/unarchive")
    assert "Support reply" in text_of(bob.get(LIBRARY))
    assert sign_in("vera").submit(f"{PAGE}/archive").status_code == 403


def test_details_no_longer_archive_by_an_unticked_box(write: Callable[..., Any], sign_in: Client) -> None:
    write("bob")
    bob = sign_in("bob")
    bob.submit(PAGE, {"name": "Reply", "slug": "support-reply", "has_active": "1"})
    assert "Reply" in text_of(bob.get(LIBRARY))


def test_deleting_says_what_runs_it_and_what_includes_it(
    app: Any, team: Any, write: Callable[..., Any], sign_in: Client
) -> None:
    template = write("bob", published=True, body="Be polite.")
    write("bob", name="Letter", body="{{> support-reply}} Write.")
    with app.app_context():
        db.session.add(Execution(workspace_id=team.acme_id, source="page", prompt_template_id=template.id))
        db.session.commit()
    page = text_of(sign_in("bob").get(f"{PAGE}/delete"))
    assert "<b>1 execution</b>" in page
    assert "<b>Letter v1</b>" in page


# ---------- tags ----------


def test_a_tag_is_renamed_everywhere_and_in_the_history(bob: Access) -> None:
    template = make(bob, "Reply", tags=["mail", "short"])
    tag = tagging.find_named(bob, "MAIL")
    assert tag is not None
    assert tagging.rename(bob, tag, "  E-Mail ").name == "e-mail"
    assert tags_of(bob, "reply") == ["e-mail", "short"]
    told = events.listed(bob, template)[0]
    assert (told.before, told.after) == ({"tags": ["mail", "short"]}, {"tags": ["e-mail", "short"]})


def test_a_tag_called_as_another_one_is_merged_into_it(bob: Access) -> None:
    make(bob, "A", tags=["mail"])
    make(bob, "B", tags=["mail", "e-mail"])
    make(bob, "C", tags=["e-mail"])
    tag = tagging.find_named(bob, "mail")
    assert tag is not None
    left = tagging.rename(bob, tag, "E-Mail")
    assert [(one.tag.name, one.count) for one in tagging.all_tags(bob)] == [("e-mail", 3)]
    assert left.name == "e-mail"
    assert [tags_of(bob, slug) for slug in ("a", "b", "c")] == [["e-mail"]] * 3
    assert db.session.scalars(sa.select(AuditEvent.action)).all().count("tag.merge") == 1


def test_a_deleted_tag_leaves_the_prompt_templates(bob: Access) -> None:
    make(bob, "A", tags=["mail", "short"])
    tag = tagging.find_named(bob, "mail")
    assert tag is not None
    assert tagging.remove(bob, tag) == 1
    assert tags_of(bob, "a") == ["short"]


@pytest.mark.parametrize("name", ["", "   ", "a,b", "x" * 51, "\x00", "a\u202eb"])
def test_a_tag_needs_a_name_that_can_be_one(bob: Access, name: str) -> None:
    make(bob, "A", tags=["mail"])
    tag = tagging.find_named(bob, "mail")
    assert tag is not None
    with pytest.raises(InvalidInput) as refused:
        tagging.rename(bob, tag, name)
    assert [error["field"] for error in refused.value.errors] == ["name"]


def test_the_page_of_tags_renames_merges_and_deletes(
    app: Any, team: Any, write: Callable[..., Any], sign_in: Client
) -> None:
    write("bob", tags=["mail", "short"])
    with app.app_context():
        ids = {tag.name: tag.id for tag in db.session.scalars(sa.select(Tag))}
    bob, tags = sign_in("bob"), "/w/acme/tags"
    assert "mail" in text_of(bob.get(tags))
    wrong = bob.submit(f"{tags}/{ids['mail']}/rename", {"name": "a,b"})
    assert wrong.status_code == 422
    assert "A tag has no comma." in text_of(wrong)
    assert bob.submit(f"{tags}/{ids['mail']}/rename", {"name": "Letters"}).location == tags
    assert "mail is called letters now." in text_of(bob.get(tags))
    bob.submit(f"{tags}/{ids['mail']}/rename", {"name": "short"})
    assert "letters is merged into short now." in text_of(bob.get(tags))
    assert "1 prompt template has it." in text_of(bob.get(f"{tags}/{ids['short']}/delete"))
    bob.submit(f"{tags}/{ids['short']}/delete")
    assert "No tags yet" in text_of(bob.get(tags))
    assert sign_in("vera").get(tags).status_code == 200
    assert sign_in("vera").submit(f"{tags}/{ids['short']}/delete").status_code == 403


# ---------- several at once ----------


def test_several_are_tagged_untagged_and_archived_at_once(bob: Access) -> None:
    made = [make(bob, name, tags=["old"]) for name in ("A", "B", "C")]
    chosen = bulk.find_all(bob, ["a", "b", "a"])
    assert bulk.add_tags(bob, chosen, ["New", "old"]) == 2
    assert bulk.add_tags(bob, chosen, ["new"]) == 0
    assert [tags_of(bob, one.slug) for one in made] == [["new", "old"], ["new", "old"], ["old"]]
    assert bulk.remove_tags(bob, bulk.find_all(bob, ["b", "c"]), ["new"]) == 1
    assert tags_of(bob, "b") == ["old"]
    assert bulk.set_active(bob, bulk.find_all(bob, ["a", "c"]), False) == 2
    assert listed(bob) == ["b"]


def test_where_one_of_several_cannot_be_tagged_none_is(bob: Access) -> None:
    make(bob, "Full", tags=[f"t{number}" for number in range(20)])
    make(bob, "Empty")
    with pytest.raises(InvalidInput) as refused:
        bulk.add_tags(bob, bulk.find_all(bob, ["empty", "full"]), ["more"])
    assert "Full: Use at most 20 tags." in refused.value.errors[0]["message"]
    assert tags_of(bob, "empty") == []


def test_several_of_which_one_is_of_another_workspace_are_not_found(team: Any, bob: Access) -> None:
    make(bob, "A")
    make(team.access("charlie"), "B")
    for slugs in (["a", "b"], ["a", "none"], ["a", "NO SLUG"]):
        with pytest.raises(NotFound):
            bulk.find_all(bob, slugs)
    for wrong in ([], [f"s{number}" for number in range(bulk.MOST + 1)]):
        with pytest.raises(InvalidInput):
            bulk.find_all(bob, wrong)


def test_ticked_rows_are_changed_without_javascript(write: Callable[..., Any], sign_in: Client) -> None:
    write("bob", name="A")
    write("bob", name="B")
    bob, chosen = sign_in("bob"), f"{LIBRARY}/_chosen"
    page = text_of(bob.get(LIBRARY))
    assert page.count('form="chosen-prompt-templates"') == 2
    done = bob.submit(chosen, {"slug": ["a", "b"], "change": "tag", "tags": "New, other", "list": "status=draft"})
    assert done.location == f"{LIBRARY}?status=draft"
    assert "2 prompt templates tagged." in text_of(bob.get(done.location))
    bob.submit(chosen, {"slug": "a", "change": "untag", "tags": "other"})
    bob.submit(chosen, {"slug": ["a", "b"], "change": "archive"})
    assert "2 prompt templates archived." in text_of(bob.get(LIBRARY))
    assert text_of(bob.get(f"{LIBRARY}?status=archived&tag=other")).count('class="cell-title"') == 1
    for wrong, said in (
        ({"change": "archive"}, "Tick the prompt templates first."),
        ({"slug": "a", "change": "tag", "tags": " , "}, "Name a tag."),
        ({"slug": ["a", "gone"], "change": "unarchive"}, "is not there any more"),
        ({"slug": "a", "change": "explode"}, "Use tag, untag, archive or unarchive."),
    ):
        assert said in text_of(bob.get(bob.submit(chosen, wrong).location)), wrong
    assert 'form="chosen-prompt-templates"' not in text_of(sign_in("vera").get(LIBRARY))
    assert sign_in("vera").submit(chosen, {"slug": "a", "change": "archive"}).status_code == 403
