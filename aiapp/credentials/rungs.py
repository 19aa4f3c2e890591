"""The rungs of a connection test, from the network up to JSON: each asks a little more of the provider than the one before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from aiapp.gateway import complete as gateway
from aiapp.gateway.complete import AttemptResult
from aiapp.providers import json_text
from aiapp.providers.addresses import UNREACHABLE
from aiapp.providers.bounds import Cancel
from aiapp.providers.key_redaction import tells_of
from aiapp.providers.registry import PROVIDERS
from aiapp.providers.types import Completion, Delta, Message, ModelInfo, ProviderError, Request, Target

# Enough for a short word and, with a model that reasons, for a sign of life; a thousandth of a cent.
_TOKENS = 64
# An object of one field, and room for a model that reasons a little about it.
_JSON_TOKENS = 256
_WORD = (Message("user", "Reply with the word OK and nothing else."),)
_OBJECT = (Message("user", 'Reply with this JSON object and nothing else: {"ok": true}'),)
LONGEST_QUOTE = 60


class Undecided(Exception):
    """The rung cannot be judged; the next one will tell. The text says why."""


@dataclass(slots=True)
class Rope:
    """What one climb carries from rung to rung: the target, with the model that is asked in the end; the models it listed, None
    where there is no list; the error that reading the list met."""

    target: Target
    cancel: Cancel
    listed: tuple[ModelInfo, ...] | None = None
    unreadable: ProviderError | None = None

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the listed models. A hostile list could say the key, or most of it: such a name is left out."""
        key = self.target.api_key
        return tuple(model.id for model in self.listed or () if not tells_of(model.id, key))


def _network(rope: Rope) -> str:
    probe = gateway.probe(rope.target, cancel=rope.cancel)
    if probe.failed == "tls":
        raise ProviderError("network", probe.message)
    if probe.failed is not None:
        raise ProviderError("network", UNREACHABLE)  # one text, whatever it was
    host = urlsplit(rope.target.base_url).hostname
    return f"{host} answered" if probe.milliseconds else "Answered by this server itself"


def _auth(rope: Rope) -> str:
    open_models = PROVIDERS[rope.target.provider].quirks.open_models
    try:
        proven = open_models and gateway.check_key(rope.target, cancel=rope.cancel)
        rope.listed = gateway.list_models(rope.target, cancel=rope.cancel)
    except ProviderError as error:
        if error.http_status in {404, 405, 501}:
            raise Undecided(f"No model list at this address ({error.http_status}); the completion decides") from error
        if error.http_status == 403:  # a key may be allowed to ask a model and not to list them
            raise Undecided("It may not list models (403); the completion decides") from error
        if error.error_class in {"bad_response", "too_large"} and error.http_status is None:
            rope.unreadable = error
            raise Undecided("Something answered; the next step reads it") from error
        raise
    if open_models and rope.target.api_key and not proven:
        raise Undecided("Its model list may be open to everybody; the completion decides")
    return "The key is accepted" if rope.target.api_key else "No key asked for"


def _models(rope: Rope) -> str:
    if rope.unreadable is not None:
        raise rope.unreadable
    if rope.listed is None:
        raise Undecided("There is no list; the completion decides")
    number, wanted = len(rope.models), rope.target.model
    found = f"{number} {'model' if number == 1 else 'models'} listed"
    if not wanted:
        if not number:
            raise ProviderError("model_not_found", "The server lists no model, and none is chosen.")
        rope.target = replace(rope.target, model=rope.models[0])
        return f"{found}; none is chosen, {rope.target.model} is asked"
    if not _among(wanted, rope.models):
        raise Undecided(f"{found}, {wanted} is not among them; the completion decides")
    return f"{found}, {wanted} among them"


def _completion(rope: Rope) -> str:
    if not rope.target.model:
        raise ProviderError("bad_request", "No model is chosen, and the server lists none.")
    result, completion = _asked(rope, Request(messages=_WORD, max_tokens=_TOKENS, stream=False))
    wrote = completion.text or completion.reasoning or completion.tool_calls or completion.usage.output
    if not wrote and completion.finish is None:
        raise ProviderError("bad_response", "It answered, but with nothing in it.")
    tokens = completion.usage.output
    said = f" with {tokens} {'token' if tokens == 1 else 'tokens'}" if tokens else ""
    return f"{result.target.model} answered{said}"


def _stream(rope: Rope) -> str:
    if rope.target.settings.get("stream") is False:
        raise Undecided("Switched off, here or for the installation")
    pieces = _Pieces()
    result, _ = _asked(rope, Request(messages=_WORD, max_tokens=_TOKENS, stream=True), pieces)
    if result.first_token_ms is None:
        raise Undecided("The model wrote no text")
    return f"{pieces.number} {'piece' if pieces.number == 1 else 'pieces'}, the first after {result.first_token_ms} ms"


def _json(rope: Rope) -> str:
    request = Request(messages=_OBJECT, max_tokens=_JSON_TOKENS, stream=False, output_format="json")
    _, completion = _asked(rope, request)
    text = completion.text.strip()
    try:
        json_text.read(text)
    except json_text.NotJson as error:
        if not text or (completion.usage.output or 0) >= _JSON_TOKENS:
            raise Undecided("The model spent all its tokens before it was done") from error
        quote = text if len(text) <= LONGEST_QUOTE else text[:LONGEST_QUOTE] + "…"
        raise ProviderError("bad_response", f"Asked for JSON, it wrote: {quote}") from error
    return f"{rope.target.model} wrote JSON"


RUNGS: Mapping[str, Callable[[Rope], str]] = {
    "network": _network,
    "auth": _auth,
    "models": _models,
    "completion": _completion,
    "stream": _stream,
    "json": _json,
}


LEVELS = tuple(RUNGS)


@dataclass(slots=True)
class _Pieces:
    """Counts the pieces of a streamed answer."""

    number: int = field(default=0)

    def began(self, number: int, target: Target) -> None:
        """Nothing has arrived yet."""

    def delta(self, delta: Delta) -> None:
        """One more."""
        self.number += 1

    def ended(self, result: AttemptResult) -> None:
        """The call's result says all else."""


def _asked(rope: Rope, request: Request, watch: _Pieces | None = None) -> tuple[AttemptResult, Completion]:
    # The credential's own system prompt would only make the test dearer.
    target = replace(rope.target, system_prompt=None)
    outcome = gateway.complete(request, [target], watch=watch, cancel=rope.cancel)
    if outcome.completion is None:
        raise outcome.error or ProviderError("bad_response", "There was no answer.")
    return outcome.attempts[-1], outcome.completion


def _among(wanted: str, names: tuple[str, ...]) -> bool:
    """Whether the list has the model: Ollama adds a tag, Google a folder."""
    return any(name in {wanted, f"{wanted}:latest", f"models/{wanted}"} for name in names)
