"""The one door to a model: ask each target in turn until one answers, and say what became of every call.

Holds no database session and knows no credential: it is handed Targets. The caller closes its session before, because an answer
may take minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from time import monotonic
from typing import TypeVar

from flask import current_app

from aiapp.columns import now
from aiapp.extensions import settings
from aiapp.gateway import fallback
from aiapp.gateway.holding import Hold, hold
from aiapp.gateway.outcomes import AttemptResult, Outcome, Partial, Unwatched, Watch
from aiapp.gateway.shielding import dialect_of, provider_of, refusal, shielded, shielded_items
from aiapp.providers import demo
from aiapp.providers.asking import get, wants_stream
from aiapp.providers.echoes import without_echo
from aiapp.providers.key_redaction import without_secrets
from aiapp.providers.raw_answers import RawAnswer
from aiapp.providers.transport import Cancel, Limits, Probe, Transport
from aiapp.providers.types import (
    Completion,
    Delta,
    Embeddings,
    HttpRequest,
    ModelInfo,
    ProviderError,
    Purpose,
    Request,
    Target,
    Usage,
)
from aiapp.usage import pricing

__all__ = [
    "AttemptResult",
    "Outcome",
    "Watch",
    "check_key",
    "complete",
    "embed",
    "list_models",
    "probe",
    "transport",
]

Item = TypeVar("Item")

_TRANSPORT = "aiapp.transport"


def complete(
    request: Request,
    targets: Sequence[Target],
    *,
    watch: Watch | None = None,
    cancel: Cancel | None = None,
    first_number: int = 1,
    clock: Callable[[], datetime] = now,
    held: Hold | None = None,
) -> Outcome:
    """Ask `targets` in order until one answers or no other could do better. Needs an app context; takes as long as the calls.

    The same code streams: whether an answer is asked for as a stream is the request's and the target's choice, and `watch` sees
    the pieces either way. A stream that breaks is a failed attempt like any other; its text stays with the attempt.

    Arguments:
        request: its `model` gives way to each target's own.
        cancel: stops the call from another thread; the outcome's error is then `cancelled`.
        first_number: the number of the first attempt.
        clock: for `started_at`.
        held: counts what the completion takes of this process's memory until the caller leaves it (holding.hold); default: until
            this returns.
    """
    if held is None:
        with hold(cancel) as held:
            return complete(
                request, targets, watch=watch, cancel=cancel, first_number=first_number, clock=clock, held=held
            )
    watch = watch or Unwatched()
    results: list[AttemptResult] = []
    for position, target in enumerate(targets):
        result = _attempt(request, target, first_number + position, watch, cancel, clock, held)
        step = fallback.Step(go_on=False, reason="It answered.")
        if result.error is not None:
            held.let_go()
            others = len(targets) - position - 1
            step = fallback.after_failure(result.error, others=others, shown=result.arrived)
        result = replace(result, next_reason=step.reason)
        results.append(result)
        watch.ended(result)
        if not step.go_on:
            return Outcome(result.completion, result.error, tuple(results))
        if cancel is not None and cancel.is_set():
            return Outcome(None, ProviderError("cancelled", "The call was cancelled."), tuple(results))
    return Outcome(
        None, ProviderError("no_credential", "There is no credential that could answer this."), tuple(results)
    )


def list_models(target: Target, *, cancel: Cancel | None = None) -> tuple[ModelInfo, ...]:
    """Return the models that `target` lists. Raises ProviderError; its message holds no key."""
    dialect = dialect_of(target)
    return _whole(target, partial(dialect.models_request, target), dialect.models, cancel)


def check_key(target: Target, *, cancel: Cancel | None = None) -> bool:
    """Ask the provider about the target's key, where its model list would not tell (see Quirks.key_path).

    Returns False, and asks nothing, where the provider has no such question. Raises ProviderError; its message holds no key.
    """
    quirks = provider_of(target).quirks
    if not quirks.key_path:
        return False
    return _whole(target, partial(get, target, quirks, quirks.key_path), lambda body: True, cancel)


def embed(
    texts: Sequence[str], target: Target, *, purpose: Purpose = "document", cancel: Cancel | None = None
) -> Embeddings:
    """Return one vector for each of `texts`, by the target's model. Raises ProviderError; its message holds no key.

    `bad_request` where the provider has no embeddings, `bad_response` where it sends another number of vectors than of texts.
    """
    provider = provider_of(target)
    embedder = provider.embedder
    if embedder is None:
        raise ProviderError("bad_request", f"{provider.label} offers no embeddings.")
    request = partial(embedder.embed_request, texts, target, purpose)
    found = _whole(target, request, lambda body: embedder.embeddings(body, target), cancel)
    if len(found.vectors) != len(texts):
        raise ProviderError(
            "bad_response", f"The provider sent {len(found.vectors)} embeddings for {len(texts)} texts."
        )
    return found


def probe(target: Target, *, cancel: Cancel | None = None) -> Probe:
    """Go as far as TLS with the target's server and hang up. Raises ProviderError only for `cancelled`."""
    return transport().probe(target.base_url, cancel=cancel)


