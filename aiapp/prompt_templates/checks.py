"""What is looked at before a version is published."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from aiapp.errors import InvalidInput
from aiapp.prompt_templates import partials
from aiapp.prompt_templates.models import PromptVersion
from aiapp.prompt_templates.text import declaring, fetchers, fields, rendering
from aiapp.providers.output_formats import WITH_DATA


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. A bad one stops the publishing, a warning is for people to judge."""

    level: Literal["good", "warn", "bad"]
    text: str
    field: str = ""


def checks(version: PromptVersion) -> list[Check]:
    """Return what is in order with `version` and what is not."""
    unresolved = (Check("bad", one["message"], one["field"]) for one in partials.problems(version))
    return [*_texts(version), *unresolved, *_fetchers(version), *_variables(version), *_schema(version)]


def demand(version: PromptVersion) -> None:
    """Raise InvalidInput with every bad finding."""
    bad = [check for check in checks(version) if check.level == "bad"]
    if bad:
        errors = [{"field": check.field, "message": check.text} for check in bad]
        raise InvalidInput("This version cannot be published yet.", errors=errors)


def _texts(version: PromptVersion) -> Iterator[Check]:
    if not version.body.strip():
        yield Check("bad", "The user part is empty.", "body")
        return
    texts = (version.system, version.body, *(message["content"] for message in version.messages))
    tokens = sum(map(rendering.estimate_tokens, texts))
    yield Check("good", f"The text is there: ≈ {tokens:,} tokens without the values of its variables")
    braces = list(dict.fromkeys(one for text in texts for one in rendering.literal_braces(text)))
    misnamed = fetchers.misnamed(braces)
    yield from (Check("warn", text, "body") for text in misnamed.values())
    braces = [one for one in braces if one not in misnamed]
    if braces:
        named = ", ".join(braces[:3]) + (" …" if len(braces) > 3 else "")
        yield Check("warn", f"Sent as written, because it is no variable: {named}")


def _fetchers(version: PromptVersion) -> Iterator[Check]:
    for name in partials.fetched(partials.texts_of(version), partials.of(version)):
        if fetchers.find(name) is None:
            yield Check("warn", fetchers.unknown(name), "body")


def _variables(version: PromptVersion) -> Iterator[Check]:
    try:
        names = declaring.used({"system": version.system, "body": version.body, "messages": version.messages})
        specs = fields.content({"variables": declaring.declared(names, version.variables)})["variables"]
    except InvalidInput as error:
        for item in error.errors:
            yield Check("bad", item["message"], item["field"])
        return
    if not names:
        yield Check("good", "It has no variables")
        return
    bare = [spec["name"] for spec in specs if spec["sample"] is None and spec["default"] is None]
    if bare:
        named = ", ".join(bare[:5]) + (" …" if len(bare) > 5 else "")
        yield Check("warn", f"Without a sample or a default: {named}")
    else:
        what = "The variable has" if len(names) == 1 else f"All {len(names)} variables have"
        yield Check("good", f"{what} a type and a sample or default")


def _schema(version: PromptVersion) -> Iterator[Check]:
    if version.json_schema is None:
        return
    try:
        fields.content({"json_schema": version.json_schema})
    except InvalidInput as error:
        yield Check("bad", error.errors[0]["message"], "json_schema")
        return
    if version.output_format in WITH_DATA:
        yield Check("good", "The JSON schema is valid")
    else:
        yield Check("warn", f"The JSON schema is not used: the output format is {version.output_format}")
