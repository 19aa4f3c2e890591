"""Looking for prompt templates by words: the full-text index, and parts of words where it finds nothing.

What somebody types is words between spaces. The index finds a word by its beginning; one with signs in it (`refund-x`,
`{{na`) has to stand there as it is typed, too. Quotes, operators and the like mean nothing: they are text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from aiapp.extensions import db

MAX_CHARACTERS = 200
MAX_WORDS = 12
# What people put around words and do not look for.
_AROUND = ".,;:!?\"'()\u201c\u201d\u2018\u2019"
_TOKEN = re.compile(r"[^\W_]+")
# How much a word counts in the name, slug, tags, description and text; PostgreSQL's order is D, C, B, A.
_WEIGHTS = "10.0, 10.0, 6.0, 3.0, 1.0"
_WEIGHTS_BY_LETTER = [0.1, 0.3, 0.6, 1.0]

_row = sa.table(
    "prompt_search",
    sa.column("id", sa.Integer),
    *(sa.column(name, sa.Text) for name in ("prompt_template_id", "workspace_id")),
    *(sa.column(name, sa.Text) for name in ("name", "slug", "tags", "description", "body")),
    sa.column("words"),
)
_words = sa.table("prompt_search_words", sa.column("rowid"), sa.column("prompt_search_words", sa.Text))
_PLACES = (_row.c.name, _row.c.slug, _row.c.tags, _row.c.description, _row.c.body)


@dataclass(frozen=True, slots=True)
class Phrase:
    """One of the words that are looked for: its parts between signs, and whether it has signs."""

    text: str
    parts: tuple[str, ...]

    @property
    def literal(self) -> bool:
        """Whether the index alone does not know if it is there."""
        return self.parts != (self.text,)


def phrases(q: str) -> list[Phrase]:
    """Return the words of what somebody typed, without what no row can hold."""
    clean = q.replace("\x00", " ").encode("utf-8", "replace").decode()[:MAX_CHARACTERS]
    words = dict.fromkeys(word.strip(_AROUND) or word for word in clean.split())
    return [Phrase(word, tuple(_TOKEN.findall(word))) for word in list(words)[:MAX_WORDS]]


def indexed(workspace_id: str, wanted: list[Phrase]) -> sa.Select[str, float] | None:
    """Return the query for the ids of prompt templates in which all words begin words, each with its rank, the best lowest.

    None where nothing that is wanted is a word.
    """
    if not any(phrase.parts for phrase in wanted):
        return None
    if db.session.get_bind().dialect.name == "sqlite":
        query, match = _sqlite(wanted)
    else:
        query, match = _postgresql(wanted)
    literal = [_contains(phrase.text) for phrase in wanted if phrase.literal]
    return query.where(_row.c.workspace_id == workspace_id, match, *literal)


def contained(workspace_id: str, wanted: list[Phrase]) -> sa.Select[str, float]:
    """Return the query for the ids of prompt templates in which all words are parts of words; all rank alike."""
    everywhere = [_contains(phrase.text) for phrase in wanted]
    query = sa.select(_row.c.prompt_template_id, sa.literal(0.0).label("rank"))
    return query.where(_row.c.workspace_id == workspace_id, *everywhere)


def _sqlite(wanted: list[Phrase]) -> tuple[sa.Select[str, float], sa.ColumnElement[bool]]:
    # A phrase in quotes holds letters and digits only, so that nothing in it is an operator.
    typed = " ".join(f'"{" ".join(phrase.parts)}" *' for phrase in wanted if phrase.parts)
    rank = sa.literal_column(f"bm25(prompt_search_words, {_WEIGHTS})", sa.Float).label("rank")
    query = sa.select(_row.c.prompt_template_id, rank).select_from(_words.join(_row, _row.c.id == _words.c.rowid))
    return query, _words.c.prompt_search_words.op("MATCH", is_comparison=True)(typed)


def _postgresql(wanted: list[Phrase]) -> tuple[sa.Select[str, float], sa.ColumnElement[bool]]:
    # In quotes, and letters and digits only: to_tsquery sees no operator.
    quoted = ([f"'{part}'" for part in phrase.parts] for phrase in wanted if phrase.parts)
    typed = " & ".join(f"({' <-> '.join(parts)}:*)" for parts in quoted)
    asked = sa.func.to_tsquery("simple", typed)
    weights = sa.cast(_WEIGHTS_BY_LETTER, postgresql.ARRAY(sa.REAL))
    rank = -sa.cast(sa.func.ts_rank(weights, _row.c.words, asked), sa.Double)
    return sa.select(_row.c.prompt_template_id, rank.label("rank")), _row.c.words.op("@@", is_comparison=True)(asked)


def _contains(text: str) -> sa.ColumnElement[bool]:
    return sa.or_(*(place.icontains(text, autoescape=True) for place in _PLACES))
