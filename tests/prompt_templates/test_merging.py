"""A merge takes what one side alone changed, asks about the rest, loses no line silently, and ends."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiapp.prompt_templates.comparing.aligning import Budget
from aiapp.prompt_templates.comparing.diffing import ALL_LINE_STEPS, ALL_WORD_STEPS, Room
from aiapp.prompt_templates.comparing.merging import ABSENT, MAX_PLACES, Conflict, merge
from aiapp.prompt_templates.comparing.weaving import MAX_HUNKS, Clash, Hunk, weave, weave_text

LINES = st.sampled_from(["", "a", "b", "c", "the cat sat", "the dog sat", "a cat sat down", "x\r", "漢字"])
TEXTS = st.one_of(
    st.text(max_size=30),
    st.text(alphabet="ab \n", max_size=30),
    st.tuples(st.lists(LINES, max_size=10), st.sampled_from(["", "\n"])).map(lambda both: "\n".join(both[0]) + both[1]),
)
LONG = "".join(f"line {n} of the text\n" for n in range(12))


@st.composite
def edited(draw, base=LONG):
    """A text in which some lines are gone, new, or have another word."""
    lines = base.splitlines(keepends=True)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, max(0, len(lines) - 1)))
        what = draw(st.sampled_from(["drop", "add", "word"]))
        if what == "drop" or not lines:
            del lines[at : at + 1]
        elif what == "add":
            lines.insert(at, draw(st.sampled_from(["new one\n", "another new one\n", "\n"])))
        else:
            lines[at] = lines[at].replace(draw(st.sampled_from(["line", "text", "of"])), draw(st.sampled_from("xyz")))
    return "".join(lines)


MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": TEXTS}), max_size=4
)
SPEC = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["text", "number", "choice"]),
        "required": st.booleans(),
        "default": st.none() | st.integers(0, 2),
        "description": st.sampled_from(["", "who", "what"]),
        "sample": st.none() | st.text(max_size=2),
    },
    optional={"choices": st.lists(st.sampled_from("xyz"), max_size=2)},
)
VARIABLES = st.dictionaries(st.sampled_from(["name", "tone", "age"]), SPEC, max_size=3).map(
    lambda specs: [{"name": name, **spec} for name, spec in specs.items()]
)
SCHEMAS = st.none() | st.recursive(
    st.integers(0, 2) | st.none() | st.lists(st.sampled_from("ab"), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from(["type", "properties", "a.b", "name"]), inner, max_size=3),
    max_leaves=5,
).filter(lambda value: isinstance(value, dict))
CONTENTS = st.fixed_dictionaries(
    {
        "system": TEXTS,
        "body": TEXTS | edited(),
        "messages": MESSAGES,
        "variables": VARIABLES,
        "output_format": st.sampled_from(["text", "json"]),
        "json_schema": SCHEMAS,
        "provider": st.none() | st.sampled_from(["openai", "anthropic"]),
        "model": st.none() | st.sampled_from(["one", "two"]),
        "temperature": st.none() | st.sampled_from([0.5, 1.0]),
        "max_tokens": st.none() | st.integers(1, 3),
    }
)


def words(text):
    return Counter(re.findall(r"\w+", text))


def lines(text):
    return Counter(text.splitlines())


def joined(pieces):
    return "".join(piece if isinstance(piece, str) else piece.ours for piece in pieces)


def swapped(pieces):
    return [piece if isinstance(piece, str) else Hunk(piece.base, piece.theirs, piece.ours) for piece in pieces]


# laws


@given(CONTENTS, CONTENTS)
def test_what_one_side_left_alone_is_taken_from_the_other(base, changed):
    for merged in (merge(base, changed, base), merge(base, base, changed), merge(base, changed, changed)):
        assert merged.conflicts == ()
        assert merged.content() == changed


@given(CONTENTS, CONTENTS, CONTENTS)
def test_merging_the_other_way_round_differs_in_labels_alone(base, one, other):
    here, there = merge(base, one, other), merge(base, other, one)

    assert sorted(repr((c.field, c.base, c.ours, c.theirs)) for c in here.conflicts) == sorted(
        repr((c.field, c.base, c.theirs, c.ours)) for c in there.conflicts
    )
    if not here.conflicts:
        assert here.content() == there.content()
    for name in ("system", "body"):
        assert swapped(weave_text(base[name], one[name], other[name])) == weave_text(base[name], other[name], one[name])


@given(TEXTS | edited(), TEXTS | edited(), TEXTS | edited())
def test_no_word_of_either_side_is_lost_silently(base, one, other):
    pieces = weave_text(base, one, other)
    clean = words("".join(piece for piece in pieces if isinstance(piece, str)))
    asked = words(" ".join(" ".join(piece) for piece in pieces if not isinstance(piece, str)))

    for mine, yours in ((one, other), (other, one)):
        for word in words(mine):
            removed = words(yours)[word] < words(base)[word]
            assert clean[word] or asked[word] or removed, word


@given(edited(), edited())
def test_no_line_of_either_side_is_lost_silently(one, other):
    """A line that both changed without touching each other is neither's any more; every other one is there."""
    pieces = weave_text(LONG, one, other)
    clean = lines("".join(piece for piece in pieces if isinstance(piece, str)))
    asked = lines("".join("".join(piece) for piece in pieces if not isinstance(piece, str)))

    for mine, yours in ((one, other), (other, one)):
        for line in lines(mine):
            removed = lines(yours)[line] < lines(LONG)[line]
            woven = any(set(words(line)) & set(words(found)) and found not in lines(LONG) for found in clean)
            assert clean[line] or asked[line] or removed or woven, line


