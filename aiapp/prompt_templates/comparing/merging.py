"""Two versions that came from one become one again; what both changed, each in its own way, is left to people."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from aiapp.prompt_templates.comparing.contents import SETTINGS
from aiapp.prompt_templates.comparing.diffing import Room
from aiapp.prompt_templates.comparing.weaving import Clash, Hunk, weave, weave_text

# Fields that make sense together: where the first of them differ, both sides' are never mixed.
_Group = tuple[tuple[str, ...], tuple[str, ...]]
_OF_VARIABLE: _Group = (("type", "choices"), ("default", "sample"))
_OF_SETTINGS: _Group = (("provider",), ("model",))
_NO_GROUP: _Group = ((), ())
_MESSAGE_STEPS = 100_000
# Of more places that both changed each text is one.
MAX_PLACES = 300
_DEPTH = 40  # objects that are nested deeper are one value

Kind = Literal["text", "messages", "value"]


class Absent:
    """What stands in place of a member that one side does not have."""

    def __repr__(self) -> str:
        return "absent"


ABSENT = Absent()


@dataclass(frozen=True, slots=True)
class Conflict:
    """What both sides changed, each in its own way.

    `field` names it (`body`, `messages.2`, `temperature`, `variables.name.default`, `json_schema.properties.age`); `key` is
    made of what it says, so that a decision never meets another conflict than the one that was looked at. `kind` says what
    `base`, `ours` and `theirs` are: pieces of text, lists of messages, or JSON values (ABSENT where a side has none).
    """

    key: str
    field: str
    kind: Kind
    base: Any
    ours: Any
    theirs: Any


@dataclass(frozen=True, slots=True)
class Text:
    """A text in pieces, conflicts among them."""

    pieces: tuple[str | Conflict, ...]


@dataclass(frozen=True, slots=True)
class Members:
    """An object: values by name, and conflicts about several names at once, whose values are objects too."""

    values: Mapping[str, Any]
    together: tuple[Conflict, ...] = ()


@dataclass(frozen=True, slots=True)
class Items:
    """A list; a conflict in it stands for a list of its own."""

    nodes: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Merged:
    """A version that is made of two. `conflicts` are in the order of the prompt."""

    tree: Members
    conflicts: tuple[Conflict, ...]

    def text(self, name: str) -> tuple[str | Conflict, ...]:
        """Return the pieces of `system` or `body`."""
        pieces: tuple[str | Conflict, ...] = self.tree.values[name].pieces
        return pieces

    def content(self, decided: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the content of the merged version.

        Arguments:
            decided: by the key of a conflict, what stands in its place; ours where nothing is decided.
        """
        content: dict[str, Any] = _filled(self.tree, decided or {})
        return content


def merge(
    base: Mapping[str, Any], ours: Mapping[str, Any], theirs: Mapping[str, Any], room: Room | None = None
) -> Merged:
    """Merge two versions of a prompt template that began as `base`. The work is bounded.

    Arguments:
        base, ours, theirs: the content of a version, as the API shows it; what is absent counts as empty.
        room: what all that is compared at once may take.
    """
    found = _Conflicts(room or Room())
    sides = (base, ours, theirs)
    values: dict[str, Any] = {
        # the examples take what these two leave
        **{name: found.text(name, *(side.get(name) or "" for side in sides)) for name in ("system", "body")},
        "messages": _messages(*([*(side.get("messages") or ())] for side in sides), found=found),
        "variables": _variables(*([*(side.get("variables") or ())] for side in sides), found=found),
    }
    settings = found.members("", *({name: side.get(name) for name in SETTINGS} for side in sides), group=_OF_SETTINGS)
    tree = Members({**values, **settings.values}, settings.together)
    return Merged(tree, tuple(sorted(found.all, key=lambda one: _place(one.field))))


