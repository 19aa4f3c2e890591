"""The one list of providers: complete, consistent, and the only place that knows their names."""

import ast
from pathlib import Path

import pytest

from aiapp.providers import registry
from aiapp.providers.registry import PROVIDERS, UnknownProvider, provider
from aiapp.providers.types import Message, Request, Target

NOW = {
    "openai",
    "groq",
    "openrouter",
    "xai",
    "mistral",
    "deepseek",
    "lmstudio",
    "openai_compatible",
    "anthropic",
    "ollama",
    "demo",
}


def test_the_providers_of_the_contract_are_here():
    assert set(PROVIDERS) == NOW
    assert all(entry.kind == kind for kind, entry in PROVIDERS.items())


def test_an_unknown_kind_is_named():
    with pytest.raises(UnknownProvider, match="nope") as caught:
        provider("nope")
    assert caught.value.kind == "nope"
    assert isinstance(caught.value, LookupError)


@pytest.mark.parametrize("entry", PROVIDERS.values(), ids=PROVIDERS)
def test_an_entry_has_what_the_pages_show(entry):
    assert entry.label
    assert entry.tagline
    assert len(entry.monogram) == 2
    assert entry.monogram.isupper()
    assert 2 <= len(entry.guide) <= 6
    assert all(step == step.strip() and "<" not in step for step in entry.guide)
    assert entry.default_model in (*entry.models, "")
    assert "completion" in entry.capabilities
    for url in (entry.docs_url, entry.key_url, entry.billing_url):
        assert not url or url.startswith("https://")
    if entry.place == "cloud":
        assert entry.needs_key
        assert entry.key_url
        assert entry.default_model
        assert entry.base_url.startswith("https://")


def test_base_urls_are_what_the_providers_own_sdk_takes():
    bare = {"anthropic", "ollama"}
    for kind in NOW - {"demo", "openai_compatible"}:
        assert PROVIDERS[kind].base_url.endswith("/v1") is (kind not in bare)


def test_capabilities_and_auth_follow_from_the_quirks():
    assert "json_schema" in provider("openai").capabilities
    assert "json_schema" not in provider("groq").capabilities
    assert "json" not in provider("anthropic").capabilities
    assert provider("anthropic").auth == "x-api-key"
    assert provider("demo").auth == "none"


def test_every_dialect_builds_for_every_entry():
    for kind, entry in PROVIDERS.items():
        target = Target(kind, entry.base_url or "http://gpu-1:8000/v1", entry.default_model or "m", api_key="k-0123")
        assert entry.dialect.build(Request((Message("user", "Hi"),)), target).body
        assert entry.dialect.models_request(target).method == "GET"


def test_no_dialect_compares_a_providers_name():
    folder = Path(registry.__file__).parent
    for path in folder.glob("*.py"):
        if path.name == "registry.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                names = {
                    leaf.value
                    for leaf in ast.walk(node)
                    if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str)
                }
                assert not names & (NOW - {"demo"}), f"{path.name}:{node.lineno}"
                attributes = {leaf.attr for leaf in ast.walk(node) if isinstance(leaf, ast.Attribute)}
                assert "provider" not in attributes, f"{path.name}:{node.lineno}"
