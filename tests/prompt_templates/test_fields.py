"""What may be written into a prompt template."""

from __future__ import annotations

from typing import Any

import pytest

from aiapp.errors import InvalidInput
from aiapp.prompt_templates import starters
from aiapp.prompt_templates.text import declaring, fields, json_schemas, values, wording


def refused(given: dict[str, Any]) -> dict[str, str]:
    """The mistakes of `given` by field."""
    clean = fields.details if set(given) & set(fields.DETAILS) else fields.content
    with pytest.raises(InvalidInput) as caught:
        clean(given)
    return {item["field"]: item["message"] for item in caught.value.errors}


def variable(**more: Any) -> dict[str, Any]:
    return fields.content({"variables": [{"name": "tone", **more}]})["variables"][0]


def test_every_mistake_is_told_at_once() -> None:
    assert set(refused({"name": "", "slug": "No Slug", "tags": "a,b", "active": "yes"})) == {
        "name",
        "slug",
        "tags",
        "active",
    }


def test_every_mistake_in_a_list_is_told_at_once_at_its_place() -> None:
    variables = [{"name": "a", "type": "number", "default": "x", "sample": "y"}, {"name": "b", "type": "choice"}]
    variables += [{"name": "c"}, {"name": "c"}, {"name": "2"}]
    assert set(refused({"variables": variables, "messages": [{"role": "robot"}, {"role": "user"}]})) == {
        "variables.a.default",
        "variables.a.sample",
        "variables.b.choices",
        "variables.c",
        "variables.5",
        "messages.1",
        "messages.2",
    }


def test_a_name_is_one_line_with_single_spaces() -> None:
    assert fields.details({"name": "  Support \n reply "})["name"] == "Support reply"
    assert "1 to 100" in refused({"name": "a" * 101})["name"]


@pytest.mark.parametrize("character", ["\x00", "\x07", "\u202e", "\u2066", "\ud800", "\x9b"])
def test_a_name_cannot_hold_what_is_not_seen(character: str) -> None:
    assert "cannot be shown" in refused({"name": f"Support{character}reply"})["name"]


@pytest.mark.parametrize("slug", ["Support", "-a", "a-", "a--b", "a_b", "ä", "a" * 61, "", "new", "a\n"])
def test_a_slug_is_letters_digits_and_single_hyphens(slug: str) -> None:
    if slug == "a\n":
        assert fields.details({"slug": slug}) == {"slug": "a"}
    else:
        assert "slug" in refused({"slug": slug})


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Support reply", "support-reply"),
        ("Größe & Maß!", "groe-ma"),
        ("Été à Zürich", "ete-a-zurich"),
        ("支持", "prompt"),
        ("-- --", "prompt"),
        ("a" * 100, "a" * 60),
    ],
)
def test_a_slug_is_made_of_the_name(name: str, slug: str) -> None:
    assert wording.slug_of(name) == slug


def test_tags_are_lower_case_single_and_sorted() -> None:
    assert fields.details({"tags": [" Support", "email", "support", " "]})["tags"] == ["email", "support"]


def test_tags_are_bounded() -> None:
    assert "at most 50" in refused({"tags": ["x" * 51]})["tags"]
    assert "at most 20" in refused({"tags": [f"tag{number}" for number in range(21)]})["tags"]
    assert "comma" in refused({"tags": ["a,b"]})["tags"]


def test_a_description_has_at_most_two_thousand_characters() -> None:
    assert fields.details({"description": "é" * 2000})["description"] == "é" * 2000
    assert "2,000" in refused({"description": "é" * 2001})["description"]


@pytest.mark.parametrize("field", ["system", "body"])
def test_a_text_has_at_most_two_hundred_kilobytes(field: str) -> None:
    assert fields.content({field: "é" * 102_400})[field] == "é" * 102_400
    assert "200 KB" in refused({field: "é" * 102_401})[field]


@pytest.mark.parametrize("text", ["a\x00b", "half \ud83d pair"])
def test_a_text_that_cannot_be_stored_is_refused_with_the_reason(text: str) -> None:
    assert "cannot be stored" in refused({"body": text})["body"]


def test_line_ends_are_made_plain() -> None:
    assert fields.content({"body": "a\r\nb\rc\n"})["body"] == "a\nb\nc\n"


