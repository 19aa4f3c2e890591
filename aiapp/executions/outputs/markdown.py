"""Markdown that a model wrote, as HTML that may stand on a page: rendered without raw HTML, then sanitised, last."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from aiapp.providers.wire_json import storable

# Two seconds of work at worst, for text that is made to be slow; an answer of a model is rarely a tenth of it.
MAX_CHARACTERS = 100_000

_HEADINGS = frozenset({"h2", "h3", "h4", "h5", "h6"})
TAGS = _HEADINGS | {
    "p", "br", "hr", "blockquote", "pre", "code", "em", "strong", "s", "ul", "ol", "li", "a", "img",
    "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
ATTRIBUTES = {"a": {"href", "title"}, "img": {"src", "alt", "title"}, "ol": {"start"}, "code": {"class"}}
ALIGNED = {cell: {"align": {"left", "center", "right"}} for cell in ("th", "td")}

_LINK = re.compile(r"(?:https?://|mailto:)[^\s]+", re.IGNORECASE)
_IMAGE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+")
_LANGUAGE = re.compile(r"language-[A-Za-z0-9_+#.-]{1,30}")
_SHAPES = {("a", "href"): _LINK, ("img", "src"): _IMAGE, ("code", "class"): _LANGUAGE}

_parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


@lru_cache(maxsize=16)  # a text that is made to be slow is so for its first reader alone
def to_html(text: str) -> Markup:
    """Return safe HTML for `text`.

    No script, style, class (but a code block's language), id or form survives. Links go to http, https and mailto and tell
    the other side nothing; pictures are shown when they are in the text itself, any other becomes a link to it.
    Headings begin at h2, below the page's own. Text longer than MAX_CHARACTERS is escaped instead.
    """
    text = storable(text)
    if len(text) > MAX_CHARACTERS:
        return Markup("<pre>{}</pre>").format(text)  # format() escapes
    tokens = _parser.parse(text)
    for token in tokens:
        _adapt(token)
    clean = nh3.clean(
        _parser.renderer.render(tokens, _parser.options, {}),
        tags=TAGS,
        clean_content_tags={"script", "style"},
        attributes=ATTRIBUTES,
        tag_attribute_values=ALIGNED,
        attribute_filter=_keep,
        url_schemes={"http", "https", "mailto", "data"},
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
    )
    return Markup(clean)  # noqa: S704  # sanitised on the line above


def _adapt(token: Token) -> None:
    """Make a block's token say what a page may show, while it is data and not yet HTML."""
    if token.type in {"heading_open", "heading_close"}:
        token.tag = f"h{min(6, int(token.tag[1:]) + 1)}"
    elif token.type in {"th_open", "td_open"}:
        style = str(token.attrs.pop("style", ""))
        if style:
            token.attrs["align"] = style.removeprefix("text-align:")
    elif token.type == "inline":
        token.children = list(_without_remote_images(token.children or ()))


def _without_remote_images(tokens: Sequence[Token]) -> Iterator[Token]:
    """Put a link in the place of every picture that would be fetched: a fetch tells others who reads this, and when."""
    inside_link = False
    for token in tokens:
        if token.type in {"link_open", "link_close"}:
            inside_link = token.type == "link_open"
        source = str(token.attrs.get("src", ""))
        if token.type != "image" or _IMAGE.fullmatch(source):
            yield token
            continue
        label = Token("text", "", 0, content=token.content or source)
        if inside_link:
            yield label
        else:
            yield Token("link_open", "a", 1, attrs={"href": source})
            yield label
            yield Token("link_close", "a", -1)


def _keep(tag: str, attribute: str, value: str) -> str | None:
    """Return the value of an attribute, or None to drop it: the sanitiser's own rules know no patterns."""
    shape = _SHAPES.get((tag, attribute))
    return value if shape is None or shape.fullmatch(value) else None
