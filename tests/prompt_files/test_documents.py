"""Prompt templates as text: what is written is read again, whatever it says; what is not one is refused in plain words."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiapp.prompt_templates import versioning
from aiapp.prompt_templates.text import declaring, documents, front_matter

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
# Everything that the format itself is made of, and what editors and YAML like to change.
PIECES = ["\n", "\r\n", "\r", " ", "\t", "# @user", "# @system", "\\# @user", "\\", "# @", "---", "...", "# x", "a: b"]
PIECES += [
    "- a",
    "'",
    '"',
    "|",
    "é",
    "😀",
    "\ufeff",
    "\x85",
    "\u2028",
    "\x00",
    "{{name}}",
    "yes",
    "12:30",
    "007",
    "null",
]
TEXT = st.text() | st.lists(st.sampled_from(PIECES)).map("".join)
VARIABLE = st.fixed_dictionaries(
    {"name": TEXT, "type": TEXT, "required": st.booleans(), "default": JSON, "description": TEXT, "sample": JSON},
    optional={"choices": st.lists(TEXT, min_size=1)},
)
MESSAGE = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": TEXT})
TEMPLATE = st.fixed_dictionaries(
    {
        **dict.fromkeys(("name", "slug", "description", "output_format", "system", "body"), TEXT),
        **dict.fromkeys(("task", "provider", "model"), st.none() | TEXT),
        "tags": st.lists(TEXT),
        "temperature": st.none() | st.floats(0, 2),
        "max_tokens": st.none() | st.integers(),
        "variables": st.lists(VARIABLE, max_size=3),
        "json_schema": st.none() | st.dictionaries(st.text(), JSON),
        "messages": st.lists(MESSAGE, max_size=3),
    }
)

WRITTEN = """\
---
name: Ticket triage
slug: ticket-triage
description: Sorts a ticket.
tags:
  - support
output_format: json
temperature: 0.2
variables:
  - name: ticket
    type: long_text
    sample: |-
      It does not print.

      Please help.
json_schema:
  type: object
---

# @system

Sort tickets.

# @example user

It is loud.

# @example assistant

{"class": "hardware"}

# @user

{{ticket}}
"""


@settings(max_examples=200)
@given(TEMPLATE)
def test_what_is_written_is_what_is_read(template: dict[str, Any]) -> None:
    text = documents.write(template)
    assert documents.parse(text) == template
    assert documents.write(documents.parse(text)) == text


@settings(max_examples=200)
@given(JSON)
def test_every_json_value_can_be_written_as_yaml(value: Any) -> None:
    assert front_matter.read(front_matter.write(value)) == value


@given(st.text() | st.lists(st.sampled_from([*PIECES, "name: x", "---\n", "variables:"])).map("\n".join))
def test_any_text_is_read_or_refused_with_a_sentence(text: str) -> None:
    for each in (text, f"---\n{text}", f"---\nname: x\n---\n{text}"):
        with suppress(documents.DocumentError):
            assert documents.parse(each).keys() == {*documents.DEFAULTS, *documents.PARTS}


def test_a_file_is_written_for_people_and_for_git() -> None:
    template = documents.parse(WRITTEN)
    assert documents.write(template) == WRITTEN
    changed = {**template, "body": "{{ticket}}\n\nBe quick."}
    lines = documents.write(changed).splitlines()
    assert [line for line in lines if line not in WRITTEN.splitlines()] == ["Be quick."]


def test_what_is_left_out_is_the_default_of_a_new_template() -> None:
    said = documents.parse("---\nname: X\n---\n")
    assert {field: said[field] for field in versioning.empty()} == versioning.empty()
    variable = documents.parse("---\nname: X\nvariables: [{name: a}]\n---\n")["variables"][0]
    assert variable == declaring.declared(["a"], [])[0]


@pytest.mark.parametrize(
    ("text", "system", "body"),
    [
        ("---\nname: X\n---\nHello\n\nworld\n", "", "Hello\n\nworld"),
        ("---\nname: X\n---\n# @system\nA\n# @user\nB", "A", "B"),
        ("---\nname: X\n---\n\n\n# @user\nB\n\n\n# @system\n\nA\n", "A", "B\n"),
        ("---\r\nname: X\r\n---\r\n\r\n# @system\r\n\r\nA\r\n\r\n# @user\r\n\r\nB\r\n", "A", "B"),
        ("\ufeff--- \nname: X\n---\n\\# @user\n", "", "# @user"),
        ("---\nname: X\n---\n# @user\n---\nname: Y\n---\n", "", "---\nname: Y\n---"),
    ],
)
def test_what_people_write_by_hand_is_understood(text: str, system: str, body: str) -> None:
    said = documents.parse(text)
    assert (said["name"], said["system"], said["body"]) == ("X", system, body)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello", "begins with front matter"),
        ("---\nname: X\n", "begins with front matter"),
        ("---\n- a\n---\n", "list of keys and values"),
        ("---\nnmae: X\n---\n", "not known here: nmae"),
        ("---\nname: X\nvariables: {a: 1}\n---\n", "list"),
        ("---\nname: X\nvariables: [{type: text}]\n---\n", "has a name"),
        ("---\nname: X\nvariables: [{name: a, kind: text}]\n---\n", "not known here: kind"),
        ("---\nname: X\n---\n# @usr\nA", "no part # @usr"),
        ("---\nname: X\n---\nA\n# @user\nB", "text before the first part"),
        ("---\nname: X\n---\n# @user\n# @user\nB", "there twice"),
        ("---\nname: X\nname: Y\n---\n", "name is there twice"),
        ("---\nname: [X\n---\n", "not YAML"),
    ],
)
def test_what_is_no_prompt_template_is_refused_in_plain_words(text: str, words: str) -> None:
    with pytest.raises(documents.DocumentError, match=words):
        documents.parse(text)


@pytest.mark.parametrize(
    ("yaml", "words"),
    [
        ("a: &x [1]\nb: *x", "aliases"),
        ("a: *x", "aliases"),
        ("a: !!python/object/apply:os.system [id]", "Tags"),
        ("a: !x 1", "Tags"),
        ("[" * 5000, "too deeply"),
        ("a: " * 5000, "not YAML"),
        ("- 1\n" * 60_000, "too much"),
        ("a: " + "x" * 1_100_000, "longer than"),
        ("1: a", "key must be text"),
        ("? [a]\n: b", "key must be text"),
        ("a: \x07", "character"),
        ("a: b\n--- \nc: d", "not YAML"),
    ],
)
def test_yaml_that_is_a_trap_is_refused_before_it_is_built(yaml: str, words: str) -> None:
    with pytest.raises(front_matter.FrontMatterError, match=words):
        front_matter.read(yaml)


def test_yaml_is_read_as_json_would_be() -> None:
    text = "a: yes\nb: 2026-01-02\nc: 007\nd: 1_000\ne: 12:30\nf: 1.5\ng: ~\nh: true\ni: 3\nj: 1e3\nk: .inf\n"
    said = {"a": "yes", "b": "2026-01-02", "c": "007", "d": "1_000", "e": "12:30", "f": 1.5, "g": None, "h": True}
    assert front_matter.read(text) == {**said, "i": 3, "j": 1000.0, "k": ".inf"}
