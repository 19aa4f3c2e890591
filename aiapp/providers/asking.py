"""From a request and a target to an HTTP request: whose settings win, where it goes, how it is signed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiapp.providers.output_formats import ABOUT
from aiapp.providers.quirks import Quirks
from aiapp.providers.types import HttpRequest, ProviderError, Request, Target
from aiapp.providers.wire_json import as_text, string, word

JSON_HINT = ABOUT["json"].instruction
# A credential's extra fields may not change what was asked, of whom, or how the answer is read.
_OURS = frozenset({"model", "messages", "contents", "input", "stream"})


def wants_stream(request: Request, target: Target) -> bool:
    """Whether the answer is asked for as a stream: both the request and the credential have a say."""
    return request.stream and target.settings.get("stream") is not False


def model_of(request: Request, target: Target) -> str:
    """Return the model that is asked: the request's own, else the target's."""
    return request.model or target.model


def max_tokens_of(request: Request, target: Target, quirks: Quirks) -> int | None:
    """Return the limit of the answer in tokens: the request's, the target's, the provider's default, or None."""
    for value in (request.max_tokens, target.max_tokens):
        if value is not None:
            return value
    return quirks.default_max_tokens


def sampling_of(request: Request, target: Target, quirks: Quirks) -> dict[str, float]:
    """Return `temperature` and `top_p` as far as somebody chose them and the model takes them."""
    if quirks.fixed_sampling and model_of(request, target).startswith(quirks.fixed_sampling):
        return {}
    temperature = target.temperature if request.temperature is None else request.temperature
    sampling: dict[str, float] = {}
    if temperature is not None:
        sampling["temperature"] = min(temperature, quirks.max_temperature)
    if request.top_p is not None and not (sampling and quirks.one_sampling_parameter):
        sampling["top_p"] = request.top_p
    return sampling


def system_of(request: Request, target: Target, *, json_hint: bool = False) -> str | None:
    """Return the system prompt: the target's first, then the request's, then the format that is wanted where nothing says it.

    Arguments:
        json_hint: say that JSON is wanted unless the prompt does, and of which schema. OpenAI and DeepSeek refuse JSON mode
            without the word; a schema that no field carries is known to nobody else. Other formats have no mode: they are
            always told.
    """
    parts = [part for part in (target.system_prompt, request.system) if part]
    about = ABOUT[request.output_format]
    if not about.instruction or (about.name == "json" and not json_hint):
        return "\n\n".join(parts) or None
    if about.has_data and request.json_schema:
        parts.append(f"{about.instruction} It must match this JSON schema:\n{as_text(dict(request.json_schema))}")
    elif not (turns_say(request, about.name) or any(about.name in text.lower() for text in parts)):
        parts.append(about.instruction)
    return "\n\n".join(parts) or None


def turns_say(request: Request, word: str) -> bool:
    """Whether the conversation itself, the system prompt aside, has the (lower-case) word in it."""
    return any(word in turn.content.lower() for turn in request.messages)


def turns_of(request: Request) -> list[dict[str, str]]:
    """Return the conversation as every dialect here writes it."""
    return [{"role": turn.role, "content": turn.content} for turn in request.messages]


def post(target: Target, quirks: Quirks, path: str, body: dict[str, Any], *, stream: bool) -> HttpRequest:
    """Return the POST of `body` with the credential's extra fields to `path` under the target's base URL.

    Raises ProviderError `auth` for a key that no header can hold, `bad_request` for settings that are not JSON.
    """
    accept = "text/event-stream" if stream else "application/json"
    headers = {"content-type": "application/json", "accept": accept, **_signed(target, quirks)}
    url = _located(target, quirks, path, word(body.get("model")) or "")
    return HttpRequest("POST", url, headers, _encoded(_with_extra(body, target)))


def get(target: Target, quirks: Quirks, path: str) -> HttpRequest:
    """Return the GET of `path` under the target's base URL. Raises ProviderError `auth` as `post` does."""
    headers = {"accept": "application/json", **_signed(target, quirks)}
    return HttpRequest("GET", _located(target, quirks, path, target.model), headers)


def _located(target: Target, quirks: Quirks, path: str, model: str) -> str:
    try:
        return quirks.locate(target.base_url, path, model, string(target.settings.get("api_version")))
    except ValueError:  # nobody can store one; a database is not only written by us
        raise ProviderError("blocked_address", "The credential's base URL cannot be read.") from None


def _signed(target: Target, quirks: Quirks) -> dict[str, str]:
    headers = dict(quirks.headers)
    key = (target.api_key or "").strip()
    if not key or quirks.auth == "none":
        return headers
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ProviderError("auth", "The stored key has characters that no key has. Enter it again.")
    if quirks.auth == "bearer":
        headers["authorization"] = f"Bearer {key}"
    else:
        headers[quirks.auth] = key
    return headers


def _with_extra(body: dict[str, Any], target: Target) -> dict[str, Any]:
    extra = target.settings.get("extra")
    merged = dict(body)
    for name, value in (extra if isinstance(extra, Mapping) else {}).items():
        if name in _OURS:
            continue
        known = merged.get(name)
        # One level deep, so that Ollama's options or OpenAI's stream_options can be added to.
        merged[name] = {**known, **value} if isinstance(known, dict) and isinstance(value, Mapping) else value
    return merged


def _encoded(body: dict[str, Any]) -> bytes:
    try:
        text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        raise ProviderError("bad_request", "The credential's extra settings cannot be written as JSON.") from None
    return text.encode("utf-8", "replace")
