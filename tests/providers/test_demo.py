"""The demo provider: scripted, offline, and read by the same dialect code as the others."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from aiapp.providers import demo, demo_answers
from aiapp.providers.registry import provider
from aiapp.providers.types import Completion, HttpRequest, Message, ProviderError, Request, Target

DIALECT = provider("demo").dialect_for({})
PROMPT = "Summarise this ticket for the billing team.\nThe customer was charged twice in March. Refund <b>promised</b>!"
SCHEMA = {
    "type": "object",
    "required": ["title", "urgency", "tags", "customer", "refund", "due", "score", "note", "kind", "size", "extra"],
    "properties": {
        "title": {"type": "string", "maxLength": 20},
        "urgency": {"enum": ["low", "high"]},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 4},
        "customer": {"$ref": "#/$defs/person"},
        "refund": {"type": "boolean"},
        "due": {"type": "string", "format": "date"},
        "score": {"type": "integer", "minimum": 1, "maximum": 5},
        "note": {"type": ["null", "string"], "minLength": 200},
        "kind": {"const": "ticket"},
        "size": {"anyOf": [{"type": "number", "exclusiveMinimum": 100}, {"type": "null"}]},
        "extra": {
            "allOf": [{"properties": {"a": {"type": "null"}}}, {"properties": {"b": {"default": 3}}}],
            "required": ["a", "b"],
        },
        "people": {"type": "array", "items": {"$ref": "#/$defs/person"}},
    },
    "$defs": {"person": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}},
}


def target(model="demo-good", **more):
    return Target("demo", "demo://scripted", model, **more)


def ask(model="demo-good", prompt=PROMPT, **more):
    return DIALECT.build(Request((Message("user", prompt),), **more), target(model))


def play(request):
    """Return status, headers, body and the naps that were taken; nothing really sleeps."""
    naps = []
    status, headers, chunks = demo.respond(request, sleep=naps.append)
    return status, headers, list(chunks), naps


def answer(model="demo-good", **more):
    request = ask(model, **more)
    status, _, chunks, _ = play(request)
    assert status == 200
    if json.loads(request.body)["stream"]:
        return list(DIALECT.stream(chunks, target(model)))[-1]
    return DIALECT.parse(b"".join(chunks), target(model))


def test_the_request_goes_nowhere_and_holds_no_key():
    request = DIALECT.build(Request((Message("user", "Hi"),)), target(api_key="sk-secret-0123456789"))
    assert request.url.startswith("demo://")
    assert b"sk-secret" not in request.body
    assert "sk-secret" not in str(request.headers)


@pytest.mark.parametrize("stream", [True, False])
def test_the_answer_speaks_of_the_prompt_and_is_the_same_each_time(stream):
    first = answer(stream=stream)
    assert isinstance(first, Completion)
    assert "Summarise this ticket for the billing team." in first.text
    assert "charged twice" in first.text
    assert first.finish == "stop"
    assert answer(stream=stream) == first
    assert answer(stream=stream, prompt="Why is the sky blue?").text != first.text


def test_streamed_and_whole_are_the_same_answer():
    assert answer(stream=True) == answer(stream=False)


def test_usage_is_estimated_with_four_characters_a_token():
    completion = answer(system="Be brief.")
    assert completion.usage.input == (len(PROMPT + "Be brief.") + 3) // 4
    assert completion.usage.output == (len(completion.text) + 3) // 4


def test_a_stream_arrives_in_many_pieces_with_short_waits():
    _, headers, chunks, naps = play(ask())
    assert headers["content-type"] == "text/event-stream"
    assert len(chunks) > 20
    assert 0 < max(naps) <= 0.1


def test_no_single_wait_is_long_even_in_the_slow_script():
    for stream in (True, False):
        _, _, chunks, naps = play(ask("demo-slow", stream=stream))
        assert sum(naps) > 5
        assert max(naps) <= 0.1
        assert len(chunks) > 20


def test_a_slow_answer_can_be_left_in_the_middle():
    naps = []
    _, _, chunks = demo.respond(ask("demo-slow"), sleep=naps.append)
    next(chunks)
    chunks.close()
    assert len(naps) == 1


def test_the_instant_script_never_sleeps():
    assert play(ask("demo-instant"))[3] == []


def test_the_slow_script_is_read_like_any_other():
    assert answer("demo-slow") == Completion(
        **{**{f: getattr(answer(), f) for f in ("text", "finish", "usage", "reported")}, "model": "demo-slow"}
    )


def test_markdown_has_a_heading_a_list_and_a_table():
    text = answer(output_format="markdown").text
    assert text.startswith("## Summarise this ticket")
    assert "\n- " in text
    assert "|---|" in text


def test_html_is_a_page_that_escapes_the_prompt():
    text = answer(output_format="html").text
    assert text.startswith("<!doctype html>")
    assert "&lt;b&gt;promised" in text
    assert "<b>" not in text


@pytest.mark.parametrize(("model", "output_format"), [("demo-good", "json"), ("demo-json", "text")])
def test_json_is_json(model, output_format):
    data = json.loads(answer(model, output_format=output_format).text)
    assert data["summary"] == "Summarise this ticket for the billing team."
    assert "ticket" in data["keywords"]


def test_json_fits_the_schema():
    data = json.loads(answer(output_format="json", json_schema=SCHEMA).text)
    Draft202012Validator(SCHEMA).validate(data)
    assert set(data) == set(SCHEMA["properties"])


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/nowhere"},
        {"type": "object", "properties": {"a": {"$ref": "#"}}},
        {"type": "array", "items": {"$ref": "#"}},
        {"type": "string", "minLength": 10**12},
        {"type": "string", "maxLength": 0},
        {"type": "array", "minItems": 10**12},
        {"type": "array", "minItems": "x", "maxItems": 0},
        {"anyOf": [{"$ref": "#"}]},
        {"exclusiveMaximum": 3, "type": "integer"},
        {"examples": [1]},
        {"items": {"type": "integer"}},
        {"type": ["null"]},
        {"type": "null"},
        {"properties": "no"},
    ],
)
def test_a_strange_schema_still_makes_json(schema):
    json.loads(answer(output_format="json", json_schema=schema).text)


def test_the_limit_of_tokens_is_kept():
    completion = answer(max_tokens=5)
    assert completion.finish == "length"
    assert len(completion.text) == 20


@pytest.mark.parametrize(
    ("model", "status", "error_class", "retry_after"),
    [
        ("demo-bad-key", 401, "auth", None),
        ("demo-rate-limited", 429, "rate_limit", 2.0),
        ("demo-overloaded", 503, "overloaded", None),
        ("demo-nothing", 404, "model_not_found", None),
    ],
)
def test_the_failing_scripts_fail_as_providers_do(model, status, error_class, retry_after):
    for request in (ask(model), DIALECT.models_request(target(model))):
        given, headers, chunks, _ = play(request)
        error = DIALECT.error(given, headers, b"".join(chunks))
        assert (error.http_status, error.error_class, error.retry_after) == (status, error_class, retry_after)


def test_the_careful_script_refuses_what_mentions_a_password_and_answers_the_rest():
    given, headers, chunks, _ = play(ask("demo-careful", prompt="My Password is lost."))
    assert DIALECT.error(given, headers, b"".join(chunks)).error_class == "content_filter"
    assert play(ask("demo-careful"))[0] == 200


@pytest.mark.parametrize("stream", [True, False])
def test_the_cut_script_stops_in_the_middle(stream):
    chunks = play(ask("demo-cut", stream=stream))[2]
    with pytest.raises(ProviderError) as caught:
        list(DIALECT.stream(chunks, target())) if stream else DIALECT.parse(b"".join(chunks), target())
    assert caught.value.error_class == "bad_response"


def test_the_cut_script_shows_text_before_it_stops():
    assert next(iter(DIALECT.stream(play(ask("demo-cut"))[2], target()))).text


@pytest.mark.parametrize("model", ["demo-good", ""])
def test_the_scripts_are_its_models(model):
    status, _, chunks, _ = play(DIALECT.models_request(target(model)))
    assert status == 200
    assert {entry.id for entry in DIALECT.models(b"".join(chunks))} == set(demo.SCRIPTS) == set(provider("demo").models)


def test_an_empty_prompt_is_answered():
    for output_format in ("text", "markdown", "html", "json"):
        assert answer(prompt="", output_format=output_format).text
    status, _, chunks, _ = play(
        HttpRequest("POST", "demo://scripted/chat", {}, b'{"model": "demo-good", "messages": []}')
    )
    assert (status, bool(chunks)) == (200, True)


@given(st.text(max_size=300), st.sampled_from(["text", "markdown", "html", "json"]), st.booleans())
def test_any_prompt_is_answered_in_the_form_that_was_asked_for(prompt, output_format, stream):
    text = answer("demo-instant", prompt=prompt, output_format=output_format, stream=stream).text
    if output_format == "json":
        json.loads(text)
    if output_format == "html":
        assert text.rstrip().endswith("</html>")


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("Reply with the word OK and nothing else.", "OK"),
        ('Reply with this JSON object and nothing else: {"ok": true}', '{"ok": true}'),
        ("Reply with the word OK and a poem.", None),
        ("Please reply with the word OK and nothing else.", None),
    ],
)
def test_a_connection_tests_short_questions_are_taken_literally(prompt, answer):
    assert demo_answers.taken_literally(prompt) == answer
