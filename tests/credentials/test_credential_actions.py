"""What admins do with credentials: what is stored, what is refused, and what the audit trail says."""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter

import pytest
import sqlalchemy as sa

from aiapp.audit import AuditEvent
from aiapp.columns import now
from aiapp.credentials import actions, checks, draft, order, selection
from aiapp.credentials.health import Verdict
from aiapp.credentials.models import Credential
from aiapp.errors import Conflict, InvalidInput, NotFound
from aiapp.extensions import db

STEP = {"step": "network", "ok": True, "ms": 1, "detail": "", "hint": ""}
KEY = "sk-canary-4f9a8b7c6d5e4f3a2b1c9x7Z"


def key_of(access, credential):
    return selection.key_of(access.workspace, credential)


def demo(name, **more):
    return {"provider": "demo", "name": name, **more}


def names(access):
    return [row.name for row in order.in_order(access.workspace.id)]


def mistakes(refusal):
    return {one["field"] for one in refusal.value.errors}


def test_a_credential_is_stored_with_its_key_encrypted_and_its_last_four_characters(adam, openai):
    credential = actions.create(adam, openai)
    db.session.expire_all()
    assert KEY.encode() not in credential.api_key
    assert key_of(adam, credential) == KEY
    assert credential.key_hint == KEY[-4:]
    assert (credential.health, credential.is_default, credential.position) == ("unknown", True, 0)


def test_of_a_short_key_nothing_is_shown(adam, openai):
    assert actions.create(adam, {**openai, "api_key": "elevenchars"}).key_hint is None
    assert actions.create(adam, {**openai, "name": "b", "api_key": "twelve-chars"}).key_hint == "hars"


def test_a_key_is_taken_without_the_spaces_around_it(adam, openai):
    assert key_of(adam, actions.create(adam, {**openai, "api_key": f"  {KEY}\n"})) == KEY


@pytest.mark.parametrize(
    "key", ["two words", "line\nbreak", "naïve-key-0000", "x" * 501, "nul\0inside", "\x7f" * 20, 5]
)
def test_what_no_key_can_be_is_refused(adam, openai, key):
    with pytest.raises(InvalidInput) as refusal:
        actions.create(adam, {**openai, "api_key": key})
    assert mistakes(refusal) == {"api_key"}


def test_a_provider_that_needs_a_key_gets_none_without(adam, openai):
    for empty in ("", "   ", None):
        with pytest.raises(InvalidInput) as refusal:
            actions.create(adam, {**openai, "api_key": empty})
        assert mistakes(refusal) == {"api_key"}


def test_every_mistake_is_named_at_once(adam):
    with pytest.raises(InvalidInput) as refusal:
        actions.create(
            adam,
            {
                "provider": "nobody",
                "name": " ",
                "api_key": "a b",
                "base_url": "x" * 501,
                "preferred_model": "a\0b",
                "temperature": "hot",
                "max_tokens": 0,
                "system_prompt": "\ud800",
                "settings": {"api": "graphql", "api_version": 5, "stream": "no", "extra": []},
                "scope": "planet",
                "is_default": "maybe",
                "position": -1,
            },
        )
    assert mistakes(refusal) == {
        *("provider", "name", "api_key", "base_url", "preferred_model", "temperature", "max_tokens"),
        *("settings.api", "settings.api_version", "settings.stream", "settings.extra"),
        *("system_prompt", "is_default", "position", "scope"),
    }


def test_what_is_wrong_beside_the_others_is_named_with_the_rest(adam):
    actions.create(adam, demo("taken"))
    values = {"provider": "openai_compatible", "name": "taken", "base_url": "https://10.1.2.3/v1", "temperature": 9}
    models = {"preferred_model": "a", "allowed_models": ["b"]}
    with pytest.raises(InvalidInput) as refusal:
        actions.create(adam, {**values, **models})
    assert mistakes(refusal) == {"name", "base_url", "temperature", "preferred_model"}
    kept = actions.create(adam, {"provider": "openai", "name": "b", "api_key": KEY})
    with pytest.raises(InvalidInput) as refusal:
        actions.update(adam, kept.id, {**values, **models, "provider": "openai", "scope": "personal"})
    assert mistakes(refusal) == {"name", "base_url", "temperature", "preferred_model", "api_key", "scope"}
    assert refusal.value.code == "key_required"