@given(edited(), edited())
def test_nothing_is_made_up(one, other):
    pieces = weave_text(LONG, one, other)

    for word, count in words(joined(pieces)).items():
        assert count <= words(one)[word] + words(other)[word]


@given(CONTENTS, CONTENTS, CONTENTS)
def test_each_conflict_is_decided_by_its_own_key(base, one, other):
    merged = merge(base, one, other)

    assert len({conflict.key for conflict in merged.conflicts}) == len(merged.conflicts)
    theirs = merged.content({conflict.key: conflict.theirs for conflict in merged.conflicts})
    back = merge(base, other, one).content({})
    # the order of names in an object says nothing
    assert theirs == back


# texts


def test_changes_in_different_lines_are_both_taken():
    assert weave_text("a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n") == ["A\n", "b\n", "C\n"]


def test_changes_of_different_words_of_a_line_are_both_taken():
    base = "Write a reply of at most 200 words, friendly and short.\n"
    ours = base.replace("200", "{{max_words}}")
    theirs = base.replace("friendly", "formal")

    assert (
        "".join(weave_text(base, ours, theirs)) == "Write a reply of at most {{max_words}} words, formal and short.\n"
    )


def test_changes_of_neighbouring_lines_are_both_taken():
    assert joined(weave_text("one\ntwo\n", "first\ntwo\n", "one\nsecond\n")) == "first\nsecond\n"


def test_changes_of_one_word_are_a_conflict_of_whole_lines():
    pieces = weave_text(
        "Hi.\nBe kind to people.\nBye.\n", "Hi.\nBe nice to people.\nBye.\n", "Hi.\nBe fair to people.\nBye.\n"
    )

    assert pieces == ["Hi.\n", Hunk("Be kind to people.\n", "Be nice to people.\n", "Be fair to people.\n"), "Bye.\n"]


def test_a_phrase_that_one_side_replaced_is_not_mixed_with_a_word_of_the_other():
    base, ours, theirs = "Answer the old cat now.", "Answer every young dog now.", "Answer the very old cat now."
    assert weave_text(base, ours, theirs) == [Hunk(base, ours, theirs)]


def test_lines_that_both_added_at_one_place_are_a_conflict_unless_they_are_the_same():
    assert weave_text("a\n", "a\nx\n", "a\ny\n")[1:] == [Hunk("", "x\n", "y\n")]
    assert joined(weave_text("a\n", "a\nx\n", "a\nx\n")) == "a\nx\n"


def test_a_line_that_one_removed_and_the_other_changed_is_a_conflict():
    assert weave_text("a\nb\nc\n", "a\nc\n", "a\nB\nc\n")[1] == Hunk("b\n", "", "B\n")


def test_texts_too_different_to_align_are_one_conflict():
    base = "".join("ab"[n * n * 7919 % 104729 % 2] + "\n" for n in range(50_000))
    ours, theirs = "b\na\na\n" * 16_000, "a\nb\nb\n" * 16_000
    assert weave_text(base, ours, theirs) == [Hunk(base, ours, theirs)]
    assert weave("abcab", "bcaba", "cabab", 1) is None


@pytest.mark.parametrize(
    "shape", ["word {} of a line\n", "{} ", "same\n"], ids=["lines", "one long line", "one line many times"]
)
def test_large_texts_are_merged(shape):
    base = "".join(shape.format(n) for n in range(8_000))
    ours, theirs = f"first\n{base}", f"{base}\nlast"

    assert joined(weave_text(base, ours, theirs)) == f"first\n{base}\nlast"


