"""Samples for variables that have none: made of their types, choices, descriptions and names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from aiapp.prompt_templates.text.values import as_text

_BY_EXAMPLE = re.compile(
    r"(?:e\. ?g\.|such as|for example|like)[:,]? +[\"'“]?([^\"'”;.()\n]{1,80}?)[\"'”]?(?:[;.)\n]|$)", re.IGNORECASE
)

# The last word of a name that is listed says what is meant.
_TEXTS = {
    "email": "ada@example.com",
    "mail": "ada@example.com",
    "phone": "+44 20 7946 0000",
    "url": "https://example.com",
    "link": "https://example.com",
    "website": "https://example.com",
    "date": "2026-03-14",
    "day": "Monday",
    "month": "March",
    "time": "09:30",
    "deadline": "31 March",
    "language": "English",
    "country": "Portugal",
    "city": "Lisbon",
    "company": "Northbeam",
    "organisation": "Northbeam",
    "product": "Northbeam Desk",
    "audience": "people who have never used it",
    "tone": "friendly",
    "style": "plain",
    "topic": "how to plan a small team's week",
    "title": "A week that holds together",
    "id": "A-1042",
    "number": "A-1042",
    "code": "print('hello')",
    "question": "How do I change my plan?",
    "message": "Hello, I was charged twice for one invoice. Could you look into it?",
    "notes": "It was paid twice. The second payment has not been returned yet.",
    "name": "Ada Lovelace",
}
_NUMBERS = {
    "year": "2026",
    "words": "120",
    "characters": "500",
    "percent": "25",
    "price": "19.9",
    "age": "36",
    "days": "14",
}


def sample(spec: Mapping[str, Any]) -> str:
    """Return a value that fits a declared variable: its sample, its default, else one made up, as its input shows it."""
    for value in (spec.get("sample"), spec.get("default")):
        if value is not None and value != "":
            return as_text(value)
    kind = spec.get("type")
    if kind == "choice":
        choices = spec.get("choices") or [""]
        return str(choices[0])
    if kind == "boolean":
        return "true"
    if kind == "json":
        return '{"example": true}'
    words = _words(spec["name"])
    if kind == "number":
        return next((_NUMBERS[word] for word in words if word in _NUMBERS), "3")
    given = _BY_EXAMPLE.search(str(spec.get("description") or ""))
    if given:
        return given[1].strip()
    telling = sorted((word for word in words if word in _TEXTS), key="name".__eq__)  # company_name is a company's
    known = _TEXTS[telling[0]] if telling else None
    plain = known or f"An example of {' '.join(reversed(words)) or 'a text'}"
    return f"{plain}\n\nA second paragraph, so that it has some length." if kind == "long_text" and not known else plain


def samples(specs: Iterable[Mapping[str, Any]], typed: Mapping[str, str]) -> dict[str, str]:
    """Return what was typed, and a sample for each variable for which nothing was."""
    return {spec["name"]: typed.get(spec["name"]) or sample(spec) for spec in specs}


def _words(name: str) -> list[str]:
    """Return the words of a variable's name, the last one first: it says what the others describe."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return [word for word in reversed(re.split(r"[^a-z0-9]+", spaced.lower())) if word]
