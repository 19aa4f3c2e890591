"""What follows a failed call is decided purely: a table for the rules, and generated histories for what must always hold."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiapp.gateway import fallback
from aiapp.gateway.fallback import Failure, Rules
from aiapp.providers.types import ERROR_CLASSES, NEXT_CREDENTIAL, PERMANENT, RETRYABLE, ProviderError, Target

RULES = Rules(rounds=5, base=5.0, maximum=300.0)
FIRST = Target("openai", "https://one.example/v1", "gpt", credential_id="1" * 32, reason="Default credential")
SECOND = Target("anthropic", "https://two.example", "claude", credential_id="2" * 32, reason="Second")


def failure(target: Target, error_class: str, *, at: float = 1000.0, retry_after: float | None = None) -> Failure:
    return Failure(fallback.place_of(target), error_class, at, retry_after)


def verdict(*failures: Failure, targets=(FIRST,), round_number=0, now=1000.0, rules=RULES):
    return fallback.after_round(targets, failures, rules, round_number=round_number, now=now, rng=Random(round_number))


@pytest.mark.parametrize("error_class", sorted(RETRYABLE | NEXT_CREDENTIAL))
def test_what_another_credential_may_do_better_goes_on_to_it_at_once(error_class):
    step = fallback.after_failure(ProviderError(error_class, "no"), others=1)
    assert step.go_on
    assert step.reason.endswith("the next credential is tried.")


@pytest.mark.parametrize("error_class", sorted(PERMANENT))
def test_what_no_credential_can_do_better_ends_at_once(error_class):
    step = fallback.after_failure(ProviderError(error_class, "no"), others=3)
    assert not step.go_on
    assert step.reason
    assert verdict(failure(FIRST, error_class), targets=(FIRST, SECOND)).wait is None


def test_every_class_of_the_contract_has_its_words_or_a_plain_sentence():
    for error_class in ERROR_CLASSES:
        assert fallback.words(error_class)[0].isupper()


def test_the_end_of_the_chain_ends_the_round():
    step = fallback.after_failure(ProviderError("server", "no"), others=0)
    assert not step.go_on
    assert "no other credential is left in this round" in step.reason


def test_a_stream_that_broke_after_text_says_that_the_answer_starts_anew():
    step = fallback.after_failure(ProviderError("bad_response", "cut"), others=1, shown=120)
    assert step.go_on
    assert "after 120 characters; the next credential starts the answer anew" in step.reason


@pytest.mark.parametrize("error_class", sorted(RETRYABLE))
def test_retryable_failures_get_another_round(error_class):
    found = verdict(failure(FIRST, error_class))
    assert found.wait is not None
    assert "round 2 of 6" in found.reason


@pytest.mark.parametrize("error_class", sorted(NEXT_CREDENTIAL))
def test_a_refused_credential_alone_gets_no_other_round(error_class):
    found = verdict(failure(FIRST, error_class))
    assert found.wait is None
    assert "no credential is left" in found.reason


def test_a_round_goes_on_for_the_credential_that_may_recover_and_leaves_the_refused_one_out():
    failures = (failure(FIRST, "auth"), failure(SECOND, "server"))
    assert verdict(*failures, targets=(FIRST, SECOND)).wait is not None
    opened = fallback.open_round((FIRST, SECOND), failures, RULES, now=1010.0)
    assert opened.targets == (SECOND,)


def test_the_reason_of_a_refused_credential_does_not_promise_to_ask_it_again():
    found = verdict(failure(SECOND, "server"), failure(FIRST, "model_not_found"), targets=(SECOND, FIRST))
    assert found.reason.startswith("The model does not exist there, so it is not asked again; round 2 of 6 in ")
    assert found.reason.endswith(" s asks others.")


def test_the_reason_of_a_credential_that_asks_to_wait_says_that_the_others_come_first():
    failures = (failure(SECOND, "server"), failure(FIRST, "rate_limit", retry_after=60.0))
    found = verdict(*failures, targets=(SECOND, FIRST))
    assert found.wait < 60.0
    assert "asked to slow down, for 60 s; round 2 of 6 in " in found.reason
    assert found.reason.endswith(" s asks others meanwhile.")


@pytest.mark.parametrize(
    ("classes", "telling"),
    [
        (["model_not_found", "network"], 0),
        (["auth", "model_not_found", "model_not_found", "timeout"], 2),
        (["model_not_found", "content_filter"], None),
        (["model_not_found", "bad_response"], None),
        (["network", "server"], None),
        ([], None),
    ],
)
def test_an_unknown_model_is_the_cause_where_no_call_proved_the_contrary(classes, telling):
    errors = [ProviderError(error_class, "no") for error_class in classes]
    expected = None if telling is None else errors[telling]
    assert fallback.telling_of_model(errors) is expected


def test_after_the_last_round_it_is_given_up():
    found = verdict(failure(FIRST, "server"), round_number=5)
    assert found.wait is None
    assert found.reason == "The provider had an error; given up after 6 rounds."


def test_without_retries_the_first_round_is_the_last():
    found = verdict(failure(FIRST, "server"), rules=Rules(rounds=0))
    assert found.wait is None
    assert found.reason.endswith("given up after 1 round.")


def test_no_round_begins_before_the_providers_own_delay():
    found = verdict(failure(FIRST, "rate_limit", at=1000.0, retry_after=42.0), now=1002.0)
    assert found.wait is not None
    assert found.wait >= 40.0


def test_a_credential_that_asks_to_wait_is_left_out_until_then_and_the_other_is_asked():
    failures = (failure(FIRST, "rate_limit", retry_after=60.0), failure(SECOND, "server"))
    opened = fallback.open_round((FIRST, SECOND), failures, RULES, now=1010.0)
    assert opened.targets == (SECOND,)
    assert fallback.open_round((FIRST, SECOND), failures, RULES, now=1060.0).targets == (FIRST, SECOND)


def test_a_round_with_nobody_to_ask_yet_says_how_long_to_wait():
    failures = (failure(FIRST, "rate_limit", retry_after=60.0),)
    opened = fallback.open_round((FIRST,), failures, RULES, now=1010.0)
    assert opened.targets == ()
    assert opened.wait == pytest.approx(50.0)


def test_a_delay_of_a_day_means_to_give_that_credential_up():
    failures = (failure(FIRST, "rate_limit", retry_after=86_400.0),)
    found = verdict(*failures)
    assert found.wait is None
    assert "too long to wait" in found.reason
    assert fallback.open_round((FIRST, SECOND), failures, RULES, now=1000.0).targets == (SECOND,)


def test_a_clock_that_ran_ahead_makes_nobody_wait_longer_than_was_asked():
    failures = (failure(FIRST, "rate_limit", at=9000.0, retry_after=30.0),)
    assert fallback.open_round((FIRST,), failures, RULES, now=1000.0).wait == 30.0


def test_another_model_of_the_same_credential_is_another_place():
    failures = (failure(FIRST, "model_not_found"),)
    other = Target("openai", "https://one.example/v1", "gpt-2", credential_id="1" * 32)
    assert fallback.open_round((other,), failures, RULES, now=1000.0).targets == (other,)


def test_backoff_doubles_its_ceiling_and_is_fully_jittered():
    rng = Random(1)
    for number, ceiling in enumerate((5, 10, 20, 40, 80, 160, 300, 300)):
        drawn = [fallback.backoff(number, 5.0, 300.0, rng=rng) for _ in range(400)]
        assert all(wait is not None and 0 <= wait <= ceiling for wait in drawn)
        assert min(drawn) < ceiling * 0.1
        assert max(drawn) > ceiling * 0.9


def test_backoff_is_no_shorter_than_the_providers_delay_and_none_where_that_is_too_long():
    assert fallback.backoff(0, 5.0, 300.0, 250.0, rng=Random(1)) >= 250.0
    assert fallback.backoff(0, 5.0, 300.0, 301.0, rng=Random(1)) is None


@given(st.integers(0, 10_000), st.floats(0, 3600), st.floats(0, 86_400), st.none() | st.floats(0, 10**9))
def test_backoff_always_stays_within_its_bounds(number, base, maximum, retry_after):
    wait = fallback.backoff(number, base, maximum, retry_after, rng=Random(2))
    if retry_after is not None and retry_after > maximum:
        assert wait is None
    else:
        assert wait is not None
        assert (retry_after or 0.0) <= wait <= max(maximum, retry_after or 0.0)


TARGETS = tuple(Target("openai", "https://x.example/v1", "m", credential_id=str(number) * 32) for number in range(1, 4))
ANSWERS = st.tuples(st.sampled_from([None, *sorted(ERROR_CLASSES)]), st.none() | st.floats(0, 600))


@settings(max_examples=150)
@given(st.lists(ANSWERS, min_size=60, max_size=60), st.integers(1, 3), st.integers(0, 5), st.randoms())
def test_whatever_providers_answer_an_execution_ends_and_asks_nobody_too_early_or_in_vain(script, count, rounds, rng):
    """The engine's loop over these decisions, with a clock that jumps: every history ends within its rounds."""
    targets, rules, now = TARGETS[:count], Rules(rounds=rounds), 0.0
    answers = iter(script)
    failures: list[Failure] = []
    calls: list[tuple[str, float]] = []
    number = 0
    while True:
        opened = fallback.open_round(targets, failures, rules, now)
        if opened.wait is not None:
            now += opened.wait
            continue
        assert opened.targets
        error = None
        for position, target in enumerate(opened.targets):
            calls.append((target.credential_id, now))
            error_class, retry_after = next(answers, (None, None))
            if error_class is None:
                return
            error = ProviderError(error_class, "no", retry_after=retry_after)
            now += 1.0
            failures.append(Failure(fallback.place_of(target), error_class, now, retry_after))
            if not fallback.after_failure(error, others=len(opened.targets) - position - 1).go_on:
                break
        found = fallback.after_round(targets, failures, rules, round_number=number, now=now, rng=rng)
        if found.wait is None:
            break
        assert 0 <= found.wait <= rules.maximum
        number += 1
        now += found.wait
    assert number <= rounds
    assert len(calls) == len(failures) <= (rounds + 1) * count
    for one in targets:
        mine = [failure for failure in failures if failure.place == fallback.place_of(one)]
        given_up = [position for position, item in enumerate(mine) if fallback.gave_up(item, rules.maximum)]
        assert given_up in ([], [len(mine) - 1])
        asked = [at for credential_id, at in calls if credential_id == one.credential_id]
        for item, again in zip(mine, asked[1:], strict=False):
            assert again >= item.ended_at + (item.retry_after or 0.0) - 1e-6
