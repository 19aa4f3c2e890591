"""The executions of a list as files: one record each, without prompts and outputs, written while they are read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from aiapp.csv_records import record
from aiapp.executions.lists.filters import Filters
from aiapp.executions.lists.list_options import thumbs_of
from aiapp.executions.lists.listing import MAX_LIMIT, list_executions
from aiapp.executions.models import Execution
from aiapp.extensions import db
from aiapp.wire_values import dollars, iso, moment
from aiapp.workspaces.access import Access

MOST = 50_000
KINDS = {"csv": "text/csv", "jsonl": "application/x-ndjson"}
FIELDS = (
    "id",
    "created_at",
    "status",
    "source",
    "template",
    "version",
    "user",
    "token",
    "provider",
    "model",
    "credential_id",
    "credential",
    "format",
    "valid",
    "input_tokens",
    "output_tokens",
    "cost",
    "duration_ms",
    "started_at",
    "completed_at",
    "error_class",
    "error_message",
    "thumbs_up",
    "thumbs_down",
    "parent_id",
)


def stream(access: Access, filters: Filters, kind: str) -> Iterator[str]:
    """Yield the newest MOST executions of a list, newest first. Each reading is a transaction of its own.

    Arguments:
        kind: one of KINDS.
    """
    if kind == "csv":
        yield record(FIELDS)
    cursor, left = None, MOST
    while left:
        page = list_executions(access, filters, cursor=cursor, limit=min(MAX_LIMIT, left), texts=False, patiently=True)
        thumbs = thumbs_of(page.rows)
        lines = [_line(_told(row, *thumbs.get(row.id, (0, 0))), kind) for row in page.rows]
        cursor, left = page.next_cursor, left - len(page.rows)
        db.session.expunge_all()
        db.session.rollback()  # a slow reader holds no connection
        yield "".join(lines)
        if cursor is None:
            return


def _line(told: dict[str, Any], kind: str) -> str:
    return record(told.values()) if kind == "csv" else json.dumps(told, ensure_ascii=False) + "\n"


def _told(row: Execution, up: int, down: int) -> dict[str, Any]:
    template, version = row.prompt_template, row.prompt_version
    values = (
        row.id,
        moment(row.created_at),
        row.status,
        row.source,
        template.slug if template else None,
        version.number if version else None,
        row.user.name if row.user else None,
        row.token_name,
        row.provider,
        row.model,
        row.credential_id,
        row.credential_name,
        row.format,
        row.valid,
        row.input_tokens,
        row.output_tokens,
        dollars(row.cost),
        row.duration_ms,
        iso(row.started_at),
        iso(row.completed_at),
        row.error_class,
        row.error_message,
        up,
        down,
        row.parent_id,
    )
    return dict(zip(FIELDS, values, strict=True))