def test_elements_that_only_one_side_changed_are_taken_from_it():
    assert weave("abcd", "axcd", "abcy", 1000) == [("a",), ("x",), ("c",), ("y",)]
    assert weave("abc", "axc", "ayc", 1000) == [("a",), Clash(("b",), ("x",), ("y",)), ("c",)]


# versions


def version(**more):
    empty = {"system": "", "body": "", "messages": [], "variables": [], "output_format": "text", "json_schema": None}
    return {**empty, "provider": None, "model": None, "temperature": None, "max_tokens": None, **more}


def found(merged):
    return [(one.field, one.base, one.ours, one.theirs) for one in merged.conflicts]


def turn(role, content):
    return {"role": role, "content": content}


def test_example_messages_are_merged_one_by_one():
    base = [turn("user", "Hi"), turn("assistant", "Hello, how can I help you today?")]
    ours = [turn("user", "Good day"), base[1]]
    theirs = [base[0], turn("assistant", "Hello, how may I help you today?"), turn("user", "Bye")]

    merged = merge(version(messages=base), version(messages=ours), version(messages=theirs))
    assert found(merged) == [("messages", base, ours, theirs)]  # it cannot be known which one belongs to which
    merged = merge(version(messages=base), version(messages=ours), version(messages=theirs[:2]))
    assert merged.content()["messages"] == [ours[0], theirs[1]]


def test_two_changes_of_one_example_message_are_a_conflict_about_that_message():
    base, ours, theirs = ([turn("user", "Hi"), turn("assistant", word)] for word in ("Hello", "Welcome", "Yes?"))
    merged = merge(version(messages=base), version(messages=ours), version(messages=theirs))

    assert found(merged) == [("messages.2", "Hello", "Welcome", "Yes?")]
    assert merged.content({merged.conflicts[0].key: "Yes?"})["messages"] == theirs


def test_an_undecided_list_of_messages_is_decided_as_a_list():
    ours, theirs = [turn("user", "one")], [turn("assistant", "two")]
    merged = merge(version(), version(messages=ours), version(messages=theirs))

    assert merged.content()["messages"] == ours
    assert merged.content({merged.conflicts[0].key: [*ours, *theirs]})["messages"] == [*ours, *theirs]


def test_settings_are_merged_name_by_name():
    base = version(temperature=0.5, max_tokens=100)
    merged = merge(base, version(temperature=0.7, max_tokens=100), version(temperature=0.5, max_tokens=200))
    assert (merged.content()["temperature"], merged.content()["max_tokens"], merged.conflicts) == (0.7, 200, ())

    merged = merge(base, {**base, "temperature": 0.7}, {**base, "temperature": None})
    assert found(merged) == [("temperature", 0.5, 0.7, None)]
    assert merged.content({merged.conflicts[0].key: None})["temperature"] is None


def test_a_model_stays_with_its_provider():
    base = version(provider="openai", model="gpt")
    merged = merge(base, {**base, "provider": "anthropic", "model": "claude"}, {**base, "model": "gpt-mini"})

    assert [one.field for one in merged.conflicts] == ["provider"]
    conflict = merged.conflicts[0]
    content = merged.content({conflict.key: conflict.theirs})
    assert (content["provider"], content["model"]) == ("openai", "gpt-mini")
    assert merge(base, {**base, "model": "gpt-5"}, {**base, "max_tokens": 5}).content()["model"] == "gpt-5"


