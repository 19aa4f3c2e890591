"""The edge of HTTP: what browsers are told, and whose word counts for an address."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace

import pytest


def test_a_static_file_is_kept_for_a_year_under_an_address_that_changes_with_it(app, visitor):
    page = visitor().get("/login").get_data(as_text=True)
    address = re.search(r'href="(/static/css/tokens\.css\?v=[0-9a-f]{12})"', page)[1]

    def cache_control(path):
        with app.test_client().get(path) as answer:
            return answer.headers.get("Cache-Control", "")

    assert "immutable" in cache_control(address)
    assert "immutable" not in cache_control("/static/css/tokens.css")
    assert "immutable" not in cache_control("/static/nothing.css?v=1")


class TestBehindAProxy:
    @pytest.fixture
    def settings(self, settings, tmp_path):
        return replace(settings, home=tmp_path, trusted_proxies=(ipaddress.ip_network("10.0.0.0/8"),))

    @pytest.fixture
    def seen(self, app):
        """What the app takes for the client's address and scheme."""
        from flask import request

        app.add_url_rule("/seen", "seen", lambda: f"{request.remote_addr} {request.scheme} {request.host}")

        def ask(peer, **headers):
            answer = app.test_client().get("/seen", environ_base={"REMOTE_ADDR": peer}, headers=headers)
            return answer.get_data(as_text=True)

        return ask

    def test_a_named_proxy_is_believed(self, seen):
        forwarded = {
            "X-Forwarded-For": "203.0.113.9",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "ai.example.com",
        }
        assert seen("10.1.2.3", **forwarded) == "203.0.113.9 https ai.example.com"

    def test_nobody_else_is(self, seen):
        assert seen("198.51.100.7", **{"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https"}).startswith(
            "198.51.100.7 http "
        )

    def test_what_a_client_wrote_before_the_proxies_does_not_count(self, seen):
        assert seen("10.1.2.3", **{"X-Forwarded-For": "127.0.0.1, 203.0.113.9, 10.9.9.9"}).startswith("203.0.113.9 ")

    def test_nonsense_is_nobodys_address(self, seen):
        assert seen("10.1.2.3", **{"X-Forwarded-For": "203.0.113.9, <script>"}).startswith("10.1.2.3 ")


def test_a_nul_is_refused_at_the_door(visitor, sign_in):
    bob = sign_in("bob")
    for path in ("/w/a%00b/", "/w/acme/executions?q=%00", "/w/acme/executions/_of?template=%00", "/?%00=1"):
        assert bob.get(path).status_code == 400, path
    assert bob.submit("/profile", {"name": "a\x00b"}).status_code == 400
    assert visitor().submit("/login", {"email": "a\x00b@example.com", "password": "x"}).status_code == 400


class TestTheDemo:
    @pytest.fixture
    def settings(self, settings):
        return replace(settings, demo=True)

    def test_no_other_name_leads_to_it(self, app):
        client = app.test_client()
        assert client.get("/login", headers={"Host": "127.0.0.1:8000"}).status_code == 200
        assert client.get("/login", headers={"Host": "evil.example:8000"}).status_code == 400


def test_the_cookie_is_secure_over_tls(app):
    answer = app.test_client().get("/login", base_url="https://localhost")
    assert "Secure" in answer.headers["Set-Cookie"]
    assert "Strict-Transport-Security" in answer.headers
