"""What providers answer instead of an answer, as their documentation and their users report it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiapp.providers.failures import failure, failure_inside
from aiapp.providers.types import ERROR_CLASSES


def refused(status, body, headers=None):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return failure(status, headers or {}, raw)


def openai(message, code=None, kind="invalid_request_error", **more):
    return {"error": {"message": message, "type": kind, "param": None, "code": code, **more}}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, openai("Incorrect API key provided: sk-abc***wxyz.", "invalid_api_key"), "auth"),
        (401, {"error": "Unauthorized"}, "auth"),
        (400, {"code": "invalid-argument", "error": "Incorrect API key provided. See https://console.x.ai."}, "auth"),
        (
            400,
            {"error": {"code": 400, "message": "API key not valid. Please pass one.", "status": "INVALID_ARGUMENT"}},
            "auth",
        ),
        (403, openai("You are not allowed to sample from this model"), "permission"),
        (403, {"type": "error", "error": {"type": "permission_error", "message": "No access"}}, "permission"),
        (400, openai("The model requires terms acceptance", "model_terms_required"), "permission"),
        (
            400,
            {
                "error": {
                    "code": 400,
                    "message": "Clé invalide",
                    "status": "INVALID_ARGUMENT",
                    "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}],
                }
            },
            "auth",
        ),
        (401, openai("Wrong API Key", "wrong_api_key"), "auth"),
        (401, {"error": {"code": "1000", "message": "Authentication Failed"}}, "auth"),
        (401, b"<html><head><title>401 Authorization Required</title></head></html>", "auth"),
        (401, {"error": {"code": "401", "message": "Access denied due to invalid subscription key."}}, "auth"),
        (403, {"error": "This authentication method does not have sufficient permissions"}, "permission"),
        (402, {"error": "You have exceeded your monthly included credits for Inference Providers."}, "quota"),
        (401, openai("You exceeded your current quota", 401, "insufficient_quota"), "quota"),
        (429, {"error": {"code": "1309", "message": "Your Coding Plan package has expired"}}, "quota"),
        (402, {"error": {"message": "Insufficient Balance"}}, "quota"),
        (402, {"error": {"message": "This request requires more credits", "code": 402}}, "quota"),
        (429, openai("You exceeded your current quota", "insufficient_quota", "insufficient_quota"), "quota"),
        (403, {"code": "forbidden", "error": "Your team has used all available credits"}, "quota"),
        (
            400,
            {"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance is too low"}},
            "quota",
        ),
        (
            400,
            {
                "error": {
                    "type": "invalid_request_error",
                    "message": "You have reached your specified API usage limits.",
                }
            },
            "quota",
        ),
        (429, openai("Insufficient balance or no resource package. Please recharge.", "1113"), "quota"),
        (
            429,
            openai("Rate limit reached. Upgrade at https://x/settings/billing", "rate_limit_exceeded", "tokens"),
            "rate_limit",
        ),
        (429, {"message": "Requests rate limit exceeded"}, "rate_limit"),
        (429, b"", "rate_limit"),
        (
            404,
            openai("The model `x` does not exist or you do not have access to it.", "model_not_found"),
            "model_not_found",
        ),
        (
            404,
            {"type": "error", "error": {"type": "not_found_error", "message": "model: claude-none"}},
            "model_not_found",
        ),
        (404, {"error": {"message": "No endpoints found for a/b.", "code": 404}}, "model_not_found"),
        (400, {"error": {"message": "a/b is not a valid model ID", "code": 400}}, "model_not_found"),
        (400, openai("Model Not Exist"), "model_not_found"),
        (400, {"error": {"code": "1211", "message": "Unknown Model, please check the model code."}}, "model_not_found"),
        (404, openai("The API deployment for this resource does not exist.", "DeploymentNotFound"), "model_not_found"),
        (404, {"object": "error", "message": "The model `x` does not exist.", "code": 404}, "model_not_found"),
        (
            400,
            {"object": "error", "message": "Invalid model: nope", "type": "invalid_model", "code": "1500"},
            "model_not_found",
        ),
        (400, openai("The model `old` has been decommissioned", "model_decommissioned"), "model_not_found"),
        (404, {"error": "No models loaded. Please load one."}, "model_not_found"),
        (404, b"404 page not found", "bad_request"),
        (404, b"<html><title>404 our new model page</title></html>", "bad_request"),
        (413, openai("Request too large for model on tokens per minute", "rate_limit_exceeded"), "context_length"),
        (413, b"<html>413</html>", "context_length"),
        (
            400,
            openai("This model's maximum context length is 8192 tokens.", "context_length_exceeded"),
            "context_length",
        ),
        (
            400,
            {"error": {"type": "invalid_request_error", "message": "prompt is too long: 213462 tokens > 200000"}},
            "context_length",
        ),
        (
            400,
            {"error": {"type": "exceed_context_size_error", "message": "the request exceeds it", "code": 400}},
            "context_length",
        ),
        (
            400,
            {
                "error": {
                    "message": "Provider returned error",
                    "code": 400,
                    "metadata": {"raw": '{"error":{"message":"maximum context length is 9"}}'},
                }
            },
            "context_length",
        ),
        (400, openai("The total length of all messages is too long.", 400, "too_many_prompt_tokens"), "context_length"),
        (400, {"error": {"code": "1261", "message": "Prompt exceeds max length"}}, "context_length"),
        (
            400,
            {
                "error": {
                    "code": 400,
                    "message": "The input token count (9) exceeds the maximum number of tokens allowed (8).",
                }
            },
            "context_length",
        ),
        (403, openai("Input plus max_tokens must be less than the context length of the model"), "context_length"),
        (
            400,
            {"error": {"code": "1301", "message": "It detected potentially unsafe or sensitive content in input"}},
            "content_filter",
        ),
        (400, openai("The response was filtered", "content_filter"), "content_filter"),
        (400, openai("x", None, innererror={"code": "ResponsibleAIPolicyViolation"}), "content_filter"),
        (400, openai("Content Exists Risk"), "content_filter"),
        (403, {"error": {"code": 403, "message": "Blocked", "metadata": {"reasons": ["violence"]}}}, "content_filter"),
        (400, openai("Unsupported value: 'temperature' does not support 0.2 with this model."), "bad_request"),
        (400, {"error": {"code": "tool_use_failed", "message": "no", "type": "invalid_request_error"}}, "bad_request"),
        (
            422,
            {
                "detail": [
                    {
                        "type": "extra_forbidden",
                        "loc": ["body", "stream_options"],
                        "msg": "Extra inputs are not permitted",
                    }
                ]
            },
            "bad_request",
        ),
        (405, b"Method Not Allowed", "bad_request"),
        (408, b"", "timeout"),
        (504, b"<html><title>504 Gateway Time-out</title></html>", "timeout"),
        (524, b"", "timeout"),
        (503, {"error": "server busy, please try again"}, "overloaded"),
        (503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, "overloaded"),
        (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "overloaded"),
        (498, openai("Flex tier capacity exceeded", "capacity_exceeded"), "overloaded"),
        (500, {"error": {"message": "The engine is currently overloaded", "type": "server_error"}}, "overloaded"),
        (500, {"type": "error", "error": {"type": "api_error", "message": "Internal server error"}}, "server"),
        (401, {"error": {"message": "Unauthorized", "type": "api_error"}}, "auth"),
        (502, b"<html><head><title>502 Bad Gateway</title></head></html>", "server"),
        (302, b"", "bad_response"),
        (204, b"", "bad_response"),
    ],
)
def test_a_refusal_has_its_class(status, body, expected):
    error = refused(status, body)
    assert error.error_class == expected
    assert error.http_status == status
    assert error.message


def test_a_quota_per_minute_is_a_rate_limit():
    delay = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "48s"}
    body = {
        "error": {
            "code": 429,
            "message": "You exceeded your current quota",
            "status": "RESOURCE_EXHAUSTED",
            "details": [delay],
        }
    }
    error = refused(429, body)
    assert (error.error_class, error.retry_after, error.retryable) == ("rate_limit", 48.0, True)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "one"}}, "one"),
        ({"error": "two", "code": "x"}, "two"),
        ({"detail": "three"}, "three"),
        (
            {"detail": [{"loc": ["body", "model"], "msg": "Field required"}, "and this"]},
            "body.model: Field required; and this",
        ),
        ({"message": {"detail": [{"loc": ["body"], "msg": "bad"}]}}, "body: bad"),
        ({"message": "four"}, "four"),
        ({"errors": ["five"]}, "five"),
        ([{"error": {"message": "six"}}], "six"),
        ({"error": {"error": "seven"}}, "seven"),
        (
            {"error": {"message": "Provider returned error", "metadata": {"raw": {"x": 1}}}},
            'Provider returned error: {"x": 1}',
        ),
        ({"error": {"metadata": {"raw": "eight"}}}, "eight"),
        ({"msg": "nine"}, "nine"),
        (b"plain words\r\nin lines", "plain words in lines"),
        (b"<!doctype html><TITLE> Just a\nmoment </TITLE>", "The answer is a web page (Just a moment), status 400."),
        (b"<p>hi</p>", "The answer is a web page (without a title), status 400."),
        (b"{broken", "Status 400, without an explanation."),
        (b"[" * 5000, "Status 400, without an explanation."),
        (b"", "Status 400, without an explanation."),
        ({"error": 5}, "Status 400, without an explanation."),
        ({"error": " \x00\u200b\n"}, "Status 400, without an explanation."),
        (b"\x00\x01", "Status 400, without an explanation."),
    ],
)
def test_every_envelope_gives_up_its_message(body, message):
    assert refused(400, body).message == message


def test_a_redirect_names_where_it_leads():
    error = refused(307, b"", {"Location": "https://elsewhere.example/v1?key=abc123"})
    assert "https://elsewhere.example/v1?key=[key], which" in error.message


def test_messages_are_short_single_lines_without_keys():
    error = refused(401, {"error": {"message": "Bad key sk-proj-ABCDEFGHIJKL0123456789\r\n\x1b[31m" + "x " * 5000}})
    assert len(error.message) == 500
    assert error.message.endswith("…")
    assert "\n" not in error.message
    assert "\x1b" not in error.message
    assert "ABCDEFGHIJKL" not in error.message


def test_a_key_across_the_cut_does_not_show():
    error = refused(400, {"error": {"message": "y" * 480 + " sk-proj-SECRETSECRET0123456789abcd"}})
    assert "SECRET" not in error.message


def test_the_providers_own_code_is_kept_named_ones_first():
    assert (
        refused(400, {"error": {"code": 400, "type": "invalid_request_error", "message": "m"}}).code
        == "invalid_request_error"
    )
    assert refused(400, {"error": {"code": 400, "message": "m"}}).code == "400"
    assert refused(400, {"detail": "m"}).code is None
    assert len(refused(400, {"error": {"code": "c" * 500, "message": "m"}}).code) == 100


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"error": {"message": "Provider returned error", "code": 502}}, "server"),
        ({"error": {"message": "no", "code": 429}}, "rate_limit"),
        ({"error": {"message": "no", "code": "server_error"}}, "server"),
        ({"error": {"type": "overloaded_error", "message": "Overloaded"}, "type": "error"}, "overloaded"),
        ({"error": {"type": "timeout_error", "message": "late"}}, "timeout"),
        ({"error": {"type": "invalid_request_error", "message": "bad"}}, "bad_request"),
        ({"error": "llama runner process has terminated"}, "server"),
        ({"object": "error", "message": "This model's maximum context length is 5", "code": 400}, "context_length"),
        ({"type": "error"}, "server"),
        ({"error": {"code": True}}, "server"),
    ],
)
def test_an_error_inside_a_200_has_its_class(data, expected):
    error = failure_inside(data)
    assert error.error_class == expected
    assert error.http_status is None
    assert error.retry_after is None
    assert error.message


@pytest.mark.parametrize(
    "data", [{}, {"error": None}, {"error": ""}, {"choices": []}, [], None, "error", {"type": "message"}]
)
def test_what_is_not_an_error_is_none(data):
    assert failure_inside(data) is None


def test_an_error_inside_a_200_does_not_echo_the_key():
    error = failure_inside({"error": {"message": "key mykey is bad", "code": "mykey"}}, secrets=["mykey"])
    assert (error.message, error.code) == ("key [key] is bad", "[key]")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "error",
                    "message",
                    "code",
                    "type",
                    "status",
                    "detail",
                    "details",
                    "metadata",
                    "raw",
                    "reasons",
                    "object",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.integers(100, 599),
    values,
    st.dictionaries(st.sampled_from(["retry-after", "date", "location"]), st.text(max_size=30)),
)
def test_any_json_makes_an_error_of_a_known_class(status, value, headers):
    error = failure(status, headers, json.dumps(value).encode())
    assert error.error_class in ERROR_CLASSES
    assert 0 < len(error.message) <= 500
    inside = failure_inside(value)
    assert inside is None or inside.error_class in ERROR_CLASSES


@given(st.integers(100, 599), st.binary(max_size=200))
def test_any_bytes_make_an_error_of_a_known_class(status, body):
    assert failure(status, {}, body).error_class in ERROR_CLASSES
