"""OpenAI's Responses API, and those who speak it too (https://developers.openai.com/api/reference/responses)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aiapp.providers import asking, sse
from aiapp.providers.failures import event_object, failure, raise_inside
from aiapp.providers.gathering import Gathering, at_once
from aiapp.providers.model_lists import openai_models
from aiapp.providers.quirks import Quirks
from aiapp.providers.types import Completion, Delta, HttpRequest, ModelInfo, ProviderError, Request, Target
from aiapp.providers.usage_numbers import responses_usage
from aiapp.providers.wire_json import count, mapping, read_object, sequence, string, word

_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled"})
_TEXT = frozenset({"response.output_text.delta", "response.refusal.delta"})
_REASONING = frozenset({"response.reasoning_summary_text.delta", "response.reasoning_text.delta"})
# The thoughts of a model are a list of paragraphs.
_BETWEEN_THOUGHTS = "\n\n"


@dataclass(frozen=True, slots=True)
class OpenAIResponses:
    """The Responses dialect (types.Dialect) with one provider's quirks. It knows no stop sequences: none are sent."""

    quirks: Quirks

    def build(self, request: Request, target: Target) -> HttpRequest:
        """Return the POST to `/responses` under the target's base URL. Nothing is kept at the provider (`store`)."""
        stream = asking.wants_stream(request, target)
        text_format = self._text_format(request)
        unsaid = text_format is None or (text_format["type"] == "json_object" and bool(request.json_schema))
        hint = request.output_format == "json" and unsaid
        turns = asking.turns_of(request)
        # JSON mode is refused unless the word stands in the input; the instructions do not count.
        if text_format == {"type": "json_object"} and not asking.turns_say(request, "json"):
            turns.insert(0, {"role": "system", "content": asking.JSON_HINT})
        body: dict[str, Any] = {
            "model": asking.model_of(request, target),
            "input": turns,
            **asking.sampling_of(request, target, self.quirks),
        }
        instructions = asking.system_of(request, target, json_hint=hint)
        if instructions:
            body["instructions"] = instructions
        max_tokens = asking.max_tokens_of(request, target, self.quirks)
        if max_tokens is not None:
            body["max_output_tokens"] = max_tokens
        if text_format is not None:
            body["text"] = {"format": text_format}
        body |= {"store": False, "stream": stream}
        return asking.post(target, self.quirks, "/responses", body, stream=stream)

    def parse(self, body: bytes, target: Target) -> Completion:
        """Read a whole answer. Raises ProviderError for an error inside it, `bad_response` without output."""
        data = read_object(body)
        _raise_unless_answered(data, target)
        if not isinstance(data.get("output"), list):
            raise ProviderError("bad_response", "The provider's answer has no output in it.")
        gathering = Gathering()
        for index, item in enumerate(map(mapping, data["output"])):
            _take_item(index, item, gathering)
        gathering.rest()
        return _completed(data, gathering)

    def stream(self, chunks: Iterable[bytes], target: Target) -> Iterator[Delta | Completion]:
        """Read a stream up to the event that ends its response; a whole JSON answer is read too.

        Raises ProviderError for an error or a failed response, `bad_response` where it ends before.
        """
        first, chunks = sse.opening(chunks)
        if first in (b"{", b"[", b"<"):
            yield from at_once(self.parse(sse.whole(chunks), target))
            return
        gathering = Gathering()
        taken: set[int | None] = set()  # the items of the output of which something has been read
        for event in sse.events(chunks):
            if event.data.strip() == "[DONE]":
                break
            data = event_object(event, target.api_key)
            if string(data.get("type")) in _ENDS:
                yield from _ended(mapping(data.get("response")), gathering, taken, target)
                return
            delta = _take(data, gathering, taken)
            if delta:
                yield delta
        raise ProviderError("bad_response", "The stream ended before its response was completed: it is incomplete.")

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """Read an answer whose status is not 200."""
        return failure(status, headers, body)

    def models_request(self, target: Target) -> HttpRequest:
        """Return the GET of `/models`."""
        return asking.get(target, self.quirks, "/models")

    def models(self, body: bytes) -> tuple[ModelInfo, ...]:
        """Read a model list."""
        return openai_models(body)

    def _text_format(self, request: Request) -> dict[str, Any] | None:
        if request.output_format != "json":
            return None
        if request.json_schema and "json_schema" in self.quirks.json_modes:
            return {"type": "json_schema", "name": "answer", "schema": dict(request.json_schema)}
        return {"type": "json_object"} if "json_object" in self.quirks.json_modes else None


