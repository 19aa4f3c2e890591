"""Includes are put in before values, piece by piece; nothing runs away, whatever the library holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_rendering import CONTEXTS, INJECTIONS, TEXTS

from aiapp.prompt_templates.text import grammar, including, rendering, values
from aiapp.prompt_templates.text.including import Library, Source, expand
from aiapp.prompt_templates.text.rendering import render_prompt

NAMES = ("s", "s@2", "t")
SOURCES = st.dictionaries(
    st.sampled_from(NAMES),
    st.builds(Source, TEXTS | st.sampled_from(["{{> t}}", "{{> s}}x", "{{a}}{{> s@2}}"]), st.just(()))
    | st.just("It cannot be."),
)


def joined(tokens):
    return "".join(token.source for token in tokens)


def body(text, library, context=None, specs=()):
    return render_prompt("", text, list(specs), context or {}, library=Library(library))


@given(TEXTS)
def test_a_text_without_includes_is_what_it_was(text):
    if not grammar.includes(text):
        assert joined(expand([text], including.NOTHING).parts[0]) == text


@given(st.lists(TEXTS, max_size=3), SOURCES, CONTEXTS, st.sampled_from(["", "s", "root"]))
def test_every_text_with_every_library_renders_or_says_why_not(texts, sources, context, root):
    library = Library(sources, root)
    expansion = expand(texts, library)

    left = {token.source for part in expansion.parts for token in part if token.kind == "partial"}
    assert left == {problem.source for problem in expansion.problems}
    assert len(expansion.parts) == len(texts)
    for text in texts:
        prompt = render_prompt("", text, [], context, library=library)
        assert bool(prompt.unresolved) == any(token.kind == "partial" for token in expand([text], library).parts[0])
        prompt.body.encode()


@given(TEXTS, SOURCES, CONTEXTS)
def test_rendering_with_includes_is_one_pass_over_the_expanded_tokens(text, sources, context):
    library = Library(sources)
    prompt = render_prompt("", text, [], context, library=library)
    if prompt.errors:
        return
    expected = "".join(
        prompt.values.get(token.name, token.source)
        if token.kind == "variable"
        else "{{"
        if token.kind == "escape"
        else token.source
        for token in expand([text], library).parts[0]
    )

    assert prompt.body == rendering.storable(expected)


@given(st.text(alphabet="{}> s@2\\", max_size=12))
def test_a_value_includes_nothing(value):
    prompt = body("<{{a}}>", {"s": Source("INCLUDED"), "s@2": Source("INCLUDED")}, {"a": value})

    assert prompt.body == f"<{value}>"


@pytest.mark.parametrize("value", ["{{> s}}", "{{> s@2}}", r"\{{> s}}", "{{{{> s}}}}", "{{>s}}"])
def test_values_that_look_like_includes_stay_as_they_are_also_within_what_is_included(value):
    prompt = body("{{a}}|{{> t}}", {"s": Source("INCLUDED"), "t": Source("[{{a}}]")}, {"a": value})

    assert prompt.body == f"{value}|[{value}]"
    assert prompt.complete


@pytest.mark.parametrize("injection", INJECTIONS)
def test_what_other_template_languages_execute_is_text_in_what_is_included_too(injection):
    prompt = body("{{> t}}", {"t": Source(injection)}, {"name": "VALUE", "x": 1})

    assert prompt.body == injection.replace("\x00", "\ufffd")


def test_braces_at_the_edge_of_what_is_included_join_nothing():
    library = {"s": Source("{{na"), "t": Source("{name}}")}

    assert (
        body("{{> s}}me}} {{{> t}} {{> s}}{{> t}}", library, {"name": "VALUE"}).body == "{{name}} {{name}} {{na{name}}"
    )


def test_an_escaped_include_is_text():
    assert body(r"\{{> s}} {{> s}}", {"s": Source(r"\{{x}}")}).body == "{{> s}} {{x}}"


def test_includes_are_put_in_recursively_and_their_variables_are_filled():
    library = {"s": Source("Dear {{name}}, {{> t}}"), "t": Source("write in {{tone}}.")}
    prompt = body("{{> s}} {{name}}", library, {"name": "Ada", "tone": "prose"})

    assert prompt.body == "Dear Ada, write in prose. Ada"
    assert prompt.unknown == ()
    assert body("{{> s}}", library, {"name": "Ada"}).missing == ("tone",)


@pytest.mark.parametrize(
    ("text", "sources", "root", "message"),
    [
        ("{{> a}}", {"a": Source("")}, "a", "This would include itself for ever: a → a."),
        ("{{> b}}", {"b": Source("{{> a}}")}, "a", "This would include itself for ever: a → b → a."),
        (
            "{{> b}}",
            {"b": Source("{{> b@2}}"), "b@2": Source("")},
            "a",
            "This would include itself for ever: a → b → b.",
        ),
        (
            "{{> b}}",
            {"b": Source("{{> c}}"), "c": Source("{{> b}}")},
            "",
            "This would include itself for ever: b → c → b.",
        ),
        ("{{> no}}", {}, "a", "There is no prompt template called no in this workspace."),
        (
            "{{> b}}",
            {"b": Source("{{> no}}")},
            "a",
            "There is no prompt template called no in this workspace. (a → b → no)",
        ),
        ("{{> b}}", {"b": "It has no published version."}, "a", "It has no published version."),
    ],
)
def test_what_cannot_be_included_is_said_with_the_way_to_it(text, sources, root, message):
    problems = expand([text], Library(sources, root)).problems

    assert [problem.message for problem in problems] == [message]


def test_includes_beside_each_other_are_no_cycle():
    assert body("{{> s}}{{> s}}{{> t}}", {"s": Source("1"), "t": Source("{{> s}}2")}).body == "1112"


def test_nesting_is_bounded():
    library = {f"s{number}": Source(f"{{{{> s{number + 1}}}}}") for number in range(20)}
    problems = expand(["{{> s0}}"], Library(library, "root")).problems

    assert len(problems) == 1
    assert problems[0].message.startswith("Includes are nested more than 8 deep: root → s0 → s1")


def test_includes_that_multiply_are_bounded():
    """Ten includes of ten includes of … would be 10⁸ texts."""
    library = {f"s{number}": Source(f"{{{{> s{number + 1}}}}}" * 10) for number in range(7)} | {"s7": Source("x")}
    expansion = expand(["{{> s0}}"], Library(library))

    assert {problem.message for problem in expansion.problems} == {
        "The includes are too many or too long: at most 1,000, and 1,000,000 characters."
    }
    assert sum(map(len, expansion.parts)) < 10_000


def test_the_length_of_what_is_included_is_bounded():
    expansion = expand(["{{> s}}" * 100], Library({"s": Source("x" * 100_000)}))

    assert len(joined(expansion.parts[0])) < 1_100_000
    assert expansion.problems


# what is declared of variables


def spec(name="tone", **more):
    return {**values.blank(name), **more}


def test_a_declaration_is_inherited_until_one_is_written():
    included = {"s": Source("{{tone}}", [spec(type="choice", choices=["warm", "dry"], default="dry", sample="warm")])}
    expansion = expand(["{{> s}} {{tone}}"], Library(included))

    assert expansion.specs([]) == [included["s"].variables[0]]
    assert expansion.specs([spec()]) == [included["s"].variables[0]]
    assert expansion.specs([spec(sample="dry")]) == [{**included["s"].variables[0], "sample": "dry"}]
    assert expansion.specs([spec(type="number")]) == [spec(type="number")]
    assert body("{{> s}}", included).body == "dry"
    assert body("{{> s}}", included, {"tone": "loud"}).errors[0]["field"] == "tone"


def test_the_outermost_declaration_that_says_something_counts():
    library = {
        "s": Source("{{tone}} {{> t}}", [spec(), spec("words", default=3, type="number")]),
        "t": Source("{{tone}} {{words}}", [spec(default="warm"), spec("words", default=9, type="number")]),
    }

    assert body("{{> s}}", library).body == "warm warm 3"


def test_the_variables_of_all_parts_are_listed_in_order():
    expansion = expand(["{{a}}{{> s}}", "{{b}}"], Library({"s": Source("{{c}}{{a}}")}))

    assert expansion.names == ("a", "c", "b")
    assert [one["name"] for one in expansion.specs([spec("gone")])] == ["a", "c", "b"]