@pytest.mark.parametrize(
    ("field", "value", "stored"),
    [
        ("temperature", "0", 0.0),
        ("temperature", 2, 2.0),
        ("temperature", "", None),
        ("max_tokens", "1", 1),
        ("max_tokens", 4096.0, 4096),
        ("preferred_model", "  org/model:7b ", "org/model:7b"),
        ("preferred_model", "", None),
        ("system_prompt", "Be\r\nbrief.", "Be\nbrief."),
        ("settings", {"stream": False, "extra": {"top_k": 3}}, {"stream": False, "extra": {"top_k": 3}}),
        ("settings", None, {}),
        ("active", "0", False),
        ("name", "  two \t words ", "two words"),
    ],
)
def test_values_are_stored_tidied(adam, field, value, stored):
    credential = actions.create(adam, {**demo("a"), field: value})
    db.session.expire_all()
    assert getattr(credential, field) == stored


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", -0.1),
        ("temperature", 2.01),
        ("temperature", "nan"),
        ("temperature", "1e999"),
        ("temperature", True),
        ("temperature", []),
        ("max_tokens", -1),
        ("max_tokens", 1.5),
        ("max_tokens", 10**30),
        ("max_tokens", 10**400),
        ("settings", []),
        ("settings", "{}"),
        ("settings", {"extra": {"x": float("nan")}}),
        ("settings", {"extra": {"x": "\0"}}),
        ("settings", {"extra": {"x": "\ud800"}}),
        ("settings", {"extra": {"x": "y" * 20_001}}),
        ("settings", {"extra": {"x": object()}}),
        ("name", "x" * 101),
        ("name", "a\x1bb"),
        ("name", "a\u202eb"),
        ("name", None),
        ("provider", None),
        ("provider", ["demo"]),
    ],
)
def test_values_that_no_provider_takes_are_refused(adam, field, value):
    with pytest.raises(InvalidInput) as refusal:
        actions.create(adam, {**demo("a"), field: value})
    assert mistakes(refusal) == {field}


def test_what_is_not_a_persons_to_set_is_passed_over(adam, charlie):
    values = demo("a", id="0" * 32, workspace_id=charlie.workspace.id, health="healthy", key_hint="0000")
    credential = actions.create(adam, values)
    assert (credential.workspace_id, credential.health, credential.key_hint) == (adam.workspace.id, "unknown", None)
    assert credential.id != "0" * 32


def test_a_name_is_given_once_in_a_workspace_and_again_in_another(adam, charlie):
    first = actions.create(adam, demo("shared"))
    second = actions.create(adam, demo("other"))
    actions.create(charlie, demo("shared"))
    for attempt in (
        lambda: actions.create(adam, demo(" shared ")),
        lambda: actions.update(adam, second.id, {"name": "shared"}),
    ):
        with pytest.raises(InvalidInput) as refusal:
            attempt()
        assert mistakes(refusal) == {"name"}
        db.session.rollback()
    assert actions.update(adam, first.id, {"name": "shared", "temperature": 1}).temperature == 1


