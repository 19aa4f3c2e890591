"""What arrives, byte by byte: right answers in any slicing, wrong ones refused with the right word, nothing else ever raised."""

import gzip
import itertools
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiapp.providers.bounds import Limits
from aiapp.providers.decoding import decoded
from aiapp.providers.http1 import Wire, read_body, read_head
from aiapp.providers.types import ProviderError

LIMITS = Limits(response_bytes=100_000, header_bytes=2000, line_bytes=500, header_count=20)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def read(slices, method="POST"):
    """Status, headers, content, and what was left over of an answer that arrives as `slices`."""
    arriving = iter(slices)
    wire = Wire(lambda: next(arriving, b""))
    head = read_head(wire, method, LIMITS)
    content = b"".join(
        decoded(read_body(wire, head, LIMITS), head.headers.get("content-encoding", "") if head.framing else "", LIMITS)
    )
    return head, content, bytes(wire.buffer)


def head_of(*fields, status=b"HTTP/1.1 200 OK"):
    return b"\r\n".join((status, *fields, b"", b""))


def deflated(data, bits):
    packer = zlib.compressobj(wbits=bits)
    return packer.compress(data) + packer.flush()


PACKED = gzip.compress(b"hello " * 50)
GOOD = {
    "length": (head_of(b"Content-Length: 5") + b"hello", b"hello"),
    "no reason": (head_of(b"content-length:5", status=b"HTTP/1.1 200") + b"hello", b"hello"),
    "same length twice": (head_of(b"Content-Length: 5", b"Content-Length: 5") + b"hello", b"hello"),
    "same length in one line": (head_of(b"Content-Length: 5, 5") + b"hello", b"hello"),
    "until closed": (head_of(b"X: y") + b"hello", b"hello"),
    "http 1.0": (head_of(status=b"HTTP/1.0 200 OK") + b"hello", b"hello"),
    "chunked": (CHUNKED + b"5\r\nhello\r\n00006\r\n world\r\n0\r\n\r\n", b"hello world"),
    "chunk extension": (CHUNKED + b'5;a="b"\r\nhello\r\n0;x\r\n\r\n', b"hello"),
    "padded size": (CHUNKED + b"5  \r\nhello\r\n0\r\n\r\n", b"hello"),
    "trailers": (CHUNKED + b"A\r\nhellohello\r\n0\r\nX-Sum: 1\r\n\r\n", b"hellohello"),
    "coding in capitals": (CHUNKED.replace(b"chunked", b"Chunked") + b"0\r\n\r\n", b""),
    "interim": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nLink: y\r\n\r\n" + head_of(b"Content-Length: 1") + b"x",
        b"x",
    ),
    "gzip": (head_of(b"Content-Encoding: gzip", b"Content-Length: %d" % len(PACKED)) + PACKED, b"hello " * 50),
    "x-gzip": (head_of(b"Content-Encoding: X-GZIP", b"Content-Length: %d" % len(PACKED)) + PACKED, b"hello " * 50),
    "deflate": (head_of(b"Content-Encoding: deflate") + deflated(b"hello", 15), b"hello"),
    "bare deflate": (head_of(b"Content-Encoding: deflate") + deflated(b"hello", -15), b"hello"),
    "a piece and a little": (head_of(b"Content-Encoding: deflate") + deflated(bytes(65_636), -15), bytes(65_636)),
    "identity": (head_of(b"Content-Encoding: identity") + b"hello", b"hello"),
    "empty gzip": (head_of(b"Content-Encoding: gzip", b"Content-Length: 0"), b""),
    "empty gzip, chunked": (CHUNKED[:-2] + b"Content-Encoding: gzip\r\n\r\n0\r\n\r\n", b""),
    "204": (head_of(status=b"HTTP/1.1 204 No Content"), b""),
    "304": (head_of(b"Content-Length: 9", status=b"HTTP/1.1 304 x"), b""),
}
BAD = {
    "nothing": (b"", "network"),
    "half a status": (b"HTTP/1.1 20", "network"),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-Le", "network"),
    "half a body": (head_of(b"Content-Length: 10") + b"hello", "network"),
    "half a chunk": (CHUNKED + b"A\r\nhello", "network"),
    "half a chunk size": (CHUNKED + b"5", "network"),
    "no last chunk": (CHUNKED + b"5\r\nhello\r\n", "network"),
    "no end of trailers": (CHUNKED + b"5\r\nhello\r\n0\r\n", "network"),
    "another protocol": (b"SSH-2.0-OpenSSH_9.2", "bad_response"),
    "another protocol, short": (b"+OK\r\n", "bad_response"),
    "tls alert": (b"\x15\x03\x01\x00\x02\x02\x50", "bad_response"),
    "http 2": (b"HTTP/2 200 OK\r\n\r\n", "bad_response"),
    "http 0.9": (b"<html>hello</html>", "bad_response"),
    "icy": (b"ICY 200 OK\r\n\r\n", "bad_response"),
    "no status": (b"HTTP/1.1 OK\r\n\r\n", "bad_response"),
    "status 600": (b"HTTP/1.1 600 x\r\n\r\n", "bad_response"),
    "status 000": (b"HTTP/1.1 000 x\r\n\r\n", "bad_response"),
    "status of two digits": (b"HTTP/1.1 20 x\r\n\r\n", "bad_response"),
    "two spaces": (b"HTTP/1.1  200 x\r\n\r\n", "bad_response"),
    "control in reason": (b"HTTP/1.1 200 a\x07b\r\n\r\n", "bad_response"),
    "switching protocols": (b"HTTP/1.1 101 x\r\nUpgrade: h2c\r\n\r\n", "bad_response"),
    "endless interim": (b"HTTP/1.1 100 Continue\r\n\r\n" * 50, "bad_response"),
    "lines end in LF": (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "bad_response"),
    "one line ends in LF": (b"HTTP/1.1 200 OK\r\nX: yz\nContent-Length: 0\r\n\r\n", "bad_response"),
    "CR in a value": (head_of(b"X: a\rb"), "bad_response"),
    "NUL in a value": (head_of(b"X: a\0b"), "bad_response"),
    "no colon": (head_of(b"nonsense"), "bad_response"),
    "no name": (head_of(b": x"), "bad_response"),
    "space before the colon": (head_of(b"Content-Length : 5") + b"hello", "bad_response"),
    "folded": (head_of(b"X: a", b" b"), "bad_response"),
    "begins with a fold": (head_of(b" X: a"), "bad_response"),
    "long line": (head_of(b"X: " + b"a" * 600), "too_large"),
    "long status": (b"HTTP/1.1 200 " + b"a" * 600 + b"\r\n\r\n", "too_large"),
    "line without end": (b"HTTP/1.1 200 " + b"a" * 5000, "too_large"),
    "many fields": (head_of(*[b"X: y"] * 21), "too_large"),
    "large head": (head_of(*[b"X: " + b"y" * 400] * 6), "too_large"),
    "two lengths": (head_of(b"Content-Length: 5", b"Content-Length: 6") + b"hello!", "bad_response"),
    "two lengths in one line": (head_of(b"Content-Length: 5, 6") + b"hello!", "bad_response"),
    "length and chunks": (head_of(b"Content-Length: 5", b"Transfer-Encoding: chunked") + b"0\r\n\r\n", "bad_response"),
    "signed length": (head_of(b"Content-Length: +5") + b"hello", "bad_response"),
    "negative length": (head_of(b"Content-Length: -1"), "bad_response"),
    "hexadecimal length": (head_of(b"Content-Length: 0x5") + b"hello", "bad_response"),
    "length with an underscore": (head_of(b"Content-Length: 1_0") + b"hellohello", "bad_response"),
    "empty length": (head_of(b"Content-Length:") + b"hello", "bad_response"),
    "length in other digits": (head_of("Content-Length: ５".encode()) + b"hello", "bad_response"),
    "huge length": (head_of(b"Content-Length: " + b"9" * 40), "bad_response"),
    "length beyond the limit": (head_of(b"Content-Length: 100001"), "too_large"),
    "chunks in 1.0": (CHUNKED.replace(b"1.1", b"1.0") + b"0\r\n\r\n", "bad_response"),
    "gzip as transfer coding": (head_of(b"Transfer-Encoding: gzip, chunked"), "bad_response"),
    "chunked twice": (head_of(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), "bad_response"),
    "unknown transfer coding": (head_of(b"Transfer-Encoding: xchunked"), "bad_response"),
    "identity as transfer coding": (head_of(b"Transfer-Encoding: identity"), "bad_response"),
    "empty transfer coding": (head_of(b"Transfer-Encoding:"), "bad_response"),
    "no chunk size": (CHUNKED + b"\r\nhello", "bad_response"),
    "chunk size of letters": (CHUNKED + b"xyz\r\nhello\r\n", "bad_response"),
    "chunk size with a sign": (CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n", "bad_response"),
    "negative chunk size": (CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n", "bad_response"),
    "chunk size with 0x": (CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n", "bad_response"),
    "chunk size with an underscore": (CHUNKED + b"1_0\r\n" + b"a" * 16 + b"\r\n0\r\n\r\n", "bad_response"),
    "chunk size after a space": (CHUNKED + b" 5\r\nhello\r\n0\r\n\r\n", "bad_response"),
    "chunk size beyond 64 bits": (CHUNKED + b"F" * 17 + b"\r\n", "bad_response"),
    "huge chunk": (CHUNKED + b"FFFFFFFF\r\n", "too_large"),
    "chunk longer than its size": (CHUNKED + b"3\r\nhello\r\n0\r\n\r\n", "bad_response"),
    "chunk shorter than its size": (CHUNKED + b"6\r\nhello\r\n0\r\n\r\n", "bad_response"),
    "chunk ends in other bytes": (CHUNKED + b"5\r\nhelloXX0\r\n\r\n", "bad_response"),
    "chunk ends in LF": (CHUNKED + b"5\r\nhello\n0\r\n\r\n", "bad_response"),
    "chunk size ends in LF": (CHUNKED + b"5\nhello\r\n0\r\n\r\n", "bad_response"),
    "long chunk extension": (CHUNKED + b"5;" + b"a" * 2000 + b"\r\nhello\r\n0\r\n\r\n", "too_large"),
    "more framing than content": (CHUNKED + (b"1;" + b"a" * 1000 + b"\r\nx\r\n") * 70, "bad_response"),
    "wrong trailer": (CHUNKED + b"0\r\nnonsense\r\n\r\n", "bad_response"),
    "many trailers": (CHUNKED + b"0\r\n" + b"X: y\r\n" * 50 + b"\r\n", "too_large"),
    "many small chunks beyond the limit": (CHUNKED + b"1\r\nx\r\n" * 100_001, "too_large"),
    "body without end": (head_of() + b"x" * 100_001, "too_large"),
    "gzip that is none": (head_of(b"Content-Encoding: gzip") + b"hello hello hello", "bad_response"),
    "cut gzip": (head_of(b"Content-Encoding: gzip") + PACKED[:-3], "bad_response"),
    "one byte of gzip": (head_of(b"Content-Encoding: gzip") + PACKED[:1], "bad_response"),
    "damaged gzip": (head_of(b"Content-Encoding: gzip") + PACKED[:-8] + b"\0" * 8, "bad_response"),
    "two members": (head_of(b"Content-Encoding: gzip") + PACKED + PACKED, "bad_response"),
    "empty members for ever": (head_of(b"Content-Encoding: gzip") + gzip.compress(b"") * 500, "bad_response"),
    "empty blocks for ever": (
        head_of(b"Content-Encoding: gzip") + PACKED[:10] + b"\x00\x00\x00\xff\xff" * 20_001,
        "too_large",
    ),
    "gzip bomb": (head_of(b"Content-Encoding: gzip") + gzip.compress(bytes(200_000)), "too_large"),
    "deflate bomb": (head_of(b"Content-Encoding: deflate") + deflated(bytes(200_000), -15), "too_large"),
    "gzip twice": (head_of(b"Content-Encoding: gzip, gzip") + gzip.compress(PACKED), "bad_response"),
    "brotli": (head_of(b"Content-Encoding: br") + b"\x0b\x02\x80hello\x03", "bad_response"),
}


@pytest.mark.parametrize("case", GOOD)
def test_a_right_answer_reads_the_same_whole_and_byte_by_byte(case):
    data, expected = GOOD[case]
    for slices in ([data], [data[i : i + 1] for i in range(len(data))]):
        _, content, left_over = read(slices)
        assert (content, left_over) == (expected, b"")


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_answer_is_refused_whole_and_byte_by_byte(case):
    data, expected = BAD[case]
    for slices in ([data], [data[i : i + 1] for i in range(len(data))]):
        with pytest.raises(ProviderError) as caught:
            read(slices)
        assert caught.value.error_class == expected


def test_an_error_repeats_nothing_of_what_came():
    for data, _ in BAD.values():
        with pytest.raises(ProviderError) as caught:
            read([data])
        for word in ("nonsense", "SSH", "hello", "ICY", "html", "xyz", "aaa"):
            assert word not in caught.value.message


@pytest.mark.parametrize(
    ("answer", "stays"),
    [
        (head_of(b"Content-Length: 0"), True),
        (CHUNKED + b"0\r\n\r\n", True),
        (head_of(b"Content-Length: 0", b"Connection: Keep-Alive, Close"), False),
        (head_of(b"Content-Length: 0", b"Connection: x", b"Connection: close"), False),
        (head_of(b"Content-Length: 0", status=b"HTTP/1.0 200 OK"), False),
        (head_of(b"Content-Length: 0", b"Connection: keep-alive", status=b"HTTP/1.0 200 OK"), True),
        (head_of(), False),
    ],
)
def test_a_connection_stays_open_only_where_both_sides_know_the_end(answer, stays):
    assert read([answer])[0].keep_alive is stays


@pytest.mark.parametrize("method", ["HEAD", "POST"])
def test_a_head_answer_ends_with_its_head(method):
    slices = [head_of(b"Content-Length: 5") + b"hello"]
    _, content, left_over = read(slices, method)
    assert (content, left_over) == ((b"", b"hello") if method == "HEAD" else (b"hello", b""))


def test_a_wire_that_waits_no_more_asks_once():
    wire = Wire(lambda: b"unwanted")
    wire.wait_no_more(lambda: b"x")
    assert wire.take(5) == b"x"
    with pytest.raises(ProviderError) as caught:
        wire.take(5)
    assert caught.value.error_class == "network"


def sliced(data, cuts):
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges) if a < b]


@given(
    st.lists(st.binary(min_size=1, max_size=50), max_size=10),
    st.booleans(),
    st.lists(st.integers(0, 5000), max_size=12),
    st.binary(max_size=20),
)
def test_chunks_read_the_same_however_they_are_sliced(parts, packed, cuts, next_bytes):
    content = b"".join(parts)
    body = [gzip.compress(content)] if packed else parts
    data = CHUNKED[:-2] + (b"Content-Encoding: gzip\r\n" if packed else b"") + b"\r\n"
    data += b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in body) + b"0\r\n\r\n"
    head, read_back, left_over = read(sliced(data, cuts) if cuts else [data + next_bytes])
    assert head.status == 200
    assert read_back == content
    assert left_over == (b"" if cuts else next_bytes)


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=5))
def test_any_bytes_are_an_answer_or_a_provider_error(data, cuts):
    for start in (b"", b"HTTP/1.1 ", head_of(b"X: y")[:-2], CHUNKED, head_of(b"Content-Encoding: gzip")):
        try:
            head, content, _ = read(sliced(start + data, cuts))
        except ProviderError:
            continue
        assert 200 <= head.status < 600
        assert len(content) <= LIMITS.response_bytes


@given(
    st.sampled_from(sorted(GOOD)),
    st.lists(
        st.tuples(st.integers(0, 500), st.sampled_from(["set", "insert", "delete"]), st.integers(0, 255)), max_size=4
    ),
)
def test_a_right_answer_with_a_few_wrong_bytes_is_an_answer_or_a_provider_error(case, edits):
    data = bytearray(GOOD[case][0])
    for position, kind, value in edits:
        at = position % len(data)
        if kind == "set":
            data[at] = value
        elif kind == "insert":
            data.insert(at, value)
        else:
            del data[at]
    try:
        _, content, _ = read([bytes(data)])
    except ProviderError:
        return
    assert len(content) <= LIMITS.response_bytes
