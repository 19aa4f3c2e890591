"""How a round of an execution ends, as the columns that say so. No I/O here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from aiapp.executions.outputs import formats
from aiapp.executions.running import attempts
from aiapp.executions.running.states import Work
from aiapp.gateway.complete import AttemptResult
from aiapp.providers.types import Completion, ProviderError, Target
from aiapp.providers.wire_json import storable_value

NO_KEY = (
    "This workspace is encrypted, and the server's master keys do not open it. An admin asks whoever runs the server."
)


@dataclass(frozen=True, slots=True)
class Ending:
    """Where the row goes: completed, failed or cancelled; or pending, to be taken again in `wait` seconds.

    `reason` is what the last attempt says about it, `values` are columns of the execution. `handed_back` says that this process
    stopped the call itself, `plain` that the values hold no text but words of ours, which are stored as they are.
    """

    status: str
    values: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    wait: float = 0.0
    handed_back: bool = False
    plain: bool = False


def answer(work: Work, completion: Completion, target: Target) -> dict[str, Any]:
    """Return the columns of an answer, normalised as the execution's format asks for it."""
    output = formats.normalise(work.format, completion.text, work.json_schema)
    return {
        **served_by(target),
        "output": output.text,
        "output_data": storable_value(output.data),
        "valid": output.valid,
        "problems": [storable_value(problem) for problem in output.problems],
        "partial": False,
        "finish": (completion.finish or "")[:60] or None,
        "tool_calls": [
            {"id": call.id, "name": call.name, "arguments": call.arguments} for call in completion.tool_calls
        ],
        "error_class": None,
        "error_message": None,
    }


def completed(values: dict[str, Any]) -> Ending:
    """The columns of `answer` are the result."""
    return Ending("completed", values)


def failed(error: ProviderError, reason: str = "") -> Ending:
    """No call succeeded, and none will."""
    return Ending("failed", {"error_class": error.error_class, "error_message": error.message}, reason)


def unreadable() -> Ending:
    """What was asked cannot be read, or an answer not be written: no key opens the workspace."""
    return Ending("failed", {"error_class": "no_credential", "error_message": NO_KEY, "output": None}, plain=True)


def cancelled(values: dict[str, Any] | None = None) -> Ending:
    """Somebody wanted it to end; an answer that had come nevertheless (`values`) is kept.

    Who wanted that stands in `error_message` already (cancelling.py).
    """
    kept = {name: value for name, value in (values or {}).items() if name != "error_message"}
    return Ending("cancelled", {**kept, "error_class": "cancelled"}, "Cancelled.")


def retried(round_number: int, wait: float, reason: str) -> Ending:
    """Round `round_number` begins in `wait` seconds."""
    return Ending("pending", {"round": round_number}, reason, wait)


def postponed(wait: float) -> Ending:
    """Nobody may be asked yet: the same round begins in `wait` seconds."""
    return Ending("pending", wait=wait)


def handed_back() -> Ending:
    """Another worker is to take it, now and in the same round."""
    return Ending("pending", reason="Another worker takes over.", handed_back=True)


def as_lost(result: AttemptResult) -> AttemptResult:
    """Return a call that this process stopped as one whose worker was lost: it may be made again."""
    if result.error is None or result.error.error_class != "cancelled":
        return result
    return replace(result, error=ProviderError("worker_lost", attempts.HANDED_BACK))


def served_by(target: Target) -> dict[str, Any]:
    """Return the columns that name who answered, or was asked last."""
    return {
        "provider": target.provider,
        "model": target.model,
        "credential_id": target.credential_id,
        "credential_name": target.credential_name,
    }


def sums(ending: Ending, rows: attempts.Rows) -> dict[str, Any]:
    """Return what all attempts together used; of an execution that ended without an answer also whom it asked last, and the
    text that is left.
    """
    if ending.status == "pending":
        return {}
    found = attempts.totals(rows)
    if ending.status != "completed" and "output" not in ending.values:
        partial = attempts.longest_partial(rows)
        found |= attempts.asked_last(rows)
        found |= {"output": partial, "partial": partial is not None}
    return found
