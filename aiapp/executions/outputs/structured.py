"""YAML and XML that a model wrote, read within bounds: nothing is fetched or expanded."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.parsers import expat

from aiapp.prompt_templates.text import front_matter
from aiapp.providers import json_text

MAX_CHARACTERS = 500_000
MAX_DEPTH = 100
MAX_ELEMENTS = 50_000

_MARKUP = re.compile(r"^[ \t]*<[?A-Za-z_]", re.MULTILINE)


class Unreadable(ValueError):
    """The text is not of the format; the message says why, for people."""


class TooLarge(Unreadable):
    """Nobody can say: it is more than is read."""


def yaml_value(text: str) -> tuple[Any, str | None]:
    """Return the value of a YAML answer, and what was repaired, as JSON knows values. Raises Unreadable, TooLarge."""
    plain = yaml_source(_bounded(text, "YAML"))
    try:
        return _list_or_names(plain), None
    except Unreadable:
        inside = _only_block(plain)
        if inside is None:
            raise
        return _list_or_names(inside), "The YAML stood in other text, which was left out."


def check_xml(text: str) -> str | None:
    """Look whether an answer is one well-formed XML document; return what was repaired. Raises Unreadable, TooLarge."""
    plain = json_text.unfenced(_bounded(text, "XML"))
    try:
        _well_formed(plain)
    except Unreadable:
        inside = _only_block(plain) or _markup_lines(plain)
        if inside is None or inside == plain:
            raise
        _well_formed(inside)
        return "The XML stood in other text, which was left out."
    return None


def yaml_source(text: str) -> str:
    """Return what stands in a code block that is the whole text, else the text. Space at the edges means something in YAML."""
    text = text.removeprefix("\ufeff")
    edges = text.strip()
    inside = _only_block(edges) if edges.startswith("```") and edges.endswith("```") else None
    return text if inside is None else inside


def _bounded(text: str, name: str) -> str:
    if len(text) > MAX_CHARACTERS:
        raise TooLarge(f"The answer is too large to be read as {name}.")
    if not json_text.unfenced(text):
        raise Unreadable("The answer is empty.")
    return text


def _only_block(text: str) -> str | None:
    """Return what stands in the one code block of a text, None where there is none or a second."""
    blocks: list[list[str]] = []
    inside = False
    for line in text.split("\n"):
        fence = line.strip()
        if inside and fence == "```":
            inside = False
        elif inside:
            blocks[-1].append(line)
        elif fence.startswith("```") and "`" not in fence[3:]:
            inside = True
            blocks.append([])
    return "".join(f"{line}\n" for line in blocks[0]) if len(blocks) == 1 and not inside else None


def _markup_lines(text: str) -> str | None:
    """Return the lines from the first that begins with markup to the last that ends with it."""
    found, end = _MARKUP.search(text), text.rfind(">") + 1
    if found is None or found.start() >= end or text[end:].partition("\n")[0].strip():
        return None
    return text[found.start() : end].strip()


def _list_or_names(text: str) -> Any:
    """Return a mapping, a list, a number …; a sentence is YAML too, but nobody asked for YAML means one."""
    try:
        value = front_matter.read(text)
        json.dumps(value, allow_nan=False)
    except front_matter.FrontMatterError as error:
        raise Unreadable(str(error)) from error
    except ValueError as error:
        raise Unreadable("A number is too large.") from error
    except RecursionError as error:
        raise Unreadable("This YAML is nested too deeply.") from error
    if isinstance(value, str):
        raise Unreadable("This is plain text, not YAML with names or a list.")
    return value


def _well_formed(text: str) -> None:
    parser = expat.ParserCreate("utf-8")
    depth = elements = 0

    def opened(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, elements
        depth, elements = depth + 1, elements + 1
        if depth > MAX_DEPTH:
            raise Unreadable(f"This XML is nested more than {MAX_DEPTH} levels deep.")
        if elements > MAX_ELEMENTS:
            raise TooLarge("There is too much in this XML to be read.")

    def closed(name: str) -> None:
        nonlocal depth
        depth -= 1

    def refused(*declaration: object) -> None:
        raise Unreadable("A document type (<!DOCTYPE …>) is not read: it could declare entities.")

    def declared(version: str, encoding: str | None, standalone: int) -> None:
        # It is kept and handed out in UTF-8, whatever it says: its next reader would go by that.
        if encoding is not None and not _reads_alike(text, encoding):
            raise Unreadable(f"This XML says that its encoding is {encoding[:40]}, but it is UTF-8.")

    parser.StartElementHandler, parser.EndElementHandler = opened, closed
    parser.XmlDeclHandler = declared
    parser.StartDoctypeDeclHandler = refused
    try:
        parser.Parse(text.encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        said = expat.ErrorString(error.code)
        raise Unreadable(f"This is not XML: {said} (line {error.lineno}, column {error.offset + 1}).") from error


def _reads_alike(text: str, encoding: str) -> bool:
    """Whether the UTF-8 form of `text` means the same to who reads it in `encoding`."""
    name = encoding.lower()
    return name in ("utf-8", "utf8") or (text.isascii() and name in ("us-ascii", "ascii", "iso-8859-1", "windows-1252"))
