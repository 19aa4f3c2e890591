"""Pages of the gallery: starters to look at and to begin with."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request

from aiapp.errors import NotFound
from aiapp.prompt_templates import starters
from aiapp.prompt_templates.text import rendering, values
from aiapp.providers.output_formats import ABOUT
from aiapp.workspaces.access import Access, require


def register(blueprint: Blueprint) -> None:
    """Hang the gallery's pages on the blueprint of the files."""
    blueprint.get("/gallery")(gallery)
    blueprint.get("/gallery/<starter>")(starter)


@require()
def gallery(access: Access) -> str:
    """All starters, or those that match."""
    q, category = request.args.get("q", "").strip()[:100], request.args.get("category", "")
    found = [one for one in starters.starters() if _matches(one, q, category)]
    shown = [(title, [one for one in found if one.category == name]) for name, title in starters.CATEGORIES.items()]
    return render_template(
        "prompt_files/gallery.html",
        q=q,
        category=category,
        categories=[("", "All categories"), *starters.CATEGORIES.items()],
        groups=[(title, ones) for title, ones in shown if ones],
    )


@require()
def starter(access: Access, starter: str) -> str:
    """One starter: its prompt with its samples, its variables, what it answers."""
    one = next((each for each in starters.starters() if each.slug == starter), None)
    if one is None:
        raise NotFound("There is no such starter in the gallery.")
    given = one.given
    samples = {spec["name"]: _first(spec) for spec in given["variables"]}
    parts = [("System", given["system"]), *((f"Example {m['role']}", m["content"]) for m in given["messages"])]
    parts.append(("User", given["body"]))
    return render_template(
        "prompt_files/starter.html",
        starter=one,
        given=given,
        title=one.name,
        category=starters.CATEGORIES[one.category],
        parts=[(title, _segments(text, samples)) for title, text in parts if text],
        schema=given["json_schema"],
        answers_in=ABOUT[given["output_format"]].label,
        tokens=sum(rendering.estimate_tokens(text) for _, text in parts),
    )


def _matches(one: starters.Starter, q: str, category: str) -> bool:
    given = one.given
    words = " ".join((one.name, one.description, given["task"] or "", *given["tags"])).replace("_", " ").lower()
    return (not category or one.category == category) and all(word in words for word in q.lower().split())


def _first(spec: dict[str, Any]) -> Any:
    return spec["sample"] if spec["sample"] is not None else spec["default"]


def _segments(text: str, samples: dict[str, Any]) -> list[tuple[str, str]]:
    texts = {name: values.as_text(value) for name, value in samples.items() if value is not None}
    return [(segment.kind, segment.text) for segment in rendering.segments(text, texts)]
