"""What a credential's settings choose reaches the wire: the dialect of an answer, and embeddings."""

from __future__ import annotations

import json

import pytest
from scripted_provider import refuses, sends

from aiapp.gateway.complete import complete, embed, list_models
from aiapp.providers.types import Embeddings, Message, ProviderError, Request, Target, Usage

pytestmark = pytest.mark.usefixtures("bare_app")

ASK = Request((Message("user", "What is up?"),), stream=False)
SECRET = "sk-first-canary-0123456789abcdefXYZ9"


def target(provider, kind="openai_compatible", **settings):
    return Target(kind, provider.url, "small", api_key=SECRET, credential_id="one", settings=settings)


def answers(data):
    return sends(200, "application/json", json.dumps(data).encode())


def vectors(*rows):
    return {
        "model": "v-1",
        "data": [{"index": index, "embedding": row} for index, row in rows],
        "usage": {"prompt_tokens": 7},
    }


def test_a_credential_that_chooses_responses_is_asked_there(provider):
    item = {"type": "message", "content": [{"type": "output_text", "text": "Fine."}]}
    provider.default = answers(
        {"status": "completed", "output": [item], "usage": {"input_tokens": 3, "output_tokens": 2}}
    )
    outcome = complete(ASK, [target(provider, api="responses")])
    assert (outcome.completion.text, outcome.completion.usage) == ("Fine.", Usage(3, 2))
    assert provider.calls[-1].path.endswith("/responses")
    assert provider.calls[-1].body["input"] == [{"role": "user", "content": "What is up?"}]


def test_one_vector_comes_back_for_each_text_in_the_texts_order(provider):
    provider.default = answers(vectors((1, [0.5, 1]), (0, [0.25, -1])))
    found = embed(["a", "b"], target(provider, extra={"top_k": 4}))
    assert found == Embeddings(((0.25, -1.0), (0.5, 1.0)), Usage(7, 0), "v-1", {"prompt_tokens": 7})
    call = provider.calls[-1]
    assert (call.path.endswith("/embeddings"), call.body) == (True, {"model": "small", "input": ["a", "b"]})


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (vectors((0, [1.0])), "bad_response"),
        (vectors((0, [1.0]), (1, ["x"])), "bad_response"),
        (vectors((0, [1.0]), (1, [])), "bad_response"),
        ({}, "bad_response"),
        ({"error": {"message": f"no {SECRET}", "code": "rate_limit_exceeded"}}, "rate_limit"),
    ],
)
def test_what_is_no_vector_for_each_text_is_refused(provider, data, expected):
    provider.default = answers(data)
    with pytest.raises(ProviderError) as caught:
        embed(["a", "b"], target(provider))
    assert caught.value.error_class == expected
    assert SECRET not in caught.value.message


def test_a_refusal_is_read_and_shows_no_key(provider):
    provider.default = refuses(401, f"Bad key {SECRET}")
    for ask in (lambda: embed(["a"], target(provider)), lambda: list_models(target(provider))):
        with pytest.raises(ProviderError) as caught:
            ask()
        assert caught.value.error_class == "auth"
        assert SECRET not in caught.value.message


def test_a_provider_without_embeddings_says_so_without_a_call(provider):
    with pytest.raises(ProviderError, match="Anthropic offers no embeddings") as caught:
        embed(["a"], target(provider, kind="anthropic"))
    assert caught.value.error_class == "bad_request"
    assert provider.calls == []
