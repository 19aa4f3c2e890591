"""What the demo provider says: an answer made of the prompt's own words, the same for the same prompt."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiapp.providers.wire_json import mapping, sequence, string

# Words of four letters and more that say nothing about a prompt.
_COMMON = frozenset(
    re.findall(
        r"\w+",
        """about above after again against also answer because been before being between both could does doing down each every
        following from further have having here into its just like made make many may more most must other over please return same
        shall should some such than that their them then there these they this those through under until very were what when
        where which while will with within without would write your""",
    )
)
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Facts:
    """What the answers are made of."""

    subject: str
    sentences: tuple[str, ...]
    keywords: tuple[str, ...]
    words: int
    system_words: int


def facts(prompt: str, system: str) -> Facts:
    """Read the words that an answer to `prompt` will use."""
    parts = (" ".join(part.split()) for part in re.split(r"(?<=[.!?])\s+|\n+", prompt))
    sentences = [
        part for part in parts if re.search(r"[^\W\d_]{2,}", part)
    ]  # quotes and rules on lines of their own say nothing
    found: dict[str, int] = {}
    for term in re.findall(r"[^\W\d_]{4,}", prompt.lower()):
        if term not in _COMMON:
            found[term] = found.get(term, 0) + 1
    keywords = sorted(found, key=lambda term: -found[term])[:5]
    return Facts(
        subject=_short(sentences[0], 90) if sentences else "an empty prompt",
        sentences=tuple(_short(sentence, 160) for sentence in sentences[1:4]),
        keywords=tuple(keywords),
        words=len(prompt.split()),
        system_words=len(system.split()),
    )


def taken_literally(prompt: str) -> str | None:
    """Return what a prompt asks to be replied with and nothing else, as a connection test does; None for all others."""
    found = re.fullmatch(
        r"Reply with (?:the word|this JSON object)(?: (\w+))? and nothing else[.:]?(?: (\{.*\}))?", prompt
    )
    return (found[1] or found[2]) if found else None


def as_text(seen: Facts) -> str:
    """Return a few plain sentences."""
    parts = [f"You asked: “{seen.subject}” This answer comes from the demo provider, without a network."]
    if seen.keywords:
        parts.append(f"The prompt has {_number(seen.words, 'word')}; it is about {_listed(seen.keywords)}.")
    parts += [f"On “{sentence}”: a real model would go into this here." for sentence in seen.sentences[:2]]
    parts.append("Add a credential of a real provider to get a real answer.")
    return " ".join(parts)


def as_markdown(seen: Facts) -> str:
    """Return a short Markdown answer with a heading, a list and a table."""
    parts = [
        f"## {seen.subject.rstrip('.:!? ')}",
        f"This answer comes from the **demo provider**: it reads your {_number(seen.words, 'word')} and needs no network.",
    ]
    if seen.sentences:
        parts.append("\n".join(["What the prompt asks for:", "", *(f"- {sentence}" for sentence in seen.sentences)]))
    rows = [f"| Words in the prompt | {seen.words} |", f"| Words in the system prompt | {seen.system_words} |"]
    if seen.keywords:
        rows.append(f"| It is about | {', '.join(seen.keywords)} |")
    parts.append("\n".join(["| Seen | Here |", "|---|---|", *rows]))
    parts.append("> Add a credential of a real provider to get a real answer.")
    return "\n\n".join(parts)


def as_html(seen: Facts) -> str:
    """Return a small HTML page; everything from the prompt is escaped."""
    items = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in seen.sentences or seen.keywords)
    listed = f"\n<ul>{items}</ul>" if items else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>Demo answer</title>\n'
        "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem}</style></head>\n"
        f"<body>\n<h1>{html.escape(seen.subject)}</h1>\n"
        f"<p>The demo provider read a prompt of {_number(seen.words, 'word')} and wrote this page offline.</p>{listed}\n"
        "</body>\n</html>\n"
    )


def as_json(seen: Facts, schema: Mapping[str, Any] | None) -> str:
    """Return a JSON text: an instance of `schema` where there is one, else a summary with keywords."""
    value = (
        _instance(schema, "answer", seen, schema, 0)
        if schema
        else {"summary": seen.subject, "keywords": list(seen.keywords), "words": seen.words, "answered_by": "demo"}
    )
    return json.dumps(value, ensure_ascii=False, indent=2)


def as_yaml(seen: Facts) -> str:
    """Return the same summary as YAML; what comes from the prompt is quoted as JSON does it, which YAML reads alike."""
    keywords = "\n".join(f"  - {json.dumps(word, ensure_ascii=False)}" for word in seen.keywords) or "  []"
    subject = json.dumps(seen.subject, ensure_ascii=False)
    return f"summary: {subject}\nkeywords:\n{keywords}\nwords: {seen.words}\nanswered_by: demo\n"


def as_xml(seen: Facts) -> str:
    """Return the same summary as XML; everything from the prompt is escaped, what XML has not is left out."""
    keywords = "".join(f"\n  <keyword>{_in_xml(word)}</keyword>" for word in seen.keywords)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<answer by="demo" words="{seen.words}">\n'
        f"  <summary>{_in_xml(seen.subject)}</summary>{keywords}\n</answer>\n"
    )


def _in_xml(text: str) -> str:
    return html.escape(re.sub("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text), quote=False)


def _instance(schema: Any, name: str, seen: Facts, root: Mapping[str, Any], level: int) -> Any:
    """Return a value that fits the parts of JSON Schema that people write by hand."""
    schema = _resolved(schema, root)
    for fixed in ("const", "default"):
        if fixed in schema:
            return schema[fixed]
    for listed in ("enum", "examples"):
        if sequence(schema.get(listed)):
            return schema[listed][0]
    for choice in ("anyOf", "oneOf"):
        if sequence(schema.get(choice)):
            return _instance(schema[choice][0], name, seen, root, level + 1) if level < _DEEPEST else None
    kind = _kind(schema)
    if kind == "object":
        properties = mapping(schema.get("properties")) if level < _DEEPEST else {}
        return {key: _instance(value, key, seen, root, level + 1) for key, value in properties.items()}
    if kind == "array":
        return _array(schema, name, seen, root, level)
    if kind in ("integer", "number"):
        return _bounded_number(schema, seen.words)
    if kind == "boolean":
        return True
    return None if kind == "null" else _string(schema, name, seen)


def _array(schema: Mapping[str, Any], name: str, seen: Facts, root: Mapping[str, Any], level: int) -> list[Any]:
    if level >= _DEEPEST:
        return []
    items = _resolved(schema.get("items"), root)
    least = schema.get("minItems") if isinstance(schema.get("minItems"), int) else 0
    if _kind(items) == "string" and not {"enum", "const", "format"} & set(items):
        values: list[Any] = list(seen.keywords[:3]) or [seen.subject]
    else:
        values = [_instance(items, name, seen, root, level + 1)]
    values += values[-1:] * (min(int(least or 0), 20) - len(values))
    most = schema.get("maxItems")
    return values[:most] if isinstance(most, int) and most >= 0 else values


def _string(schema: Mapping[str, Any], name: str, seen: Facts) -> str:
    formats = {
        "date": "2026-01-31",
        "date-time": "2026-01-31T12:00:00Z",
        "time": "12:00:00Z",
        "email": "someone@example.com",
        "uri": "https://example.com/",
        "uuid": "00000000-0000-4000-8000-000000000000",
    }
    known = formats.get(string(schema.get("format")))
    text = known or (seen.subject if name in _TELLING else f"{name.replace('_', ' ').capitalize()}: {seen.subject}")
    least, most = schema.get("minLength"), schema.get("maxLength")
    if isinstance(least, int) and len(text) < least <= 10_000:
        text = text.ljust(least, ".")
    return text[:most] if isinstance(most, int) and most >= 0 else text


_TELLING = frozenset({"answer", "summary", "text", "title", "subject", "name", "description"})


def _bounded_number(schema: Mapping[str, Any], value: int) -> int | float:
    low, high = schema.get("minimum"), schema.get("maximum")
    if isinstance(schema.get("exclusiveMinimum"), (int, float)):
        low = schema["exclusiveMinimum"] + 1
    if isinstance(schema.get("exclusiveMaximum"), (int, float)):
        high = schema["exclusiveMaximum"] - 1
    number: int | float = value
    if isinstance(high, (int, float)):
        number = min(number, high)
    if isinstance(low, (int, float)):
        number = max(number, low)
    return number


def _resolved(schema: Any, root: Mapping[str, Any]) -> dict[str, Any]:
    found = mapping(schema)
    for _ in range(_DEEPEST):
        reference = string(found.get("$ref"))
        if not reference.startswith("#"):
            break
        found = dict(root)
        for name in filter(None, reference.lstrip("#/").split("/")):
            found = mapping(found.get(name))
    merged = dict(found)
    for part in map(mapping, sequence(found.get("allOf"))):
        merged["properties"] = {**mapping(merged.get("properties")), **mapping(part.get("properties"))}
    return merged


def _kind(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if isinstance(kind, str):
        return kind
    return "object" if "properties" in schema else "array" if "items" in schema else "string"


def _listed(words: tuple[str, ...]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _number(amount: int, noun: str) -> str:
    return f"{amount} {noun}" if amount == 1 else f"{amount} {noun}s"


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1].rsplit(" ", 1)[0] + "…"
