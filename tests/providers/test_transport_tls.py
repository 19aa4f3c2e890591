"""TLS: certificates are checked, names are those of the URL, and every bound holds there too."""

import datetime
import gzip
import ipaddress
import ssl
import threading
import warnings

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from loopback import OK, Upstream

from aiapp.providers.transport import Cancel, Limits, Transport, _shared_context
from aiapp.providers.types import HttpRequest, ProviderError

PATIENT = Limits(connect=600, idle=600, total=600)


class Authority:
    """A self-signed certificate: the server's context, and a client's that trusts it."""

    def __init__(self, folder, *names, days=1):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
        now = datetime.datetime.now(datetime.UTC)
        alternatives = [
            x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names
        ]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=3))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .sign(key, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        chain = folder / "chain.pem"
        chain.write_bytes(private + pem)
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.load_cert_chain(chain)
        self.client = ssl.create_default_context(cadata=pem.decode())


@pytest.fixture
def localhost(tmp_path):
    return Authority(tmp_path, "localhost")


@pytest.fixture
def open_to():
    """Make a transport that may reach `host:port`, closed when the test is over."""
    made = []

    def make(port, limits=None, *, trusts=None, host="localhost"):
        made.append(Transport(frozenset({f"{host}:{port}"}), limits, ssl_context=trusts and trusts.client))
        return made[-1]

    yield make
    for transport in made:
        transport.close()


def get(transport, url):
    with transport.send(HttpRequest("POST", url, {}, b"{}")) as answer:
        return answer.read()


def refused(transport, url):
    with pytest.raises(ProviderError) as caught:
        get(transport, url)
    assert caught.value.error_class == "network"
    return caught.value.message


def test_a_trusted_server_is_talked_to_and_its_connection_kept(localhost, open_to):
    with Upstream(OK, tls=localhost.server) as upstream:
        transport = open_to(upstream.port, trusts=localhost)
        for _ in range(3):
            assert get(transport, upstream.url) == b"ok"
        assert upstream.connections == 1


def test_a_server_that_nobody_vouches_for_gets_no_request(localhost, monkeypatch, tmp_path, open_to):
    # the environment cannot add an authority either
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "chain.pem"))
    _shared_context.cache_clear()
    with Upstream(OK, tls=localhost.server) as upstream:
        transport = open_to(upstream.port)
        message = refused(transport, upstream.url)
        assert "certificate was refused" in message
        assert "self-signed" in message
        assert upstream.requests == []
        probe = transport.probe(upstream.url)
        assert (probe.failed, probe.message, list(probe.milliseconds)) == ("tls", message, ["name", "connect", "tls"])
        trusting = open_to(upstream.port, trusts=localhost)
        assert trusting.probe(upstream.url).failed is None


@pytest.mark.parametrize(("names", "days"), [(("other.example",), 1), (("127.0.0.1",), 1), (("localhost",), -1)])
def test_a_certificate_for_another_name_or_time_is_refused(names, days, tmp_path, open_to):
    authority = Authority(tmp_path, *names, days=days)
    with Upstream(OK, tls=authority.server) as upstream:
        assert "certificate was refused" in refused(open_to(upstream.port, trusts=authority), upstream.url)
        assert upstream.requests == []


def test_the_server_is_told_the_name_of_the_url(localhost, open_to):
    asked = []
    localhost.server.sni_callback = lambda sock, name, context: asked.append(name)
    with Upstream(OK, tls=localhost.server) as upstream:
        get(open_to(upstream.port, trusts=localhost), upstream.url)
    assert asked == ["localhost"]


def test_an_address_in_the_url_is_looked_for_in_the_certificate(tmp_path, open_to):
    authority = Authority(tmp_path, "127.0.0.1")
    with Upstream(OK, tls=authority.server) as upstream:
        transport = open_to(upstream.port, trusts=authority, host="127.0.0.1")
        assert get(transport, f"https://127.0.0.1:{upstream.port}/") == b"ok"


def test_a_server_without_tls_is_a_network_error(open_to):
    def script(talk):
        talk.sock.recv(1000)
        talk.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        talk.until_hung_up()

    with Upstream(script) as upstream:
        message = refused(open_to(upstream.port, PATIENT), f"https://localhost:{upstream.port}/")
        assert "TLS" in message


