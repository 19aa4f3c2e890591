"""Every schema and value has a verdict, in bounded work and without a network."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from aiapp.executions.outputs import schema_keywords
from aiapp.executions.outputs.json_schema import MAX_MESSAGE, MAX_PROBLEMS, Verdict, check, schema_problem

TOO_LONG = Verdict(None, ("The answer could not be compared with its JSON schema: that takes too long.",))


def doubling(keyword, depth=40):
    """A few lines that ask for 2 ** depth comparisons."""
    links = {f"d{n}": {keyword: [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(depth)}
    return {"$ref": "#/$defs/d0", "$defs": {**links, f"d{depth}": {"type": "string"}}}


@pytest.mark.parametrize(
    ("value", "schema", "valid"),
    [
        (1, {"const": 1.0}, True),
        (True, {"const": 1}, False),
        ([1, {"a": None}], {"const": [1.0, {"a": None}]}, True),
        ("1", {"enum": [1, None, "1"]}, True),
        (None, {"enum": ["None"]}, False),
        ("list", {"enum": [["list"], "list"]}, True),
        ([1, "1", True, [1], {"a": 1}, None], {"uniqueItems": True}, True),
        ([{"a": 1, "b": 2}, {"b": 2.0, "a": 1}], {"uniqueItems": True}, False),
        ([1, 1], {"uniqueItems": False}, True),
        ("ab", {"pattern": "^a"}, True),
        ("ba", {"pattern": "^a"}, False),
        ("cab", {"pattern": "a"}, True),
        (5, {"pattern": "^a"}, True),
        ("é1", {"pattern": r"^\p{L}\d$"}, True),
        ({"x_1": 1, "y": 1}, {"patternProperties": {"^x_": {"type": "string"}}}, False),
        ({"x_1": "1"}, {"patternProperties": {"^x_": {"type": "string"}}, "additionalProperties": False}, True),
        ({"y": 1}, {"patternProperties": {"^x_": {}}, "additionalProperties": False}, False),
        ({"y": 1}, {"properties": {"y": {}}, "additionalProperties": False}, True),
        ({"y": 1}, {"additionalProperties": {"type": "string"}}, False),
        (3, {"additionalProperties": False, "patternProperties": {"a": False}}, True),
        ("no-date", {"format": "date"}, True),
        (1, True, True),
        (1, False, False),
        (
            {"a": [1]},
            {"$ref": "#/$defs/t", "$defs": {"t": {"properties": {"a": {"items": {"type": "string"}}}}}},
            False,
        ),
        ({"a": {"a": {}}}, {"properties": {"a": {"$ref": "#"}}, "additionalProperties": False}, True),
        ([1, "x"], {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "integer"}]}, True),
        (["x"], {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "integer"}]}, False),
        ({"a": 1}, {"$schema": "https://json-schema.org/draft/2020-12/schema", "required": ["b"]}, False),
        ({"a": 1}, {"$schema": "https://example.test/unknown", "required": ["a"]}, True),
    ],
)
def test_values_are_compared_as_json_schema_says(value, schema, valid):
    verdict = check(value, schema)

    assert verdict.valid is valid
    assert bool(verdict.problems) is not valid


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"type": "strange"}, "not a JSON schema: type: 'strange'"),
        ({"properties": []}, "not a JSON schema: properties"),
        ([], "no object"),
        (None, "no object"),
        ({"$schema": 5}, "not a JSON schema"),
        ({"$schema": "http://json-schema.org/draft-04/schema#", "enum": [*range(2_000)]}, "at most 500 values"),
        ({"a": float("nan")}, "is not JSON"),
        ({"a": {1, 2}}, "is not JSON"),
        ({"enum": ["x" * 110_000]}, "larger than 102,400 characters"),
    ],
)
def test_a_broken_schema_is_explained_to_who_writes_it_and_decides_nothing(schema, problem):
    assert problem in schema_problem(schema)
    assert check({}, schema) == Verdict(None, (schema_problem(schema),))


def test_a_schema_nested_too_deeply_is_explained():
    deep: dict[str, object] = {}
    for _ in range(20_000):
        deep = {"not": deep}
    shallower: dict[str, object] = {}
    for _ in range(500):
        shallower = {"not": shallower}

    assert "nested too deeply" in schema_problem(deep)
    assert "nested too deeply" in schema_problem(shallower)
    assert schema_problem({"type": "object"}) is None


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"$ref": "#/$defs/none"}, "refers to '/$defs/none', which is not in it"),
        ({"$ref": "#anchor"}, "which is not in it"),
        ({"$dynamicRef": "#anchor"}, "which is not in it"),
        ({"$id": "http://[bad", "$ref": "x"}, "cannot be applied"),
        ({"multipleOf": 0.1}, "cannot be applied"),
    ],
)
def test_a_schema_that_makes_no_sense_decides_nothing(schema, problem):
    verdict = check(10**400, schema)

    assert verdict.valid is None
    assert problem in verdict.problems[0]


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "http://127.0.0.1:9/schema"},
        {"$id": "http://127.0.0.1:9/a", "$ref": "b"},
        {"$schema": "http://127.0.0.1:9/schema", "$ref": "http://127.0.0.1:9/schema"},
        {"$ref": "file:///etc/passwd"},
    ],
)
def test_nothing_is_fetched(schema, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a schema opened a connection")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr("builtins.open", refuse)

    verdict = check({}, schema)
    assert verdict.valid is None
    assert "which is not in it" in verdict.problems[0]


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        ("x", doubling("allOf")),
        (["x" * 100] * 500, doubling("anyOf")),
        ({}, {"$ref": "#"}),
        ([["y"] * 90] * 3000, {"items": {"enum": [["y"] * (90 - n) for n in range(50)]}}),
        ({str(n): n for n in range(20_000)}, {"patternProperties": {f"^{n}(a+)+$": {} for n in range(15)}}),
        ([{"a": "x"}] * 400, {"items": {"$ref": "#here"}, "$defs": {"h": {"$anchor": "here", "type": "object"}}}),
    ],
    ids=["allOf", "anyOf", "self", "enum", "patterns", "anchors"],
)
def test_work_without_end_is_given_up(value, schema):
    assert check(value, schema) == TOO_LONG


def test_a_schema_that_refers_to_itself_on_the_way_down_ends_with_the_value():
    node = {"type": "object", "properties": {"next": {"$ref": "#"}}}
    value: dict[str, object] = {}
    for _ in range(60):
        value = {"next": value}

    assert check(value, node) == Verdict(True)
    for _ in range(3000):
        value = {"next": value}
    assert check(value, node).valid is None


def test_the_schemas_of_json_schema_itself_are_there_and_cost_what_others_cost():
    itself = {"$ref": "https://json-schema.org/draft/2020-12/schema"}

    assert check({"type": "object"}, itself).valid is True
    assert check({"type": "strange"}, itself).valid is False
    assert check({"$defs": {str(n): {"type": "object"} for n in range(300)}}, {"allOf": [itself] * 50}) == TOO_LONG


@pytest.mark.parametrize("keyword", ["pattern", "patternProperties", "additionalProperties"])
@pytest.mark.parametrize("nested", [{}, {"$schema": "http://json-schema.org/draft-07/schema#"}])
def test_no_pattern_backtracks_whatever_draft_a_part_of_the_schema_names(keyword, nested):
    """Python's own engine would need 2 ** 40 steps for this pattern and text."""
    evil, text = "^(a|a)*$", "a" * 40 + "!"
    part = {
        "pattern": {"pattern": evil},
        "patternProperties": {"patternProperties": {evil: False}},
        "additionalProperties": {"patternProperties": {evil: {}}, "additionalProperties": True},
    }[keyword]
    value = text if keyword == "pattern" else {text: 1}

    assert check([value], {"items": {**nested, **part}}).valid is (keyword != "pattern")