REFUSED_URLS = [
    "http://api.openai.com/v1",
    "https://127.0.0.1/v1",
    "https://127.1/v1",
    "https://2130706433/v1",
    "https://0x7f.0.0.1/v1",
    "https://0177.0.0.1/v1",
    "https://[::1]/v1",
    "https://[::ffff:127.0.0.1]/v1",
    "https://[::ffff:7f00:1]/v1",
    "https://[64:ff9b::7f00:1]/v1",
    "https://[2002:7f00:1::]/v1",
    "https://[fe80::1%25eth0]/v1",
    "https://[fd00::1]/v1",
    "https://10.0.0.1/v1",
    "https://172.16.0.1/v1",
    "https://192.168.1.1/v1",
    "https://169.254.169.254/latest/meta-data",
    "https://100.64.0.1/v1",
    "https://0.0.0.0/v1",
    "https://224.0.0.1/v1",
    "https://255.255.255.255/v1",
    "https://localhost/v1",
    "https://localhost./v1",
    "https://user:secret@api.openai.com/v1",
    "https://api.openai.com@127.0.0.1/v1",
    "https://api.openai.com/v1?key=1",
    "https://api.openai.com/v1#x",
    "https://api.openai.com:0/v1",
    "https://api.openai.com:99999/v1",
    "https://api.openai.com:443:80/v1",
    "https://api openai.com/v1",
    "https://api.openai.com\\@127.0.0.1/v1",
    "https:///v1",
    "https:api.openai.com",
    "//api.openai.com/v1",
    "api.openai.com/v1",
    "ftp://api.openai.com/v1",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "unix:///var/run/docker.sock",
    "javascript:alert(1)",
    "demo://scripted",
    "https://ⓛocalhost/v1",
    "https://１２７.0.0.1/v1",
    "https://api.openai.com/v1\r\nX: y",
    "https://api.openai.com/{{7*7}}",
    "\0",
]


def test_an_address_where_no_call_may_go_is_refused_at_save(adam, openai):
    own = actions.create(adam, {"provider": "openai_compatible", "name": "mine", "base_url": openai["base_url"]})
    for url in REFUSED_URLS:
        for attempt in (
            lambda url=url: actions.create(adam, {**openai, "base_url": url}),
            lambda url=url: actions.update(adam, own.id, {"base_url": url, "api_key": KEY}),
        ):
            with pytest.raises(InvalidInput) as refusal:
                attempt()
            assert mistakes(refusal) == {"base_url"}, url
            db.session.rollback()
    assert names(adam) == ["mine"]
    assert own.base_url == openai["base_url"]


def test_an_address_that_only_the_installation_allows_is_stored(adam, server):
    for host in ("127.0.0.1", "LOCALHOST"):
        url = f"http://{host}:{server.port}/v1/"
        credential = actions.create(adam, {"provider": "openai_compatible", "name": host, "base_url": url})
        assert credential.base_url == url.rstrip("/")


def name_service(monkeypatch, address):
    """The name service knows one address for every name, or no name at all."""

    def getaddrinfo(host, port, *more, **named):
        if address is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_what_is_refused_tells_nobody_which_names_exist_inside(adam, openai, monkeypatch):
    """Of a name that leads inside, one that leads nowhere, and an address inside."""
    url = "https://wiki.corp.example/v1"
    stored = actions.create(adam, demo("stored"))
    doors = {
        "create": lambda url: actions.create(adam, {**openai, "base_url": url}),
        "update": lambda url: actions.update(
            adam, stored.id, {"provider": "openai_compatible", "api_key": KEY, "base_url": url}
        ),
        "test": lambda url: draft.target(adam, {**openai, "base_url": url}),
    }
    for name, door in doors.items():
        answers = []
        for address, asked in (("10.0.0.5", url), (None, url), ("93.184.215.14", "https://10.0.0.5/v1")):
            name_service(monkeypatch, address)
            with pytest.raises(InvalidInput) as refusal:
                door(asked)
            answers.append(refusal.value.errors)
        assert answers[0] == answers[1] == answers[2], name
    assert names(adam) == ["stored"]


