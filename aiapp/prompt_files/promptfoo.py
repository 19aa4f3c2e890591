"""The prompts of a promptfoo configuration.

Sources: promptfoo/promptfoo `site/docs/configuration/prompts.md` (strings, `id`/`label`/`raw`, files, chat as JSON),
`…/chat.md` (chat messages as JSON or YAML), `…/test-cases.md` (`tests[].vars`, `defaultTest`), `…/reference.md` (providers as
`openai:gpt-…` or `id` with `config`). Its templates are Nunjucks: https://mozilla.github.io/nunjucks/templating.html.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from aiapp.prompt_files.beside import Beside
from aiapp.prompt_files.found import Found
from aiapp.prompt_files.translating import Notes, blank, chat, sample, settings, text
from aiapp.prompt_templates.text import declaring, rendering, wording
from aiapp.providers.registry import PROVIDERS

MOST_PROMPTS = 500
MOST_OF_MESSAGES = 4 * 1024 * 1024  # as JSON
# The look ahead comes first: in a text without a space the rest ends at its first match, so that nothing is read again and again.
_ELSEWHERE = re.compile(
    r"(?=\S++\Z)(?:(?:[a-z][a-z0-9+.-]*+://|exec:)\S*+"
    r"|[\w./*-]+\.(?:txt|json|jsonl|ya?ml|md|j2|csv|js|mjs|cjs|ts|py|sh|rb)\S*+)"
)
_WORDS_OF_A_NAME = 6
_SETTINGS = {"temperature": "temperature", "max_tokens": "max_tokens", "max_completion_tokens": "max_tokens"}
# What stands between the provider and the model: openai:chat:gpt-4o, anthropic:messages:claude-…
_ENDPOINTS = {"chat", "completion", "responses", "messages"}


def is_config(value: Any) -> bool:
    """Whether this is a promptfoo configuration: prompts, and something to try them with."""
    if not isinstance(value, Mapping) or "prompts" not in value:
        return False
    return (
        bool({"providers", "targets", "tests", "defaultTest", "scenarios"} & value.keys())
        or not isinstance(value["prompts"], list)
        or any(isinstance(one, str) or (isinstance(one, Mapping) and "raw" in one) for one in value["prompts"])
    )


def translate(source: str, config: Mapping[str, Any], beside: Beside) -> list[Found]:
    """Return one prompt template for each prompt of the configuration, which may stand in a file beside it."""
    files = _Files(source, beside)
    samples = _samples(config, files)
    taken: set[str] = set()
    found = []
    for label, prompt, own in islice(_prompts(config.get("prompts"), files), MOST_PROMPTS + 1):
        notes = Notes()
        if prompt is None:
            found.append(
                Found(source, problems=(f"{label[:100]} is not in this file: put the text of the prompt here.",))
            )
            continue
        template = blank(label or _first_words(prompt))
        template["slug"] = _free(template["slug"], taken)
        _write(template, prompt, notes)
        _choose_model(template, config, own, notes)
        _declare(template, samples, notes)
        found.append(Found(source, template, notes=notes.all))
    return found or [Found(source, problems=("There are no prompts in this file.",))]


class _Files(NamedTuple):
    """The files that a configuration can name, and its own name."""

    source: str
    beside: Beside

    def value(self, value: Any) -> Any:
        """Return a value, or what the file says that it names; None where that is not read."""
        if isinstance(value, str) and _ELSEWHERE.fullmatch(value.strip()):
            return self.beside.value(self.source, value)
        return value


def _prompts(prompts: Any, files: _Files) -> Iterator[tuple[str, str | None, Mapping[str, Any]]]:
    """Yield label, text and configuration of each prompt; without its text the label says what is not there."""
    for label, written, named, own in _entries(prompts):
        if written is not None and not _ELSEWHERE.fullmatch(written.strip()):
            yield label, written, own
            continue
        named = (written or named).strip()
        found = files.beside.prompts(files.source, named)
        for name, prompt in found:
            yield label or PurePosixPath(name).stem, prompt, own
        if not found:
            yield named, None, own


def _entries(prompts: Any) -> Iterator[tuple[str, str | None, str, Mapping[str, Any]]]:
    """Yield label, text, name of the file where there is no text, and configuration of each prompt."""
    if isinstance(prompts, Mapping):  # file: label
        prompts = [{"id": key, "label": label} for key, label in prompts.items()]
    for prompt in (prompts if isinstance(prompts, list) else [prompts])[:MOST_PROMPTS]:
        if isinstance(prompt, str):
            yield "", prompt, "", {}
        elif isinstance(prompt, Mapping):
            label = str(prompt.get("label") or prompt.get("display") or "")
            named = str(prompt.get("id") or label)
            raw = prompt.get("raw")
            written = raw if isinstance(raw, str) else json.dumps(raw) if isinstance(raw, list) else None
            own = prompt.get("config")
            label = label or ("" if written is None else named)
            yield label.removeprefix("file://"), written, named, own if isinstance(own, Mapping) else {}


def _write(template: dict[str, Any], prompt: str, notes: Notes) -> None:
    """Put in the text of a prompt; one that is a list of messages, as JSON, becomes its parts."""
    if prompt.lstrip().startswith("["):
        try:
            messages = json.loads(prompt)
            wording.check_json(messages, MOST_OF_MESSAGES)
        except (ValueError, RecursionError):
            messages = None
        if isinstance(messages, list) and any(isinstance(one, Mapping) and "role" in one for one in messages):
            chat(template, messages, notes)
            return
        if '"role"' in prompt:
            notes.add("It looks like chat messages but is no JSON as it stands: it became the user part.")
    template["body"] = text(prompt, notes)


def _choose_model(template: dict[str, Any], config: Mapping[str, Any], own: Mapping[str, Any], notes: Notes) -> None:
    providers = config.get("providers", config.get("targets"))
    listed = providers if isinstance(providers, list) else [providers] if providers else []
    if len(listed) > 1:
        notes.add(
            "It is tried with several models there; here it takes the model of its credential until you choose one."
        )
    elif listed:
        one = listed[0]
        named = one.get("id", "") if isinstance(one, Mapping) else one
        kind, _, model = str(named).partition(":")
        head, _, rest = model.partition(":")
        model = rest if head in _ENDPOINTS else model
        if kind in PROVIDERS and model:
            template["provider"], template["model"] = kind, model
        else:
            notes.add(f"The provider {str(named)[:60]} is not taken over: choose one here.")
        if isinstance(one, Mapping) and isinstance(one.get("config"), Mapping):
            own = {**one["config"], **own}
    settings(template, own, notes, _SETTINGS)


def _samples(config: Mapping[str, Any], files: _Files) -> dict[str, Any]:
    """Return the values of the first test, over those that all tests have; what stands in a file is read, where it is there."""
    found: dict[str, Any] = {}
    tests = files.value(config.get("tests"))
    for test in (files.value(config.get("defaultTest")), tests[0] if isinstance(tests, list) and tests else None):
        values = files.value(test.get("vars")) if isinstance(test, Mapping) else None
        if isinstance(values, Mapping):
            found |= {name: _sample(value, files) for name, value in values.items()}
    return found


def _sample(value: Any, files: _Files) -> Any:
    """Return the value of a variable; the name of a file stays where that is not read, or is too long for a sample."""
    if isinstance(value, list) and value and not isinstance(value[0], list | Mapping):
        value = value[0]  # one test for each of them, there
    said = files.value(value)
    return value if said is None or (said is not value and len(json.dumps(said)) > declaring.MAX_VALUE) else said


def _declare(template: dict[str, Any], samples: Mapping[str, Any], notes: Notes) -> None:
    texts = [template["system"], template["body"], *(message["content"] for message in template["messages"])]
    for name in rendering.variables(*texts):
        value = samples.get(name)
        if isinstance(value, str) and _ELSEWHERE.fullmatch(value):
            notes.add(f"The sample of {name} is in another file and was left out.")
        elif value is not None:
            template["variables"] = [*template["variables"], sample(name, value)]


def _first_words(prompt: str) -> str:
    words = re.sub(r"[^\w\s]", " ", prompt).split()
    return " ".join(words[:_WORDS_OF_A_NAME]).capitalize()


def _free(slug: str, taken: set[str]) -> str:
    free, number = slug, 1
    while free in taken:
        number += 1
        free = f"{slug[:55].rstrip('-')}-{number}"
    taken.add(free)
    return wording.slug_of(free)
