"""How a credential's settings choose the way to speak to its provider; where one without an address is asked for it."""

import pytest

from aiapp.credentials.fields import checked
from aiapp.errors import InvalidInput


@pytest.mark.parametrize(
    "settings",
    [
        {"api": "chat"},
        {"api": "responses", "stream": False},
        {"api": "ollama"},
        {"api_version": "2024-10-21"},
        {"api_version": "2025-04-01-preview"},
    ],
)
def test_the_dialect_and_its_version_may_be_chosen(settings):
    assert checked({"settings": settings})["settings"] == settings


@pytest.mark.parametrize(
    "settings",
    [{"api": "graphql"}, {"api": ["chat"]}, {"api_version": "1&key=x"}, {"api_version": ""}, {"api_version": 5}],
)
def test_anything_else_is_refused(settings):
    with pytest.raises(InvalidInput):
        checked({"settings": settings})


def test_azures_form_asks_for_the_address_at_once(team, sign_in):
    page = sign_in("adam").get("/w/acme/credentials/new/azure").text
    assert 'placeholder="https://your-resource.openai.azure.com"' in page
    before, _, _ = page.partition("Advanced")
    assert 'name="base_url"' in before