def test_a_providers_own_address_and_an_allowed_one_need_not_be_known_now(adam, openai, server, monkeypatch):
    name_service(monkeypatch, None)
    assert actions.create(adam, {**openai, "base_url": ""}).base_url == "https://api.openai.com/v1"
    url = f"http://localhost:{server.port}/v1"
    assert actions.create(adam, {"provider": "openai_compatible", "name": "own", "base_url": url}).base_url == url


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.5", "169.254.169.254", "192.168.0.1", "100.64.1.1"])
def test_a_public_looking_name_that_leads_inside_is_refused_at_save(adam, openai, monkeypatch, address):
    name_service(monkeypatch, address)
    with pytest.raises(InvalidInput) as refusal:
        actions.create(adam, {**openai, "base_url": "https://models.example.com/v1"})
    assert mistakes(refusal) == {"base_url"}
    assert names(adam) == []
    name_service(monkeypatch, "93.184.215.14")
    assert actions.create(adam, {**openai, "base_url": "https://models.example.com/v1"}).name == "team-key"


def test_an_empty_address_is_the_providers_own_and_needed_where_it_has_none(adam):
    assert actions.create(adam, {**demo("a"), "base_url": " "}).base_url == "demo://scripted"
    with pytest.raises(InvalidInput) as refusal:
        actions.create(adam, {"provider": "openai_compatible", "name": "b"})
    assert mistakes(refusal) == {"base_url"}


def test_no_transaction_is_open_while_the_name_service_is_asked(adam, openai, monkeypatch):
    seen = []

    def resolve(*arguments, **named):
        seen.append(db.session().in_transaction())
        return ()

    monkeypatch.setattr("aiapp.credentials.destination.resolve", resolve)
    credential = actions.create(adam, openai)
    actions.update(adam, credential.id, {"base_url": "https://api.openai.com/v1", "api_key": KEY})
    assert seen == [False, False]


@pytest.mark.parametrize(
    "change",
    [
        {"base_url": "https://8.8.8.8/v1"},
        {"provider": "anthropic"},
        {"provider": "openai_compatible", "base_url": "https://8.8.8.8/v1"},
        {"provider": "demo"},
        {"base_url": ""},
        {"base_url": "https://8.8.8.8/v1", "name": "renamed", "temperature": 1},
    ],
)
def test_a_stored_key_is_never_sent_elsewhere(adam, openai, change):
    credential = actions.create(adam, openai)
    with pytest.raises(InvalidInput) as refusal:
        actions.update(adam, credential.id, change)
    assert (refusal.value.code, refusal.value.status) == ("key_required", 422)
    assert mistakes(refusal) == {"api_key"}
    db.session.rollback()
    assert (credential.provider, credential.base_url, credential.name) == ("openai", openai["base_url"], "team-key")


def test_with_its_key_entered_again_a_credential_moves_and_is_untested(adam, openai, server):
    credential = actions.create(adam, openai)
    checks.record_test(credential, {"ok": True, "steps": []}, Verdict("healthy"))
    url = f"http://localhost:{server.port}/v1"
    credential = actions.update(adam, credential.id, {"base_url": url, "api_key": "another-key-0000"})
    assert (credential.base_url, key_of(adam, credential)) == (url, "another-key-0000")
    assert (credential.health, credential.last_test, credential.last_tested_at) == ("unknown", None, None)


def test_without_a_stored_key_the_address_may_change(adam, server):
    credential = actions.create(adam, {"provider": "openai_compatible", "name": "a", "base_url": server.url})
    url = f"http://localhost:{server.port}/v1"
    assert actions.update(adam, credential.id, {"base_url": url}).base_url == url


def test_other_changes_leave_the_key_and_the_health_alone(adam, openai):
    credential = actions.create(adam, openai)
    checks.record_test(credential, {"ok": True, "steps": []}, Verdict("healthy"))
    before = credential.api_key
    change = {
        "name": "renamed",
        "base_url": f"{openai['base_url']}/",
        "max_tokens": 5,
        "preferred_model": "gpt-6.1-sol",
    }
    credential = actions.update(adam, credential.id, change)
    assert (credential.name, credential.max_tokens, credential.preferred_model) == ("renamed", 5, "gpt-6.1-sol")
    assert (credential.api_key, credential.health) == (before, "healthy")


