"""PURE: the formats that an answer can be asked for in: what they are called, and what a model is told.

How an answer of each is read and shown stands in executions/outputs/formats.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiapp.providers.types import OutputFormat


@dataclass(frozen=True, slots=True)
class About:
    """One format.

    `instruction` is told to a model whose prompt does not name the format, empty where models do it by themselves. `has_data`
    says that an answer is also a value, which a JSON schema can describe.
    """

    name: OutputFormat
    label: str
    media_type: str
    extension: str
    instruction: str = ""
    has_data: bool = False


def _only(label: str) -> str:
    return f"Answer with {label} and nothing else."


ABOUT: dict[str, About] = {
    one.name: one
    for one in (
        About("text", "Text", "text/plain", "txt"),
        About("json", "JSON", "application/json", "json", _only("JSON"), has_data=True),
        About("markdown", "Markdown", "text/markdown", "md"),
        About("html", "HTML", "text/html", "html", _only("HTML")),
        About("yaml", "YAML", "application/yaml", "yaml", _only("YAML"), has_data=True),
        About("xml", "XML", "application/xml", "xml", _only("XML")),
    )
}
WITH_DATA = frozenset(name for name, one in ABOUT.items() if one.has_data)
CHOICES = tuple((one.name, one.label) for one in ABOUT.values())
