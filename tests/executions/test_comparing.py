"""Asking one input several times, asking again with changes, and what differs afterwards."""

from __future__ import annotations

import json
import re

import pytest

from aiapp.credentials.models import Credential
from aiapp.executions import actions
from aiapp.executions.models import Execution
from aiapp.executions.submission import Submission
from aiapp.extensions import db
from aiapp.prompt_templates import actions as prompt_templates
from aiapp.prompt_templates import library


@pytest.fixture
def greeting(app, team):
    """Published v1 asks for a name, draft v2 for a tone too, with another model; returns the id of a completed run of v1."""
    with app.app_context():
        bob = team.access("bob")
        made = prompt_templates.create(
            bob, {"name": "Greeting", "body": "Greet {{name}} on {{now.date}}.", "model": "small"}
        )
        prompt_templates.publish(bob, library.version(bob, made, 1), "First")
        draft = prompt_templates.new_draft(
            bob, library.version(bob, made, 1), "", {"body": "Greet {{name}}, {{tone}}."}
        )
        with_model = prompt_templates.save_draft(bob, draft, {"model": "large"}, draft.lock_version)
        assert with_model.number == 2
        row = actions.submit(bob, Submission(prompt_template="greeting", context={"name": "Ada"}))
        return done(row, "Hello Ada")


def done(row, output, **more):
    row.status, row.output = "completed", output
    for name, value in more.items():
        setattr(row, name, value)
    db.session.commit()
    return row.id


def text(answer):
    return answer.get_data(as_text=True)


def row_at(app, address):
    with app.app_context():
        return db.session.get(Execution, re.findall("[0-9a-f]{32}", address)[-1])


def test_another_version_asks_for_what_it_needs_and_brings_its_own_model(app, sign_in, greeting):
    bob = sign_in("bob")
    page = text(bob.get(f"/w/acme/executions/{greeting}"))
    assert f"/w/acme/executions/{greeting}/changes?version=2" in page
    dialog = text(bob.get(f"/w/acme/executions/{greeting}/changes?version=2"))
    assert 'name="var-tone"' in dialog
    assert 'name="var-name"' not in dialog
    assert "now.date" not in json.dumps(re.search(r'name="context"[^>]*>([^<]*)<', dialog)[1])
    form = {"version": "2", "context": '{"name": "Ada"}', "provider": "", "model": "small", "temperature": ""}
    refused = bob.submit(f"/w/acme/executions/{greeting}/changes", form)
    assert refused.status_code == 422
    assert 'name="var-tone"' in text(refused)
    made = bob.submit(f"/w/acme/executions/{greeting}/changes", {**form, "var-tone": "warmly"})
    row = row_at(app, made.headers["Location"])
    assert (row.body, row.requested_model, row.parent_id) == ("Greet Ada, warmly.", "large", greeting)
    told = text(bob.get(made.headers["Location"]))
    assert "<del>v1</del> → <b>v2</b>" in told
    assert "<del>small</del> → <b>large</b>" in told
    assert row.id[-6:] in text(bob.get(f"/w/acme/executions/{greeting}"))  # repeated by


def test_a_viewer_tries_no_draft(sign_in, greeting):
    vera = sign_in("vera")
    assert vera.get(f"/w/acme/executions/{greeting}/changes?version=2").status_code == 403
    assert "changes?version=2" not in text(vera.get(f"/w/acme/executions/{greeting}"))


def test_an_input_is_asked_of_several_at_once_and_shown_beside_each_other(app, sign_in, greeting):
    bob = sign_in("bob")
    path = f"/w/acme/executions/{greeting}/compare"
    assert bob.submit(path, {}).status_code == 422
    without = bob.submit(path, {"2-model": "tiny", "3-version": "2"})
    assert without.status_code == 422
    assert 'name="var-tone"' in text(without)
    with app.app_context():
        assert db.session.query(Execution).count() == 1  # all of them or none
    made = bob.submit(path, {"2-model": "tiny", "3-version": "2", "var-tone": "drily"})
    page = text(bob.get(made.headers["Location"]))
    assert [f'id="test-run-{side}"' in page for side in "1234"] == [True, True, True, False]
    with app.app_context():
        rows = db.session.query(Execution).filter_by(parent_id=greeting).order_by(Execution.requested_model)
        assert [(one.requested_model, one.body[:9]) for one in rows] == [("large", "Greet Ada"), ("tiny", "Greet Ada")]
    assert sign_in("charlie").get(made.headers["Location"]).status_code == 404
    assert bob.get("/w/acme/executions/compare?id=nonsense").status_code == 404


