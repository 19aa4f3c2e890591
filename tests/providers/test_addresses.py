"""Where a call may go: how an address is written, and where it leads."""

import socket
import threading
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hostile_urls import HOSTILE
from hypothesis import given
from hypothesis import strategies as st

from aiapp.providers import addresses
from aiapp.providers.addresses import UNREACHABLE, check_url, is_public, resolve
from aiapp.providers.types import ProviderError

NOBODY = frozenset()


@pytest.fixture
def names(monkeypatch):
    """Answer the name service's questions from a dictionary, and count them."""
    known: dict[str, list[str]] = {}
    asked: list[str] = []

    def getaddrinfo(host, port, *args, **kwargs):
        asked.append(host)
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        answers = []
        for text in known[host]:
            address = text.partition("%")[0]
            if ":" in address:
                answers.append((socket.AF_INET6, socket.SOCK_STREAM, 6, "", (text, port, 0, 0)))
            else:
                answers.append((socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port)))
        return answers

    monkeypatch.setattr(addresses.socket, "getaddrinfo", getaddrinfo)
    known["asked"] = asked
    return known


@pytest.mark.parametrize("url", HOSTILE)
def test_a_hostile_address_is_refused_without_asking_the_name_service(url, names):
    with pytest.raises(ProviderError) as caught:
        check_url(url, NOBODY)
    assert caught.value.error_class == "blocked_address"
    assert names["asked"] == []


@pytest.mark.parametrize(
    ("url", "host", "port", "target"),
    [
        ("https://api.openai.com/v1", "api.openai.com", 443, "/v1"),
        ("HTTPS://API.OpenAI.com", "api.openai.com", 443, "/"),
        ("https://my-res.openai.azure.com:8443/a/b%20c", "my-res.openai.azure.com", 8443, "/a/b%20c"),
        ("https://xn--fsqu00a.example/", "xn--fsqu00a.example", 443, "/"),
        ("https://8.8.8.8/", "8.8.8.8", 443, "/"),
        ("https://[2606:4700::1111]:8443/x", "2606:4700::1111", 8443, "/x"),
        ("https://[2606:4700:0::1111]/x", "2606:4700::1111", 443, "/x"),
        ("https://host.example/models/a:b@c", "host.example", 443, "/models/a:b@c"),
    ],
)
def test_a_plain_address_is_taken_apart(url, host, port, target):
    parts = check_url(url, NOBODY)
    assert (parts.scheme, parts.host, parts.port, parts.target) == ("https", host, port, target)


def test_a_query_is_for_the_urls_that_a_dialect_builds():
    assert check_url("https://a.example/v1?alt=sse&x=%20", NOBODY, query=True).target == "/v1?alt=sse&x=%20"


@pytest.mark.parametrize(
    ("url", "entry"),
    [
        ("http://localhost:11434/", "localhost:11434"),
        ("http://LOCALHOST:11434/", "localhost:11434"),
        ("http://127.0.0.1:8000", "127.0.0.1:8000"),
        ("http://[::1]:8000/", "[::1]:8000"),
        ("http://[0::1]:8000/", "[::1]:8000"),
        ("https://10.0.0.1/", "10.0.0.1:443"),
        ("http://gpu_1/", "gpu_1:80"),
    ],
)
def test_an_allowed_host_and_port_may_be_private_and_plain(url, entry):
    parts = check_url(url, frozenset({entry}))
    assert parts.authority == entry


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:11435/",
        "http://localhost/",
        "http://127.0.0.1:11434/",
        "http://localhost.:11434/",
        "http://a.localhost:11434/",
        "http://localhost%zone:11434/",
    ],
)
def test_only_the_exact_host_and_port_is_allowed(url):
    with pytest.raises(ProviderError):
        check_url(url, frozenset({"localhost:11434"}))


def test_a_zone_is_refused_even_where_it_is_allowed():
    with pytest.raises(ProviderError):
        check_url("http://[fe80::1%eth0]:80/", frozenset({"[fe80::1%eth0]:80"}))


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("1.1.1.1", True),
        ("100.63.255.255", True),
        ("100.64.0.0", False),
        ("100.127.255.255", False),
        ("100.128.0.0", True),
        ("172.15.255.255", True),
        ("172.32.0.0", True),
        ("192.0.0.1", False),
        ("192.0.2.1", False),
        ("192.88.99.1", False),
        ("198.19.255.255", False),
        ("198.51.100.1", False),
        ("203.0.113.1", False),
        ("239.1.2.3", False),
        ("240.0.0.1", False),
        ("0.1.2.3", False),
        ("2606:4700::1111", True),
        ("2a00:1450:4001::200e", True),
        ("::ffff:8.8.8.8", True),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::8.8.8.8", True),
        ("64:ff9b::10.0.0.1", False),
        ("64:ff9b:1::8.8.8.8", False),
        ("2002:0808:0808::1", True),
        ("2002:0a00:0001::1", False),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False),
        ("2001:db8::1", False),
        ("3fff::1", False),
        ("5f00::1", False),
        ("100::1", False),
        ("fc00::1", False),
        ("fd12::1", False),
        ("fe80::1", False),
        ("fec0::1", False),
        ("ff0e::1", False),
        ("::", False),
        ("::1", False),
        ("::8.8.8.8", False),
    ],
)
def test_an_address_is_public_or_not(address, public):
    assert is_public(ip_address(address)) is public


