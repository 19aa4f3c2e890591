"""A key that comes back in an answer is cut down, however the answer is cut into pieces."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from aiapp.providers.echoes import without_echo
from aiapp.providers.types import Completion, Delta, ProviderError, ToolCall

KEY = "sk-canary-key-0123456789"


def read(pieces, answer):
    items = list(without_echo([*(Delta(piece) for piece in pieces), answer], KEY))
    return "".join(item.text for item in items if isinstance(item, Delta)), items[-1]


@given(st.lists(st.integers(0, 60), max_size=6), st.text(max_size=20), st.text(max_size=20))
def test_no_cut_lets_the_key_through_and_nothing_else_is_lost(cuts, before, after):
    whole = f"{before}{KEY}{after}"
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    pieces = [whole[start:end] for start, end in pairwise(places)]
    shown, answer = read(pieces, Completion(text=whole))
    assert shown == answer.text == whole.replace(KEY, "…6789")


def test_an_answer_that_only_begins_like_the_key_is_whole():
    shown, _ = read(["it is sk-can", "ned"], Completion(text="it is sk-canned"))
    assert shown == "it is sk-canned"
    assert read(["ends with sk-ca"], Completion(text="ends with sk-ca"))[0] == "ends with sk-ca"


def test_every_field_is_cleaned():
    call = ToolCall(KEY, f"f-{KEY}", f'{{"key": "{KEY}"}}')
    _, answer = read([], Completion(text=KEY, reasoning=KEY, finish=KEY, model=KEY, tool_calls=(call,)))
    assert KEY not in repr(answer)


def test_of_a_short_key_not_even_its_end_is_shown():
    (answer,) = without_echo([Completion(text="you sent abcd1234.")], "abcd1234")
    assert answer.text == "you sent [key]."


def test_a_stream_that_breaks_keeps_its_last_letters_but_not_most_of_a_key():
    def broken(*pieces):
        yield from map(Delta, pieces)
        raise ProviderError("network", "gone")

    assert "".join(until_it_breaks(broken("half an ans"))) == "half an ans"
    assert KEY[:8] not in "".join(until_it_breaks(broken(KEY[:-1])))


def until_it_breaks(items):
    texts = []
    try:
        for item in without_echo(items, KEY):
            texts.append(item.text)
    except ProviderError:
        return texts
    raise AssertionError("it did not break")


@given(
    st.integers(0, len(KEY)),
    st.integers(0, len(KEY)),
    st.lists(st.integers(0, 60), max_size=6),
    st.text("sk-canrye0123 x", max_size=12),
    st.text("sk-canrye0123 x", max_size=12),
)
def test_no_cut_lets_twelve_characters_of_the_key_through(first, last, cuts, before, after):
    whole = f"{before}{KEY[first:last]}{after}"
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    shown, answer = read([whole[start:end] for start, end in pairwise(places)], Completion(text=whole))
    assert shown == answer.text
    assert not any(KEY[at : at + 12] in shown for at in range(len(KEY) - 11))
    if not any(KEY[at : at + 12] in whole for at in range(len(KEY) - 11)):
        assert shown == whole


def test_the_key_in_base64_or_percent_encoded_is_the_key():
    key = "key/with+marks=0123456789"
    for written in ("a2V5L3dpdGgrbWFya3M9MDEyMzQ1Njc4OQ==", "key%2Fwith%2Bmarks%3D0123456789"):
        (answer,) = without_echo([Completion(text=f"you sent {written} to us")], key)
        assert answer.text in ("you sent …6789 to us", "you sent …6789== to us")
