"""Cohere's chat, version 2 (https://docs.cohere.com/reference/chat)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aiapp.providers import asking, sse
from aiapp.providers.failures import event_object, failure, raise_inside
from aiapp.providers.gathering import Gathering, at_once
from aiapp.providers.model_lists import named_models
from aiapp.providers.quirks import Quirks
from aiapp.providers.types import Completion, Delta, HttpRequest, ModelInfo, ProviderError, Request, Target
from aiapp.providers.usage_numbers import cohere_usage
from aiapp.providers.wire_json import mapping, read_object, sequence, string, word

# Reasons that are failures in the middle of an answer (as classification knows them); the others are the answer's own.
_FAILED = frozenset({"ERROR", "ERROR_TOXIC", "ERROR_LIMIT", "TIMEOUT"})


@dataclass(frozen=True, slots=True)
class Cohere:
    """The v2 chat dialect (types.Dialect)."""

    quirks: Quirks

    def build(self, request: Request, target: Target) -> HttpRequest:
        """Return the POST to `/v2/chat`."""
        stream = asking.wants_stream(request, target)
        wants_json = request.output_format == "json"
        # Without a schema the model has to be told, or it may write for ever.
        system = asking.system_of(request, target, json_hint=wants_json and not request.json_schema)
        messages = [{"role": "system", "content": system}] if system else []
        sampling = asking.sampling_of(request, target, self.quirks)
        names = {"temperature": "temperature", "top_p": "p"}
        body: dict[str, Any] = {
            "model": asking.model_of(request, target),
            "messages": [*messages, *asking.turns_of(request)],
            **{names[name]: value for name, value in sampling.items()},
        }
        max_tokens = asking.max_tokens_of(request, target, self.quirks)
        if max_tokens is not None:
            body["max_tokens"] = max_tokens
        if request.stop:
            body["stop_sequences"] = list(request.stop)
        if wants_json:
            schema = {"json_schema": dict(request.json_schema)} if request.json_schema else {}
            body["response_format"] = {"type": "json_object", **schema}
        body["stream"] = stream
        return asking.post(target, self.quirks, "/v2/chat", body, stream=stream)

    def parse(self, body: bytes, target: Target) -> Completion:
        """Read a whole answer. Raises ProviderError for an error inside it, `bad_response` without a message."""
        data = read_object(body)
        _raise_if_failed(data, target)
        raise_inside(data, target.api_key)
        message = mapping(data.get("message"))
        if not message:
            raise ProviderError("bad_response", "The provider's answer has no message in it.")
        gathering = Gathering(finish=word(data.get("finish_reason")), reported=mapping(data.get("usage")))
        gathering.add("", string(message.get("tool_plan")))
        for part in map(mapping, sequence(message.get("content"))):
            gathering.add(string(part.get("text")), string(part.get("thinking")))
        gathering.tools.add_whole(message.get("tool_calls"))
        gathering.rest()
        return gathering.completion(cohere_usage(gathering.reported))

    def stream(self, chunks: Iterable[bytes], target: Target) -> Iterator[Delta | Completion]:
        """Read a stream up to `message-end`; a whole JSON answer is read too.

        Raises ProviderError for an error inside it, `bad_response` where it ends before `message-end`.
        """
        first, chunks = sse.opening(chunks)
        if first in (b"{", b"[", b"<"):
            yield from at_once(self.parse(sse.whole(chunks), target))
            return
        gathering = Gathering()
        for event in sse.events(chunks):
            if event.data.strip() == "[DONE]":
                break
            data = event_object(event, target.api_key)
            delta = _take(data, gathering, target)
            if delta:
                yield delta
            if data.get("type") == "message-end":
                rest = gathering.rest()
                if rest:
                    yield rest
                yield gathering.completion(cohere_usage(gathering.reported))
                return
        raise ProviderError("bad_response", "The stream ended before its end marker message-end: it is incomplete.")

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """Read an answer whose status is not 200."""
        return failure(status, headers, body)

    def models_request(self, target: Target) -> HttpRequest:
        """Return the GET of the models that chat."""
        return asking.get(target, self.quirks, "/v1/models?page_size=1000&endpoint=chat")

    def models(self, body: bytes) -> tuple[ModelInfo, ...]:
        """Read a model list."""
        return named_models(body, title="display_name", context="context_length")


def _take(data: Mapping[str, Any], gathering: Gathering, target: Target) -> Delta | None:
    """Take one event; citations and the ends of parts say nothing new."""
    kind, index, delta = data.get("type"), data.get("index"), mapping(data.get("delta"))
    message = mapping(delta.get("message"))
    content, call = mapping(message.get("content")), mapping(message.get("tool_calls"))
    function = mapping(call.get("function"))
    if kind in ("content-start", "content-delta"):
        return gathering.add(string(content.get("text")), string(content.get("thinking")))
    if kind == "tool-plan-delta":
        return gathering.add("", string(message.get("tool_plan")))
    if kind == "tool-call-start":
        gathering.tools.begin(index, string(call.get("id")), string(function.get("name")))
        gathering.tools.extend(index, string(function.get("arguments")))
    elif kind == "tool-call-delta":
        gathering.tools.extend(index, string(function.get("arguments")))
    elif kind == "message-end":
        _raise_if_failed(delta, target)
        gathering.finish = word(delta.get("finish_reason"))
        gathering.reported = mapping(delta.get("usage"))
    return None


def _raise_if_failed(place: Mapping[str, Any], target: Target) -> None:
    finish = string(place.get("finish_reason"))
    if finish in _FAILED:
        said = string(place.get("error")) or f"Cohere ended its answer with {finish}."
        raise_inside({"error": {"message": said, "code": finish}}, target.api_key)
