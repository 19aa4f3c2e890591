"""The same answers read by our dialects and by the providers' own clients: the same text, tools, finish, reasoning and usage.

Numbers are compared as CONTRACT.md normalises them: `test_recordings.normalised` says how.
"""

import json
from contextlib import suppress

import pytest
from sdk_documented_answers import ANSWERS, BROKEN, LISTS, REFUSALS, STATUSES, VECTORS, Documented
from sdk_readers import EMBEDDERS, LISTERS, READERS, Seen, reader_for
from sdk_recorder import KEY, Clients, Recorder
from test_recordings import APIS, body_of, entry_for, normalised, recordings, settings_for

from aiapp.providers.registry import provider
from aiapp.providers.transport import Transport
from aiapp.providers.types import Completion, Message, ProviderError, Request, Target

# Who speaks an API at its best known.
SPEAKER = {
    "openai_chat": "openai",
    "openai_responses": "openai",
    "anthropic": "anthropic",
    "gemini": "google",
    "cohere_v2": "cohere",
    "ollama": "ollama",
}


# What both read otherwise, by API and field, and why.
DIFFERENCES = {
    ("anthropic", "reasoning tokens"): (
        "The client shows output_tokens_details.thinking_tokens. The recordings leave Anthropic's reasoning unknown: so do we."
    ),
}


class Both:
    """Serves one answer at a time to our dialect, over the real transport, and to the provider's own client."""

    def __init__(self) -> None:
        self._recorder = Recorder()
        self.clients = Clients(self._recorder.url)
        self._transport = Transport(frozenset({self._recorder.place}))

    def close(self) -> None:
        self._transport.close()
        self.clients.close()
        self._recorder.close()

    def serve(self, body: bytes, content_type: str = "application/json", status: int = 200) -> None:
        self._recorder.forget()
        self._recorder.answer(body, status=status, content_type=content_type)

    def target(self, kind: str, settings: dict[str, str]) -> Target:
        return Target(kind, self._recorder.url, "m", api_key=KEY, settings=settings)

    def complete(self, kind: str, settings: dict[str, str], *, stream: bool) -> Completion:
        """What our dialect reads. Raises ProviderError as the gateway does."""
        dialect, target = provider(kind).dialect_for(settings), self.target(kind, settings)
        request = dialect.build(Request((Message("user", "Hello"),), stream=stream), target)
        with self._transport.send(request) as answer:
            if answer.status != 200:
                raise dialect.error(answer.status, answer.headers, answer.read())
            if not stream:
                return dialect.parse(answer.read(), target)
            *_, last = dialect.stream(answer.chunks, target)
        assert isinstance(last, Completion)
        return last

    def listed(self, kind: str, settings: dict[str, str]) -> list[str]:
        dialect = provider(kind).dialect_for(settings)
        with self._transport.send(dialect.models_request(self.target(kind, settings))) as answer:
            return [model.id for model in dialect.models(answer.read())]

    def embedded(self, kind: str) -> tuple[list[list[float]], int | None]:
        embedder, target = provider(kind).embedder, self.target(kind, {})
        assert embedder is not None
        with self._transport.send(embedder.embed_request(("a", "b"), target, "document")) as answer:
            found = embedder.embeddings(answer.read(), target)
        return [list(vector) for vector in found.vectors], found.usage.input


@pytest.fixture(scope="module")
def both():
    made = Both()
    yield made
    made.close()


def differing(api: str, ours: Completion, theirs: Seen) -> dict[str, tuple[object, object]]:
    usage = normalised({"api": api, "expect": {"usage": theirs.usage or None}})
    pairs = {
        "text": (ours.text, theirs.text),
        "finish": (ours.finish, theirs.finish),
        "tools": ([(call.name, json.loads(call.arguments)) for call in ours.tool_calls], theirs.tools),
        "reasoning": (ours.reasoning, theirs.reasoning),
        "input tokens": (ours.usage.input, usage.input),
        "output tokens": (ours.usage.output, usage.output),
        "cached tokens": (ours.usage.cached, usage.cached),
        "written tokens": (ours.usage.cache_write, usage.cache_write),
        "reasoning tokens": (ours.usage.reasoning, usage.reasoning),
    }
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def assert_alike(api: str, ours: Completion, theirs: Seen) -> None:
    found = differing(api, ours, theirs)
    assert {name: pair for name, pair in found.items() if (api, name) not in DIFFERENCES} == {}


def serve_recording(both: Both, recording: dict) -> None:
    response = recording["response"]
    headers = {name.lower(): value for name, value in response["headers"]}
    whole = headers.get("content-type") or "application/json"
    both.serve(body_of(recording), "text/event-stream" if recording["stream"] else whole, response["status"])


def settings_of(api: str) -> dict[str, str]:
    return {"api": APIS[api]}


@pytest.mark.parametrize("recording", recordings("ok"))
def test_a_recorded_answer_is_read_alike(both, recording):
    serve_recording(both, recording)
    stream = recording["stream"]
    theirs = reader_for(recording["api"], recording["provider"])(both.clients, stream)
    ours = both.complete(entry_for(recording).kind, settings_for(recording), stream=stream)
    assert_alike(recording["api"], ours, theirs)


