"""What a provider sent is kept within bounds, as text that can be stored, and never with the key in it."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiapp.providers.raw_answers import HEAD_BYTES, TAIL_BYTES, WITHHELD, RawAnswer

KEY = 'sk-live/Ab3+"dEf9hIjKlMnOpQrStUv2XyZ'


def kept(*chunks: bytes, key: str | None = KEY, failed: bool = False) -> str | None:
    raw = RawAnswer()
    assert tuple(raw.copied(chunks)) == chunks
    return raw.text(key, failed=failed)


def test_an_answer_is_kept_as_it_came():
    assert kept(b'{"a": ', b'"\xc3', b'\xa9"}\r\n') == '{"a": "é"}\r\n'
    assert kept() is None


def test_what_no_database_stores_is_replaced():
    text = kept(b"a\x00b\xff\xed\xa0\x80c")
    assert text is not None
    assert "\x00" not in text
    assert text[0] + text[-1] == "ac"
    text.encode()


@given(st.lists(st.integers(0, 40_000), max_size=12))
def test_of_a_long_answer_beginning_and_end_are_kept_and_how_much_is_left_out(sizes):
    whole = b"".join(b"%08d " % number for number in range(sum(sizes) // 9 + 1))[: sum(sizes)]
    chunks, at = [], 0
    for size in sizes:
        chunks.append(whole[at : at + size])
        at += size
    text = kept(*chunks, key=None)
    if len(whole) <= HEAD_BYTES + TAIL_BYTES:
        assert (text or "") == whole.decode()
    else:
        left_out = len(whole) - HEAD_BYTES - TAIL_BYTES
        mark = f"\n\n[… {left_out:,} bytes left out …]\n\n"
        assert text == whole[:HEAD_BYTES].decode() + mark + whole[-TAIL_BYTES:].decode()


@pytest.mark.parametrize(
    "form",
    [
        KEY,
        quote(KEY, safe=""),
        base64.b64encode(KEY.encode()).decode(),
        json.dumps(KEY)[1:-1],
        json.dumps(KEY)[1:-1].replace("/", "\\/"),
        KEY[4:20],
    ],
)
@pytest.mark.parametrize("position", [1000, HEAD_BYTES - 20])
def test_no_form_of_the_key_is_kept_wherever_chunks_or_the_cut_split_it(form, position):
    whole = b"x " * (position // 2) + form.encode() + b" y" * HEAD_BYTES
    at = position + len(form) // 2
    text = kept(whole[:at], whole[at:])
    assert text is not None
    assert not any(form[at : at + 12] in text for at in range(len(form) - 11))
    assert form[: len(form) // 2] not in text


def test_a_key_that_the_cut_goes_through_leaves_nothing_at_either_edge():
    start = b"x " * ((HEAD_BYTES - 10) // 2) + KEY.encode()
    end = KEY.encode() + b" y" * ((TAIL_BYTES - 10) // 2)
    text = kept(start, b"z" * 100_000, end)
    assert text is not None
    assert KEY[:5] not in text
    assert KEY[-5:] not in text


def test_a_key_that_a_stream_says_in_pieces_is_not_kept():
    key = "sk-live-0123456789abcdef"
    events = [
        b'data: {"choices":[{"delta":{"content":"%s"}}]}\n\n' % key[at : at + 4].encode() for at in range(0, 24, 4)
    ]
    assert kept(*events, key=key) == WITHHELD
    assert kept(*events[:2], key=key) != WITHHELD


def test_what_a_refusal_quotes_of_some_key_is_masked_and_an_answer_may_speak_of_keys():
    said = b'{"error": {"message": "Incorrect API key provided: sk-abcd********wxyz."}}'
    assert "sk-abcd" not in (kept(said, failed=True) or "")
    assert kept(said) == said.decode()


def test_a_word_instead_of_a_key_stays_in_the_answer():
    assert kept(b"The demo key.", key="demo") == "The demo key."
