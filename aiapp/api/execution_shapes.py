"""How executions, attempts and feedback look in JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from aiapp.api.shapes import Dollars, Id, Time
from aiapp.executions import models as rows
from aiapp.feedback import actions as feedback_actions
from aiapp.feedback import models as feedback_rows
from aiapp.wire_values import dollars, iso, moment
from aiapp.workspaces.access import Access

ExecutionError = TypedDict("ExecutionError", {"class": str, "message": str | None})  # `class` is no name in Python


class Usage(TypedDict):
    """Tokens; what is unknown is null."""

    input: Annotated[int | None, Field(description="everything read, cached included")]
    output: Annotated[int | None, Field(description="everything written, reasoning included")]
    cached: int | None
    cache_write: int | None
    reasoning: int | None
    total: int | None


class ExecutedTemplate(TypedDict):
    """The prompt template that was executed; the version is null once it was deleted."""

    slug: str
    version: int | None


class Author(TypedDict):
    """Who asked."""

    id: Id
    name: str


class Prompt(TypedDict):
    """What was sent."""

    system: str
    messages: list[dict[str, str]]
    body: str


class ToolCall(TypedDict):
    """A call of a tool that the model asked for."""

    id: NotRequired[str | None]
    name: str
    arguments: str


class PassedOver(TypedDict):
    """A credential that stood before the one that was asked."""

    credential_id: Id
    credential: str
    provider: str
    model: str
    because: str


class Attempt(TypedDict):
    """One call to one target."""

    number: int
    credential_id: Id | None
    credential: Annotated[str, Field(description="its name at that time")]
    provider: str
    model: str
    status: str
    error_class: str | None
    error_message: str | None
    http_status: int | None
    started_at: Time
    duration_ms: int | None
    first_token_ms: int | None
    finish: str | None
    usage: Usage
    cost: Dollars | None
    prices: dict[str, Any] | None
    reason: Annotated[str, Field(description="why this target, and what came next")]
    passed_over: Annotated[list[PassedOver], Field(description="those that stood before it and were not asked")]


class RawAnswer(TypedDict):
    """What a provider sent to an attempt."""

    number: int
    raw: str | None


class Feedback(TypedDict):
    """What somebody thought of an output."""

    rating: Literal["up", "down"]
    comment: str
    reasons: list[str]
    user: dict[str, str]
    updated_at: Time


class ExecutionSummary(TypedDict):
    """An execution as a list shows it."""

    id: Id
    status: Annotated[str, Field(description="pending, processing, completed, failed or cancelled")]
    source: str
    user: Annotated[Author | None, Field(description="null once the user was deleted")]
    template: ExecutedTemplate | None
    format: str
    provider: str | None
    model: str | None
    credential_id: Id | None
    valid: Annotated[bool | None, Field(description="whether the output is of its format")]
    error: ExecutionError | None
    usage: Usage
    cost: Dollars | None
    parent_id: Id | None
    unpinned: Annotated[
        bool,
        Field(
            description="its parent asked one credential that is not there for its user: this one takes what there is"
        ),
    ]
    created_at: Time
    started_at: Time | None
    completed_at: Time | None
    duration_ms: int | None


class Erased(TypedDict):
    """What is left of texts that were not kept."""

    at: Time
    input_hash: Annotated[
        str | None,
        Field(description="HMAC-SHA256 with a key of the workspace's own; null but for its author and for admins"),
    ]
    input_characters: int | None
    output_hash: str | None
    output_characters: int | None


class Execution(ExecutionSummary):
    """An execution."""

    priority: str
    context: dict[str, Any]
    fetched: Annotated[
        list[str], Field(description="the names of the context whose values filled themselves (`user.name`)")
    ]
    prompt: Prompt
    output: str | None
    output_data: Annotated[Any, Field(description="the value of the output, where the format is json or yaml")]
    problems: list[str]
    partial: Annotated[bool, Field(description="the output broke off")]
    finish: str | None
    tool_calls: list[ToolCall]
    erased: Annotated[Erased | None, Field(description="null while the texts are there")]
    attempts: list[Attempt]
    feedback: Annotated[Feedback | None, Field(description="the asking person's own")]


class LlmJob(TypedDict):
    """An execution in the short form."""

    job_id: Id
    output_id: Id
    status: Literal["queued"]
    estimated_completion: Time | None


def summary(row: rows.Execution) -> ExecutionSummary:
    """Return an execution as a list shows it: without prompt, output and attempts."""
    template, version = row.prompt_template, row.prompt_version
    return {
        "id": row.id,
        "status": row.status,
        "source": row.source,
        "user": {"id": row.user.id, "name": row.user.name} if row.user else None,
        "template": {"slug": template.slug, "version": version.number if version else None} if template else None,
        "format": row.format,
        "provider": row.provider,
        "model": row.model,
        "credential_id": row.credential_id,
        "valid": row.valid,
        "error": {"class": row.error_class, "message": row.error_message} if row.error_class else None,
        "usage": usage(row),
        "cost": dollars(row.cost),
        "parent_id": row.parent_id,
        "unpinned": row.unpinned,
        "created_at": moment(row.created_at),
        "started_at": iso(row.started_at),
        "completed_at": iso(row.completed_at),
        "duration_ms": row.duration_ms,
    }


def show(access: Access, row: rows.Execution) -> Execution:
    """Return a whole execution, with the asking person's feedback."""
    mine = feedback_actions.mine(access, row) if row.finished else None  # before the end there is none
    return {
        **summary(row),
        "priority": row.priority,
        "context": row.context,
        "fetched": row.fetched,
        "prompt": {"system": row.system, "messages": row.messages, "body": row.body},
        "output": row.output,
        "output_data": row.output_data,
        "problems": row.problems,
        "partial": row.partial,
        "finish": row.finish,
        "tool_calls": row.tool_calls,  # type: ignore[typeddict-item]  # the gateway's own names
        "erased": show_erased(access, row),
        "attempts": [show_attempt(attempt) for attempt in row.attempts],
        "feedback": show_feedback(mine) if mine else None,
    }


