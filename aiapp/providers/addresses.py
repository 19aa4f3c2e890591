"""The outbound guard: which addresses a call may go to, by how they are written and by where they lead.

Special-purpose blocks: the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890); translation prefixes: RFC 6052,
RFC 8215, RFC 3056.
"""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network
from time import monotonic

from aiapp.providers.types import ProviderError

# One text for a refused address, a closed port and an unknown name: a check must not tell a stranger what stands in our network.
UNREACHABLE = (
    "The address could not be reached. Check the name and the port; a private address works only where the server's "
    "AIAPP_OUTBOUND_ALLOW lists it."
)
MAX_URL = 2048

_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<host>\[[^\[\]/?#@]*\]|[^\[\]/?#@:\\]*)(?::(?P<port>[^/?#]*))?"
    r"(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@/%-]*)?(?P<query>\?[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*)?"
)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORT = re.compile(r"[1-9][0-9]{0,4}")

_REFUSED_4 = tuple(
    IPv4Network(block)
    for block in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
        *("192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        *("224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",  # a public number that is Azure's metadata service inside every Azure machine
    )
)
_GLOBAL_6 = IPv6Network("2000::/3")
# 2001::/23 holds Teredo, ORCHID and benchmarking: nothing in it is a provider's own address.
_REFUSED_6 = tuple(IPv6Network(block) for block in ("2001::/23", "2001:db8::/32", "3fff::/20"))
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = IPv6Network("2002::/16")

Allow = frozenset[str]
SocketAddress = tuple[str, int] | tuple[str, int, int, int]


@dataclass(frozen=True, slots=True)
class Url:
    """An address that is written in an acceptable way. `host` is lower-case and without brackets; `target` is path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """`host:port`, the form of AIAPP_OUTBOUND_ALLOW."""
        return _authority(self.host, self.port)

    @property
    def bracketed(self) -> str:
        """The host as a URL and a Host header write it."""
        return f"[{self.host}]" if ":" in self.host else self.host


@dataclass(frozen=True, slots=True)
class Address:
    """One address that was checked and may be dialled."""

    family: socket.AddressFamily
    sockaddr: SocketAddress


def check_url(url: str, allow: Allow, *, query: bool = False) -> Url:
    """Return the parts of `url`, or raise ProviderError `blocked_address`.

    This is what can be said without asking a name server; `resolve` says the rest. Both are called at save, test and run.

    Arguments:
        url: absolute; `https`, or `http` where `allow` names its host and port. A credential's base URL has no query.
        allow: exact `host:port` in lower case (IPv6 in brackets, shortest form) that may be private and may speak plain http.
        query: whether a query is acceptable: only in a URL that a dialect has built.
    """
    match = _URL.fullmatch(url) if len(url) <= MAX_URL else None
    if match is None or "@" in url.partition("://")[2].partition("/")[0]:
        raise _refused("This is not an address that can be called: write https://host/path, without user, spaces or #.")
    scheme = match["scheme"].lower()
    if scheme not in ("http", "https"):
        raise _refused("The address must begin with https://.")
    if match["query"] is not None and not query:
        raise _refused("The address must not have a query (?…).")
    host = _host(match["host"])
    port = _port(match["port"], 443 if scheme == "https" else 80)
    parts = Url(scheme, host, port, (match["path"] or "/") + (match["query"] or ""))
    if parts.authority not in allow:
        if scheme == "http":
            raise _refused(
                "The address must begin with https://: plain http is only for addresses in AIAPP_OUTBOUND_ALLOW."
            )
        literal = _literal(host)
        if literal is not None and not is_public(literal):
            raise _refused(UNREACHABLE)
    return parts


def resolve(
    host: str, port: int, allow: Allow, *, seconds: float = 5.0, check: Callable[[], None] = lambda: None
) -> tuple[Address, ...]:
    """Return the addresses of `host` (as `Url` has it), every one of them fit to be dialled.

    One address that is not public refuses the name: an answer that mixes them is an attack or a mistake.

    Arguments:
        seconds: how long the name service may take.
        check: called every 50 ms while waiting; what it raises ends the wait.

    Raises ProviderError: `network` unknown name, `timeout` no answer, `blocked_address` it leads where no call may go.
    """
    literal = _literal(host)
    if isinstance(literal, IPv4Address):
        found: tuple[Address, ...] = (Address(socket.AF_INET, (str(literal), port)),)
    elif literal is not None:
        found = (Address(socket.AF_INET6, (str(literal), port, 0, 0)),)
    else:
        found = _look_up(host, port, seconds, check)
    if _authority(host, port) not in allow and not all(_dialable(address) for address in found):
        raise _refused(UNREACHABLE)
    return found


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether `address`, or the IPv4 address wrapped in it, is one of the public internet."""
    if isinstance(address, IPv4Address):
        return not any(address in block for block in _REFUSED_4)
    if address.scope_id is not None:
        return False
    if address in _MAPPED or address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    if address in _SIX_TO_FOUR:
        return is_public(IPv4Address(int(address) >> 80 & 0xFFFFFFFF))
    # 64:ff9b:1::/48 (local-use NAT64) and the IPv4-compatible ::/96 are outside of 2000::/3.
    return address in _GLOBAL_6 and not any(address in block for block in _REFUSED_6)


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _refused(message: str) -> ProviderError:
    return ProviderError("blocked_address", message)


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return IPv6Address(host) if ":" in host else IPv4Address(host)
    except AddressValueError:
        return None


def _host(text: str) -> str:
    if text.startswith("["):
        try:
            address = IPv6Address(text[1:-1])
        except AddressValueError:
            raise _refused("The address in brackets is not an IPv6 address.") from None
        if address.scope_id is not None:
            raise _refused("An IPv6 address with a zone (%) cannot be called.")
        return str(address)
    if not text.isascii():
        raise _refused("Write an international host name in its xn-- form.")
    host = text.lower()
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _refused("The host name is not valid.")
    # inet_aton reads 127.1, 0x7f.1 and 2130706433 as addresses; only the plain dotted form may be one.
    if _NUMBER.fullmatch(labels[-1]) and not isinstance(_literal(host), IPv4Address):
        raise _refused("Write an IPv4 address as four decimal numbers.")
    return host


def _port(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not _PORT.fullmatch(text) or int(text) > 65535:
        raise _refused("The port must be a number from 1 to 65535.")
    return int(text)


def _dialable(address: Address) -> bool:
    text = str(address.sockaddr[0])
    try:
        return is_public(IPv6Address(text) if address.family == socket.AF_INET6 else IPv4Address(text))
    except AddressValueError:
        return False


class _LookUp:
    """One question to the name service, asked in a thread of its own because getaddrinfo knows no time limit."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.found: tuple[Address, ...] = ()

    def ask(self, key: tuple[int, str, int]) -> None:
        _, host, port = key
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
            # dict: the order of the resolver without repetitions
            known = dict.fromkeys(Address(family, sockaddr) for family, _, _, _, sockaddr in answers)  # type: ignore[arg-type]
            self.found = tuple(known)
        except (OSError, UnicodeError):
            self.found = ()
        finally:
            _asked.pop(key, None)
            self.done.set()


# Questions under way, so that 300 calls to one new origin ask once. The process id is in the key: a fork has none of the threads.
_asked: dict[tuple[int, str, int], _LookUp] = {}


def _look_up(host: str, port: int, seconds: float, check: Callable[[], None]) -> tuple[Address, ...]:
    key = (os.getpid(), host, port)
    mine = _LookUp()
    look_up = _asked.setdefault(key, mine)
    if look_up is mine:
        try:
            threading.Thread(target=mine.ask, args=(key,), name=f"resolve {host}", daemon=True).start()
        except RuntimeError as exc:  # no thread to be had: nobody may wait for this question
            _asked.pop(key, None)
            raise ProviderError("network", UNREACHABLE) from exc
    ends = monotonic() + seconds
    while not look_up.done.wait(max(0.0, min(0.05, ends - monotonic()))):
        check()
        if monotonic() >= ends:
            raise ProviderError("timeout", UNREACHABLE)
    if not look_up.found:
        raise ProviderError("network", UNREACHABLE)
    return look_up.found
