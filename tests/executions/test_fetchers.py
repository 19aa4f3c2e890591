"""Dotted variables that fill themselves: who runs it, where, when, and what an earlier execution wrote."""

from __future__ import annotations

import re
from typing import Any

import pytest

from aiapp.columns import new_id
from aiapp.errors import InvalidInput
from aiapp.executions import actions
from aiapp.executions.models import Execution
from aiapp.executions.submission import Submission
from aiapp.extensions import db
from aiapp.prompt_templates import actions as prompt_templates
from aiapp.prompt_templates import library

BODY = "{{user.name}} of {{workspace.name}} asks on {{now.date}}: {{question}}"


@pytest.fixture
def stage(app, team):
    with app.app_context():
        yield team


def write(team: Any, body: str, name: str = "Daily news", **more: Any) -> str:
    made = prompt_templates.create(team.access("bob"), {"name": name, "body": body, **more})
    version = library.version(team.access("bob"), made, 1)
    prompt_templates.publish(team.access("bob"), version, "First")
    return made.slug


def done(team: Any, slug: str, output: str, by: str = "bob", **more: Any) -> Execution:
    row = actions.submit(team.access(by), Submission(prompt_template=slug, **more))
    row.status, row.output = "completed", output
    db.session.commit()
    return row


def refused(team: Any, body: str, by: str = "bob", **more: Any) -> dict[str, str]:
    with pytest.raises(InvalidInput) as error:
        actions.submit(team.access(by), Submission(template=body, **more))
    return {one["field"]: one["message"] for one in error.value.errors}


def test_what_is_known_is_filled_once_and_kept_with_the_execution(stage):
    slug = write(stage, BODY)
    version = library.published(stage.access("bob"), library.find(stage.access("bob"), slug))
    assert [spec["name"] for spec in version.variables] == ["question"]  # nobody is asked for the others
    row = actions.submit(stage.access("vera"), Submission(prompt_template=slug, context={"question": "{{user.email}}"}))
    day = row.context["now.date"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", day)
    assert row.body == f"Vera of Acme asks on {day}: {{{{user.email}}}}"  # values are never filled again
    assert row.context == {"question": "{{user.email}}", "user.name": "Vera", "workspace.name": "Acme", "now.date": day}
    assert set(row.fetched) == {"user.name", "workspace.name", "now.date"}


def test_a_repetition_by_somebody_else_keeps_what_was_filled(stage):
    slug = write(stage, BODY)
    row = actions.submit(stage.access("vera"), Submission(prompt_template=slug, context={"question": "Why?"}))
    again = actions.rerun(stage.access("bob"), row)
    assert (again.body, again.context, again.fetched) == (row.body, row.context, row.fetched)
    changed = actions.regenerate(stage.access("bob"), row, {"context": {"question": "How?"}})
    assert changed.body == row.body.replace("Why?", "How?")
    assert changed.fetched == row.fetched
    given = actions.regenerate(stage.access("bob"), row, {"context": {"question": "How?", "now.date": "2020-02-02"}})
    assert "2020-02-02" in given.body
    assert "now.date" not in given.fetched


def test_what_a_run_gives_itself_counts_before_what_is_known(stage):
    body = "{{user.name}} {{now.date}}"
    context = {"user": {"name": "Ada"}, "now.date": "2020-02-02"}
    row = actions.submit(stage.access("bob"), Submission(template=body, context=context))
    assert row.body == "Ada 2020-02-02"
    assert row.fetched == []


def test_a_name_that_no_fetcher_has_is_refused_with_those_that_there_are(stage):
    found = refused(stage, "{{user.nmae}} {{output.nothing}} {{last.output}} {{customer.name}}")
    assert "{{user.name}}" in found["context.user.nmae"]
    assert "no prompt template called nothing" in found["context.output.nothing"]
    assert "Only a prompt template" in found["context.last.output"]
    assert found["context.customer.name"] == "This variable needs a value."


def test_the_newest_output_of_this_and_of_another_prompt_template_is_put_in(stage):
    slug = write(stage, "Before: {{last.output}}.")
    other = write(stage, "Sum up {{output.daily_news}}", name="Sum up")
    assert "completed yet" in str(refused_run(stage, other))
    assert done(stage, slug, "First news").body == "Before: ."
    done(stage, slug, "A test run", source="preview")
    assert actions.submit(stage.access("bob"), Submission(prompt_template=slug)).body == "Before: First news."
    assert actions.submit(stage.access("bob"), Submission(prompt_template=other)).body == "Sum up First news"


def refused_run(team: Any, slug: str, by: str = "bob") -> list[dict[str, str]]:
    with pytest.raises(InvalidInput) as error:
        actions.submit(team.access(by), Submission(prompt_template=slug))
    return error.value.errors


def test_an_output_is_taken_only_of_what_the_running_person_may_see(stage):
    slug = write(stage, "Write.")
    other = write(stage, "Sum up {{output.daily_news}}", name="Sum up")
    done(stage, slug, "bob's secret", by="bob")
    workspace = stage.access("bob").workspace
    workspace.private_executions = True
    db.session.commit()
    assert "completed yet" in str(refused_run(stage, other, by="vera"))
    assert actions.submit(stage.access("bob"), Submission(prompt_template=other)).body == "Sum up bob's secret"


def test_the_editor_shows_what_is_filled_marks_what_is_not_and_asks_for_neither(stage, sign_in):
    bob = sign_in("bob")
    with stage.app.app_context():
        prompt_templates.create(
            stage.access("bob"), {"name": "Draft", "body": f"{BODY} {{{{last.output}}}} {{{{now.then}}}}"}
        )
    page = bob.get("/w/acme/prompt-templates/draft/versions/1").get_data(as_text=True)
    assert 'name="var-question"' in page
    assert 'name="var-user.name"' not in page
    assert '<span class="variable">Bob</span>' in page
    assert 'data-missing-variables="question now.then"' in page
    assert "Nothing is called {{now.then}}" in page.replace("&#34;", '"')
    preview = bob.swap("/w/acme/prompt-templates/draft/versions/1/_preview", {"body": "{{user.email}} {{x}}"})
    assert "bob@example.com" in preview.get_data(as_text=True)
    by_slug = {"body": "{{ output.daily-news }} {{output.2nd-try}}"}  # as slugs are shown everywhere
    preview = bob.swap("/w/acme/prompt-templates/draft/versions/1/_preview", by_slug).get_data(as_text=True)
    assert "Write {{output.daily_news}}." in preview
    assert "Write {{output._2nd_try}}." in preview
    assert "no variable" not in preview


def test_the_api_fills_them_too_and_tells_which(stage, api):
    bob = api("bob")
    made = bob("POST", "/executions", {"template": "Hello {{user.email}}, {{a}}", "context": {"a": new_id()[:4]}})
    assert made.status_code == 202
    assert made.json["fetched"] == ["user.email"]
    assert made.json["context"]["user.email"] == "bob@example.com"
    slug = write(stage, BODY)
    rendered = bob("POST", f"/prompt-templates/{slug}/render", {"context": {"question": "x"}}).json
    assert rendered["missing"] == []
    assert rendered["body"].startswith("Bob of Acme asks on 20")
    assert bob("POST", "/executions", {"template": "{{now.then}}"}).status_code == 422
