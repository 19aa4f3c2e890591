"""Which credentials answer, in which order, with which model, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aiapp.credentials import actions, selection
from aiapp.credentials.selection import targets_for
from aiapp.extensions import db
from aiapp.providers.types import ProviderError

KEY = "sk-canary-4f9a8b7c6d5e4f3a2b1c9x7Z"

# name, provider, preferred model
ROWS = [
    ("a", "openai", None),
    ("b", "anthropic", "claude-opus-5-5"),
    ("c", "openai", "gpt-6.1-sol"),
    ("d", "openai_compatible", "llama-local"),
    ("e", "demo", None),
]


@pytest.fixture
def rows(adam, server):
    made = {}
    for name, provider, model in ROWS:
        values = {"provider": provider, "name": name, "preferred_model": model, "base_url": "", "api_key": KEY}
        if provider != "demo":
            values["base_url"] = server.url
        made[name] = actions.create(adam, values)
    actions.set_default(adam, made["c"].id)
    return made


def chain(access, **asked):
    return [(target.credential_name, target.model) for target in targets_for(access.workspace.id, **asked)]


OWN = {"a": "gpt-6-luna", "b": "claude-opus-5-5", "c": "gpt-6.1-sol", "d": "llama-local", "e": "demo-good"}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, "c a b d e"),
        ({"provider": "openai"}, "c a"),
        ({"provider": "anthropic"}, "b"),
        ({"credential": "d"}, "d"),
        ({"credential": "a", "provider": "openai"}, "a"),
        ({"provider": "openai", "model": "gpt-7"}, "c=gpt-7 a=gpt-7"),
        ({"credential": "e", "model": "demo-slow"}, "e=demo-slow"),
        # known to OpenAI: both of its credentials are asked for it, the others answer with their own
        ({"model": "gpt-6-luna"}, "c=gpt-6-luna a=gpt-6-luna b d e"),
        # known to Anthropic: its credential comes first, and nobody else is sent that name
        ({"model": "claude-haiku-5-5"}, "b=claude-haiku-5-5 c a d e"),
        # known because a credential prefers it
        ({"model": "llama-local"}, "d=llama-local c a b e"),
        # known to nobody: the order stays, and nobody answers with another model
        ({"model": "mystery-1"}, "c=mystery-1 a=mystery-1 b=mystery-1 d=mystery-1 e=mystery-1"),
    ],
)
def test_the_chain(adam, rows, asked, expected):
    if "credential" in asked:
        asked = {**asked, "credential_id": rows[asked["credential"]].id}
        del asked["credential"]
    pairs = [one.partition("=") for one in expected.split()]
    assert chain(adam, **asked) == [(name, model or OWN[name]) for name, _, model in pairs]


def test_a_target_has_what_the_credential_says(adam, openai):
    settings = {"stream": False, "extra": {"seed": 1}}
    more = {"temperature": 0.5, "max_tokens": 9, "system_prompt": "Be brief.", "settings": settings}
    credential = actions.create(adam, {**openai, **more})
    (target,) = targets_for(adam.workspace.id)
    assert (target.provider, target.base_url, target.api_key) == ("openai", openai["base_url"], openai["api_key"])
    assert (target.workspace_id, target.credential_id, target.credential_name) == (
        *(adam.workspace.id, credential.id, "team-key"),
    )
    assert (target.temperature, target.max_tokens, target.system_prompt) == (0.5, 9, "Be brief.")
    assert target.settings == settings
    assert openai["api_key"] not in repr(target)


def test_every_target_says_why_it_stands_where_it_stands(adam, rows):
    assert [target.reason for target in targets_for(adam.workspace.id)] == [
        "Default credential",
        "Second in the fallback order",
        "Third in the fallback order",
        "Fourth in the fallback order",
        "Fifth in the fallback order",
    ]
    assert targets_for(adam.workspace.id, credential_id=rows["d"].id)[0].reason == "Chosen for this execution"
    assert [target.reason for target in targets_for(adam.workspace.id, model="claude-haiku-5-5")][:2] == [
        "Third in the fallback order",
        "Default credential; with its own model, because claude-haiku-5-5 belongs to another provider",
    ]


def test_a_model_that_nobody_has_is_swapped_for_no_other_and_the_reason_says_so(adam, rows):
    targets = targets_for(adam.workspace.id, model="no-such-model-xyz")
    assert {target.model for target in targets} == {"no-such-model-xyz"}
    assert targets[0].reason == "Default credential; no credential here is known to have no-such-model-xyz"
    assert not any("belongs to another provider" in target.reason for target in targets)


def test_a_model_that_nobody_has_is_not_asked_of_a_credential_that_does_not_allow_it(adam, rows):
    rows["c"].allowed_models = ["gpt-6-luna"]
    db.session.commit()
    assert [name for name, _ in chain(adam, model="mystery-1")] == ["a", "b", "d", "e"]


def test_a_model_that_a_credential_has_listed_is_known(adam, rows):
    rows["d"].models = ["brand-new-1"]
    db.session.commit()
    assert chain(adam, model="brand-new-1")[:2] == [("d", "brand-new-1"), ("c", "gpt-6.1-sol")]


def test_inactive_credentials_are_left_out_and_keep_their_place(adam, rows):
    actions.set_active(adam, rows["a"].id, False)
    actions.set_active(adam, rows["c"].id, False)
    targets = targets_for(adam.workspace.id)
    assert [target.credential_name for target in targets] == ["b", "d", "e"]
    assert targets[0].reason == "Third in the fallback order"


def refusal(access, **asked):
    with pytest.raises(ProviderError) as caught:
        targets_for(access.workspace.id, **asked)
    assert caught.value.error_class == "no_credential"
    return caught.value.message


def test_without_a_credential_the_refusal_says_what_to_do(adam, charlie, rows):
    assert "no active credential" in refusal(charlie)
    assert "no active credential for xAI" in refusal(adam, provider="xai")
    assert "nobody" in refusal(adam, provider="nobody")
    assert "does not exist" in refusal(adam, credential_id="0" * 32)
    assert "not one of the chosen provider" in refusal(adam, credential_id=rows["a"].id, provider="demo")
    actions.set_active(adam, rows["a"].id, False)
    assert "a, is switched off" in refusal(adam, credential_id=rows["a"].id)


def test_a_credential_of_another_workspace_is_as_unknown_as_any(adam, charlie, rows):
    assert refusal(charlie, credential_id=rows["a"].id) == refusal(charlie, credential_id="f" * 32)


def test_a_credential_without_any_model_is_skipped_until_one_is_asked_for(adam, server):
    actions.create(adam, {"provider": "openai_compatible", "name": "bare", "base_url": server.url})
    assert "bare has no model" in refusal(adam)
    assert chain(adam, model="llama") == [("bare", "llama")]
    actions.create(adam, {"provider": "demo", "name": "demo"})
    assert chain(adam) == [("demo", "demo-good")]


def test_a_key_that_cannot_be_read_is_skipped_and_shown_as_down(stage, adam, rows):
    rows["c"].api_key = rows["a"].api_key  # as if somebody had copied it over in the database
    db.session.commit()
    assert [name for name, _ in chain(adam)] == ["a", "b", "d", "e"]
    assert selection.health_of(adam.workspace, rows["c"]) == ("down", "unreadable")
    assert selection.health_of(adam.workspace, rows["a"]) == ("unknown", None)
    assert "The key of c cannot be read" in refusal(adam, credential_id=rows["c"].id)
    stage.extensions["aiapp.settings"] = replace(stage.extensions["aiapp.settings"], master_keys=(b"z" * 32,))
    assert "The key of a cannot be read" in refusal(adam)


def test_a_row_of_a_provider_that_this_version_does_not_know_is_skipped(adam, rows):
    rows["c"].provider = "from-the-future"
    db.session.commit()
    assert [name for name, _ in chain(adam)] == ["a", "b", "d", "e"]


def test_the_twelfth_place_has_words_too(adam):
    for number in range(12):
        actions.create(adam, {"provider": "demo", "name": f"n{number:02}"})
    reasons = [target.reason for target in targets_for(adam.workspace.id)]
    assert reasons[9:] == ["Tenth in the fallback order", *(f"Number {n} in the fallback order" for n in (11, 12))]
