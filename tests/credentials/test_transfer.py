"""Credentials as a file without keys: what it holds, what is refused, and that all of it is imported or nothing."""

from __future__ import annotations

import io
import json
import re

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from aiapp.credentials import actions, order, transfer
from aiapp.credentials.import_preview import previews
from aiapp.credentials.models import Credential
from aiapp.credentials.selection import key_of
from aiapp.errors import Denied, InvalidInput, Unavailable
from aiapp.extensions import db

HOME = "/w/acme/credentials"
KEY = "sk-canary-4f9a8b7c6d5e4f3a2b1c9x7Z"


def first(openai):
    return {
        **openai,
        "preferred_model": "gpt-6-luna",
        "temperature": 0.5,
        "settings": {"extra": {"note": f"key {KEY}", "seed": 7}},
    }


@pytest.fixture
def exported(adam, openai):
    actions.create(adam, first(openai))
    actions.create(adam, {"provider": "demo", "name": "demo", "active": False})
    return transfer.export(adam)


def mistakes(refusal):
    return {error["field"] for error in refusal.value.errors}


def test_a_file_holds_everything_but_keys(exported, openai):
    assert KEY not in json.dumps(exported)
    assert [one["name"] for one in exported["credentials"]] == ["team-key", "demo"]
    one = exported["credentials"][0]
    assert (one["base_url"], one["temperature"], one["is_default"]) == (openai["base_url"], 0.5, True)
    assert one["settings"]["extra"]["seed"] == 7
    assert not {"id", "api_key", "key_hint", "health"} & set(one)


def test_an_export_imported_elsewhere_is_the_same_with_the_keys_that_were_entered(exported, adam, charlie):
    found = transfer.read(json.dumps(exported))
    found[0]["api_key"] = "sk-another-key-0000000"
    made = transfer.import_all(charlie, found)
    assert [row.name for row in made] == ["team-key", "demo"]
    assert key_of(charlie.workspace, made[0]) == "sk-another-key-0000000"
    assert transfer.export(charlie) == exported
    assert order.in_order(adam.workspace.id)[0].id != made[0].id


def test_a_name_that_is_taken_is_numbered_and_the_default_stays(exported, adam):
    before = order.in_order(adam.workspace.id)[0].id
    found = [{**one, "api_key": KEY} for one in transfer.listed(exported)] * 2
    found = [one for one in found if one["provider"] == "openai"]
    made = transfer.import_all(adam, found)
    assert [row.name for row in made] == ["team-key 2", "team-key 3"]
    rows = order.in_order(adam.workspace.id)
    assert [row.id for row in rows if row.is_default] == [before]


def test_all_of_a_file_is_imported_or_nothing_and_every_mistake_is_named(adam, openai):
    good = {**openai, "name": "good"}
    with pytest.raises(InvalidInput) as refusal:
        transfer.import_all(
            adam,
            [
                good,
                {**openai, "api_key": "", "name": "keyless"},
                {"provider": "nobody", "name": "x"},
                {**openai, "base_url": "https://10.1.2.3/v1"},
                {"provider": "demo", "name": "d", "preferred_model": "a", "allowed_models": ["b"]},
            ],
        )
    assert mistakes(refusal) == {
        "credentials.1.api_key",
        "credentials.2.provider",
        "credentials.3.base_url",
        "credentials.4.preferred_model",
    }
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Credential)) == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[]",
        "{}",
        '{"credentials": []}',
        '{"credentials": [1]}',
        '{"format": "something.else", "credentials": [{}]}',
        '{"version": 2, "credentials": [{}]}',
        json.dumps({"credentials": [{}] * 201}),
        json.dumps({"credentials": [{"provider": "\ud800"}]}),
        json.dumps({"credentials": [{"provider": "openai", "settings": {"extra": {"\ud800": 1}}}]}),
        '{"credentials": [{"settings": ' + "[" * 50 + "]" * 50 + "}]}",
        "[" * 200_000,
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_such_file_is_refused(text):
    with pytest.raises(InvalidInput) as refusal:
        transfer.read(text)
    assert mistakes(refusal) == {"file"}


