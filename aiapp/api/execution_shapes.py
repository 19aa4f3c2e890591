"""How executions, attempts and feedback look in JSON."""

from __future__ import annotations

from typing import Any

from aiapp.api.shapes import dollars, iso
from aiapp.executions.models import Attempt, Execution
from aiapp.feedback import actions as feedback_actions
from aiapp.feedback.models import Feedback
from aiapp.workspaces.access import Access


def summary(row: Execution) -> dict[str, Any]:
    """Return an execution as a list shows it: without prompt, output and attempts."""
    version = row.prompt_version
    return {
        "id": row.id,
        "status": row.status,
        "source": row.source,
        "template": {"slug": row.prompt_template.slug, "version": version.number if version else None}
        if row.prompt_template
        else None,
        "format": row.format,
        "provider": row.provider,
        "model": row.model,
        "credential_id": row.credential_id,
        "valid": row.valid,
        "error": {"class": row.error_class, "message": row.error_message} if row.error_class else None,
        "usage": usage(row),
        "cost": dollars(row.cost),
        "parent_id": row.parent_id,
        "created_at": iso(row.created_at),
        "started_at": iso(row.started_at),
        "completed_at": iso(row.completed_at),
        "duration_ms": row.duration_ms,
    }


def show(access: Access, row: Execution) -> dict[str, Any]:
    """Return a whole execution, with the asking person's feedback."""
    mine = feedback_actions.mine(access, row)
    return {
        **summary(row),
        "priority": row.priority,
        "context": row.context,
        "prompt": {"system": row.system, "messages": row.messages, "body": row.body},
        "output": row.output,
        "output_data": row.output_data,
        "problems": row.problems,
        "partial": row.partial,
        "finish": row.finish,
        "tool_calls": row.tool_calls,
        "attempts": [show_attempt(attempt) for attempt in row.attempts],
        "feedback": show_feedback(mine) if mine else None,
    }


def show_attempt(row: Attempt) -> dict[str, Any]:
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
        "started_at": iso(row.started_at),
        "duration_ms": row.duration_ms,
        "first_token_ms": row.first_token_ms,
        "finish": row.finish,
        "usage": usage(row),
        "cost": dollars(row.cost),
        "prices": row.prices,
        "reason": " ".join(part for part in (row.reason, row.next_reason) if part),
    }


def usage(row: Execution | Attempt) -> dict[str, int | None]:
    """Return the normalised usage; what is unknown is null."""
    known = row.input_tokens is not None and row.output_tokens is not None
    return {
        "input": row.input_tokens,
        "output": row.output_tokens,
        "cached": row.cached_tokens,
        "cache_write": row.cache_write_tokens,
        "reasoning": row.reasoning_tokens,
        "total": (row.input_tokens or 0) + (row.output_tokens or 0) if known else None,
    }


def show_feedback(row: Feedback) -> dict[str, Any]:
    """Return a thumb."""
    return {
        "rating": row.rating,
        "comment": row.comment,
        "reasons": row.reasons,
        "user": {"id": row.user_id},
        "updated_at": iso(row.updated_at),
    }