@pytest.mark.parametrize("documented", ANSWERS, ids=lambda each: each.id)
def test_a_documented_answer_is_read_alike(both, documented: Documented):
    both.serve(documented.body, documented.content_type)
    theirs = reader_for(documented.api, documented.provider)(both.clients, documented.stream)
    ours = both.complete(documented.provider, settings_of(documented.api), stream=documented.stream)
    assert_alike(documented.api, ours, theirs)
    assert ours.tool_calls or documented.name != "tools"


def status_seen(error: Exception) -> int | None:
    """The status that a client's exception carries: Google's names it `code`."""
    status = getattr(error, "status_code", None)
    return status if status is not None else getattr(error, "code", None)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("recording", recordings("error"))
def test_a_recorded_refusal_has_the_same_status_for_both(both, recording, stream):
    serve_recording(both, recording)
    with pytest.raises(Exception) as theirs:  # noqa: PT011 - every client has a tree of its own
        reader_for(recording["api"], recording["provider"])(both.clients, stream)
    with pytest.raises(ProviderError) as ours:
        both.complete(entry_for(recording).kind, settings_for(recording), stream=stream)
    assert status_seen(theirs.value) == ours.value.http_status == recording["response"]["status"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("api", READERS)
def test_every_status_of_a_refusal_is_the_same_for_both(both, api, stream):
    for status in STATUSES:
        both.serve(json.dumps(REFUSALS[api]).encode(), status=status)
        with pytest.raises(Exception) as theirs:  # noqa: PT011
            READERS[api](both.clients, stream)
        with pytest.raises(ProviderError) as ours:
            both.complete(SPEAKER[api], settings_of(api), stream=stream)
        assert status_seen(theirs.value) == ours.value.http_status == status
        assert ours.value.message == "No."


@pytest.mark.parametrize("recording", recordings("body_error", "stream_error"))
def test_what_goes_wrong_inside_a_200_is_an_answer_for_neither(both, recording):
    """Ours raises. The clients raise for the event of an error; of a whole answer that is one they read what is not there."""
    serve_recording(both, recording)
    theirs: Seen | None = None
    with suppress(Exception):  # every client has a tree of its own
        theirs = reader_for(recording["api"], recording["provider"])(both.clients, recording["stream"])
    assert theirs is None or theirs.finish in (None, "error")
    with pytest.raises(ProviderError) as ours:
        both.complete(entry_for(recording).kind, settings_for(recording), stream=recording["stream"])
    assert ours.value.http_status is None


@pytest.mark.parametrize("documented", BROKEN, ids=lambda each: each.id)
def test_a_stream_that_breaks_off_with_an_error_raises_for_both(both, documented: Documented):
    both.serve(documented.body, documented.content_type)
    with pytest.raises(Exception, match=r"No\."):
        reader_for(documented.api, documented.provider)(both.clients, True)
    with pytest.raises(ProviderError, match=r"No\.") as ours:
        both.complete(documented.provider, settings_of(documented.api), stream=True)
    assert ours.value.retryable


def test_anthropics_reasoning_tokens_are_shown_by_its_client_only(both):
    answer = json.loads(next(each for each in ANSWERS if each.id == "anthropic-anthropic-tools-whole").body)
    answer["usage"]["output_tokens_details"] = {"thinking_tokens": 23}
    both.serve(json.dumps(answer).encode())
    theirs, ours = READERS["anthropic"](both.clients, False), both.complete("anthropic", {}, stream=False)
    assert set(differing("anthropic", ours, theirs)) == {"reasoning tokens"}


@pytest.mark.parametrize("api", LISTERS)
def test_a_model_list_is_read_alike(both, api):
    both.serve(json.dumps(LISTS[api]).encode())
    assert LISTERS[api](both.clients) == both.listed(SPEAKER[api], settings_of(api)) == ["a", "b"]


@pytest.mark.parametrize("recording", recordings("models"))
def test_a_recorded_model_list_is_read_alike(both, recording):
    both.serve(body_of(recording))
    assert LISTERS["openai_chat"](both.clients) == both.listed(entry_for(recording).kind, settings_for(recording))


def test_a_bare_list_of_models_is_read_by_ours_only(both):
    """Together sends one; OpenAI's client knows OpenAI's shape."""
    both.serve(b'[{"id": "a"}]')
    assert both.listed("together", {}) == ["a"]
    with pytest.raises(AttributeError):
        LISTERS["openai_chat"](both.clients)


@pytest.mark.parametrize("kind", EMBEDDERS)
def test_embeddings_are_read_alike(both, kind):
    both.serve(json.dumps(VECTORS[kind]).encode())
    theirs, ours = EMBEDDERS[kind](both.clients), both.embedded(kind)
    assert ours == theirs
    assert ours[0] == [[0.25, -1e-7], [1.25, -1e-7]]
