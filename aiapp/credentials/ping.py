"""The ladder: network, then auth, then a completion; it stops at the first rung that breaks and says what to do about it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa

from aiapp.credentials import actions, health, hints, selection
from aiapp.credentials.models import Credential
from aiapp.extensions import db
from aiapp.gateway import complete as gateway
from aiapp.providers.addresses import UNREACHABLE
from aiapp.providers.bounds import Cancel
from aiapp.providers.key_redaction import without_secrets
from aiapp.providers.types import Message, ProviderError, Request, Target
from aiapp.workspaces.access import missing
from aiapp.workspaces.models import Workspace

# A request of the API answers within 60 seconds (CONTRACT).
SECONDS = 55.0
# Enough for a short word and, with a model that reasons, for a sign of life; a thousandth of a cent.
_TOKENS = 64
_QUESTION = Request(
    messages=(Message("user", "Reply with the word OK and nothing else."),), max_tokens=_TOKENS, stream=False
)


@dataclass(frozen=True, slots=True)
class Step:
    """One rung. `ok` is None where it was skipped or could not be decided; `ms` is None where nothing was asked."""

    step: str
    ok: bool | None
    ms: int | None = None
    detail: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Climb:
    """A finished test: what stopped it, if anything did; the models that the server listed; the one that was asked."""

    steps: tuple[Step, ...]
    error: ProviderError | None = None
    models: tuple[str, ...] = ()
    model: str = ""

    @property
    def ok(self) -> bool:
        """Whether no rung broke."""
        return all(step.ok is not False for step in self.steps)

    def as_json(self) -> dict[str, Any]:
        """Return the result as the API shows it and the row keeps it."""
        steps = [
            {"step": one.step, "ok": one.ok, "ms": one.ms, "detail": one.detail, "hint": one.hint} for one in self.steps
        ]
        return {"ok": self.ok, "steps": steps, "error_class": self.error.error_class if self.error else None}


class Undecided(Exception):
    """The rung cannot be judged; the next one will tell. The text says why."""


@dataclass(slots=True)
class _Rope:
    """What one climb carries from rung to rung."""

    target: Target
    cancel: Cancel
    models: list[str] = field(default_factory=list)


def check(workspace_id: str, credential_id: str, level: str = "completion") -> Climb:
    """Test a stored credential up to `level`, and keep the result and what it says about its health.

    Takes up to 60 seconds; the caller's transaction is ended before. Raises NotFound.
    """
    credential = db.session.scalar(
        sa.select(Credential).where(Credential.id == credential_id, Credential.workspace_id == workspace_id)
    )
    if credential is None:
        raise missing(Credential)
    workspace = db.session.get(Workspace, workspace_id)
    try:
        target = selection.target_of(workspace, credential, need_model=False)
    except selection.Unusable as problem:
        climbed = Climb((Step("auth", False, None, str(problem)), Step("completion", None)))
        actions.record_test(credential, climbed.as_json(), ("down", "unreadable"))
        return climbed
    db.session.commit()  # no connection is held while a stranger's server is waited for
    climbed = climb(target, level)
    actions.record_test(credential, climbed.as_json(), verdict(climbed, level))
    return climbed


def verdict(climbed: Climb, level: str = "completion") -> tuple[str, str | None] | None:
    """Return the health that a test shows; None where a test that stopped early by wish found nothing wrong."""
    if climbed.error is None and level != LEVELS[-1]:
        return None
    return health.after(climbed.error)


def climb(target: Target, level: str = "completion") -> Climb:
    """Climb up to `level` (one of LEVELS) with `target`, which needs no stored credential. Needs an app context."""
    steps: list[Step] = []
    error: ProviderError | None = None
    with _deadline() as cancel:
        rope = _Rope(target, cancel)
        for name in LEVELS[: LEVELS.index(level) + 1]:
            if error is not None:
                steps.append(Step(name, None, None, "Skipped"))
                continue
            start = monotonic()
            try:
                ok, detail = True, _RUNGS[name](rope)
            except Undecided as reason:
                ok, detail = None, str(reason)
            except ProviderError as failure:
                error = without_secrets(_in_time(failure, cancel), (target.api_key,))
            milliseconds = round((monotonic() - start) * 1000)
            if error is None:
                steps.append(Step(name, ok, milliseconds, detail))
            else:
                advice = hints.hint(hints.Failure(rope.target, error, rope.models))
                steps.append(Step(name, False, milliseconds, _words(error), advice))
    return Climb(tuple(steps), error, tuple(rope.models), rope.target.model)


def _network(rope: _Rope) -> str:
    probe = gateway.probe(rope.target, cancel=rope.cancel)
    if probe.failed == "tls":
        raise ProviderError("network", probe.message)
    if probe.failed is not None:
        raise ProviderError("network", UNREACHABLE)  # one text, whatever it was
    host = urlsplit(rope.target.base_url).hostname
    return f"{host} answered" if probe.milliseconds else "Answered by this server itself"


def _auth(rope: _Rope) -> str:
    try:
        models = gateway.list_models(rope.target, cancel=rope.cancel)
    except ProviderError as error:
        if error.http_status in {404, 405, 501}:
            raise Undecided(f"No model list at this address ({error.http_status}); the next step decides") from error
        raise
    key = rope.target.api_key
    rope.models[:] = [
        model.id for model in models if not key or key not in model.id
    ]  # a hostile list could say the key
    found = f"{len(models)} {'model' if len(models) == 1 else 'models'} listed"
    return found if rope.target.api_key else f"No key asked for, {found}"


def _completion(rope: _Rope) -> str:
    if not rope.target.model:
        if not rope.models:
            raise ProviderError("bad_request", "No model is chosen, and the server lists none.")
        rope.target = replace(rope.target, model=rope.models[0])
    # The credential's own system prompt would only make the test dearer.
    outcome = gateway.complete(_QUESTION, [replace(rope.target, system_prompt=None)], cancel=rope.cancel)
    if outcome.completion is None:
        raise outcome.error or ProviderError("bad_response", "There was no answer.")
    tokens = outcome.completion.usage.output
    said = f" with {tokens} {'token' if tokens == 1 else 'tokens'}" if tokens else ""
    return f"{rope.target.model} answered{said}"


_RUNGS: Mapping[str, Callable[[_Rope], str]] = {"network": _network, "auth": _auth, "completion": _completion}
LEVELS = tuple(_RUNGS)


@contextmanager
def _deadline() -> Iterator[Cancel]:
    cancel = Cancel()
    timer = threading.Timer(SECONDS, cancel.cancel)
    timer.daemon = True
    timer.start()
    try:
        yield cancel
    finally:
        timer.cancel()


def _in_time(error: ProviderError, cancel: Cancel) -> ProviderError:
    if cancel.is_set() and error.error_class == "cancelled":
        return ProviderError("timeout", f"The test took longer than {SECONDS:.0f} s.")
    return error


def _words(error: ProviderError) -> str:
    """Return the provider's own words behind the status and code that it sent: `401 invalid_api_key: …`."""
    head = " ".join(str(part) for part in (error.http_status, error.code) if part is not None)
    return f"{head}: {error.message}" if head and error.message else head or error.message
