"""An httpx client over our transport: httpx's types and exceptions, our bounds."""

import gzip

import httpx
import pytest
from loopback import OK, Upstream

from aiapp.providers.transport import Limits, Transport


@pytest.fixture
def client_to():
    made = []

    def make(upstream, limits=None, **options):
        made.append(httpx.Client(transport=Transport(upstream.allow, limits), **options))
        return made[-1]

    yield make
    for client in made:
        client.close()


def test_a_client_posts_json_and_reuses_the_connection(client_to):
    with Upstream(OK) as upstream:
        client = client_to(upstream)
        for _ in range(3):
            response = client.post(upstream.url, json={"a": 1})
            assert (response.status_code, response.text) == (200, "ok")
        assert upstream.connections == 1
        assert upstream.requests[0].endswith(b'\r\n\r\n{"a":1}')
        assert upstream.requests[0].lower().count(b"accept-encoding: gzip\r\n") == 1


def test_content_comes_decoded_once_and_within_the_bound(client_to):
    packed = gzip.compress(b"hello " * 100)
    bomb = gzip.compress(bytes(10_000_000))
    for body, limits, expected in ((packed, None, b"hello " * 100), (bomb, Limits(response_bytes=100_000), None)):
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        with Upstream(head + body) as upstream:
            client = client_to(upstream, limits)
            if expected is None:
                with pytest.raises(httpx.RemoteProtocolError):
                    client.get(upstream.url)
            else:
                response = client.get(upstream.url)
                assert response.content == expected
                assert not {"content-encoding", "content-length"} & set(response.headers)


def test_a_head_request_has_no_body_whatever_its_length_says(client_to):
    with Upstream(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n") as upstream:
        client = client_to(upstream)
        for _ in range(2):
            response = client.head(upstream.url)
            assert (response.content, response.headers["content-length"]) == (b"", "500")
        assert upstream.connections == 1


def test_failures_are_httpx_exceptions(client_to):
    def silent(talk):
        talk.request()
        talk.until_hung_up()

    def cut(talk):
        talk.request()
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut")

    with Upstream(silent) as upstream, pytest.raises(httpx.ReadTimeout):
        client_to(upstream, timeout=httpx.Timeout(20, read=0.05)).get(upstream.url)
    with Upstream(lambda talk: talk.request()) as upstream, pytest.raises(httpx.ReadError):
        client_to(upstream).get(upstream.url)
    with Upstream(b"nonsense\r\n\r\n") as upstream, pytest.raises(httpx.RemoteProtocolError):
        client_to(upstream).get(upstream.url)
    with Upstream(OK) as upstream, pytest.raises(httpx.ConnectError):
        client_to(upstream).get(f"http://localhost:{upstream.port}/")
    with Upstream(cut) as upstream, pytest.raises(httpx.ReadError):
        client_to(upstream).get(upstream.url)


def test_a_method_that_nobody_needs_is_not_sent(client_to):
    with Upstream(OK) as upstream:
        with pytest.raises(httpx.TransportError):
            client_to(upstream).request("CONNECT", upstream.url)
        assert upstream.connections == 0


def test_a_client_may_stop_reading(client_to):
    body = b"5\r\nfirst\r\n"
    with Upstream(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body) as upstream:
        client = client_to(upstream)
        for _ in range(2):
            with client.stream("GET", upstream.url) as response:
                assert next(response.iter_bytes()) == b"first"
        assert upstream.connections == 2
