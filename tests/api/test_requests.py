"""What the API makes of requests as such: who may send them, in what form, and how refusals look."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import sqlalchemy as sa
from described import PREFIX

from aiapp.accounts.models import ApiToken, User
from aiapp.columns import now
from aiapp.extensions import db
from aiapp.workspaces.models import Membership

BODY = b'{"template": "Hi", "context": {}}'
JSON = {"Content-Type": "application/json"}
LISTS = ("/members", "/invitations", "/providers", "/credentials", "/prompt-templates", "/executions")


def change(app, statement):
    with app.app_context():
        db.session.execute(statement)
        db.session.commit()


def of(name):
    return sa.select(User.id).where(User.email == f"{name}@example.com").scalar_subquery()


def test_a_token_is_taken_from_the_bearer_header_and_from_nowhere_else(app, team, described):
    token = team.token("bob")
    for header, text in (
        ("Authorization", token),
        ("Authorization", f"Basic {token}"),
        ("Authorization", f"Bearer x{token}"),
        ("Authorization", f"Bearer {token}x"),
        ("Authorization", "Bearer aiapp_" + "x" * 10_000),
        ("Authorization", "Bearer"),
        ("Authorization", "Bearer aiapp_\x00"),
        ("X-Api-Key", token),
        ("Cookie", f"token={token}"),
    ):
        answer = app.test_client().get(f"{PREFIX}/me", headers={header: text})
        assert answer.status_code == 401, (header, text)
        described.judge(answer)


def test_a_token_in_the_address_is_none(app, team):
    token = team.token("bob")
    for name in ("token", "access_token", "api_key", "authorization"):
        assert app.test_client().get(f"{PREFIX}/me", query_string={name: token}).status_code == 401


def test_a_signed_in_browser_is_nobody_to_the_api(sign_in):
    assert sign_in("alice").get(f"{PREFIX}/me").status_code == 401


def test_the_word_bearer_is_read_in_any_case(app, team):
    headers = {"Authorization": f"bearer  {team.token('bob')} "}
    assert app.test_client().get(f"{PREFIX}/me", headers=headers).status_code == 200


def test_a_revoked_token_stops_at_once(api, app):
    bob = api("bob")
    assert bob("GET", "/me").status_code == 200
    change(app, sa.delete(ApiToken))
    assert bob("GET", "/me").status_code == 401


def test_a_token_that_has_run_out_is_none(api, app):
    bob = api("bob")
    change(app, sa.update(ApiToken).values(expires_at=now() - timedelta(seconds=1)))
    assert bob("GET", "/me").status_code == 401


def test_the_token_of_a_removed_member_is_none(api, app):
    bob = api("bob")
    change(app, sa.delete(Membership).where(Membership.user_id == of("bob")))
    assert bob("GET", "/me").status_code == 401


def test_the_token_of_a_switched_off_user_is_none(api, app):
    bob = api("bob")
    change(app, sa.update(User).where(User.id == of("bob")).values(active=False))
    assert bob("GET", "/me").status_code == 401


def test_a_changed_role_counts_for_the_next_request(api, app):
    bob = api("bob", "write")
    assert bob("POST", "/prompt-templates", {"name": "One"}).status_code == 201
    change(app, sa.update(Membership).where(Membership.user_id == of("bob")).values(role="viewer"))
    assert bob("POST", "/prompt-templates", {"name": "Two"}).json["code"] == "denied"


def test_the_use_of_a_token_is_noted_without_holding_the_database(api, app):
    """On SQLite a note inside of the request's own transaction would wait for itself."""
    bob = api("bob")
    assert bob("POST", "/prompt-templates", {"name": "One"}).status_code == 201
    with app.app_context():
        assert db.session.scalars(sa.select(ApiToken.last_used_at)).one() is not None


def test_an_unknown_address_is_a_problem(api):
    bob = api("bob")
    for path in ("/nothing", "/executions/x", "/executions/" + "A" * 32, "/prompt-templates/a/versions/x"):
        answer = bob("GET", path)
        assert (answer.status_code, answer.json["code"]) == (404, "not_found"), path


def test_an_unknown_method_is_a_problem(api):
    answer = api("bob")("DELETE", "/me")
    assert (answer.status_code, answer.json["code"]) == (405, "method_not_allowed")


def test_a_body_that_is_no_json_object_is_a_problem(api):
    bob = api("bob")
    for body in (b"{", b"[]", b"null", b'"text"', b"1", b"{'a': 1}", b'{"a": 1}x', b"\xff\xfe", b"[" * 100_000):
        answer = bob("POST", "/executions", data=body, headers=JSON)
        assert (answer.status_code, answer.json["code"]) == (400, "bad_json"), body[:20]


def test_a_body_that_is_needed_and_not_sent_is_a_mistake(api):
    answer = api("bob")("POST", "/executions", data=b"", headers=JSON)
    assert (answer.status_code, answer.json["code"]) == (422, "invalid")


