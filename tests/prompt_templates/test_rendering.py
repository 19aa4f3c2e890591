"""Templates are data: one pass, values stay values, and every text has a result."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from re import _constants, _parser  # type: ignore[attr-defined]

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiapp.prompt_templates.text import grammar, values
from aiapp.prompt_templates.text.rendering import (
    estimate_tokens,
    literal_braces,
    parse,
    render,
    render_prompt,
    segments,
    variables,
)
from aiapp.providers.wire_json import storable

INJECTIONS = [
    "{{7*7}}",
    "{{ 7 * 7 }}",
    "{{ name }}",
    "{{name }}",
    "{{name|safe}}",
    "{{name()}}",
    "{{config.items()}}",
    "{{''.__class__.__mro__[1].__subclasses__()}}",
    "{{request['application']['__globals__']}}",
    "{{self._TemplateReference__context.cycler()}}",
    "{{cycler.__init__.__globals__.os.popen('id').read()}}",
    "{% for x in ().__class__.__base__.__subclasses__() %}{% endfor %}",
    "{% include 'secret' %}",
    "{%- raw -%}",
    "{# a comment #}",
    "{0.__class__}",
    "{name}",
    "{name!r}",
    "{name.__init__.__globals__}",
    "{}",
    "{{}}",
    "{{{}}}",
    "${name}",
    "${7*7}",
    "$name",
    "#{7*7}",
    "#set($x=7*7)$x",
    "<%= 7*7 %>",
    "<% name %>",
    "<#assign x=7*7>${x}",
    "@(7*7)",
    "@{7*7}",
    "[[${7*7}]]",
    "*{7*7}",
    "%(name)s",
    "%s %d %n",
    "`id`",
    "$(id)",
    "{{=<% %>=}}",
    "{{{name",
    "{{&name}}",
    "{{#name}}x{{/name}}",
    "{{^name}}x{{/name}}",
    "{{! a comment }}",
    "{{> ../../etc/passwd}}",
    "{{>  two-spaces}}",
    "{{name.}}",
    "{{.name}}",
    "{{na-me}}",
    "{{1name}}",
    "{{naïve}}",
    "{{name\n}}",
    "{ {name} }",
    "name}}",
    "{\\{name}}",
    "{{\x00}}",
    "{{\u202ename}}",
    "__import__('os').system('id')",
    "\\x7b\\x7bname\\x7d\\x7d",
    "&#123;&#123;name&#125;&#125;",
    "%7B%7Bname%7D%7D",
]

TEXTS = st.text() | st.lists(
    st.sampled_from(
        ["{{", "}}", "{", "}", "\\", "\\{{", "{{a}}", "{{a.b}}", "{{> s}}", "{{> s@2}}", "a", ".", " ", "\n", "\x00"]
    )
).map("".join)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
CONTEXTS = st.dictionaries(st.sampled_from(["a", "b", "a.b", "user"]) | st.text(max_size=4), JSON_VALUES, max_size=5)
SPECS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["a", "b", "a.b"]), "type": st.sampled_from([*values.VARIABLE_TYPES, "strange"])},
        optional={
            "required": st.booleans(),
            "default": JSON_VALUES,
            "choices": st.lists(st.text(max_size=3), max_size=3),
        },
    ),
    max_size=4,
)


@pytest.mark.parametrize("injection", INJECTIONS)
def test_what_other_template_languages_execute_is_text_here(injection):
    expected = injection.replace("\x00", "\ufffd")

    assert render(injection, {"name": "VALUE", "x": 1}).text == expected
    assert render("{{name}}", {"name": injection}).text == expected
    assert "VALUE" not in expected


def test_the_corpus_of_injections_is_large_and_has_no_double():
    assert len(set(INJECTIONS)) == len(INJECTIONS) >= 60


@given(TEXTS)
def test_parsing_and_printing_gives_the_text_again(text):
    assert "".join(token.source for token in parse(text)) == text


@given(TEXTS, CONTEXTS)
def test_every_text_renders_with_every_context(text, context):
    rendered = render(text, context)

    assert set(rendered.missing) <= set(variables(text))
    rendered.text.encode()  # what is rendered can be sent
    assert "\x00" not in rendered.text


@given(TEXTS, st.dictionaries(st.sampled_from(["a", "a.b"]), st.text(), max_size=2))
def test_rendering_is_one_pass(text, context):
    expected = "".join(
        context.get(token.name, token.source)
        if token.kind == "variable"
        else token.source.removeprefix("\\")
        if token.kind == "escape"
        else token.source
        for token in parse(text)
    )

    assert render(text, context).text == storable(expected)


@given(TEXTS, CONTEXTS)
def test_segments_are_the_template_on_one_side_and_the_prompt_on_the_other(text, context):
    pieces = segments(text, context)

    assert "".join(piece.source for piece in pieces) == text
    assert "".join(piece.text for piece in pieces) == render(text, context).text
    assert not any(one.kind == other.kind == "text" for one, other in pairwise(pieces))


@given(TEXTS, TEXTS, SPECS, CONTEXTS)
def test_every_prompt_renders_or_says_why_not(system, body, spec, context):
    prompt = render_prompt(system, body, spec, context)

    names = variables(system, body)
    noted = [*prompt.values, *prompt.missing, *(error["field"] for error in prompt.errors)]
    assert sorted(noted) == sorted(names)
    assert set(prompt.unknown) <= set(context)
    assert prompt.complete == (len(prompt.values) == len(names) and not grammar.includes(system, body))


@given(st.text(alphabet="{}ab. ", max_size=20))
def test_a_value_is_never_read_again(value):
    assert render("<{{a}}|{{a}}>", {"a": value, "b": "VALUE"}).text == f"<{value}|{value}>"


def test_variables_are_found_in_order_of_first_appearance_and_once():
    assert variables("{{b}} {{a}} {{b}}", "{{user.name}} {{a}} {{_1}}") == ("b", "a", "user.name", "_1")
    assert variables(r"\{{a}} {{ b }} {{> c}}") == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{{a}}}", "{1}"),
        ('{"x":{"y":{{a}}}}', '{"x":{"y":1}}'),
        (r"\{{a}}", "{{a}}"),
        (r"\{{{{a}}", "{{1"),
        (r"\\{{a}}", r"\{{a}}"),
        ("{{a}}{{a}}", "11"),
        ("{{{{a}}}}", "{{1}}"),
        ("}}{{a}}{{", "}}1{{"),
    ],
)
def test_braces_beside_variables_stay(text, expected):
    assert render(text, {"a": 1}).text == expected


def test_the_kinds_of_tokens():
    tokens = parse(r"Hi {{a.b}}\{{ {{> intro@3}}")

    assert [(token.kind, token.name) for token in tokens] == [
        ("text", ""),
        ("variable", "a.b"),
        ("escape", ""),
        ("text", ""),
        ("partial", "intro@3"),
    ]


def test_a_dotted_name_takes_the_full_name_first_then_nested_objects_and_never_attributes():
    assert render("{{user.name}}", {"user.name": "flat", "user": {"name": "nested"}}).text == "flat"
    assert render("{{user.name}}", {"user": {"name": "nested"}}).text == "nested"
    assert render("{{user.__class__}}", {"user": {"name": "x"}}).missing == ("user.__class__",)
    assert render("{{user.real}}", {"user": 3}).missing == ("user.real",)


def test_values_of_every_json_type_are_written():
    context = {"a": ["é", 1, None], "b": {"k": 1.5}, "c": True, "d": 0, "e": "as {it} is"}

    assert render("{{a}} {{b}} {{c}} {{d}} {{e}}", context).text == '["é",1,null] {"k":1.5} true 0 as {it} is'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}, pytest.param(10**5000, id="long")])
def test_what_json_cannot_say_is_no_value(value):
    assert render("{{a}}", {"a": value}).missing == ("a",)
    assert render_prompt("", "{{a}}", [], {"a": value}).errors[0]["field"] == "a"


def test_a_value_that_contains_itself_is_no_value():
    endless: list[object] = []
    endless.append(endless)

    assert render("{{a}}", {"a": endless}).missing == ("a",)


def test_a_prompt_too_large_for_any_model_is_refused_instead_of_built():
    prompt = render_prompt("", "{{a}}" * 20_000, [], {"a": "x" * 1000})

    assert prompt.body == ""
    assert prompt.errors[0]["field"] == "context"
    assert not prompt.complete
    assert render("{{a}}{{b}}" * 20_000, {"a": "x" * 1000}).too_large


def test_100_000_opening_braces_are_one_text():
    assert [token.kind for token in parse("{{" * 100_000)] == ["text"]
    assert variables("{{a" * 100_000) == ()
    assert literal_braces("{{" * 100_000) == ("{{",)
    assert literal_braces("{{a" * 100_000) == ("{{a",)
    assert literal_braces("{{" + "x" * 100_000) == ("{{" + "x" * 60,)
    assert len(literal_braces("".join(f"{{{{{number}" for number in range(100_000)))) == 100_000
    assert len(parse(r"\{{" * 100_000)) == 100_000
    assert len(segments(r"x\{{" * 100_000, {})) == 1


def test_no_part_of_the_grammar_can_backtrack():
    """Every repeat is possessive or takes at most one character, so no start position is read more than once."""

    def repeats(pattern):
        for opcode, argument in pattern:
            if opcode in {_constants.MAX_REPEAT, _constants.MIN_REPEAT}:
                yield argument[1]
            if isinstance(argument, tuple | list):
                for part in argument:
                    if isinstance(part, _parser.SubPattern):
                        yield from repeats(part)
                    elif isinstance(part, list):
                        for branch in part:
                            yield from repeats(branch)

    def greedy(compiled: re.Pattern[str]) -> list[int]:
        return [most for most in repeats(_parser.parse(compiled.pattern)) if most > 1]

    assert greedy(re.compile("a+(b*|c{2,9})")) == [_constants.MAXREPEAT, _constants.MAXREPEAT, 9]
    assert greedy(grammar._TOKEN) == []
    assert greedy(grammar._BRACES) == []


def test_the_editor_is_told_what_is_not_a_variable():
    text = r"{{ name }} {{name}} {{7*7}} {{ name }} {{> intro}} \{{x}} {single} {% x %} {{}}"

    assert literal_braces(text) == ("{{ name }}", "{{7*7}}", "{{}}")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Hi {{customer}, thanks", "{{customer}"),
        ("Hi {{customer} and {{ name", "{{customer} {{ name"),
        ("Hi {{unclosed and more", "{{unclosed"),
        ("Hi {{unclosed\n}} later", "{{unclosed"),
        ("{{a {{name}} b}}", "{{a"),
        ("last {{", "{{"),
        ("{{{name}}} {single} }} \\{{escaped", ""),
    ],
)
def test_the_editor_is_told_of_braces_that_are_not_closed(text, named):
    assert " ".join(literal_braces(text)) == named


def test_hostile_characters_come_out_as_characters_that_can_be_stored():
    assert render("\ud800\x00{{a}}\u202e", {"a": "\udfff\x00"}).text == "\ufffd\ufffd\ufffd\ufffd\u202e"
    assert render("{{a}}", {"a": "\ud83c\udf89"}).text == "🎉"


# prompts with declared variables


def variable(name="a", type="text", **more):
    return {"name": name, "type": type, **more}


def test_system_body_and_example_turns_are_filled_from_one_context():
    prompt = render_prompt(
        "You are {{who}}.",
        "Say {{what}}.",
        [],
        {"who": "terse", "what": "hello"},
        messages=[{"role": "user", "content": "{{what}}?"}, {"role": "assistant", "content": "I am {{who}}"}],
    )

    assert (prompt.system, prompt.body) == ("You are terse.", "Say hello.")
    assert prompt.messages == ({"role": "user", "content": "hello?"}, {"role": "assistant", "content": "I am terse"})
    assert prompt.values == {"who": "terse", "what": "hello"}
    assert prompt.complete


def test_missing_and_unknown_names_are_listed():
    prompt = render_prompt("{{a}}", "{{b}} {{c.d}}", [variable("e")], {"b": 1, "c": {"d": 2}, "e": 3, "f": 4, "g": 5})

    assert prompt.missing == ("a",)
    assert prompt.unknown == ("f", "g")
    assert not prompt.complete
    assert prompt.system == "{{a}}"


@pytest.mark.parametrize("absent", [{}, {"a": None}, {"a": ""}])
def test_the_default_stands_in_for_an_absent_or_blank_value(absent):
    assert render_prompt("", "{{a}}", [variable(default="d")], absent).body == "d"
    assert render_prompt("", "{{a}}", [variable(type="boolean", default=False)], absent).body == "false"
    assert render_prompt("", "<{{a}}>", [variable(type="number", required=False)], absent).body == "<>"
    assert render_prompt("", "{{a}}", [variable(default="")], absent).missing == ("a",)
    assert render_prompt("", "{{a}}", [variable(required=True)], absent).missing == ("a",)


def test_a_variable_that_nobody_declared_may_be_blank():
    assert render_prompt("", "<{{a}}>", [], {"a": ""}).body == "<>"
    assert render_prompt("", "<{{a}}>", [], {"a": None}).missing == ("a",)


@pytest.mark.parametrize(
    ("type", "value", "text"),
    [
        ("text", "as it is ", "as it is "),
        ("text", 3, "3"),
        ("text", ["a"], '["a"]'),
        ("long_text", "two\nlines", "two\nlines"),
        ("number", 3, "3"),
        ("number", -2.5, "-2.5"),
        ("number", " 3.50 ", "3.50"),
        ("number", "1e3", "1e3"),
        ("boolean", True, "true"),
        ("boolean", "False", "false"),
        ("choice", "red", "red"),
        ("json", {"k": [1, "é"]}, '{"k":[1,"é"]}'),
        ("json", ' { "k" : [ 1.10, "a b\\" c" ] }\n', '{"k":[1.10,"a b\\" c"]}'),
        ("json", "12345678901234567890123456789", "12345678901234567890123456789"),
        ("json", False, "false"),
        ("strange", "x", "x"),
    ],
)
def test_each_type_is_written_its_own_way(type, value, text):
    prompt = render_prompt("", "{{a}}", [variable(type=type, choices=["red", "blue"])], {"a": value})

    assert prompt.errors == ()
    assert prompt.body == text


@pytest.mark.parametrize(
    ("type", "value", "message"),
    [
        ("number", "three", "not a number"),
        ("number", True, "not a number"),
        ("number", "1,5", "not a number"),
        ("number", "NaN", "not a number"),
        ("number", "٣", "not a number"),
        ("number", [1], "not a number"),
        ("number", float("inf"), "cannot be written"),
        ("boolean", 1, "neither true nor false"),
        ("boolean", "yes", "neither true nor false"),
        ("choice", "green", "Choose one of: red, blue."),
        ("choice", {"red": 1}, "Choose one of"),
        ("json", "{", "line 1, column 2"),
        ("json", "{'a': 1}", "This is not JSON"),
        ("json", "[NaN]", "JSON has no NaN"),
        ("json", "[-Infinity]", "JSON has no -Infinity"),
        ("json", "[" * 100_000, "nested too deeply"),
    ],
)
def test_a_value_of_the_wrong_type_is_an_error_of_its_field(type, value, message):
    prompt = render_prompt("", "{{a}}", [variable(type=type, choices=["red", "blue"])], {"a": value})

    assert [error["field"] for error in prompt.errors] == ["a"]
    assert message in prompt.errors[0]["message"]
    assert prompt.body == "{{a}}"
    assert prompt.missing == ()
    assert not prompt.complete


def test_a_choice_without_choices_takes_any_text_and_many_choices_are_not_all_listed():
    assert render_prompt("", "{{a}}", [variable(type="choice")], {"a": "x"}).body == "x"

    many = variable(type="choice", choices=list(range(30)))
    assert render_prompt("", "{{a}}", [many], {"a": 7}).body == "7"
    assert "19, …" in render_prompt("", "{{a}}", [many], {"a": "x"}).errors[0]["message"]


def test_an_include_that_cannot_be_stays_in_the_text_and_is_reported_where_it_stands():
    prompt = render_prompt(
        "{{> tone}}", "{{> intro@3}} {{> tone}} {{> tone}}", [], {}, messages=[{"role": "user", "content": "{{> a}}"}]
    )

    assert prompt.body == "{{> intro@3}} {{> tone}} {{> tone}}"
    assert [(one["field"], one["message"]) for one in prompt.unresolved] == [
        ("system", "There is no prompt template called tone in this workspace."),
        ("body", "There is no prompt template called intro in this workspace."),
        ("body", "There is no prompt template called tone in this workspace."),
        ("messages.1", "There is no prompt template called a in this workspace."),
    ]
    assert not prompt.complete


@given(JSON_VALUES)
def test_what_is_written_for_a_json_variable_reads_back_as_the_value(value):
    prompt = render_prompt("", "{{a}}", [variable(type="json")], {"a": value})

    if prompt.values and not isinstance(value, str):
        assert json.loads(prompt.values["a"]) == value


# tokens


def test_the_estimate_grows_with_the_text_and_knows_scripts():
    assert estimate_tokens("") == 0
    assert estimate_tokens(" ") == 1
    assert estimate_tokens("Write a reply of at most 200 words.") == 10
    assert estimate_tokens("人工智能") == 4
    assert estimate_tokens("🎉🎉") == 2
    assert estimate_tokens("привет") == 2
    assert estimate_tokens("1234567") == 3


@given(st.text())
def test_the_estimate_is_never_negative_and_never_more_than_a_token_a_character(text):
    assert 0 <= estimate_tokens(text) <= len(text)
    assert bool(estimate_tokens(text)) == bool(text)


def test_all_parts_together_have_room_for_one_large_prompt_only():
    large = "{{a}}" * 6_000
    prompt = render_prompt(large, large, [], {"a": "x" * 1000})

    assert (len(prompt.system), prompt.body) == (6_000_000, "")
    assert "longer than 10,000,000" in prompt.errors[0]["message"]
    assert render_prompt(large, "", [], {"a": "x" * 1000}).complete
