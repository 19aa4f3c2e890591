"""What prompt templates include of each other, through the actions, the pages and the API."""

from __future__ import annotations

import pytest

from aiapp.errors import Conflict, InvalidInput
from aiapp.executions import actions as executions
from aiapp.executions.submission import Submission
from aiapp.prompt_templates import actions, library, partials, workbench

TONE = {"name": "tone", "type": "choice", "choices": ["warm", "dry"], "default": "dry"}


def made(access, slug, body="", *, published=True, **given):
    template = actions.create(access, {"name": slug.capitalize(), "slug": slug, "body": body, **given})
    if published:
        actions.publish(access, library.version(access, template, 1))
    return template


def first(access, template):
    return library.version(access, template, 1)


def messages(version):
    return [problem["message"] for problem in partials.problems(version)]


@pytest.fixture
def tone(bob):
    return made(bob, "house-tone", "Write in a {{tone}} voice.", variables=[TONE])


@pytest.fixture
def reply(bob, tone):
    return made(bob, "reply", "{{> house-tone}}\n{{question}}", published=False)


def test_the_published_text_is_included_and_executed(bob, reply):
    version = actions.publish(bob, first(bob, reply))

    execution = executions.submit(bob, Submission(prompt_template="reply", context={"question": "{{> house-tone}}?"}))

    assert execution.body == "Write in a dry voice.\n{{> house-tone}}?"
    assert version.body == "{{> house-tone}}\n{{question}}"


def test_the_latest_text_follows_what_is_published_and_a_pinned_one_stays(bob, tone, reply):
    pinned = made(bob, "pinned", "{{> house-tone@1}}")
    actions.publish(bob, first(bob, reply))
    newer = actions.new_draft(bob, first(bob, tone), given={"body": "Be {{tone}} and {{mood}}."})
    before = [partials.expanded(first(bob, one)).names for one in (reply, pinned)]

    actions.publish(bob, newer)

    assert before == [("tone", "question"), ("tone",)]
    assert partials.expanded(first(bob, reply)).names == ("tone", "mood", "question")
    assert partials.expanded(first(bob, pinned)).names == ("tone",)


def test_the_including_one_lists_the_variables_and_inherits_what_is_declared(bob, reply):
    version = first(bob, reply)

    assert [spec["name"] for spec in version.variables] == ["question", "tone"]
    assert [spec["type"] for spec in partials.variables(version)] == ["choice", "text"]
    own = [{"name": "tone", "type": "number", "default": 3}, {"name": "question"}, {"name": "gone", "default": "x"}]
    saved = actions.save_draft(bob, version, {"variables": own}, version.lock_version)

    assert [spec["type"] for spec in partials.variables(saved)] == ["number", "text"]
    assert [spec["name"] for spec in saved.variables] == ["question", "tone"]


def test_what_is_declared_outlives_an_include_that_fails_for_a_while(bob, tone, reply):
    version = first(bob, reply)
    own = [{"name": "tone", "type": "number", "default": 3}, {"name": "question"}]
    actions.save_draft(bob, version, {"variables": own}, version.lock_version)
    actions.update(bob, tone, {"active": False}, force=True)

    saved = actions.save_draft(bob, version, {"body": "{{> house-tone}} {{question}}!"}, version.lock_version)

    assert {spec["name"]: spec["type"] for spec in saved.variables} == {"question": "text", "tone": "number"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{{> nobody}}", "There is no prompt template called nobody in this workspace."),
        ("{{> house-tone@7}}", "The prompt template house-tone has no version 7."),
        ("{{> house-tone@0}}", "The prompt template house-tone has no version 0."),
        ("{{> house-tone@999999999}}", "The prompt template house-tone has no version 999999999."),
        ("{{> sketch}}", "sketch has no published version yet."),
        ("{{> sketch@1}}", "Version 1 of sketch is a draft: publish it first, it may still change."),
        ("{{> attic}}", "attic is archived: it cannot be included until an editor switches it on again."),
        ("{{> letter}}", "This would include itself for ever: letter → letter."),
    ],
)
def test_what_cannot_be_included_stops_the_publishing_and_the_execution(bob, tone, body, message):
    made(bob, "sketch", "Draft.", published=False)
    actions.update(bob, made(bob, "attic", "Old."), {"active": False})
    letter = made(bob, "letter", body, published=False)
    version = first(bob, letter)

    assert partials.problems(version) == [{"field": "body", "message": message}]
    assert workbench.build(version).unresolved == {"body": message}
    with pytest.raises(InvalidInput) as refused:
        actions.publish(bob, version)
    assert {"field": "body", "message": message} in refused.value.errors
    with pytest.raises(InvalidInput) as refused:
        executions.submit(bob, Submission(prompt_template="letter", version=1, source="preview"))
    assert refused.value.errors == [{"field": "template", "message": message}]


def test_a_cycle_is_named(bob):
    first_one = made(bob, "a", "Start.")
    made(bob, "b", "{{> a}}")
    draft = actions.new_draft(bob, first(bob, first_one), given={"body": "{{> b}}"})

    assert messages(draft) == ["This would include itself for ever: a → b → a."]


def test_what_another_workspace_has_is_as_unknown_as_what_nobody_has(app, team, bob):
    charlie = team.access("charlie")
    made(charlie, "secret", "The plan of {{rival}}.")
    letter = made(bob, "letter", "{{> secret}} {{> secret@1}} {{> nobody}}", published=False)

    assert [one.replace("nobody", "secret") for one in messages(first(bob, letter))] == [
        "There is no prompt template called secret in this workspace."
    ] * 3