@pytest.mark.parametrize("provider", [["x"], {"x": 1}, 7, None])
def test_a_provider_that_is_no_word_is_refused(provider):
    with pytest.raises(InvalidInput):
        transfer.listed({"credentials": [{"provider": provider, "name": "a"}]})


def test_all_names_of_a_file_together_are_given_so_long_and_then_nothing_is_imported(adam, openai, monkeypatch):
    monkeypatch.setattr(transfer, "SECONDS", -1.0)
    with pytest.raises(Unavailable):
        transfer.import_all(adam, [openai])
    db.session.rollback()
    assert order.in_order(adam.workspace.id) == []


def test_who_may_not_keep_credentials_moves_none(exported, team):
    for verb in (transfer.export, lambda access: transfer.import_all(access, transfer.listed(exported))):
        with pytest.raises(Denied):
            verb(team.access("bob"))


def test_a_person_moves_their_own(exported, team):
    bob = team.access("bob")
    transfer.import_all(bob, [{"provider": "demo", "name": "mine"}], "personal")
    assert [one["name"] for one in transfer.export(bob, "personal")["credentials"]] == ["mine"]


def page_of(answer):
    return answer.get_data(as_text=True)


def test_a_file_is_read_shown_and_imported_by_its_pages(app, team, openai, sign_in):
    with app.app_context():
        actions.create(team.access("adam"), first(openai))
        actions.create(team.access("adam"), {"provider": "demo", "name": "demo"})
    adam = sign_in("adam")
    exported = adam.get(f"{HOME}/export")
    assert exported.headers["Content-Disposition"].startswith("attachment")
    assert exported.headers["X-Content-Type-Options"] == "nosniff"
    assert 'type="file"' in page_of(adam.get(f"{HOME}/import"))
    asked = adam.submit(f"{HOME}/import", {"file": (io.BytesIO(exported.data), "c.json")})
    page = page_of(asked)
    assert asked.status_code == 200
    assert page.count('type="password"') == 1  # the demo provider has no key
    document = re.search(r'<textarea name="document" hidden>(.*?)</textarea>', page, re.S)[1].replace("&#34;", '"')
    form = {"document": document, "credentials.0.chosen": "1", "credentials.1.chosen": "1"}
    refused = adam.submit(f"{HOME}/import", form)
    assert refused.status_code == 422
    assert "OpenAI needs a key" in page_of(refused)
    assert len(re.findall(r"chosen\"\s+value=\"1\" checked", page_of(refused))) == 2
    nothing = adam.submit(f"{HOME}/import", {"document": document})
    assert "Choose at least one" in page_of(nothing)
    done = adam.submit(f"{HOME}/import", {**form, "credentials.0.api_key": KEY})
    assert (done.status_code, done.headers["Location"]) == (303, HOME)
    with app.app_context():
        assert [row.name for row in order.in_order(team.acme_id)] == ["team-key", "demo", "team-key 2", "demo 2"]
    assert "This is not JSON" in page_of(adam.submit(f"{HOME}/import", {"file": (io.BytesIO(b"x"), "c.json")}))
    half = json.dumps({"credentials": [{"provider": "openai_compatible", "name": "\ud800"}]})
    for sent in ({"file": (io.BytesIO(half.encode()), "c.json")}, {"document": half}):
        refused = adam.submit(f"{HOME}/import", sent)
        assert refused.status_code == 422
        assert "cannot be stored" in page_of(refused)
    assert sign_in("bob").get(f"{HOME}/export").status_code == 403


