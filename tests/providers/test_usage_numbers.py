"""Token counts of every provider in CONTRACT.md's words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiapp.providers.types import Usage
from aiapp.providers.usage_numbers import (
    anthropic_usage,
    cohere_usage,
    gemini_usage,
    ollama_usage,
    openai_usage,
    responses_usage,
)


def chat(prompt, completion, total=None, cached=None, reasoning=None, **more):
    reported = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total, **more}
    if cached is not None:
        reported["prompt_tokens_details"] = {"cached_tokens": cached}
    if reasoning is not None:
        reported["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    return reported


@pytest.mark.parametrize(
    ("reported", "rule", "expected"),
    [
        (chat(10, 74, 84, 4, 64), "inside", Usage(10, 74, 4, None, 64)),
        # xAI: reasoning stands beside the completion tokens, and the total proves it
        (chat(12, 1, 241, 2, 228), "outside", Usage(12, 229, 2, None, 228)),
        (chat(12, 229, 241, 2, 228), "outside", Usage(12, 229, 2, None, 228)),
        (chat(12, 1, None, 2, 228), "outside", Usage(12, 229, 2, None, 228)),
        # a server of unknown habits: the total decides, hidden reasoning included
        (chat(66, 6, 100), "inside", Usage(66, 34)),
        (chat(12, 1, 241, None, 228), "inside", Usage(12, 229, None, None, 228)),
        (chat(12, 229, 241, None, 228), "inside", Usage(12, 229, None, None, 228)),
        (chat(12, 20, None, None, 8), "inside", Usage(12, 20, None, None, 8)),
        # a total below its parts proves nothing
        (chat(12, 20, 5), "inside", Usage(12, 20)),
        # more reasoning than completion tokens cannot be part of them
        (chat(12, 1, None, None, 228), "inside", Usage(12, 229, None, None, 228)),
        # an Azure model: more cached than read
        (chat(7, 1, 8, 163, 0), "inside", Usage(7, 1, 7, None, 0)),
        # DeepSeek's older name, OpenRouter's cache writes and its meaningless 0
        (chat(9, 1, 10, prompt_cache_hit_tokens=4), "inside", Usage(9, 1, 4)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 1,
                "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 5},
            },
            "inside",
            Usage(9, 1, 2, 5),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": {"cache_write_tokens": 0}},
            "inside",
            Usage(9, 1),
        ),
        ({}, "inside", Usage()),
        (chat("9", True, 10), "inside", Usage()),
        (chat(-1, 5.5, 10), "inside", Usage()),
        (chat(None, 5, 10), "inside", Usage(None, 5)),
        (
            {
                "prompt_tokens": 3,
                "completion_tokens": 2,
                "prompt_tokens_details": "no",
                "completion_tokens_details": [],
            },
            "inside",
            Usage(3, 2),
        ),
    ],
)
def test_chat_completions(reported, rule, expected):
    assert openai_usage(reported, rule) == expected


def test_anthropic_adds_what_the_cache_read_and_wrote_to_its_input():
    reported = {
        "input_tokens": 5,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 20,
        "output_tokens": 7,
    }
    assert anthropic_usage(reported) == Usage(125, 7, 100, 20)
    assert anthropic_usage({"input_tokens": 5, "output_tokens": 7}) == Usage(5, 7)
    assert anthropic_usage({"cache_read_input_tokens": 100}) == Usage(None, None, 100)
    assert anthropic_usage({"input_tokens": "5"}) == Usage()


def test_ollama_counts_are_unknown_where_they_are_left_out():
    assert ollama_usage({"prompt_eval_count": 21, "eval_count": 369}) == Usage(21, 369)
    assert ollama_usage({"eval_count": 369}) == Usage(None, 369)
    assert ollama_usage({"prompt_eval_count": 21, "eval_count": 369}).total == 390
    assert ollama_usage({}).total is None


def test_responses_count_as_chat_completions_do():
    reported = {"input_tokens": 9, "output_tokens": 7, "total_tokens": 16}
    details = {
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
        "output_tokens_details": {"reasoning_tokens": 5},
    }
    assert responses_usage({**reported, **details}) == Usage(9, 7, 4, 2, 5)
    assert responses_usage(
        {**reported, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0}}
    ) == Usage(9, 7, 0)
    assert responses_usage({**reported, "total_tokens": 20}) == Usage(9, 11)
    assert responses_usage({}) == Usage()


def test_gemini_keeps_thoughts_beside_the_answer_and_tools_beside_the_prompt():
    reported = {"promptTokenCount": 5, "candidatesTokenCount": 2, "thoughtsTokenCount": 3, "toolUsePromptTokenCount": 4}
    assert gemini_usage({**reported, "totalTokenCount": 14}) == Usage(9, 5, None, None, 3)
    assert gemini_usage(reported).total == 14
    assert gemini_usage({"promptTokenCount": 5, "totalTokenCount": 5}) == Usage(5)


def test_cohere_reports_what_the_model_read_not_what_is_billed():
    reported = {
        "billed_units": {"input_tokens": 4, "output_tokens": 2},
        "tokens": {"input_tokens": 70, "output_tokens": 3},
    }
    assert cohere_usage({**reported, "cached_tokens": 64}) == Usage(70, 3, 64)
    assert cohere_usage({"billed_units": reported["billed_units"]}) == Usage(4, 2)


numbers = st.none() | st.booleans() | st.integers(-5, 400) | st.floats() | st.text(max_size=3)


@given(numbers, numbers, numbers, numbers, numbers, st.sampled_from(["inside", "outside"]))
def test_parts_are_never_larger_than_their_whole_nor_negative(prompt, completion, total, cached, reasoning, rule):
    details = {"cached_tokens": cached, "cache_write_tokens": cached}
    usage = openai_usage(
        {
            **chat(prompt, completion, total),
            "prompt_tokens_details": details,
            "completion_tokens_details": {"reasoning_tokens": reasoning},
        },
        rule,
    )
    for number in (usage.input, usage.output, usage.cached, usage.cache_write, usage.reasoning):
        assert number is None or (type(number) is int and number >= 0)
    if usage.input is not None:
        assert (usage.cached or 0) + (usage.cache_write or 0) <= usage.input
    if usage.output is not None:
        assert (usage.reasoning or 0) <= usage.output