def test_a_text_without_a_prompt_template_may_include_one(bob, tone):
    execution = executions.submit(bob, Submission(template="{{> house-tone}} Hello.", context={"tone": "warm"}))

    assert execution.body == "Write in a warm voice. Hello."
    with pytest.raises(InvalidInput):
        executions.submit(bob, Submission(template="{{> nobody}}"))


def test_too_many_different_ones_are_refused_before_they_are_fetched(bob):
    letter = made(bob, "letter", "".join(f"{{{{> n{number}}}}}" for number in range(300)), published=False)

    assert sum("At most 100 different" in message for message in messages(first(bob, letter))) == 200


def test_who_includes_a_prompt_template_is_known_and_keeps_its_slug(bob, tone, reply):
    actions.publish(bob, first(bob, reply))
    actions.new_draft(bob, first(bob, reply))
    made(bob, "other", r"\{{> house-tone}} {{house-tone}} {{> house-tone-2}}", published=False)

    assert [(user.slug, number) for user, number in partials.included_by(bob, tone)] == [("reply", 2), ("reply", 1)]
    with pytest.raises(Conflict) as refused:
        actions.update(bob, tone, {"slug": "tone", "name": "Voice"})
    assert (refused.value.code, refused.value.status) == ("included", 409)
    assert "Reply v2, Reply v1" in refused.value.errors[0]["message"]
    assert library.find(bob, "house-tone").name == "House-tone"
    actions.update(bob, tone, {"slug": "house-tone", "name": "Voice"})


def test_an_include_in_an_example_turn_or_the_system_part_counts_too(bob, tone):
    turns = [{"role": "user", "content": "{{> house-tone}}"}]
    user = made(bob, "user", "Hello.", system="{{> house-tone@1}}", messages=turns, published=False)

    assert [found.slug for found, _ in partials.included_by(bob, tone)] == ["user"]
    assert partials.expanded(first(bob, user)).names == ("tone",)


def test_the_api_renders_with_includes_or_lists_why_not(bob, api, reply):
    answer = api("bob")("POST", "/prompt-templates/reply/render", {"context": {"question": "Why?", "tone": "warm"}})

    assert answer.json["body"] == "Write in a warm voice.\nWhy?"
    assert [spec["name"] for spec in answer.json["variables"]] == ["tone", "question"]
    made(bob, "broken", "{{> nobody}}", published=False)
    refused = api("bob")("POST", "/prompt-templates/broken/render", {})
    assert refused.status_code == 422
    assert refused.json["errors"] == [
        {"field": "body", "message": "There is no prompt template called nobody in this workspace."}
    ]


def test_the_publish_dialog_says_who_will_need_more_values(bob, tone, reply, sign_in):
    actions.publish(bob, first(bob, reply))
    made(bob, "letter", "{{> reply}} {{place}}")
    made(bob, "pinned", "{{> house-tone@1}}")
    knows = [{"name": "mood", "default": "calm"}]
    made(bob, "knowing", "{{> house-tone}} {{mood}}", variables=knows)
    made(bob, "sketch", "{{> house-tone}}", published=False)
    gone = made(bob, "gone", "{{> house-tone}}")
    actions.archive(bob, gone)
    newer = actions.new_draft(bob, first(bob, tone), given={"body": "Be {{tone}}, {{mood}}.", "variables": [TONE]})
    dialog = "/w/acme/prompt-templates/house-tone/versions/2/publish"

    client = sign_in("bob")
    page = client.get(dialog).text

    assert "Reply v1 includes this and will need mood" in page
    assert "Letter v1 includes this and will need mood" in page
    assert page.count("includes this and will need") == 2
    optional = [TONE, {"name": "mood", "required": False}]
    actions.save_draft(bob, newer, {"variables": optional}, newer.lock_version)
    assert "includes this" not in client.get(dialog).text
    actions.save_draft(bob, newer, {"variables": [{**TONE, "default": None}, optional[1]]}, newer.lock_version)
    asked = client.get(dialog).text
    assert "Reply v1 includes this and will need tone" in asked
    assert client.submit(dialog, {"message": "Ask for it", "lock_version": "3"}).status_code == 303


def test_the_api_describes_what_is_included_as_it_is_declared_and_stores_none_of_it(bob, api, tone, reply):
    call, base = api("bob"), "/prompt-templates/reply"
    described = [spec for spec in call("GET", base).json["variables"] if spec["name"] == "tone"]

    told = [
        call("GET", base).json["version"]["variables"],
        call("GET", f"{base}/versions/1").json["variables"],
        call("GET", f"{base}/versions").json["data"][0]["variables"],
        call("POST", f"{base}/render", {}).json["variables"],
    ]
    assert [[spec for spec in specs if spec["name"] == "tone"] for specs in told] == [described] * 4
    assert {key: described[0][key] for key in TONE} == TONE

    back = {"variables": call("GET", f"{base}/versions/1").json["variables"], "lock_version": 1}
    assert call("PATCH", f"{base}/versions/1", back).json["lock_version"] == 1, "nothing has changed"
    started = call("POST", f"{base}/versions", {"variables": back["variables"]})
    assert started.status_code == 201
    changed = [{**TONE, "choices": ["warm", "dry", "wry"], "default": "wry"}]
    actions.publish(bob, actions.new_draft(bob, first(bob, tone), given={"variables": changed}))
    for number in (1, 2):
        specs = {spec["name"]: spec for spec in call("GET", f"{base}/versions/{number}").json["variables"]}
        assert specs["tone"]["default"] == "wry", "it follows what is included"
    own = {"name": "tone", "type": "text", "description": "Ours"}
    body = {"variables": [own], "lock_version": 1}
    assert {"Ours"} <= {one["description"] for one in call("PATCH", f"{base}/versions/1", body).json["variables"]}
