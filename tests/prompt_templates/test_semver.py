"""The laws of semantic versions: what is proposed is always higher, and says how much callers have to care."""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiapp.prompt_templates.semver import FIRST, propose, read
from aiapp.prompt_templates.versioning import empty

NAMES = st.sampled_from(["name", "language", "message", "tone"])
NUMBERS = st.integers(0, 999_999)
SEMVERS = st.builds("{}.{}.{}".format, NUMBERS, NUMBERS, NUMBERS)


def variable(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "text", "required": True, "default": None, "description": "", "sample": None, **more}


VARIABLES = st.lists(
    st.builds(
        variable,
        NAMES,
        required=st.booleans(),
        default=st.none() | st.just("x"),
        type=st.sampled_from(["text", "number"]),
        description=st.sampled_from(["", "A word"]),
        sample=st.none() | st.just("y"),
    ),
    unique_by=lambda spec: spec["name"],
    max_size=4,
)
CONTENTS = st.builds(
    lambda **fields: {**empty(), **fields},
    system=st.sampled_from(["", "Be kind."]),
    body=st.sampled_from(["Hi", "Hello"]),
    variables=VARIABLES,
    output_format=st.sampled_from(["text", "json"]),
    json_schema=st.none() | st.just({"type": "object"}),
    model=st.none() | st.just("gpt-4o"),
    temperature=st.none() | st.just(0.5),
)


@given(CONTENTS, CONTENTS, SEMVERS)
def test_a_proposal_is_greater_than_the_last_one_and_gives_a_reason(
    before: dict[str, Any], after: dict[str, Any], last: str
) -> None:
    found = propose(before, after, last)
    assert read(found.semver) > read(last)
    assert found.reasons


@given(CONTENTS, CONTENTS, SEMVERS)
def test_the_level_is_the_number_that_goes_up_and_what_follows_is_zero(
    before: dict[str, Any], after: dict[str, Any], last: str
) -> None:
    found, old = propose(before, after, last), read(last)
    new = read(found.semver)
    at = ("major", "minor", "patch").index(found.level)
    assert new[:at] == old[:at]
    assert new[at] == old[at] + 1
    assert new[at + 1 :] == (0,) * (2 - at)


@given(CONTENTS, SEMVERS)
def test_nothing_changed_is_a_patch(content: dict[str, Any], last: str) -> None:
    assert propose(content, deepcopy(content), last).level == "patch"


@given(CONTENTS, CONTENTS, SEMVERS)
def test_major_is_exactly_what_breaks_a_caller(before: dict[str, Any], after: dict[str, Any], last: str) -> None:
    def demanded(content: dict[str, Any]) -> set[str]:
        return {one["name"] for one in content["variables"] if one["required"] and one["default"] is None}

    gone = demanded(before) - {one["name"] for one in after["variables"]}
    same_answer = (before["output_format"], before["json_schema"]) == (after["output_format"], after["json_schema"])
    breaks = bool(demanded(after) - demanded(before)) or bool(gone) or not same_answer
    assert (propose(before, after, last).level == "major") is breaks


@given(CONTENTS, SEMVERS, st.sampled_from(["description", "sample"]))
def test_the_wording_of_a_variable_is_a_patch(content: dict[str, Any], last: str, field: str) -> None:
    after = deepcopy(content)
    for spec in after["variables"]:
        spec[field] = "Something else"
    assert propose(content, after, last).level == "patch"


@given(CONTENTS | st.none(), CONTENTS)
def test_the_first_one_is_1_0_0(before: dict[str, Any] | None, after: dict[str, Any]) -> None:
    assert propose(before, after, None).semver == FIRST


@given(CONTENTS, SEMVERS)
def test_to_publish_again_where_nothing_is_published_is_major(after: dict[str, Any], last: str) -> None:
    assert propose(None, after, last).level == "major"


@pytest.mark.parametrize(
    ("change", "level", "reason"),
    [
        ({"body": "Hello"}, "minor", "the text changed"),
        ({"temperature": 0.4}, "minor", "temperature changed"),
        ({"variables": [variable("name", default="Ada")]}, "minor", "the optional variable name was added"),
        ({"variables": [variable("name", required=False)]}, "minor", "the optional variable name was added"),
        ({"variables": [variable("name")]}, "major", "the required variable name was added"),
        ({"output_format": "json"}, "major", "the output format changed from text to json"),
        ({"json_schema": {"type": "object"}}, "major", "the JSON schema changed"),
    ],
)
def test_each_kind_of_change_has_its_level_and_reason(change: dict[str, Any], level: str, reason: str) -> None:
    found = propose(empty(), {**empty(), **change}, "2.1.3")
    assert (found.level, found.reasons) == (level, (reason,))


def test_a_variable_that_becomes_optional_breaks_nobody() -> None:
    before = {**empty(), "variables": [variable("name")]}
    assert propose(before, {**empty(), "variables": [variable("name", required=False)]}, "1.0.0").semver == "1.1.0"


@pytest.mark.parametrize(
    "text", ["", "1", "1.2", "1.2.3.4", "v1.2.3", "01.2.3", "1.2.-3", "1.2.3-rc1", "١.٢.٣", "1.2.3\n", "9" * 40]
)
def test_what_is_no_semantic_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="three numbers"):
        read(text)


@given(SEMVERS)
def test_a_semantic_version_is_read_as_its_numbers(text: str) -> None:
    assert ".".join(map(str, read(text))) == text


@given(st.text(max_size=40))
def test_reading_never_fails_otherwise(text: str) -> None:
    with suppress(ValueError):
        assert len(read(text)) == 3
