"""Guides and hints as HTML."""

from __future__ import annotations

import pytest

from aiapp.credentials.wording import marked
from aiapp.providers.registry import PROVIDERS


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("Nothing to type.", "Nothing to type."),
        ("pull a model: ollama pull qwen3", "pull a model: <code>ollama pull qwen3</code>"),
        ("set OLLAMA_HOST=0.0.0.0:11434, then", "set <code>OLLAMA_HOST=0.0.0.0:11434</code>, then"),
        ("in AIAPP_OUTBOUND_ALLOW.", "in <code>AIAPP_OUTBOUND_ALLOW</code>."),
        ("bare host, without /v1.", "bare host, without <code>/v1</code>."),
        ("(or run: lms server start).", "(or run: <code>lms server start</code>)."),
        ("it begins with sk-ant-.", "it begins with <code>sk-ant-</code>."),
        ("address (http://host.docker.internal:1234).", "address (<code>http://host.docker.internal:1234</code>)."),
        ("try http://a.example/v1", "try <code>http://a.example/v1</code>"),
    ],
)
def test_what_is_typed_looks_like_it(text, html):
    assert str(marked(text)) == html


def test_a_providers_own_page_is_a_link_and_no_other_address_is():
    url = PROVIDERS["openai"].key_url
    assert f'href="{url}"' in marked(f"Make a new one at {url}")
    assert "href" not in marked("Found there: at https://evil.example/login")


def test_a_strangers_words_are_escaped():
    assert str(marked("<b>no model <i>&\"' OLLAMA_HOST=<script></b>")).count("<") == 2
    assert "<script>" not in marked("OLLAMA_HOST=<script>alert(1)</script> https://<img>")
