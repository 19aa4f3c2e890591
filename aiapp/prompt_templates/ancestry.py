"""What two versions have in common: the nearest version that both came from, and until when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from aiapp.extensions import db
from aiapp.prompt_templates import revisions, versioning
from aiapp.prompt_templates.models import PromptVersion

_STILL = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Node:
    """A version: what it was made of (`parents`, by number) and when."""

    parents: tuple[int, ...]
    at: datetime


def base_of(ours: PromptVersion, theirs: PromptVersion) -> dict[str, Any]:
    """Return the content that two versions of one prompt template came from; an empty one where they have nothing in common."""
    found = nearest(_nodes(ours), ours.number, theirs.number)
    if found is None:
        return versioning.empty()
    number, moment = found
    query = sa.select(PromptVersion).where(
        PromptVersion.workspace_id == ours.workspace_id,
        PromptVersion.prompt_template_id == ours.prompt_template_id,
        PromptVersion.number == number,
    )
    version = db.session.scalars(query).one()
    earlier = revisions.said_at(version, moment)
    return {**versioning.empty(), **earlier.content} if earlier else versioning.content(version)


def nearest(nodes: Mapping[int, Node], ours: int, theirs: int) -> tuple[int, datetime | None] | None:
    """Return the number of the nearest version that both came from, and the moment until which both have its text.

    The moment is None where both have what it says now. Of several nearest ones the newest is taken.
    """
    here, there = _came_from(nodes, ours), _came_from(nodes, theirs)
    common = here.keys() & there.keys()
    passed: set[int] = set()
    for number in common:
        passed |= _came_from(nodes, number).keys() - {number}
    best = max(common - passed, default=None)
    if best is None:
        return None
    moment = min(here[best], there[best])
    return best, None if moment == _STILL else moment


def _came_from(nodes: Mapping[int, Node], start: int) -> dict[int, datetime]:
    """Return the versions that one came from, itself among them, with the moment until which it has their text.

    A version is made of ones with smaller numbers, which may be drafts that go on.
    """
    found = {start: _STILL}
    waiting = [start]
    while waiting:
        node = nodes[waiting.pop()]
        for parent in node.parents:
            if parent not in found:
                waiting.append(parent)
            found[parent] = max(found.get(parent, node.at), node.at)
    return found


def _nodes(version: PromptVersion) -> dict[int, Node]:
    columns = (
        PromptVersion.id,
        PromptVersion.number,
        PromptVersion.parent_id,
        PromptVersion.merged_id,
        PromptVersion.created_at,
    )
    rows = db.session.execute(
        sa.select(*columns).where(
            PromptVersion.workspace_id == version.workspace_id,
            PromptVersion.prompt_template_id == version.prompt_template_id,
        )
    ).all()
    numbers = {row.id: row.number for row in rows}
    return {
        row.number: Node(
            tuple(numbers[one] for one in (row.parent_id, row.merged_id) if one in numbers), row.created_at
        )
        for row in rows
    }
