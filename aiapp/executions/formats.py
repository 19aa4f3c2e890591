"""The formats an answer can have: what is read from it, and how it is shown without being trusted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from aiapp.executions import json_schema as schemas
from aiapp.executions import markdown
from aiapp.providers import json_text
from aiapp.providers.wire_json import storable

# Comparing more with a schema takes seconds, and no model is asked for that much JSON.
CHECKED_CHARACTERS = 500_000
# Indentation can multiply a text that is made for it: beyond this its source is shown.
PRETTY_CHARACTERS = 1_000_000


@dataclass(frozen=True, slots=True)
class Output:
    """An answer as it is kept.

    `text` is what the model wrote (with U+FFFD for what cannot be stored), `data` the value of a JSON answer. `valid` says
    whether the answer has the form that was asked for, None where nothing was asked or it could not be decided; `problems` say
    what is wrong, what was repaired, or why it could not be decided.
    """

    text: str
    data: Any = None
    valid: bool | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Format:
    """One format: its name in the API, how people and browsers call it, and how it is read and shown.

    `prose` tells a page that `to_html` gives paragraphs; otherwise it gives lines that CSS must keep (`white-space: pre-wrap`).
    """

    name: str
    label: str
    media_type: str
    extension: str
    prose: bool
    read: Callable[[str, Any], Output]
    to_html: Callable[[str], Markup]


def normalise(format: str, text: str, json_schema: Mapping[str, Any] | None = None) -> Output:
    """Read an answer. Never raises for what a model wrote or a schema says.

    Arguments:
        format: a name in FORMATS.
        text: the whole answer.
        json_schema: for JSON: what the value must be.
    """
    return FORMATS[format].read(storable(text), json_schema)


def to_safe_html(format: str, text: str) -> Markup:
    """Return an answer as HTML that may stand on a page of ours; HTML answers as their source (see `html_document`)."""
    return FORMATS[format].to_html(storable(text))


def html_document(text: str) -> str:
    """Return the page in an HTML answer, for the route that serves it into `<iframe sandbox>` under a CSP of its own.

    It is not sanitised: only that sandbox may show it. A code block around it is taken away, and a fragment becomes a
    document in UTF-8.
    """
    page = json_text.unfenced(storable(text))
    if page[:9].lower() == "<!doctype" or page[:5].lower() == "<html":
        return page
    head = '<head><meta charset="utf-8"><title>Output</title></head>'
    return f'<!doctype html>\n<html lang="en">{head}\n<body>{page}</body></html>'


def _read_text(text: str, schema: Any) -> Output:
    return Output(text)


def _read_json(text: str, schema: Any) -> Output:
    try:
        reading = json_text.read(text)
    except json_text.NotJson as error:
        return Output(text, valid=False, problems=(str(error),))
    repairs = () if reading.repair is None else (reading.repair,)
    if schema is None:
        return Output(text, reading.data, True, repairs)
    if len(text) > CHECKED_CHARACTERS:
        return Output(
            text, reading.data, None, (*repairs, "The answer is too large to be compared with its JSON schema.")
        )
    verdict = schemas.check(reading.data, schema)
    return Output(text, reading.data, verdict.valid, repairs + verdict.problems)


def _json_to_html(text: str) -> Markup:
    try:
        data = json_text.read(text).data
    except json_text.NotJson:
        return escape(text)
    pretty = json.dumps(data, indent=2, ensure_ascii=False) if len(text) <= PRETTY_CHARACTERS else text
    return escape(pretty if len(pretty) <= PRETTY_CHARACTERS else text)


FORMATS = {
    one.name: one
    for one in (
        Format("text", "Text", "text/plain", "txt", False, _read_text, escape),
        Format("json", "JSON", "application/json", "json", False, _read_json, _json_to_html),
        Format("markdown", "Markdown", "text/markdown", "md", True, _read_text, markdown.to_html),
        Format("html", "HTML", "text/html", "html", False, _read_text, escape),
    )
}
