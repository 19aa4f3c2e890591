"""The HTTP seam as the gateway uses it: a request goes out as it was built, an answer comes back, nothing else happens."""

import socket

import httpx
import pytest
from loopback import OK, Upstream

from aiapp.providers import addresses
from aiapp.providers.addresses import UNREACHABLE
from aiapp.providers.transport import Cancel, Limits, Transport, over
from aiapp.providers.types import HttpRequest, ProviderError


def ask(upstream, body=b"{}", **headers):
    return HttpRequest("POST", upstream.url, headers, body)


@pytest.fixture
def transport_to():
    made = []

    def make(upstream, **options):
        made.append(Transport(upstream.allow, options.pop("limits", Limits(idle=20, total=40)), **options))
        return made[-1]

    yield make
    for transport in made:
        transport.close()


def fails(transport, request, **options):
    with pytest.raises(ProviderError) as caught, transport.send(request, **options) as answer:
        answer.read()
    return caught.value


def test_a_request_goes_out_as_it_was_built_and_says_who_asks(transport_to):
    with Upstream(OK) as upstream:
        transport = transport_to(upstream)
        with transport.send(ask(upstream, b'{"a": 1}', Authorization="Bearer key", **{"X-Own": "1"})) as answer:
            assert (answer.status, answer.read()) == (200, b"ok")
        head, _, body = upstream.requests[0].partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        assert body == b'{"a": 1}'
        assert lines[0] == "POST /v1/chat?a=b HTTP/1.1"
        assert lines[1] == f"Host: 127.0.0.1:{upstream.port}"
        assert {"Authorization: Bearer key", "X-Own: 1", "Content-Length: 8", "Accept-Encoding: gzip"} <= set(lines)
        assert [line for line in lines if line.startswith("User-Agent: aiapp/")]


def test_a_get_has_no_body_and_a_post_without_one_says_so(transport_to):
    with Upstream(OK) as upstream:
        transport = transport_to(upstream)
        for method in ("GET", "POST"):
            with transport.send(HttpRequest(method, upstream.url, {})) as answer:
                answer.read()
        assert b"content-length" not in upstream.requests[0].lower()
        assert b"Content-Length: 0\r\n" in upstream.requests[1]


def test_headers_that_steer_the_connection_are_ours_alone(transport_to):
    with Upstream(OK) as upstream:
        theirs = {
            "Host": "evil.example",
            "Content-Length": "9999",
            "Transfer-Encoding": "chunked",
            "Connection": "close",
            "Accept-Encoding": "br",
            "Cookie": "a=b",
            "Expect": "100-continue",
            "Upgrade": "h2c",
        }
        with transport_to(upstream).send(ask(upstream, b"{}", **theirs)) as answer:
            answer.read()
        sent = upstream.requests[0].decode().lower()
        assert "evil" not in sent
        assert "cookie" not in sent
        assert "chunked" not in sent
        assert "upgrade" not in sent
        assert sent.count("content-length: 2\r\n") == 1


@pytest.mark.parametrize("value", ["key\r\nX-Evil: 1", "key\n", "key\x00", "k\u0119y", "\u201ckey\u201d", "key\x7f"])
def test_a_key_that_no_header_can_hold_is_an_auth_error_and_never_shown(value, transport_to):
    with Upstream(OK) as upstream:
        error = fails(transport_to(upstream), ask(upstream, Authorization=value))
        assert error.error_class == "auth"
        assert "Evil" not in error.message
        assert value not in error.message
        assert upstream.connections == 0


def test_cookies_are_not_kept(transport_to):
    with Upstream(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nContent-Length: 0\r\n\r\n") as upstream:
        transport = transport_to(upstream)
        for _ in range(2):
            with transport.send(ask(upstream)) as answer:
                answer.read()
                assert answer.headers["set-cookie"] == "a=b, c=d"
        assert b"cookie" not in upstream.requests[1].lower()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_that_nobody_follows(status, transport_to):
    with Upstream(OK) as other, Upstream(b"") as upstream:
        head = f"HTTP/1.1 {status} Moved\r\nLocation: {other.url}\r\nContent-Length: 0\r\n\r\n"
        upstream._script = upstream._always(head.encode())
        transport = Transport(upstream.allow | other.allow)
        with transport.send(ask(upstream, **{"x-api-key": "secret"})) as answer:
            assert answer.status == status
            assert answer.headers["location"] == other.url
            assert answer.read() == b""
        assert other.connections == 0
        transport.close()


def test_the_environment_names_no_proxy(transport_to, monkeypatch):
    with Upstream(OK) as proxy, Upstream(OK) as upstream:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        with transport_to(upstream).send(ask(upstream)) as answer:
            answer.read()
        assert (proxy.connections, upstream.connections) == (0, 1)


def test_an_error_page_need_not_be_read_to_its_end(transport_to):
    with Upstream(b"HTTP/1.1 500 No\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 100) as upstream:
        transport = transport_to(upstream, limits=Limits(response_bytes=100_000_000))
        with transport.send(ask(upstream)) as answer:
            assert (answer.status, answer.read(50)) == (500, b"x" * 50)
        with transport.send(ask(upstream)) as answer:
            assert answer.status == 500
        assert upstream.connections == 2


def test_a_streamed_answer_comes_as_it_arrives(transport_to):
    def script(talk):
        talk.request()
        talk.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for part in (b"one", b"two"):
            talk.send(b"3\r\n" + part + b"\r\n")
            talk.sock.recv(1)  # goes on when told: the part before must have been read by then
        talk.send(b"0\r\n\r\n")

    with Upstream(script) as upstream:
        transport = transport_to(upstream)
        with transport.send(ask(upstream)) as answer:
            seen = []
            for chunk in answer.chunks:
                seen.append(chunk)
                transport_socket = answer  # the script waits for a byte, which no client of ours would ever send
                nudge(upstream)
            assert seen == [b"one", b"two"]
        assert transport_socket.status == 200
