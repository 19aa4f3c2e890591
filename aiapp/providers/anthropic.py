"""Anthropic's Messages API (https://platform.claude.com/docs/en/api/messages)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aiapp.providers import asking, sse
from aiapp.providers.failures import event_object, failure, raise_inside
from aiapp.providers.gathering import Gathering, at_once
from aiapp.providers.plain_schema import plain
from aiapp.providers.quirks import Quirks
from aiapp.providers.types import Completion, Delta, HttpRequest, ModelInfo, ProviderError, Request, Target
from aiapp.providers.usage_numbers import anthropic_usage
from aiapp.providers.wire_json import count, mapping, read_object, string, word


@dataclass(frozen=True, slots=True)
class Anthropic:
    """The Messages dialect (types.Dialect). `quirks.default_max_tokens` is needed: the API insists on a limit."""

    quirks: Quirks

    def build(self, request: Request, target: Target) -> HttpRequest:
        """Return the POST to `/v1/messages`. JSON is left to the prompt unless model and schema are of the kind that it takes."""
        stream = asking.wants_stream(request, target)
        schema = self._schema(request, target)
        system = asking.system_of(request, target, json_hint=request.output_format == "json" and not schema)
        body: dict[str, Any] = {
            "model": asking.model_of(request, target),
            "max_tokens": asking.max_tokens_of(request, target, self.quirks),
            "messages": asking.turns_of(request),
            **asking.sampling_of(request, target, self.quirks),
        }
        if system:
            body["system"] = system
        if request.stop:
            body["stop_sequences"] = list(request.stop)
        if schema:
            body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        body["stream"] = stream
        return asking.post(target, self.quirks, "/v1/messages", body, stream=stream)

    def parse(self, body: bytes, target: Target) -> Completion:
        """Read a whole answer. Raises ProviderError for an error inside it, `bad_response` without content."""
        data = read_object(body)
        raise_inside(data, target.api_key)
        if not isinstance(data.get("content"), list):
            raise ProviderError("bad_response", "The provider's answer has no content in it.")
        gathering = Gathering(finish=word(data.get("stop_reason")), model=word(data.get("model")))
        for index, block in enumerate(map(mapping, data["content"])):
            _begin_block(index, block, gathering)
        gathering.reported = mapping(data.get("usage"))
        return _completed(gathering)

    def stream(self, chunks: Iterable[bytes], target: Target) -> Iterator[Delta | Completion]:
        """Read a stream up to `message_stop`; a whole JSON answer is read too.

        Raises ProviderError for an error event, `bad_response` where it ends before `message_stop`.
        """
        first, chunks = sse.opening(chunks)
        if first in (b"{", b"[", b"<"):
            yield from at_once(self.parse(sse.whole(chunks), target))
            return
        gathering = Gathering()
        for event in sse.events(chunks):
            data = event_object(event, target.api_key)
            if data.get("type") == "message_stop":
                rest = gathering.rest()
                if rest:
                    yield rest
                yield _completed(gathering)
                return
            delta = _take(data, gathering)
            if delta:
                yield delta
        raise ProviderError(
            "bad_response", "The stream ended before its end marker message_stop: the answer is incomplete."
        )

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """Read an answer whose status is not 200."""
        return failure(status, headers, body)

    def models_request(self, target: Target) -> HttpRequest:
        """Return the GET of `/v1/models`, as many as one page holds."""
        return asking.get(target, self.quirks, "/v1/models?limit=1000")

    def models(self, body: bytes) -> tuple[ModelInfo, ...]:
        """Read a model list."""
        listed = read_object(body).get("data")
        if not isinstance(listed, list):
            raise ProviderError("bad_response", "The provider's model list is not a list.")
        entries = [entry for entry in map(mapping, listed) if word(entry.get("id"))]
        return tuple(
            ModelInfo(str(word(e["id"])), word(e.get("display_name")), count(e.get("max_input_tokens")) or None)
            for e in entries
        )

    def _schema(self, request: Request, target: Target) -> dict[str, Any] | None:
        takes = asking.model_of(request, target).startswith(self.quirks.schema_models)
        return plain(request.json_schema) if request.output_format == "json" and request.json_schema and takes else None


def _take(data: Mapping[str, Any], gathering: Gathering) -> Delta | None:
    """Take one event; the kinds that this does not know may grow, says the documentation, and are left alone."""
    kind, index = data.get("type"), data.get("index")
    if kind == "message_start":
        message = mapping(data.get("message"))
        gathering.model = word(message.get("model")) or gathering.model
        _report(gathering, message)
    elif kind == "message_delta":
        gathering.finish = word(mapping(data.get("delta")).get("stop_reason")) or gathering.finish
        _report(gathering, data)
    elif kind == "content_block_start":
        return _begin_block(index, mapping(data.get("content_block")), gathering)
    elif kind == "content_block_delta":
        delta = mapping(data.get("delta"))
        if isinstance(delta.get("partial_json"), str):
            gathering.tools.extend(index, delta["partial_json"])
        return gathering.add(string(delta.get("text")), string(delta.get("thinking")))
    return None


def _begin_block(index: Any, block: Mapping[str, Any], gathering: Gathering) -> Delta | None:
    if block.get("type") == "tool_use":
        gathering.tools.begin(index, string(block.get("id")), string(block.get("name")), block.get("input"))
        return None
    return gathering.add(string(block.get("text")), string(block.get("thinking")))


def _report(gathering: Gathering, place: Mapping[str, Any]) -> None:
    # The counts of message_delta are running totals and leave out what did not change.
    usage = mapping(place.get("usage"))
    gathering.reported.update({name: value for name, value in usage.items() if value is not None})


def _completed(gathering: Gathering) -> Completion:
    gathering.rest()
    return gathering.completion(anthropic_usage(gathering.reported))