def test_a_form_that_is_sent_twice_asks_again_once(app, sign_in, greeting):
    bob, path = sign_in("bob"), f"/w/acme/executions/{greeting}"

    def rendered(page):
        return re.search(r'name="once"\s+value="(\w+)"', text(bob.get(path + page)))[1]

    for page, action, form in (
        ("/compare", "compare", {"2-model": "tiny", "3-model": "big"}),
        ("/changes", "changes", {"model": "tiny"}),
        ("", "rerun", {}),
    ):
        form["once"] = rendered(page)
        first, second = (bob.submit(f"{path}/{action}", form) for _ in range(2))
        assert (first.status_code, first.location) == (303, second.location)
    with app.app_context():
        assert db.session.query(Execution).filter_by(parent_id=greeting).count() == 4


def test_a_choice_is_kept_let_go_of_or_made_anew(app, team, sign_in, api):
    with app.app_context():
        main, spare = (
            Credential(workspace_id=team.acme_id, provider=provider, name=provider, base_url="https://example.com")
            for provider in ("openai", "anthropic")
        )
        db.session.add_all([main, spare])
        db.session.commit()
        main, spare = main.id, spare.id
        asked = Submission(template="Hi", credential_id=main, model="gpt", temperature=0.5)
        parent = done(actions.submit(team.access("bob"), asked), "Hello")
    bob, path = sign_in("bob"), f"/w/acme/executions/{parent}"
    assert re.search(rf'<option value="{main}"\s+selected', text(bob.get(f"{path}/changes")))
    began = {"context": "{}", "provider": "", "credential_id": main, "model": "gpt", "temperature": "0.5"}

    def choices(address):
        row = row_at(app, address)
        return row.requested_provider, row.requested_credential_id, row.requested_model, row.temperature

    for changed, expected in (
        ({}, (None, main, "gpt", 0.5)),
        ({"credential_id": "", "model": "", "temperature": ""}, (None, None, None, None)),
        ({"credential_id": spare}, (None, spare, None, 0.5)),
        ({"provider": "anthropic", "model": "claude"}, ("anthropic", None, "claude", 0.5)),
    ):
        assert choices(bob.submit(f"{path}/changes", began | changed).location) == expected
        sent = {name: value or None for name, value in changed.items()}
        assert choices(api("bob")("POST", f"/executions/{parent}/regenerate", sent).json["id"]) == expected
    mistaken = bob.submit(f"{path}/changes", began | {"provider": "openai", "credential_id": spare})
    assert mistaken.status_code == 422
    assert "not a credential of that provider" in text(mistaken)
    gone = bob.submit(f"{path}/changes", began | {"credential_id": "0" * 32})
    assert gone.status_code == 404
    assert 'id="changes-form"' in text(gone)


