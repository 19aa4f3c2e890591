"""The gallery: every starter publishes without a warning that matters and runs; its pages show them to whom they concern."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from aiapp.credentials import actions as credentials
from aiapp.executions import actions as executions
from aiapp.executions import jobs
from aiapp.executions.models import Execution
from aiapp.executions.submission import Submission
from aiapp.extensions import db
from aiapp.prompt_templates import actions, checks, library, starters, tasks
from aiapp.prompt_templates.text import documents
from aiapp.prompt_templates.workbench import sample_context

GALLERY = "/w/acme/prompt-templates/gallery"
ALL = [pytest.param(one, id=one.slug) for one in starters.starters()]
SignIn = Callable[[str], Any]


@pytest.mark.parametrize("starter", ALL)
def test_a_starter_publishes_and_runs_as_it_is(app: Flask, team: Any, starter: starters.Starter) -> None:
    with app.app_context():
        bob = team.access("bob")
        demo = {"provider": "demo", "name": "Demo", "preferred_model": "demo-instant", "is_default": True}
        credentials.create(team.access("alice"), demo)
        template = actions.create(bob, starter.given)
        version = library.version(bob, template, 1)
        assert [check.text for check in checks.checks(version) if check.level != "good"] == []
        actions.publish(bob, version, "First")
        context = sample_context(version)
        execution = executions.submit(bob, Submission(prompt_template=template.slug, context=context))
        jobs.run(execution.id)
        db.session.expire_all()
        ended = db.session.get(Execution, execution.id)
        assert ended is not None
        assert (ended.status, ended.error_message) == ("completed", None)
        assert ended.output


@pytest.mark.parametrize("starter", ALL)
def test_a_starter_is_a_file_that_anybody_could_have_pulled(starter: starters.Starter) -> None:
    path = starters.FOLDER / starter.category / f"{starter.slug}.md"
    assert documents.write(starter.given) == path.read_text("utf-8")
    assert starter.description
    assert starter.given["tags"]
    assert starter.given["output_format"] != "json" or starter.given["json_schema"]


def test_the_gallery_has_one_for_each_task_and_the_whole_planning_set() -> None:
    made = {one.given["task"] for one in starters.starters()}
    assert set(tasks.TASKS) <= made
    slugs = [one.slug for one in starters.starters()]
    assert len(slugs) == len(set(slugs)) >= 20
    planning = {"prd-overview", "prd-features", "prd-user-experience", "prd-technical-approach", "prd-roadmap"}
    planning |= {"prd-dependencies", "prd-risks", "product-research", "prd-analysis", "prd-chunk-analysis"}
    planning |= {"prd-regeneration", "spec-generation", "spec-refinement", "spec-to-markdown", "task-suggestions"}
    planning |= {"orphan-task-analysis", "completion-validation", "insight-extraction", "answer-quality"}
    assert planning <= set(slugs)


def test_the_gallery_shows_and_finds_starters(sign_in: SignIn) -> None:
    vera = sign_in("vera")
    page = vera.get(GALLERY).get_data(as_text=True)
    assert all(f"{GALLERY}/{one.slug}" in page for one in starters.starters())
    found = vera.get(f"{GALLERY}?q=orphan").get_data(as_text=True)
    assert re.findall(rf"{GALLERY}/([a-z-]+)", found) == ["orphan-task-analysis"]
    only = vera.get(f"{GALLERY}?category=support").get_data(as_text=True)
    assert f"{GALLERY}/support-reply" in only
    assert f"{GALLERY}/prd-risks" not in only
    assert "Nothing matches" in vera.get(f"{GALLERY}?q=zzzz").get_data(as_text=True)


@pytest.mark.parametrize("starter", ALL)
def test_the_page_of_a_starter_shows_its_prompt_and_lets_an_editor_begin(
    sign_in: SignIn, starter: starters.Starter
) -> None:
    page = sign_in("bob").get(f"{GALLERY}/{starter.slug}").get_data(as_text=True)
    assert "Use this" in page
    assert all(f'<span class="variable">{spec["name"]}</span>' in page for spec in starter.given["variables"])


def test_a_viewer_looks_and_is_told_who_can_begin(sign_in: SignIn) -> None:
    page = sign_in("vera").get(f"{GALLERY}/prd-risks").get_data(as_text=True)
    assert "Use this" not in page
    assert "An editor of the workspace can begin with it" in page


def test_a_starter_that_is_not_there_is_not_found(sign_in: SignIn) -> None:
    assert sign_in("bob").get(f"{GALLERY}/nothing").status_code == 404


def test_a_starter_is_used_with_one_button(app: Flask, sign_in: SignIn, team: Any) -> None:
    bob = sign_in("bob")
    for slug in ("prd-risks", "prd-risks-2"):
        made = bob.submit("/w/acme/prompt-templates", {"name": "", "starter": "prd-risks"})
        assert made.location == f"/w/acme/prompt-templates/{slug}"
    with app.app_context():
        access = team.access("bob")
        version = library.version(access, library.find(access, "prd-risks"), 1)
        assert version.json_schema == starters.find("prd-risks")["json_schema"]
        assert json.dumps(version.json_schema)


def test_the_gallery_is_packed_into_the_wheel() -> None:
    """What setuptools would pack, by the list in pyproject.toml."""
    import tomllib
    from pathlib import Path

    root = Path(__file__).parents[2]
    packed = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["aiapp"]
    files = {path for pattern in packed for path in (root / "aiapp").glob(pattern)}
    assert set(starters.FOLDER.rglob("*.md")) <= files
