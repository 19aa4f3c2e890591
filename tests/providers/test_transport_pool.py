"""Connections that are kept: reused where that is safe, and never for two calls at once."""

import contextlib
import multiprocessing
import os
import random
import threading
import time

import pytest
from loopback import OK, Upstream

from aiapp.providers.transport import Cancel, Limits, Transport
from aiapp.providers.types import HttpRequest, ProviderError

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def transport_to():
    made = []

    def make(upstream, **options):
        made.append(Transport(upstream.allow, Limits(idle=20, total=40), **options))
        return made[-1]

    yield make
    for transport in made:
        transport.close()


def get(transport, upstream, body=b"{}"):
    with transport.send(HttpRequest("POST", upstream.url, {}, body)) as answer:
        return answer.read()


def fails(transport, upstream):
    with pytest.raises(ProviderError) as caught:
        get(transport, upstream)
    return caught.value.error_class


def test_the_connection_used_last_is_used_first(transport_to):
    ports = []

    def script(talk):
        while talk.request():
            ports.append(talk.number)
            talk.send(OK)

    with Upstream(script) as upstream:
        transport = transport_to(upstream)
        request = HttpRequest("POST", upstream.url, {}, b"{}")
        with contextlib.ExitStack() as stack:
            answers = [stack.enter_context(transport.send(request)) for _ in range(3)]
            for number in (0, 2, 1):
                answers[number].read()
        assert len(transport._pool) == 3
        ports.clear()
        for _ in range(3):
            get(transport, upstream)
        assert ports == [2, 2, 2]
        assert upstream.connections == 3


def test_a_connection_that_the_other_side_closed_is_not_used_again(transport_to):
    closed = threading.Event()

    def script(talk):
        talk.request()
        talk.send(OK)
        talk.sock.close()
        closed.set()

    with Upstream(script) as upstream:
        transport = transport_to(upstream)
        for _ in range(3):
            closed.clear()
            assert get(transport, upstream) == b"ok"
            assert closed.wait(20)
        assert upstream.connections == 3
        assert len(upstream.requests) == 3


@pytest.mark.parametrize("end", ["reset", "close"])
def test_a_kept_connection_that_breaks_before_a_byte_came_is_tried_once_more(end, transport_to):
    def script(talk):
        talk.request()
        talk.send(OK)
        talk.request()
        if talk.number == 1 and end == "reset":
            talk.reset()
        if talk.number > 1:
            talk.send(OK)

    with Upstream(script) as upstream:
        transport = transport_to(upstream)
        assert get(transport, upstream) == b"ok"
        assert get(transport, upstream, b"again") == b"ok"
        assert upstream.connections == 2
        assert [request[-5:] for request in upstream.requests[1:]] == [b"again", b"again"]


def test_the_second_try_is_the_last(transport_to):
    def script(talk):
        talk.request()
        if talk.number == 1:
            talk.send(OK)
            talk.request()

    with Upstream(script) as upstream:
        transport = transport_to(upstream)
        get(transport, upstream)
        assert fails(transport, upstream) == "network"
        assert (upstream.connections, len(upstream.requests)) == (2, 3)


def test_a_new_connection_is_never_tried_again(transport_to):
    with Upstream(lambda talk: talk.request()) as upstream:
        assert fails(transport_to(upstream), upstream) == "network"
        assert len(upstream.requests) == 1


def test_a_kept_connection_that_breaks_after_a_byte_came_is_not_tried_again(transport_to):
    def script(talk):
        talk.request()
        talk.send(OK)
        talk.request()
        talk.send(b"H")

    with Upstream(script) as upstream:
        transport = transport_to(upstream)
        get(transport, upstream)
        assert fails(transport, upstream) == "network"
        assert (upstream.connections, len(upstream.requests)) == (1, 2)


def test_a_kept_connection_that_stays_silent_is_not_tried_again():
    def script(talk):
        talk.request()
        talk.send(OK)
        talk.request()
        talk.until_hung_up()

    with Upstream(script) as upstream:
        transport = Transport(upstream.allow, Limits(idle=0.2))
        get(transport, upstream)
        assert fails(transport, upstream) == "timeout"
        assert (upstream.connections, len(upstream.requests)) == (1, 2)


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        CHUNKED + b"2\r\nok\r\n0\r\n\r\nx",
    ],
)
def test_a_connection_with_more_to_say_than_its_answer_is_not_kept(answer, transport_to):
    with Upstream(answer) as upstream:
        transport = transport_to(upstream)
        for _ in range(3):
            assert get(transport, upstream) == b"ok"
        assert upstream.connections == 3


