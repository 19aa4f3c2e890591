"""Whether the filled prompt of a version fits into the model that would be asked first."""

from __future__ import annotations

from aiapp.credentials.selection import targets_for
from aiapp.prompt_templates import workbench
from aiapp.prompt_templates.checks import Check
from aiapp.prompt_templates.models import PromptVersion
from aiapp.providers.types import ProviderError
from aiapp.usage import pricing


def fits(version: PromptVersion, user_id: str | None = None) -> list[Check]:
    """Return what the tokens of `version`, filled with its samples, say against its model's context; nothing where it is unknown.

    Arguments:
        user_id: who would run it: their personal credentials come first.
    """
    tokens = workbench.build(version).tokens
    if tokens is None:
        return []
    try:
        first = targets_for(version.workspace_id, user_id=user_id, provider=version.provider, model=version.model)[0]
    except ProviderError:
        return []
    window = pricing.context_window(first.provider, first.model)
    if window is None:
        return []
    counted = f"≈ {tokens:,} of {window:,} tokens, filled with its samples"
    if tokens > window:
        return [Check("warn", f"It does not fit {first.model}: {counted}")]
    room = version.max_tokens or 0
    if tokens + room > window:
        return [Check("warn", f"{first.model} has no room for an answer of {room:,} tokens: {counted}")]
    return [Check("good", f"It fits {first.model}: {counted}")]
