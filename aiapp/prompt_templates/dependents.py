"""What the publishing of a version does to the prompt templates that include it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, KeysView, Mapping
from typing import Any

from aiapp.prompt_templates import library, partials
from aiapp.prompt_templates.checks import Check
from aiapp.prompt_templates.models import PromptVersion
from aiapp.prompt_templates.text import grammar, including
from aiapp.prompt_templates.text.including import Library, Source
from aiapp.workspaces.access import Access

NAMED = 5


def checks(access: Access, version: PromptVersion) -> list[Check]:
    """Return a warning for each version in use that includes the published one, and would need more values with `version`."""
    before = library.published(access, version.prompt_template)
    if before is None or before.id == version.id or not _needed(_as_included(version)) - _needed(_as_included(before)):
        return []
    found = []
    slug = version.prompt_template.slug
    coming = {
        **partials.library(version.workspace_id, [version.body]).sources,
        slug: Source(version.body, version.variables),
    }
    for user in _users(access, version):
        there = partials.of(user)
        now = including.expand(partials.texts_of(user), there).specs(user.variables)
        then = including.expand(partials.texts_of(user), Library({**there.sources, **coming}, there.root))
        more = [name for name in _needed(then.specs(user.variables)) if name not in _needed(now)]
        if more:
            words = f"{user.prompt_template.name} v{user.number} includes this and will need {', '.join(more)}"
            found.append(Check("warn", words, "body"))
    rest = len(found) - NAMED
    return found if rest <= 0 else [*found[:NAMED], Check("warn", f"{rest} more that include this will need more too")]


def _users(access: Access, version: PromptVersion) -> Iterator[PromptVersion]:
    """Yield what includes the published version, straight or through others, and is published or kept by a label."""
    met, waiting = {version.prompt_template_id}, [version.prompt_template.slug]
    while waiting:
        slug = waiting.pop()
        for user in partials.versions_including(access, {slug}):
            used = user.status not in ("draft", "preview") and user.prompt_template.active
            if not used or user.id in met or slug not in grammar.includes(*partials.texts_of(user)):
                continue
            met.add(user.id)
            if user.prompt_template_id != version.prompt_template_id:
                yield user
            # Others get its text too; only what is published is got without a pin.
            if user.status == "published" and user.prompt_template_id not in met:
                met.add(user.prompt_template_id)
                waiting.append(user.prompt_template.slug)


def _as_included(version: PromptVersion) -> list[dict[str, Any]]:
    """Return what the part of a version that others get takes: its body."""
    return including.expand([version.body], partials.of(version)).specs(version.variables)


def _needed(specs: Iterable[Mapping[str, Any]]) -> KeysView[str]:
    """Return the variables that a program has to give a value for, in order."""
    return {spec["name"]: None for spec in specs if spec["required"] and spec["default"] in (None, "")}.keys()
