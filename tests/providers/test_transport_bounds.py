"""What a call may take: seconds, bytes and memory; and being stopped from another thread."""

import contextlib
import gzip
import socket
import threading
import tracemalloc

import pytest
from loopback import OK, Upstream

from aiapp.providers import addresses
from aiapp.providers.transport import Cancel, Limits, Transport
from aiapp.providers.types import HttpRequest, ProviderError

PATIENT = Limits(connect=600, idle=600, total=600)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def call():
    """Call an upstream and return the ProviderError of it; `steps` runs after each chunk."""
    made = []

    def run(upstream, limits=None, cancel=None, body=b"{}"):
        transport = Transport(upstream.allow, limits)
        made.append(transport)
        request = HttpRequest("POST", upstream.url, {}, body)
        with pytest.raises(ProviderError) as caught, transport.send(request, cancel=cancel) as answer:
            for _ in answer.chunks:
                pass
        assert len(transport._pool) == 0
        return caught.value

    yield run
    for transport in made:
        transport.close()


def drip(data, pause):
    """A script that sends `data` a byte at a time, for as long as the client stays."""

    def script(talk):
        talk.request()
        stop = threading.Event()
        for byte in data:
            talk.send(bytes([byte]))
            stop.wait(pause)
        talk.until_hung_up()

    return script


def test_an_upstream_that_says_nothing_is_given_up_after_the_idle_time(call):
    def script(talk):
        talk.request()
        talk.until_hung_up()

    with Upstream(script) as upstream:
        error = call(upstream, Limits(idle=0.1))
        assert upstream.hung_up.wait(20)
    assert error.error_class == "timeout"
    assert "0.1 s" in error.message


def test_the_total_time_ends_a_wait_that_the_idle_time_would_allow(call):
    def script(talk):
        talk.request()
        talk.until_hung_up()

    with Upstream(script) as upstream:
        error = call(upstream, Limits(idle=600, total=0.2))
    assert error.error_class == "timeout"
    assert "0.2 s" in error.message


def test_an_upstream_that_stops_in_the_middle_is_given_up_after_the_idle_time(call):
    for begun in (b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nX: y\r\n", CHUNKED + b"5\r\nhel", CHUNKED + b"5\r\nhello\r\n"):

        def script(talk, begun=begun):
            talk.request()
            talk.send(begun)
            talk.until_hung_up()

        with Upstream(script) as upstream:
            assert call(upstream, Limits(idle=0.1)).error_class == "timeout"
            assert upstream.hung_up.wait(20)


@pytest.mark.parametrize(
    "data",
    [b"HTTP/1.1 200 OK\r\nX: " + b"y" * 9000, CHUNKED + b"1\r\nx\r\n" * 3000, CHUNKED + b"FFF\r\n" + b"x" * 9000],
)
def test_a_slow_drip_that_never_idles_ends_with_the_total_time(data, call):
    with Upstream(drip(data, 0.01)) as upstream:
        error = call(upstream, Limits(idle=60, total=0.3))
        assert error.error_class == "timeout"
        assert "0.3 s" in error.message


def test_a_request_that_is_not_taken_is_given_up(call):
    let_go = threading.Event()
    with Upstream(lambda talk: let_go.wait(60)) as upstream:
        assert call(upstream, Limits(idle=0.2), body=bytes(50_000_000)).error_class == "timeout"
        let_go.set()


@pytest.mark.parametrize("afterwards", ["reads on", "hangs up"])
def test_a_refusal_before_the_request_was_taken_is_still_an_answer(afterwards):
    def script(talk):
        talk.sock.recv(1000)
        talk.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        if afterwards == "reads on":
            talk.sock.shutdown(socket.SHUT_WR)
            talk.until_hung_up()

    with Upstream(script) as upstream:
        transport = Transport(upstream.allow, PATIENT)
        with transport.send(HttpRequest("POST", upstream.url, {}, bytes(20_000_000))) as answer:
            assert (answer.status, answer.read()) == (413, b"big")
        # half a request went over it: what the other side makes of the next one is anybody's guess
        assert afterwards == "reads on" or len(transport._pool) == 0
        transport.close()


def test_a_reset_is_a_network_error_wherever_it_comes(call):
    for begun in (
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
        CHUNKED + b"5\r\nhel",
    ):

        def script(talk, begun=begun):
            talk.request()
            talk.send(begun)
            talk.reset()

        with Upstream(script) as upstream:
            assert call(upstream, PATIENT).error_class == "network"


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000,
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 10_000_000,
        b"HTTP/1.1 200 " + b"y" * 10_000_000,
        b"HTTP/1.1 200 OK\r\n" + (b"X: " + b"y" * 10_000 + b"\r\n") * 1000,
        CHUNKED + b"0\r\n" + b"X: y\r\n" * 100_000,
    ],
)
def test_a_header_bomb_is_refused_early(head, call):
    with Upstream(head) as upstream:
        assert call(upstream, PATIENT).error_class == "too_large"


