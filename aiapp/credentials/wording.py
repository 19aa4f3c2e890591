"""PURE: our own guides and hints as HTML: what is typed on a machine looks like it, a provider's pages are links."""

from __future__ import annotations

import re

from markupsafe import Markup

from aiapp.providers.registry import PROVIDERS

_TYPED = re.compile(
    r"https?://[^\s,()]*[^\s,().:;]"
    r"|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?:=[^\s,()]*[^\s,().:;])?"  # a variable of the environment
    r"|(?<!\S)--[a-z][a-z-]+(?:=[^\s,()]*[^\s,().:;])?"
    r"|host\.docker\.internal(?::[0-9]+)?"
    r"|(?<![\w/])/v1\b"
    r"|ollama pull [^\s,()]*[^\s,().:;]|lms server start"
    r"|\b(?:sk|xai|gsk)[-_](?:[a-z]+-)?(?![A-Za-z0-9])"  # how a key begins
    r"|\bdemo-[a-z-]+"
)
# Hints hold words of strangers (a model's name, an address), which must not become links to anywhere.
_PAGES = frozenset(
    url for one in PROVIDERS.values() for url in (one.key_url, one.billing_url, one.docs_url) if url is not None
)


def marked(text: str) -> Markup:
    """Return `text` escaped, with `<code>` around what is typed and links to the pages of providers that we know."""
    parts, end = [], 0
    for found in _TYPED.finditer(text):
        parts.append(Markup("{}{}").format(text[end : found.start()], _one(found[0])))
        end = found.end()
    return Markup("").join([*parts, text[end:]])


def _one(typed: str) -> Markup:
    if typed in _PAGES:
        return Markup('<a class="link" href="{0}" rel="noreferrer" target="_blank">{0}</a>').format(typed)
    return Markup("<code>{}</code>").format(typed)
