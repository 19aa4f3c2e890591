"""What somebody wants of a batch, before it is one: the prompt template, who answers, how fast."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aiapp.batches import checking, tables
from aiapp.batches.models import Batch
from aiapp.errors import Conflict, InvalidInput
from aiapp.executions.models import PRIORITIES
from aiapp.executions.submission import Submission

MOST_AT_ONCE = 100
MOST_A_MINUTE = 10_000
AT_ONCE = 8
LONGEST_NAME = 100
ASKED = ("version", "label", "provider", "credential_id", "model", "temperature", "max_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A batch's settings; None and "" leave a choice to the version, then to the credential (see Submission).

    `at_once` rows are under way at the most, `per_minute` are begun in a minute (None: no bound).
    """

    prompt_template: str
    version: int | None = None
    label: str | None = None
    provider: str | None = None
    credential_id: str | None = None
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    name: str = ""
    priority: str = "low"
    at_once: int = AT_ONCE
    per_minute: int | None = None

    def check(self) -> None:
        """Raise InvalidInput for what the executions do not check themselves."""
        errors = []
        if len(self.name) > LONGEST_NAME or not self.name.isprintable():
            errors.append(_error("name", f"Use at most {LONGEST_NAME} characters, on one line."))
        if self.priority not in PRIORITIES:
            errors.append(_error("priority", f"Choose one of: {', '.join(PRIORITIES)}."))
        if not 1 <= self.at_once <= MOST_AT_ONCE:
            errors.append(_error("at_once", f"Use a whole number from 1 to {MOST_AT_ONCE}."))
        if self.per_minute is not None and not 1 <= self.per_minute <= MOST_A_MINUTE:
            errors.append(_error("per_minute", f"Use a whole number from 1 to {MOST_A_MINUTE:,}, or nothing."))
        if errors:
            raise InvalidInput(errors=errors)

    @property
    def asked(self) -> dict[str, Any]:
        """How it is asked for, as a batch keeps it."""
        return {name: value for name in ASKED if (value := getattr(self, name)) not in (None, "")}

    def submission(self) -> Submission:
        """Return what is submitted for each row, without its context."""
        return Submission(prompt_template=self.prompt_template, priority=self.priority, source="batch", **self.asked)


def of(batch: Batch) -> Wish:
    """Return what a batch was asked for. Raises Conflict `gone` where its prompt template was deleted."""
    if batch.prompt_template is None:
        raise Conflict("The prompt template of this batch was deleted.", code="gone")
    return Wish(
        prompt_template=batch.prompt_template.slug,
        name=batch.name,
        priority=batch.priority,
        at_once=batch.at_once,
        per_minute=batch.per_minute,
        **batch.asked,
    )


def demand_readable(table: tables.Table) -> None:
    """Raise InvalidInput with the mistakes of a table, by row and column."""
    if table.problems:
        more = table.mistakes - len(table.problems)
        detail = "The table cannot be read." + (f" These are the first of {table.mistakes:,} mistakes." if more else "")
        raise InvalidInput(detail, errors=[_error(_place(one.row, one.column), one.message) for one in table.problems])


def demand_ready(checked: checking.Checked) -> None:
    """Raise InvalidInput with what stands in the way of running each row, by row and variable."""
    if not checked.ready:
        detail = f"{len(checked.wrong):,} rows cannot be run." if checked.wrong else "The rows cannot be run."
        raise InvalidInput(detail, errors=list(_mistakes(checked.problems)))


def _mistakes(problems: Iterable[checking.Problem]) -> Iterable[dict[str, str]]:
    for one in problems:
        if one.row is None:
            yield _error(f"columns.{one.field}", one.message)
        else:
            yield _error(_place(one.row, one.column or one.field), one.message)


def _place(row: int | None, column: str | None) -> str:
    return ".".join(("rows", *(str(part) for part in (row, column) if part not in (None, ""))))


def _error(field: str, message: str) -> dict[str, str]:
    return {"field": field, "message": message}