def transport() -> Transport:
    """Return this app's Transport: one for the process, made when it is first needed (it starts anew in a forked child)."""
    known: Transport | None = current_app.extensions.get(_TRANSPORT)
    if known is not None:
        return known
    config = settings()
    limits = Limits(
        connect=config.connect_timeout,
        idle=config.idle_timeout,
        total=config.total_timeout,
        response_bytes=config.max_response_bytes,
    )
    made = Transport(config.outbound_allow, limits, local={demo.SCHEME: demo.respond})
    kept: Transport = current_app.extensions.setdefault(_TRANSPORT, made)  # the first of two threads wins
    return kept


def _attempt(
    request: Request,
    target: Target,
    number: int,
    watch: Watch,
    cancel: Cancel | None,
    clock: Callable[[], datetime],
    held: Hold,
) -> AttemptResult:
    watch.began(number, target)
    started_at, start = clock(), monotonic()
    first_token: float | None = None
    partial_text = Partial()
    completion: Completion | None = None
    error: ProviderError | None = None
    raw = RawAnswer() if settings().raw_days else None
    try:
        with closing(_ask(replace(request, model=target.model or request.model), target, cancel, raw, held)) as items:
            for item in without_echo(items, target.api_key):
                if isinstance(item, Completion):
                    completion = item
                    break
                first_token = first_token or monotonic()
                partial_text.add(item.text)
                held.read(len(item.text) + len(item.reasoning))
                watch.delta(item)
    except ProviderError as failure:
        error = without_secrets(failure, (target.api_key,))
    if completion is None and error is None:
        error = ProviderError("bad_response", "The answer ended before it was complete.")
    ended = monotonic()
    usage = completion.usage if completion is not None else Usage()
    made_no_call = error is not None and error.code == fallback.DRILL
    price = pricing.cost(target.provider, target.model, usage, started_at) if completion is not None else None
    return AttemptResult(
        number=number,
        target=target,
        started_at=started_at,
        duration_ms=round((ended - start) * 1000),
        first_token_ms=None if first_token is None else round((first_token - start) * 1000),
        completion=completion,
        error=error,
        partial="" if completion is not None else partial_text.text(),
        usage=usage,
        cost=price.amount if price is not None else Decimal(0) if made_no_call else None,
        prices=price.prices if price is not None else None,
        reason=target.reason,
        next_reason="",
        raw=raw.text(target.api_key, failed=error is not None) if raw is not None else None,
        arrived=partial_text.arrived,
    )


def _ask(
    request: Request, target: Target, cancel: Cancel | None, raw: RawAnswer | None, held: Hold
) -> Generator[Delta | Completion]:
    """Make one call: yields the pieces of the answer as they come, then the Completion. Raises ProviderError.

    `raw` gets a copy of what the provider sends, `held` counts it.
    """
    if target.failing:
        raise ProviderError("server", target.failing, code=fallback.DRILL)
    dialect = dialect_of(target)
    with transport().send(shielded(dialect.build, request, target), cancel=cancel) as answer:
        answer.chunks = held.counted(answer.chunks)
        if raw is not None:
            answer.chunks = raw.copied(answer.chunks)
        if answer.status != 200:
            raise refusal(dialect, answer)
        # Some servers stream unasked; a dialect's stream reads an answer that came whole although a stream was asked for.
        if wants_stream(request, target) or "event-stream" in answer.headers.get("content-type", ""):
            yield from shielded_items(dialect.stream(answer.chunks, target))
        else:
            completion = shielded(dialect.parse, answer.read(), target)
            if completion.text or completion.reasoning:
                yield Delta(completion.text, completion.reasoning)
            yield completion


def _whole(
    target: Target, request: Callable[[], HttpRequest], read: Callable[[bytes], Item], cancel: Cancel | None
) -> Item:
    """Make a call whose answer is read at once. Raises ProviderError, without the key."""
    try:
        with hold(cancel) as held, transport().send(shielded(request), cancel=cancel) as answer:
            answer.chunks = held.counted(answer.chunks)
            if answer.status != 200:
                raise refusal(dialect_of(target), answer)
            return shielded(read, answer.read())
    except ProviderError as error:
        raise without_secrets(error, (target.api_key,)) from None