def test_what_comes_unasked_on_a_kept_connection_is_nobodys_answer(transport_to):
    sent = threading.Event()

    def script(talk):
        talk.request()
        talk.send(OK)
        if talk.number == 1:
            was_read.wait(20)
            talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
            sent.set()
            talk.until_hung_up()

    was_read = threading.Event()
    with Upstream(script) as upstream:
        transport = transport_to(upstream)
        assert get(transport, upstream) == b"ok"
        was_read.set()
        assert sent.wait(20)
        assert get(transport, upstream) == b"ok"
        assert upstream.connections == 2


def test_an_answer_left_half_read_closes_its_connection_but_one_that_is_all_here_does_not(transport_to):
    def half(talk):
        talk.request()
        talk.send(CHUNKED + b"2\r\nok\r\n")
        talk.until_hung_up()

    with Upstream(half) as upstream:
        transport = transport_to(upstream)
        with transport.send(HttpRequest("GET", upstream.url, {})) as answer:
            assert next(answer.chunks) == b"ok"
        assert upstream.hung_up.wait(20)
        assert len(transport._pool) == 0
    with Upstream(CHUNKED + b"2\r\nok\r\n6\r\n[DONE]\r\n0\r\n\r\n") as upstream:
        transport = transport_to(upstream)
        for _ in range(3):
            with transport.send(HttpRequest("GET", upstream.url, {})) as answer:
                assert next(answer.chunks) == b"ok"
        assert upstream.connections == 1


def test_a_stream_that_is_left_at_its_end_marker_keeps_its_connection_once_the_last_chunk_is_here(transport_to):
    marker_read, ended = threading.Event(), threading.Event()

    def script(talk):
        while talk.request():
            talk.send(CHUNKED + b"6\r\n[DONE]\r\n")
            assert marker_read.wait(20)
            talk.send(b"0\r\n\r\n")
            ended.set()

    with Upstream(script) as upstream:
        transport = transport_to(upstream)
        for _ in range(3):
            marker_read.clear()
            ended.clear()
            with transport.send(HttpRequest("GET", upstream.url, {})) as answer:
                assert next(answer.chunks) == b"[DONE]"
                marker_read.set()
                assert ended.wait(20)
        assert upstream.connections == 1


def test_a_stream_without_end_is_not_read_on_when_it_is_left(transport_to):
    def script(talk):
        talk.request()
        talk.send(CHUNKED)
        while True:
            talk.send(b"2710\r\n" + b"x" * 10_000 + b"\r\n")

    with Upstream(script) as upstream:
        transport = transport_to(upstream)
        with transport.send(HttpRequest("GET", upstream.url, {})) as answer:
            next(answer.chunks)
        assert len(transport._pool) == 0


def test_a_damaged_answer_closes_its_connection(transport_to):
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 6\r\n\r\nnogzip"
    with Upstream(head) as upstream:
        transport = transport_to(upstream)
        for _ in range(2):
            assert fails(transport, upstream) == "bad_response"
        assert upstream.connections == 2


def test_a_connection_is_kept_for_a_limited_time_and_in_a_limited_number(transport_to):
    with Upstream(OK) as upstream:
        transport = transport_to(upstream, idle_seconds=0.0)
        get(transport, upstream)
        get(transport, upstream)
        assert upstream.connections == 2
        assert len(transport._pool) <= 1

        transport = transport_to(upstream, idle_connections=2)
        request = HttpRequest("POST", upstream.url, {}, b"{}")
        with contextlib.ExitStack() as stack:
            for answer in [stack.enter_context(transport.send(request)) for _ in range(5)]:
                answer.read()
        assert len(transport._pool) == 2
        transport.close()
        assert len(transport._pool) == 0


