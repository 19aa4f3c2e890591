"""OpenAI's chat completions, and the many providers that speak it (https://developers.openai.com/api/reference/chat)."""

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
from aiapp.providers.usage_numbers import openai_usage
from aiapp.providers.wire_json import mapping, read_object, sequence, string, word


@dataclass(frozen=True, slots=True)
class OpenAIChat:
    """The chat completions dialect (types.Dialect) with one provider's quirks."""

    quirks: Quirks

    def build(self, request: Request, target: Target) -> HttpRequest:
        """Return the POST to `/chat/completions` under the target's base URL, which ends in `/v1` or the like."""
        stream = asking.wants_stream(request, target)
        response_format = self._response_format(request)
        schema_is_sent = response_format is not None and "json_schema" in response_format
        hint = request.output_format == "json" and not schema_is_sent
        system = asking.system_of(request, target, json_hint=hint)
        messages = [{"role": "system", "content": system}] if system else []
        body: dict[str, Any] = {
            "model": asking.model_of(request, target),
            "messages": [*messages, *asking.turns_of(request)],
            **asking.sampling_of(request, target, self.quirks),
        }
        max_tokens = asking.max_tokens_of(request, target, self.quirks)
        if max_tokens is not None:
            body[self.quirks.max_tokens_field] = max_tokens
        if request.stop:
            body["stop"] = list(request.stop)
        if response_format is not None:
            body["response_format"] = response_format
        body["stream"] = stream
        if stream and self.quirks.stream_options:
            body["stream_options"] = {"include_usage": True}
        return asking.post(target, self.quirks, "/chat/completions", body, stream=stream)

    def parse(self, body: bytes, target: Target) -> Completion:
        """Read a whole answer. Raises ProviderError for an error inside it, `bad_response` without a message."""
        data = read_object(body)
        raise_inside(data, target.api_key)
        choice = _first_choice(data)
        raise_inside(choice, target.api_key)
        message = mapping(choice.get("message"))
        if not message:
            raise ProviderError("bad_response", "The provider's answer has no message in it.")
        gathering = Gathering(finish=word(choice.get("finish_reason")), model=word(data.get("model")))
        gathering.add(*_text_and_reasoning(message))
        gathering.tools.add_whole(message.get("tool_calls"))
        return self._completed(gathering, data)

    def stream(self, chunks: Iterable[bytes], target: Target) -> Iterator[Delta | Completion]:
        """Read a stream up to `[DONE]`, or what the quirks let stand for it; a whole JSON answer is read too: so some refuse.

        Raises ProviderError for an error inside it, `bad_response` where it ends before `[DONE]`.
        """
        first, chunks = sse.opening(chunks)
        if first in (b"{", b"[", b"<"):
            yield from at_once(self.parse(sse.whole(chunks), target))
            return
        gathering = Gathering()
        usage: dict[str, Any] = {}
        began = ended = False
        for event in sse.events(chunks):
            if event.data.strip() == "[DONE]":
                if not began:
                    raise ProviderError("bad_response", "The stream ended without an answer in it.")
                ended = True
                break
            data = event_object(event, target.api_key)
            began = began or bool(data.get("choices"))
            delta = _take(data, gathering, usage, target)
            if delta:
                yield delta
            ended = not self.quirks.end_marker and _ends(data)
        if not ended:
            raise ProviderError(
                "bad_response", "The stream ended before its end marker [DONE]: the answer is incomplete."
            )
        rest = gathering.rest()
        if rest:
            yield rest
        yield self._completed(gathering, usage)

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """Read an answer whose status is not 200."""
        return failure(status, headers, body)

    def models_request(self, target: Target) -> HttpRequest:
        """Return the GET of the model list."""
        return asking.get(target, self.quirks, self.quirks.models_path)

    def models(self, body: bytes) -> tuple[ModelInfo, ...]:
        """Read a model list."""
        return openai_models(body)

    def _completed(self, gathering: Gathering, data: Mapping[str, Any]) -> Completion:
        gathering.rest()
        gathering.reported = mapping(data.get("usage"))
        return gathering.completion(openai_usage(gathering.reported, self.quirks.reasoning_tokens))

    def _response_format(self, request: Request) -> dict[str, Any] | None:
        if request.output_format != "json":
            return None
        if request.json_schema and "json_schema" in self.quirks.json_modes:
            return {"type": "json_schema", "json_schema": {"name": "answer", "schema": dict(request.json_schema)}}
        return {"type": "json_object"} if "json_object" in self.quirks.json_modes else None


def _take(data: Mapping[str, Any], gathering: Gathering, usage: dict[str, Any], target: Target) -> Delta | None:
    # Usage comes last with choices: [], beside the last choice, with every chunk, or in Groq's own corner.
    reported = mapping(data.get("usage")) or mapping(mapping(data.get("x_groq")).get("usage"))
    if reported:
        usage["usage"] = reported
    gathering.model = gathering.model or word(data.get("model"))
    choice = _first_choice(data)
    raise_inside(choice, target.api_key)  # OpenRouter puts the failure of the provider behind it into the choice
    if choice.get("index") not in (0, None):
        return None  # more than one answer was asked for through extra settings: the first one counts
    gathering.finish = word(choice.get("finish_reason")) or gathering.finish
    delta = mapping(choice.get("delta"))
    gathering.tools.add_pieces(delta.get("tool_calls"))
    return gathering.add(*_text_and_reasoning(delta))


def _ends(data: Mapping[str, Any]) -> bool:
    """Whether an event could be a stream's last one: it says why the answer ends and what it took."""
    return bool(_first_choice(data).get("finish_reason")) and bool(mapping(data.get("usage")))


def _text_and_reasoning(message: Mapping[str, Any]) -> tuple[str, str]:
    content = message.get("content")
    # DeepSeek, xAI and Z.ai say reasoning_content; OpenRouter, Groq and Ollama say reasoning.
    reasoning = string(message.get("reasoning_content")) or string(message.get("reasoning"))
    if isinstance(content, list):  # Mistral: parts, of which some are thinking
        parts = list(map(mapping, content))
        text = "".join(string(part.get("text")) for part in parts if part.get("type") == "text")
        thinking = (item for part in parts if part.get("type") == "thinking" for item in sequence(part.get("thinking")))
        reasoning += "".join(string(mapping(item).get("text")) for item in thinking)
        return text, reasoning
    return string(content) or string(message.get("refusal")), reasoning


def _first_choice(data: Mapping[str, Any]) -> dict[str, Any]:
    choices = sequence(data.get("choices"))
    return mapping(choices[0]) if choices else {}
