"""Embeddings in each provider's way: what is sent and what is read. Answers after the documentation."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiapp.providers.registry import PROVIDERS, provider
from aiapp.providers.types import Embeddings, ProviderError, Target, Usage

KEY = "k-test-0123456789abcdef"
WITH = [kind for kind, entry in PROVIDERS.items() if entry.embedder]


def target(kind, model="m", **settings):
    return Target(kind, provider(kind).base_url or "https://h", model, api_key=KEY, settings=settings)


def asked(kind, purpose="document", **settings):
    built = provider(kind).embedder.embed_request(["a", "b"], target(kind, **settings), purpose)
    return built, json.loads(built.body)


def read(kind, data):
    return provider(kind).embedder.embeddings(json.dumps(data).encode(), target(kind))


def test_openais_way():
    built, body = asked("openai", extra={"seed": 1})
    assert (built.method, built.url) == ("POST", "https://api.openai.com/v1/embeddings")
    assert body == {"model": "m", "input": ["a", "b"]}
    data = {
        "model": "v",
        "data": [{"index": 1, "embedding": [3, 4]}, {"index": 0, "embedding": [1, 2]}],
        "usage": {"prompt_tokens": 5, "total_tokens": 5},
    }
    assert read("openai", data) == Embeddings(((1.0, 2.0), (3.0, 4.0)), Usage(5, 0), "v", data["usage"])


def test_azures_deployments_have_their_own():
    entry = provider("azure")
    asked_of = replace(target("azure", api_version="2024-06-01"), base_url="https://res.openai.azure.com")
    url = entry.embedder.embed_request(["a"], asked_of, "document").url
    assert url == "https://res.openai.azure.com/openai/deployments/m/embeddings?api-version=2024-06-01"


@pytest.mark.parametrize(("purpose", "task"), [("document", "RETRIEVAL_DOCUMENT"), ("query", "RETRIEVAL_QUERY")])
def test_geminis_way(purpose, task):
    built, body = asked("google", purpose)
    assert built.url == "https://generativelanguage.googleapis.com/v1beta/models/m:batchEmbedContents"
    assert built.headers["x-goog-api-key"] == KEY
    assert body["requests"][1] == {"model": "models/m", "content": {"parts": [{"text": "b"}]}, "taskType": task}
    vectors = [{"values": [1]}, {"values": [2]}]
    assert read("google", {"embeddings": vectors}) == Embeddings(((1.0,), (2.0,)), Usage(None, 0))
    assert read("google", {"embeddings": vectors, "usageMetadata": {"promptTokenCount": 3}}).usage == Usage(3, 0)


@pytest.mark.parametrize(("purpose", "kind"), [("document", "search_document"), ("query", "search_query")])
def test_coheres_way(purpose, kind):
    built, body = asked("cohere", purpose)
    assert built.url == "https://api.cohere.com/v2/embed"
    assert body == {"model": "m", "texts": ["a", "b"], "input_type": kind, "embedding_types": ["float"]}
    billed = {"input_tokens": 4}
    data = {"embeddings": {"float": [[1], [2]]}, "meta": {"billed_units": billed}}
    assert read("cohere", data) == Embeddings(((1.0,), (2.0,)), Usage(4, 0), None, billed)


def test_ollamas_way():
    built, body = asked("ollama")
    assert built.url == "http://localhost:11434/api/embed"
    assert body == {"model": "m", "input": ["a", "b"]}
    data = {"model": "v", "embeddings": [[1], [2]], "prompt_eval_count": 6}
    assert read("ollama", data) == Embeddings(((1.0,), (2.0,)), Usage(6, 0), "v", {"prompt_eval_count": 6})


@pytest.mark.parametrize("kind", ["openai", "google", "cohere", "ollama"])
@pytest.mark.parametrize("vector", [[], [True], ["1"], None, [1, None], "AAAA", [10**400]])
def test_what_is_not_a_list_of_numbers_is_a_bad_response(kind, vector):
    data = {
        "openai": {"data": [{"embedding": vector}]},
        "google": {"embeddings": [{"values": vector}]},
        "cohere": {"embeddings": {"float": [vector]}},
        "ollama": {"embeddings": [vector]},
    }[kind]
    with pytest.raises(ProviderError) as caught:
        read(kind, data)
    assert caught.value.error_class == "bad_response"


@pytest.mark.parametrize("kind", ["openai", "google", "cohere", "ollama"])
def test_an_error_inside_is_raised_without_the_key(kind):
    with pytest.raises(ProviderError) as caught:
        read(kind, {"error": {"message": f"no {KEY}", "code": 429}})
    assert caught.value.error_class == "rate_limit"
    assert KEY not in caught.value.message


@pytest.mark.parametrize("kind", WITH)
def test_an_entry_with_embeddings_offers_them_as_a_capability(kind):
    entry = provider(kind)
    assert "embeddings" in entry.capabilities
    assert asked(kind)[0].method == "POST"
    assert entry.embedding_models or not entry.base_url


def test_a_provider_without_embeddings_does_not_pretend():
    assert provider("anthropic").embedder is None
    assert "embeddings" not in provider("anthropic").capabilities


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["data", "embedding", "embeddings", "float", "values", "usage", "index", "meta"]), inner
        )
    ),
    max_leaves=10,
)


@given(json_values, st.sampled_from(["openai", "google", "cohere", "ollama"]))
def test_json_of_any_shape_does_no_harm(data, kind):
    try:
        found = read(kind, data)
    except ProviderError:
        return
    assert all(isinstance(number, float) for vector in found.vectors for number in vector)
