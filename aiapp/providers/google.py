"""Google's Gemini API (https://ai.google.dev/api/generate-content)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aiapp.providers import asking, sse
from aiapp.providers.failures import event_object, failure, raise_inside
from aiapp.providers.gathering import Gathering, at_once
from aiapp.providers.model_lists import named_models
from aiapp.providers.quirks import Quirks
from aiapp.providers.types import Completion, Delta, HttpRequest, ModelInfo, ProviderError, Request, Target
from aiapp.providers.usage_numbers import gemini_usage
from aiapp.providers.wire_json import mapping, read_value, sequence, string, word

_ROLES = {"user": "user", "assistant": "model"}


@dataclass(frozen=True, slots=True)
class Google:
    """The generateContent dialect (types.Dialect)."""

    quirks: Quirks

    def build(self, request: Request, target: Target) -> HttpRequest:
        """Return the POST to the model's `:generateContent`, or to `:streamGenerateContent` as server-sent events."""
        stream = asking.wants_stream(request, target)
        system = asking.system_of(request, target)
        body: dict[str, Any] = {
            "contents": [{"role": _ROLES[turn.role], "parts": [{"text": turn.content}]} for turn in request.messages]
        }
        if system:
            body["systemInstruction"] = {"parts": [{"text": system}]}
        body["generationConfig"] = self._config(request, target)
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        path = f"/v1beta/{resource(asking.model_of(request, target))}:{verb}"
        return asking.post(target, self.quirks, path, body, stream=stream)

    def parse(self, body: bytes, target: Target) -> Completion:
        """Read a whole answer, also one in pieces (`[…]`), as the API streams without `alt=sse`.

        Raises ProviderError for an error inside it, `content_filter` for a blocked prompt, `bad_response` without a candidate.
        """
        data = read_value(body)
        gathering = Gathering()
        answered = False
        for piece in map(mapping, data if isinstance(data, list) else [data]):
            raise_inside(piece, target.api_key)
            _take(piece, gathering)
            answered = answered or bool(sequence(piece.get("candidates")))
        if not answered:
            raise ProviderError("bad_response", "The provider's answer has no candidate in it.")
        gathering.rest()
        return _completed(gathering)

    def stream(self, chunks: Iterable[bytes], target: Target) -> Iterator[Delta | Completion]:
        """Read a stream to its end: it has no end marker but the finish reason. A whole JSON answer is read too.

        Raises ProviderError for an error inside it, `content_filter` for a blocked prompt, `bad_response` without that reason.
        """
        first, chunks = sse.opening(chunks)
        if first in (b"{", b"[", b"<"):
            yield from at_once(self.parse(sse.whole(chunks), target))
            return
        gathering = Gathering()
        for event in sse.events(chunks):
            if event.data.strip() == "[DONE]":
                break
            delta = _take(event_object(event, target.api_key), gathering)
            if delta:
                yield delta
        if gathering.finish is None:
            raise ProviderError("bad_response", "The stream ended before its finish reason: the answer is incomplete.")
        rest = gathering.rest()
        if rest:
            yield rest
        yield _completed(gathering)

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """Read an answer whose status is not 200."""
        return failure(status, headers, body)

    def models_request(self, target: Target) -> HttpRequest:
        """Return the GET of `/v1beta/models`, as many as one page holds."""
        return asking.get(target, self.quirks, "/v1beta/models?pageSize=1000")

    def models(self, body: bytes) -> tuple[ModelInfo, ...]:
        """Read a model list; ids leave out the `models/` that all begin with."""
        return named_models(body, title="displayName", context="inputTokenLimit", prefix="models/")

    def _config(self, request: Request, target: Target) -> dict[str, Any]:
        sampling = asking.sampling_of(request, target, self.quirks)
        names = {"temperature": "temperature", "top_p": "topP"}
        config: dict[str, Any] = {names[name]: value for name, value in sampling.items()}
        max_tokens = asking.max_tokens_of(request, target, self.quirks)
        if max_tokens is not None:
            config["maxOutputTokens"] = max_tokens
        if request.stop:
            config["stopSequences"] = list(request.stop)
        if request.output_format == "json":
            config["responseMimeType"] = "application/json"
            if request.json_schema:
                config["responseJsonSchema"] = dict(request.json_schema)
        return config


def resource(model: str) -> str:
    """Return the path of a model: a bare name is one of `models/`; `tunedModels/x` and `models/x` are whole."""
    folder, slash, name = model.partition("/")
    return f"{quote(folder, safe='')}/{quote(name, safe='')}" if slash else f"models/{quote(model, safe='')}"


def _take(data: Mapping[str, Any], gathering: Gathering) -> Delta | None:
    # Each piece reports the usage so far.
    gathering.reported = mapping(data.get("usageMetadata")) or gathering.reported
    gathering.model = word(data.get("modelVersion")) or gathering.model
    candidates = list(map(mapping, sequence(data.get("candidates"))))
    feedback = mapping(data.get("promptFeedback"))
    if not candidates and feedback.get("blockReason"):
        reason = word(feedback.get("blockReasonMessage")) or word(feedback["blockReason"])
        raise ProviderError("content_filter", f"The prompt was blocked: {reason}.", code=word(feedback["blockReason"]))
    # More than one answer may be asked for through extra settings: the first one counts.
    candidate = next((each for each in candidates if each.get("index") in (0, None)), {})
    gathering.finish = word(candidate.get("finishReason")) or gathering.finish
    text = reasoning = ""
    for part in map(mapping, sequence(mapping(candidate.get("content")).get("parts"))):
        if part.get("thought") is True:
            reasoning += string(part.get("text"))
        else:
            text += string(part.get("text"))
        call = mapping(part.get("functionCall"))
        if word(call.get("name")):
            gathering.tools.add_whole(
                [{"id": call.get("id"), "function": {**call, "arguments": call.get("args") or {}}}]
            )
    return gathering.add(text, reasoning)


def _completed(gathering: Gathering) -> Completion:
    return gathering.completion(gemini_usage(gathering.reported))
