"""YAML that is data and nothing else: read within bounds, written the same way every time.

Read is YAML as JSON knows it: text, numbers, true, false, null, lists, and mappings whose keys are text. A date is text, and so
are `yes` and `no`. Written is what every reader of YAML 1.1 and 1.2 understands alike.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any, ClassVar

import yaml

MAX_BYTES = 1024 * 1024  # a schema, and the samples of many variables
MAX_DEPTH = 100
MAX_NODES = 50_000

_NULL, _BOOL, _INT, _FLOAT = (f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float"))
_NULLS, _BOOLS, _INTS = r"~|null|Null|NULL|", r"true|True|TRUE|false|False|FALSE", r"[-+]?(?:0|[1-9][0-9]{0,400})"
_FLOATS = rf"{_INTS}(?:\.[0-9]{{1,400}}(?:[eE][-+]?[0-9]{{1,3}})?|[eE][-+]?[0-9]{{1,3}})"
_NOT_TEXT = re.compile("|".join((_NULLS, _BOOLS, _INTS, _FLOATS)))
_NOT_PLAIN = re.compile("[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010fffd]")


class FrontMatterError(ValueError):
    """What is wrong, as one sentence; `line` counts from 1 where it is known."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message if line is None else f"{message} (line {line} of the YAML)")


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    yaml_implicit_resolvers: ClassVar[dict[str | None, list[tuple[str, re.Pattern[str]]]]] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Take keys that are text, each once."""
        seen = set()
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                raise FrontMatterError("A key must be text: put it in quotes.", line)
            if key.value in seen:
                raise FrontMatterError(f"The key {key.value[:60]} is there twice.", line)
            seen.add(key.value)
        return {self.construct_object(key): self.construct_object(value, deep=True) for key, value in node.value}


# As YAML 1.2 and JSON read them: 007, 0x1f, 1_000, 12:30 and yes are text.
for _tag, _pattern, _first in (
    (_NULL, _NULLS, ["~", "n", "N", ""]),
    (_BOOL, _BOOLS, list("tTfF")),
    (_INT, _INTS, list("-+0123456789")),
    (_FLOAT, _FLOATS, list("-+0123456789")),
):
    _Loader.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})\Z"), _first)
_Loader.add_constructor("tag:yaml.org,2002:map", lambda loader, node: loader.construct_mapping(node))


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent the items of a list below its key."""
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        """Write everything out."""
        return True


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    lines = value.split("\n")
    style = None
    if _NOT_PLAIN.search(value):
        style = '"'
    elif len(lines) > 1:  # as it stands, where that can be read again; folded text would move with every change
        bare = lines[0] == "" or value[:1] == " " or any(line != line.rstrip(" ") for line in lines)
        style = '"' if bare else "|"
    elif _NOT_TEXT.fullmatch(value):  # what YAML 1.1 would read otherwise, the library knows
        style = "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def read(text: str) -> Any:
    """Return the value of a YAML document. Raises FrontMatterError: too large, too deep, aliases, tags, or no YAML at all."""
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise FrontMatterError(f"The YAML is longer than {MAX_BYTES // 1024} KB.")
    try:
        _check(text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader that knows less than SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise FrontMatterError(f"This is not YAML: {error.problem}", mark.line + 1 if mark else None) from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise FrontMatterError("This is not YAML: it has a character that YAML does not know.") from error


def write(value: Any) -> str:
    """Return a JSON value as YAML, which ends with a line break; mappings keep their order."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**9, default_flow_style=False)


def _check(text: str) -> None:
    """Refuse what could cost more than its size before anything is built: events come one by one, without recursion."""
    depth = nodes = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1 if event.start_mark else None
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise FrontMatterError("Anchors and aliases (& and *) are not read: write it out.", line)
        if getattr(event, "tag", None):
            raise FrontMatterError("Tags (!) are not read.", line)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        nodes += isinstance(event, yaml.NodeEvent)
        if depth > MAX_DEPTH:
            raise FrontMatterError("This is nested too deeply.", line)
        if nodes > MAX_NODES:
            raise FrontMatterError("There is too much in the YAML.", line)
