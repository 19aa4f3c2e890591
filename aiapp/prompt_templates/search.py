"""Looking for prompt templates by words: the full-text index, and parts of words where it finds nothing.

What somebody types is words between spaces. The index finds a word by its beginning; one with signs in it (`refund-x`,
`{{na`) has to stand there as it is typed, too. Quotes, operators and the like mean nothing: they are text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from aiapp.containing import contains
from aiapp.extensions import db

Hits = sa.CTE  # the columns prompt_template_id and rank

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
_ALIKE = sa.literal_column("0.0", sa.Float).label("rank")
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


def indexed(workspace_id: str, wanted: list[Phrase], *, ranked: bool = False) -> Hits | None:
    """Return the prompt templates in which all words begin words, each with its rank, the best lowest.

    None where nothing that is wanted is a word. Unless they are `ranked`, all rank alike.
    """
    if not any(phrase.parts for phrase in wanted):
        return None
    matches = _sqlite if db.session.get_bind().dialect.name == "sqlite" else _postgresql
    literal = [_contains(phrase.text) for phrase in wanted if phrase.literal]
    return (
        matches([phrase.parts for phrase in wanted if phrase.parts], ranked)
        .where(_row.c.workspace_id == workspace_id, *literal)
        .cte("hits")
    )


def contained(workspace_id: str, wanted: list[Phrase]) -> Hits:
    """Return the prompt templates in which all words are parts of words; all rank alike."""
    everywhere = [_contains(phrase.text) for phrase in wanted]
    query = sa.select(_row.c.prompt_template_id, _ALIKE)
    return query.where(_row.c.workspace_id == workspace_id, *everywhere).cte("hits")


def _sqlite(wanted: list[tuple[str, ...]], ranked: bool) -> sa.Select[str, float]:
    # A phrase in quotes holds letters and digits only, so that nothing in it is an operator.
    typed = " ".join(f'"{" ".join(parts)}" *' for parts in wanted)
    rank = sa.literal_column(f"bm25(prompt_search_words, {_WEIGHTS})", sa.Float).label("rank") if ranked else _ALIKE
    match = _words.c.prompt_search_words.op("MATCH", is_comparison=True)(typed)
    # By itself and first: SQLite would ask the index once for each row of the workspace, and ranks only where it looks.
    found = sa.select(_words.c.rowid, rank).where(match).cte("found").prefix_with("MATERIALIZED")
    return sa.select(_row.c.prompt_template_id, found.c.rank).join(found, found.c.rowid == _row.c.id)


def _postgresql(wanted: list[tuple[str, ...]], ranked: bool) -> sa.Select[str, float]:
    # In quotes, and letters and digits only: to_tsquery sees no operator.
    quoted = ([f"'{part}'" for part in parts] for parts in wanted)
    asked = sa.func.to_tsquery("simple", " & ".join(f"({' <-> '.join(parts)}:*)" for parts in quoted))
    weights = sa.cast(_WEIGHTS_BY_LETTER, postgresql.ARRAY(sa.REAL))
    rank = (-sa.cast(sa.func.ts_rank(weights, _row.c.words, asked), sa.Double)).label("rank") if ranked else _ALIKE
    return sa.select(_row.c.prompt_template_id, rank).where(_row.c.words.op("@@", is_comparison=True)(asked))


def _contains(text: str) -> sa.ColumnElement[bool]:
    return sa.or_(*(contains(place, text) for place in _PLACES))
