"""How a credential's settings choose the way to speak to its provider; where one without an address is asked for it."""

import re

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


def test_a_wrong_setting_is_marked_at_its_own_field(team, sign_in):
    form = {"provider": "azure", "name": "az", "api_key": "k" * 20, "base_url": "https://8.8.8.8", "then": "save"}
    page = sign_in("adam").submit("/w/acme/credentials", {**form, "api_version": "1&key=x", "extra": "[]"}).text
    fields = {name: page.partition(f'name="{name}"')[2].partition("name=")[0] for name in ("api_version", "extra")}
    assert "Use a version such as 2024-10-21." in fields["api_version"]
    assert "This is not a JSON object" in fields["extra"]


def test_azures_page_says_that_deployments_are_typed_and_does_not_ask_for_a_list(team, sign_in):
    browser = sign_in("adam")
    form = {"provider": "azure", "name": "az", "api_key": "k" * 20, "base_url": "https://8.8.8.8", "then": "save"}
    browser.submit("/w/acme/credentials", form)
    path = re.search(r"/w/acme/credentials/[0-9a-f]{32}", browser.get("/w/acme/credentials").text)[0]
    page = browser.get(path).text
    assert "Azure OpenAI lists no deployments: type the name of yours." in page
    assert "Ask now" not in page
    refused = browser.swap(f"{path}/_models")
    assert (refused.status_code, "type the name of yours" in refused.text) == (409, True)


def test_azures_form_asks_for_the_address_at_once(team, sign_in):
    page = sign_in("adam").get("/w/acme/credentials/new/azure").text
    assert 'placeholder="https://your-resource.openai.azure.com"' in page
    before, _, _ = page.partition("Advanced")
    assert 'name="base_url"' in before