@pytest.mark.parametrize("value", [-0.1, 2.1, float("nan"), float("inf"), "warm", True, "1e400", [1]])
def test_a_temperature_is_a_number_from_0_to_2(value: Any) -> None:
    assert "temperature" in refused({"temperature": value})


def test_a_form_sends_numbers_as_text_and_nothing_as_empty() -> None:
    given = {"temperature": "0.5", "max_tokens": " 200 ", "provider": "", "model": " ", "json_schema": ""}
    assert fields.content(given) == {
        "temperature": 0.5,
        "max_tokens": 200,
        "provider": None,
        "model": None,
        "json_schema": None,
    }


@pytest.mark.parametrize("value", [0, -1, 1_000_001, 1.5, "1.5", "²", True, "9" * 30])
def test_max_tokens_is_a_whole_number(value: Any) -> None:
    assert "max_tokens" in refused({"max_tokens": value})


def test_a_provider_is_one_of_ours() -> None:
    assert "provider" in refused({"provider": "nobody"})
    assert fields.content({"provider": "demo"}) == {"provider": "demo"}


@pytest.mark.parametrize(
    "schema",
    [
        [],
        {"type": 7},
        {"properties": {"a": {"minimum": "three"}}},
        {"const": "\x00"},
        {"const": float("nan")},
        {"description": "x" * 110_000},
        "not JSON",
        "[" * 100_000,
        '"text"',
    ],
)
def test_a_wrong_json_schema_is_refused(schema: Any) -> None:
    assert "json_schema" in refused({"json_schema": schema})


def test_a_json_schema_may_be_the_text_of_a_form() -> None:
    assert fields.content({"json_schema": '{"type": "object"}'}) == {"json_schema": {"type": "object"}}
    assert "line 2" in refused({"json_schema": '{\n"type" 1}'})["json_schema"]


DRAFT_4 = "http://json-schema.org/draft-04/schema#"


def test_a_json_schema_has_a_bearable_number_of_values() -> None:
    assert "5,000 values" in refused({"json_schema": {"allOf": [{}] * 5_000}})["json_schema"]
    assert (
        "500 values"
        in refused({"json_schema": {"$schema": DRAFT_4, "enum": [{"a": n} for n in range(501)]}})["json_schema"]
    )
    assert fields.content({"json_schema": {"allOf": [{}] * 4_000}})


def test_choices_of_a_schema_are_not_compared_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def compared(*items: Any) -> bool:
        raise AssertionError

    for name in ("uniq", "equal"):
        monkeypatch.setattr(f"jsonschema._utils.{name}", compared)
        monkeypatch.setattr(f"jsonschema._keywords.{name}", compared)
    choices = {"enum": [{"a": n} for n in range(400)]}
    assert fields.content({"json_schema": {"$schema": DRAFT_4, **choices, "properties": {"inner": choices}}})


@pytest.mark.parametrize("inner", [False, True])
@pytest.mark.parametrize("choices", [[1, 1.0], [{"a": 1, "b": [2]}, {"b": [2.0], "a": 1}], ["a", "a"]])
def test_a_choice_is_given_once(choices: list[Any], inner: bool) -> None:
    schema = {"properties": {"a": {"enum": choices}}} if inner else {"enum": choices}
    assert "equal" in refused({"json_schema": {"$schema": DRAFT_4, **schema}})["json_schema"]


def test_choices_that_only_look_alike_are_different() -> None:
    choices = [1, True, "1", 0, False, None, "null", [1], {"a": 1}, {"a": "1"}, 1.5]
    assert fields.content({"json_schema": {"$schema": DRAFT_4, "enum": choices}})


@pytest.mark.parametrize("draft", [DRAFT_4, "http://json-schema.org/draft-07/schema#", None])
@pytest.mark.parametrize("pattern", ["a{99999999999}", "(", "[z-a]", "*", "(" * 400])
def test_a_pattern_that_nobody_can_read_is_refused(pattern: str, draft: str | None) -> None:
    named = {"$schema": draft} if draft else {}
    assert "pattern" in refused({"json_schema": {**named, "type": "string", "pattern": pattern}})["json_schema"]


