"""Costs are what the price list says, to the last digit, and unknown where it says nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from genai_prices import Usage as ListUsage
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given
from hypothesis import strategies as st

from aiapp.providers.types import Usage
from aiapp.usage import pricing
from aiapp.usage.pricing import FREE, PRICED, cost, estimate

AT = datetime(2026, 3, 18, 14, 3, tzinfo=UTC)
TOKENS = st.integers(0, 10**9)


def usage(input=1204, output=278, **more):
    return Usage(input=input, output=output, **more)


def test_the_arithmetic_that_the_page_shows():
    found = cost("groq", "llama-3.3-70b-versatile", usage(), AT)

    assert found.amount == Decimal("0.00092998")
    assert found.prices == {
        "source": found.prices["source"],
        "model": "llama-3.3-70b-versatile",
        "input": "0.59",
        "output": "0.79",
        "lines": [
            {"what": "input", "count": 1204, "price": "0.59", "per": 1_000_000, "cost": "0.00071036"},
            {"what": "output", "count": 278, "price": "0.79", "per": 1_000_000, "cost": "0.00021962"},
        ],
    }
    assert found.prices["source"].startswith("genai-prices 0.")


def test_cached_tokens_have_their_own_price():
    found = cost("anthropic", "claude-haiku-4-5-20251001", usage(1000, 100, cached=600, cache_write=300), AT)

    assert [(line["what"], line["count"], line["price"]) for line in found.prices["lines"]] == [
        ("input", 100, "1"),
        ("cached", 600, "0.1"),
        ("cache_write", 300, "1.25"),
        ("output", 100, "5"),
    ]
    assert found.amount == Decimal("0.001035")


def test_cached_tokens_without_a_price_of_their_own_are_input():
    plain = cost("groq", "llama-3.3-70b-versatile", usage(), AT)
    cached = cost("groq", "llama-3.3-70b-versatile", usage(cached=1000, cache_write=100, reasoning=200), AT)

    assert cached.amount == plain.amount
    assert "cached" not in cached.prices


@pytest.mark.parametrize("more", [{"cached": 5000}, {"cached": 1000, "cache_write": 5000}, {"reasoning": 9999}])
def test_more_cached_tokens_than_input_count_as_all_of_it(more):
    found = cost("azure", "gpt-5-mini", usage(1200, 300, **more), AT)

    counts = {line["what"]: line["count"] for line in found.prices["lines"]}
    assert counts["output"] == 300
    assert counts["input"] + counts.get("cached", 0) == 1200
    assert min(counts.values()) >= 0


def test_reasoning_and_requests_are_priced_where_the_list_prices_them():
    deep = cost("perplexity", "sonar-deep-research", usage(100, 1000, reasoning=400), AT)
    assert {line["what"]: line["count"] for line in deep.prices["lines"]} == {
        "input": 100,
        "output": 600,
        "reasoning": 400,
    }

    pro = cost("perplexity", "sonar-pro", usage(0, 0), AT)
    assert pro.prices["lines"][-1] == {"what": "request", "count": 1, "price": "14", "per": 1000, "cost": "0.014"}
    assert pro.amount == Decimal("0.014")


def test_a_long_prompt_is_priced_by_the_tier_it_reaches():
    short = cost("google", "gemini-2.5-pro", usage(200_000, 10), AT)
    long = cost("google", "models/gemini-2.5-pro", usage(200_001, 10), AT)

    assert (short.prices["input"], long.prices["input"]) == ("1.25", "2.5")
    assert (short.prices["output"], long.prices["output"]) == ("10", "15")


def test_the_price_is_that_of_the_time_of_the_call():
    before = cost("mistral", "mistral-small-latest", usage(), datetime(2026, 3, 15, tzinfo=UTC))
    after = cost("mistral", "mistral-small-latest", usage(), datetime(2026, 3, 16, tzinfo=UTC))

    assert (before.prices["input"], after.prices["input"]) == ("0.1", "0.15")


@pytest.mark.parametrize("provider", sorted(FREE))
def test_a_local_model_costs_nothing(provider):
    found = cost(provider, "qwen3", usage(), AT)

    assert found.amount == 0
    assert (found.prices["input"], found.prices["output"]) == ("0", "0")
    assert [line["count"] for line in found.prices["lines"]] == [1204, 278]


def test_a_model_that_is_called_free_costs_nothing_and_one_without_a_price_is_unknown():
    assert cost("openrouter", "deepseek/deepseek-r1:free", usage(), AT).amount == 0
    assert cost("cerebras", "qwen-3-coder-480b", usage(), AT) is None


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "no-such-model"),
        ("openai", ""),
        ("openai", "gpt-4o-mini" + "x" * 300),
        ("azure", "my-deployment"),
        ("openai_compatible", "gpt-4o-mini"),
        ("ollama_cloud", "gpt-oss:120b"),
        ("huggingface", "deepseek-ai/DeepSeek-R1"),
        ("no-such-provider", "gpt-4o-mini"),
        ("", "gpt-4o-mini"),
    ],
)
def test_an_unknown_price_is_none_and_not_zero(provider, model):
    assert cost(provider, model, usage(), AT) is None
    assert estimate(provider, model, 1000) is None


@pytest.mark.parametrize("provider", ["openai", "ollama"])
@pytest.mark.parametrize(
    "unknown",
    [Usage(), Usage(input=1), Usage(output=1), usage(-1), usage(1, -1), usage(cached=-1), usage(reasoning=-1)],
)
def test_unknown_or_impossible_usage_has_no_cost(provider, unknown):
    assert cost(provider, "gpt-4o-mini", unknown, AT) is None


def test_output_without_a_price_is_unknown_but_an_embedding_has_none():
    assert cost("openai", "text-embedding-3-small", usage(1000, 0), AT).amount == Decimal("0.00002")
    assert cost("openai", "text-embedding-3-small", usage(1000, 1), AT) is None


def test_an_estimate_is_the_cost_of_that_many_tokens():
    assert estimate("groq", "llama-3.3-70b-versatile", 1204, 278, at=AT) == Decimal("0.00092998")
    assert estimate("groq", "llama-3.3-70b-versatile", 1000) == Decimal("0.00059")
    assert estimate("demo", "anything", 1000) == 0


@given(
    TOKENS,
    TOKENS,
    TOKENS | st.none(),
    TOKENS | st.none(),
    TOKENS | st.none(),
    st.sampled_from(["gpt-5.6", "gpt-4o-mini"]),
)
def test_costs_are_never_negative_and_the_lines_add_up(input, output, cached, cache_write, reasoning, model):
    found = cost("openai", model, Usage(input, output, cached, cache_write, reasoning), AT)

    assert found.amount >= 0
    assert sum(Decimal(line["cost"]) for line in found.prices["lines"]) == found.amount
    for line in found.prices["lines"]:
        assert line["count"] >= 0
        assert Decimal(line["cost"]) * line["per"] == line["count"] * Decimal(line["price"])
    assert json.loads(json.dumps(found.prices)) == found.prices


def every_model():
    providers = {one.id: one for one in get_snapshot().providers}
    for kind, name in PRICED.items():
        for model in providers[name].models:
            yield kind, providers[name], model


def test_every_price_list_of_ours_exists():
    assert set(PRICED.values()) <= {one.id for one in get_snapshot().providers}


def test_every_model_costs_what_the_price_list_itself_computes():
    compared = 0
    for kind, seller, model in every_model():
        for at in (AT, AT + timedelta(days=400)):
            found = cost(kind, model.id, usage(300_000, 5000, cached=1000), at)
            if found is None or found.prices["model"] != model.id:
                continue
            tokens = ListUsage(input_tokens=300_000, output_tokens=5000, cache_read_tokens=1000)
            expected = model.calc_price(tokens, seller, genai_request_timestamp=at)
            assert found.amount == expected.total_price, model.id
            compared += 1
    assert compared > 1000


def test_the_price_list_is_not_loaded_before_it_is_needed_and_a_local_call_never_loads_it():
    program = (
        "import sys; from datetime import datetime, UTC\n"
        "from aiapp.usage.pricing import cost; from aiapp.providers.types import Usage\n"
        "cost('ollama', 'qwen3', Usage(1, 1), datetime.now(UTC)); cost('nobody', 'x', Usage(1, 1), datetime.now(UTC))\n"
        "assert 'genai_prices' not in sys.modules\n"
        "cost('openai', 'gpt-4o-mini', Usage(1, 1), datetime.now(UTC))\n"
        "assert 'genai_prices' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_names_that_were_asked_for_are_not_kept_for_ever():
    assert pricing._find.cache_info().maxsize == 1024
    cost("openai", "a-name-nobody-uses", usage(), AT)
    assert not any("a-name-nobody-uses" in str(key) for key in get_snapshot()._provider_cache)
