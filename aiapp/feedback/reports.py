"""Votes counted: by prompt template, version, model, provider, member, day, week and reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from aiapp import sealing
from aiapp.accounts.models import User
from aiapp.executions.models import Execution
from aiapp.executions.showing import provider_label
from aiapp.extensions import db
from aiapp.feedback import votes, wilson
from aiapp.feedback.models import Feedback
from aiapp.feedback.votes import Wanted
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.workspaces.access import Access

GROUPS = ("template", "version", "model", "provider", "user", "day", "week", "reason")
# Only admins see how a member votes, as they alone see a member's usage.
OF_MEMBERS = "user"
MOST = 200
# Of reasons that are encrypted nobody can tell which are alike.
OWN_WORDS = "In their own words"


@dataclass(frozen=True, slots=True)
class Share:
    """How many votes, and how many of them are good. `key` names the group: a slug, a name, an id, a day; None is unknown.

    `template` is the slug of a version's prompt template, `number` its number.
    """

    up: int = 0
    down: int = 0
    key: str | None = None
    label: str = ""
    template: str | None = None
    number: int | None = None

    @property
    def total(self) -> int:
        """All votes."""
        return self.up + self.down

    @property
    def rate(self) -> float | None:
        """The share of good ones, 0 to 1; None of no votes."""
        return self.up / self.total if self.total else None

    @property
    def low(self) -> float:
        """The least that the share probably is."""
        return wilson.interval(self.up, self.total)[0]

    @property
    def high(self) -> float:
        """The most that the share probably is."""
        return wilson.interval(self.up, self.total)[1]


def summed(shares: list[Share]) -> Share:
    """Return groups together."""
    return Share(sum(one.up for one in shares), sum(one.down for one in shares))


def total(access: Access, wanted: Wanted) -> Share:
    """Return all votes together."""
    ((up, down),) = _counted(access, wanted, [])
    return Share(up, down)


def by(access: Access, wanted: Wanted, group: str) -> list[Share]:
    """Return the votes of each group, most votes first, days and weeks in their order; at most MOST groups but for days.

    Arguments:
        group: one of GROUPS. Raises Denied for OF_MEMBERS, unless an admin asks.
    """
    if group == OF_MEMBERS:
        access.demand("admin")
    if group in ("day", "week"):
        days = by_day(access, wanted)
        return weeks(days) if group == "week" else days
    if group == "reason":
        return reasons(access, wanted)
    shares = _by_row(access, wanted, group)
    return sorted(shares, key=lambda one: (-one.total, one.label))[:MOST]


def by_day(access: Access, wanted: Wanted) -> list[Share]:
    """Return the votes of each day (UTC) on which there are any, the first day first."""
    day = _day(Feedback.created_at)
    rows = _counted(access, wanted, [day])
    return sorted((Share(up, down, str(of), str(of)) for of, up, down in rows), key=lambda one: one.key or "")


def weeks(days: list[Share]) -> list[Share]:
    """Return the votes of each week by the days': `key` is its Monday."""
    up: Counter[str] = Counter()
    down: Counter[str] = Counter()
    for one in days:
        day = date.fromisoformat(one.key or "")
        monday = str(day - timedelta(days=day.weekday()))
        up[monday] += one.up
        down[monday] += one.down
    return [Share(up[monday], down[monday], monday, monday) for monday in sorted(up)]


def reasons(access: Access, wanted: Wanted) -> list[Share]:
    """Return how often each reason was given with a good and with a bad vote, the most given first."""
    query = votes.select(access, wanted).with_only_columns(Feedback.rating, Feedback.reasons, sa.func.count())
    found: dict[str, Counter[str]] = {}
    for rating, given, number in db.session.execute(query.group_by(Feedback.rating, Feedback.reasons)):
        for reason in dict.fromkeys(OWN_WORDS if sealing.is_sealed(word) else word for word in given):
            found.setdefault(reason, Counter())[rating] += number
    shares = [Share(count["up"], count["down"], reason, reason) for reason, count in found.items()]
    return sorted(shares, key=lambda one: (-one.total, one.label))[:MOST]


def _by_row(access: Access, wanted: Wanted, group: str) -> list[Share]:
    keys: dict[str, list[Any]] = {
        "template": [Execution.prompt_template_id],
        "version": [Execution.prompt_template_id, Execution.prompt_version_id],
        "model": [Execution.model],
        "provider": [Execution.provider],
        "user": [Feedback.user_id],
    }
    rows = _counted(access, wanted, keys[group])
    if group == "user":
        names = _names(User.id, User.name, {row[0] for row in rows})
        return [Share(up, down, key, names.get(key, "")) for key, up, down in rows]
    if group in ("model", "provider"):
        word = provider_label if group == "provider" else str
        return [Share(up, down, key, word(key) if key else "Unknown") for key, up, down in rows]
    ids = {row[0] for row in rows}
    slugs = _names(PromptTemplate.id, PromptTemplate.slug, ids)
    names = _names(PromptTemplate.id, PromptTemplate.name, ids)
    if group == "template":
        return [Share(up, down, slugs.get(key), names.get(key, "No prompt template")) for key, up, down in rows]
    numbers = _names(PromptVersion.id, PromptVersion.number, {row[1] for row in rows})
    return [
        Share(
            up,
            down,
            version,
            _version(names.get(template), numbers.get(version)),
            slugs.get(template),
            numbers.get(version),
        )
        for template, version, up, down in rows
    ]


def _version(name: str | None, number: int | None) -> str:
    if name is None:
        return "No prompt template"
    return f"{name} v{number}" if number is not None else f"{name}, a deleted version"


def _counted(access: Access, wanted: Wanted, keys: list[Any]) -> list[Any]:
    """Return rows of the keys' values, good votes and bad votes."""
    good, bad = (sa.func.count().filter(Feedback.rating == rating) for rating in ("up", "down"))
    query = votes.select(access, wanted).with_only_columns(*keys, good, bad)
    return list(db.session.execute(query.group_by(*keys) if keys else query))


def _names(key: Any, name: Any, ids: set[Any]) -> dict[Any, Any]:
    known = [one for one in ids if one is not None]
    return dict(db.session.execute(sa.select(key, name).where(key.in_(known))).all()) if known else {}


class _day(FunctionElement[str]):
    """The day of a time in UTC, as 2026-03-18."""

    inherit_cache = True
    type = sa.String()


@compiles(_day)
def _by_zone(element: _day, compiler: SQLCompiler, **more: Any) -> str:
    return f"to_char({compiler.process(element.clauses, **more)} AT TIME ZONE 'UTC', 'YYYY-MM-DD')"


@compiles(_day, "sqlite")
def _by_text(element: _day, compiler: SQLCompiler, **more: Any) -> str:
    return f"substr({compiler.process(element.clauses, **more)}, 1, 10)"