def test_a_key_is_taken_away_only_where_none_is_needed(adam, openai, server):
    credential = actions.create(adam, openai)
    with pytest.raises(InvalidInput) as refusal:
        actions.update(adam, credential.id, {"api_key": None})
    assert mistakes(refusal) == {"api_key"}
    values = {"provider": "openai_compatible", "name": "own", "base_url": server.url, "api_key": KEY}
    own = actions.create(adam, values)
    own = actions.update(adam, own.id, {"api_key": None})
    assert (own.api_key, own.key_hint) == (None, None)


def test_exactly_one_credential_is_the_default(adam):
    first, second, third = (actions.create(adam, demo(name)) for name in "abc")
    assert [row.is_default for row in (first, second, third)] == [True, False, False]
    actions.set_default(adam, third.id)
    assert [row.is_default for row in (first, second, third)] == [False, False, True]
    assert names(adam) == ["c", "a", "b"]
    with pytest.raises(InvalidInput) as refusal:
        actions.update(adam, third.id, {"is_default": False})
    assert mistakes(refusal) == {"is_default"}
    db.session.rollback()
    actions.create(adam, demo("d", is_default=True))
    assert names(adam) == ["d", "c", "a", "b"]
    assert db.session.scalar(sa.select(sa.func.count()).where(Credential.is_default)) == 1


def test_when_the_default_is_deleted_the_next_active_one_takes_its_place(adam):
    first, second, third = (actions.create(adam, demo(name)) for name in "abc")
    actions.set_active(adam, second.id, False)
    assert actions.delete(adam, first.id) == "a"
    assert third.is_default
    actions.delete(adam, third.id)
    assert second.is_default
    actions.delete(adam, second.id)
    assert names(adam) == []


def test_a_credential_moves_one_place_at_a_time_behind_the_default(adam):
    rows = {name: actions.create(adam, demo(name)).id for name in "abcd"}
    for name, direction, expected in [
        ("c", "up", "acbd"),
        ("c", "up", "acbd"),
        ("a", "down", "acbd"),
        ("a", "up", "acbd"),
        ("c", "down", "abcd"),
        ("d", "down", "abcd"),
        ("b", "down", "acbd"),
    ]:
        actions.move(adam, rows[name], direction)
        assert "".join(names(adam)) == expected, (name, direction)
    with pytest.raises(InvalidInput):
        actions.move(adam, rows["a"], "sideways")


def test_a_whole_order_is_stored_or_refused_when_the_list_has_changed(adam, charlie):
    a, b, c = (actions.create(adam, demo(name)).id for name in "abc")
    foreign = actions.create(charlie, demo("x")).id
    assert [row.name for row in actions.reorder(adam, [c, b, a])] == ["a", "c", "b"]
    for wrong in ([a, b], [a, b, c, c], [a, b, foreign], [a, b, c, foreign], []):
        with pytest.raises(Conflict):
            actions.reorder(adam, wrong)
        db.session.rollback()
    assert names(adam) == ["a", "c", "b"]


def test_a_place_can_be_given(adam):
    for name in "abc":
        actions.create(adam, demo(name))
    actions.create(adam, demo("d", position=1))
    assert names(adam) == ["a", "d", "b", "c"]
    c = next(row for row in order.in_order(adam.workspace.id) if row.name == "c")
    actions.update(adam, c.id, {"position": 1})
    assert names(adam) == ["a", "c", "d", "b"]


def test_another_workspaces_credential_does_not_exist(adam, charlie):
    foreign = actions.create(charlie, demo("theirs")).id
    for attempt in (
        lambda: actions.update(adam, foreign, {"name": "mine"}),
        lambda: actions.set_default(adam, foreign),
        lambda: actions.set_active(adam, foreign, False),
        lambda: actions.move(adam, foreign, "up"),
        lambda: actions.delete(adam, foreign),
    ):
        with pytest.raises(NotFound):
            attempt()
        db.session.rollback()
    assert names(charlie) == ["theirs"]


