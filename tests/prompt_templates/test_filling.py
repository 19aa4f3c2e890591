"""Filling the inputs: with samples, from past executions, as JSON; schemas made of examples; what settings inherit."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_rendering import JSON_VALUES

from aiapp.executions import actions as executions
from aiapp.executions.submission import Submission
from aiapp.prompt_templates import actions, contexts, library, partials
from aiapp.prompt_templates.text import declaring, sampling, values
from aiapp.prompt_templates.text.schema_sketch import sketch

DRAFT = "/w/acme/prompt-templates/support-reply/versions/1"
RUN = "/w/acme/prompt-templates/support-reply/run"


def value_of(page, name):
    """What an input or textarea begins with."""
    found = re.search(rf'<input[^>]*name="var-{name}"[^>]*>', page)
    if found:
        return (re.search(r'value="([^"]*)"', found[0]) or ["", ""])[1]
    return re.search(rf'<textarea[^>]*name="var-{name}"[^>]*>\n?(.*?)</textarea>', page, re.DOTALL)[1]


def json_of(page):
    text = re.search(r'<textarea[^>]*name="context"[^>]*>\n?(.*?)</textarea>', page, re.DOTALL)[1]
    return json.loads(text.replace("&#34;", '"'))


# pure


@given(st.sampled_from(values.VARIABLE_TYPES), st.text(max_size=20), st.text(max_size=60))
def test_every_declared_variable_has_a_sample_that_fits(kind, name, description):
    spec = {**values.blank(name or "a"), "type": kind, "description": description, "choices": ["one", "two"]}

    assert values.write(sampling.sample(spec), spec)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"name": "customer_name"}, "Ada Lovelace"),
        ({"name": "company_name"}, "Northbeam"),
        ({"name": "replyLanguage"}, "English"),
        ({"name": "mood", "description": "How it sounds, for example calm."}, "calm"),
        ({"name": "house_rules"}, "An example of house rules"),
        ({"name": "max_words", "type": "number"}, "120"),
        ({"name": "tone", "type": "choice", "choices": ["warm", "dry"]}, "warm"),
        ({"name": "tone", "default": "dry"}, "dry"),
        ({"name": "tone", "default": "dry", "sample": "wet"}, "wet"),
    ],
)
def test_samples_follow_types_choices_descriptions_and_names(spec, expected):
    assert sampling.sample({**values.blank(spec["name"]), **spec}) == expected


@given(st.dictionaries(st.text(max_size=5), JSON_VALUES, max_size=4))
def test_every_context_has_texts_for_inputs(context):
    found = contexts.typed(context)

    assert all(isinstance(text, str) for text in found.values())
    assert len(found) <= 400


def test_objects_fill_dotted_names_and_the_full_name_counts_first():
    context = {"user": {"name": "Ada", "age": None}, "user.name": "Grace", "n": 1.5, "on": True}

    assert contexts.typed(context) == {
        "user": '{"name":"Ada","age":null}',
        "user.name": "Grace",
        "n": "1.5",
        "on": "true",
    }
    assert contexts.unknown({"user": {}, "other": 1}, ["user.name"]) == ("other",)


@given(
    st.dictionaries(
        st.sampled_from("abc"), st.text(min_size=1, max_size=10) | st.sampled_from(["1", "1e3", "true", "[1]"])
    )
)
def test_what_inputs_hold_goes_through_json_and_back(texts):
    specs = [{"name": "a", "type": "number"}, {"name": "b", "type": "boolean"}, {"name": "c", "type": "text"}]

    assert contexts.typed(json.loads(contexts.written(specs, texts))) == texts


@given(JSON_VALUES.filter(lambda value: "Infinity" not in json.dumps(value) and "NaN" not in json.dumps(value)))
def test_an_example_fits_the_schema_that_is_made_of_it(example):
    schema = sketch(example)

    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(example, schema)


def test_a_declaration_that_repeats_what_is_included_is_none():
    said = {"tone": {**values.blank("tone"), "type": "choice", "choices": ["a", "b"], "default": "a", "sample": "b"}}
    given = {
        "name": "tone",
        "type": "choice",
        "required": True,
        "default": "a",
        "description": "",
        "choices": ["a", "b"],
    }

    assert declaring.own([{**given, "sample": "b"}], said) == [values.blank("tone")]
    assert declaring.own([{**given, "sample": "a"}], said) == [{**values.blank("tone"), "sample": "a"}]
    assert declaring.own([{**given, "default": "b"}], said) == [{**given, "default": "b"}]
    assert declaring.own([{**given, "choices": ["a"]}], said) == [{**given, "choices": ["a"]}]


# pages


def test_fill_with_samples_keeps_what_was_typed(write, sign_in):
    write("bob")
    typed = {"body": "{{name}} wrote: {{message}}, {{mood}}", "var-message": "Mine"}

    answer = sign_in("bob").swap(f"{DRAFT}/context", {**typed, "fill": "samples"})

    page = answer.get_data(as_text=True)
    assert (value_of(page, "name"), value_of(page, "message")) == ("Ada Lovelace", "Mine")
    assert value_of(page, "mood") == "An example of mood"
    assert "Ada Lovelace</span> wrote: " in page
    assert answer.headers["HX-Trigger"] == "input"


def test_the_inputs_are_one_json_text_and_back(write, sign_in):
    write("bob", variables=[{"name": "name"}, {"name": "message", "type": "number"}])
    bob = sign_in("bob")
    shown = bob.swap(f"{DRAFT}/context", {"show": "json", "var-name": "Ada", "var-message": "3"}).get_data(as_text=True)

    assert json_of(shown) == {"name": "Ada", "message": 3}
    back = bob.swap(f"{DRAFT}/context", {"show": "inputs", "context": '{"name": "Grace", "message": 4}'})
    assert value_of(back.get_data(as_text=True), "name") == "Grace"
    broken = bob.swap(f"{DRAFT}/context", {"show": "inputs", "context": '{"name": '}).get_data(as_text=True)
    assert "This is not JSON" in broken
    assert "{&#34;name&#34;: " in broken


def test_json_in_the_editor_marks_unknown_and_missing_names_and_fills_the_preview(write, sign_in):
    write("bob", body="{{user.name}} wrote: {{message}}")
    context = '{"user": {"name": "Ada"}, "stranger": 1}'

    page = sign_in("bob").swap(f"{DRAFT}/_preview", {"context": context}).get_data(as_text=True)

    assert "No variable is called stranger." in page
    assert re.search(r"message</span>: needs a value", page)
    assert ">Ada</span> wrote" in page


def test_json_that_leaves_a_variable_out_leaves_it_out_of_the_preview_as_of_a_run(write, sign_in):
    write("bob", body="{{name}} wrote", variables=[{"name": "name", "sample": "Amina"}])
    page = sign_in("bob").swap(f"{DRAFT}/_preview", {"context": "{}"}).get_data(as_text=True)
    assert ">Amina</span> wrote" not in page
    assert 'data-missing-variables="name"' in page


def test_json_that_was_typed_becomes_samples_and_runs(write, sign_in, app, team):
    write("bob")
    bob = sign_in("bob")
    context = '{"name": "Ada", "message": "Hello"}'
    bob.swap(f"{DRAFT}/_autosave", {"body": "{{name}}: {{message}}", "lock_version": "1", "context": context})

    with app.app_context():
        access = team.access("bob")
        version = library.version(access, library.find(access, "support-reply"), 1)
        assert [spec["sample"] for spec in version.variables] == ["Ada", "Hello"]
    handed = bob.swap(f"{DRAFT}/run", {"context": context}).get_data(as_text=True)
    assert json_of(handed) == {"name": "Ada", "message": "Hello"}


def test_a_past_execution_fills_the_inputs(write, sign_in, app, team):
    write("bob", published=True)
    with app.app_context():
        given = {"name": "Grace", "message": "First"}
        past = executions.submit(team.access("bob"), Submission(prompt_template="support-reply", context=given)).id
    vera = sign_in("vera")

    offered = vera.get("/w/acme/executions/_contexts?template=support-reply&into=run").get_data(as_text=True)
    assert past in offered
    assert "Grace" in offered
    page = vera.submit(RUN, {"execution": past}).get_data(as_text=True)
    assert (value_of(page, "name"), value_of(page, "message")) == ("Grace", "First")
    beside = sign_in("bob").swap(f"{DRAFT}/context", {"execution": past}).get_data(as_text=True)
    assert value_of(beside, "name") == "Grace"


def test_a_past_execution_is_chosen_without_scripts_too_and_the_typed_text_is_saved_before(write, sign_in, app, team):
    write("bob")
    with app.app_context():
        given = {"name": "Grace", "message": "First"}
        past = executions.submit(
            team.access("bob"), Submission(prompt_template="support-reply", version=1, context=given)
        ).id
    bob = sign_in("bob")
    leads = bob.submit(DRAFT, {"body": "{{name}}!", "system": "", "lock_version": "1", "then": "past"}).location
    page = bob.get(leads).get_data(as_text=True)
    target = re.findall(rf'value="{past}" formaction="([^"]+)"', page)[0]
    filled = bob.submit(target, {"execution": past}).get_data(as_text=True)
    assert value_of(filled, "name") == "Grace"
    assert "{{name}}!" in filled
    assert "hx-post" not in page.split('id="past-contexts"')[1].split("</main>")[0]
    assert bob.get("/w/acme/executions/contexts?template=nobodys&version=1").status_code == 404


def test_executions_of_others_fill_nothing(write, sign_in, app, team):
    write("bob", published=True)
    write("bob", published=True, name="Other", slug="other")
    write("charlie", published=True)
    with app.app_context():
        given = {"name": "Secret", "message": "x"}
        foreign = executions.submit(
            team.access("charlie"), Submission(prompt_template="support-reply", context=given)
        ).id
        other = executions.submit(team.access("bob"), Submission(prompt_template="other", context=given)).id
    bob = sign_in("bob")

    refused = [bob.swap(f"{DRAFT}/context", {"execution": one}) for one in (foreign, other, "f" * 32, "x")]
    assert {answer.status_code for answer in refused} == {404}
    assert bob.get("/w/acme/executions/_contexts?template=nobodys").status_code == 404


def test_a_page_is_filled_without_scripts_and_keeps_the_text_that_was_typed(write, sign_in):
    write("bob")

    answer = sign_in("bob").submit(
        f"{DRAFT}/context", {"body": "Dear {{name}}", "system": "Unsaved", "fill": "samples"}
    )

    page = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert "<title>" in page
    assert value_of(page, "name") == "Ada Lovelace"
    assert "Unsaved" in page


def test_the_schema_is_looked_at_while_it_is_typed(write, sign_in):
    write("bob")
    bob = sign_in("bob")

    def said(schema):
        return bob.swap(f"{DRAFT}/_schema", {"json_schema": schema}).get_data(as_text=True)

    assert "valid JSON schema" in said('{"type": "object"}')
    assert "line 1, column" in said('{"type": ')
    assert "properties → age → type" in said('{"properties": {"age": {"type": "strng"}}}')
    assert said("").strip() == ""


def test_a_schema_is_made_of_an_example_with_and_without_scripts(write, sign_in):
    write("bob")
    bob = sign_in("bob")
    given = {"make": "schema", "example": '{"total": 1.5}', "temperature": "0.7"}

    assert "&#34;number&#34;" in bob.swap(f"{DRAFT}/_schema", given).get_data(as_text=True)
    page = bob.submit(f"{DRAFT}/settings", given).get_data(as_text=True)
    assert "&#34;number&#34;" in page
    assert 'value="0.7"' in page
    assert "not JSON" in bob.submit(f"{DRAFT}/settings", {"make": "schema", "example": "{"}).get_data(as_text=True)


def test_settings_show_what_is_included_and_store_only_what_differs(write, sign_in, app, team):
    tone = [{"name": "tone", "type": "choice", "choices": ["warm", "dry"], "default": "dry"}]
    write("bob", published=True, name="House tone", slug="house-tone", body="Be {{tone}}.", variables=tone)
    write("bob", body="{{> house-tone}} {{name}}")
    bob = sign_in("bob")
    page = bob.get(f"{DRAFT}/settings").get_data(as_text=True)
    form = {"lock_version": "1", "type-tone": "choice", "required-tone": "1", "default-tone": "dry", "sample-tone": ""}
    form |= {"choices-tone": "warm\r\ndry", "description-tone": "", "type-name": "text", "required-name": "1"}

    assert "as included" in page
    bob.submit(f"{DRAFT}/settings", {**form, "default-name": "you"})

    with app.app_context():
        access = team.access("bob")
        version = library.version(access, library.find(access, "support-reply"), 1)
        assert {spec["name"]: spec["default"] for spec in version.variables} == {"name": "you", "tone": None}
        assert [spec["default"] for spec in partials.variables(version)] == ["dry", "you"]
    used = bob.get("/w/acme/prompt-templates/house-tone/versions/1/settings").get_data(as_text=True)
    assert "Used by" in used
    assert "Support reply</a>" in used


def test_what_a_prompt_declares_of_its_own_variable_stays_when_an_include_that_says_the_same_goes(
    write, sign_in, app, team
):
    tone = [{"name": "tone", "type": "choice", "choices": ["warm", "dry"], "required": False}]
    write("bob", published=True, name="House tone", slug="house-tone", body="Be {{tone}}.", variables=tone)
    write("bob", body="{{> house-tone}} Really {{tone}}!", variables=tone)
    form = {"lock_version": "1", "type-tone": "choice", "choices-tone": "warm\r\ndry", "temperature": "1"}
    assert sign_in("bob").submit(f"{DRAFT}/settings", form).status_code == 303

    with app.app_context():
        access = team.access("bob")
        version = library.version(access, library.find(access, "support-reply"), 1)
        actions.save_draft(access, version, {"body": "Really {{tone}}!"}, 2)
        (spec,) = version.variables
        assert (spec["type"], spec["required"], spec["choices"]) == ("choice", False, ["warm", "dry"])


def test_two_runs_stand_side_by_side(write, sign_in, app, team):
    write("bob", published=True)
    with app.app_context():
        access = team.access("bob")
    bob = sign_in("bob")
    page = bob.get("/w/acme/prompt-templates/support-reply/try").get_data(as_text=True)
    form = {"prompt_template": "support-reply", "var-name": "Ada", "var-message": "Hi", "once": "1"}
    form |= {
        "1-version": "1",
        "2-version": "1",
        "2-model": "demo-slow",
        "1-provider": "",
        "1-model": "",
    }

    assert "Run both" in page
    panels = bob.swap("/w/acme/executions/compare", form).get_data(as_text=True)
    assert 'id="test-run-1"' in panels
    assert 'id="test-run-2"' in panels
    again = bob.submit("/w/acme/executions/compare", form)
    assert again.status_code == 303
    with app.app_context():
        found = executions.list_executions(access).rows
        assert [(one.source, one.requested_model) for one in found] == [("preview", "demo-slow"), ("preview", None)]
        assert {one.body for one in found} == {"Ada wrote: Hi"}
    assert bob.get(again.headers["Location"]).status_code == 200
    assert sign_in("charlie").get(again.headers["Location"]).status_code == 404


def test_of_two_runs_none_starts_where_one_cannot(write, sign_in, app, team):
    write("bob", published=True)
    form = {
        "prompt_template": "support-reply",
        "var-name": "Ada",
        "var-message": "Hi",
        "1-version": "1",
        "2-version": "9",
    }
    bob = sign_in("bob")

    assert bob.swap("/w/acme/executions/compare", form).status_code == 404
    assert bob.submit("/w/acme/executions/compare", {**form, "2-version": "1", "var-name": ""}).status_code == 422
    with app.app_context():
        assert executions.list_executions(team.access("bob")).rows == []


def test_a_viewer_tries_published_versions_only(write, sign_in):
    write("bob", published=True)
    bob, vera = sign_in("bob"), sign_in("vera")
    bob.submit(f"{DRAFT}/drafts")
    form = {
        "prompt_template": "support-reply",
        "var-name": "Ada",
        "var-message": "Hi",
        "1-version": "1",
        "2-version": "2",
    }

    page = vera.get("/w/acme/prompt-templates/support-reply/try?version=1&version=2").get_data(as_text=True)
    assert "v2 · draft" not in page
    assert "v2 · draft" in bob.get("/w/acme/prompt-templates/support-reply/try").get_data(as_text=True)
    assert vera.swap("/w/acme/executions/compare", form).status_code == 403
    assert vera.swap("/w/acme/executions/compare", {**form, "2-version": "1"}).status_code == 200


def test_test_runs_are_listed_apart_and_their_repetitions_are_test_runs(bob):
    run = executions.submit(bob, Submission(template="Run."))
    test = executions.submit(bob, Submission(template="Test.", source="preview"))
    again = [executions.rerun(bob, test), executions.regenerate(bob, test, {"model": "other"})]

    def listed(source):
        return [row.id for row in executions.list_executions(bob, executions.Filters(source=source)).rows]

    assert listed("runs") == [run.id]
    assert listed("preview") == [again[1].id, again[0].id, test.id]
    assert (len(listed(None)), listed("strange")) == (4, [])
