"""Keys in other people's text: the last four characters at most."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiapp.providers.key_redaction import redact_keys, without_secrets
from aiapp.providers.types import ProviderError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Incorrect API key provided: sk-proj-AbCdEfGh0123456789wxyz. See", "Incorrect API key provided: …wxyz. See"),
        ("key sk-ant-api03-Zm9vYmFyYmF6cXV4-abcdefghijk_QAA!", "key …_QAA!"),
        ("gsk_0123456789abcdefghijABCDEFGHIJ0123456789abcdWXYZ", "…WXYZ"),
        ("xai-0123456789abcdefghijABCDEFGHIJ", "…GHIJ"),
        ("AIzaSyA0123456789abcdefghijklmnopqrstuv is not valid", "…stuv is not valid"),
        ("Authorization: Bearer eyJhbGciOi.J9.abc-def_9876", "Authorization: Bearer …9876"),
        ("authorization: bearer hunter2-and-more", "authorization: bearer …more"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZDEyMw==", "Authorization: Basic …Mw=="),
        ("https://host/v1?key=abc123&alt=sse", "https://host/v1?key=[key]&alt=sse"),
        ('{"x-api-key": "abcd-1234-efgh-5678"}', '{"x-api-key": "…5678"}'),
        ("bad key 7f3e9a0c5b1d48e2a6c4f0b9d8e7a1c2 here", "bad key …a1c2 here"),
        ("token AbCdEfGhIjKl-1234_MnOpQrStUvWx-5678_YzAbCdEf", "token …CdEf"),
        ("Incorrect API key provided: sk-abcde************************wxyz.", "Incorrect API key provided: …wxyz."),
        ("Your api key: ****1c2d is invalid", "Your api key: …1c2d is invalid"),
        ("Incorrect API key provided: xa***yz.", "Incorrect API key provided: …yz."),
        ("Incorrect API key provided: sk-bad*******. See", "Incorrect API key provided: [key]. See"),
        ("Incorrect API key provided: sk-1234.", "Incorrect API key provided: [key]."),
        ("hf_AbCdEfGhIjKlMnOpQrSt and pplx-0123456789abcdef", "…QrSt and …cdef"),
    ],
)
def test_a_key_shows_its_last_four_at_most(text, shown):
    assert redact_keys(text) == redact_keys(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "The model `claude-haiku-4-5-20251001` does not exist",
        "meta-llama/Llama-3.3-70B-Instruct-Turbo is overloaded",
        "Limit 12000, used 11950 on tokens per minute (TPM) for gpt-oss-120b",
        "see https://platform.openai.com/docs/guides/error-codes/api-errors.",
        "ResponsibleAIPolicyViolation in innererror",
        "invalid bearer token",
        "Bearer authentication required",
        "generativelanguage.googleapis.com/generate_content_paid_tier_input_token_count",
        "Retry in 48.939935699s",
        "a risky task-force",
    ],
)
def test_ordinary_words_stay_readable(text):
    assert redact_keys(text) == text


def test_a_known_secret_goes_whatever_it_looks_like():
    assert redact_keys("you sent plainword, plainword!", secrets=["plainword"]) == "you sent [key], [key]!"
    assert redact_keys("you sent a-long-plain-word", secrets=["a-long-plain-word"]) == "you sent …word"
    assert redact_keys("?q=a%2Fb%3Dc%26d-0-long", secrets=["a/b=c&d-0-long"]) == "?q=…long"


def test_nothing_is_not_a_secret():
    assert redact_keys("text", secrets=["", None]) == "text"


def test_a_longer_secret_is_not_left_half_because_a_shorter_one_is_part_of_it():
    assert redact_keys("secret-key-of-alice", secrets=["secret-key", "secret-key-of-alice"]) == "…lice"


def test_an_error_is_rewritten_without_the_key_and_keeps_the_rest():
    error = ProviderError("auth", "key plain is bad", http_status=401, retry_after=3.0, code="plain")
    clean = without_secrets(error, ["plain", None])
    assert (clean.message, clean.code) == ("key [key] is bad", "[key]")
    assert (clean.error_class, clean.http_status, clean.retry_after) == ("auth", 401, 3.0)
    assert without_secrets(ProviderError("server", "x"), ["k"]).code is None


@given(st.text(alphabet="abcXYZ0189-_.*/=", min_size=13, max_size=60), st.text(max_size=20), st.text(max_size=20))
def test_no_known_secret_survives(secret, before, after):
    shown = redact_keys(f"{before}{secret}{after}", secrets=[secret])
    assert secret not in shown


@given(
    st.sampled_from(["sk-", "sk-ant-", "gsk_", "xai-", "AIza"]),
    st.text(alphabet="abcXYZ0189", min_size=12, max_size=60),
)
def test_no_more_than_four_characters_of_a_prefixed_key_survive(prefix, body):
    shown = redact_keys(f"key: {prefix}{body}.")
    assert shown == f"key: …{body[-4:]}."
