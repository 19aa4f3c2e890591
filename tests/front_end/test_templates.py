"""Every template of every feature, read: the CSP, CSRF tokens in forms, macros called as they are written, targets that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from flask import Flask
from jinja2 import nodes

import aiapp

PACKAGE = Path(aiapp.__file__).parent
TEMPLATES = sorted((PACKAGE / "templates").rglob("*.html"))
ICONS = set(json.loads((PACKAGE.parent / "package.json").read_text(encoding="utf-8"))["aiapp"]["icons"])

# What the CSP forbids, or would have to be loosened for. Looked for in the HTML, with Jinja's statements taken out.
IN_HTML = {
    "a style attribute": r"\sstyle\s*=",
    "a style element": r"<style\b",
    "an inline script": r"<script\b(?![^>]*\bsrc=)",
    "an event attribute": r"\son[a-z]+\s*=",
    "a file from elsewhere": r"<(?:script|link|img|iframe|use)\b[^>]*(?:src|href)\s*=\s*[\"'](?:https?:)?//",
}
# Looked for in the whole source: attributes are also written as a mapping.
IN_SOURCE = {
    "hx-on": r"\bhx-on\b",
    "hx-boost": r"\bhx-boost\b",
    "a script as a value": r"[\"']\s*(?:js|javascript):",
    "a trigger filter": r"hx-trigger[\"']?\s*[=:]\s*(?P<q>[\"'])(?:(?!(?P=q)).)*\[",
    "unescaped text": r"\|\s*safe\b|autoescape\s+false",
}


def offences(source: str) -> list[str]:
    source = re.sub(r"\{#.*?#\}", "", source, flags=re.S)
    html = re.sub(r"\{%.*?%\}|\{\{.*?\}\}", "", source, flags=re.S)
    found = [name for name, pattern in IN_HTML.items() if re.search(pattern, html, re.I)]
    return found + [name for name, pattern in IN_SOURCE.items() if re.search(pattern, source, re.I)]


def unprotected_forms(source: str) -> list[str]:
    forms = re.findall(r"<form\b[^>]*method=\"post\".*?</form>", source, re.I | re.S)
    return [form for form in forms if "csrf()" not in form and "_hidden(" not in form]


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE / "templates").as_posix()


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_a_template_needs_nothing_that_the_csp_forbids(path):
    assert offences(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "offence"),
    [
        ('<p style="color: red">', "a style attribute"),
        ("<style>p {}</style>", "a style element"),
        ("<script>go()</script>", "an inline script"),
        ('<script src="https://cdn.example/x.js"></script>', "a file from elsewhere"),
        ('<img src="//elsewhere.example/x.png">', "a file from elsewhere"),
        ('<button onclick="go()">', "an event attribute"),
        ('<p hx-on:click="go()">', "hx-on"),
        ('{{ ui.button("Go", attrs={"hx-on:click": "go()"}) }}', "hx-on"),
        ('<body hx-boost="true">', "hx-boost"),
        ("""<p hx-vals='js:{a: 1}'>""", "a script as a value"),
        ('<a href="javascript:go()">', "a script as a value"),
        ('<p hx-trigger="click[ctrlKey]">', "a trigger filter"),
        ("""{{ ui.button("Go", attrs={"hx-trigger": "keyup[key=='a']"}) }}""", "a trigger filter"),
        ("<p>{{ text|safe }}</p>", "unescaped text"),
    ],
)
def test_the_reading_finds_what_it_looks_for(source, offence):
    assert offence in offences(source)


def test_the_reading_lets_plain_templates_pass():
    assert (
        offences(
            '{% set one = 1 %}<form hx-trigger="input changed delay:300ms"><a href="https://docs.example">x</a></form>'
        )
        == []
    )


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_every_form_that_posts_has_a_csrf_token(path):
    assert unprotected_forms(path.read_text(encoding="utf-8")) == []


def test_a_form_without_a_csrf_token_is_found():
    assert unprotected_forms('<form method="post" action="/x"><button>Go</button></form>')
    assert not unprotected_forms('<form method="post" action="/x">{{ ui.csrf() }}<button>Go</button></form>')


def calls_of_macros(stage: Flask, path: Path) -> list[tuple[str, nodes.Call]]:
    tree = stage.jinja_env.parse(path.read_text(encoding="utf-8"))
    calls = [call for call in tree.find_all(nodes.Call) if isinstance(call.node, nodes.Getattr)]
    return [(c.node.attr, c) for c in calls if isinstance(c.node.node, nodes.Name) and c.node.node.name == "ui"]


def constants(node: nodes.Node | None) -> list[str]:
    """The texts that an argument can be, as far as the template says."""
    if isinstance(node, nodes.CondExpr):
        return constants(node.expr1) + constants(node.expr2)
    return [node.value] if isinstance(node, nodes.Const) and isinstance(node.value, str) else []


def misfit(macro: object, call: nodes.Call) -> str | None:
    """What is wrong with a call: Jinja itself drops nothing, but fails only when the page is drawn."""
    given = {keyword.key for keyword in call.kwargs}
    arguments = macro.arguments
    unknown = given - set(arguments)
    if unknown:
        return f"unknown argument {sorted(unknown)}"
    if len(call.args) > len(arguments) and not macro.catch_varargs:
        return "too many arguments"
    twice = given & set(arguments[: len(call.args)])
    return f"given twice: {sorted(twice)}" if twice else None


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_macros_are_called_as_they_are_written(stage, path):
    ui = stage.jinja_env.globals["ui"]
    for name, call in calls_of_macros(stage, path):
        macro = getattr(ui, name, None)
        assert macro is not None, f"line {call.lineno}: there is no ui.{name}"
        assert misfit(macro, call) is None, f"line {call.lineno}: ui.{name}: {misfit(macro, call)}"


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_every_icon_that_a_template_names_is_in_the_sprite(stage, path):
    ui = stage.jinja_env.globals["ui"]
    for name, call in calls_of_macros(stage, path):
        arguments = dict(zip(getattr(ui, name).arguments, call.args, strict=False))
        arguments.update({keyword.key: keyword.value for keyword in call.kwargs})
        for icon in constants(arguments.get("name" if name == "icon" else "icon")):
            assert icon in ICONS | {""}, f"line {call.lineno}: package.json has no icon {icon!r}"


def test_every_target_of_a_request_exists():
    sources = {path: path.read_text(encoding="utf-8") for path in TEMPLATES}
    ids = {found for source in sources.values() for found in re.findall(r"\bid=\"?([\w-]+)\"", source)}
    for path, source in sources.items():
        for target in re.findall(r"hx-target[\"']?\s*[=:]\s*[\"']#([\w-]+)[\"'](?!\s*~)", source):
            assert target in ids, f"{name_of(path)}: no template has id={target!r}"