@pytest.mark.parametrize("pattern", [r"^(?=.*\d).+$", "^{{name}}$", r"(a)\1", "a{1000000}", "x" * 501 + "("])
def test_a_pattern_that_answers_cannot_be_compared_with_is_no_mistake(pattern: str) -> None:
    assert fields.content({"json_schema": {"type": "string", "pattern": pattern}})


def test_no_more_patterns_are_read_than_an_answer_is_compared_with(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr(json_schemas, "_readable", lambda pattern: not read.append(pattern))
    fields.content({"json_schema": {"properties": {f"p{n}": {"pattern": f"{n}+"} for n in range(100)}}})
    assert len(read) == json_schemas.MAX_PATTERNS


def test_messages_are_turns_of_user_and_assistant() -> None:
    turns = [{"role": "user", "content": "Hi {{name}}\r\n"}, {"role": "assistant", "content": "Hello"}]
    assert fields.content({"messages": turns})["messages"][0] == {"role": "user", "content": "Hi {{name}}\n"}
    assert "messages.1" in refused({"messages": [{"role": "system", "content": ""}]})
    assert "messages.2" in refused({"messages": [turns[0], {"role": ["user"], "content": ""}]})
    assert "messages" in refused({"messages": [turns[0]] * 51})


def test_a_variable_is_required_text_unless_declared_otherwise() -> None:
    assert variable() == values.blank("tone")
    assert values.blank("tone")["type"] == "text"
    assert values.blank("tone")["required"] is True


@pytest.mark.parametrize(
    ("declared", "field"),
    [
        ({"name": "a b"}, "variables.1"),
        ({"name": "a-b"}, "variables.1"),
        ({"name": "a" * 101}, "variables.1"),
        ({"name": "a", "type": "date"}, "variables.a.type"),
        ({"name": "a", "required": "yes"}, "variables.a.required"),
        ({"name": "a", "type": "number", "default": "many"}, "variables.a.default"),
        ({"name": "a", "type": "boolean", "sample": "perhaps"}, "variables.a.sample"),
        ({"name": "a", "type": "choice"}, "variables.a.choices"),
        ({"name": "a", "type": "choice", "choices": ["x"], "default": "y"}, "variables.a.default"),
        ({"name": "a", "sample": "\x00"}, "variables.a.sample"),
        ({"name": "a", "type": "json", "sample": {"b": ["\x00"]}}, "variables.a.sample"),
        ({"name": "a", "sample": "x" * 30_000}, "variables.a.sample"),
        ({"name": "a", "description": "x" * 501}, "variables.a.description"),
    ],
)
def test_a_wrong_declaration_names_its_place(declared: dict[str, Any], field: str) -> None:
    assert list(refused({"variables": [declared]})) == [field]


def test_a_variable_is_declared_once() -> None:
    assert "variables.a" in refused({"variables": [{"name": "a"}, {"name": "a"}]})


def test_choices_belong_to_the_type_choice_alone() -> None:
    assert variable(type="choice", choices=["warm", "warm", " cold "])["choices"] == ["warm", "cold"]
    assert "choices" not in variable(type="text", choices=["warm"])


def test_a_text_with_too_many_variables_is_refused() -> None:
    body = "".join(f"{{{{v{number}}}}}" for number in range(201))
    with pytest.raises(InvalidInput):
        declaring.used({"system": "", "body": body, "messages": []})


@pytest.mark.parametrize("starter", [one.given for one in starters.starters()], ids=lambda one: one["slug"])
def test_a_starter_is_written_as_it_would_be_stored(starter: dict[str, Any]) -> None:
    """Every variable of a starter is declared, has a sample or default of its type, and nothing else is."""
    text = fields.content(starter)
    assert fields.details(starter)["slug"] == starter["slug"]
    used = declaring.used({"messages": [], **text})
    assert {spec["name"] for spec in text["variables"]} == set(used)
    assert all(spec["sample"] is not None or spec["default"] is not None for spec in text["variables"])
    assert text["output_format"] != "json" or text["json_schema"]


def test_the_first_starters_are_six_of_each_output_format_that_needs_one() -> None:
    assert len(starters.featured()) == 6
    assert {one.given["output_format"] for one in starters.featured()} == {"markdown", "json", "html"}
    assert starters.find("support-reply") is not None
    assert starters.find("nothing") is None
