"""The HTTP seam as the gateway uses it: a request goes out as it was built, an answer comes back, nothing else happens."""

import socket
import threading

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
    redirect = "HTTP/1.1 {} Moved\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n"
    with Upstream(OK) as other, Upstream(redirect.format(status, other.url).encode()) as upstream:
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
    was_read = threading.Semaphore(0)

    def script(talk):
        talk.request()
        talk.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for part in (b"one", b"two"):
            talk.send(b"3\r\n" + part + b"\r\n")
            assert was_read.acquire(timeout=20)
        talk.send(b"0\r\n\r\n")

    with Upstream(script) as upstream, transport_to(upstream).send(ask(upstream)) as answer:
        for expected in (b"one", b"two"):
            assert next(answer.chunks) == expected
            was_read.release()
        assert list(answer.chunks) == []


def test_an_answer_that_was_left_cannot_be_read_any_more(transport_to):
    with Upstream(OK) as upstream:
        transport = transport_to(upstream)
        with transport.send(ask(upstream)) as unread:
            pass
        with transport.send(ask(upstream)) as begun:
            chunks = begun.chunks
            next(chunks)
        for chunks in (unread.chunks, begun.chunks):
            with pytest.raises(RuntimeError):
                next(chunks)
        # and another call's answer is its own
        with transport.send(ask(upstream)) as answer:
            assert answer.read() == b"ok"


def test_a_refused_address_and_a_closed_port_read_the_same(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    allowed = Transport(frozenset({f"127.0.0.1:{port}"}))
    closed = fails(allowed, HttpRequest("GET", f"http://127.0.0.1:{port}/", {}))
    assert (closed.error_class, closed.message) == ("network", UNREACHABLE)
    texts = {closed.message}

    strict = Transport()
    with Upstream(OK) as upstream:
        monkeypatch.setattr(
            addresses.socket, "getaddrinfo", lambda *a, **k: [(2, 1, 6, "", ("127.0.0.1", upstream.port))]
        )
        for host in ("127.0.0.1", "inside.example"):
            refused = fails(strict, HttpRequest("GET", f"https://{host}:{upstream.port}/", {}))
            assert refused.error_class == "blocked_address"
            texts.add(refused.message)
        assert upstream.connections == 0
    assert texts == {UNREACHABLE}


def test_plain_http_is_sent_only_where_it_is_allowed(monkeypatch):
    with Upstream(OK) as upstream:
        asked = []

        def getaddrinfo(host, port, *args, **kwargs):
            asked.append(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", upstream.port))]

        monkeypatch.setattr(addresses.socket, "getaddrinfo", getaddrinfo)
        transport = Transport(frozenset({f"b.example:{upstream.port}"}))
        error = fails(transport, HttpRequest("GET", f"http://a.example:{upstream.port}/", {"x-api-key": "secret"}))
        assert error.error_class == "blocked_address"
        assert "https://" in error.message
        assert (asked, upstream.connections) == ([], 0)


def test_the_address_that_was_checked_is_the_one_that_is_dialled(monkeypatch):
    answers = iter([["127.0.0.1"], ["127.0.0.2"]])

    def getaddrinfo(host, port, *args, **kwargs):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port)) for text in next(answers)]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", getaddrinfo)
    with Upstream(OK) as upstream:
        transport = Transport(frozenset({f"name.example:{upstream.port}"}))
        with transport.send(HttpRequest("GET", f"http://name.example:{upstream.port}/", {})) as answer:
            assert answer.read() == b"ok"
        assert f"Host: name.example:{upstream.port}\r\n".encode() in upstream.requests[0]
        assert list(answers) == [["127.0.0.2"]]  # nobody asked a second time
        transport.close()


def test_the_next_address_of_a_name_is_tried(monkeypatch):
    with Upstream(OK) as upstream:
        found = [(2, 1, 6, "", ("127.0.0.9", upstream.port)), (2, 1, 6, "", ("127.0.0.1", upstream.port))]
        monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *a, **k: found)
        transport = Transport(frozenset({f"name.example:{upstream.port}"}))
        with transport.send(HttpRequest("GET", f"http://name.example:{upstream.port}/", {})) as answer:
            assert answer.read() == b"ok"
        transport.close()