@dataclass(slots=True)
class _Conflicts:
    """The conflicts found so far, and what finding more may take."""

    room: Room
    places: int = MAX_PLACES
    all: list[Conflict] = field(default_factory=list)
    keys: Counter[str] = field(default_factory=Counter)

    def note(self, name: str, kind: Kind, base: Any, ours: Any, theirs: Any) -> Conflict:
        try:
            said = json.dumps([name, base, ours, theirs], default=repr, sort_keys=True)
        except RecursionError:
            said = name
        key = hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
        self.keys[key] += 1
        unique = key if self.keys[key] == 1 else f"{key}-{self.keys[key]}"
        self.all.append(Conflict(unique, name, kind, base, ours, theirs))
        return self.all[-1]

    def text(self, name: str, base: str, ours: str, theirs: str, *, texts: int = 1) -> Text:
        """Merge one text; `texts` like it are still to come, itself among them."""
        pieces = weave_text(base, ours, theirs, room=self.room, texts=texts)
        hunks = sum(isinstance(one, Hunk) for one in pieces)
        if hunks > 1 and hunks > self.places:
            pieces = [Hunk(base, ours, theirs)]
        self.places -= min(self.places, hunks)
        return Text(tuple(self.note(name, "text", *one) if isinstance(one, Hunk) else one for one in pieces))

    def value(self, name: str, base: Any, ours: Any, theirs: Any) -> Any:
        """Merge one value; objects member by member."""
        if _same(ours, theirs) or _same(base, theirs):
            return ours
        if _same(base, ours):
            return theirs
        if all(isinstance(side, Mapping) for side in (base, ours, theirs)) and name.count(".") < _DEPTH:
            return self.members(f"{name}.", base, ours, theirs)
        return self.note(name, "value", base, ours, theirs)

    def members(
        self,
        prefix: str,
        base: Mapping[str, Any],
        ours: Mapping[str, Any],
        theirs: Mapping[str, Any],
        *,
        group: _Group = _NO_GROUP,
    ) -> Members:
        """Merge two objects. Where one of the `group`'s first names differs, all of its names are one value."""
        sides = (base, ours, theirs)
        names = list(dict.fromkeys([*base, *sorted({*ours, *theirs})]))
        values: dict[str, Any] = {}
        together = []
        if any(not _same(base.get(name), side.get(name)) for name in group[0] for side in (ours, theirs)):
            bound = [name for name in (*group[0], *group[1]) if name in names]
            decided = self._whole(prefix + bound[0], *({name: s[name] for name in bound if name in s} for s in sides))
            if isinstance(decided, Conflict):
                together.append(decided)
            else:
                values |= decided
            names = [name for name in names if name not in bound]
        for name in names:
            values[name] = self.value(prefix + name, *(side.get(name, ABSENT) for side in sides))
        return Members(values, tuple(together))

    def _whole(self, name: str, base: Any, ours: Any, theirs: Any) -> Any:
        if _same(ours, theirs) or _same(base, theirs):
            return ours
        return theirs if _same(base, ours) else self.note(name, "value", base, ours, theirs)


def _messages(
    base: Sequence[Mapping[str, str]],
    ours: Sequence[Mapping[str, str]],
    theirs: Sequence[Mapping[str, str]],
    *,
    found: _Conflicts,
) -> Items:
    before, our, their = ([(one["role"], one["content"]) for one in side] for side in (base, ours, theirs))
    places = weave(before, our, their, _MESSAGE_STEPS)
    if places is None:
        places = [Clash(tuple(before), tuple(our), tuple(their))]
    left = sum(len(place.ours) for place in places if isinstance(place, Clash))
    nodes: list[Any] = []
    for place in places:
        if not isinstance(place, Clash):
            nodes += _turns(place)
        elif len({tuple(role for role, _ in side) for side in place}) == 1:
            for turns in zip(*place, strict=True):
                role = turns[0][0]
                text = found.text(f"messages.{len(nodes) + 1}", *(content for _, content in turns), texts=left)
                left -= 1
                nodes.append(Members({"role": role, "content": text}))
        else:
            left -= len(place.ours)
            nodes.append(found.note("messages", "messages", *(_turns(side) for side in place)))
    return Items(tuple(nodes))


def _turns(items: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in items]


def _variables(
    base: Sequence[Mapping[str, Any]],
    ours: Sequence[Mapping[str, Any]],
    theirs: Sequence[Mapping[str, Any]],
    *,
    found: _Conflicts,
) -> Items:
    """Merge declarations by name. One that only one side still has is kept where that side has changed it."""
    for side, other in ((ours, theirs), (theirs, ours)):
        if side in (base, other):
            return Items(tuple(dict(spec) for spec in other))
    before, our, their = ({str(spec["name"]): dict(spec) for spec in side} for side in (base, ours, theirs))
    nodes: list[Any] = []
    for name in dict.fromkeys([*before, *sorted({*our, *their})]):
        if name in our and name in their:
            sides = (before.get(name, {}), our[name], their[name])
            nodes.append(found.members(f"variables.{name}.", *sides, group=_OF_VARIABLE))
        else:
            left = our.get(name) or their.get(name)
            nodes += [left] if left is not None and left != before.get(name) else []
    return Items(tuple(nodes))


def _same(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except RecursionError:
        return False


def _filled(node: Any, decided: Mapping[str, Any]) -> Any:
    if isinstance(node, Conflict):
        return decided.get(node.key, node.ours)
    if isinstance(node, Text):
        return "".join(one if isinstance(one, str) else _filled(one, decided) for one in node.pieces)
    if isinstance(node, Items):
        filled = [(isinstance(one, Conflict), _filled(one, decided)) for one in node.nodes]
        return [one for many, value in filled for one in (value if many else [value])]
    if isinstance(node, Members):
        members = {name: _filled(value, decided) for name, value in node.values.items()}
        for conflict in node.together:
            members |= _filled(conflict, decided)
        return {name: value for name, value in members.items() if value is not ABSENT}
    return node


def _place(name: str) -> int:
    """Return where a conflict stands on the page."""
    return ("system", "messages", "body", "variables", *SETTINGS).index(name.partition(".")[0])
