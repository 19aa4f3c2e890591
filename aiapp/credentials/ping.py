"""The ladder: network, auth, models, completion, stream, JSON; it stops at the first rung that breaks and says what to do."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

import sqlalchemy as sa

from aiapp.credentials import checks, health, hints, selection
from aiapp.credentials.models import Credential
from aiapp.credentials.rungs import LEVELS, RUNGS, Rope, Undecided, words_of
from aiapp.errors import Unavailable
from aiapp.extensions import db
from aiapp.providers.bounds import Cancel
from aiapp.providers.key_redaction import without_secrets
from aiapp.providers.types import ProviderError, Target
from aiapp.workspaces.access import missing
from aiapp.workspaces.models import Workspace

# A request of the API answers within 60 seconds (CONTRACT).
SECONDS = 55.0
FULL = LEVELS[-1]
# A check that nobody waits for does not wait long either.
FREE_SECONDS = 15.0
# So many tests at once in a process, and of one workspace: servers that hang must not take every thread from the others' work.
MOST, MOST_OF_ONE = 16, 4
_lock = threading.Lock()
_climbing: Counter[str] = Counter()
# As far as a test goes that nobody asked for: what follows costs money, or wakes a model on somebody's machine.
FREE = "models"
# What a credential may do without: a slow server that answered has not failed because there was no time left to ask for more.
EXTRAS = frozenset({"stream", "json"})


class Busy(Unavailable):
    """Nothing is down: so many tests are running that this one has to wait."""

    code, title = "busy", "Too many tests at once"


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
    """A finished test: what stopped it, if anything did; the models that the server listed (None: it did not); the one asked.

    `unusable` is why nothing could be asked (see selection.Unusable).
    """

    steps: tuple[Step, ...]
    error: ProviderError | None = None
    models: tuple[str, ...] | None = None
    model: str = ""
    unusable: str = ""

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


def check(workspace_id: str, credential_id: str, level: str = FULL, *, source: str = "test") -> Climb:
    """Test a stored credential up to `level`, and keep the result and what it says about its health.

    Takes up to 60 seconds; the caller's transaction is ended before. Raises NotFound, Busy.

    Arguments:
        source: see checks.record_test.
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
        climbed = _not_begun(problem)
    else:
        climbed = climb(target, level)
    if not record(credential, climbed, source=source) and _is_gone(credential_id):
        raise missing(Credential)
    return climbed


def _not_begun(problem: selection.Unusable) -> Climb:
    """Return a test that asked nobody anything: because of the credential's key, or because its provider is not offered here."""
    if problem.reason == "not_offered":
        first, rest = Step("provider", False, None, str(problem), "A system administrator decides that."), LEVELS
    else:
        first, rest = Step("auth", False, None, str(problem)), LEVELS[LEVELS.index("auth") + 1 :]
    return Climb((first, *(Step(name, None) for name in rest)), unusable=problem.reason)


def _is_gone(credential_id: str) -> bool:
    return db.session.scalar(sa.select(Credential.id).where(Credential.id == credential_id)) is None


def record(tested: Credential, climbed: Climb, *, source: str = "test") -> bool:
    """Keep a finished test of `tested`. Arguments and result: see checks.record_test."""
    passed = frozenset(step.step for step in climbed.steps if step.ok)
    failed = next((step.step for step in climbed.steps if step.ok is False), None)
    # What is not asked because of ours, and not of the key, shows nothing of it.
    verdict = None if climbed.unusable == "not_offered" else health.after_test(passed, failed, climbed.error)
    return checks.record_test(tested, climbed.as_json(), verdict, source=source, models=climbed.models)


def climb(target: Target, level: str = FULL) -> Climb:
    """Climb up to `level` (one of LEVELS) with `target`, which needs no stored credential. Needs an app context.

    Ends the caller's transaction: on SQLite nobody else could write for as long as a stranger's server is waited for. Raises
    Busy where too many tests are running in this process.
    """
    db.session.commit()
    steps: list[Step] = []
    error: ProviderError | None = None
    seconds = SECONDS if LEVELS.index(level) > LEVELS.index(FREE) else min(SECONDS, FREE_SECONDS)
    with place(target.workspace_id), deadline(seconds) as cancel:
        rope = Rope(target, cancel)
        for name in LEVELS[: LEVELS.index(level) + 1]:
            if error is not None:
                steps.append(Step(name, None, None, "Skipped"))
                continue
            start = monotonic()
            try:
                ok, detail = True, RUNGS[name](rope)
            except Undecided as reason:
                ok, detail = None, str(reason)
            except ProviderError as failure:
                if name in EXTRAS and _late(failure, cancel):
                    ok, detail = None, f"Not waited for: a test takes {seconds:.0f} s at most"
                else:
                    error = without_secrets(_in_time(failure, cancel, seconds), (target.api_key,))
            milliseconds = round((monotonic() - start) * 1000)
            if error is None:
                steps.append(Step(name, ok, milliseconds, detail))
            else:
                advice = hints.hint(hints.Failure(rope.target, error, rope.models, name))
                steps.append(Step(name, False, milliseconds, words_of(error), advice))
    listed = rope.models if rope.listed is not None else None
    return Climb(tuple(_proven(step, steps) for step in steps), error, listed, rope.target.model)


def _proven(step: Step, steps: list[Step]) -> Step:
    """A key that nothing could be said about is good once a completion was answered with it."""
    if step.step == "auth" and step.ok is None and any(one.step == "completion" and one.ok for one in steps):
        return replace(step, ok=True, detail="The completion was answered with it")
    return step


@contextmanager
def place(workspace_id: str) -> Iterator[None]:
    """Take one of the places that this process has for asking servers while somebody waits. Raises Busy."""
    with _lock:
        if sum(_climbing.values()) >= MOST or _climbing[workspace_id] >= MOST_OF_ONE:
            raise Busy("Several connection tests are running. Try again in a moment.", retry_after=5)
        _climbing[workspace_id] += 1
    try:
        yield
    finally:
        with _lock:
            _climbing[workspace_id] -= 1
            if not _climbing[workspace_id]:
                del _climbing[workspace_id]


@contextmanager
def deadline(seconds: float) -> Iterator[Cancel]:
    """What is asked with the given Cancel ends after so many seconds."""
    cancel = Cancel()
    timer = threading.Timer(seconds, cancel.cancel)
    timer.daemon = True
    timer.start()
    try:
        yield cancel
    finally:
        timer.cancel()


def _late(error: ProviderError, cancel: Cancel) -> bool:
    return cancel.is_set() and error.error_class == "cancelled"


def _in_time(error: ProviderError, cancel: Cancel, seconds: float) -> ProviderError:
    if _late(error, cancel):
        return ProviderError("timeout", f"The test took longer than {seconds:.0f} s.")
    return error
