"""Puts an answer together from the pieces of a stream, so that its deltas joined are its text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from aiapp.providers.types import Completion, Delta, ToolCall, Usage
from aiapp.providers.wire_json import as_text, mapping, sequence, storable, storable_value, string


class Pieces:
    """Text that arrives in pieces. Half a surrogate pair is held back until its other half comes."""

    def __init__(self) -> None:
        self._all: list[str] = []
        self._half = ""

    def add(self, piece: str) -> str:
        """Take `piece` and return what of it may be shown now."""
        if not piece:
            return ""
        piece = self._half + piece
        self._half = ""
        if "\ud800" <= piece[-1] <= "\udbff":
            piece, self._half = piece[:-1], piece[-1]
        piece = storable(piece)
        self._all.append(piece)
        return piece

    def end(self) -> str:
        """Return what was still held back."""
        rest = storable(self._half)
        self._half = ""
        self._all.append(rest)
        return rest

    def __str__(self) -> str:
        return "".join(self._all)


@dataclass(slots=True)
class Gathering:
    """What a stream has brought so far."""

    text: Pieces = field(default_factory=Pieces)
    reasoning: Pieces = field(default_factory=Pieces)
    tools: ToolCalls = field(default_factory=lambda: ToolCalls())
    finish: str | None = None
    model: str | None = None
    reported: dict[str, Any] = field(default_factory=dict)

    def add(self, text: str, reasoning: str = "") -> Delta | None:
        """Take a piece of the answer; return the delta that it makes, None where there is nothing to show."""
        shown, thought = self.text.add(text), self.reasoning.add(reasoning)
        return Delta(shown, thought) if shown or thought else None

    def rest(self) -> Delta | None:
        """Return the delta of what was held back until the end."""
        shown, thought = self.text.end(), self.reasoning.end()
        return Delta(shown, thought) if shown or thought else None

    def completion(self, usage: Usage) -> Completion:
        """Return the whole answer; call `rest` before."""
        return Completion(
            text=str(self.text),
            finish=self.finish,
            usage=usage,
            tool_calls=self.tools.all(),
            reasoning=str(self.reasoning),
            model=self.model,
            reported=storable_value(self.reported) if self.reported else None,
        )


class ToolCalls:
    """Calls of tools, whole or in pieces, in OpenAI's shape (`{id, index, function: {name, arguments}}`)."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []

    def add_whole(self, calls: Any) -> None:
        """Take the `tool_calls` of a message: each is complete, and arguments may be an object."""
        for position, call in enumerate(map(mapping, sequence(calls)), start=len(self._calls)):
            function = mapping(call.get("function"))
            self.begin(position, string(call.get("id")), string(function.get("name")), function.get("arguments"))

    def add_pieces(self, pieces: Any) -> None:
        """Take the `tool_calls` of one delta."""
        for piece in map(mapping, sequence(pieces)):
            function = mapping(piece.get("function"))
            call = self._call(piece.get("index"), string(piece.get("id")), string(function.get("name")))
            arguments = function.get("arguments")
            call.arguments.append("" if arguments is None else as_text(arguments))

    def begin(self, index: Any, call_id: str, name: str, arguments: Any = None) -> None:
        """Take the start of the call number `index`; `arguments` count unless pieces of them follow."""
        call = _Call(index, call_id, name, "" if arguments is None else as_text(arguments))
        self._calls.append(call)

    def extend(self, index: Any, arguments: str) -> None:
        """Take a piece of the arguments of the call that began with `index`."""
        self._call(index, "", "").arguments.append(arguments)

    def complete(self, index: Any, call_id: str, name: str, arguments: Any) -> None:
        """Take the whole of the call number `index`, which may have begun; `arguments` count unless pieces of them came."""
        known = next((call for call in self._calls if call.index == index), None)
        if known is None:
            self.begin(index, call_id, name, arguments)
        elif arguments:
            known.announced = as_text(arguments)

    def all(self) -> tuple[ToolCall, ...]:
        """Return the calls in the order in which they began."""
        return tuple(
            ToolCall(storable(call.id), storable(call.name), storable("".join(call.arguments) or call.announced))
            for call in self._calls
        )

    def _call(self, index: Any, call_id: str, name: str) -> _Call:
        if isinstance(index, int):
            known = next((call for call in reversed(self._calls) if call.index == index), None)
        else:
            # Mistral and Google leave the index out: a name begins a new call.
            known = self._calls[-1] if self._calls and not name else None
        # Some servers number every call 0: a new id is a new call.
        if known is None or (call_id and known.id and call_id != known.id):
            known = _Call(index, call_id)
            self._calls.append(known)
        known.id = known.id or call_id
        known.name = known.name or name
        return known


@dataclass(slots=True)
class _Call:
    index: Any
    id: str = ""
    name: str = ""
    announced: str = ""
    arguments: list[str] = field(default_factory=list)


def at_once(completion: Completion) -> Iterator[Delta | Completion]:
    """Yield a whole answer as the stream that it would have been."""
    if completion.text or completion.reasoning:
        yield Delta(completion.text, completion.reasoning)
    yield completion
