"""Where an execution comes from and what came of it: its parent and children, its version and labels, the price that counted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import joinedload, load_only

from aiapp.columns import now
from aiapp.executions import batch_rows, differing, showing
from aiapp.executions.lists.filters import Filters
from aiapp.executions.lists.listing import count_executions
from aiapp.executions.models import Attempt, Execution
from aiapp.extensions import db
from aiapp.prompt_templates.models import PromptVersion
from aiapp.prompt_templates.release_models import LabelledVersion
from aiapp.workspaces.access import Access

MOST_CHILDREN = 10
SOURCES = {
    "page": "the website",
    "api": "the API",
    "preview": "a test run",
    "cli": "the command line",
    "python": "a program on the server",
    "batch": "a batch",
}


@dataclass(frozen=True, slots=True)
class Bill:
    """What one attempt cost: `lines` are (term, amount); `basis` says which price list, which model there, and as of when."""

    attempt: Attempt
    lines: list[tuple[str, Decimal | None]]
    basis: str


@dataclass(frozen=True, slots=True)
class Alike:
    """Of the executions of a version in the last 24 hours: those with the same error, and all; `fields` list the former."""

    same: int
    all: int
    fields: dict[str, str]


def of(access: Access, execution: Execution) -> dict[str, Any]:
    """Return what the page of one execution needs beyond the execution itself."""
    parent = _parent(access, execution)
    children = _children(access, execution)
    place = batch_rows.places(access, [execution]).get(execution.id)
    return {
        "parent": parent,
        "changed": differing.asked_differently(parent, execution) if parent is not None else [],
        "children": children[:MOST_CHILDREN],
        "more_children": max(0, len(children) - MOST_CHILDREN),
        "labels": _labels(access, execution.prompt_version),
        "content_hash": content_hash(execution.prompt_version) if execution.prompt_version else None,
        "alike": _alike(access, execution),
        "bills": list(bills(execution)),
        "place": place,
        "beside_place": batch_rows.neighbours(access, place) if place is not None else (None, None),
        "came_from": SOURCES.get(execution.source, execution.source),
        "given": {name: value for name, value in execution.context.items() if name not in execution.fetched},
    }


def content_hash(version: PromptVersion) -> str:
    """Return the SHA-256, in hex, of what a version says: of the JSON array [system, messages, body] in UTF-8.

    Without spaces between its parts, the keys of a message in order, letters beyond ASCII as they are.
    """
    said = [version.system, version.messages, version.body]
    return hashlib.sha256(
        json.dumps(said, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    ).hexdigest()


def bills(execution: Execution) -> Iterator[Bill]:
    """Yield the arithmetic of each attempt's cost, in order; of those whose provider did not say tokens, none."""
    for attempt in execution.attempts:
        if attempt.prices:
            yield Bill(attempt, showing.lines_of(attempt), _basis(attempt))


def _basis(attempt: Attempt) -> str:
    prices = attempt.prices or {}
    if prices.get("source") == "free of charge":
        return "Free of charge"
    named = f", as {prices['model']}" if prices.get("model") not in (None, attempt.model) else ""
    return f"{prices.get('source')}{named}, of {attempt.started_at:%Y-%m-%d}"


def _parent(access: Access, execution: Execution) -> Execution | None:
    if execution.parent_id is None:
        return None
    return db.session.scalars(access.select(Execution).where(Execution.id == execution.parent_id)).first()


def _children(access: Access, execution: Execution) -> list[Execution]:
    query = access.select(Execution).where(Execution.parent_id == execution.id).order_by(Execution.id.desc())
    shown = load_only(
        Execution.status, Execution.model, Execution.created_at, Execution.round, Execution.stream, Execution.source
    )
    related = joinedload(Execution.prompt_version).load_only(PromptVersion.number).lazyload("*")
    return list(db.session.scalars(query.limit(MOST_CHILDREN + 1).options(shown, related)))


def _alike(access: Access, execution: Execution) -> Alike | None:
    """Return how often its version ended like this lately; None where it did not fail, or has no version."""
    template, version = execution.prompt_template, execution.prompt_version
    if execution.status != "failed" or template is None or version is None or execution.error_class is None:
        return None
    filters = Filters(template=template.slug, version=str(version.number), since=now() - timedelta(days=1))
    same = count_executions(access, replace(filters, error_class=execution.error_class))
    fields = {"template": template.slug, "version": str(version.number)}
    fields |= {"error_class": execution.error_class, "period": "1"}
    return Alike(same, count_executions(access, filters), fields)


def _labels(access: Access, version: PromptVersion | None) -> list[str]:
    if version is None:
        return []
    query = sa.select(LabelledVersion).where(
        LabelledVersion.workspace_id == access.workspace.id, LabelledVersion.prompt_version_id == version.id
    )
    return sorted(one.label.name for one in db.session.scalars(query))
