"""The columns that the list of executions can have."""

from __future__ import annotations

from collections.abc import Iterable

# By name, in the order in which they are offered. The prompt template stands before them in every list.
COLUMNS = {
    "status": "Status",
    "model": "Model",
    "user": "By",
    "tokens": "Tokens",
    "cost": "Cost",
    "duration": "Duration",
    "created_at": "Started",
    "feedback": "Feedback",
    "provider": "Provider",
    "credential": "Credential",
    "source": "Source",
    "error_class": "Error",
    "format": "Format",
    "input_tokens": "Tokens in",
    "output_tokens": "Tokens out",
    "completed_at": "Ended",
    "attempts": "Attempts",
    "version": "Version",
    "label": "Labels",
    "batch": "Batch",
    "id": "Id",
}
DEFAULT = ("status", "model", "user", "tokens", "cost", "duration", "created_at")


def known(names: Iterable[str]) -> tuple[str, ...]:
    """Return those of the names that are columns, each once, in their order."""
    return tuple(dict.fromkeys(name for name in names if name in COLUMNS))