def test_a_check_says_how_far_it_got(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Upstream(OK) as upstream:
        known = {"here.example": "127.0.0.1", "inside.example": "10.0.0.1"}

        def getaddrinfo(host, port, *args, **kwargs):
            if host not in known:
                raise socket.gaierror(socket.EAI_NONAME, "unknown")
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (known[host], port))]

        monkeypatch.setattr(addresses.socket, "getaddrinfo", getaddrinfo)
        allow = frozenset({f"here.example:{upstream.port}", f"here.example:{port}"})
        transport = Transport(allow, Limits(connect=10, idle=10), local={"demo": lambda request: (200, {}, [])})

        good = transport.probe(f"http://here.example:{upstream.port}/v1")
        assert good.failed is None
        assert list(good.milliseconds) == ["name", "connect"]
        assert upstream.requests == []

        closed = transport.probe(f"http://here.example:{port}/v1")
        assert (closed.failed, closed.message, list(closed.milliseconds)) == (
            "connect",
            UNREACHABLE,
            ["name", "connect"],
        )
        inside = transport.probe("https://inside.example/v1")
        assert (inside.failed, inside.message, list(inside.milliseconds)) == ("address", UNREACHABLE, ["name"])
        unknown = transport.probe("https://nowhere.example/v1")
        assert (unknown.failed, unknown.message) == ("name", UNREACHABLE)
        assert transport.probe("http://here.example/").failed == "address"
        assert transport.probe("https://user@here.example/").failed == "address"
        assert transport.probe("demo:script").failed is None
        assert len(transport._pool) == 0

        cancel = Cancel()
        cancel.cancel()
        with pytest.raises(ProviderError):
            transport.probe(f"http://here.example:{upstream.port}/", cancel=cancel)


def test_a_local_scheme_is_answered_in_this_process_within_the_same_bounds():
    closed = []

    def demo(request):
        def content():
            try:
                yield b"one"
                yield b"two"
            finally:
                closed.append(request.url)

        return 200, {"Content-Type": "text/plain"}, content()

    transport = Transport(local={"demo": demo})
    request = HttpRequest("POST", "demo:script", {}, b"{}")
    with transport.send(request) as answer:
        assert (answer.status, answer.headers["content-type"], list(answer.chunks)) == (
            200,
            "text/plain",
            [b"one", b"two"],
        )

    assert fails(transport, request, limits=Limits(response_bytes=5)).error_class == "too_large"
    assert fails(transport, request, limits=Limits(total=0)).error_class == "timeout"

    cancel = Cancel()
    with transport.send(request, cancel=cancel) as answer:
        assert next(answer.chunks) == b"one"
        cancel.cancel()
        with pytest.raises(ProviderError) as caught:
            next(answer.chunks)
    assert caught.value.error_class == "cancelled"

    with transport.send(request) as answer:
        next(answer.chunks)
    assert closed.count("demo:script") == 4


def test_a_mock_of_httpx_can_stand_in_for_the_network():
    def handler(request):
        if request.url.path == "/slow":
            raise httpx.ReadTimeout("slow")
        if request.url.path == "/gone":
            raise httpx.ConnectError("gone")
        return httpx.Response(201, json={"asked": request.read().decode(), "key": request.headers["x-api-key"]})

    transport = Transport(local={"https": over(httpx.MockTransport(handler))})
    with transport.send(HttpRequest("POST", "https://api.example/v1", {"x-api-key": "k"}, b"body")) as answer:
        assert answer.status == 201
        assert answer.read() == b'{"asked":"body","key":"k"}'
    assert fails(transport, HttpRequest("GET", "https://api.example/slow", {})).error_class == "timeout"
    assert fails(transport, HttpRequest("GET", "https://api.example/gone", {})).error_class == "network"
