"""How batches and their rows look in JSON."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from aiapp.api.execution_shapes import Author, ExecutedTemplate
from aiapp.api.shapes import Dollars, Id, Time
from aiapp.batches import counting, listing, results
from aiapp.batches import models as rows
from aiapp.batches.counting import Counts
from aiapp.batches.estimating import Estimate
from aiapp.wire_values import dollars, iso, moment


class BatchCounts(TypedDict):
    """Rows by state."""

    waiting: int
    running: int
    completed: int
    failed: int
    cancelled: int
    invalid: Annotated[
        int, Field(description="of the completed ones, those whose answer is not in the format asked for")
    ]


class BatchProblem(TypedDict):
    """Why rows of a draft cannot be run."""

    row: Annotated[int | None, Field(description="from 1; null: all of them")]
    column: str | None
    field: Annotated[str, Field(description="the variable; empty where it is of none")]
    message: str


class Batch(TypedDict):
    """A prompt template run with the rows of a table."""

    id: Id
    name: str
    status: Annotated[
        str,
        Field(
            description="draft, running, paused, cancelled; ended: completed (every row), incomplete (some rows failed or were "
            "cancelled), failed (no row completed)"
        ),
    ]
    note: Annotated[str, Field(description="why it was paused by itself")]
    user: Author | None
    template: ExecutedTemplate | None
    rows: int
    counts: BatchCounts
    cost: Annotated[
        Dollars | None, Field(description="what is known to be spent, failed and repeated executions included")
    ]
    unpriced: Annotated[int, Field(description="completed rows whose cost is unknown")]
    columns: Annotated[dict[str, str], Field(description="the column of each variable that takes one")]
    values: Annotated[dict[str, str], Field(description="of each variable that has the same value in all rows")]
    problems: Annotated[list[BatchProblem], Field(description="of a draft: why it cannot be started, the first ones")]
    provider: str | None
    credential_id: str | None
    model: str | None
    temperature: float | None
    max_tokens: int | None
    priority: str
    at_once: int
    per_minute: int | None
    created_at: Time
    started_at: Time | None
    ended_at: Time | None


class BatchEstimate(TypedDict):
    """What is likely for all rows together; null is unknown."""

    provider: Annotated[str | None, Field(description="who would be asked first")]
    model: str | None
    trouble: Annotated[str, Field(description="why nobody can answer; else empty")]
    tokens: Annotated[int | None, Field(description="that are sent, estimated; null while rows cannot be run")]
    answer_tokens: Annotated[int | None, Field(description="as of the newest answers of the prompt template")]
    input_cost: Dollars | None
    likely_cost: Annotated[Dollars | None, Field(description="with the answers")]
    seconds: float | None


class BatchRow(TypedDict):
    """A row and what came of it."""

    row: int
    status: Annotated[str, Field(description="waiting, running, completed, failed or cancelled")]
    input: dict[str, Any]
    output: str | None
    valid: bool | None
    error: str | None
    provider: str | None
    model: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost: Dollars | None
    earlier_cost: Annotated[Dollars | None, Field(description="of the executions that it repeated")]
    duration_ms: int | None
    execution_id: Id | None


def show(batch: rows.Batch, counts: Counts) -> Batch:
    """Return a batch with its counts."""
    template, version, asked = batch.prompt_template, batch.prompt_version, batch.asked
    taken = {name: source["column"] for name, source in batch.mapping.items() if "column" in source}
    given = {name: source["value"] for name, source in batch.mapping.items() if "value" in source}
    problems: list[BatchProblem] = (batch.checked or {}).get("problems", []) if batch.status == "draft" else []
    return {
        "id": batch.id,
        "name": batch.name,
        "status": counting.outcome(batch, counts),
        "note": batch.note,
        "user": {"id": batch.user.id, "name": batch.user.name} if batch.user else None,
        "template": {"slug": template.slug, "version": version.number if version else None} if template else None,
        "rows": batch.size,
        "counts": {
            "waiting": counts.waiting,
            "running": counts.running,
            "completed": counts.completed,
            "failed": counts.failed,
            "cancelled": counts.cancelled,
            "invalid": counts.invalid,
        },
        "cost": dollars(counts.cost),
        "unpriced": counts.unpriced,
        "columns": taken,
        "values": given,
        "problems": problems,
        "provider": asked.get("provider"),
        "credential_id": asked.get("credential_id"),
        "model": asked.get("model"),
        "temperature": asked.get("temperature"),
        "max_tokens": asked.get("max_tokens"),
        "priority": batch.priority,
        "at_once": batch.at_once,
        "per_minute": batch.per_minute,
        "created_at": moment(batch.created_at),
        "started_at": iso(batch.started_at),
        "ended_at": iso(batch.ended_at),
    }


def show_estimate(found: Estimate) -> BatchEstimate:
    """Return an estimate."""
    return {
        "provider": found.provider,
        "model": found.model,
        "trouble": found.trouble,
        "tokens": found.tokens,
        "answer_tokens": found.answer_tokens,
        "input_cost": dollars(found.input),
        "likely_cost": dollars(found.likely),
        "seconds": found.seconds,
    }


def show_row(line: listing.Line) -> BatchRow:
    """Return a row with what came of it."""
    found: BatchRow = {"row": line.row.number, "input": line.row.context, **results.of(line)}  # type: ignore[typeddict-item]
    return found
