"""The filters of the list of executions as its address has them, read and put in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from aiapp.columns import now
from aiapp.executions.lists.filters import FEEDBACK, FINER, RUNS, SEVERAL, TEST_RUN, Filters
from aiapp.executions.models import STATUSES

PERIODS = {"1": "Last 24 hours", "7": "Last 7 days", "30": "Last 30 days", "90": "Last 90 days"}
SOURCES = {
    RUNS: "Runs, no test runs",
    TEST_RUN: "Test runs",
    "page": "Pages",
    "api": "API",
    "batch": "Batches",
    "cli": "Command line",
}
RATINGS = {"any": "With feedback", "up": "Rated good", "down": "Rated bad", "none": "Without feedback"}
ATTEMPTS = {SEVERAL: "More than one"}
WORDS = {
    "q": "Search",
    "status": "Status",
    "template": "Prompt template",
    "version": "Version",
    "model": "Model",
    "period": "Time",
    "feedback": "Feedback",
    "mine": "Mine",
    "provider": "Provider",
    "credential_id": "Credential",
    "user": "Member",
    "source": "Source",
    "batch": "Batch",
    "error_class": "Error",
    "attempts": "Attempts",
    "cost_from": "Cost from",
    "cost_to": "Cost to",
    "duration_from": "Duration from",
    "duration_to": "Duration to",
    "from": "From",
    "to": "Before",
}
# Those in the bar itself; the others stand under "More filters".
FIRST = ("q", "status", "template", "model", "period", "mine", "feedback")
MORE = tuple(name for name in WORDS if name not in FIRST)
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """Filters, the fields of the address that they were read from, and what could not be read: by field, in words."""

    filters: Filters
    given: dict[str, str]
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def counted(self) -> dict[str, str]:
        """The fields that limit something: those that could be read."""
        return {name: value for name, value in self.given.items() if name not in self.problems}

    @property
    def more(self) -> int:
        """How many of them are not in the bar itself."""
        return sum(name in MORE for name in self.given)


def read(fields: Mapping[str, Any]) -> Asked:
    """Return the filters in an address or a saved view; what cannot be read limits nothing and is named as a problem."""
    given = {name: str(fields[name]).strip()[:_LONGEST] for name in WORDS if fields.get(name)}
    given = {name: value for name, value in given.items() if value}
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, value in given.items():
        try:
            values.update(_READERS.get(name, _text)(name, value))
        except ValueError as error:
            problems[name] = str(error)
    period = values.pop("period", None)
    if period is not None:
        values["since"] = max(period, values.get("since", period))
    return Asked(Filters(**values), given, problems)


def in_words(name: str, value: str, names: Mapping[str, Mapping[str, str]]) -> tuple[str, str]:
    """Return a filter and its value for people; `names` are the words of values, by filter."""
    fixed: dict[str, Mapping[str, str]] = {"period": PERIODS, "source": SOURCES, "feedback": RATINGS}
    fixed["attempts"] = ATTEMPTS
    if name == "mine":
        return WORDS[name], "only"
    if name == "status":
        return WORDS[name], value.capitalize()
    shown = {**fixed.get(name, {}), **names.get(name, {})}.get(value, value)
    if name.startswith("cost_"):
        shown = f"${value}"
    if name.startswith("duration_"):
        shown = f"{value} s"
    return WORDS[name], shown


def _text(name: str, value: str) -> dict[str, Any]:
    return {name: value}


def _mine(name: str, value: str) -> dict[str, Any]:
    return {name: True}


def _one_of(*allowed: str) -> Callable[[str, str], dict[str, Any]]:
    def read_one(name: str, value: str) -> dict[str, Any]:
        if value not in allowed:
            raise ValueError(f"There is no such {WORDS[name].lower()}: {value}.")
        return {name: value}

    return read_one


def _period(name: str, value: str) -> dict[str, Any]:
    if value not in PERIODS:
        raise ValueError("Choose a time of the list.")
    return {name: now() - timedelta(days=int(value))}


def _number(name: str, value: str) -> dict[str, Any]:
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise ValueError(f"{value} is not a number.") from error
    if not number.is_finite() or number < 0:
        raise ValueError("Use a number of at least 0.")
    return {name: number}


def _time(name: str, value: str) -> dict[str, Any]:
    try:
        when = datetime.fromisoformat(value)
        when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{value} is not a day. Write it as 2026-03-18.") from error
    if not 1970 <= when.year < 9000:
        raise ValueError("Nothing was made at that time.")
    return {"since" if name == "from" else "until": when}


_READERS: dict[str, Callable[[str, str], dict[str, Any]]] = {
    "status": _one_of(*STATUSES, *FINER),
    "attempts": _one_of(SEVERAL),
    "feedback": _one_of(*FEEDBACK),
    "mine": _mine,
    "period": _period,
    "from": _time,
    "to": _time,
    "cost_from": _number,
    "cost_to": _number,
    "duration_from": _number,
    "duration_to": _number,
}