@contextlib.contextmanager
def memory_below(most):
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


def test_a_gzip_bomb_never_unfolds():
    bomb = gzip.compress(bytes(200_000_000), 9)  # 194 KB
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    with Upstream(head + bomb) as upstream:
        transport = Transport(upstream.allow, Limits(response_bytes=5_000_000))
        request = HttpRequest("POST", upstream.url, {}, b"{}")
        for _ in range(3):
            with memory_below(2_000_000), pytest.raises(ProviderError) as caught, transport.send(request) as answer:
                for _ in answer.chunks:
                    pass
            assert caught.value.error_class == "too_large"
        with memory_below(12_000_000), pytest.raises(ProviderError) as caught, transport.send(request) as answer:
            answer.read()
        assert caught.value.error_class == "too_large"


def test_a_hundred_huge_answers_leave_nothing_behind():
    huge = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(2_000_000))

    def script(talk):
        talk.request()
        talk.send(huge)

    with Upstream(script) as upstream:
        transport = Transport(upstream.allow, Limits(response_bytes=1_000_000))
        tracemalloc.start()
        try:
            kept = []
            for _ in range(100):
                with pytest.raises(ProviderError), transport.send(HttpRequest("GET", upstream.url, {})) as answer:
                    answer.read()
                upstream.requests.clear()
                kept.append(tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()
        assert kept[-1] - kept[9] < 5_000_000  # one answer that stayed each time would be ninety million


def test_a_body_without_end_stops_at_the_limit():
    def script(talk):
        talk.request()
        talk.send(CHUNKED)
        while True:
            talk.send(b"2710\r\n" + b"x" * 10_000 + b"\r\n")

    with Upstream(script) as upstream:
        transport = Transport(upstream.allow, Limits(response_bytes=3_000_000))
        request = HttpRequest("POST", upstream.url, {}, b"{}")
        received = []
        with memory_below(2_000_000), pytest.raises(ProviderError) as caught, transport.send(request) as answer:
            received.extend(len(chunk) for chunk in answer.chunks)
        assert caught.value.error_class == "too_large"
        assert 2_900_000 < sum(received) <= 3_000_000


def test_an_announced_size_beyond_the_limit_is_refused_before_it_comes(call):
    with Upstream(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n") as upstream:
        assert call(upstream, PATIENT).error_class == "too_large"


def stopped(upstream, cancel, when, transport=None):
    """Call in a thread, cancel once `when` returns, and return the error that ends the call at once."""
    transport = transport or Transport(upstream.allow, PATIENT)
    errors = []

    def work():
        try:
            with transport.send(HttpRequest("POST", upstream.url, {}, b"{}"), cancel=cancel) as answer:
                answer.read()
        except ProviderError as exc:
            errors.append(exc.error_class)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    when()
    cancel.cancel()
    thread.join(30)  # the call's own limits are ten minutes
    assert not thread.is_alive()
    assert not cancel._sockets
    return errors


def test_cancelling_wakes_a_call_that_waits_for_its_answer():
    def script(talk):
        talk.request()
        talk.until_hung_up()

    with Upstream(script) as upstream:
        assert stopped(upstream, Cancel(), lambda: upstream.asked.wait(20)) == ["cancelled"]
        assert upstream.hung_up.wait(20)


def test_cancelling_wakes_a_call_in_the_middle_of_a_stream():
    reached = threading.Event()

    def script(talk):
        talk.request()
        talk.send(CHUNKED + b"5\r\nhello\r\n")
        reached.set()
        talk.until_hung_up()

    with Upstream(script) as upstream:
        assert stopped(upstream, Cancel(), lambda: reached.wait(20)) == ["cancelled"]
        assert upstream.hung_up.wait(20)


def test_cancelling_wakes_a_call_on_a_connection_that_was_kept():
    def script(talk):
        talk.request()
        talk.send(OK)
        talk.request()
        second.set()
        talk.until_hung_up()

    second = threading.Event()
    with Upstream(script) as upstream:
        transport = Transport(upstream.allow, PATIENT)
        with transport.send(HttpRequest("POST", upstream.url, {}, b"{}")) as answer:
            answer.read()
        assert stopped(upstream, Cancel(), lambda: second.wait(20), transport) == ["cancelled"]
        assert upstream.connections == 1


def test_cancelling_wakes_a_call_that_is_connecting(monkeypatch):
    # A full backlog: the kernel drops what asks for a connection, as a firewall would.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as stack:
        address = listener.getsockname()
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(address)
        connecting = threading.Event()
        hold = Cancel.hold

        def noticed(self, sock):
            hold(self, sock)
            connecting.set()

        monkeypatch.setattr(Cancel, "hold", noticed)
        upstream = Upstream(OK)
        upstream._listener.close()
        upstream.url, upstream.allow = f"http://127.0.0.1:{address[1]}/", frozenset({f"127.0.0.1:{address[1]}"})
        assert stopped(upstream, Cancel(), lambda: connecting.wait(20)) == ["cancelled"]
        with pytest.raises(ProviderError) as caught:
            Transport(upstream.allow, Limits(connect=0.2)).send(HttpRequest("GET", upstream.url, {}))
        assert (caught.value.error_class, caught.value.message) == ("timeout", addresses.UNREACHABLE)


def test_cancelling_wakes_a_call_that_waits_for_a_name(monkeypatch):
    asked, let_go = threading.Event(), threading.Event()

    def getaddrinfo(*args, **kwargs):
        asked.set()
        let_go.wait(60)
        return []

    monkeypatch.setattr(addresses.socket, "getaddrinfo", getaddrinfo)
    with Upstream(OK) as upstream:
        upstream.url, upstream.allow = (
            f"http://name.example:{upstream.port}/",
            frozenset({f"name.example:{upstream.port}"}),
        )
        assert stopped(upstream, Cancel(), lambda: asked.wait(20)) == ["cancelled"]
        assert upstream.connections == 0
    let_go.set()


def test_a_call_that_was_cancelled_before_it_began_reaches_nobody(call):
    cancel = Cancel()
    cancel.cancel()
    cancel.cancel()
    assert cancel.is_set()
    assert cancel.wait(0)
    with Upstream(OK) as upstream:
        assert call(upstream, PATIENT, cancel).error_class == "cancelled"
        assert upstream.requests == []


def test_a_socket_that_comes_too_late_to_be_cancelled_is_refused():
    cancel = Cancel()
    cancel.cancel()
    with socket.socket() as late, pytest.raises(ProviderError):
        cancel.hold(late)
    assert not cancel._sockets


def test_one_cancel_stops_all_the_calls_that_were_given_it():
    gate = threading.Barrier(6)

    def script(talk):
        talk.request()
        gate.wait(20)
        talk.until_hung_up()

    with Upstream(script) as upstream:
        transport, cancel, errors = Transport(upstream.allow, PATIENT), Cancel(), []

        def work():
            try:
                transport.send(HttpRequest("POST", upstream.url, {}, b"{}"), cancel=cancel)
            except ProviderError as exc:
                errors.append(exc.error_class)

        threads = [threading.Thread(target=work, daemon=True) for _ in range(5)]
        for thread in threads:
            thread.start()
        gate.wait(20)
        cancel.cancel()
        for thread in threads:
            thread.join(30)
        assert errors == ["cancelled"] * 5
