"""Which JSON schemas a provider of the strict kind is given, and how."""

import jsonschema
import pytest
from anthropic.lib._parse._transform import transform_schema  # what the provider's own client makes of a schema
from hypothesis import given
from hypothesis import strategies as st

from aiapp.providers.plain_schema import plain

NAME = {"type": "string", "description": "in full"}
PERSON = {"type": "object", "properties": {"name": NAME}, "required": ["name"]}
CLOSED = {**PERSON, "additionalProperties": False}

LEAVES = st.sampled_from(
    [
        NAME,
        {"type": "integer"},
        {"type": ["number", "null"]},
        {"enum": ["a", "b"]},
        {"const": 1},
        {"type": "string", "format": "uuid"},
    ]
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"type": st.just("array"), "items": inner}),
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries(
            {
                "type": st.just("object"),
                "properties": st.dictionaries(st.sampled_from("abc"), inner, min_size=1),
                "additionalProperties": st.just(False),
            }
        ),
    ),
    max_leaves=8,
)


def test_an_open_object_is_closed_wherever_it_stands():
    schema = {"type": "object", "properties": {"all": {"type": "array", "items": PERSON}}}
    assert plain(schema) == {
        "type": "object",
        "properties": {"all": {"type": "array", "items": CLOSED}},
        "additionalProperties": False,
    }
    assert "additionalProperties" not in PERSON, "what was given stays as it was"


@given(SCHEMAS)
def test_a_plain_schema_is_handed_on_as_it_is_and_as_the_providers_own_client_does(schema):
    assert plain(schema) == schema
    if not any(isinstance(kind, list) for kind in _types(schema)):  # the client takes one type only
        assert transform_schema(schema) == schema


def _types(schema):
    if isinstance(schema, dict):
        yield schema.get("type")
        for value in schema.values():
            yield from _types(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _types(value)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {"type": "object", "properties": {}},
        {**PERSON, "additionalProperties": True},
        {**PERSON, "additionalProperties": NAME},
        {"type": "integer", "minimum": 1},
        {"type": "string", "maxLength": 5},
        {"type": "string", "pattern": "^a"},
        {"type": "string", "format": "regex"},
        {"type": "array", "items": NAME, "minItems": 2},
        {"type": "array", "items": [NAME]},
        {"$ref": "#/$defs/a", "$defs": {"a": NAME}},
        {"oneOf": [NAME, {"type": "null"}]},
        {"anyOf": "string"},
        {"type": "array", "items": True},
        {"type": "object", "properties": {"a": {"type": "object"}}},
        {"type": "object", "properties": "a"},
    ],
    ids=repr,
)
def test_what_the_provider_might_refuse_is_not_sent(schema):
    assert plain(schema) is None


def test_a_schema_without_an_end_is_not_walked_for_ever():
    endless: dict = {"type": "array"}
    endless["items"] = endless
    assert plain(endless) is None


def test_what_fits_the_closed_schema_fits_the_open_one():
    for value in ({"name": "Ada"}, {"name": "Ada", "age": 36}, {}):
        if jsonschema.Draft202012Validator(plain(PERSON)).is_valid(value):
            jsonschema.validate(value, PERSON)
