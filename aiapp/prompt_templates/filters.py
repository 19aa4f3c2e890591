"""What a list of prompt templates is narrowed to and sorted by, and how an address says so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from werkzeug.datastructures import MultiDict

STATUSES = ("published", "preview", "draft", "archived")
EVERYTHING = "all"  # a status: the archived ones too
SORTS = ("changed", "name", "used", "run", "relevance")
FAVOURITES = ("first", "only")
_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Filter:
    """What a list of prompt templates is narrowed to, and its order.

    `q` is looked for in name, slug, description, tags and text. `tags` must all be there. Without a `status` the archived ones
    are left out, with `all` nothing is. `sort` is one of SORTS: last changed, by name, most used, last run, or how well `q` is
    found, which needs one. `favourites` of who asks come first, or alone.
    """

    q: str = ""
    tags: tuple[str, ...] = ()
    status: str | None = None
    output_format: str | None = None
    task: str | None = None
    favourites: str | None = None
    sort: str = "changed"

    @property
    def given(self) -> bool:
        """Whether anything is filtered; an order alone filters nothing."""
        kept = self.favourites if self.favourites == "only" else None
        return replace(self, sort="changed", favourites=kept) != Filter()


def storable(words: str) -> str:
    """Return words that somebody looks for without what no row can hold, so that they are just not found."""
    return words.replace("\x00", "").encode("utf-8", "replace").decode()[:_LIMIT]


def filter_of(values: Any) -> Filter:
    """Return the filter in a query string (`q tag status output_format task favourites sort`; tag may be repeated)."""
    q = values.get("q", "").strip()
    sort, favourites = values.get("sort", ""), values.get("favourites", "")
    return Filter(
        q=q,
        tags=tuple(sorted({tag for tag in values.getlist("tag") if tag}))[:20],
        status=values.get("status") or None,
        output_format=values.get("output_format") or None,
        task=values.get("task") or None,
        favourites=favourites if favourites in FAVOURITES else None,
        sort=sort if sort in SORTS and (q or sort != "relevance") else "changed",
    )


def query_of(wanted: Filter) -> dict[str, Any]:
    """Return the query string of a filter, for links that keep it."""
    pairs = {
        "q": wanted.q,
        "tag": wanted.tags,
        "status": wanted.status,
        "output_format": wanted.output_format,
        "task": wanted.task,
        "favourites": wanted.favourites,
        "sort": wanted.sort if wanted.sort != "changed" else None,
    }
    return {name: value for name, value in pairs.items() if value}


def as_text(wanted: Filter) -> str:
    """Return a filter as a form carries it, to lead back to the same list."""
    return urlencode(query_of(wanted), doseq=True)


def of_text(text: str) -> Filter:
    """Return the filter that as_text wrote; of any other text, what can be read of it."""
    try:
        return filter_of(MultiDict(parse_qsl(text[:4000], max_num_fields=50)))
    except ValueError:
        return Filter()