def test_a_pattern_that_cannot_be_checked_is_noted_and_not_held_against_the_value():
    for pattern in ["(?=a)b", r"(a)\1", "a" * 501, "(\\w{100}){100}"]:
        verdict = check("x", {"pattern": pattern})
        assert verdict.valid is None
        assert "could not be checked" in verdict.problems[0]

    mixed = check({"a": "x", "b": 1}, {"properties": {"a": {"pattern": "(?=a)"}, "b": {"type": "string"}}})
    assert mixed == Verdict(False, ("$.b: 1 is not of type 'string'", "The pattern '(?=a)' could not be checked."))


def test_only_so_many_patterns_are_compiled():
    schema = {"allOf": [{"pattern": f"^x(a{{{n}}})?"} for n in range(schema_keywords.MAX_PATTERNS + 5)]}

    assert len(check("x", schema).problems) == 5


def test_the_list_of_problems_and_each_of_them_are_bounded():
    verdict = check(["x" * 1000] * 1000, {"items": {"type": "integer"}})

    assert (verdict.valid, len(verdict.problems), verdict.problems[-1]) == (False, MAX_PROBLEMS + 1, "… and more.")
    assert max(map(len, verdict.problems)) == MAX_MESSAGE


KEYWORDS = [
    "type",
    "enum",
    "const",
    "items",
    "prefixItems",
    "contains",
    "minContains",
    "required",
    "properties",
    "not",
    "anyOf",
]
KEYWORDS += [
    "allOf",
    "oneOf",
    "if",
    "then",
    "else",
    "pattern",
    "minLength",
    "maximum",
    "multipleOf",
    "uniqueItems",
    "$ref",
    "$id",
]
KEYWORDS += [
    "$anchor",
    "$dynamicRef",
    "$dynamicAnchor",
    "$defs",
    "dependentSchemas",
    "dependentRequired",
    "propertyNames",
]
KEYWORDS += [
    "additionalProperties",
    "patternProperties",
    "unevaluatedItems",
    "unevaluatedProperties",
    "$schema",
    "format",
]
DRAFTS = ["http://json-schema.org/draft-07/schema#", "http://json-schema.org/draft-04/schema#"]
DRAFTS += ["https://json-schema.org/draft/2019-09/schema"]
WORDS = st.sampled_from(
    [
        "object",
        "array",
        "string",
        "null",
        "a",
        "b",
        "#",
        "#/$defs/a",
        "#a",
        "x",
        "http://[x",
        "(",
        "^a",
        "date",
        "",
        *DRAFTS,
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**30) | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
    max_leaves=8,
)
SCHEMAS = st.recursive(
    st.booleans() | st.dictionaries(st.sampled_from(KEYWORDS), VALUES, max_size=3),
    lambda inner: st.dictionaries(
        st.sampled_from(KEYWORDS),
        inner | st.lists(inner, min_size=1, max_size=3) | st.dictionaries(WORDS, inner, max_size=2) | VALUES,
        max_size=4,
    ),
    max_leaves=8,
)


@settings(max_examples=150)
@given(VALUES, SCHEMAS)
def test_every_schema_and_value_has_a_verdict(value, schema):
    verdict = check(value, schema)

    assert (verdict.valid is True) == (not verdict.problems)


SIMPLE = ["type", "enum", "const", "required", "minLength", "maximum", "uniqueItems", "minItems"]


@settings(max_examples=100)
@given(VALUES, st.dictionaries(st.sampled_from(SIMPLE), VALUES, max_size=3))
def test_the_verdict_is_that_of_the_library_where_nothing_is_in_the_way(value, schema):
    if schema_problem(schema) is None:
        assert check(value, schema).valid is Draft202012Validator(schema).is_valid(value)