def test_those_ticked_are_switched_and_deleted_together(app, team, sign_in):
    with app.app_context():
        ids = [actions.create(team.access("adam"), {"provider": "demo", "name": name}).id for name in "abc"]
        foreign = actions.create(team.access("charlie"), {"provider": "demo", "name": "theirs"}).id
    adam = sign_in("adam")

    def active():
        with app.app_context():
            return [row.active for row in order.in_order(team.acme_id)]

    assert f'form="chosen-credentials" name="id" value="{ids[0]}"' in " ".join(page_of(adam.get(HOME)).split())
    assert adam.submit(f"{HOME}/_chosen", {"id": ids[:2], "change": "off"}).status_code == 303
    assert active() == [False, False, True]
    assert adam.submit(f"{HOME}/_chosen", {"id": [*ids, foreign], "change": "on"}).status_code == 404
    assert active() == [False, False, True]
    adam.submit(f"{HOME}/_chosen", {"id": ids, "change": "on"})
    asked = page_of(adam.submit(f"{HOME}/_chosen", {"id": ids[:2], "change": "delete"}))
    assert "a, b: their keys are gone" in asked
    assert len(active()) == 3
    assert sign_in("bob").submit(f"{HOME}/_chosen", {"id": ids, "change": "off"}).status_code == 403
    adam.submit(f"{HOME}/_chosen", {"id": ids[:2], "change": "delete", "confirmed": "1"})
    with app.app_context():
        assert [(row.name, row.is_default) for row in order.in_order(team.acme_id)] == [("c", True)]
    assert adam.submit(f"{HOME}/_chosen", {"id": ids[2], "change": "sideways"}).status_code == 422
    assert adam.submit(f"{HOME}/_chosen", {"change": "off"}).status_code == 303


def test_the_api_exports_and_imports(api, openai):
    adam = api("adam")
    adam("POST", "/credentials", first(openai))
    document = adam("GET", "/credentials/export").json
    assert KEY not in json.dumps(document)
    refused = adam("POST", "/credentials/import", document)
    assert (refused.status_code, refused.json["errors"][0]["field"]) == (422, "credentials.0.api_key")
    document["credentials"][0]["api_key"] = KEY
    made = adam("POST", "/credentials/import", document)
    assert made.status_code == 201
    assert [one["name"] for one in made.json["data"]] == ["team-key 2"]
    assert api("bob")("GET", "/credentials/export").status_code == 403


def test_the_preview_names_what_is_renamed_what_needs_a_key_and_what_cannot_be_imported(adam, openai):
    actions.create(adam, openai)
    local = {"provider": "openai_compatible", "base_url": "https://8.8.8.8/v1"}
    found = [
        openai,
        openai,
        {**local, "name": "open"},
        {**local, "name": "guarded", "has_key": True},
        {**local, "name": "inside", "base_url": "https://10.1.2.3/v1"},
        {"provider": "nobody", "name": "x"},
        {"provider": "demo", "name": "d"},
        {"provider": "demo", "name": 5, "base_url": [1]},
    ]
    shown = previews(adam, found, "workspace")
    assert [one.name for one in shown] == ["team-key 2", "team-key 3", "open", "guarded", "inside", "x", "d", ""]
    assert [one.key for one in shown] == ["required", "required", "optional", "had", "optional", "", "", ""]
    assert [bool(one.trouble) for one in shown] == [False, False, False, False, True, True, False, False]


def test_a_file_says_which_credentials_have_a_key(adam):
    local = {"provider": "openai_compatible", "base_url": "https://8.8.8.8/v1"}
    actions.create(adam, {**local, "name": "guarded", "api_key": KEY})
    actions.create(adam, {**local, "name": "open"})
    assert [one.get("has_key") for one in transfer.read(json.dumps(transfer.export(adam)))] == [True, None]


@pytest.mark.browser
def test_typed_keys_stay_where_they_are_when_something_is_wrong(app, team, page, address, openai, tmp_path):
    with app.app_context():
        for name in ("a", "b"):
            actions.create(team.access("adam"), {**openai, "name": name})
        (tmp_path / "c.json").write_text(json.dumps(transfer.export(team.access("adam"))))
    page.goto(f"{address}/login?next={HOME}/import")
    page.fill("[name=email]", "adam@example.com")
    page.fill("[name=password]", team.password)
    page.locator("[name=password]").press("Enter")
    page.set_input_files("#file", tmp_path / "c.json")
    page.locator(".topbar-actions [form=import-form]").click()
    page.fill("#key-1", KEY)
    page.locator(".topbar-actions [form=import-form]").click()
    expect(page.locator("#key-2-error")).to_contain_text("needs a key")
    expect(page.locator("#key-1")).to_have_value(KEY)
    expect(page.locator("#key-2")).to_be_focused()
    page.fill("#key-2", KEY)
    page.locator(".topbar-actions [form=import-form]").click()
    page.wait_for_url(f"**{HOME}")
    expect(page.locator("#credentials tbody")).to_have_count(4)
    page.close()
