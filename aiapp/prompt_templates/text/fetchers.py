"""Fetchers: dotted variables that fill themselves from what is known when a prompt is filled. PURE: what is known is handed in.

A name that begins with the first word of a fetcher (`user.`, `now.`, …) is one, and gets no input. What a run gives for it itself
counts before it (a test that needs a certain day gives `now.date`); a name that is neither given nor known is an error.
To add one, add an entry to FETCHERS; where it needs more than Facts has, see facts.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiapp.prompt_templates.text import grammar
from aiapp.providers.wire_json import storable

# More than any model reads at once; the whole context has a bound of its own.
MAX_CHARACTERS = 500_000
LAST, OUTPUT = "last.output", "output."


@dataclass(frozen=True, slots=True)
class Facts:
    """What fetchers draw from: the running person, their workspace, the moment (aware), what roles they have.

    `output` returns the newest output of a prompt template by its slug, of the one that is run for ""; where there is none it
    raises ValueError with a sentence. None where nothing is run yet: then what needs it stays as it is written.
    """

    user_name: str
    user_email: str
    workspace_name: str
    workspace_slug: str
    at: datetime
    allows: Callable[[str], bool]
    output: Callable[[str], str] | None = None


@dataclass(frozen=True, slots=True)
class Fetcher:
    """`name` is what is written, `gives` says what it becomes, `value` computes it of the facts and the whole name.

    `role` is the least role that may use it. `outputs`: it needs executions, and is therefore filled when it is run.
    """

    name: str
    gives: str
    value: Callable[[Facts, str], str]
    role: str = "viewer"
    outputs: bool = False


FETCHERS: dict[str, Fetcher] = {
    one.name: one
    for one in (
        Fetcher("user.name", "the name of whoever runs it", lambda facts, _: facts.user_name),
        Fetcher("user.email", "their address", lambda facts, _: facts.user_email),
        Fetcher("workspace.name", "the name of the workspace", lambda facts, _: facts.workspace_name),
        Fetcher("workspace.slug", "its name in addresses", lambda facts, _: facts.workspace_slug),
        Fetcher("now.date", "the day it is submitted, like 2026-03-14 (UTC)", lambda facts, _: f"{facts.at:%Y-%m-%d}"),
        Fetcher("now.time", "the time of day, like 09:26 (UTC)", lambda facts, _: f"{facts.at:%H:%M}"),
        Fetcher("now.weekday", "the day of the week, like Saturday (UTC)", lambda facts, _: f"{facts.at:%A}"),
        Fetcher(
            "now.iso", "day and time, like 2026-03-14T09:26:53Z", lambda facts, _: f"{facts.at:%Y-%m-%dT%H:%M:%SZ}"
        ),
        Fetcher(
            LAST,
            "the newest output of this prompt template, empty before the first one",
            lambda facts, _: _output(facts, ""),
            outputs=True,
        ),
        Fetcher(
            OUTPUT,
            "the newest output of another prompt template: its slug, with _ for -",
            lambda facts, name: _output(facts, slug_of(name)),
            outputs=True,
        ),
    )
}
# A slug as it is shown is no name of a variable (see grammar.py).
_BY_SLUG = re.compile(r"\{\{ ?output\.([a-z0-9][a-z0-9-]*) ?\}\}")
_WORDS = frozenset(name.partition(".")[0] for name in FETCHERS)


@dataclass(frozen=True, slots=True)
class Fetched:
    """`values` by name; `problems`, a sentence for each name that cannot be; `later`, names that are filled when it is run."""

    values: dict[str, str]
    problems: dict[str, str]
    later: tuple[str, ...] = ()


def is_one(name: str) -> bool:
    """Whether a name of a variable is a fetcher's, known or not."""
    word, dot, _ = name.partition(".")
    return bool(dot) and word in _WORDS


def find(name: str) -> Fetcher | None:
    """Return the fetcher of a name; None for one that there is not."""
    if name.startswith(OUTPUT) and name.count(".") == 1:
        return FETCHERS[OUTPUT]
    return FETCHERS.get(name)


def used(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the names of fetchers that the texts themselves use, each once, in order of first appearance."""
    likely = (text for text in texts if any(f"{{{{{word}." in text for word in _WORDS))
    names = (name for text in likely for name in grammar.names(grammar.parse(text)) if is_one(name))
    return tuple(dict.fromkeys(names))


def slug_of(name: str) -> str:
    """Return the slug that `output.release_notes` names; one that begins with a digit has _ before it."""
    return name.removeprefix(OUTPUT).replace("_", "-").lstrip("-")


def name_of(slug: str) -> str:
    """Return the name under which the output of a prompt template is fetched (see slug_of)."""
    return OUTPUT + ("_" if slug[:1].isdigit() else "") + slug.replace("-", "_")


def misnamed(literals: Iterable[str]) -> dict[str, str]:
    """Return a sentence for each of what is sent as written that means an output by its slug: `{{output.release-notes}}`."""
    found = {literal: match[1] for literal in literals if (match := _BY_SLUG.fullmatch(literal))}
    return {one: f"{one} is sent as written. Write {{{{{name_of(slug)}}}}}." for one, slug in found.items()}


def fetch(names: Sequence[str], facts: Facts | None) -> Fetched:
    """Return what fetchers give, each asked once; without facts, which of them there are."""
    found = Fetched({}, {})
    later = []
    for name in names:
        fetcher = find(name)
        if fetcher is None:
            found.problems[name] = unknown(name)
        elif facts is None or (fetcher.outputs and facts.output is None):
            later.append(name)
        elif not facts.allows(fetcher.role):
            found.problems[name] = f"Only a member who is at least {fetcher.role} can use {{{{{name}}}}}."
        else:
            try:
                found.values[name] = _bounded(fetcher.value(facts, name))
            except ValueError as error:
                found.problems[name] = str(error)
    return Fetched(found.values, found.problems, tuple(later))


def unknown(name: str) -> str:
    """Return the sentence about a name that no fetcher has."""
    word = name.partition(".")[0]
    near = [one for one in FETCHERS if one.startswith(f"{word}.")]
    known = ", ".join(f"{{{{{one}…}}}}" if one == OUTPUT else f"{{{{{one}}}}}" for one in near)
    return f"Nothing is called {{{{{name}}}}}: there {'is' if len(near) == 1 else 'are'} {known}."


def without(context: Mapping[str, Any], fetched: Iterable[str]) -> dict[str, Any]:
    """Return a context without the values that were fetched for it: what somebody gave."""
    left_out = frozenset(fetched)
    return {name: value for name, value in context.items() if name not in left_out}


def _output(facts: Facts, slug: str) -> str:
    if facts.output is None:
        raise ValueError("It is filled when it is run.")
    return facts.output(slug)


def _bounded(value: str) -> str:
    if len(value) > MAX_CHARACTERS:
        raise ValueError(f"What it gives is longer than {MAX_CHARACTERS:,} characters.")
    return storable(value)
