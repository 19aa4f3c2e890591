"""What a call says of the credential that it asked: that it was used, how well it does, whether its circuit opens or closes."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

import sqlalchemy as sa

from aiapp.columns import UtcDateTime, now
from aiapp.credentials import breakers, circuit, health
from aiapp.credentials.checks import SAMPLED_EVERY, USED_EVERY, mark_used, record_call, sample
from aiapp.executions.models import Attempt, Execution
from aiapp.extensions import db
from aiapp.gateway.complete import AttemptResult
from aiapp.prompt_templates.models import PromptVersion
from aiapp.providers.types import ProviderError

_row = Attempt.metadata.tables[Attempt.__tablename__].c
_RECENT = (
    sa.select(_row.error_class)
    .where(
        _row.credential_id == sa.bindparam("b_credential"),
        _row.model == sa.bindparam("b_model"),
        _row.started_at > sa.bindparam("b_since", type_=UtcDateTime()),
        _row.status != "processing",
    )
    .order_by(_row.started_at.desc())
    .limit(circuit.LAST_CALLS)
)
_ASKED = (
    sa.select(Execution.requested_model, Execution.max_tokens, PromptVersion.model, PromptVersion.max_tokens)
    .outerjoin(PromptVersion, PromptVersion.id == Execution.prompt_version_id)
    .where(Execution.id == sa.bindparam("b_execution"))
)
_CLOSED_EVERY = timedelta(seconds=1)

# When this process last noted that a credential was used, or answered: a note is as coarse as that, and most calls need none.
_noted: dict[tuple[str, str], float] = {}


def note(execution_id: str, result: AttemptResult) -> None:
    """Note the use of the credential, and its health where the call tells it; of many successes in a row one is enough.

    In the caller's transaction and commit.
    """
    target, error = result.target, result.error
    if target.credential_id is None or target.failing:
        return
    own_wish = error is not None and _by_own_wish(execution_id, error)
    _note_circuit(result, target.credential_id, own_wish=own_wish)
    if not _noted_lately(target.credential_id, "used"):
        mark_used(target.workspace_id, target.credential_id, now())
    shown = health.after_call(error.error_class if error else None)
    if error is not None:
        if shown is not None and not own_wish:
            _noted.pop((target.credential_id, "answered"), None)  # the next success is news
            record_call(target.workspace_id, target.credential_id, shown, result.started_at)
        return
    ms, kept = result.duration_ms, False
    if shown is not None and not _noted_lately(target.credential_id, "answered"):
        kept = record_call(target.workspace_id, target.credential_id, shown, result.started_at, ms)
    if not _noted_lately(target.credential_id, "sampled", SAMPLED_EVERY) and not kept:
        sample(target.workspace_id, target.credential_id, ms)


def _by_own_wish(execution_id: str, error: ProviderError) -> bool:
    """Whether a refusal of key or account may be one of what this sender alone chose, a model or a number of tokens.

    Gateways answer 401 for models that a key may not use, and OpenRouter 402 where `max_tokens` is more than the account pays
    for: neither is news for those who choose otherwise.
    """
    if error.error_class not in circuit.OF_THE_KEY:
        return False
    asked = db.session.connection().execute(_ASKED, {"b_execution": execution_id}).first()
    if asked is None:  # deleted meanwhile
        return False
    model, tokens, its_model, its_tokens = asked
    return model not in (None, its_model) or (error.error_class == "quota" and tokens not in (None, its_tokens))


def _note_circuit(result: AttemptResult, credential_id: str, *, own_wish: bool) -> None:
    """Open the circuit of what was asked, or close it."""
    target, error = result.target, result.error
    at = result.started_at + timedelta(milliseconds=result.duration_ms)
    if error is None:
        if not _noted_lately(credential_id, f"answered with {target.model}", _CLOSED_EVERY):
            breakers.close_circuit(credential_id, target.model, result.started_at, at)
        return
    if error.error_class not in circuit.COUNTED | circuit.OF_THE_KEY:
        return
    _noted.pop((credential_id, f"answered with {target.model}"), None)
    before = breakers.at_place(credential_id, target.model)
    since = at - circuit.LOOK_BACK
    if before is not None and before.cause == circuit.CLOSED:
        since = max(since, before.opened_at)
    given = {"b_credential": credential_id, "b_model": target.model, "b_since": since}
    recent = db.session.connection().execute(_RECENT, given).scalars().all()
    opening = circuit.opening(target.model, error.error_class, error.retry_after, recent, before, at, breakers.rules())
    if opening is not None and own_wish:
        opening = replace(opening, model=target.model)
    if opening is not None:
        breakers.open_circuit(target.workspace_id, credential_id, opening, error.error_class, error.message, at)


def _noted_lately(credential_id: str, what: str, every: timedelta = USED_EVERY) -> bool:
    """Whether this process has noted it in the last `every`; where it has not, it has now."""
    current = time.monotonic()
    if current - _noted.get((credential_id, what), float("-inf")) < every.total_seconds():
        return True
    if len(_noted) >= 10_000:
        _noted.clear()
    _noted[credential_id, what] = current
    return False