def show_erased(access: Access, row: rows.Execution) -> Erased | None:
    """Return what is left of an execution's texts; None while they are there."""
    if row.texts_erased_at is None:
        return None
    told = row.shows_hashes_to(access)
    return {
        "at": moment(row.texts_erased_at),
        "input_hash": row.input_hash if told else None,
        "input_characters": row.input_characters,
        "output_hash": row.output_hash if told else None,
        "output_characters": row.output_characters,
    }


def show_attempt(row: rows.Attempt) -> Attempt:
    """Return an attempt; `reason` says why this target, and what came next."""
    return {
        "number": row.number,
        "credential_id": row.credential_id,
        "credential": row.credential_name,
        "provider": row.provider,
        "model": row.model,
        "status": row.status,
        "error_class": row.error_class,
        "error_message": row.error_message,
        "http_status": row.http_status,
        "started_at": moment(row.started_at),
        "duration_ms": row.duration_ms,
        "first_token_ms": row.first_token_ms,
        "finish": row.finish,
        "usage": usage(row),
        "cost": dollars(row.cost),
        "prices": row.prices,
        "reason": row.why,
        "passed_over": [
            {
                "credential_id": one["credential_id"],
                "credential": one["credential_name"],
                "provider": one["provider"],
                "model": one["model"],
                "because": one["because"],
            }
            for one in row.passed_over
        ],
    }


def usage(row: rows.Execution | rows.Attempt) -> Usage:
    """Return the normalised usage; what is unknown is null."""
    read, written = row.input_tokens, row.output_tokens
    return {
        "input": read,
        "output": written,
        "cached": row.cached_tokens,
        "cache_write": row.cache_write_tokens,
        "reasoning": row.reasoning_tokens,
        "total": None if read is None or written is None else read + written,
    }


def show_feedback(row: feedback_rows.Feedback) -> Feedback:
    """Return a thumb."""
    return {
        "rating": "up" if row.rating == "up" else "down",
        "comment": row.comment,
        "reasons": row.reasons,
        "user": {"id": row.user_id},
        "updated_at": moment(row.updated_at),
    }
