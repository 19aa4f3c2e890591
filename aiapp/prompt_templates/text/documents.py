"""A prompt template as one Markdown file that people write and git compares: front matter, then the parts.

The format::

    ---
    name: Support reply          # YAML; what is left out is the default
    slug: support-reply
    variables:
      - name: message
        type: long_text
    ---

    # @system

    You answer customers.

    # @example user              # any number of examples, in order: user, assistant

    # @user

    {{message}}

A line that begins with `# @` begins a part. Where the text itself has such a line, it gets a backslash in front, as does one
that begins with backslashes and `# @` already; reading takes one away. One blank line after the heading of a part and one
before the next belong to the format; all others, and every space, to the text. A file without any part is the user part.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aiapp.prompt_templates.text import front_matter

# What a file says of a prompt template in its front matter, in the order in which it is written, and what it is when left out.
DEFAULTS: dict[str, Any] = {
    "name": "",
    "slug": "",
    "description": "",
    "tags": [],
    "task": None,
    "output_format": "text",
    "provider": None,
    "model": None,
    "temperature": None,
    "max_tokens": None,
    "variables": [],
    "json_schema": None,
}
VARIABLE_DEFAULTS: dict[str, Any] = {
    "name": "",
    "type": "text",
    "choices": [],
    "required": True,
    "default": None,
    "description": "",
    "sample": None,
}
PARTS = ("system", "messages", "body")

_FENCE = re.compile(r"---[ \t]*(?:\n|\Z)")
_PART = re.compile(r"^# @(.*)(?:\n|\Z)", re.MULTILINE)
_RESERVED = re.compile(r"^(\\*# @)", re.MULTILINE)
_ESCAPED = re.compile(r"^\\(\\*# @)", re.MULTILINE)
_HEADINGS = {
    "system": ("system", ""),
    "user": ("body", ""),
    "example user": ("messages", "user"),
    "example assistant": ("messages", "assistant"),
}


class DocumentError(ValueError):
    """Why a file is no prompt template, as one sentence for people."""


def is_document(text: str) -> bool:
    """Whether a text begins with front matter, as every prompt template does."""
    return bool(_FENCE.match(_plain(text)))


def write(template: Mapping[str, Any]) -> str:
    """Return a prompt template as a file.

    Arguments:
        template: `name`, `slug` and what else DEFAULTS and PARTS name, as JSON values; the rest is passed over.
    """
    front: dict[str, Any] = {}
    for field, default in DEFAULTS.items():
        value = template.get(field, default)
        if field == "variables":
            value = [_told(spec, VARIABLE_DEFAULTS, ("name",)) for spec in value]
        if value != default or field in ("name", "slug"):
            front[field] = value
    parts = [f"# @{heading}\n\n{_RESERVED.sub(_escape, text)}\n" for heading, text in _written(template)]
    return "\n".join([f"---\n{front_matter.write(front)}---\n", *parts])


def parse(text: str) -> dict[str, Any]:
    """Return what a file says, complete: every field of DEFAULTS and PARTS is there. Raises DocumentError.

    The values are as somebody wrote them: whether they will do is for `fields` to say.
    """
    plain = _plain(text)
    opening = _FENCE.match(plain)
    closing = re.search(rf"^{_FENCE.pattern}", plain[opening.end() :], re.MULTILINE) if opening else None
    if opening is None or closing is None:
        raise DocumentError("A prompt template begins with front matter between two lines of three hyphens (---).")
    start = opening.end()
    try:
        front = front_matter.read(plain[start : start + closing.start()])
    except front_matter.FrontMatterError as error:
        raise DocumentError(str(error)) from error
    return {**_front(front), **_parts(plain[start + closing.end() :])}


def _plain(text: str) -> str:
    """Return the text without a byte order mark, and with plain line ends where an editor has written others throughout."""
    text = text.removeprefix("\ufeff")
    return text.replace("\r\n", "\n") if text.startswith("---\r\n") else text


def _told(value: Mapping[str, Any], defaults: Mapping[str, Any], always: Sequence[str]) -> dict[str, Any]:
    return {
        key: value[key]
        for key, default in defaults.items()
        if key in always or (key in value and (value[key] != default or type(value[key]) is not type(default)))
    }


def _written(template: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if template.get("system"):
        yield "system", template["system"]
    for message in template.get("messages", ()):
        yield f"example {message['role']}", message["content"]
    if template.get("body"):
        yield "user", template["body"]


def _escape(match: re.Match[str]) -> str:
    return f"\\{match[0]}"


def _front(front: Any) -> dict[str, Any]:
    if not isinstance(front, dict):
        raise DocumentError("The front matter is a list of keys and values.")
    _only_known(front, DEFAULTS, "The front matter")
    said = {**DEFAULTS, **{key: value for key, value in front.items() if value is not None}}
    if not isinstance(said["variables"], list):
        raise DocumentError("The variables are a list: each begins with a hyphen.")
    said["variables"] = [_variable(spec) for spec in said["variables"]]
    said["tags"] = said["tags"] if isinstance(said["tags"], list) else [said["tags"]]
    return said


def _variable(spec: Any) -> dict[str, Any]:
    if not isinstance(spec, dict) or "name" not in spec:
        raise DocumentError("Each variable has a name and, below it, its type, description and so on.")
    _only_known(spec, VARIABLE_DEFAULTS, f"The variable {str(spec['name'])[:60]}")
    said = {**VARIABLE_DEFAULTS, **{key: value for key, value in spec.items() if value is not None}}
    if not said["choices"]:
        del said["choices"]
    return said


def _only_known(given: Mapping[str, Any], known: Mapping[str, Any], what: str) -> None:
    strange = [key for key in given if key not in known]
    if strange:
        names = ", ".join(key[:60] for key in strange[:3])
        raise DocumentError(f"{what} has what is not known here: {names}. It takes {', '.join(known)}.")


def _parts(text: str) -> dict[str, Any]:
    said: dict[str, Any] = {"system": "", "messages": [], "body": ""}
    headings = list(_PART.finditer(text))
    before = text[: headings[0].start()] if headings else text
    if not headings:
        return {**said, "body": _bare(before, last=True)}
    if before.strip():
        raise DocumentError("There is text before the first part: put it below a line # @system or # @user.")
    told = set()
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    for heading, end in zip(headings, ends, strict=True):
        name = " ".join(heading[1].split())
        if name not in _HEADINGS:
            known = ", ".join(f"# @{each}" for each in _HEADINGS)
            raise DocumentError(f"There is no part # @{name[:60]}. The parts are {known}.")
        field, role = _HEADINGS[name]
        content = _bare(text[heading.end() : end], last=end == len(text))
        if role:
            said["messages"].append({"role": role, "content": content})
        elif name in told:
            raise DocumentError(f"The part # @{name} is there twice.")
        else:
            said[field] = content
        told.add(name)
    return said


def _bare(text: str, *, last: bool) -> str:
    """Return the text of a part without the line breaks that belong to the format."""
    text = text.removeprefix("\n")
    for _ in range(1 if last else 2):
        text = text.removesuffix("\n")
    return _ESCAPED.sub(r"\1", text)
