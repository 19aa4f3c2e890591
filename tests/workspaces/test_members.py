"""Workspaces are entered by members, with what their role allows, and by nobody else."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from aiapp.accounts.models import ApiToken, User
from aiapp.audit import AuditEvent
from aiapp.columns import now
from aiapp.errors import Conflict
from aiapp.extensions import db
from aiapp.workspaces import actions
from aiapp.workspaces.models import Invitation, Membership, Workspace

FOREIGN = "0" * 32


def membership_of(app, name):
    with app.app_context():
        return (
            db.session.scalars(
                sa.select(Membership)
                .join(User, User.id == Membership.user_id)
                .where(User.email == f"{name}@example.com")
            )
            .one()
            .id
        )


def test_an_anonymous_visitor_is_sent_to_sign_in_and_back(visitor, team):
    answer = visitor().get("/w/acme/settings/members?x=1")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/login?next=/w/acme/settings/members?x%3D1"


def test_an_expired_session_tells_htmx_where_to_go(visitor, team):
    answer = visitor().get("/_workspaces", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, "/login")


def test_vera_is_told_which_role_she_needs_and_who_can_give_it(sign_in):
    answer = sign_in("vera").get("/w/acme/settings/audit")
    assert answer.status_code == 403
    page = answer.get_data(as_text=True)
    assert "You need the admin role" in page
    assert "An admin of the workspace can give it to you." in page
    assert 'id="nav"' in page  # the page's chrome stays


def test_adam_makes_bob_a_viewer_and_it_counts_on_bobs_next_request(app, sign_in):
    adam, bob = sign_in("adam"), sign_in("bob")
    assert bob.get("/w/acme/prompt-templates/new").status_code == 200
    answer = adam.submit(f"/w/acme/settings/members/{membership_of(app, 'bob')}", {"role": "viewer"})
    assert answer.status_code == 303
    assert bob.get("/w/acme/prompt-templates/new").status_code == 403


def test_an_admin_can_neither_make_nor_unmake_owners(app, sign_in):
    adam = sign_in("adam")
    assert adam.submit(f"/w/acme/settings/members/{membership_of(app, 'bob')}", {"role": "owner"}).status_code == 403
    assert adam.submit(f"/w/acme/settings/members/{membership_of(app, 'alice')}", {"role": "viewer"}).status_code == 403
    assert adam.submit(f"/w/acme/settings/members/{membership_of(app, 'alice')}/remove").status_code == 403


def test_the_last_owner_stays(app, sign_in):
    alice = sign_in("alice")
    assert alice.submit(f"/w/acme/settings/members/{membership_of(app, 'alice')}/remove").status_code == 409
    assert alice.submit(f"/w/acme/settings/members/{membership_of(app, 'alice')}", {"role": "admin"}).status_code == 409
    assert alice.submit(f"/w/acme/settings/members/{membership_of(app, 'bob')}", {"role": "owner"}).status_code == 303
    assert alice.submit(f"/w/acme/settings/members/{membership_of(app, 'alice')}/remove").status_code == 303
    assert alice.get("/w/acme/settings/members").status_code == 404


def test_an_unknown_role_and_a_foreign_membership_are_refused(app, sign_in):
    alice = sign_in("alice")
    assert alice.submit(f"/w/acme/settings/members/{membership_of(app, 'bob')}", {"role": "god"}).status_code == 422
    assert (
        alice.submit(f"/w/acme/settings/members/{membership_of(app, 'charlie')}", {"role": "viewer"}).status_code == 404
    )
    assert alice.submit(f"/w/acme/settings/members/{FOREIGN}", {"role": "viewer"}).status_code == 404


def test_whoever_leaves_loses_the_tokens_too(app, team, sign_in, api):
    bobs = api("bob")
    assert bobs("GET", "/me").status_code == 200
    assert sign_in("bob").submit(f"/w/acme/settings/members/{membership_of(app, 'bob')}/remove").status_code == 303
    assert bobs("GET", "/me").status_code == 401


def test_vera_cannot_remove_bob(app, sign_in):
    vera = sign_in("vera")
    assert vera.get(f"/w/acme/settings/members/{membership_of(app, 'bob')}/remove").status_code == 403
    assert vera.submit(f"/w/acme/settings/members/{membership_of(app, 'bob')}/remove").status_code == 403


def invite(client, email="dora@example.com", role="editor"):
    answer = client.submit("/w/acme/settings/invitations", {"email": email, "role": role})
    assert answer.status_code == 201
    return re.search(r"/invitations/([A-Za-z0-9_-]{43})", answer.get_data(as_text=True))[1]


def test_an_invitation_makes_an_account_and_a_member_once(app, sign_in, visitor):
    secret = invite(sign_in("adam"))
    dora = visitor()
    assert "Join Acme" in dora.get(f"/invitations/{secret}").get_data(as_text=True)
    form = {"name": "Dora", "email": "dora@example.com", "password": "a fresh long passphrase"}
    assert dora.submit(f"/invitations/{secret}", {**form, "password": "x", "role": "owner"}).status_code == 422
    assert dora.submit(f"/invitations/{secret}", {**form, "role": "owner"}).status_code == 303
    assert dora.get("/w/acme/").status_code == 200
    assert visitor().get(f"/invitations/{secret}").status_code == 404
    with app.app_context():
        role = db.session.scalar(
            sa.select(Membership.role).join(User, User.id == Membership.user_id).where(User.email == "dora@example.com")
        )
        assert role == "editor"  # the extra form field promoted nobody


def test_somebody_signed_in_joins_with_one_click_and_a_member_keeps_their_role(app, sign_in):
    adam = sign_in("adam")
    charlie = sign_in("charlie")
    assert charlie.submit(f"/invitations/{invite(adam, 'charlie@example.com', 'viewer')}").status_code == 303
    assert charlie.get("/w/acme/").status_code == 200
    bob = sign_in("bob")
    assert bob.submit(f"/invitations/{invite(adam, 'bob@example.com', 'viewer')}").status_code == 303
    assert bob.get("/w/acme/prompt-templates/new").status_code == 200


def test_a_link_is_for_whom_it_names(sign_in):
    secret = invite(sign_in("adam"), "dora@example.com", "admin")
    charlie = sign_in("charlie")
    assert charlie.submit(f"/invitations/{secret}").status_code == 403
    assert charlie.get("/w/acme/").status_code == 404


def test_the_links_of_a_removed_or_demoted_admin_are_worth_nothing(app, sign_in, visitor):
    adam, alice = sign_in("adam"), sign_in("alice")
    secret = invite(adam, "adam@example.com", "admin")
    adams = membership_of(app, "adam")
    alice.submit(f"/w/acme/settings/members/{adams}", {"role": "viewer"})
    assert visitor().get(f"/invitations/{secret}").status_code == 404
    alice.submit(f"/w/acme/settings/members/{adams}/remove")
    assert adam.submit(f"/invitations/{secret}").status_code == 404
    assert adam.get("/w/acme/").status_code == 404


def test_names_hold_only_what_can_be_seen(sign_in):
    bob = sign_in("bob")
    for odd in ("a\u202eb", "a\x07b"):
        assert bob.submit("/profile", {"name": odd}).status_code == 422
        assert bob.submit("/workspaces", {"name": odd}).status_code == 422
        assert bob.submit("/w/acme/settings/tokens", {"name": odd, "scope": "run"}).status_code == 422


def test_withdrawn_old_and_foreign_invitations_answer_alike(app, sign_in, visitor):
    adam = sign_in("adam")
    secret = invite(adam)
    with app.app_context():
        invitation_id = db.session.scalar(sa.select(Invitation.id))
    assert sign_in("charlie").submit(f"/w/rival/settings/invitations/{invitation_id}/withdraw").status_code == 404
    assert adam.submit(f"/w/acme/settings/invitations/{invitation_id}/withdraw").status_code == 303
    old = invite(adam)
    with app.app_context():
        db.session.execute(sa.update(Invitation).values(expires_at=now() - timedelta(seconds=1)))
        db.session.commit()
    answers = [visitor().get(f"/invitations/{value}") for value in (secret, old, "A" * 43)]
    assert [answer.status_code for answer in answers] == [404] * 3


def test_bad_invitations_keep_what_was_typed(sign_in):
    answer = sign_in("adam").submit("/w/acme/settings/invitations", {"email": "no address", "role": "editor"})
    assert answer.status_code == 422
    assert 'value="no address"' in answer.get_data(as_text=True)
    assert (
        sign_in("adam").submit("/w/acme/settings/invitations", {"email": "a@b.example", "role": "owner"}).status_code
        == 403
    )


def test_a_workspace_is_made_renamed_and_deleted_by_its_owner(app, sign_in):
    bob = sign_in("bob")
    assert bob.submit("/workspaces", {"name": "Side project"}).headers["Location"] == "/w/side-project/"
    assert bob.submit("/workspaces", {"name": "Side project"}).headers["Location"] == "/w/side-project-2/"
    taken = bob.submit("/workspaces", {"name": "Other", "slug": "acme"})
    assert taken.status_code == 422
    assert "already" in taken.get_data(as_text=True)
    assert bob.submit("/workspaces", {"name": "", "slug": "Not A Slug!"}).status_code == 422
    assert bob.submit("/w/side-project/settings", {"name": "Renamed", "slug": "renamed"}).status_code == 303
    assert bob.get("/w/side-project/").status_code == 404
    assert bob.submit("/w/renamed/settings", {"name": "Renamed", "slug": "acme"}).status_code == 422
    assert bob.submit("/w/renamed/settings/delete", {"confirm": "wrong"}).status_code == 422
    assert bob.submit("/w/renamed/settings/delete", {"confirm": "renamed"}).status_code == 303
    assert bob.get("/w/renamed/").status_code == 404
    assert sign_in("adam").submit("/w/acme/settings/delete", {"confirm": "acme"}).status_code == 403
    with app.app_context():
        assert sorted(db.session.scalars(sa.select(Workspace.slug))) == ["acme", "rival", "side-project-2"]


def test_the_workspace_menu_lists_ones_own_workspaces_only(sign_in):
    page = sign_in("bob").get("/_workspaces").get_data(as_text=True)
    assert "Acme" in page
    assert "Rival" not in page


def test_a_token_is_shown_once_works_and_stops_when_revoked(app, sign_in):
    bob = sign_in("bob")
    answer = bob.submit("/w/acme/settings/tokens", {"name": "helpdesk", "scope": "run", "days": "30"})
    assert answer.status_code == 201
    text = re.search(r"aiapp_[A-Za-z0-9_-]{43}", answer.get_data(as_text=True))[0]
    assert text not in bob.get("/w/acme/settings/tokens").get_data(as_text=True)
    call = {"Authorization": f"Bearer {text}"}
    client = app.test_client()
    assert client.get("/api/v1/me", headers=call).json["workspace"]["slug"] == "acme"
    with app.app_context():
        token = db.session.scalars(sa.select(ApiToken)).one()
        assert token.last_used_at is not None
        assert text not in str(vars(token))
    assert bob.submit(f"/w/acme/settings/tokens/{token.id}/revoke").status_code == 303
    assert client.get("/api/v1/me", headers=call).status_code == 401


def test_tokens_cannot_reach_further_than_their_user(sign_in):
    vera = sign_in("vera")
    assert vera.submit("/w/acme/settings/tokens", {"name": "x", "scope": "write"}).status_code == 403
    assert vera.submit("/w/acme/settings/tokens", {"name": "", "scope": "run"}).status_code == 422
    assert vera.submit("/w/acme/settings/tokens", {"name": "x", "scope": "everything"}).status_code == 422


def test_members_see_their_own_tokens_admins_everyones(app, team, sign_in):
    team.token("alice")
    with app.app_context():
        token_id = db.session.scalar(sa.select(ApiToken.id))
    bob, adam = sign_in("bob"), sign_in("adam")
    assert "alice&#39;s" not in bob.get("/w/acme/settings/tokens").get_data(as_text=True)
    assert bob.submit(f"/w/acme/settings/tokens/{token_id}/revoke").status_code == 404
    assert "alice&#39;s" in adam.get("/w/acme/settings/tokens").get_data(as_text=True)
    assert sign_in("charlie").submit(f"/w/rival/settings/tokens/{token_id}/revoke").status_code == 404
    assert adam.submit(f"/w/acme/settings/tokens/{token_id}/revoke").status_code == 303


def test_an_expired_token_is_no_token(app, team, api):
    bob = api("bob")
    with app.app_context():
        db.session.execute(sa.update(ApiToken).values(expires_at=now() - timedelta(seconds=1)))
        db.session.commit()
    assert bob("GET", "/me").status_code == 401


def test_the_audit_log_shows_what_changed_and_pages_on(app, team, sign_in):
    alice = sign_in("alice")
    alice.submit(f"/w/acme/settings/members/{membership_of(app, 'bob')}", {"role": "admin"})
    page = alice.get("/w/acme/settings/audit").get_data(as_text=True)
    assert "member.role" in page
    assert "admin" in page
    with app.app_context():
        access = team.access("alice")
        for number in range(60):
            access.audit("test.event", f"subject {number}")
        db.session.commit()
        oldest = db.session.scalar(sa.select(AuditEvent.id).order_by(AuditEvent.id.desc()).offset(49))
    page = alice.get("/w/acme/settings/audit").get_data(as_text=True)
    assert "subject 59" in page
    assert "subject 3<" not in page
    assert "subject 3<" in alice.get(f"/w/acme/settings/audit?before={oldest}").get_data(as_text=True)


def test_two_owners_cannot_unmake_each_other(app, team):
    alices, adams = membership_of(app, "alice"), membership_of(app, "adam")
    with app.app_context():
        alice = team.access("alice")
        actions.change_role(alice, adams, "owner")
        actions.change_role(alice, alices, "admin")
        with pytest.raises(Conflict):
            actions.change_role(team.access("adam"), adams, "admin")


def test_sign_up_is_closed_by_default(visitor, team):
    client = visitor()
    assert client.get("/sign-up").status_code == 404
    assert (
        client.submit(
            "/sign-up", {"email": "new@example.com", "name": "New", "password": "a fresh long passphrase"}
        ).status_code
        == 404
    )


class TestWhereSignUpIsOpen:
    @pytest.fixture
    def settings(self, settings):
        from dataclasses import replace

        return replace(settings, sign_up=True)

    def test_it_gives_a_workspace_of_ones_own(self, visitor, team):
        client = visitor()
        form = {"email": "new@example.com", "name": "Nora", "password": "a fresh long passphrase"}
        answer = client.submit("/sign-up", form)
        assert answer.status_code == 303
        page = client.get(answer.headers["Location"]).get_data(as_text=True)
        assert "Nora&#39;s workspace" in page

    def test_a_taken_address_and_a_weak_password_are_named_and_nothing_typed_is_lost(self, visitor, team):
        answer = visitor().submit(
            "/sign-up", {"email": "bob@example.com", "name": "Bob", "password": "a fresh long passphrase"}
        )
        assert answer.status_code == 422
        assert 'value="bob@example.com"' in answer.get_data(as_text=True)
        assert (
            visitor().submit("/sign-up", {"email": "new@example.com", "name": "N", "password": "x"}).status_code == 422
        )
