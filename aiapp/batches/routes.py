"""What the pages of batches share: the blueprint, the words, and what a template needs to show one."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request, session, url_for

from aiapp.batches import bounds, counting, listing, results, showing, tables
from aiapp.batches.actions import ASKED
from aiapp.batches.models import STATES, Batch
from aiapp.credentials.models import Credential
from aiapp.credentials.selection import name_for_all
from aiapp.executions.showing import ERRORS
from aiapp.extensions import db
from aiapp.providers import registry
from aiapp.workspaces.access import Access

SHOWN_VALUES = 3

blueprint = Blueprint("batches", __name__, url_prefix="/w/<workspace>/batches")


@blueprint.url_value_preprocessor
def of_members(endpoint: str | None, values: dict[str, Any] | None) -> None:
    """Read a longer request only of a browser that somebody has signed in with: its cookie says so, the database later."""
    if "_user_id" in session:
        bounds.raise_for_table(endpoint, values)


@blueprint.context_processor
def of_tables() -> dict[str, Any]:
    """Give templates the bounds of a table."""
    return {"most_rows": tables.MOST_ROWS, "most_megabytes": tables.MOST_BYTES // 2**20}


def address(access: Access, batch: Batch) -> str:
    """Return the path of a batch's page."""
    return url_for("batches.show", workspace=access.workspace.slug, batch_id=batch.id)


def words() -> dict[str, Any]:
    """Return the words that the templates use."""
    return {
        "batch_word": showing.word,
        "batch_mark": showing.mark,
        "row_marks": showing.ROW_MARKS,
        "row_words": showing.ROW_WORDS,
        "reasons": ERRORS,
        "author": showing.author,
        "roughly": showing.roughly,
    }


def page(access: Access, batch: Batch) -> dict[str, Any]:
    """Return what the whole page of a batch that was started needs: what is shown, and whom it asks."""
    asked = (batch.prompt or {}).get("settings") or {f"requested_{name}": batch.asked.get(name) for name in ASKED}
    credential_id, provider = asked["requested_credential_id"], asked["requested_provider"]
    credential = db.session.get(Credential, credential_id) if credential_id else None
    answering = "in the fallback order"
    if credential_id:
        answering = name_for_all(credential) if credential is not None else "deleted"
    elif provider:
        answering = f"any of {registry.provider(provider).label}"
    settings = [
        ("Model", asked["requested_model"] or "the credential's own"),
        ("Credential", answering),
        ("Temperature", asked.get("temperature")),
        ("Rows a minute", batch.per_minute),
    ]
    told = [(name, value) for name, value in settings if value is not None]
    return {**shown(access, batch), "asked": told, "chosen": {name: batch.asked.get(name) or None for name in ASKED}}


def shown(access: Access, batch: Batch) -> dict[str, Any]:
    """Return what the page of a batch that was started needs (`?state=` and `?after=` choose the rows)."""
    counts = counting.of([batch.id])[batch.id]
    state = request.args.get("state", "")
    state = state if state in STATES else ""
    after = request.args.get("after", default=0, type=int)
    lines = listing.lines(
        batch.id, state=state, after=min(max(after, 0), 10**9), limit=listing.SHOWN + 1, openings=True
    )
    pace = counting.pace(batch.id) if counts.waiting or counts.running else 0
    oldest, lost = counting.under_way(batch.id) if counts.running else (None, 0)
    outcome = counting.outcome(batch, counts)
    return {
        "batch": batch,
        "counts": counts,
        "outcome": outcome,
        "moving": outcome == "running" or counts.running > 0,
        "state": state,
        "states": [(name, getattr(counts, name)) for name in STATES],
        "after": after,
        "lines": [(line, results.of(line), _input(batch, line.row.context)) for line in lines[: listing.SHOWN]],
        "next_after": lines[listing.SHOWN - 1].row.number if len(lines) > listing.SHOWN else None,
        "pace": pace,
        "failures": counting.failures(batch.id) if counts.failed else [],
        "left": showing.left(counts, pace, oldest),
        "lost": lost,
        "segments": showing.segments(counts),
        "opening": listing.OPENING,
        **words(),
    }


def _input(batch: Batch, context: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the first values of a row that variables take, by variable; by column where none takes a column."""
    taken = {name: source["column"] for name, source in batch.mapping.items() if "column" in source}
    named = taken or {column: column for column in batch.columns}
    values = ((name, str(results.text_of(context.get(column)) or "")) for name, column in named.items())
    return [(name, value) for name, value in values if value][:SHOWN_VALUES]
