"""Puts an answer together from the pieces of a stream, so that its deltas joined are its text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from aiapp.providers.types import Completion, Delta, ProviderError, ToolCall, Usage
from aiapp.providers.wire_json import as_text, mapping, sequence, storable, storable_value, string

# No model calls more tools at once; a hostile stream would fill the memory with them.
MAX_CALLS = 1_000
# Characters of their arguments together: nobody sees them arrive, so that they are counted here.
MAX_ARGUMENTS = 2**20
_REASON = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")


class Pieces:
    """Text that arrives in pieces. Half a surrogate pair is held back until its other half comes.

    Kept as bytes in one block: pieces of a few letters would take thirty times their size, and one wide letter makes all wide.
    """

    def __init__(self) -> None:
        self._all = bytearray()
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
        self._all += piece.encode()
        return piece

    def end(self) -> str:
        """Return what was still held back."""
        rest = storable(self._half)
        self._half = ""
        self._all += rest.encode()
        return rest

    def __str__(self) -> str:
        return self._all.decode()


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
            finish=_reason(self.finish),
            usage=usage,
            tool_calls=self.tools.all(),
            reasoning=str(self.reasoning),
            model=self.model,
            reported=storable_value(self.reported) if self.reported else None,
        )


def _reason(finish: str | None) -> str | None:
    """Return why the provider stopped, `other` for what is no such word: it is kept where texts are not."""
    return finish if finish is None or _REASON.fullmatch(finish) else "other"


class ToolCalls:
    """Calls of tools, whole or in pieces, in OpenAI's shape (`{id, index, function: {name, arguments}}`)."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._by_index: dict[int | str, _Call] = {}  # the latest call of each
        self._characters = 0

    def add_whole(self, calls: Any) -> None:
        """Take the `tool_calls` of a message: each is complete, and arguments may be an object."""
        for position, call in enumerate(map(mapping, sequence(calls)), start=len(self._calls)):
            name, arguments = _called(call)
            self.begin(position, string(call.get("id")), name, arguments)

    def add_pieces(self, pieces: Any) -> None:
        """Take the `tool_calls` of one delta."""
        for piece in map(mapping, sequence(pieces)):
            name, arguments = _called(piece)
            call = self._call(piece.get("index"), string(piece.get("id")), name)
            call.arguments.append(self._text(arguments))

    def begin(self, index: Any, call_id: str, name: str, arguments: Any = None) -> None:
        """Take the start of the call number `index`; `arguments` count unless pieces of them follow."""
        self._keep(_Call(index, call_id, name, self._text(arguments)))

    def extend(self, index: Any, arguments: str) -> None:
        """Take a piece of the arguments of the call that began with `index`; one that is not ours (a server's) began not here."""
        known = self._begun(index)
        if known is not None:
            known.arguments.append(self._text(arguments))

    def complete(self, index: Any, call_id: str, name: str, arguments: Any) -> None:
        """Take the whole of the call number `index`, which may have begun; `arguments` count unless pieces of them came."""
        known = self._begun(index)
        if known is None:
            self.begin(index, call_id, name, arguments)
        elif arguments:
            known.announced = self._text(arguments)

    def all(self) -> tuple[ToolCall, ...]:
        """Return the calls in the order in which they began. No arguments at all are an empty object."""
        return tuple(
            ToolCall(
                storable(call.id), storable(call.name), storable(_written("".join(call.arguments) or call.announced))
            )
            for call in self._calls
        )

    def _text(self, arguments: Any) -> str:
        text = "" if arguments is None else as_text(arguments)
        self._characters += len(text)
        if self._characters > MAX_ARGUMENTS:
            raise ProviderError(
                "too_large", f"The provider's answer calls tools with more than {MAX_ARGUMENTS:,} characters."
            )
        return text

    def _begun(self, index: Any) -> _Call | None:
        return self._by_index.get(index) if isinstance(index, int | str) else None

    def _keep(self, call: _Call) -> _Call:
        if len(self._calls) >= MAX_CALLS:
            raise ProviderError("too_large", f"The provider's answer calls more than {MAX_CALLS:,} tools.")
        self._calls.append(call)
        if isinstance(call.index, int | str):
            self._by_index[call.index] = call
        return call

    def _call(self, index: Any, call_id: str, name: str) -> _Call:
        # Mistral and Google leave the index out: a name begins a new call.
        latest = self._calls[-1] if self._calls and not name else None
        known = self._begun(index) if isinstance(index, int) else latest
        # Some servers number every call 0: a new id is a new call.
        if known is None or (call_id and known.id and call_id != known.id):
            known = self._keep(_Call(index, call_id))
        known.id = known.id or call_id
        known.name = known.name or name
        return known


def _called(call: dict[str, Any]) -> tuple[str, Any]:
    """Return the name and the arguments of a call; a custom tool takes a text instead of JSON."""
    function, custom = mapping(call.get("function")), mapping(call.get("custom"))
    return string(function.get("name")) or string(custom.get("name")), function.get("arguments", custom.get("input"))


def _written(arguments: str) -> str:
    # Cohere writes null or nothing for a tool without parameters, OpenRouter leaves the field out.
    return arguments if arguments.strip() not in ("", "null") else "{}"


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
