"""The gallery: prompt templates that work as they are, kept as files. A new one can begin as a starter; the demo has six."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from aiapp.prompt_templates.text import documents

FOLDER = Path(__file__).parent / "gallery"
# The folders of the gallery and what they are called, in the order of the page.
CATEGORIES = {
    "planning": "Product planning",
    "analysis": "Reading and judging",
    "specs": "Specifications and tasks",
    "support": "Conversations",
    "data": "Data from text",
    "writing": "Writing",
}
# What the demo workspace has and a new prompt template is offered first.
FEATURED = (
    "support-reply",
    "meeting-summary",
    "invoice-extraction",
    "release-notes",
    "text-classification",
    "landing-page-section",
)


@dataclass(frozen=True, slots=True)
class Starter:
    """A prompt template of the gallery; `given` is what `actions.create` takes to make it."""

    category: str
    given: dict[str, Any]

    @property
    def slug(self) -> str:
        """What it is called in addresses."""
        return str(self.given["slug"])

    @property
    def name(self) -> str:
        """What people call it."""
        return str(self.given["name"])

    @property
    def description(self) -> str:
        """What it is good for."""
        return str(self.given["description"])


@cache
def starters() -> tuple[Starter, ...]:
    """Return all starters, by category and name; read once in the life of a process."""
    found = [
        Starter(category, documents.parse(path.read_text("utf-8")))
        for category in CATEGORIES
        for path in sorted((FOLDER / category).glob("*.md"))
    ]
    return tuple(sorted(found, key=lambda one: (list(CATEGORIES).index(one.category), one.name)))


def featured() -> tuple[Starter, ...]:
    """Return the first six."""
    by_slug = {one.slug: one for one in starters()}
    return tuple(by_slug[slug] for slug in FEATURED)


def offered(slug: str) -> tuple[Starter, ...]:
    """Return the first six, and before them the one with this slug where it is another."""
    return (*(one for one in starters() if one.slug == slug and slug not in FEATURED), *featured())


def find(slug: str) -> dict[str, Any] | None:
    """Return what `actions.create` takes to make the starter with this slug; None where there is none."""
    return next((dict(one.given) for one in starters() if one.slug == slug), None)
