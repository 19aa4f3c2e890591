"""Langfuse prompts, as its API and SDKs give them.

Sources: the types Prompt, TextPrompt, ChatPrompt and PromptMetaListResponse of langfuse/langfuse
`fern/apis/server/definition/prompts.yml`; https://langfuse.com/docs/prompt-management/data-model (labels: `production` is what
clients get, `latest` the newest version); …/features/variables, …/features/message-placeholders,
…/features/composability (`@@@langfusePrompt:name=…|label=…@@@`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from aiapp.prompt_files.found import Found
from aiapp.prompt_files.translating import Notes, blank, chat, settings, text
from aiapp.prompt_templates.text import wording

_REFERENCE = re.compile(r"@@@langfusePrompt:name=([^|@]{1,200})(?:\|[^@]{0,200})?@@@")
_SETTINGS = {
    "model": "model",
    "modelName": "model",
    "temperature": "temperature",
    "max_tokens": "max_tokens",
    "maxTokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
}


def is_export(value: Any) -> bool:
    """Whether a JSON value holds Langfuse prompts: one, a list, or an answer with `data` or `prompts`."""
    return next(_prompts(value), None) is not None


def translate(source: str, value: Any) -> list[Found]:
    """Return one prompt template for each prompt: its production version, else its newest."""
    versions: dict[str, list[Mapping[str, Any]]] = {}
    for prompt in _prompts(value):
        versions.setdefault(str(prompt["name"]), []).append(prompt)
    return [_prompt(source, name, prompts) for name, prompts in versions.items()]


def _prompts(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping) and "name" not in value:
        value = value.get("data", value.get("prompts"))
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, Mapping) and isinstance(item.get("name"), str) and ("prompt" in item or "versions" in item):
            yield item


def _prompt(source: str, name: str, versions: list[Mapping[str, Any]]) -> Found:
    notes = Notes()
    chosen = max(versions, key=lambda one: ("production" in _words(one, "labels"), _number(one.get("version"))))
    prompt = chosen.get("prompt")
    if not isinstance(prompt, str | list):
        return Found(
            source, problems=(f"{name[:100]}: the text is missing. Export each prompt, not the list of them.",)
        )
    if len(versions) > 1:
        which = "production" if "production" in _words(chosen, "labels") else "newest"
        notes.add(f"Of {len(versions)} versions the {which} one is taken.")
    template = blank(name)
    template["tags"] = [tag.replace(",", " ") for tag in _words(chosen, "tags")]
    if isinstance(prompt, list):
        chat(template, [_linked(message, notes) for message in prompt], notes)
    else:
        template["body"] = text(_references(prompt, notes), notes)
    config = chosen.get("config")
    if isinstance(config, Mapping):
        settings(template, config, notes, _SETTINGS)
    labels = [label for label in _words(chosen, "labels") if label not in ("production", "latest")]
    if labels:
        notes.add(f"Its labels are not set here: {', '.join(labels[:8])}.")
    return Found(source, template, notes=notes.all)


def _linked(message: Any, notes: Notes) -> Any:
    if isinstance(message, Mapping) and isinstance(message.get("content"), str):
        return {**message, "content": _references(message["content"], notes)}
    return message


def _references(source: str, notes: Notes) -> str:
    """Return a text that includes prompt templates where it included prompts."""

    def include(match: re.Match[str]) -> str:
        slug = wording.slug_of(match[1])
        notes.add(f"It includes {match[1][:60]}: as {{{{> {slug}}}}}, the published version.")
        return f"{{{{> {slug}}}}}"

    return _REFERENCE.sub(include, source)


def _words(prompt: Mapping[str, Any], key: str) -> list[str]:
    value = prompt.get(key)
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
