"""What an error looks like: with the shell for a member, without it for a visitor, as a message over the page for htmx."""

from __future__ import annotations

import re


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_a_member_who_may_not_keeps_the_shell_and_reads_which_role_may(sign_in):
    answer = sign_in("vera").get("/w/acme/settings/audit")
    html = answer.get_data(as_text=True)
    assert answer.status_code == 403
    assert "You need the admin role" in html
    assert "You are a viewer in Acme." in text_of(html)
    assert "An admin of the workspace can give it to you." in text_of(html)
    assert '<aside class="app-nav"' in html
    assert 'href="/w/acme/executions"' in html
    assert re.search(r'href="/w/acme/settings"\s+aria-current="page"', html)


def test_a_page_that_is_not_there_keeps_the_shell_for_a_member(sign_in):
    answer = sign_in("bob").get("/w/acme/executions/" + "0" * 32)
    html = answer.get_data(as_text=True)
    assert answer.status_code == 404
    assert "This page does not exist" in html
    assert '<aside class="app-nav"' in html


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
