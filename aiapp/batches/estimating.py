"""What a batch is likely to cost and how long it may take, before it is started. No provider is called."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from aiapp.batches.models import Batch
from aiapp.credentials.selection import targets_for
from aiapp.executions.models import Execution
from aiapp.extensions import db
from aiapp.providers.types import ProviderError
from aiapp.usage import pricing

_RECENT = 50


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is likely for all rows together; None is unknown.

    `tokens` are those that are sent (estimated), `answer_tokens` what the newest answers of the model to the prompt template
    suggest. `input` is the cost of what is sent in US dollars, `likely` with the answers. `seconds` come from the median duration
    of those answers and the throttle. `model` would be asked first; with `trouble` nobody can answer.
    """

    tokens: int | None = None
    answer_tokens: int | None = None
    input: Decimal | None = None
    likely: Decimal | None = None
    seconds: float | None = None
    model: str | None = None
    provider: str | None = None
    trouble: str = ""


def estimate(batch: Batch, user_id: str | None, settings: Mapping[str, Any] | None) -> Estimate:
    """Return the estimate of a batch whose rows were looked at.

    Arguments:
        user_id: who would start it: their personal credentials come first.
        settings: those of what was prepared for its rows (see Prepared); None where nothing could be.
    """
    checked = batch.checked or {}
    tokens = None if checked.get("problems") else checked.get("tokens") or None
    if settings is None:
        return Estimate(tokens)
    try:
        first = targets_for(
            batch.workspace_id,
            user_id=user_id,
            provider=settings["requested_provider"],
            credential_id=settings["requested_credential_id"],
            model=settings["requested_model"],
        )[0]
    except ProviderError as error:
        return Estimate(tokens, trouble=error.message)
    provider, model = first.provider, first.model
    durations, answers = _lately(batch, provider, model)
    seconds = _seconds(batch, statistics.median(durations)) if durations else None
    answer_tokens = round(statistics.median(answers)) * batch.size if answers else None
    sent = likely = None
    if tokens is not None:
        sent = _cost(batch, provider, model, tokens, 0)
        likely = _cost(batch, provider, model, tokens, answer_tokens) if answer_tokens is not None else None
    return Estimate(tokens, answer_tokens, sent, likely, seconds, model, provider)


def _cost(batch: Batch, provider: str, model: str, tokens: int, answer_tokens: int) -> Decimal | None:
    """Price an average row: of some models the price depends on the length of one input."""
    one = pricing.estimate(provider, model, math.ceil(tokens / batch.size), math.ceil(answer_tokens / batch.size))
    return None if one is None else one * batch.size


def _lately(batch: Batch, provider: str, model: str) -> tuple[list[float], list[int]]:
    """Return seconds and output tokens of the newest answers that the prompt template has had of the model."""
    rows = db.session.execute(
        sa.select(Execution.started_at, Execution.completed_at, Execution.output_tokens)
        .where(
            Execution.workspace_id == batch.workspace_id,
            Execution.prompt_template_id == batch.prompt_template_id,
            Execution.status == "completed",
            Execution.provider == provider,
            Execution.model == model,
        )
        .order_by(Execution.id.desc())
        .limit(_RECENT)
    ).all()
    durations = [(end - start).total_seconds() for start, end, _ in rows if start is not None and end is not None]
    return durations, [written for _, _, written in rows if written is not None]


def _seconds(batch: Batch, median: float) -> float:
    by_turns = math.ceil(batch.size / batch.at_once) * median
    return by_turns if batch.per_minute is None else max(by_turns, (batch.size - 1) // batch.per_minute * 60 + median)
