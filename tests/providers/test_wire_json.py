"""JSON as strangers send it: bounded, and clean enough for every database."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiapp.providers import wire_json
from aiapp.providers.types import ProviderError


def nested(levels):
    return "[" * levels + "]" * levels


@pytest.mark.parametrize("levels", [wire_json.MAX_DEPTH + 1, 990, 100_000])
@pytest.mark.parametrize("shape", [nested, lambda levels: '{"a":' * levels + "1" + "}" * levels])
def test_deep_nesting_is_a_bad_response_not_a_recursion_error(levels, shape):
    with pytest.raises(ProviderError) as caught:
        wire_json.read_value(shape(levels))
    assert caught.value.error_class == "bad_response"
    assert "levels deep" in caught.value.message


def test_nesting_up_to_the_bound_and_many_siblings_pass():
    assert wire_json.read_value(nested(wire_json.MAX_DEPTH))
    assert len(wire_json.read_value("[" + ",".join(["[{}]"] * 500) + "]")) == 500
    assert wire_json.read_value(json.dumps("[" * 500)) == "[" * 500


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"<html>", "web page"),
        (b"no", "not JSON"),
        (b'{"a":', "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        (b"1" * 5000, "not JSON"),
        (b"[1]", "not an object"),
    ],
)
def test_what_is_not_a_json_object_is_a_bad_response(raw, words):
    with pytest.raises(ProviderError) as caught:
        wire_json.read_object(raw)
    assert caught.value.error_class == "bad_response"
    assert words in caught.value.message


def test_a_byte_order_mark_blanks_and_control_characters_do_no_harm():
    assert wire_json.read_object(b'\xef\xbb\xbf\n {"a": "x\ty"} ') == {"a": "x\ty"}


def test_numbers_that_are_not_json_become_none():
    assert wire_json.read_object(b'{"a": NaN, "b": -Infinity}') == {"a": None, "b": None}


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (12, 12), (12.0, 12), (10**9, 10**9)])
def test_a_count_is_a_whole_number(value, expected):
    assert wire_json.count(value) == expected


@pytest.mark.parametrize("value", [None, True, False, -1, "12", 1.5, math.inf, math.nan, 10**9 + 1, [], {}])
def test_what_is_not_a_count_is_unknown(value):
    assert wire_json.count(value) is None


def test_storable_text_joins_pairs_and_replaces_the_rest():
    assert wire_json.storable("a\x00b") == "a\ufffdb"
    assert wire_json.storable("\ud83d\ude00") == "😀"
    assert wire_json.storable("x\ud83d!") == "x\ufffd!"
    assert wire_json.storable("grün 😀") == "grün 😀"


@given(st.text(alphabet=st.characters(codec=None)))
def test_every_text_can_be_stored_afterwards(text):
    assert "\0" not in wire_json.storable(text)
    wire_json.storable(text).encode()


def test_storable_values_are_clean_all_the_way_down():
    value = {"a\x00": ["\ud800", {"b": math.inf}], "c": 1, "d": None}
    assert wire_json.storable_value(value) == {"a\ufffd": ["\ufffd", {"b": None}], "c": 1, "d": None}


def test_a_word_is_short_and_an_empty_one_is_none():
    assert wire_json.word("w" * 999) == "w" * 200
    assert wire_json.word("") is None
    assert wire_json.word(3) is None


@given(st.binary(max_size=300))
def test_any_bytes_are_a_value_or_a_bad_response(raw):
    outcome = None
    try:
        wire_json.read_value(raw)
    except ProviderError as error:
        outcome = error.error_class
    assert outcome in (None, "bad_response")


@pytest.mark.parametrize("inner", ["[],", "{},", "9.5,", '{"a":[]},'])
def test_a_small_text_of_very_many_values_is_refused_before_it_is_built(inner):
    text = '{"a":[' + inner * 1_100_000 + "0]}"
    with pytest.raises(ProviderError) as refusal:
        wire_json.read_object(text)
    assert refusal.value.error_class == "too_large"


def test_brackets_and_commas_in_a_long_text_are_no_values():
    text = json.dumps({"text": '[{"a": 1}, ' * 500_000})
    assert len(wire_json.read_object(text)["text"]) == 5_500_000
