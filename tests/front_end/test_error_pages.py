"""What an error looks like: with the shell for a member, without it for a visitor, as a message over the page for htmx."""

from __future__ import annotations

import re

import sqlalchemy as sa

from aiapp.extensions import db
from aiapp.workspaces.models import Membership


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def headings(html: str) -> list[tuple[str, str]]:
    """The headings outside of the dialogs that every page brings along."""
    main = re.sub(r"<dialog.*?</dialog>|<aside.*?</aside>", "", html, flags=re.S)
    return [(level, text_of(text).strip()) for level, text in re.findall(r"<h([12])[^>]*>(.*?)</h\1>", main, re.S)]


def test_a_member_who_may_not_keeps_the_shell_and_reads_which_role_may(sign_in):
    answer = sign_in("vera").get("/w/acme/settings/audit")
    html = answer.get_data(as_text=True)
    assert answer.status_code == 403
    assert "You need the admin role" in html
    assert "You are a viewer in Acme." in text_of(html)
    assert "An admin of the workspace can give it to you." in text_of(html)
    assert "This needs the role" not in html  # said by the heading
    assert '<aside class="app-nav"' in html
    assert 'href="/w/acme/executions"' in html
    assert re.search(r'href="/w/acme/settings"\s+aria-current="page"', html)


def test_an_address_that_leads_nowhere_keeps_the_shell_of_the_workspace_it_names(sign_in):
    bob = sign_in("bob")
    bob.submit("/workspaces", {"name": "Second", "slug": "second"})
    assert bob.get("/w/second/").status_code == 200
    html = bob.get("/w/acme/nothing").get_data(as_text=True)
    assert 'href="/w/acme/executions"' in html
    assert 'href="/w/second/executions"' not in html
    assert 'href="/w/acme/executions"' in bob.get("/w/rival/nothing").get_data(as_text=True)  # the one last looked at


def test_a_page_that_is_not_there_keeps_the_shell_for_a_member(sign_in):
    answer = sign_in("bob").get("/w/acme/executions/" + "0" * 32)
    html = answer.get_data(as_text=True)
    assert answer.status_code == 404
    assert headings(html) == [("1", "Not found"), ("2", "This page does not exist")]
    assert '<aside class="app-nav"' in html


def test_what_stands_in_the_top_bar_is_not_said_again(sign_in):
    html = sign_in("bob").get("/w/acme/executions?cursor=nobody-gave-it").get_data(as_text=True)
    assert headings(html) == [("1", "Please check the input")]


def test_the_profile_has_a_heading_with_a_workspace_and_without_one(app, sign_in):
    bob = sign_in("bob")
    assert ("1", "Profile") in headings(bob.get("/profile").get_data(as_text=True))
    with app.app_context():
        db.session.execute(sa.delete(Membership))
        db.session.commit()
    assert headings(bob.get("/profile").get_data(as_text=True))[0] == ("1", "Profile")


def test_the_sign_in_page_begins_in_its_first_field(visitor):
    html = visitor().get("/login").get_data(as_text=True)
    assert re.findall(r'name="(\w+)"[^>]*autofocus', html) == ["email"]


def test_a_visitor_gets_the_error_without_the_shell(visitor):
    answer = visitor().get("/nowhere")
    html = answer.get_data(as_text=True)
    assert answer.status_code == 404
    assert "<h1>This page does not exist</h1>" in html
    assert "app-nav" not in html


def test_every_error_page_says_the_id_that_the_log_has(visitor):
    answer = visitor().get("/nowhere")
    assert f"<code>{answer.headers['X-Request-ID']}</code>" in answer.get_data(as_text=True)


def test_for_htmx_an_error_is_a_message_over_the_page(visitor):
    answer = visitor().get("/nowhere", headers={"HX-Request": "true"})
    html = answer.get_data(as_text=True)
    assert (answer.status_code, answer.headers["HX-Retarget"], answer.headers["HX-Reswap"]) == (
        404,
        "#toasts",
        "beforeend",
    )
    assert '<div class="toast"' in html
    assert 'role="alert"' in html
    assert "<html" not in html
    assert answer.headers["X-Request-ID"] in html


def test_an_error_page_escapes_what_it_repeats(visitor):
    answer = visitor().get("/login?next=/%22%3E%3Cimg%20src=x%3E")
    assert "<img" not in answer.get_data(as_text=True)
