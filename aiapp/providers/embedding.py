"""Texts to vectors, in the four ways that providers are asked for them: OpenAI's, Gemini's, Cohere's and Ollama's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from aiapp.providers import asking
from aiapp.providers.failures import raise_inside
from aiapp.providers.google import resource
from aiapp.providers.quirks import Quirks
from aiapp.providers.types import Embeddings, HttpRequest, ProviderError, Purpose, Target, Usage
from aiapp.providers.wire_json import count, mapping, read_object, sequence, storable_value, word

_GEMINI_TASKS: Mapping[Purpose, str] = {"document": "RETRIEVAL_DOCUMENT", "query": "RETRIEVAL_QUERY"}
_COHERE_TYPES: Mapping[Purpose, str] = {"document": "search_document", "query": "search_query"}


@dataclass(frozen=True, slots=True)
class OpenAIEmbeddings:
    """`/embeddings` (types.Embedder): https://developers.openai.com/api/reference/embeddings."""

    quirks: Quirks

    def embed_request(self, texts: Sequence[str], target: Target, purpose: Purpose) -> HttpRequest:
        """Return the POST; the API knows no purpose."""
        return _post(target, self.quirks, "/embeddings", {"model": target.model, "input": list(texts)})

    def embeddings(self, body: bytes, target: Target) -> Embeddings:
        """Read the vectors, which name their places."""
        data = _answer(body, target)
        entries = sorted(map(mapping, sequence(data.get("data"))), key=lambda each: count(each.get("index")) or 0)
        usage = mapping(data.get("usage"))
        return _embeddings([each.get("embedding") for each in entries], usage.get("prompt_tokens"), data, usage)


@dataclass(frozen=True, slots=True)
class GoogleEmbeddings:
    """`:batchEmbedContents` (types.Embedder): https://ai.google.dev/api/embeddings."""

    quirks: Quirks

    def embed_request(self, texts: Sequence[str], target: Target, purpose: Purpose) -> HttpRequest:
        """Return the POST, one request in it for each text."""
        path, task = resource(target.model), _GEMINI_TASKS[purpose]
        requests = [{"model": path, "content": {"parts": [{"text": text}]}, "taskType": task} for text in texts]
        return _post(target, self.quirks, f"/v1beta/{path}:batchEmbedContents", {"requests": requests})

    def embeddings(self, body: bytes, target: Target) -> Embeddings:
        """Read the vectors; only newer models report tokens."""
        data = _answer(body, target)
        usage = mapping(data.get("usageMetadata"))
        vectors = [mapping(each).get("values") for each in sequence(data.get("embeddings"))]
        return _embeddings(vectors, usage.get("promptTokenCount"), data, usage)


@dataclass(frozen=True, slots=True)
class CohereEmbeddings:
    """`/v2/embed` (types.Embedder): https://docs.cohere.com/reference/embed."""

    quirks: Quirks

    def embed_request(self, texts: Sequence[str], target: Target, purpose: Purpose) -> HttpRequest:
        """Return the POST, for vectors of floats."""
        body = {"model": target.model, "texts": list(texts), "input_type": _COHERE_TYPES[purpose]}
        return _post(target, self.quirks, "/v2/embed", {**body, "embedding_types": ["float"]})

    def embeddings(self, body: bytes, target: Target) -> Embeddings:
        """Read the vectors and what is billed for them."""
        data = _answer(body, target)
        usage = mapping(mapping(data.get("meta")).get("billed_units"))
        return _embeddings(mapping(data.get("embeddings")).get("float"), usage.get("input_tokens"), data, usage)


@dataclass(frozen=True, slots=True)
class OllamaEmbeddings:
    """`/api/embed` (types.Embedder): https://docs.ollama.com/api/embed."""

    quirks: Quirks

    def embed_request(self, texts: Sequence[str], target: Target, purpose: Purpose) -> HttpRequest:
        """Return the POST; the API knows no purpose."""
        return _post(target, self.quirks, "/api/embed", {"model": target.model, "input": list(texts)})

    def embeddings(self, body: bytes, target: Target) -> Embeddings:
        """Read the vectors."""
        data = _answer(body, target)
        counts = {name: data[name] for name in ("prompt_eval_count",) if name in data}
        return _embeddings(data.get("embeddings"), data.get("prompt_eval_count"), data, counts)


def _post(target: Target, quirks: Quirks, path: str, body: dict[str, Any]) -> HttpRequest:
    # A credential's extra fields are for conversations.
    settings = {name: value for name, value in target.settings.items() if name != "extra"}
    return asking.post(replace(target, settings=settings), quirks, path, body, stream=False)


def _answer(body: bytes, target: Target) -> dict[str, Any]:
    data = read_object(body)
    raise_inside(data, target.api_key)
    return data


def _embeddings(vectors: Any, tokens: Any, data: Mapping[str, Any], reported: Mapping[str, Any]) -> Embeddings:
    return Embeddings(
        tuple(map(_vector, sequence(vectors))),
        Usage(input=count(tokens), output=0),
        word(data.get("model")),
        storable_value(dict(reported)) or None,
    )


def _vector(value: Any) -> tuple[float, ...]:
    try:
        numbers = tuple(float(number) for number in sequence(value) if type(number) in (int, float))
    except OverflowError:
        numbers = ()
    if not numbers or len(numbers) != len(value) or not all(map(math.isfinite, numbers)):
        raise ProviderError("bad_response", "The provider's embedding is not a list of numbers.")
    return numbers