def test_another_content_type_is_a_problem(api):
    bob = api("bob")
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        answer = bob("POST", "/executions", data=BODY, headers={"Content-Type": kind})
        assert (answer.status_code, answer.json["code"]) == (415, "unsupported_media_type"), kind


def test_a_json_dialect_is_json(api):
    headers = {"Content-Type": "application/vnd.api+json; charset=utf-8"}
    assert api("bob")("POST", "/executions", data=BODY, headers=headers).status_code == 202


def test_a_body_that_is_too_large_is_a_problem(api, settings):
    body = b'{"template": "' + b"x" * settings.max_request_bytes + b'"}'
    answer = api("bob")("POST", "/executions", data=body, headers=JSON)
    assert (answer.status_code, answer.json["code"]) == (413, "too_large")


def test_an_address_that_holds_a_nul_is_a_problem(api):
    bob = api("bob")
    for path in ("/prompt-templates/a%00b", "/executions?q=a%00b", "/executions?cursor=%00"):
        answer = bob("GET", path)
        assert (answer.status_code, answer.json["code"]) == (400, "bad_request"), path


def test_wrong_fields_are_named_together(api):
    answer = api("bob")("POST", "/prompt-templates", {"name": 5, "messages": [{"role": "system", "content": "x"}]})
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json["errors"]} == {"name", "messages.0.role"}


def test_thousands_of_mistakes_are_told_in_a_few(api):
    answer = api("bob")("POST", "/prompt-templates", {"name": "x", "messages": [1] * 900})
    assert answer.status_code == 422
    assert len(answer.json["errors"]) == 100


def test_a_list_that_is_too_long_is_refused_as_a_whole(api):
    answer = api("bob")("POST", "/prompt-templates", {"name": "x", "tags": [1] * 300_000})
    assert answer.status_code == 422
    assert len(answer.json["errors"]) <= 100


def test_a_refusal_tells_nothing_of_the_inside(api):
    answer = api("bob")("POST", "/prompt-templates", {"name": {"password": "hunter2"}})
    text = answer.get_data(as_text=True)
    assert not [word for word in ("hunter2", "pydantic", "Traceback", "/work", "SELECT") if word in text]


def test_a_callers_request_id_comes_back(api):
    answer = api("bob")("GET", "/me", headers={"X-Request-ID": "my-request-0001"})
    assert answer.headers["X-Request-ID"] == "my-request-0001"


def test_an_answer_is_kept_by_nobody(api):
    assert api("bob")("GET", "/me").headers["Cache-Control"] == "no-store"


def test_the_options_of_a_path_are_told_to_whoever_may_ask(api, app):
    answer = app.test_client().options(f"{PREFIX}/me")
    assert answer.status_code == 401


def test_every_list_is_read_page_by_page(api, rows):
    alice = api("alice")
    for name in ("Second", "Third"):
        alice("POST", "/credentials", {"provider": "demo", "name": name})
        alice("POST", "/invitations", {"email": f"{name}@example.com"})
        alice("POST", "/prompt-templates", {"name": name})
        alice("POST", "/prompt-templates/greeting/versions")
        alice("POST", "/executions", {"template": name})
        alice("POST", "/tokens", {"name": name})
    for path in (*LISTS, "/tokens", "/audit", "/prompt-templates/greeting/versions"):
        whole = alice("GET", path).json
        assert whole["next_cursor"] is None
        assert len(whole["data"]) >= 3, path
        read, cursor = [], ""
        while cursor is not None:
            answer = alice("GET", path, query_string={"limit": 2, **({"cursor": cursor} if cursor else {})})
            assert len(answer.json["data"]) <= 2
            read += answer.json["data"]
            cursor = answer.json["next_cursor"]
        assert read == whole["data"], path


def test_a_cursor_that_no_list_gave_is_a_mistake_or_an_end(api):
    alice = api("alice")
    cursors = ["x", "0" * 31 + "g", "W10", "W251bGxd", "eyJhIjoxfQ", "W1tbW1tb", "x" * 2000, "é"]
    for path, cursor in product(LISTS, cursors):
        answer = alice("GET", path, query_string={"cursor": cursor})
        assert answer.status_code in {200, 422}, (path, cursor)
        if answer.status_code == 422:
            assert answer.json["errors"][0]["field"] == "cursor"


def test_a_limit_is_a_whole_number_from_1_to_200(api):
    alice = api("alice")
    for limit in ("0", "201", "-1", "x", "1.5", ""):
        answer = alice("GET", "/executions", query_string={"limit": limit})
        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, "limit"), limit


def test_a_page_begins_after_the_last_one_even_if_that_has_gone(api, rows):
    alice = api("alice")
    for name in ("B", "C", "D"):
        alice("POST", "/credentials", {"provider": "demo", "name": name})
    first = alice("GET", "/credentials", query_string={"limit": 2}).json
    for one in first["data"][1:]:
        alice("DELETE", f"/credentials/{one['id']}")
    rest = alice("GET", "/credentials", query_string={"cursor": first["next_cursor"]}).json["data"]
    assert [one["name"] for one in rest] == ["C", "D"]
