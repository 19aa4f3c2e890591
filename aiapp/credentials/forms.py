"""The credential form: from what a browser sends to the values of an action, and from a row to what the fields show."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from werkzeug.datastructures import MultiDict

from aiapp.credentials.models import Credential
from aiapp.errors import InvalidInput
from aiapp.providers.registry import Provider

# Typed text, as it is sent and shown again; the key is never shown again.
TEXTS = ("name", "base_url", "preferred_model", "temperature", "max_tokens", "system_prompt", "allowed_models")
# What the form shows of `settings`: texts of their own, and what is JSON.
CHOICES = ("api", "api_version")
STREAM = {"on": True, "off": False}
# The fields of the folded part, by what its summary calls them.
ADVANCED = {
    "temperature": "temperature",
    "max_tokens": "max tokens",
    "system_prompt": "system prompt",
    "allowed_models": "allowed models",
    "api": "API",
    "api_version": "API version",
    "extra": "extra fields",
    "stream": "streaming",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """What the form's fields show: texts by field, and an error by field."""

    texts: Mapping[str, str]
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def allowed(self) -> list[str]:
        """The allowed models."""
        return self.texts.get("allowed_models", "").splitlines()

    @property
    def advanced(self) -> list[str]:
        """What is set in the folded part, in words."""
        return [words for name, words in ADVANCED.items() if self.texts.get(name)]

    @property
    def advanced_open(self) -> bool:
        """Whether something in the folded part is set, or wrong."""
        return bool(self.advanced) or not self.errors.keys().isdisjoint(ADVANCED)


def values_of(form: MultiDict[str, str], stored: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what the form sets, as actions take it. An empty key leaves the stored one alone.

    Arguments:
        stored: the settings that the credential has; those without a field in the form stay.
    """
    values: dict[str, Any] = {name: form[name] for name in TEXTS if name in form}
    if "allowed_models" in form:
        values["allowed_models"] = allowed(form)
    if "provider" in form:
        values["provider"] = form["provider"]
    if form.get("api_key", "").strip():
        values["api_key"] = form["api_key"]
    if "extra" not in form:
        return values
    settings = dict(stored or {})
    settings.pop("stream", None)
    settings.pop("extra", None)
    for name in CHOICES:
        if name in form:
            settings.pop(name, None)
            if form[name].strip():
                settings[name] = form[name].strip()
    if form.get("stream") in STREAM:
        settings["stream"] = STREAM[form["stream"]]
    try:
        extra = json.loads(form["extra"]) if form["extra"].strip() else {}
    except (ValueError, RecursionError):
        extra = form["extra"]  # no object, which is what fields.checked says of it, with all other mistakes
    if extra != {}:
        settings["extra"] = extra
    return {**values, "settings": settings}


def allowed(form: MultiDict[str, str]) -> list[str]:
    """Return the allowed models of the form: those ticked, and those typed, one a line."""
    names = (name.strip() for text in form.getlist("allowed_models") for name in text.splitlines())
    return list(dict.fromkeys(name for name in names if name))


def typed(form: MultiDict[str, str], refusal: InvalidInput) -> Shown:
    """Return the form as it was typed, with what is wrong."""
    errors = {one["field"].removeprefix("settings."): one["message"] for one in refusal.errors}
    if "settings" in errors:
        errors["extra"] = errors.pop("settings")
    texts = {name: form.get(name, "") for name in (*TEXTS, *CHOICES, "extra", "stream")}
    return Shown({**texts, "allowed_models": "\n".join(allowed(form))}, errors)


def empty(provider: Provider, taken: set[str], base_url: str) -> Shown:
    """Return the form of a new credential: a name that is free, and the address that is offered."""
    name, number = provider.label, 1
    while name in taken:
        number += 1
        name = f"{provider.label} {number}"
    return Shown({**dict.fromkeys((*TEXTS, *ADVANCED), ""), "name": name, "base_url": base_url})


def filled(credential: Credential) -> Shown:
    """Return the form of a stored credential."""
    texts = {name: _text(getattr(credential, name)) for name in TEXTS if name != "allowed_models"}
    texts["allowed_models"] = "\n".join(credential.allowed_models or ())
    texts |= {name: _text(credential.settings.get(name)) for name in CHOICES}
    extra = credential.settings.get("extra")
    texts["extra"] = json.dumps(extra, indent=2, ensure_ascii=False) if extra else ""
    texts["stream"] = next((word for word, on in STREAM.items() if credential.settings.get("stream") is on), "")
    return Shown(texts)


def _text(value: str | float | None) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
