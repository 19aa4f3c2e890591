"""Lines and events out of bytes in pieces of any size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiapp.providers import sse
from aiapp.providers.types import ProviderError


def read(*chunks, **limits):
    return [tuple(event) for event in sse.events(chunks, **limits)]


def cut(body, sizes):
    """`body` in pieces whose sizes repeat `sizes`."""
    pieces, at = [], 0
    while at < len(body):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(body[at : at + size])
        at += size
    return pieces


def test_fields_make_an_event():
    assert read(b"event: delta\nid: 7\ndata: one\ndata:two\n\n") == [("delta", "one\ntwo", "7")]


def test_the_name_of_an_event_ends_with_it_and_the_id_stays():
    assert read(b"event: a\nid: 1\ndata: x\n\ndata: y\n\n") == [("a", "x", "1"), ("message", "y", "1")]


def test_comments_unknown_fields_and_events_without_data_are_left_out():
    assert read(b": keep-alive\n\nevent: ping\n\nretry: 3\nfoo: bar\ndata\n\ndata: x\n\n") == [
        ("message", "", ""),
        ("message", "x", ""),
    ]


def test_only_one_blank_after_the_colon_is_dropped():
    assert read(b"data:  x \n\n") == [("message", " x ", "")]


def test_an_id_with_nul_is_ignored():
    assert read(b"id: 1\nid: 2\x003\ndata: x\n\n") == [("message", "x", "1")]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("sizes", [[1], [2], [3], [1000]])
def test_every_line_end_means_the_same(end, sizes):
    body = b"event: a\ndata: x\ndata: y\n\ndata: z\n\n".replace(b"\n", end)
    assert read(*cut(body, sizes)) == [("a", "x\ny", ""), ("message", "z", "")]


def test_a_carriage_return_ends_an_event_before_the_next_byte_comes():
    chunks = iter([b"data: x\r\r", b"data: y\n\n"])
    assert next(sse.events(chunks)).data == "x"


@pytest.mark.parametrize("sizes", [[1], [2], [5], [1000]])
def test_a_byte_order_mark_is_dropped_once(sizes):
    assert read(*cut(b"\xef\xbb\xbfdata: x\n\n", sizes)) == [("message", "x", "")]


def test_characters_may_be_split_between_chunks():
    assert read(*cut("data: grün 🛑\n\n".encode(), [1])) == [("message", "grün 🛑", "")]


def test_wrong_utf8_becomes_a_replacement_character():
    assert read(b"data: a\xffb\n\n") == [("message", "a\ufffdb", "")]


def test_an_event_that_the_end_cuts_off_is_yielded():
    assert read(b"data: x\n\ndata: [DONE]") == [("message", "x", ""), ("message", "[DONE]", "")]


def test_a_line_at_the_limit_passes_and_one_byte_more_does_not():
    assert read(b"data: " + b"x" * 14 + b"\n\n", max_bytes=20) == [("message", "x" * 14, "")]
    for chunks in ([b"data: " + b"x" * 15 + b"\n\n"], cut(b"data: " + b"x" * 15 + b"\n\n", [1])):
        with pytest.raises(ProviderError) as caught:
            read(*chunks, max_bytes=20)
        assert caught.value.error_class == "too_large"


def test_a_line_that_never_ends_is_given_up():
    def endless():
        while True:
            yield b"x" * 1000

    with pytest.raises(ProviderError) as caught:
        list(sse.events(endless()))
    assert caught.value.error_class == "too_large"


def test_many_short_lines_of_one_event_count_together():
    with pytest.raises(ProviderError) as caught:
        read(b"data:\n" * 50, max_bytes=20)
    assert caught.value.error_class == "too_large"


def test_lines_keep_the_last_one_without_an_end():
    assert list(sse.lines([b"a\nb", b"c\r", b"\nd"])) == [b"a", b"bc", b"d"]


@pytest.mark.parametrize(
    ("body", "first"),
    [
        (b"  \r\n\t{}", b"{"),
        (b"\xef\xbb\xbf {}", b"{"),
        (b"data: x", b"d"),
        (b": hi", b":"),
        (b"<html>", b"<"),
        (b"", b""),
        (b" \n", b""),
        (b"\xef\xbb", b"\xef"),
        (b"\xefx", b"\xef"),
    ],
)
@pytest.mark.parametrize("sizes", [[1], [2], [1000]])
def test_the_opening_shows_the_first_byte_and_loses_nothing(body, first, sizes):
    seen, chunks = sse.opening(cut(body, sizes))
    assert seen == first
    assert b"".join(chunks) == body.lstrip().removeprefix(b"\xef\xbb\xbf").lstrip()


def test_blanks_without_end_are_given_up():
    def endless():
        while True:
            yield b" " * 10_000

    with pytest.raises(ProviderError) as caught:
        sse.opening(endless())
    assert caught.value.error_class == "too_large"


def test_a_large_first_chunk_is_not_mistaken_for_blanks():
    body = b"{" + b" " * (2 * sse.MAX_LINE_BYTES) + b"}"
    first, chunks = sse.opening([body])
    assert first == b"{"
    assert sse.whole(chunks) == body


def test_the_whole_is_bounded():
    assert sse.whole([b"ab", b"c"], max_bytes=3) == b"abc"
    with pytest.raises(ProviderError) as caught:
        sse.whole([b"ab", b"cd"], max_bytes=3)
    assert caught.value.error_class == "too_large"


bodies = st.lists(
    st.sampled_from(
        [
            b"data: x",
            b"data:",
            b"event: e",
            b"id: 1",
            b": c",
            b"\n",
            b"\r",
            b"\r\n",
            b"\xef\xbb\xbf",
            "ü".encode(),
            b"\x00",
            b"\xff",
        ]
    ),
    max_size=30,
).map(b"".join)


@given(bodies, st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_events_do_not_depend_on_how_the_bytes_are_cut(body, sizes):
    assert read(*cut(body, sizes)) == read(body)


@given(bodies, st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_limits_do_not_depend_on_how_the_bytes_are_cut(body, sizes):
    def outcome(chunks):
        try:
            return read(*chunks, max_bytes=12)
        except ProviderError as error:
            return error.error_class

    assert outcome(cut(body, sizes)) == outcome([body])