def _take(data: Mapping[str, Any], gathering: Gathering, taken: set[int | None]) -> Delta | None:
    """Take one event; most kinds repeat what others said, and new ones may come: they are left alone."""
    kind, index = string(data.get("type")), count(data.get("output_index"))
    item = mapping(data.get("item"))
    delta: Delta | None = None
    if kind in _TEXT:
        delta = gathering.add(string(data.get("delta")))
    elif kind in _REASONING:
        delta = gathering.add("", string(data.get("delta")))
    elif kind == "response.reasoning_summary_part.added" and data.get("summary_index"):
        delta = gathering.add("", _BETWEEN_THOUGHTS)
    elif kind == "response.output_item.added" and item.get("type") == "function_call":
        gathering.tools.begin(index, _call_id(item), string(item.get("name")), item.get("arguments"))
    elif kind == "response.function_call_arguments.delta":
        gathering.tools.extend(index, string(data.get("delta")))
    elif kind == "response.output_item.done" and (index not in taken or item.get("type") == "function_call"):
        delta = _take_item(index, item, gathering)
    if delta or item.get("type") == "function_call":
        taken.add(index)
    return delta


def _take_item(index: int | None, item: Mapping[str, Any], gathering: Gathering) -> Delta | None:
    kind = item.get("type")
    parts = list(map(mapping, sequence(item.get("content"))))
    if kind == "function_call":
        gathering.tools.complete(index, _call_id(item), string(item.get("name")), item.get("arguments"))
    elif kind == "message":
        return gathering.add("".join(string(part.get("text")) or string(part.get("refusal")) for part in parts))
    elif kind == "reasoning":
        # Providers show a summary of the thoughts or the thoughts themselves.
        shown = [string(part.get("text")) for part in map(mapping, sequence(item.get("summary")))]
        return gathering.add("", _BETWEEN_THOUGHTS.join(shown) or "".join(string(part.get("text")) for part in parts))
    return None


def _ended(
    response: Mapping[str, Any], gathering: Gathering, taken: set[int | None], target: Target
) -> Iterator[Delta | Completion]:
    _raise_unless_answered(response, target)
    if not taken:  # a server that sends its answer in the last event only
        for index, item in enumerate(map(mapping, sequence(response.get("output")))):
            delta = _take_item(index, item, gathering)
            if delta:
                yield delta
    rest = gathering.rest()
    if rest:
        yield rest
    yield _completed(response, gathering)


def _completed(response: Mapping[str, Any], gathering: Gathering) -> Completion:
    gathering.finish = word(response.get("status"))
    gathering.model = word(response.get("model"))
    gathering.reported = mapping(response.get("usage"))
    return gathering.completion(responses_usage(gathering.reported))


def _raise_unless_answered(response: Mapping[str, Any], target: Target) -> None:
    raise_inside(response, target.api_key)
    status = response.get("status")
    if status in ("failed", "cancelled"):
        raise ProviderError("server", f"The provider ended its answer as {status} and did not say why.")
    if status in ("queued", "in_progress"):
        raise ProviderError("bad_response", "The provider's answer is not complete.")


def _call_id(item: Mapping[str, Any]) -> str:
    return string(item.get("call_id")) or string(item.get("id"))
