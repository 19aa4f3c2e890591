"""Prompts of other tools, in our words: variables, chat messages, names."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from aiapp.prompt_templates.text import wording
from aiapp.prompt_templates.text.documents import DEFAULTS, VARIABLE_DEFAULTS

# Possessive: what was read once is never given back, whatever a stranger writes between the braces.
_BRACES = re.compile(r"\{\{(?!>)([^{}]{1,300}+)\}\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_FILTERED = re.compile(r"([A-Za-z_][\w.\-]*+)\s*+\|\s*+(.+)")
# Filters that change nothing in what is sent here: a JSON value is written as JSON anyway.
_HARMLESS = {"safe", "trim", "dump", "string"}
_LONG = 120


class Notes:
    """What could not be translated, each sentence once."""

    def __init__(self) -> None:
        self._said: dict[str, None] = {}

    def add(self, sentence: str) -> None:
        """Note one thing."""
        self._said[sentence] = None

    @property
    def all(self) -> tuple[str, ...]:
        """Everything noted."""
        return tuple(self._said)


def blank(name: str) -> dict[str, Any]:
    """Return a template that says nothing but its name, complete as documents.parse returns it."""
    words = " ".join(name.split())[:100] or "Prompt"
    return {**DEFAULTS, "name": words, "slug": wording.slug_of(words), "system": "", "messages": [], "body": ""}


def text(source: str, notes: Notes) -> str:
    """Return a text with `{{ name }}` as `{{name}}`; what is more than a name is noted."""

    def put(match: re.Match[str]) -> str:
        inside = match[1].removeprefix("-").removesuffix("-").strip()
        if filtered := _FILTERED.fullmatch(inside):
            filters = [each.strip().split("(")[0] for each in filtered[2].split("|")]
            lost = [each for each in filters if each not in _HARMLESS]
            if lost:
                notes.add(
                    f"{match[0]}: the filter {', '.join(lost)[:60]} is not applied here; the value goes in as it is."
                )
            inside = filtered[1]
        if _NAME.fullmatch(inside):
            return f"{{{{{inside}}}}}"
        plain = re.sub(r"[^A-Za-z0-9_]+", "_", inside).strip("_")
        if re.fullmatch(r"[\w .\-]{1,60}", inside) and _NAME.fullmatch(plain):
            notes.add(f"{match[0]} is called {{{{{plain}}}}} here.")
            return f"{{{{{plain}}}}}"
        notes.add(f"{match[0][:80]} is more than the name of a variable: it stays as it is and is sent as written.")
        return match[0]

    if "{%" in source or "{#" in source:
        notes.add("Its conditions, loops or comments ({% … %}, {# … #}) are not read here: they are sent as written.")
    return _BRACES.sub(put, source)


def chat(template: dict[str, Any], messages: Sequence[Any], notes: Notes) -> None:
    """Put chat messages into a template: the first system messages, the last user message, and examples between."""
    turns: list[tuple[str, str]] = []
    for message in messages:
        if not isinstance(message, Mapping):
            notes.add("Something among its messages is none and was left out.")
        elif message.get("type") == "placeholder" or "role" not in message:
            name = str(message.get("name", "?"))[:60]
            notes.add(f"The placeholder for messages {name} was left out: here a variable holds a text.")
        else:
            turns.append((str(message["role"]), text(_content(message.get("content"), notes), notes)))
    systems = [content for role, content in turns if role in ("system", "developer")]
    template["system"] = "\n\n".join(systems)
    spoken = [(role, content) for role, content in turns if role not in ("system", "developer")]
    if any(role in ("system", "developer") for role, _ in turns[len(systems) :]):
        notes.add("A system message in the middle was put with the first.")
    strange = {role for role, _ in spoken if role not in ("user", "assistant")}
    if strange:
        notes.add(f"Messages of the role {', '.join(sorted(strange))[:60]} were left out.")
    spoken = [turn for turn in spoken if turn[0] not in strange]
    if spoken and spoken[-1][0] == "user":
        template["body"] = spoken.pop()[1]
    else:
        notes.add("It does not end with a user message: write the user part before it is published.")
    template["messages"] = [{"role": role, "content": content} for role, content in spoken]


def sample(name: str, value: Any) -> dict[str, Any]:
    """Return the declaration of a variable that has this value for a sample."""
    spec = {key: default for key, default in VARIABLE_DEFAULTS.items() if key != "choices"}
    if isinstance(value, bool):
        kind = "boolean"
    elif isinstance(value, int | float):
        kind = "number"
    elif isinstance(value, Mapping | list):
        kind = "json"
    else:
        kind = "long_text" if "\n" in str(value) or len(str(value)) > _LONG else "text"
    return {**spec, "name": name, "type": kind, "sample": value}


def schema_of(response_format: Any) -> dict[str, Any] | None:
    """Return the JSON schema in an OpenAI `response_format`, {} where it asks for JSON of any kind, None where for none.

    The shape is that of https://platform.openai.com/docs/guides/structured-outputs.
    """
    if not isinstance(response_format, Mapping):
        return None
    if response_format.get("type") == "json_object":
        return {}
    inner = response_format.get("json_schema")
    if response_format.get("type") == "json_schema" and isinstance(inner, Mapping):
        schema = inner.get("schema", inner)
        return dict(schema) if isinstance(schema, Mapping) else {}
    return None


def settings(template: dict[str, Any], config: Mapping[str, Any], notes: Notes, known: Mapping[str, str]) -> None:
    """Take over what a configuration says of the model; `known` are its keys and our fields. The rest is noted."""
    left = []
    for key, value in config.items():
        if key in known and isinstance(value, str | int | float) and not isinstance(value, bool):
            template[known[key]] = value
        elif key in ("response_format", "json_schema"):
            schema = schema_of(value if key == "response_format" else {"type": "json_schema", "json_schema": value})
            if schema is not None:
                template["output_format"], template["json_schema"] = "json", schema or None
        else:
            left.append(str(key)[:40])
    if left:
        notes.add(f"Not taken over from its configuration: {', '.join(left[:8])}{' …' if len(left) > 8 else ''}.")


def _content(content: Any, notes: Notes) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, Mapping) and part.get("type") == "text"]
        if len(parts) < len(content):
            notes.add("Images and files in its messages were left out.")
        return "\n\n".join(part for part in parts if isinstance(part, str))
    return json.dumps(content, ensure_ascii=False)
