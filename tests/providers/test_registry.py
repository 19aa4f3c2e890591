"""The one list of providers: complete, consistent, and the only place that knows their names."""

import ast
from pathlib import Path

import pytest

from aiapp.providers import registry
from aiapp.providers.registry import PROVIDERS, UnknownProvider, provider
from aiapp.providers.types import Message, Request, Target

# CONTRACT.md's list.
KINDS = {
    *(
        "openai",
        "azure",
        "anthropic",
        "google",
        "xai",
        "mistral",
        "cohere",
        "groq",
        "openrouter",
        "deepseek",
        "together",
    ),
    *(
        "perplexity",
        "cerebras",
        "huggingface",
        "zai",
        "ollama",
        "ollama_cloud",
        "lmstudio",
        "openai_compatible",
        "demo",
    ),
}
ENTRIES = {"makers.py", "hosts.py", "own_servers.py"}
KEY = "k-0123"


def target(entry, **settings):
    return Target(entry.kind, entry.base_url or "https://h", entry.default_model or "m", api_key=KEY, settings=settings)


def test_the_providers_of_the_contract_are_here():
    assert set(PROVIDERS) == KINDS
    assert all(entry.kind == kind for kind, entry in PROVIDERS.items())


@pytest.mark.parametrize(
    ("kind", "url", "own"),
    [
        ("openai", "https://api.openai.com/v1", True),
        ("openai", "https://eu.api.openai.com/v1", True),
        ("openai", "https://api.openai.com.evil.example/v1", False),
        ("openai", "https://evilapi.openai.com/v1", False),
        ("openai", "https://gateway.example/v1", False),
        ("zai", "https://api.z.ai/api/coding/paas/v4", True),
        ("azure", "https://acme.openai.azure.com", True),
        ("azure", "https://acme.azure-api.net", False),
        ("azure", "https://acme.westeurope.cloudapp.azure.com", False),
        ("openai_compatible", "https://models.example.com/v1", False),
    ],
)
def test_an_address_is_the_providers_own_or_anybodys(kind, url, own):
    assert PROVIDERS[kind].is_at(url) is own


def test_an_unknown_kind_is_named():
    with pytest.raises(UnknownProvider, match="nope") as caught:
        provider("nope")
    assert caught.value.kind == "nope"
    assert isinstance(caught.value, LookupError)


@pytest.mark.parametrize("entry", PROVIDERS.values(), ids=PROVIDERS)
def test_an_entry_has_what_the_pages_show(entry):
    assert entry.label
    assert entry.tagline
    assert [other.kind for other in PROVIDERS.values() if other.monogram == entry.monogram] == [entry.kind]
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
        assert bool(entry.default_model) is bool(entry.base_url)
        assert (entry.base_url or entry.base_url_example).startswith("https://")
    assert entry.base_url or entry.base_url_example


def test_base_urls_are_what_the_providers_own_sdk_takes():
    bare = {"anthropic", "google", "cohere", "perplexity", "ollama", "ollama_cloud"}
    for kind in KINDS - {"demo", "openai_compatible", "azure", "zai"}:
        assert PROVIDERS[kind].base_url.endswith("/v1") is (kind not in bare)


def test_capabilities_and_auth_follow_from_the_quirks():
    assert "json_schema" in provider("openai").capabilities
    assert "json_schema" not in provider("groq").capabilities
    assert "json_schema" in provider("anthropic").capabilities
    assert provider("anthropic").auth == "x-api-key"
    assert provider("google").auth == "x-goog-api-key"
    assert provider("demo").auth == "none"


def test_a_credential_chooses_among_the_dialects_that_its_provider_offers():
    openai = provider("openai")
    assert openai.apis == ("chat", "responses")
    assert openai.dialect_for({}) is openai.dialect_for({"api": "chat"})
    assert openai.dialect_for({"api": "responses"}).quirks is openai.quirks
    assert openai.dialect_for({"api": "responses"}) is not openai.dialect_for({})
    for settings in ({"api": "gemini"}, {"api": None}, {"api": ["chat"]}):
        assert openai.dialect_for(settings) is openai.dialect_for({})
    assert provider("anthropic").dialect_for({"api": "responses"}) is provider("anthropic").dialect_for({})


@pytest.mark.parametrize(
    ("kind", "api", "url"),
    [
        ("openai", None, "https://api.openai.com/v1/chat/completions"),
        ("openai", "responses", "https://api.openai.com/v1/responses"),
        ("google", "chat", "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions"),
        ("cohere", None, "https://api.cohere.com/v2/chat"),
        ("perplexity", None, "https://api.perplexity.ai/chat/completions"),
        ("perplexity", "responses", "https://api.perplexity.ai/v1/responses"),
        ("zai", None, "https://api.z.ai/api/paas/v4/chat/completions"),
        ("huggingface", None, "https://router.huggingface.co/v1/chat/completions"),
        ("ollama", None, "http://localhost:11434/api/chat"),
        ("ollama", "responses", "http://localhost:11434/v1/responses"),
        ("ollama_cloud", None, "https://ollama.com/v1/chat/completions"),
        ("ollama_cloud", "ollama", "https://ollama.com/api/chat"),
    ],
)
def test_each_dialect_is_spoken_where_the_provider_listens(kind, api, url):
    entry = provider(kind)
    settings = {"api": api} if api else {}
    asked = target(entry, **settings)
    assert entry.dialect_for(settings).build(Request((Message("user", "Hi"),)), asked).url == url


def test_perplexity_lists_its_models_elsewhere():
    entry = provider("perplexity")
    for api in entry.apis:
        request = entry.dialect_for({"api": api}).models_request(target(entry, api=api))
        assert request.url == "https://api.perplexity.ai/v1/models"


@pytest.mark.parametrize(
    ("kind", "header"),
    [
        ("openai", ("authorization", f"Bearer {KEY}")),
        ("azure", ("api-key", KEY)),
        ("anthropic", ("x-api-key", KEY)),
        ("google", ("x-goog-api-key", KEY)),
        ("cohere", ("authorization", f"Bearer {KEY}")),
    ],
)
def test_the_key_is_sent_in_the_providers_header_and_no_other(kind, header):
    entry = provider(kind)
    for request in (
        entry.dialect_for({}).build(Request((Message("user", "Hi"),)), target(entry)),
        entry.dialect_for({}).models_request(target(entry)),
    ):
        assert header in request.headers.items()
        assert [value for value in request.headers.values() if KEY in value] == [header[1]]
        assert KEY not in request.url
        assert KEY.encode() not in request.body


def test_every_dialect_builds_for_every_entry():
    for entry in PROVIDERS.values():
        for dialect in entry.dialects.values():
            assert dialect.build(Request((Message("user", "Hi"),)), target(entry)).body
            assert dialect.models_request(target(entry)).method == "GET"


def test_no_dialect_compares_a_providers_name():
    folder = Path(registry.__file__).parent
    for path in folder.glob("*.py"):
        if path.name in ENTRIES:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                names = {
                    leaf.value
                    for leaf in ast.walk(node)
                    if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str)
                }
                assert not names & (KINDS - {"demo"}), f"{path.name}:{node.lineno}"
                attributes = {leaf.attr for leaf in ast.walk(node) if isinstance(leaf, ast.Attribute)}
                assert "provider" not in attributes, f"{path.name}:{node.lineno}"
