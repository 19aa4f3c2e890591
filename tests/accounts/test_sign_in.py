"""People sign in, stay in, and get out."""

from __future__ import annotations

import re

import sqlalchemy as sa

from aiapp.accounts import actions
from aiapp.accounts.models import User, UserSession
from aiapp.accounts.views import local_path
from aiapp.audit import AuditEvent
from aiapp.extensions import db


def test_bob_signs_in_and_lands_in_his_workspace(sign_in):
    bob = sign_in("bob")
    answer = bob.get("/", follow_redirects=True)
    assert answer.status_code == 200
    assert "Acme" in answer.get_data(as_text=True)


def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(visitor, team):
    wrong = visitor().submit("/login", {"email": "bob@example.com", "password": "not his password"})
    unknown = visitor().submit("/login", {"email": "nobody@example.com", "password": "not his password"})
    assert wrong.status_code == unknown.status_code == 422

    def text(answer):
        page = answer.get_data(as_text=True)
        page = page.replace("bob@example.com", "X").replace("nobody@example.com", "X")
        return re.sub(
            r'data-now="[0-9]+"|value="[^"]{40,}"|content="[^"]{40,}"|[0-9a-f]{32}|X-CSRFToken[^}]*}', "", page
        )

    assert text(wrong) == text(unknown)
    assert "is wrong" in wrong.get_data(as_text=True)


def test_the_password_never_comes_back_in_the_page(visitor, team):
    answer = visitor().submit("/login", {"email": "bob@example.com", "password": "my typed secret"})
    assert "my typed secret" not in answer.get_data(as_text=True)


def test_sign_in_is_throttled_per_account_and_names_the_wait(visitor, team):
    client = visitor()
    answers = [client.submit("/login", {"email": "bob@example.com", "password": "wrong"}) for _ in range(11)]
    assert [answer.status_code for answer in answers[:10]] == [422] * 10
    assert answers[10].status_code == 429
    assert int(answers[10].headers["Retry-After"]) > 0


def test_a_post_without_a_csrf_token_is_refused(visitor, team):
    answer = visitor().post("/login", data={"email": "bob@example.com", "password": team.password})
    assert answer.status_code == 400


def test_pages_that_follow_a_sign_in_at_once_all_have_a_token_that_holds(visitor, team):
    client = visitor()
    before = client.csrf()
    client.post("/login", data={"csrf_token": before, "email": "bob@example.com", "password": team.password})
    cookie = client.get_cookie("aiapp_session").value
    tokens = []
    for _ in range(2):
        client.set_cookie("aiapp_session", cookie)  # as it was when both were asked for
        tokens.append(client.csrf())
    for token in tokens:
        assert client.post("/theme", data={"csrf_token": token, "theme": "dark"}).status_code == 303
    assert client.post("/theme", data={"csrf_token": before, "theme": "dark"}).status_code == 400


def test_sign_in_gives_a_new_cookie_and_sign_out_ends_the_session_on_the_server(app, visitor, team):
    client = visitor()
    client.get("/login")
    before = client.get_cookie("aiapp_session").value
    client.submit("/login", {"email": "bob@example.com", "password": team.password})
    stolen = client.get_cookie("aiapp_session").value
    assert stolen != before
    assert client.get("/profile").status_code == 200
    assert client.submit("/logout").status_code == 303
    thief = visitor()
    thief.set_cookie("aiapp_session", stolen)
    assert thief.get("/profile").status_code == 303
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(UserSession)) == 0


def test_a_new_password_signs_every_other_device_out(sign_in, visitor, team):
    laptop, phone = sign_in("bob"), sign_in("bob")
    answer = laptop.submit(
        "/profile/password", {"current_password": team.password, "new_password": "a fresh long passphrase"}
    )
    assert answer.status_code == 303
    assert laptop.get("/profile").status_code == 200
    assert phone.get("/profile").status_code == 303
    assert visitor().submit("/login", {"email": "bob@example.com", "password": team.password}).status_code == 422


def test_weak_passwords_are_refused_with_the_reason(sign_in, team):
    bob = sign_in("bob")
    for weak in ("short", "aaaaaaaaaaaa", "bob@example.com1", "1234567890"):
        answer = bob.submit("/profile/password", {"current_password": team.password, "new_password": weak})
        assert answer.status_code == 422, weak
        assert "field-error" in answer.get_data(as_text=True)


