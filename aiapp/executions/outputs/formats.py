"""The formats an answer can have: what is read from it, and how it is shown without being trusted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from markupsafe import Markup, escape

from aiapp.executions.outputs import json_schema as schemas
from aiapp.executions.outputs import markdown, structured
from aiapp.providers import json_text
from aiapp.providers.output_formats import ABOUT, About
from aiapp.providers.wire_json import storable, storable_value

# Comparing more with a schema takes seconds, and no model is asked for that much JSON.
CHECKED_CHARACTERS = 500_000
# Indentation can multiply a text that is made for it: beyond this its source is shown.
PRETTY_CHARACTERS = 1_000_000


@dataclass(frozen=True, slots=True)
class Output:
    """An answer as it is kept.

    `text` is what the model wrote (with U+FFFD for what cannot be stored), `data` the value of a JSON or YAML answer. `valid`
    says whether the answer has the form that was asked for, None where nothing was asked or it could not be decided; `problems`
    say what is wrong, what was repaired, or why it could not be decided.
    """

    text: str
    data: Any = None
    valid: bool | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Format:
    """How an answer in one format is read and shown; what it is called stands in providers/output_formats.py.

    `view` is how a page shows it: `text` as it is written, `prose` as HTML, `code` as source (`to_html` may indent it), `page`
    in a frame of its own. `source` is an answer as its file holds it: a code block around it is no part of most formats.
    """

    about: About
    read: Callable[[str, Any], Output]
    view: Literal["text", "prose", "code", "page"]
    to_html: Callable[[str], Markup] = escape
    source: Callable[[str], str] = str

    def file(self, text: str, kind: str) -> str | None:
        """Return an answer as a file of another kind: text, markdown or html; None for any other."""
        if kind == "text":
            return text
        if kind == "markdown":
            return f"```{self.about.name}\n{self.source(text)}\n```\n" if self.view in ("code", "page") else text
        if kind != "html":
            return None
        if self.view == "page":
            return html_document(text)
        shown = self.to_html(storable(text))
        return html_document(shown if self.view == "prose" else f"<pre>{shown}</pre>")

    @property
    def media_type(self) -> str:
        """The type of its file."""
        return self.about.media_type

    @property
    def extension(self) -> str:
        """The ending of its file's name."""
        return self.about.extension


def of(name: str) -> Format:
    """Return the format of a stored execution; one that a newer release knows is shown as text."""
    return FORMATS.get(name, FORMATS["text"])


def normalise(format: str, text: str, json_schema: Mapping[str, Any] | None = None) -> Output:
    """Read an answer. Never raises for what a model wrote or a schema says.

    Arguments:
        format: a name in FORMATS.
        text: the whole answer.
        json_schema: what the value of JSON or YAML must be.
    """
    return FORMATS[format].read(storable(text), json_schema)


def to_safe_html(format: str, text: str) -> Markup:
    """Return an answer as HTML that may stand on a page of ours; HTML answers as their source (see `html_document`)."""
    return of(format).to_html(storable(text))


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
    return _compared(text, reading.data, reading.repair, schema)


def _read_yaml(text: str, schema: Any) -> Output:
    try:
        data, repair = structured.yaml_value(text)
    except structured.Unreadable as error:
        return _unreadable(text, error)
    return _compared(text, storable_value(data), repair, schema)


def _read_xml(text: str, schema: Any) -> Output:
    try:
        repair = structured.check_xml(text)
    except structured.Unreadable as error:
        return _unreadable(text, error)
    return Output(text, valid=True, problems=() if repair is None else (repair,))


def _unreadable(text: str, error: structured.Unreadable) -> Output:
    return Output(text, valid=None if isinstance(error, structured.TooLarge) else False, problems=(str(error),))


def _compared(text: str, data: Any, repair: str | None, schema: Any) -> Output:
    """Compare the value of an answer with the schema that it was asked for with."""
    repairs = () if repair is None else (repair,)
    if schema is None:
        return Output(text, data, True, repairs)
    if len(text) > CHECKED_CHARACTERS:
        return Output(text, data, None, (*repairs, "The answer is too large to be compared with its JSON schema."))
    verdict = schemas.check(data, schema)
    return Output(text, data, verdict.valid, repairs + verdict.problems)


def _yaml_to_html(text: str) -> Markup:
    return escape(structured.yaml_source(text))


def _xml_to_html(text: str) -> Markup:
    return escape(json_text.unfenced(text))


def _json_to_html(text: str) -> Markup:
    try:
        data = json_text.read(text).data
    except json_text.NotJson:
        return escape(text)
    pretty = json.dumps(data, indent=2, ensure_ascii=False) if len(text) <= PRETTY_CHARACTERS else text
    return escape(pretty if len(pretty) <= PRETTY_CHARACTERS else text)


FORMATS: dict[str, Format] = {
    one.about.name: one
    for one in (
        Format(ABOUT["text"], _read_text, "text"),
        Format(ABOUT["json"], _read_json, "code", _json_to_html, json_text.unfenced),
        Format(ABOUT["markdown"], _read_text, "prose", markdown.to_html),
        Format(ABOUT["html"], _read_text, "page", source=json_text.unfenced),
        Format(ABOUT["yaml"], _read_yaml, "code", _yaml_to_html, structured.yaml_source),
        Format(ABOUT["xml"], _read_xml, "code", _xml_to_html, json_text.unfenced),
    )
}
