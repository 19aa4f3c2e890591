"""A diff applied to the old text gives the new one, shows what changed, and ends."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiapp.prompt_templates.comparing.aligning import Budget, align
from aiapp.prompt_templates.comparing.contents import COMPARED_SCHEMA, compare
from aiapp.prompt_templates.comparing.diffing import (
    ALL_LINE_STEPS,
    ALL_WORD_STEPS,
    Room,
    diff_lines,
)
from aiapp.prompt_templates.comparing.marking import Span, diff_words, pair_lines
from aiapp.prompt_templates.comparing.rows import MAX_FOLDED, Cell, Fold, brought, split_rows, unified_rows

LINES = st.lists(
    st.sampled_from(["", "a", "b", "the cat sat", "the dog sat", "x\r", "\x0c", "\u2028", "漢字"]), max_size=12
)
TEXTS = st.one_of(
    st.text(max_size=40),
    st.text(alphabet="ab \n", max_size=40),
    st.tuples(LINES, st.sampled_from(["", "\n"])).map(lambda both: "\n".join(both[0]) + both[1]),
)
SEQUENCES = st.lists(st.integers(0, 3), max_size=12)


def side(diff, left_out):
    lines = [line for line in diff.lines if line.op != left_out]
    ends = [line.old_newline if left_out == "added" else line.new_newline for line in lines]
    return "".join(line.text + ("\n" if end else "") for line, end in zip(lines, ends, strict=True))


def marks(spans):
    return "".join(f"[{span.text}]" if span.marked else span.text for span in spans)


def flat(rows):
    """Rows with folds opened."""
    for row in rows:
        if row.hidden:
            yield from row.rows
        else:
            yield row


@given(TEXTS, TEXTS)
def test_a_diff_applied_to_the_old_text_gives_the_new_one(old, new):
    diff = diff_lines(old, new)

    assert side(diff, "added") == old
    assert side(diff, "removed") == new
    assert diff.changed == (old != new)
    assert not diff.too_different


@given(TEXTS)
def test_a_text_does_not_differ_from_itself(text):
    diff = diff_lines(text, text)

    assert (diff.added, diff.removed, diff.changed) == (0, 0, False)
    assert not any(span.marked for line in diff.lines for span in line.spans)


@given(TEXTS, TEXTS)
def test_spans_cover_exactly_the_text_of_their_line(old, new):
    for line in diff_lines(old, new).lines:
        assert "".join(span.text for span in line.spans) == line.text
        assert "\n" not in line.text
        assert all(span.text for span in line.spans)
        assert all(one.marked != other.marked for one, other in pairwise(line.spans))


@given(TEXTS, TEXTS)
def test_numbers_count_the_lines_of_each_side_and_partners_name_each_other(old, new):
    lines = diff_lines(old, new).lines
    removed = {line.old_no: line for line in lines if line.op == "removed"}
    added = {line.new_no: line for line in lines if line.op == "added"}

    for numbers in ([line.old_no for line in lines], [line.new_no for line in lines]):
        counted = [number for number in numbers if number is not None]
        assert counted == list(range(1, len(counted) + 1))
    for number, line in removed.items():
        assert line.partner is None or added[line.partner].partner == number
    assert sum(line.partner is not None for line in removed.values()) == sum(
        line.partner is not None for line in added.values()
    )


@given(TEXTS, TEXTS, st.integers(0, 4) | st.none())
def test_both_views_show_every_line_once_and_in_order(old, new, context):
    diff = diff_lines(old, new)

    assert tuple(flat(unified_rows(diff, context))) == diff.lines
    rows = list(flat(split_rows(diff, context)))
    left = [row.old for row in rows if row.old.op != "blank"]
    right = [row.new for row in rows if row.new.op != "blank"]
    assert [(cell.number, cell.op, cell.spans) for cell in left] == [
        (line.old_no, line.op, line.spans) for line in diff.lines if line.op != "added"
    ]
    assert [(cell.number, cell.op, cell.spans) for cell in right] == [
        (line.new_no, line.op, line.spans) for line in diff.lines if line.op != "removed"
    ]


@given(TEXTS, TEXTS)
def test_partners_stand_beside_each_other(old, new):
    diff = diff_lines(old, new)
    beside = {row.old.number: row.new.number for row in split_rows(diff, None)}

    for line in diff.lines:
        if line.op == "removed" and line.partner is not None:
            assert beside[line.old_no] == line.partner


def test_the_words_that_changed_are_marked():
    diff = diff_lines(
        "Customer {{name}} wrote:\nWrite at most 200 words.\nEnd with a friendly sentence.\n",
        "Customer {{name}} wrote:\nWrite at most {{max_words}} words.\nEnd with a numbered list.\nBe brief.\n",
    )

    assert [(line.op, line.old_no, line.new_no, marks(line.spans)) for line in diff.lines] == [
        ("equal", 1, 1, "Customer {{name}} wrote:"),
        ("removed", 2, None, "Write at most [200] words."),
        ("removed", 3, None, "End with a [friendly sentence]."),
        ("added", None, 2, "Write at most [{{max_words}}] words."),
        ("added", None, 3, "End with a [numbered list]."),
        ("added", None, 4, "[Be brief.]"),
    ]
    assert (diff.added, diff.removed) == (3, 2)


def test_a_line_is_paired_with_the_one_it_became_and_not_with_its_neighbour():
    rows = split_rows(diff_lines("Answer in English.\n", "Be honest with people.\nAnswer in {{language}}.\n"))

    assert [(row.old.op, row.old.number, row.new.number) for row in rows] == [("blank", None, 1), ("removed", 1, 2)]
    assert rows[0].old == Cell("blank")
    assert marks(rows[1].new.spans) == "Answer in [{{language}}]."


def test_lines_with_little_in_common_are_marked_as_a_whole():
    diff = diff_lines("completely different words here", "nothing of that remained at all")

    assert [marks(line.spans) for line in diff.lines] == [
        "[completely different words here]",
        "[nothing of that remained at all]",
    ]
    assert [line.partner for line in diff.lines] == [None, None]


def test_scripts_without_spaces_are_marked_by_character():
    assert [marks(spans) for spans in diff_words("请用中文回答问题", "请用日文回答问题", Budget(1000))] == [
        "请用[中]文回答问题",
        "请用[日]文回答问题",
    ]


def test_a_missing_line_break_at_the_end_is_a_difference():
    diff = diff_lines("a\nb", "a\nb\n")

    assert [(line.op, line.text, line.unended) for line in diff.lines] == [
        ("equal", "a", False),
        ("removed", "b", True),
        ("added", "b", False),
    ]
    assert not any(span.marked for line in diff.lines for span in line.spans)


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_line_that_only_got_its_line_break_by_what_was_appended_is_unchanged(end):
    for old, new, op in (("a\nb", f"a\nb\nc{end}", "added"), (f"a\nb\nc{end}", "a\nb", "removed")):
        diff = diff_lines(old, new)
        assert [(line.op, line.text) for line in diff.lines] == [("equal", "a"), ("equal", "b"), (op, "c")]
        assert (side(diff, "added"), side(diff, "removed")) == (old, new)
        assert not any(line.unended for line in diff.lines)


@pytest.mark.parametrize(
    "strange", ["\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\x00", "\ud800", "\u202e"]
)
def test_only_a_line_feed_ends_a_line(strange):
    diff = diff_lines(f"a{strange}b", f"a{strange}c")

    assert side(diff, "added") == f"a{strange}b"
    assert len(diff.lines) == 2 + 2 * strange.count("\n") - strange.count("\n")


def test_empty_texts():
    assert diff_lines("", "").lines == ()
    assert split_rows(diff_lines("", "")) == []
    assert [(line.op, line.text) for line in diff_lines("", "a").lines] == [("added", "a")]
    assert [(line.op, line.text) for line in diff_lines("\n", "").lines] == [("removed", "")]


# folding


def numbered(count, **changed):
    return "".join(changed.get(f"line{number}", f"line {number}") + "\n" for number in range(1, count + 1))


def test_unchanged_lines_far_from_a_change_are_folded():
    rows = unified_rows(diff_lines(numbered(20), numbered(20, line10="other")))

    assert [row.hidden or row.text for row in rows] == [
        6, "line 7", "line 8", "line 9", "line 10", "other", "line 11", "line 12", "line 13", 7,
    ]  # fmt: skip
    assert isinstance(rows[0], Fold)
    assert [(row.old_no, row.new_no) for row in rows[0].rows] == [(number, number) for number in range(1, 7)]
    assert [row.number for row in rows if not row.hidden] == [7, 8, 9, 10, 10, 11, 12, 13]
    assert [row.op for row in rows][::9] == ["fold", "fold"]


def test_a_fold_hides_at_least_two_lines():
    rows = unified_rows(diff_lines(numbered(9), numbered(9, line1="x", line9="y")), context=3)
    assert [row.hidden for row in rows if row.hidden] == []

    rows = unified_rows(diff_lines(numbered(10), numbered(10, line1="x", line10="y")), context=3)
    assert [row.hidden for row in rows if row.hidden] == [2]


@pytest.mark.parametrize("context", [0, 3, 10, 50])
def test_wide_contexts_lose_nothing(context):
    diff = diff_lines(numbered(30), numbered(30, line3="x", line15="y", line28="z"))

    assert tuple(flat(unified_rows(diff, context))) == diff.lines
    assert len(list(flat(split_rows(diff, context)))) == 30


def test_texts_without_a_difference_are_one_fold():
    rows = split_rows(diff_lines(numbered(5), numbered(5)))

    assert [row.hidden for row in rows] == [5]
    assert rows[0].rows[0].op == "equal"


# bounded work


@given(SEQUENCES, SEQUENCES)
def test_an_alignment_pairs_equal_elements_in_order(old, new):
    alignment = align(old, new, Budget(10_000))
    pairs = [(i + n, j + n) for i, j, length in alignment.blocks for n in range(length)]

    assert alignment.complete
    assert all(old[i] == new[j] for i, j in pairs)
    assert all(i < k and j < m for (i, j), (k, m) in pairwise(pairs))


@given(st.lists(st.sampled_from("aabb"), max_size=10), st.lists(st.sampled_from("aabb"), max_size=10))
def test_without_unique_elements_the_alignment_is_the_longest(old, new):
    doubled, twice = [*old, *old], [*new, *new]
    longest = [[0] * (len(twice) + 1) for _ in range(len(doubled) + 1)]
    for i, one in enumerate(doubled):
        for j, other in enumerate(twice):
            together = longest[i][j] + 1 if one == other else 0
            longest[i + 1][j + 1] = max(longest[i][j + 1], longest[i + 1][j], together)

    assert sum(length for _, _, length in align(doubled, twice, Budget(10_000)).blocks) == longest[-1][-1]


@given(SEQUENCES, SEQUENCES, st.integers(0, 60))
def test_a_small_budget_is_never_overdrawn_and_the_diff_stays_right(old, new, steps):
    budget = Budget(steps)
    alignment = align(old, new, budget)

    assert budget.steps >= 0
    assert all(old[i : i + length] == new[j : j + length] for i, j, length in alignment.blocks)


HARD = {
    "two letters by chance": (
        "".join("ab"[n * n * 7919 % 104729 % 2] + "\n" for n in range(50_000)),
        "b\na\na\n" * 16_000,
    ),
    "empty lines": ("\n" * 50_000, "x\n" * 1000 + "\n" * 25_000 + "y\n" * 1000),
    "one long line": ("a b " * 25_000, "b b a " * 16_000),
    "one sign": ("a\n" * 25_000, "b\n" * 25_000),
}


@pytest.mark.parametrize("name", HARD)
def test_large_texts_that_are_hard_to_align_still_give_a_right_diff(name):
    old, new = HARD[name]
    diff = diff_lines(old, new)

    assert (side(diff, "added"), side(diff, "removed")) == (old, new)
    assert tuple(flat(unified_rows(diff))) == diff.lines


def test_texts_too_different_to_align_say_so_and_are_replaced_as_a_block():
    old, new = HARD["two letters by chance"]
    diff = diff_lines(f"same\n{old}end\n", f"same\n{new}end\n")

    assert diff.too_different
    assert (diff.lines[0].op, diff.lines[-1].op) == ("equal", "equal")
    assert not diff_lines(*HARD["one sign"]).too_different


def test_beyond_the_budget_lines_are_paired_in_order_and_marked_whole():
    assert pair_lines(["a b"] * 3, ["x", "a b"], Budget(2)) == [(0, 0), (1, 1)]
    assert diff_words("a b", "a c", Budget(2)) == ((Span(True, "a b"),), (Span(True, "a c"),))
    assert pair_lines(["a"] * 60, ["b"] * 50, Budget(10**6))[-1] == (49, 49)


def test_all_parts_of_a_comparison_share_one_room_and_a_small_one_is_not_starved():
    old, new = HARD["two letters by chance"]
    room = Room()
    hard = {"system": old, "messages": [{"role": "user", "content": old}], "body": "Be kind to people.\n"}
    soft = {"system": new, "messages": [{"role": "user", "content": new}], "body": "Be nice to people.\n"}
    system, messages, body = compare(hard, soft, room).parts

    assert [part.diff.too_different for part in (system, messages, body)] == [True, True, False]
    assert [marks(line.spans) for line in body.diff.lines] == ["Be [kind] to people.", "Be [nice] to people."]
    assert 0 <= room.lines.steps < ALL_LINE_STEPS
    assert 0 <= room.words.steps < ALL_WORD_STEPS
    assert room.for_lines(10**9).steps <= ALL_LINE_STEPS


def test_of_very_many_changed_lines_the_last_stand_together_and_none_is_lost():
    old, new = "a\n" * 20 + "same\n" + "b\nb", "c\n" * 20 + "same\n" + "d\n"
    diff = diff_lines(old, new, room=Room(listed=Budget(40)))

    assert (side(diff, "added"), side(diff, "removed")) == (old, new)
    assert [(line.op, line.text) for line in diff.lines][39:] == [
        ("added", "c"), ("equal", "same"), ("removed", "b\nb"), ("added", "d"),
    ]  # fmt: skip
    assert (diff.added, diff.removed) == (21, 22)
    assert diff.too_different


def test_a_page_brings_along_the_rows_and_the_folded_lines_that_it_has_room_for():
    text = "".join(f"line {n}\n" if n % 50 else f"this {n}\n" for n in range(200))
    shown = brought(unified_rows(diff_lines(text, text.replace("this", "that"))), 30, Room(folded=Budget(100)))

    assert len(shown) == 30
    assert [(row.hidden, row.first, len(row.rows)) for row in shown if row.hidden] == [
        (43, 5, 43), (43, 55, 43), (43, 105, 0),
    ]  # fmt: skip
    long = "same\n" * (MAX_FOLDED + 4)
    assert brought(unified_rows(diff_lines(f"{long}a", f"{long}b")), 30, Room())[0].rows == ()


# versions


def version(**more):
    return {
        "system": "You are kind.",
        "body": "Hello {{name}}",
        "messages": [],
        "variables": [],
        "output_format": "text",
        **more,
    }


def test_two_equal_versions_have_no_changes():
    comparison = compare(version(json_schema={"type": "object"}), version(json_schema={"type": "object"}))

    assert not comparison.changed
    assert [part.field for part in comparison.parts] == ["system", "body"]
    assert not compare({}, {"system": None, "body": "", "messages": None, "variables": None}).changed


def test_every_part_is_compared_and_example_turns_are_a_part_where_there_are_some():
    comparison = compare(version(), version(body="Bye {{name}}", messages=[{"role": "user", "content": "Hi"}]))

    assert [(part.field, part.diff.added, part.diff.removed) for part in comparison.parts] == [
        ("system", 0, 0),
        ("messages", 2, 0),
        ("body", 1, 1),
    ]
    assert comparison.changed


def test_settings_are_compared_into_the_schema():
    old = version(
        temperature=1,
        max_tokens=100,
        json_schema={
            "type": "object",
            "properties": {"a": {"type": "string"}, "n": {"minimum": 1}},
            "__x": 1,
            "required": ["a"],
        },
    )
    new = version(
        temperature=1.0,
        max_tokens=200,
        model="gpt-5-mini",
        json_schema={
            "type": "object",
            "properties": {"a": {"type": "number"}, "n": {"minimum": 1.0}},
            "__x": 2,
            "required": ["a", "n"],
        },
    )

    assert [(setting.field, setting.old, setting.new) for setting in compare(old, new).settings] == [
        ("json_schema.__x", 1, 2),
        ("json_schema.properties.a.type", "string", "number"),
        ("json_schema.required.1", None, "n"),
        ("model", None, "gpt-5-mini"),
        ("max_tokens", 100, 200),
    ]


def test_a_schema_that_appears_or_is_very_large_or_very_deep_is_compared_as_one_value():
    deep: dict[str, object] = {}
    for _ in range(5000):
        deep = {"not": deep}
    large = {"enum": ["x" * COMPARED_SCHEMA]}
    nested: dict[str, object] = {}
    for _ in range(700):
        nested = {"not": nested}

    for old, new in [
        (None, {"type": "object"}),
        (large, {"enum": []}),
        (deep, {"not": deep}),
        (nested, {"not": nested}),
    ]:
        settings = compare(version(json_schema=old), version(json_schema=new)).settings
        assert [setting.field.partition(".")[0] for setting in settings] == ["json_schema"]
        assert len(settings) == 1


def test_variables_are_compared_by_name():
    old = version(variables=[{"name": "a"}, {"name": "b", "type": "number", "required": False}, {"name": "c"}])
    new = version(
        variables=[{"name": "c", "type": "text", "required": True}, {"name": "b", "default": 3}, {"name": "d"}]
    )

    variables = compare(old, new).variables
    assert [one["name"] for one in variables.added] == ["d"]
    assert [one["name"] for one in variables.removed] == ["a"]
    assert variables.changed == (
        {
            "name": "b",
            "changes": [
                {"field": "type", "old": "number", "new": "text"},
                {"field": "required", "old": False, "new": True},
                {"field": "default", "old": None, "new": 3},
            ],
        },
    )


def test_the_api_gets_the_fields_of_the_contract():
    comparison = compare(version(), version(body="Hello {{who}}", temperature=0.5, variables=[{"name": "who"}]))
    body = json.loads(json.dumps(comparison.as_json()))

    assert body["parts"][1] == {
        "field": "body",
        "too_different": False,
        "lines": [
            {
                "op": "removed",
                "old_no": 1,
                "new_no": None,
                "text": "Hello {{name}}",
                "spans": [{"marked": False, "text": "Hello "}, {"marked": True, "text": "{{name}}"}],
            },
            {
                "op": "added",
                "old_no": None,
                "new_no": 1,
                "text": "Hello {{who}}",
                "spans": [{"marked": False, "text": "Hello "}, {"marked": True, "text": "{{who}}"}],
            },
        ],
    }
    assert body["settings"] == [{"field": "temperature", "old": None, "new": 0.5}]
    assert [one["name"] for one in body["variables"]["added"]] == ["who"]