def test_a_wrong_current_password_changes_nothing(sign_in):
    answer = sign_in("bob").submit(
        "/profile/password", {"current_password": "guess", "new_password": "a fresh long passphrase"}
    )
    assert answer.status_code == 422
    assert "not your current password" in answer.get_data(as_text=True)


def test_bob_changes_his_name_and_an_empty_one_is_refused(app, sign_in):
    bob = sign_in("bob")
    assert bob.submit("/profile", {"name": "  Robert   Tables "}).status_code == 303
    assert bob.submit("/profile", {"name": "   "}).status_code == 422
    with app.app_context():
        assert actions.find_user("bob@example.com").name == "Robert Tables"


def test_a_reset_link_works_once(app, visitor, team):
    with app.app_context():
        secret = actions.start_reset("bob@example.com")
    client = visitor()
    assert "bob@example.com" in client.get(f"/reset/{secret}").get_data(as_text=True)
    assert client.submit(f"/reset/{secret}", {"password": "short"}).status_code == 422
    assert client.submit(f"/reset/{secret}", {"password": "a fresh long passphrase"}).status_code == 303
    assert client.get(f"/reset/{secret}").status_code == 404
    assert client.submit(f"/reset/{secret}", {"password": "another long passphrase"}).status_code == 404
    assert (
        client.submit("/login", {"email": "bob@example.com", "password": "a fresh long passphrase"}).status_code == 303
    )


def test_a_newer_reset_link_ends_the_older_one(app, visitor, team):
    with app.app_context():
        older = actions.start_reset("bob@example.com")
        actions.start_reset("bob@example.com")
        assert actions.start_reset("nobody@example.com") is None
    assert visitor().get(f"/reset/{older}").status_code == 404


def test_a_closed_account_is_out_at_once(app, sign_in, visitor, team):
    bob = sign_in("bob")
    with app.app_context():
        actions.find_user("bob@example.com").active = False
        db.session.commit()
    assert bob.get("/profile").status_code == 303
    assert visitor().submit("/login", {"email": "bob@example.com", "password": team.password}).status_code == 422


def test_next_is_a_local_path_or_nothing(visitor, team):
    for foreign in (
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/a\nb",
        "evil",
    ):
        assert local_path(foreign) is None, foreign
    assert local_path("/w/acme/credentials?x=1") == "/w/acme/credentials?x=1"
    form = {"email": "bob@example.com", "password": team.password, "next": "//evil.example"}
    assert visitor().submit("/login", form).headers["Location"] == "/"
    form["next"] = "/w/acme/executions"
    assert visitor().submit("/login", form).headers["Location"] == "/w/acme/executions"


def test_the_theme_is_a_cookie_and_the_server_puts_the_class(sign_in):
    bob = sign_in("bob")
    bob.submit("/theme", {"theme": "dark", "next": "/profile"})
    assert re.search(r'<html[^>]*class="[^"]*dark', bob.get("/profile").get_data(as_text=True))
    bob.submit("/theme", {"theme": "<script>", "next": "/profile"})
    assert "<script>" not in bob.get("/profile").get_data(as_text=True).split("</head>")[0]


def test_signing_in_failing_and_out_are_audited_without_the_password(app, sign_in, visitor, team):
    sign_in("bob").submit("/logout")
    visitor().submit("/login", {"email": "bob@example.com", "password": "hunter2-canary"})
    with app.app_context():
        events = db.session.scalars(sa.select(AuditEvent).order_by(AuditEvent.id)).all()
        assert [event.action for event in events] == ["user.sign_in", "user.sign_out", "user.sign_in_failed"]
        assert all("hunter2-canary" not in str(vars(event)) for event in events)
        assert events[0].ip == "127.0.0.1"


def test_accounts_are_made_with_checks(app, team):
    import pytest

    from aiapp.errors import Conflict, InvalidInput

    with app.app_context():
        with pytest.raises(InvalidInput):
            actions.create_user("not an address", "X", "a fresh long passphrase")
        with pytest.raises(Conflict):
            actions.create_user("BOB@example.com", "X", "a fresh long passphrase")
        dora = actions.create_user("Dora@Example.com", "", None, is_admin=True)
        assert (dora.email, dora.name, dora.is_admin) == ("dora@example.com", "dora", True)
        assert db.session.scalar(sa.select(User.password_hash).where(User.id == dora.id)) is None
