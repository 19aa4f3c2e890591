"""What stands beside a prompt while somebody writes or reads it: an input for each variable, and the prompt filled with them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from aiapp.prompt_templates import partials
from aiapp.prompt_templates.models import PromptVersion
from aiapp.prompt_templates.text import declaring, fetchers, including, rendering
from aiapp.prompt_templates.text.fetchers import Facts
from aiapp.prompt_templates.text.grammar import Token

SHOWN = 50_000  # characters of a part that the preview shows
TOLD_APART = 1_000  # segments of a part that the preview marks; many more take a browser long to lay out
MEASURED = 200_000  # characters that tokens are counted in; the rest is taken to be alike
_SHORT = frozenset({"number", "boolean", "choice"})


@dataclass(frozen=True, slots=True)
class Input:
    """The input of one variable.

    `value` is what it starts with, `filled` whether it needs nothing more, `error` what it says about that; `choices` are the
    options of a select, None for other inputs.
    """

    name: str
    type: str
    value: str
    required: bool
    description: str
    filled: bool
    error: str
    choices: list[tuple[str, str]] | None
    new: bool

    @property
    def id(self) -> str:
        """The id of the input on the page; a name has no hyphen, so no two are alike."""
        return "var-" + self.name.replace(".", "-")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the prompt as it would be sent: `segments` are (kind, text), beyond TOLD_APART of them one text.

    `left_out` counts characters not shown.
    """

    title: str
    segments: list[tuple[str, str]]
    left_out: int


@dataclass(frozen=True, slots=True)
class Workbench:
    """The inputs, the filled parts, and what is noteworthy about them.

    `rows` are the inputs, short ones two and two; `specs` is what is declared of their variables. `literal` is what looks like
    a variable and is none. `problem` says why there is no preview, `unresolved` by field what is included and cannot be (by name
    what is fetched and cannot be: `mistaken`). `later` are fetchers that are filled when it is run, `takes` all names
    that a context may give.
    """

    inputs: list[Input]
    specs: list[dict[str, Any]]
    parts: list[Part]
    missing: tuple[str, ...]
    literal: tuple[str, ...]
    tokens: int | None
    system_tokens: int
    body_tokens: int
    problem: str
    unresolved: dict[str, str]
    broken: tuple[str, ...]
    mistaken: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()

    @property
    def rows(self) -> list[list[Input]]:
        """The inputs as they are laid out."""
        rows: list[list[Input]] = []
        for short, group in groupby(self.inputs, lambda item: item.type in _SHORT):
            items = list(group)
            size = 2 if short else 1
            rows += [items[at : at + size] for at in range(0, len(items), size)]
        return rows

    @property
    def marks(self) -> tuple[str, ...]:
        """What the editor marks as missing: variables, and with > before them includes."""
        return (*self.missing, *self.mistaken, *(f">{name}" for name in self.broken))

    @property
    def filled(self) -> int:
        """How many inputs need nothing more."""
        return sum(item.filled for item in self.inputs)


def build(
    version: PromptVersion,
    typed: Mapping[str, str] | None = None,
    *,
    system: str | None = None,
    body: str | None = None,
    messages: Sequence[Mapping[str, str]] | None = None,
    keep_typed: bool = False,
    whole: bool = False,
    touched: Collection[str] | None = None,
    facts: Facts | None = None,
) -> Workbench:
    """Return the workbench of a version.

    Arguments:
        typed: values by variable; for others, and without it, the variable's sample or default.
        system, body, messages: the texts on the page, where they are not the version's own.
        keep_typed: let the inputs start with what was typed. False repeats what they started with, so that a page that
            takes over the answer changes no input that somebody is typing in.
        whole: `typed` is all that there is, as in a run; without it, what is not typed stands for itself (see typed).
        touched: the variables whose empty inputs say that something is required; None for all, as after a submit.
        facts: what fetchers draw from; without it they stay as they are written.
    """
    system = version.system if system is None else system
    body = version.body if body is None else body
    messages = version.messages if messages is None else messages
    texts = [system, body, *_contents(messages)]
    library = partials.of(version, system, body, messages)
    expansion = including.expand(texts, library)
    specs = expansion.specs(version.variables)[: declaring.MAX_VARIABLES]
    names = [spec["name"] for spec in specs]
    first = {spec["name"]: declaring.first_value(spec) for spec in specs}
    whole_context = typed or {}
    typed = {name: whole_context.get(name, "" if whole else first[name]) for name in names}
    fetching = partials.fetched(texts, library)
    given = {name: value for name in fetching if (value := whole_context.get(name))}
    fetched = fetchers.fetch([name for name in fetching if name not in given], facts)
    values = {**typed, **given, **fetched.values, **{name: f"{{{{{name}}}}}" for name in fetched.later}}
    prompt = rendering.render_prompt(system, body, specs, values, messages=messages, library=library)
    wrong = {error["field"]: error["message"] for error in prompt.errors}
    wrong |= dict.fromkeys(prompt.missing, "")
    said = {name: "Required: no value and no default." for name in prompt.missing if touched is None or name in touched}
    before = {spec["name"] for spec in version.parent.variables} if version.parent else set(names)
    problem = wrong.pop("context", "")
    literal = dict.fromkeys(one for text in texts for one in rendering.literal_braces(text))
    misnamed = fetchers.misnamed(literal)
    return Workbench(
        inputs=[
            _input(
                spec,
                (typed if keep_typed else first)[spec["name"]],
                filled=spec["name"] not in wrong,
                error=said.get(spec["name"]) or wrong.get(spec["name"], ""),
                new=spec["name"] not in before,
            )
            for spec in specs
        ],
        specs=specs,
        parts=[] if problem else [_part(*titled, prompt.values) for titled in _titled(messages, expansion.parts)],
        missing=tuple(name for name in names if name in wrong),
        literal=tuple(one for one in literal if one not in misnamed)[:5],
        tokens=None if problem else sum(map(_tokens, (prompt.system, prompt.body, *_contents(prompt.messages)))),
        system_tokens=_tokens(system),
        body_tokens=_tokens(body),
        problem=problem,
        unresolved=_by_field(prompt.unresolved) | fetched.problems | misnamed,
        mistaken=tuple(fetched.problems),
        later=fetched.later,
        takes=(*names, *fetching),
        broken=tuple(
            dict.fromkeys(token.name for part in expansion.parts for token in part if token.kind == "partial")
        ),
    )


