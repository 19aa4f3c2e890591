"""Choosing a prompt template to run: what is published, and what is said where nothing is."""

from __future__ import annotations

import pytest

from aiapp.credentials.models import Credential
from aiapp.executions.models import Execution
from aiapp.extensions import db
from aiapp.prompt_templates import actions, library

PATH = "/w/acme/executions/choose"


@pytest.fixture
def write(app, team):
    """Write a prompt template; `publish` publishes it, `archive` switches it off afterwards."""

    def write(name, *, publish=False, archive=False):
        with app.app_context():
            access = team.access("bob")
            made = actions.create(access, {"name": name, "body": "Greet {{name}}."})
            if publish:
                actions.publish(access, library.version(access, made, 1), "First")
            if archive:
                actions.update(access, made, {"active": False})

    return write


def text(answer):
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def test_every_published_prompt_template_has_its_run_form(sign_in, write):
    write("Greeting", publish=True)
    write("Only a draft")
    write("Old", publish=True, archive=True)
    page = text(sign_in("vera").get(PATH))
    assert 'href="/w/acme/prompt-templates/greeting/run"' in page
    assert "Only a draft" not in page
    assert "/old/run" not in page


def test_without_a_published_one_an_editor_is_led_to_the_draft(sign_in, write):
    write("Greeting")
    page = text(sign_in("bob").get(PATH))
    assert "No prompt template is published yet" in page
    assert 'href="/w/acme/prompt-templates/greeting/versions/1/publish"' in page
    assert 'href="/w/acme/prompt-templates/greeting/run?version=1"' in page
    assert "Clear filter" not in page


def test_without_a_published_one_a_viewer_is_told_who_publishes(sign_in, write):
    write("Greeting")
    page = text(sign_in("vera").get(PATH))
    assert "An editor of the workspace publishes one" in page
    assert "/publish" not in page
    assert "/executions/new" not in page


def test_an_empty_workspace_is_led_to_the_first_prompt_template_or_a_text(sign_in):
    page = text(sign_in("bob").get(PATH))
    assert "/w/acme/prompt-templates/new" in page
    assert "/w/acme/executions/new" in page


def test_the_pages_that_offer_to_run_one_lead_there(sign_in, write):
    write("Greeting")
    bob = sign_in("bob")
    for page in (text(bob.get("/w/acme/executions")), text(bob.get("/w/acme/"))):
        assert f'href="{PATH}"' in page
        assert "status=published" not in page


def test_home_says_which_of_the_recent_executions_are_test_runs(app, team, sign_in, write):
    write("Greeting")
    with app.app_context():
        access = team.access("bob")
        here = access.workspace.id
        db.session.add(Credential(workspace_id=here, provider="demo", name="demo", base_url="demo://local"))
        db.session.add_all(Execution(workspace_id=here, source=one) for one in ("page", "preview"))
        db.session.commit()
    assert text(sign_in("bob").get("/w/acme/")).count("no template test run") == 1


def test_a_phone_offers_to_run_a_text_to_who_may(sign_in):
    def bar(who):
        return text(sign_in(who).get("/w/acme/executions")).split('class="bottom-bar"')[1].split("</section>")[0]

    assert "/w/acme/executions/new" in bar("bob")
    assert "/w/acme/executions/new" not in bar("vera")
    assert PATH in bar("vera")


def test_only_providers_are_offered_that_the_workspace_has_credentials_for(engine, sign_in):
    engine.credential("first")
    made, bob = engine.submit(), sign_in("bob")
    for path in ("new", f"{made}/changes", f"{made}/compare"):
        page = bob.get(f"/w/acme/executions/{path}").get_data(as_text=True)
        assert '<option value="openai_compatible"' in page, path
        assert '<option value="anthropic"' not in page, path
