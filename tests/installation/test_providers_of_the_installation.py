"""What a system administrator sets for providers, and what workspaces inherit of it."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from flask import current_app

from aiapp.accounts.models import User
from aiapp.audit import AuditEvent
from aiapp.credentials import actions, selection
from aiapp.credentials.models import Credential
from aiapp.errors import Denied, InvalidInput, NotFound
from aiapp.extensions import db
from aiapp.installation import actions as installation
from aiapp.installation.models import ProviderSetting
from aiapp.installation.offers import offer, offers
from aiapp.providers.types import ProviderError

ADMIN = "/admin/providers"
KEY = "sk-canary-4f9a8b7c6d5e4f3a2b1c9x7Z"


@pytest.fixture
def stage(app, team):
    with app.app_context():
        yield app


@pytest.fixture
def alice(stage, team):
    """The owner of acme, who is a system administrator too."""
    access = team.access("alice")
    access.user.is_admin = True
    db.session.commit()
    return access


def set_(access, kind, **given):
    return installation.set_provider(access.user, kind, {"enabled": "1", **given})


def demo(access, **more):
    return actions.create(access, {"provider": "demo", "name": "demo", **more})


def test_nothing_set_is_the_registry(stage):
    assert [one.enabled for one in offers().values()] == [True] * len(offers())
    assert offer("openai").base_url == offer("openai").provider.base_url
    assert offer("nobody") is None


def test_only_system_administrators_set_anything(stage, team):
    with pytest.raises(Denied):
        set_(team.access("alice"), "openai", base_url="https://8.8.8.8/v1")
    with pytest.raises(Denied):
        installation.move_provider(team.access("alice").user, "openai", "down")
    assert db.session.scalars(sa.select(ProviderSetting)).all() == []


def test_a_provider_that_is_not_offered_is_neither_added_nor_used(alice):
    kept = demo(alice)
    set_(alice, "demo", enabled="")
    with pytest.raises(InvalidInput) as refusal:
        demo(alice, name="another")
    assert refusal.value.errors[0]["field"] == "provider"
    with pytest.raises(ProviderError) as refused:
        selection.targets_for(alice.workspace.id)
    assert "not offered in this installation" in refused.value.message
    set_(alice, "demo")
    assert [target.credential_id for target in selection.targets_for(alice.workspace.id)] == [kept.id]


def test_credentials_inherit_address_model_and_settings_and_override_them(alice):
    set_(
        alice,
        "openai",
        base_url="https://8.8.8.8/v1",
        default_model="gateway-small",
        settings='{"stream": false, "extra": {"seed": 1, "user": "us"}}',
    )
    values = {"provider": "openai", "name": "inherits", "api_key": KEY}
    plain = actions.create(alice, values)
    actions.create(
        alice,
        {
            **values,
            "name": "overrides",
            "base_url": "https://8.8.4.4/v1",
            "preferred_model": "own",
            "settings": {"stream": True, "extra": {"seed": 2}},
        },
    )
    first, second = selection.targets_for(alice.workspace.id)
    assert (first.base_url, first.model) == ("https://8.8.8.8/v1", "gateway-small")
    assert first.settings == {"stream": False, "extra": {"seed": 1, "user": "us"}}
    assert (second.base_url, second.model) == ("https://8.8.4.4/v1", "own")
    assert second.settings == {"stream": True, "extra": {"seed": 2, "user": "us"}}
    # a stored key stays where it was entered for: a new address is for new credentials
    set_(alice, "openai", base_url="https://1.1.1.1/v1")
    db.session.expire_all()
    assert db.session.get(Credential, plain.id).base_url == "https://8.8.8.8/v1"


def test_the_order_is_that_of_the_catalogue(alice):
    set_(alice, "ollama", position="0")
    set_(alice, "groq", position="1")
    assert list(offers())[:2] == ["ollama", "groq"]


def test_providers_move_up_and_down_and_only_those_out_of_order_have_a_place(alice):
    registered = list(offers())
    third, last = registered[2], registered[-1]
    for _ in range(3):
        installation.move_provider(alice.user, third, "up")
    assert list(offers()) == [third, *registered[:2], *registered[3:]]
    rows = db.session.scalars(sa.select(ProviderSetting)).all()
    assert {row.kind: row.position for row in rows if row.position is not None} == {third: 0}
    assert offer(third).changed == []
    installation.move_provider(alice.user, last, "up")
    assert list(offers())[-2:] == [last, registered[-2]]
    installation.move_provider(alice.user, last, "down")
    installation.move_provider(alice.user, last, "down")
    for _ in range(2):
        installation.move_provider(alice.user, third, "down")
    assert list(offers()) == registered
    assert {row.position for row in db.session.scalars(sa.select(ProviderSetting))} == {None}
    with pytest.raises(NotFound):
        installation.move_provider(alice.user, "nobody", "up")
    with pytest.raises(InvalidInput):
        installation.move_provider(alice.user, third, "sideways")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("base_url", "https://10.0.0.1/v1"),
        ("base_url", "http://gateway.example/v1"),
        ("base_url", "nonsense"),
        ("position", "-1"),
        ("position", "ten"),
        ("default_model", "x" * 201),
        ("models", "\n".join(f"m{number}" for number in range(201))),
        ("settings", "nonsense"),
        ("settings", "[]"),
        ("settings", '{"api": "chat"}'),
        ("settings", '{"stream": 1}'),
        ("settings", '{"extra": 1}'),
        ("settings", "[" * 10_000),
        ("settings", '{"extra": {"a": "\\ud800"}}'),
        ("settings", '{"extra": {"a": NaN}}'),
    ],
)
def test_wrong_values_are_refused(alice, field, value):
    with pytest.raises(InvalidInput) as refusal:
        set_(alice, "openai", **{field: value})
    assert [error["field"] for error in refusal.value.errors] == [field]
    assert "codec" not in refusal.value.errors[0]["message"]
    with pytest.raises(NotFound):
        set_(alice, "nobody")


@pytest.mark.parametrize(
    "url", ["https://localhost", "https://localhost:8443/v1", "https://[::1]/v1", "https://127.0.0.2"]
)
def test_an_address_that_no_call_may_go_to_is_refused_until_it_is_allowed(alice, url):
    with pytest.raises(InvalidInput) as refusal:
        set_(alice, "openai", base_url=url)
    assert "AIAPP_OUTBOUND_ALLOW" in refusal.value.errors[0]["message"]
    parts = urlsplit(url)
    allowed = frozenset({f"{parts.netloc}" if parts.port else f"{parts.netloc}:443"})
    current_app.extensions["aiapp.settings"] = replace(current_app.extensions["aiapp.settings"], outbound_allow=allowed)
    assert set_(alice, "openai", base_url=url).base_url == url


def test_others_can_write_while_the_name_service_is_asked(alice, monkeypatch):
    asked = []

    def resolve(host, port, allow, **more):
        asked.append((host, db.session().in_transaction()))
        return ()

    monkeypatch.setattr(installation, "resolve", resolve)
    set_(alice, "openai", base_url="https://gateway.example/v1")
    set_(alice, "openai", base_url="https://gateway.example/v1", default_model="x")
    set_(alice, "openai", base_url="https://api.openai.com/v1")
    assert asked == [("gateway.example", False)], "neither what is stored nor the provider's own is asked for"


def test_a_change_is_audited_without_what_looks_like_a_key(alice):
    set_(alice, "openai", settings=json.dumps({"extra": {"note": KEY}}), default_model="x")
    (event,) = db.session.scalars(sa.select(AuditEvent).where(AuditEvent.action == "provider.update")).all()
    assert (event.subject, event.workspace_id) == ("OpenAI", None)
    assert event.after["default_model"] == "x"
    assert KEY not in json.dumps(event.after)


def test_a_form_shows_what_it_inherits_and_can_set_it_otherwise(app, team, sign_in):
    with app.app_context():
        alice = team.access("alice")
        alice.user.is_admin = True
        db.session.commit()
        given = {"default_model": "gateway-small", "settings": '{"stream": false, "extra": {"seed": 1}}'}
        set_(alice, "openai", **given)
    browser = sign_in("alice")
    page = browser.get("/w/acme/credentials/new/openai").get_data(as_text=True)
    assert "Off (from the installation)" in page
    assert "gateway-small, from the installation" in page
    assert "From the installation, unless set here: seed" in page
    form = {"provider": "openai", "api_key": KEY, "extra": "", "then": "save"}
    for stream, stored in (("", {}), ("on", {"stream": True}), ("off", {"stream": False})):
        browser.submit("/w/acme/credentials", {**form, "name": f"stream {stream}", "stream": stream})
        with app.app_context():
            made = db.session.scalars(sa.select(Credential).where(Credential.name == f"stream {stream}".strip())).one()
            assert made.settings == stored
            assert offer("openai").merged(made.settings)["stream"] is (stream == "on")


def test_its_pages(app, team, sign_in, visitor, api):
    assert visitor().get(ADMIN).status_code == 303
    browser = sign_in("alice")
    assert [browser.get(path).status_code for path in ("/admin", ADMIN)] == [403, 403]
    assert browser.submit(f"{ADMIN}/openai", {}).status_code == 403
    with app.app_context():
        db.session.execute(sa.update(User).where(User.email == "alice@example.com").values(is_admin=True))
        db.session.commit()
    assert browser.get("/admin").headers["Location"] == ADMIN
    page = browser.get(ADMIN).get_data(as_text=True)
    assert "as it comes" in page
    assert browser.get(f"{ADMIN}/nobody").status_code == 404
    form = {"enabled": "1", "base_url": "https://8.8.8.8/v1", "models": "a\nb", "settings": "{}"}
    refused = browser.submit(f"{ADMIN}/openai", {**form, "position": "ten"})
    assert refused.status_code == 422
    assert "whole number" in refused.get_data(as_text=True)
    assert "https://8.8.8.8/v1" in refused.get_data(as_text=True)
    assert browser.submit(f"{ADMIN}/openai", form).headers["Location"] == ADMIN
    assert "set here: base URL, suggested models" in browser.get(ADMIN).get_data(as_text=True)
    moved = browser.swap(f"{ADMIN}/_order", {"kind": "anthropic", "move": "up"}).get_data(as_text=True)
    assert moved.count("<table") == 1
    assert browser.submit(f"{ADMIN}/_order", {"kind": "anthropic", "move": "down"}).headers["Location"] == ADMIN
    assert 'value="https://8.8.8.8/v1"' in browser.get(f"{ADMIN}/openai").get_data(as_text=True)
    shown = browser.get("/w/acme/credentials/new/openai").get_data(as_text=True)
    assert "This installation&#39;s own is https://8.8.8.8/v1" in shown
    assert '<option value="a">' in shown
    browser.submit(f"{ADMIN}/groq", {})
    assert "/new/groq" not in browser.get("/w/acme/credentials/new").get_data(as_text=True)
    assert browser.get("/w/acme/credentials/new/groq").status_code == 404
    kinds = {one["kind"]: one for one in api("vera")("GET", "/providers?limit=200").json["data"]}
    assert "groq" not in kinds
    assert kinds["openai"]["base_url"] == "https://8.8.8.8/v1"
    menu = browser.get("/w/acme/").get_data(as_text=True)
    assert "Providers of this installation" in menu
    assert "Providers of this installation" not in sign_in("bob").get("/w/acme/").get_data(as_text=True)
