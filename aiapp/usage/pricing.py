"""What tokens cost: the prices that genai-prices ships, in Decimal, without a network. An unknown price is None, never 0."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from functools import lru_cache
from typing import Any

from aiapp.providers.types import Usage

# Our provider kinds as genai-prices calls them. What is missing here has no known price: Ollama's cloud is a subscription,
# an OpenAI-compatible server may be anyone's.
PRICED = {
    "openai": "openai",
    "azure": "azure",
    "anthropic": "anthropic",
    "google": "google",
    "xai": "x-ai",
    "mistral": "mistral",
    "cohere": "cohere",
    "groq": "groq",
    "openrouter": "openrouter",
    "deepseek": "deepseek",
    "together": "together",
    "perplexity": "perplexity",
    "cerebras": "cerebras",
    "zai": "zai",
}
# They run on the workspace's own machine, or nowhere.
FREE = frozenset({"ollama", "lmstudio", "demo"})

MILLION = 1_000_000
# Wider than any product of a price and a count of tokens, so that no cent is rounded away in between.
DIGITS = 60
# No provider's model name is longer; the price list matches names with regular expressions.
MAX_MODEL_NAME = 200


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call cost.

    `amount` is in US dollars, never negative. `prices` is what it was computed with, ready for JSON: `source` (the price
    list and its version), `model` (its name there), `input`, `output` and, where they have prices of their own, `cached`,
    `cache_write`, `reasoning` (US dollars per million tokens) and `request` (per thousand requests), as decimal strings; and
    `lines`, each `{what, count, price, per, cost}`: count x price / per = cost, and the costs add up to `amount`.
    """

    amount: Decimal
    prices: dict[str, Any]


def cost(provider: str, model: str, usage: Usage, at: datetime) -> Cost | None:
    """Return what a call cost; None where the provider, the model's price or the number of tokens is unknown.

    Arguments:
        provider: a provider kind of CONTRACT.
        model: the model's name as it was sent to that provider.
        usage: its tokens. Unknown cached or reasoning tokens count as none; more cached ones than input (some Azure models
            report that) count as all of the input.
        at: when the call was made: prices change by date, some by the hour. An aware time.
    """
    counts = _counts(usage)
    if counts is None:
        return None
    if provider in FREE:
        rates, source, name = {"input": Decimal(0), "output": Decimal(0)}, "free of charge", model
    else:
        found = _find(PRICED.get(provider, ""), model)
        if found is None:
            return None
        rates, source, name = _rates(found.info.get_prices(at), counts["input"]), found.source, found.info.id
        if not rates and name.endswith(":free"):
            rates = {"input": Decimal(0), "output": Decimal(0)}
    if any(counts[what] and what not in rates for what in ("input", "output")):
        return None
    with localcontext(prec=DIGITS):
        lines = list(_lines(rates, counts))
        amount = sum((line_cost for *_, line_cost in lines), Decimal(0))
    prices: dict[str, Any] = {"source": source, "model": name} | {what: _plain(rate) for what, rate in rates.items()}
    prices["lines"] = [
        {"what": what, "count": count, "price": _plain(rates[what]), "per": per, "cost": _plain(line_cost)}
        for what, count, per, line_cost in lines
    ]
    return Cost(amount, prices)


def estimate(
    provider: str, model: str, input_tokens: int, output_tokens: int = 0, *, at: datetime | None = None
) -> Decimal | None:
    """Return what so many tokens would cost in US dollars, now or `at` that time; None where the price is unknown."""
    found = cost(provider, model, Usage(input=input_tokens, output=output_tokens), at or datetime.now(UTC))
    return None if found is None else found.amount


def context_window(provider: str, model: str) -> int | None:
    """Return how many tokens a model reads at most, as the price list knows it; None where it does not."""
    found = _find(PRICED.get(provider, ""), model)
    return None if found is None else found.info.context_window


def _counts(usage: Usage) -> dict[str, int] | None:
    """Return how many tokens of each kind there were, the special ones within input and output; None where unknown."""
    if usage.input is None or usage.output is None:
        return None
    special = {"cached": usage.cached or 0, "cache_write": usage.cache_write or 0, "reasoning": usage.reasoning or 0}
    if min(usage.input, usage.output, *special.values()) < 0:
        return None
    cached = min(special["cached"], usage.input)
    return {
        "input": usage.input,
        "cached": cached,
        "cache_write": min(special["cache_write"], usage.input - cached),
        "output": usage.output,
        "reasoning": min(special["reasoning"], usage.output),
    }


def _lines(rates: dict[str, Decimal], counts: dict[str, int]) -> Iterator[tuple[str, int, int, Decimal]]:
    """Yield what, count, per and cost: special tokens by their own price where there is one, else by that of the whole."""
    left = dict(counts)
    for part, of in (("cached", "input"), ("cache_write", "input"), ("reasoning", "output")):
        if part in rates:
            left[of] -= left[part]
    for what in ("input", "cached", "cache_write", "output", "reasoning"):
        if what in rates and (left[what] or what in {"input", "output"}):
            yield what, left[what], MILLION, rates[what] * left[what] / MILLION
    if "request" in rates:
        yield "request", 1, 1000, rates["request"] / 1000


def _rates(price: Any, input_tokens: int) -> dict[str, Decimal]:
    keys = {
        "input": price.input_mtok,
        "output": price.output_mtok,
        "cached": price.cache_read_mtok,
        "cache_write": price.cache_write_mtok,
        "reasoning": price.output_reasoning_mtok,
        "request": price.requests_kcount,
    }
    rates: dict[str, Decimal] = {}
    for what, rate in keys.items():
        if isinstance(rate, Decimal):
            rates[what] = rate
        elif rate is not None:
            # the tier that the whole input reaches is the price of every token
            rates[what] = next((tier.price for tier in reversed(rate.tiers) if input_tokens > tier.start), rate.base)
    return rates


@dataclass(frozen=True, slots=True)
class _Found:
    """A model in the price list, and which list it is."""

    info: Any  # genai_prices.types.ModelInfo
    source: str


@lru_cache(maxsize=1024)
def _find(provider: str, model: str) -> _Found | None:
    """Find a model in the price list (about 0.8 s and 18 MB at the first call of a process)."""
    if not provider or not model or len(model) > MAX_MODEL_NAME:
        return None
    from genai_prices import __version__, data_snapshot  # noqa: PLC0415  # heavy, see CONTRIBUTING

    # not get_snapshot().calc(): it remembers every name it was ever asked for
    providers = data_snapshot.get_snapshot().providers
    seller = next(one for one in providers if one.id == provider)
    info = seller.find_model(model.removeprefix("models/"), all_providers=providers)
    return None if info is None else _Found(info, f"genai-prices {__version__}")


def _plain(value: Decimal) -> str:
    return format(value.normalize(), "f")