def test_a_schema_is_merged_by_path():
    base = version(json_schema={"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}})
    ours = version(json_schema={"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "string"}}})
    theirs = version(json_schema={"type": "object", "properties": {"a": {"type": "string"}, "c": {"type": "null"}}})

    merged = merge(base, ours, theirs)
    assert merged.content()["json_schema"]["properties"] == {"a": {"type": "number"}, "c": {"type": "null"}}
    theirs["json_schema"]["properties"]["a"] = {"type": "boolean"}
    assert found(merge(base, ours, theirs)) == [("json_schema.properties.a.type", "string", "number", "boolean")]
    del theirs["json_schema"]["properties"]["a"]
    assert found(merge(base, ours, theirs)) == [
        ("json_schema.properties.a", {"type": "string"}, {"type": "number"}, ABSENT)
    ]


def test_what_is_nested_deeply_in_a_schema_is_one_value():
    schemas = []
    for end in ("string", "number", "boolean"):
        schema = {"type": end}
        for _ in range(3000):
            schema = {"items": schema}
        schemas.append(version(json_schema=schema))
    merged = merge(*schemas)
    assert [one.field.count(".items") for one in merged.conflicts] == [40]


def spec(name, **more):
    return {"name": name, "type": "text", "required": True, "default": None, "description": "", "sample": None, **more}


def test_variables_are_merged_by_name():
    base = version(variables=[spec("a"), spec("b"), spec("c")])
    ours = version(variables=[spec("a", description="Who"), spec("c"), spec("new")])
    theirs = version(variables=[spec("a", required=False), spec("b", sample="x"), spec("c")])

    merged = merge(base, ours, theirs)
    assert merged.conflicts == ()
    assert merged.content()["variables"] == [
        spec("a", description="Who", required=False),
        spec("b", sample="x"),  # changed by one, not used by the other: the text decides whether it stays
        spec("c"),
        spec("new"),
    ]


def test_a_default_stays_with_its_type():
    base = version(variables=[spec("a", default="x")])
    merged = merge(
        base, version(variables=[spec("a", type="number", default=1)]), version(variables=[spec("a", default="y")])
    )

    assert [one.field for one in merged.conflicts] == ["variables.a.type"]
    theirs = merged.content({merged.conflicts[0].key: merged.conflicts[0].theirs})
    assert theirs["variables"] == [spec("a", default="y")]


def test_conflicts_stand_in_the_order_of_the_prompt():
    ours, theirs = (
        version(
            system=word,
            body=word,
            temperature=number,
            messages=[turn("user", word)],
            variables=[spec("a", sample=word)],
        )
        for word, number in (("one", 1), ("two", 2))
    )
    fields = [one.field for one in merge(version(variables=[spec("a")]), ours, theirs).conflicts]
    assert fields == ["system", "messages", "body", "variables.a.sample", "temperature"]


def test_a_key_names_what_was_looked_at():
    sides = [version(body=word) for word in ("a", "b", "c")]
    key = merge(*sides).conflicts[0].key
    assert isinstance(merge(*sides).text("body")[0], Conflict)
    assert merge(*sides).conflicts[0].key == key
    assert merge(sides[0], sides[1], version(body="d")).conflicts[0].key != key


# bounded work


def letters(seed, count):
    chance = random.Random(seed)
    return "".join(chance.choice("ab") + "\n" for _ in range(count))


def test_all_texts_of_a_merge_share_one_room():
    room = Room()
    sides = [[letters(100 * side + n, 3_000) for n in range(12)] for side in range(3)]
    for left, texts in zip(range(12, 0, -1), zip(*sides, strict=True), strict=True):
        assert weave_text(*texts, room=room, texts=left) == [Hunk(*texts)]
    assert 0 <= room.lines.steps < ALL_LINE_STEPS
    assert 0 <= room.words.steps <= ALL_WORD_STEPS


def test_hostile_examples_are_conflicts_and_leave_the_rest_its_room(monkeypatch):
    spent = []
    spend = Budget.spend

    def counted(budget, steps):
        taken = spend(budget, steps)
        if taken and budget.within is None:
            spent.append(steps)
        return taken

    monkeypatch.setattr(Budget, "spend", counted)
    sides = [[turn("user", letters(100 * side + n, 3_000)) for n in range(30)] for side in range(3)]
    base, ours, theirs = ("a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n")
    merged = merge(*(version(messages=one, body=body) for one, body in zip(sides, (base, ours, theirs), strict=True)))

    assert merged.content()["body"] == "A\nb\nC\n"
    assert [one.field for one in merged.conflicts] == [f"messages.{n}" for n in range(1, 31)]
    assert sum(spent) <= ALL_LINE_STEPS + ALL_WORD_STEPS + 100_000


def test_a_text_with_very_many_conflicts_is_one():
    sides = ["".join(f"same {n}\n{side}{n}\n" for n in range(MAX_HUNKS + 1)) for side in "xyz"]
    assert weave_text(*sides) == [Hunk(*sides)]
    few = ["".join(f"same {n}\n{side}{n}\n" for n in range(100)) for side in "xyz"]
    assert sum(isinstance(piece, Hunk) for piece in weave_text(*few)) == 100
    merged = merge(*(version(messages=[turn("user", text)] * 5) for text in few))
    assert [one.field for one in merged.conflicts].count("messages.5") == 1
    assert len(merged.conflicts) == MAX_PLACES + 2
