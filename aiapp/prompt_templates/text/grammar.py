"""The grammar of prompt templates (CONTRACT, "Template grammar"), and the pieces that a text has by it::

{{name}}  {{user.name}}         a variable; the name is [A-Za-z_][A-Za-z0-9_]*, more of them after dots
{{> slug}}  {{> slug@3}}        another prompt template: its published text, or that of its version 3 (including.py)
\\{{                             a literal {{
everything else                 text, braces of every kind included
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

# Possessive quantifiers never give a character back, so that the time grows with the text and with nothing else.
_NAME = r"[A-Za-z_][A-Za-z0-9_]*+(?:\.[A-Za-z_][A-Za-z0-9_]*+)*+"
_TOKEN = re.compile(
    rf"(?P<escape>\\\{{\{{)|\{{\{{(?P<variable>{_NAME})\}}\}}"
    r"|\{\{> ?(?P<partial>[a-z0-9][a-z0-9-]{0,59}+(?:@[0-9]{1,9}+)?+)\}\}"
)
# Closed by two braces, by one of them, or not at all: then the word behind them is named. It reads to the next brace at the most.
_BRACES = re.compile(r"\{\{(?:[^{}\n]{0,200}+\}\}?+| ?[^\s{}]{0,60}+)")


class Token(NamedTuple):
    """A piece of a template. `source` is what was written; `name` the variable, or the slug of a partial with its version."""

    kind: Literal["text", "variable", "escape", "partial"]
    source: str
    name: str = ""


def parse(text: str) -> tuple[Token, ...]:
    """Split a template into tokens, in time that grows linearly with it; their sources joined are the text."""
    return tuple(_tokens(text))


def names(tokens: Iterable[Token]) -> tuple[str, ...]:
    """Return the variables among `tokens`, each once, in order of first appearance."""
    return tuple(dict.fromkeys(token.name for token in tokens if token.kind == "variable"))


def includes(*texts: str) -> tuple[str, ...]:
    """Return what the texts themselves include (`slug`, `slug@3`), each once, in order of first appearance."""
    found = (token.name for text in texts if "{{>" in text for token in _tokens(text) if token.kind == "partial")
    return tuple(dict.fromkeys(found))


def literal_braces(text: str) -> tuple[str, ...]:
    """Return what follows double braces but is sent as written (`{{ name }}`, `{{7*7}}`, `{{name}`, `{{name`), for the editor to
    say so.
    """
    found: dict[str, None] = {}
    for token in _tokens(text):
        if token.kind == "text":
            found.update(dict.fromkeys(_BRACES.findall(token.source)))
    return tuple(found)


def _tokens(text: str) -> Iterator[Token]:
    end = 0
    for match in _TOKEN.finditer(text):
        if match.start() > end:
            yield Token("text", text[end : match.start()])
        end = match.end()
        if match.lastgroup == "variable":
            yield Token("variable", match[0], match["variable"])
        elif match.lastgroup == "partial":
            yield Token("partial", match[0], match["partial"])
        else:
            yield Token("escape", match[0])
    if end < len(text):
        yield Token("text", text[end:])
