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
from aiapp.providers.key_redaction import untold
from aiapp.providers.registry import PROVIDERS
from aiapp.providers.types import Completion, Delta, Message, ModelInfo, ProviderError, Request, Target

# Enough for a short word and, with a model that reasons, for a sign of life; a thousandth of a cent.
_TOKENS = 64
# An object of one field, and room for a model that reasons a little about it.
_JSON_TOKENS = 256
_WORD = (Message("user", "Reply with the word OK and nothing else."),)
_OBJECT = (Message("user", 'Reply with this JSON object and nothing else: {"ok": true}'),)
LONGEST_QUOTE = 60
# Something answered that is no answer of an API.
_UNREADABLE = frozenset({"bad_response", "too_large"})


class Undecided(Exception):
    """The rung cannot be judged; the next one will tell. The text says why."""


@dataclass(slots=True)
class Rope:
    """What one climb carries from rung to rung: the target, with the model that is asked in the end; the models it listed, None
    where there is no list; the error that reading the list met; the status that said that there is none."""

    target: Target
    cancel: Cancel
    listed: tuple[ModelInfo, ...] | None = None
    unreadable: ProviderError | None = None
    no_list: int | None = None

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the listed models but those that tell of the key."""
        return untold((model.id for model in self.listed or ()), self.target.api_key)


def _network(rope: Rope) -> str:
    probe = gateway.probe(rope.target, cancel=rope.cancel)
    if probe.failed == "tls":
        raise ProviderError("network", probe.message)
    if probe.failed is not None:
        raise ProviderError("network", UNREACHABLE)  # one text, whatever it was
    host = urlsplit(rope.target.base_url).hostname
    return f"{host} answered" if probe.milliseconds else "Answered by this server itself"


def _auth(rope: Rope) -> str:
    provider = PROVIDERS[rope.target.provider]
    at_home = provider.is_at(rope.target.base_url)
    try:
        proven = at_home and gateway.check_key(rope.target, cancel=rope.cancel)
        rope.listed = gateway.list_models(rope.target, cancel=rope.cancel)
    except ProviderError as error:
        if error.http_status in {404, 405, 501}:
            rope.no_list = error.http_status
            raise Undecided(f"No model list at this address ({error.http_status}); the completion decides") from error
        if error.http_status == 403:  # a key may be allowed to ask a model and not to list them
            raise Undecided("It may not list models (403); the completion decides") from error
        if error.error_class in _UNREADABLE:
            rope.unreadable = error
            raise Undecided("Something answered, and no model list; the completion decides") from error
        raise
    if not rope.target.api_key:
        return "No key asked for"
    if proven or (at_home and not provider.quirks.open_models):
        return "The key is accepted"
    # A gateway may list to everybody whatever its provider does: only at the provider's own address it is known who is listed to.
    whose = "Its" if provider.quirks.open_models else f"This is not {provider.label}'s own address: its"
    raise Undecided(f"{whose} model list may be open to everybody; the completion decides")


def _models(rope: Rope) -> str:
    provider, wanted = PROVIDERS[rope.target.provider], rope.target.model
    if not provider.lists_models:
        rope.listed = None
        if not wanted:
            raise ProviderError("model_not_found", f"{provider.label} lists no deployments, and none is chosen.")
        raise Undecided(f"{provider.label} lists no deployments; the completion decides whether {wanted} is one")
    if rope.unreadable is not None:
        if not wanted:
            raise rope.unreadable
        reason = words_of(rope.unreadable).partition(". ")[0].rstrip(".")
        raise Undecided(f"The list is unavailable ({reason}); the completion decides")
    if rope.listed is None:
        raise Undecided("There is no list; the completion decides")
    number = len(rope.models)
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
        message = "No model is chosen, and the server lists none."
        raise ProviderError("bad_request", message, http_status=rope.no_list)
    try:
        result, completion = _asked(rope, Request(messages=_WORD, max_tokens=_TOKENS, stream=False))
    except ProviderError as error:
        # A web server answers a POST with "not allowed": what it answered to the GET tells more of it.
        if rope.unreadable is not None and _is_no_api(error):
            raise rope.unreadable from error
        raise
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


def _is_no_api(error: ProviderError) -> bool:
    return error.error_class in _UNREADABLE or (
        error.http_status in {404, 405} and error.error_class != "model_not_found"
    )


def words_of(error: ProviderError) -> str:
    """Return the provider's own words behind the status and code that it sent: `401 invalid_api_key: …`."""
    head = " ".join(dict.fromkeys(str(part) for part in (error.http_status, error.code) if part is not None))
    return f"{head}: {error.message}" if head and error.message else head or error.message


def _among(wanted: str, names: tuple[str, ...]) -> bool:
    """Whether the list has the model: Ollama adds a tag, Google a folder."""
    return any(name in {wanted, f"{wanted}:latest", f"models/{wanted}"} for name in names)
