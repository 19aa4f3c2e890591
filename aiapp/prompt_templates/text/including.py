"""Includes: `{{> slug}}` becomes the text of another prompt template, before any value is put in.

What is included is put in piece by piece and never as text that is read again: a brace at its edge joins nothing outside of it,
and values, which come later, include nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiapp.prompt_templates.text import fetchers
from aiapp.prompt_templates.text.grammar import Token, names, parse
from aiapp.prompt_templates.text.values import blank

MAX_DEPTH = 8  # includes within includes
MAX_INCLUDES = 1_000  # of all parts of a prompt together
MAX_CHARACTERS = 1_000_000  # that they bring in


class Source(NamedTuple):
    """What an include stands for: the text, and what is declared of its variables."""

    text: str
    variables: Sequence[Mapping[str, Any]] = ()


class Library(NamedTuple):
    """What can be included.

    `sources` are by name as an include writes it (`slug`, `slug@3`); a sentence in place of one says why it is none.
    `root` is the slug of the prompt template that all this is for, "" where it is none.
    """

    sources: Mapping[str, Source | str]
    root: str = ""


NOTHING = Library({})


class Problem(NamedTuple):
    """An include that cannot be: it stays in part number `part` as it was written (`source`)."""

    part: int
    source: str
    message: str


@dataclass(slots=True)
class Expansion:
    """Texts whose includes are put in: the tokens of each, what is wrong, and what the included say of their variables."""

    parts: list[tuple[Token, ...]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    inherited: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The variables of all parts, each once, in order of first appearance."""
        return names(token for part in self.parts for token in part)

    def specs(self, own: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return what is declared of each variable (fetchers are none): `own` where it says something, else what is included."""
        known = {spec["name"]: spec for spec in own}
        asked_for = (name for name in self.names if not fetchers.is_one(name))
        return [inheriting(known.get(name), self.inherited.get(name), name) for name in asked_for]


def unknown(name: str) -> str:
    """Return the sentence about a slug that the workspace does not have."""
    return f"There is no prompt template called {name.partition('@')[0]} in this workspace."


def says_something(spec: Mapping[str, Any]) -> bool:
    """Whether a declaration says more than that there is a variable; its sample is no part of that."""
    plain = blank(str(spec["name"]))
    return bool(spec.get("choices")) or any(spec.get(key, plain[key]) != plain[key] for key in _SAID)


def inheriting(own: Mapping[str, Any] | None, inherited: Mapping[str, Any] | None, name: str) -> dict[str, Any]:
    """Return one declaration of two: the own one where it says something, else the inherited one, with the own sample."""
    if own is None or (inherited is not None and not says_something(own)):
        merged = dict(inherited or blank(name))
        if own is not None and own.get("sample") is not None:
            merged["sample"] = own["sample"]
        return merged
    return dict(own)


def expand(texts: Iterable[str], library: Library) -> Expansion:
    """Put in what the texts include, and what that includes. Total, and bounded whatever the library holds."""
    made = _Expander(library)
    for number, text in enumerate(texts):
        made.expand(number, text)
    return made.expansion


_SAID = ("type", "required", "default", "description")


class _Expander:
    def __init__(self, library: Library) -> None:
        self.library = library
        self.expansion = Expansion()
        self._parsed: dict[str, tuple[Token, ...]] = {}
        self._told: set[tuple[int, str, str]] = set()
        self._room = MAX_CHARACTERS
        self._left = MAX_INCLUDES

    def expand(self, number: int, text: str) -> None:
        path = (self.library.root,) if self.library.root else ()
        tokens: list[Token] = []
        self._put(number, parse(text), path, tokens)
        self.expansion.parts.append(tuple(tokens))

    def _put(self, number: int, given: Iterable[Token], path: tuple[str, ...], tokens: list[Token]) -> None:
        for token in given:
            found = self._find(token.name, path) if token.kind == "partial" else None
            if isinstance(found, Source):
                self._declare(found)
                self._put(number, self._tokens(token.name, found), (*path, _slug(token.name)), tokens)
                continue
            tokens.append(token)
            if found is not None and (number, token.source, found) not in self._told:
                self._told.add((number, token.source, found))
                self.expansion.problems.append(Problem(number, token.source, found))

    def _find(self, name: str, path: tuple[str, ...]) -> Source | str:
        """Return what is included, or why it cannot be."""
        slug = _slug(name)
        chain = " → ".join((*path, slug))
        if slug in path:
            return f"This would include itself for ever: {chain}."
        found = self.library.sources.get(name, unknown(name))
        if isinstance(found, str):
            return found if len(path) <= bool(self.library.root) else f"{found} ({chain})"
        if len(path) - bool(self.library.root) >= MAX_DEPTH:
            return f"Includes are nested more than {MAX_DEPTH} deep: {chain}."
        self._left -= 1
        self._room -= len(found.text)
        if self._left < 0 or self._room < 0:
            return (
                f"The includes are too many or too long: at most {MAX_INCLUDES:,}, and {MAX_CHARACTERS:,} characters."
            )
        return found

    def _tokens(self, name: str, source: Source) -> tuple[Token, ...]:
        if name not in self._parsed:
            self._parsed[name] = parse(source.text)
        return self._parsed[name]

    def _declare(self, source: Source) -> None:
        """The outermost that says something is heard, and the first of those beside each other."""
        for spec in source.variables:
            known = self.expansion.inherited.get(spec["name"])
            self.expansion.inherited[spec["name"]] = inheriting(known, spec, spec["name"])


def _slug(name: str) -> str:
    return name.partition("@")[0]