def test_any_two_outputs_are_compared(app, team, sign_in, api, greeting):
    with app.app_context():
        bob = team.access("bob")
        other = done(
            actions.submit(bob, Submission(template="Hi", format="json")), '{"a":1}', output_data={"a": 1, "b": [1]}
        )
        third = done(
            actions.submit(bob, Submission(template="Hi", format="json")), '{"a":2}', output_data={"a": 2, "b": [1]}
        )
    browser = sign_in("bob")
    page = text(browser.get(f"/w/acme/executions/{other}/diff/{third}"))
    assert "<del>1</del>" in page
    assert re.search(r"mono[^>]*>a<", page)
    assert "unified" in text(browser.get(f"/w/acme/executions/{other}/diff/{third}?view=unified"))
    address = f"https://example.com/w/acme/executions/{other}"
    chosen = browser.get(f"/w/acme/executions/{third}/diff", query_string={"with": address})
    assert chosen.headers["Location"] == f"/w/acme/executions/{other}/diff/{third}"
    newer = browser.get(f"/w/acme/executions/{other}/diff", query_string={"with": third})
    assert newer.headers["Location"] == chosen.headers["Location"], "the older one stands left, whoever asks"
    assert "no id of an execution" in text(browser.get(f"/w/acme/executions/{third}/diff?with=x"))
    assert "There is no such execution" in text(browser.get(f"/w/acme/executions/{third}/diff?with={'0' * 32}"))
    told = api("vera", "read")("GET", f"/executions/{other}/diff/{third}").json
    assert (told["added"], told["removed"], told["data"]) == (1, 1, [{"field": "a", "old": 1, "new": 2}])
    assert api("vera", "read")("GET", f"/executions/{greeting}/diff/{'0' * 32}").status_code == 404
    assert sign_in("charlie").get(f"/w/acme/executions/{other}/diff/{third}").status_code == 404


def test_the_api_leaves_out_equal_lines_far_from_a_change_and_says_how_many(app, team, api):
    lines = [f"line {number}" for number in range(1, 31)]
    with app.app_context():
        bob, ids = team.access("bob"), []
        for output in (lines, [*lines[:14], "another", *lines[15:]], [f"other {number}" for number in range(3000)]):
            ids.append(done(actions.submit(bob, Submission(template="Hi")), "\n".join(output)))
    ask = api("vera", "read")
    told = ask("GET", f"/executions/{ids[0]}/diff/{ids[1]}").json
    assert [(one["op"], one["old_no"], one["hidden"]) for one in told["lines"] if one["op"] != "equal"] == [
        ("fold", 1, 11),
        ("removed", 15, 0),
        ("added", None, 0),
        ("fold", 19, 12),
    ]
    assert [one["text"] for one in told["lines"]][1:4] == ["line 12", "line 13", "line 14"]
    assert (told["left_out"], told["cut"]) == (0, False)
    long = ask("GET", f"/executions/{ids[0]}/diff/{ids[2]}").json
    assert len(long["lines"]) == 2000
    assert long["left_out"] > 0


def test_the_api_compares_an_execution_or_a_prompt_template(api, greeting):
    bob = api("bob")
    again = bob("POST", "/executions/compare", {"execution_id": greeting, "variants": [{"model": "a"}, {"model": "b"}]})
    assert again.status_code == 202
    assert [one["parent_id"] for one in again.json["data"]] == [greeting, greeting]
    asked = {"prompt_template": "greeting", "context": {"name": "Eve"}}
    made = bob(
        "POST", "/executions/compare", {**asked, "variants": [{"temperature": 0}, {"provider": "demo", "model": "b"}]}
    )
    assert [one["prompt"]["body"][:9] for one in made.json["data"]] == ["Greet Eve"] * 2
    wrong = bob("POST", "/executions/compare", {**asked, "variants": [{"temperature": 9}, {}]})
    assert wrong.json["errors"][0]["field"] == "variants.1.temperature"
    assert bob("POST", "/executions/compare", {**asked, "variants": [{}]}).status_code == 422
    assert bob("POST", "/executions/compare", {**asked, "execution_id": greeting, "variants": [{}]}).status_code == 422


def test_the_output_is_had_as_other_files_and_everything_as_json(app, team, sign_in, greeting):
    vera = sign_in("vera")
    page = vera.get(f"/w/acme/executions/{greeting}/output?as=html")
    assert page.headers["Content-Disposition"].endswith('.html"')
    assert "Hello Ada" in text(page)
    assert vera.get(f"/w/acme/executions/{greeting}/output?as=exe").status_code == 404
    whole = vera.get(f"/w/acme/executions/{greeting}/execution.json")
    assert whole.headers["Content-Disposition"].startswith("attachment")
    assert whole.json["output"] == "Hello Ada"
    assert sign_in("charlie").get(f"/w/acme/executions/{greeting}/execution.json").status_code == 404