def test_a_connection_that_was_kept_too_long_is_not_used_again(transport_to):
    with Upstream(OK) as upstream:
        transport = transport_to(upstream, idle_seconds=0.05)
        get(transport, upstream)
        assert len(transport._pool) == 1
        time.sleep(0.1)
        get(transport, upstream)
        assert upstream.connections == 2


def test_the_origin_that_was_used_longest_ago_gives_way(transport_to):
    with Upstream(OK) as first, Upstream(OK) as second, Upstream(OK) as third:
        transport = Transport(first.allow | second.allow | third.allow, idle_connections=3)
        request = HttpRequest("POST", first.url, {}, b"{}")
        with transport.send(request) as one, transport.send(request) as two:
            one.read()
            two.read()
        for upstream in (second, first, third):
            get(transport, upstream)
        assert (first.connections, second.connections, third.connections, len(transport._pool)) == (2, 1, 1, 3)
        get(transport, third)
        with transport.send(request) as one, transport.send(request) as two:
            one.read()
            two.read()
        assert (first.connections, third.connections) == (2, 1)
        get(transport, second)
        assert second.connections == 2
        transport.close()


def test_what_was_kept_too_long_goes_when_anything_is_kept(transport_to):
    with Upstream(OK) as first, Upstream(OK) as second:
        transport = Transport(first.allow | second.allow, idle_seconds=0.05)
        get(transport, first)
        time.sleep(0.1)
        get(transport, second)
        assert len(transport._pool) == 1
        transport.close()


def test_origins_share_no_connection(transport_to):
    with Upstream(OK) as first, Upstream(OK) as second:
        transport = Transport(first.allow | second.allow)
        for upstream in (first, second):
            get(transport, upstream)
        assert (first.connections, second.connections) == (1, 1)
        transport.close()


def test_many_threads_each_get_their_own_answer(transport_to):
    rng = random.Random(7)
    behaviours = [rng.choice(["plain", "chunked", "close", "break"]) for _ in range(2000)]

    def script(talk):
        while True:
            request = talk.request()
            if not request:
                return
            name = request.partition(b"\r\n\r\n")[2]
            behaviour = behaviours[int(name) % len(behaviours)]
            if behaviour == "chunked":
                talk.send(CHUNKED + b"%x\r\n%s\r\n0\r\n\r\n" % (len(name), name))
            else:
                talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(name), name))
            if behaviour in ("close", "break"):
                # unannounced: the client finds out when it takes the connection again
                return

    with Upstream(script) as upstream:
        transport = transport_to(upstream, idle_connections=8)
        wrong = []

        def work(start):
            for number in range(start, start + 60):
                name = str(number).encode()
                try:
                    if get(transport, upstream, name) != name:
                        wrong.append(number)
                except ProviderError as exc:
                    wrong.append(exc)

        threads = [threading.Thread(target=work, args=(n * 60,)) for n in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert wrong == []
        assert upstream.connections < 16 * 60


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_begins_with_no_connection_and_takes_none_away(transport_to):
    with Upstream(OK) as upstream:
        transport = transport_to(upstream)
        get(transport, upstream)

        def child(results):
            results.send((get(transport, upstream), os.getpid()))

        mine, theirs = multiprocessing.Pipe()
        # held as another thread might hold it in the moment of a fork
        with transport._pool._lock:
            process = multiprocessing.get_context("fork").Process(target=child, args=(theirs,))
            process.start()
        assert mine.poll(30)
        content, pid = mine.recv()
        process.join(30)
        assert (content, process.exitcode) == (b"ok", 0)
        assert pid != os.getpid()
        assert upstream.connections == 2
        # the parent's connection still works
        assert get(transport, upstream) == b"ok"
        assert upstream.connections == 2
        mine.close()
        theirs.close()


def test_leaving_an_answer_hangs_up_although_a_child_holds_the_same_socket(transport_to):
    def script(talk):
        talk.request()
        talk.send(CHUNKED + b"2\r\nok\r\n")
        talk.until_hung_up()

    with Upstream(script) as upstream:
        transport = transport_to(upstream)
        cancel = Cancel()
        with transport.send(HttpRequest("GET", upstream.url, {}), cancel=cancel) as answer:
            next(answer.chunks)
            (sock,) = cancel._sockets
            child = os.dup(sock.fileno())  # what a fork does to it
        assert upstream.hung_up.wait(20)
        os.close(child)