def test_a_server_that_offers_only_old_tls_is_refused(localhost, open_to):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        localhost.server.minimum_version = ssl.TLSVersion.TLSv1
        localhost.server.maximum_version = ssl.TLSVersion.TLSv1_1
    with Upstream(OK, tls=localhost.server) as upstream:
        refused(open_to(upstream.port, trusts=localhost), upstream.url)


def test_a_handshake_that_never_ends_is_given_up(open_to):
    with Upstream(lambda talk: talk.until_hung_up()) as upstream:
        transport = open_to(upstream.port, Limits(connect=0.2))
        with pytest.raises(ProviderError) as caught:
            get(transport, f"https://localhost:{upstream.port}/")
        assert caught.value.error_class == "timeout"
        assert upstream.hung_up.wait(20)


def cancelled(transport, url, when):
    cancel, errors = Cancel(), []

    def work():
        try:
            with transport.send(HttpRequest("POST", url, {}, b"{}"), cancel=cancel) as answer:
                errors.append(answer.read())
        except ProviderError as exc:
            errors.append(exc.error_class)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert when.wait(20)
    cancel.cancel()
    thread.join(30)
    assert not thread.is_alive()
    assert errors == ["cancelled"]


def test_cancelling_wakes_a_handshake(open_to):
    reached = threading.Event()

    def script(talk):
        talk.sock.recv(1)  # of the client's hello
        reached.set()
        talk.until_hung_up()

    with Upstream(script) as upstream:
        cancelled(
            open_to(upstream.port, PATIENT),
            f"https://localhost:{upstream.port}/",
            reached,
        )
        assert upstream.hung_up.wait(20)


def test_cancelling_wakes_a_stream(localhost, open_to):
    reached = threading.Event()

    def script(talk):
        talk.request()
        talk.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        reached.set()
        talk.until_hung_up()

    with Upstream(script, tls=localhost.server) as upstream:
        cancelled(open_to(upstream.port, PATIENT, trusts=localhost), upstream.url, reached)


def test_stopping_a_socket_does_not_take_its_tls_away(localhost, open_to):
    with Upstream(OK, tls=localhost.server) as upstream:
        cancel = Cancel()
        with open_to(upstream.port, trusts=localhost).send(HttpRequest("GET", upstream.url, {}), cancel=cancel):
            (tls,) = cancel._sockets
            cancel.cancel()
            # without it the next read would hand out what the network says in clear text
            assert tls.version() is not None


def test_the_bounds_hold_over_tls(localhost, open_to):
    bomb = gzip.compress(bytes(20_000_000))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    with Upstream(head + bomb, tls=localhost.server) as upstream:
        transport = open_to(upstream.port, Limits(response_bytes=1_000_000), trusts=localhost)
        with pytest.raises(ProviderError) as caught:
            get(transport, upstream.url)
        assert caught.value.error_class == "too_large"

    def silent(talk):
        talk.request()
        talk.until_hung_up()

    with Upstream(silent, tls=localhost.server) as upstream:
        transport = open_to(upstream.port, Limits(idle=0.2), trusts=localhost)
        with pytest.raises(ProviderError) as caught:
            get(transport, upstream.url)
        assert caught.value.error_class == "timeout"


def test_a_kept_connection_that_the_server_closed_is_replaced(localhost, open_to):
    closed = threading.Event()

    def script(talk):
        talk.request()
        talk.send(OK)
        talk.sock.close()
        closed.set()

    with Upstream(script, tls=localhost.server) as upstream:
        transport = open_to(upstream.port, trusts=localhost)
        for _ in range(3):
            closed.clear()
            assert get(transport, upstream.url) == b"ok"
            assert closed.wait(20)
        assert len(upstream.requests) == 3


def test_a_large_body_goes_both_ways(localhost, open_to):
    def script(talk):
        body = talk.request().partition(b"\r\n\r\n")[2]
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    body = bytes(range(256)) * 8192
    with Upstream(script, tls=localhost.server) as upstream:
        transport = open_to(upstream.port, trusts=localhost)
        with transport.send(HttpRequest("POST", upstream.url, {}, body)) as answer:
            assert answer.read() == body
