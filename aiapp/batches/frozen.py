"""A prompt as it was when its batch was started: what is prepared of a submission, as JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from aiapp.executions.submission import Prepared
from aiapp.prompt_templates.text.including import Library, Source

_PLAIN = tuple(one.name for one in fields(Prepared) if one.name != "library")


def freeze(prepared: Prepared) -> dict[str, Any]:
    """Return it as JSON, what it includes among it."""
    sources = {
        name: source if isinstance(source, str) else [source.text, list(source.variables)]
        for name, source in prepared.library.sources.items()
    }
    library = {"sources": sources, "root": prepared.library.root}
    return {**{name: getattr(prepared, name) for name in _PLAIN}, "library": library}


def thaw(frozen: Mapping[str, Any]) -> Prepared:
    """Return what `freeze` was given."""
    library = frozen["library"]
    sources = {
        name: source if isinstance(source, str) else Source(source[0], source[1])
        for name, source in library["sources"].items()
    }
    return Prepared(**{name: frozen[name] for name in _PLAIN}, library=Library(sources, library["root"]))
