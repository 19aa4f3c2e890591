"""What a prompt is likely to cost before it is sent: its tokens at the price of the model that would be asked first."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from aiapp.credentials.selection import targets_for
from aiapp.prompt_templates.models import PromptVersion
from aiapp.providers.types import ProviderError
from aiapp.usage import pricing


@dataclass(frozen=True, slots=True)
class Estimate:
    """`model` would be asked first, None where nothing can answer. `cost` is the input's in US dollars, `window` the tokens that
    the model reads at the most; None where unknown.
    """

    model: str | None
    cost: Decimal | None
    window: int | None = None


def estimate(version: PromptVersion, tokens: int | None, user_id: str | None = None) -> Estimate:
    """Return what so many tokens of input would cost, now. No provider is called.

    Arguments:
        tokens: of the filled prompt; None where it could not be filled.
        user_id: who would run it: their personal credentials come first.
    """
    try:
        first = targets_for(version.workspace_id, user_id=user_id, provider=version.provider, model=version.model)[0]
    except ProviderError:
        return Estimate(version.model, None)
    cost = None if tokens is None else pricing.estimate(first.provider, first.model, tokens)
    return Estimate(first.model, cost, pricing.context_window(first.provider, first.model))