def test_two_admins_who_add_the_first_credential_at_once_make_one_default(stage, team):
    def add(name):
        with stage.app_context():
            actions.create(team.access("adam"), demo(name))
            db.session.remove()

    threads = [threading.Thread(target=add, args=(f"n{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = order.in_order(team.acme_id)
    assert len(rows) == 6
    assert [row.is_default for row in rows] == [True] + [False] * 5
    assert sorted(row.position for row in rows) == [0, 1, 2, 3, 4, 5]


def test_a_test_result_of_a_key_that_was_replaced_meanwhile_is_not_kept(stage, adam, openai):
    tested = actions.create(adam, openai)
    with stage.app_context():
        actions.update(adam, tested.id, {"api_key": "a-new-key-00000"})
    assert not checks.record_test(tested, {"ok": False, "steps": []}, Verdict("down", "bad_key"))
    db.session.expire_all()
    assert (tested.health, tested.last_test) == ("unknown", None)


def test_a_test_and_a_use_are_noted_without_counting_as_a_change(adam, openai):
    credential = actions.create(adam, openai)
    changed = credential.updated_at
    assert checks.record_test(credential, {"ok": True, "steps": []}, Verdict("healthy"))
    assert checks.record_test(credential, {"ok": True, "steps": [STEP]}, None)
    at = now()
    checks.mark_used(adam.workspace.id, credential.id, at)
    db.session.commit()
    db.session.expire_all()
    assert (credential.health, credential.last_test["steps"], credential.last_used_at) == ("healthy", [STEP], at)
    assert credential.updated_at == changed
    assert credential.last_tested_at is not None


def test_a_use_is_noted_only_in_its_own_workspace_and_in_the_callers_commit(adam, charlie, openai):
    credential = actions.create(adam, openai)
    checks.mark_used(charlie.workspace.id, credential.id)
    db.session.commit()
    checks.mark_used(adam.workspace.id, credential.id)
    db.session.rollback()
    db.session.expire_all()
    assert credential.last_used_at is None


def test_every_change_is_audited_and_no_key_is_in_the_trail(adam, openai):
    credential = actions.create(adam, {**openai, "settings": {"extra": {"note": KEY}}})
    actions.create(adam, demo("b"))
    actions.update(adam, credential.id, {"api_key": "sk-second-key-000000000000", "temperature": 1})
    actions.set_active(adam, credential.id, False)
    actions.move(adam, actions.create(adam, demo("c")).id, "up")
    actions.delete(adam, credential.id)
    events = db.session.scalars(sa.select(AuditEvent)).all()
    assert Counter(event.action for event in events) == {
        "credential.create": 3,
        "credential.update": 2,
        "credential.reorder": 1,
        "credential.delete": 1,
    }
    assert {event.actor for event in events} == {"Adam"}
    (changed,) = (event for event in events if event.after and "api_key" in event.after)
    assert (changed.before["temperature"], changed.after["temperature"]) == (None, 1.0)
    assert changed.after["api_key"] == "replaced"
    trail = json.dumps([[event.before, event.after, event.subject] for event in events])
    assert KEY not in trail
    assert KEY[:-4] not in trail
    assert "sk-second" not in trail


def test_where_the_master_key_is_gone_a_new_key_is_refused_in_words(stage, adam, openai):
    from dataclasses import replace

    credential = actions.create(adam, openai)
    stage.extensions["aiapp.settings"] = replace(stage.extensions["aiapp.settings"], master_keys=(b"z" * 32,))
    with pytest.raises(InvalidInput) as refusal:
        actions.update(adam, credential.id, {"api_key": "a-new-key-00000"})
    assert mistakes(refusal) == {"api_key"}