@given(st.ip_addresses(v=4))
def test_wrapping_an_address_changes_nothing_about_it(inner):
    public = is_public(inner)
    for wrapped in (
        IPv6Address(0xFFFF << 32 | int(inner)),
        IPv6Address(0x64FF9B << 96 | int(inner)),
        IPv6Address(0x2002 << 112 | int(inner) << 80 | 1),
    ):
        assert is_public(wrapped) is public


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_no_address_is_public_that_the_standard_library_calls_special(address):
    if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
        assert not is_public(address)
    if isinstance(address, IPv4Address) and not address.is_global:
        assert not is_public(address)


@given(st.text(max_size=60), st.sampled_from(["https://", "https://a.example", "http://", "", "https://["]))
def test_any_text_is_taken_apart_or_refused(text, start):
    try:
        parts = check_url(start + text, NOBODY, query=True)
    except ProviderError:
        return
    assert parts.scheme == "https"
    assert (parts.host + parts.target).isascii()
    assert not set(parts.host + parts.target) & set(" \r\n\t\\#\0")


def test_a_public_name_resolves_to_the_addresses_that_are_dialled(names):
    names["api.example"] = ["2606:4700::1", "8.8.8.8", "8.8.8.8"]
    found = resolve("api.example", 443, NOBODY)
    assert [address.sockaddr[:2] for address in found] == [("2606:4700::1", 443), ("8.8.8.8", 443)]
    assert names["asked"] == ["api.example"]


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"],
        ["10.1.2.3"],
        ["169.254.169.254"],
        ["::1"],
        ["::ffff:192.168.0.1"],
        ["fe80::1%eth0"],
        ["2606:4700::1%eth0"],
        ["8.8.8.8", "127.0.0.1"],
        ["127.0.0.1", "8.8.8.8"],
        ["8.8.8.8", "64:ff9b::10.0.0.1"],
    ],
)
def test_a_name_that_leads_inside_is_refused_even_if_only_partly(answers, names):
    names["rebind.example"] = answers
    with pytest.raises(ProviderError) as caught:
        resolve("rebind.example", 443, NOBODY)
    assert caught.value.error_class == "blocked_address"
    assert caught.value.message == UNREACHABLE


def test_an_allowed_name_may_lead_inside_but_only_on_its_port(names):
    names["gpu"] = ["10.0.0.5"]
    allow = frozenset({"gpu:8000"})
    assert resolve("gpu", 8000, allow)[0].sockaddr == ("10.0.0.5", 8000)
    with pytest.raises(ProviderError):
        resolve("gpu", 8001, allow)


def test_an_unknown_name_reads_like_a_refused_one(names):
    with pytest.raises(ProviderError) as caught:
        resolve("nowhere.example", 443, NOBODY)
    assert caught.value.error_class == "network"
    assert caught.value.message == UNREACHABLE


def test_an_address_in_the_url_asks_no_name_service(names):
    assert resolve("8.8.8.8", 443, NOBODY)[0].sockaddr == ("8.8.8.8", 443)
    assert resolve("2606:4700::1", 443, NOBODY)[0].sockaddr == ("2606:4700::1", 443, 0, 0)
    with pytest.raises(ProviderError):
        resolve("127.0.0.1", 443, NOBODY)
    assert names["asked"] == []


def test_a_silent_name_service_is_given_up_and_many_callers_ask_it_once(monkeypatch):
    asked = []
    let_go = threading.Event()

    def getaddrinfo(host, port, *args, **kwargs):
        asked.append(host)
        let_go.wait(60)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", port))]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(ProviderError) as caught:
        resolve("slow.example", 443, NOBODY, seconds=0.05)
    assert (caught.value.error_class, caught.value.message) == ("timeout", UNREACHABLE)

    found = []
    waiting = threading.Semaphore(0)

    def ask():
        first = []

        def check():
            if not first:
                first.append(1)
                waiting.release()

        found.append(resolve("slow.example", 443, NOBODY, seconds=60, check=check))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert waiting.acquire(timeout=60)
    let_go.set()
    for thread in threads:
        thread.join(60)
    assert len(found) == 20
    assert asked == ["slow.example"]
    assert not addresses._asked


def test_waiting_for_a_name_can_be_stopped(monkeypatch):
    let_go = threading.Event()

    def getaddrinfo(*args, **kwargs):
        let_go.wait(60)
        return []

    monkeypatch.setattr(addresses.socket, "getaddrinfo", getaddrinfo)
    looks = []

    def check():
        looks.append(1)
        if len(looks) == 2:
            raise ProviderError("cancelled", "enough")

    with pytest.raises(ProviderError) as caught:
        resolve("stopped.example", 443, NOBODY, seconds=60, check=check)
    assert caught.value.error_class == "cancelled"
    let_go.set()