def written(version: PromptVersion) -> list[tuple[str, list[tuple[str, str]], int]]:
    """Return (title, segments, tokens) of each part as it was written, its variables marked."""
    texts = (version.system, version.body, *(message["content"] for message in version.messages))
    parts = [rendering.parse(text) for text in texts]
    return [
        (
            title,
            [("text" if token.kind in ("text", "escape") else "variable", token.source) for token in tokens],
            _tokens("".join(token.source for token in tokens)),
        )
        for title, tokens in _titled(version.messages, parts)
    ]


def sample_context(version: PromptVersion) -> dict[str, Any]:
    """Return a context with which the version can be tried: samples, else defaults, else a word that says what to put there."""
    context = {}
    for spec in version.variables:
        if fetchers.is_one(spec["name"]):
            continue
        given = [value for value in (spec.get("sample"), spec.get("default")) if value is not None]
        if given:
            context[spec["name"]] = given[0]
        elif spec.get("required", True):
            context[spec["name"]] = f"<{spec['name']}>"
    return context


def _input(spec: Mapping[str, Any], value: str, *, filled: bool, error: str, new: bool) -> Input:
    choices = None
    if spec["type"] in {"boolean", "choice"}:
        options = ["true", "false"] if spec["type"] == "boolean" else list(spec.get("choices", ()))
        empty = "–" if not spec["required"] or spec["default"] is not None else "Choose"
        choices = [("", empty), *((option, option) for option in options)]
    return Input(
        name=spec["name"],
        type=spec["type"],
        value=value,
        required=spec["required"],
        description=spec["description"],
        filled=filled,
        error=error,
        choices=choices,
        new=new,
    )


def _titled(
    messages: Sequence[Mapping[str, str]], parts: Sequence[Sequence[Token]]
) -> Iterator[tuple[str, Sequence[Token]]]:
    """Return the parts as they are sent, under their titles; `parts` are the system part, the body, the example turns."""
    if parts[0]:
        yield "System", parts[0]
    for message, tokens in zip(messages, parts[2:], strict=True):
        yield f"Example: {message['role']}", tokens
    yield "User", parts[1]


def _by_field(problems: Iterable[Mapping[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in problems:
        found[one["field"]] = f"{found[one['field']]} {one['message']}" if one["field"] in found else one["message"]
    return found


def _part(title: str, tokens: Sequence[Token], filled: Mapping[str, str]) -> Part:
    shown: list[tuple[str, str]] = []
    rest: list[str] = []
    room, left_out = SHOWN, 0
    for segment in rendering.segments(tokens, filled):
        apart = len(shown) < TOLD_APART
        piece = segment.name if segment.kind == "missing" and apart else segment.text
        if room and piece and apart:
            shown.append((segment.kind, piece[:room]))
        elif room and piece:
            rest.append(piece[:room])
        left_out += max(0, len(piece) - room)
        room = max(0, room - len(piece))
    return Part(title, [*shown, ("text", "".join(rest))] if rest else shown, left_out)


def _contents(messages: Iterable[Mapping[str, str]]) -> Iterator[str]:
    return (message["content"] for message in messages)


def _tokens(text: str) -> int:
    if len(text) <= MEASURED:
        return rendering.estimate_tokens(text)
    return rendering.estimate_tokens(text[:MEASURED]) * len(text) // MEASURED
