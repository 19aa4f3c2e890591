"""How values are written for people: times, sums, counts; and what the macros of templates/ui.html need to know of a field."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from math import ceil, floor
from typing import Any

from flask import Flask
from flask_wtf.csrf import generate_csrf
from markupsafe import Markup
from wtforms import Field

from aiapp.errors import request_id

MONTHS = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)  # %b depends on the locale
UNKNOWN = Markup('<span aria-hidden="true">—</span><span class="visually-hidden">unknown</span>')

MINUTE, HOUR, DAY = 60, 3600, 86400
YEAR = 365 * DAY


def init_app(app: Flask) -> None:
    """Give the filters to the templates of `app`, and the macros of ui.html as the global `ui`."""
    filters: tuple[Callable[..., Any], ...] = (
        relative,
        absolute,
        number,
        money,
        duration,
        count,
        tokens,
        short_id,
        monogram,
        field_of,
    )
    app.jinja_env.filters.update({one.__name__: one for one in filters})
    # Jinja's own give Markup, which is right in a script element and lets quotes through in an attribute. We have no scripts.
    app.jinja_env.filters.update(tojson=as_json, xmlattr=attributes)
    app.jinja_env.globals.update(request_id=request_id, unix_time=time.time, csrf_token=generate_csrf)
    # A module without a context: macros get what they need as arguments, so they mean the same on every page. It sees the
    # globals as they are at this moment: what a macro calls is put there above, not by whoever comes later.
    app.jinja_env.globals["ui"] = app.jinja_env.get_template("ui.html").module


def as_json(value: Any, indent: int | None = None) -> str:
    """Return `value` as JSON: plain text, which the template escapes like any other, also in an attribute."""
    return json.dumps(value, indent=indent, ensure_ascii=False)


def attributes(values: Mapping[str, Any]) -> Markup:
    """Return HTML attributes, each with a space before it; whatever a value is, its quotes are escaped. None is left out."""
    pairs = ((name, value) for name, value in values.items() if value is not None)
    return Markup("").join(Markup(' {}="{}"').format(name, str.__str__(str(value))) for name, value in pairs)


def relative(when: datetime, now: datetime | None = None) -> str:
    """Return how long ago `when` was, or how far ahead it is: "12 s ago", "5 h ago", "in 90 d".

    static/app.js writes the same words while the page stays open: change both. `now` is for tests.
    """
    seconds = ((now or datetime.now(UTC)) - _aware(when)).total_seconds()
    span = abs(seconds)
    whole = floor if seconds > 0 else ceil  # seven days ahead are still "in 7 d" a moment later
    if span < 1:
        return "just now"
    if span < MINUTE:
        text = f"{whole(span)} s"
    elif span < HOUR:
        text = f"{whole(span / MINUTE)} min"
    elif span < DAY:
        text = f"{whole(span / HOUR)} h"
    elif span < 14 * DAY or (seconds < 0 and span < YEAR):
        text = f"{whole(span / DAY)} d"
    elif span < YEAR:
        text = f"{whole(span / (7 * DAY))} w"
    else:
        text = f"{whole(span / YEAR)} y"
    return f"{text} ago" if seconds > 0 else f"in {text}"


def absolute(when: datetime) -> str:
    """Return `when` as "18 Mar 2026, 14:03 UTC"."""
    utc = _aware(when)
    return f"{utc.day} {MONTHS[utc.month - 1]} {utc.year}, {utc:%H:%M} UTC"


def number(value: float | Decimal | None) -> str:
    """Return `value` with thousands separators; None is an unknown number, never 0."""
    return UNKNOWN if value is None else f"{value:,}"


def money(amount: Decimal | int | str | None) -> str:
    """Return US dollars: four decimals below one dollar, two above; a sum that would round to nothing says so."""
    if amount is None:
        return UNKNOWN
    exact = Decimal(amount)
    fine = exact.quantize(Decimal("0.0001"), ROUND_HALF_UP)
    if exact > 0 and not fine:
        return "< $0.0001"
    if abs(fine) < 1:
        return f"-${-fine}" if fine < 0 else f"${fine}"
    coarse = exact.quantize(Decimal("0.01"), ROUND_HALF_UP)
    return f"-${-coarse:,}" if coarse < 0 else f"${coarse:,}"


def duration(milliseconds: float | None) -> str:
    """Return a span: "84 ms", "3.1 s", "2 min 4 s", "1 h 5 min"."""
    if milliseconds is None:
        return UNKNOWN
    if round(milliseconds) < 1000:
        return f"{round(milliseconds)} ms"
    if milliseconds < 59_950:  # from there on it would read "60.0 s"
        return f"{milliseconds / 1000:.1f} s"
    seconds = round(milliseconds / 1000)
    if seconds < HOUR:
        return f"{seconds // MINUTE} min {seconds % MINUTE} s"
    return f"{seconds // HOUR} h {seconds % HOUR // MINUTE} min"


def count(amount: int | None, singular: str, plural: str | None = None) -> str:
    """Return an amount with its noun: "1 member", "1,284 executions"."""
    noun = singular if amount == 1 else plural or f"{singular}s"
    text: str = Markup("{} {}").format(number(amount), noun)
    return text


def tokens(amount: int | None) -> str:
    """Return a number of tokens: "31 tokens"."""
    return count(amount, "token")


def short_id(row_id: str) -> str:
    """Return the end of an id, the part that differs between rows made in the same minute."""
    return row_id[-6:]


def monogram(name: str) -> str:
    """Return two letters for `name`: "DR" for Devi Raman, "OA" for OpenAI, "AN" for Anthropic."""
    words: list[str] = re.findall(r"[^\W_]+", name.partition("@")[0] or name)
    if not words:
        return "?"
    if len(words) > 1:
        return (words[0][0] + words[1][0]).upper()
    word = words[0]
    capital = next((letter for letter in word[1:] if letter.isupper()), None)
    return (word[0] + (capital or word[1:2])).upper()


@dataclass(frozen=True, slots=True)
class FieldFacts:
    """What a macro draws of a form field, whichever way the form is made."""

    name: str
    id: str
    label: str
    value: Any
    error: str | None
    hint: str | None
    required: bool
    kind: str
    choices: Sequence[Any]


def field_of(
    source: Field | str,
    label: str | None = None,
    value: Any = None,
    error: str | None = None,
    hint: str | None = None,
    required: bool | None = None,
    id: str | None = None,
) -> FieldFacts:
    """Return the facts of `source`, a WTForms field or the name of a plain one; what is given here wins over the field's own."""
    if isinstance(source, str):
        return FieldFacts(source, id or source, label or source, value, error, hint, bool(required), "text", ())
    kind = source.widget.input_type if hasattr(source.widget, "input_type") else "text"
    return FieldFacts(
        name=source.name,
        id=id or source.id,
        label=label or source.label.text,
        value=_value_of(source, kind) if value is None else value,
        error=error or (str(source.errors[0]) if source.errors else None),
        hint=hint or source.description or None,
        required=bool(source.flags.required) if required is None else required,
        kind=kind,
        choices=[choice[:2] for choice in source.iter_choices()] if hasattr(source, "iter_choices") else (),
    )


def _value_of(field: Field, kind: str) -> Any:
    if kind == "password":  # a secret is typed again, never sent back
        return ""
    written = getattr(field, "_value", None)  # WTForms' own text of a field: what was typed, even where it is invalid
    return field.data if written is None or kind in {"checkbox", "radio"} else written()


def _aware(when: datetime) -> datetime:
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
