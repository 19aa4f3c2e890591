"""Where requests go: under a base URL, behind a prefix, and as Azure arranges its paths."""

import pytest

from aiapp.providers.endpoints import azure, behind, endpoint
from aiapp.providers.registry import provider
from aiapp.providers.types import Message, Request, Target

CHAT, RESPONSES, MODELS = "/chat/completions", "/responses", "/models"
BARE = "https://res.openai.azure.com"


def test_a_path_lies_under_its_base_url_and_queries_are_kept():
    assert endpoint(" https://h/v1/ ", "/models") == "https://h/v1/models"
    assert endpoint("https://h/v1?a=1", "/models?b=2") == "https://h/v1/models?a=1&b=2"


def test_a_prefix_is_added_unless_it_was_typed():
    locate = behind("/v1")
    assert locate("http://h:11434/", CHAT, "m", "") == "http://h:11434/v1/chat/completions"
    assert locate("http://h:11434/v1", CHAT, "m", "") == "http://h:11434/v1/chat/completions"
    assert locate("http://h/proxy", CHAT, "m", "") == "http://h/proxy/v1/chat/completions"


@pytest.mark.parametrize(
    ("base_url", "path", "version", "url"),
    [
        (BARE, CHAT, "", f"{BARE}/openai/v1/chat/completions"),
        (BARE + "/openai/", RESPONSES, "", f"{BARE}/openai/v1/responses"),
        (BARE + "/openai/v1/", MODELS, "", f"{BARE}/openai/v1/models"),
        (BARE + "/openai/v1", CHAT, "preview", f"{BARE}/openai/v1/chat/completions?api-version=preview"),
        (BARE, CHAT, "2024-06-01", f"{BARE}/openai/deployments/my%20model/chat/completions?api-version=2024-06-01"),
        (BARE, RESPONSES, "2025-04-01-preview", f"{BARE}/openai/responses?api-version=2025-04-01-preview"),
        (BARE, MODELS, "2024-06-01", f"{BARE}/openai/models?api-version=2024-06-01"),
        (
            BARE + "/openai/deployments/other",
            CHAT,
            "",
            f"{BARE}/openai/deployments/other/chat/completions?api-version=2024-10-21",
        ),
        (BARE + "/openai/deployments/other", MODELS, "", f"{BARE}/openai/models?api-version=2024-10-21"),
        (
            "https://r.services.ai.azure.com/models",
            CHAT,
            "v",
            "https://r.services.ai.azure.com/models/chat/completions?api-version=v",
        ),
        ("https://proxy.example/azure", CHAT, "", "https://proxy.example/azure/chat/completions"),
    ],
)
def test_azures_paths(base_url, path, version, url):
    assert azure(base_url, path, "my model", version) == url


def test_a_credentials_setting_chooses_azures_paths():
    entry = provider("azure")
    asked = Target("azure", BARE, "gpt", api_key="k-0123456789", settings={"api_version": "2024-06-01"})
    request = entry.dialect_for({}).build(Request((Message("user", "Hi"),)), asked)
    assert request.url == f"{BARE}/openai/deployments/gpt/chat/completions?api-version=2024-06-01"
    listing = entry.dialect_for({}).models_request(asked)
    assert listing.url == f"{BARE}/openai/models?api-version=2024-06-01"
