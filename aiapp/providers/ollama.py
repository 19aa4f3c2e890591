"""Ollama's own chat API: one JSON object a line (https://docs.ollama.com/api/chat)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aiapp.providers import asking, sse
from aiapp.providers.failures import failure, raise_inside
from aiapp.providers.gathering import Gathering
from aiapp.providers.quirks import Quirks
from aiapp.providers.types import Completion, Delta, HttpRequest, ModelInfo, ProviderError, Request, Target
from aiapp.providers.usage_numbers import ollama_usage
from aiapp.providers.wire_json import count, mapping, read_object, string, word


@dataclass(frozen=True, slots=True)
class Ollama:
    """Ollama's native dialect (types.Dialect)."""

    quirks: Quirks

    def build(self, request: Request, target: Target) -> HttpRequest:
        """Return the POST to `/api/chat`; a schema or the word "json" becomes `format`."""
        stream = asking.wants_stream(request, target)
        wants_json = request.output_format == "json"
        # Told nothing, a model in JSON mode may write blanks until the limit: say it once more.
        system = asking.system_of(request, target, json_hint=wants_json)
        messages = [{"role": "system", "content": system}] if system else []
        options: dict[str, Any] = dict(asking.sampling_of(request, target, self.quirks))
        max_tokens = asking.max_tokens_of(request, target, self.quirks)
        if max_tokens is not None:
            options["num_predict"] = max_tokens
        if request.stop:
            options["stop"] = list(request.stop)
        body: dict[str, Any] = {
            "model": asking.model_of(request, target),
            "messages": [*messages, *asking.turns_of(request)],
            "options": options,
            "stream": stream,
        }
        if wants_json:
            body["format"] = dict(request.json_schema) if request.json_schema else "json"
        return asking.post(target, self.quirks, "/api/chat", body, stream=stream)

    def parse(self, body: bytes, target: Target) -> Completion:
        """Read a whole answer. Raises ProviderError for an error inside it, `bad_response` unless it is done."""
        gathering = Gathering()
        data = _object(body, target)
        _take(data, gathering)
        if data.get("done") is not True:
            raise ProviderError("bad_response", "Ollama's answer is not marked as done.")
        return _completed(gathering, data)

    def stream(self, chunks: Iterable[bytes], target: Target) -> Iterator[Delta | Completion]:
        """Read lines up to the one with `done`. Raises ProviderError for an error line, `bad_response` without `done`."""
        gathering = Gathering()
        for line in sse.lines(chunks):
            if not line.strip():
                continue
            data = _object(line, target)
            delta = _take(data, gathering)
            if delta:
                yield delta
            if data.get("done") is True:
                rest = gathering.rest()
                if rest:
                    yield rest
                yield _completed(gathering, data)
                return
        raise ProviderError(
            "bad_response", "The stream ended before Ollama said that it is done: the answer is incomplete."
        )

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """Read an answer whose status is not 200."""
        return failure(status, headers, body)

    def models_request(self, target: Target) -> HttpRequest:
        """Return the GET of `/api/tags`: the models that are pulled."""
        return asking.get(target, self.quirks, "/api/tags")

    def models(self, body: bytes) -> tuple[ModelInfo, ...]:
        """Read the list of pulled models."""
        listed = read_object(body).get("models")
        if not isinstance(listed, list):
            raise ProviderError("bad_response", "Ollama's model list is not a list.")
        found = []
        for entry in map(mapping, listed):
            name = word(entry.get("model")) or word(entry.get("name"))
            if name:
                found.append(ModelInfo(name, None, count(mapping(entry.get("details")).get("context_length")) or None))
        return tuple(found)


def _object(raw: bytes, target: Target) -> dict[str, Any]:
    data = read_object(raw)
    raise_inside(data, target.api_key)
    return data


def _take(data: Mapping[str, Any], gathering: Gathering) -> Delta | None:
    gathering.model = word(data.get("model")) or gathering.model
    gathering.finish = word(data.get("done_reason")) or gathering.finish
    message = mapping(data.get("message"))
    gathering.tools.add_whole(message.get("tool_calls"))
    return gathering.add(string(message.get("content")), string(message.get("thinking")))


def _completed(gathering: Gathering, data: Mapping[str, Any]) -> Completion:
    gathering.rest()
    counts = (
        "prompt_eval_count",
        "eval_count",
        "total_duration",
        "load_duration",
        "prompt_eval_duration",
        "eval_duration",
    )
    gathering.reported = {name: data[name] for name in counts if name in data}
    return gathering.completion(ollama_usage(gathering.reported))
