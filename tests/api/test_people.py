"""Who I am, members, invitations, tokens and the audit log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from aiapp.accounts.models import ApiToken
from aiapp.extensions import db


def stamp(**later):
    return (datetime.now(UTC) + timedelta(**later)).isoformat()


def members(client):
    return {row["user"]["email"].split("@")[0]: row for row in client("GET", "/members").json["data"]}


def test_a_token_says_whom_it_speaks_for(api):
    me = api("bob", "run")("GET", "/me").json
    assert me["user"]["email"] == "bob@example.com"
    assert me["workspace"]["slug"] == "acme"
    assert me["role"] == "editor"
    assert me["scopes"] == ["read", "run"]


def test_members_are_listed_owners_first(api):
    assert list(members(api("vera", "read"))) == ["alice", "adam", "bob", "vera"]


def test_an_admin_changes_roles_but_makes_no_owner(api):
    adam = api("adam")
    bob = members(adam)["bob"]["id"]
    assert adam("PATCH", f"/members/{bob}", {"role": "admin"}).json["role"] == "admin"
    assert adam("PATCH", f"/members/{bob}", {"role": "owner"}).status_code == 403
    assert adam("PATCH", f"/members/{bob}", {"role": "king"}).status_code == 422


def test_the_last_owner_stays(api):
    alice = api("alice")
    own = members(alice)["alice"]["id"]
    assert alice("PATCH", f"/members/{own}", {"role": "viewer"}).json["code"] == "last_owner"
    assert alice("DELETE", f"/members/{own}").json["code"] == "last_owner"


def test_a_removed_members_token_stops_at_once(api):
    adam, vera = api("adam"), api("vera")
    assert adam("DELETE", f"/members/{members(adam)['vera']['id']}").status_code == 204
    assert vera("GET", "/me").status_code == 401


def test_everybody_may_leave_and_remove_nobody_else(api):
    vera = api("vera")
    known = members(vera)
    assert vera("DELETE", f"/members/{known['bob']['id']}").status_code == 403
    assert vera("DELETE", f"/members/{known['vera']['id']}").status_code == 204


def test_an_invitation_shows_its_link_once(api, app):
    adam = api("adam")
    made = adam("POST", "/invitations", {"email": "New@Example.com", "role": "editor"})
    assert made.status_code == 201
    assert (made.json["email"], made.json["role"]) == ("new@example.com", "editor")
    path = made.json["link"].removeprefix("http://localhost")
    assert app.test_client().get(path).status_code == 200
    listed = adam("GET", "/invitations").json["data"]
    assert [(one["id"], one["link"]) for one in listed] == [(made.json["id"], None)]
    assert adam("DELETE", f"/invitations/{made.json['id']}").status_code == 204
    assert app.test_client().get(path).status_code == 404


def test_a_wrong_invitation_is_refused(api):
    adam = api("adam")
    for body in ({"email": "x"}, {"email": "a@b.c\x00"}, {"email": "a@b.co", "role": "king"}, {}):
        assert adam("POST", "/invitations", body).status_code == 422, body


def test_an_admin_invites_no_owner(api):
    assert api("adam")("POST", "/invitations", {"email": "o@example.com", "role": "owner"}).status_code == 403


def test_a_token_is_shown_once_and_works(api, app):
    bob = api("bob", "write")
    made = bob("POST", "/tokens", {"name": "helpdesk", "scope": "run", "expires_at": stamp(days=1)})
    assert made.status_code == 201
    text = made.json["token"]
    assert text.startswith("aiapp_")
    assert made.json["hint"] == text[-4:]
    other = app.test_client().get("/api/v1/me", headers={"Authorization": f"Bearer {text}"})
    assert other.json["scopes"] == ["read", "run"]
    assert text not in bob("GET", "/tokens").get_data(as_text=True)
    with app.app_context():
        stored = db.session.scalars(sa.select(ApiToken).where(ApiToken.name == "helpdesk")).one()
        assert text not in repr(vars(stored))


def test_a_token_makes_none_that_is_wider_than_itself(api):
    bob = api("bob", "write")
    assert bob("POST", "/tokens", {"name": "x", "scope": "admin"}).status_code == 403
    assert api("alice", "write")("POST", "/tokens", {"name": "x", "scope": "admin"}).json["code"] == "scope"


def test_a_token_makes_none_that_outlives_itself(api, app):
    bob = api("bob", "write")
    with app.app_context():
        db.session.execute(sa.update(ApiToken).values(expires_at=datetime.now(UTC) + timedelta(days=1)))
        db.session.commit()
    for wanted in (None, stamp(days=2)):
        answer = bob("POST", "/tokens", {"name": "x", "scope": "run", "expires_at": wanted})
        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, "expires_at")
    assert bob("POST", "/tokens", {"name": "x", "scope": "run", "expires_at": stamp(hours=1)}).status_code == 201


def test_a_wrong_token_is_refused(api):
    bob = api("bob")
    for wrong in (
        {"name": ""},
        {"name": "a\x00b"},
        {"name": "a\nb"},
        {"name": "x" * 101},
        {"scope": "king"},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "0001-01-01T00:00:00+14:00"},
        {"expires_at": "soon"},
    ):
        answer = bob("POST", "/tokens", {"name": "x", "scope": "read", **wrong})
        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, next(iter(wrong))), wrong


def test_tokens_are_ones_own_and_for_admins_everyones(api):
    bob, adam, vera = api("bob"), api("adam"), api("vera")
    assert {one["user"]["name"] for one in bob("GET", "/tokens").json["data"]} == {"Bob"}
    everyones = adam("GET", "/tokens").json["data"]
    assert {one["user"]["name"] for one in everyones} == {"Bob", "Adam", "Vera"}
    (of_vera,) = [one["id"] for one in everyones if one["user"]["name"] == "Vera"]
    assert bob("DELETE", f"/tokens/{of_vera}").status_code == 404
    assert adam("DELETE", f"/tokens/{of_vera}").status_code == 204
    assert vera("GET", "/me").status_code == 401


def test_what_was_done_is_in_the_audit_log(api):
    adam = api("adam")
    adam("POST", "/invitations", {"email": "new@example.com"})
    newest = adam("GET", "/audit").json["data"][0]
    assert newest["action"] == "invitation.create"
    assert newest["subject"] == "new@example.com"
    assert newest["actor"] == "token: adam's"
    assert newest["after"] == {"role": "viewer"}
    assert newest["ip"] == "127.0.0.1"
