"""Reading batches and their rows, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import defer, joinedload

from aiapp import sealing
from aiapp.batches import counting
from aiapp.batches.models import Batch, BatchRow
from aiapp.executions.models import Execution
from aiapp.extensions import db
from aiapp.prompt_templates.models import PromptTemplate
from aiapp.workspaces.access import Access

SHOWN = 50
READ_AT_ONCE = 200
# Of an output, for a page; an encrypted one is read whole or not at all.
OPENING = 300
_SEALED = 20_000
TOO_LONG = "Too long to be shown here."
_UNREAD = (
    Execution.template,
    Execution.template_system,
    Execution.system,
    Execution.body,
    Execution.messages,
    Execution.context,
    Execution.json_schema,
    Execution.output,
    Execution.output_data,
    Execution.problems,
    Execution.tool_calls,
)


@dataclass(frozen=True, slots=True)
class Line:
    """A row with its execution, None where it has none; `state` is what it is now, `output` the answer or its opening."""

    row: BatchRow
    execution: Execution | None
    state: str
    output: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which batches: part of the name, one of STATUSES or `failed` (a row failed), the prompt template's slug; "" is any."""

    q: str = ""
    status: str = ""
    template: str = ""

    def narrow(self, query: sa.Select[Any]) -> sa.Select[Any]:
        """Return a query of batches that finds these alone."""
        if self.q:
            query = query.where(Batch.name.icontains(self.q, autoescape=True))
        if self.template:
            query = query.where(Batch.prompt_template.has(PromptTemplate.slug == self.template))
        if self.status == "failed":
            return query.where(sa.exists().where(BatchRow.batch_id == Batch.id, BatchRow.state == "failed"))
        return query.where(Batch.status == self.status) if self.status else query


ALL = Wanted()


def templates(access: Access) -> list[tuple[str, str]]:
    """Return slug and name of the prompt templates that batches have, by name."""
    used = access.select(Batch).with_only_columns(Batch.prompt_template_id)
    query = sa.select(PromptTemplate.slug, PromptTemplate.name).where(PromptTemplate.id.in_(used))
    return [(slug, name) for slug, name in db.session.execute(query.order_by(PromptTemplate.name))]


def batches(
    access: Access, wanted: Wanted = ALL, *, cursor: str = "", limit: int = SHOWN, settings: bool = False
) -> tuple[list[Batch], str | None]:
    """Return batches, newest first, and the cursor of the next ones; without `settings` only what a list shows of them."""
    query = access.select(Batch).options(
        joinedload(Batch.user), joinedload(Batch.prompt_template), joinedload(Batch.prompt_version)
    )
    unread = (Batch.columns,) if settings else (Batch.columns, Batch.mapping, Batch.checked)
    query = query.options(*(defer(column) for column in unread))
    if cursor:
        query = query.where(Batch.id < cursor)
    query = wanted.narrow(query)
    found = list(db.session.scalars(query.order_by(Batch.id.desc()).limit(limit + 1)).unique())
    return found[:limit], found[limit - 1].id if len(found) > limit else None


def lines(batch_id: str, *, state: str = "", after: int = 0, limit: int = SHOWN, openings: bool = False) -> list[Line]:
    """Return rows with their executions, in the order of the table; none of another state where one is given.

    Arguments:
        openings: read OPENING characters of the outputs, and not all of them.
    """
    output = _opening() if openings else Execution.output
    query = counting.joined(sa.select(BatchRow, Execution, counting.state(), output))
    query = query.where(BatchRow.batch_id == batch_id)
    query = query.options(*(defer(column) for column in _UNREAD))
    if state:
        # said twice, so that the index by state is used: what runs may have ended
        query = query.where(BatchRow.state.in_((state, "running")), counting.state() == state)
    rows = db.session.execute(query.where(BatchRow.number > after).order_by(BatchRow.number).limit(limit))
    return [Line(row, execution, now, _opened(execution, text)) for row, execution, now, text in rows]


def contexts(batch_id: str, at_once: int = READ_AT_ONCE) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield number and values by column of every row, without keeping them all in memory."""
    after = 0
    while True:
        query = sa.select(BatchRow).where(BatchRow.batch_id == batch_id, BatchRow.number > after)
        rows = db.session.scalars(query.order_by(BatchRow.number).limit(at_once)).all()
        for row in rows:
            yield row.number, row.context
            db.session.expunge(row)
        if len(rows) < at_once:
            return
        after = rows[-1].number


def again(access: Access, batch_id: str) -> Batch:
    """Return a batch as it is after a change that went past the session. Raises NotFound."""
    batch = access.get(Batch, batch_id)
    db.session.refresh(batch)
    return batch


def _opening() -> sa.ColumnElement[str | None]:
    sealed = Execution.output.startswith(sealing.MARK, autoescape=True)
    whole = sa.case((sa.func.length(Execution.output) <= _SEALED, Execution.output), else_=TOO_LONG)
    return sa.case((sealed, whole), else_=sa.func.substr(Execution.output, 1, OPENING))


def _opened(execution: Execution | None, output: str | None) -> str | None:
    if execution is None:
        return None
    found: str | None = sealing.opened(Execution, execution.workspace_id, execution.id, {"output": output})["output"]
    return found
