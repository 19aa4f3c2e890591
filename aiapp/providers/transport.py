"""The one HTTP seam: requests to providers as the dialects build them, sent within bounds to addresses that were checked.

Ours instead of httpx's pool, which looks at every connection under one lock for every request (encode/httpcore#929); httpx's
types at the edge, so that its clients, and its MockTransport in tests, fit on both sides of the seam.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from time import monotonic
from typing import Literal, cast

import httpx

from aiapp.providers.addresses import Url, check_url, resolve
from aiapp.providers.bounds import Call, Cancel, Limits
from aiapp.providers.connection import Connection, connect, secure
from aiapp.providers.exchange import Answer, Local, Stale, exchange, local_answer
from aiapp.providers.http1 import request_bytes
from aiapp.providers.pool import Pool
from aiapp.providers.types import HttpRequest, ProviderError

__all__ = ["Answer", "Cancel", "Limits", "Local", "Probe", "Transport", "over"]

Step = Literal["name", "address", "connect", "tls"]

_HTTPX_ERRORS: Mapping[str, type[httpx.TransportError]] = {
    "timeout": httpx.ReadTimeout,
    "bad_response": httpx.RemoteProtocolError,
    "too_large": httpx.RemoteProtocolError,
    "blocked_address": httpx.ConnectError,
}


@dataclass(frozen=True, slots=True)
class Probe:
    """How far a connection got: the step that failed, why (for people), and the milliseconds of each step that was begun."""

    failed: Step | None
    message: str
    milliseconds: Mapping[str, float]


class Transport(httpx.BaseTransport):
    """Sends requests; safe to share between threads, one for a process. No proxy, no cookie, no redirect, no environment.

    Arguments:
        allow: exact `host:port` in lower case that may be private and speak plain http (AIAPP_OUTBOUND_ALLOW).
        limits: of every call that brings none of its own.
        local: by scheme, who answers in this process instead of the network (`demo:`; in tests `over` a MockTransport).
        ssl_context: instead of the shared one with certifi's authorities.
        idle_connections, idle_seconds: how many connections are kept for the next call, and how long.
    """

    def __init__(
        self,
        allow: frozenset[str] = frozenset(),
        limits: Limits | None = None,
        *,
        local: Mapping[str, Local] | None = None,
        ssl_context: ssl.SSLContext | None = None,
        idle_connections: int = 512,
        idle_seconds: float = 30.0,
    ) -> None:
        self._allow = allow
        self._limits = limits or Limits()
        self._local = dict(local or {})
        self._ssl_context = ssl_context
        self._pool = Pool(idle_connections, idle_seconds)
        self._agent = f"aiapp/{version('aiapp')}"

    def send(self, request: HttpRequest, *, limits: Limits | None = None, cancel: Cancel | None = None) -> Answer:
        """Send `request` and return its answer as soon as the head is there; use it in a `with` statement.

        A request is sent a second time only where a kept connection turns out to be closed before a byte of an answer came.

        Raises ProviderError: `blocked_address`, `network`, `timeout`, `bad_response`, `too_large`, `cancelled`; `auth` for a key
        that no header can hold.
        """
        return self._send(request.method, request, Call(limits or self._limits, cancel))

    def probe(self, url: str, *, limits: Limits | None = None, cancel: Cancel | None = None) -> Probe:
        """Go as far as TLS with `url` and hang up. Raises ProviderError only for `cancelled`."""
        call = Call(limits or self._limits, cancel)
        marks: list[tuple[Step, float]] = [("address", monotonic())]
        failed: Step | None = None
        message = ""
        try:
            if self._local_for(url) is None:
                self._dial(
                    check_url(url, self._allow, query=True), call, lambda step: marks.append((step, monotonic()))
                ).close()
        except ProviderError as exc:
            if exc.error_class == "cancelled":
                raise
            # `name` finds the addresses and `resolve` checks them in the same breath
            failed = "address" if exc.error_class == "blocked_address" else marks[-1][0]
            message = exc.message
        ends = [at for _, at in marks[1:]] + [monotonic()]
        steps = zip(marks, ends, strict=True)
        return Probe(
            failed, message, {step: round((end - at) * 1000, 1) for (step, at), end in steps if step != "address"}
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer an httpx client: the same bounds, its own connect and read timeouts where it has them, httpx's exceptions.

        The content comes decoded, and so without Content-Encoding: httpx would decode it without a bound.
        """
        timeout = request.extensions.get("timeout", {})
        limits = replace(
            self._limits,
            connect=timeout.get("connect") or self._limits.connect,
            idle=timeout.get("read") or self._limits.idle,
        )
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers.raw}
        # HttpRequest knows the two methods that dialects use; an httpx client has more
        method = cast("Literal['GET', 'POST']", request.method)
        ours = HttpRequest(method, str(request.url), headers, request.read())
        try:
            answer = self._send(request.method, ours, Call(limits))
        except ProviderError as exc:
            raise _httpx_error(exc, request) from exc
        gone = {"content-encoding", "transfer-encoding"}
        if "content-encoding" in answer.headers:
            gone.add("content-length")
        kept = [(name, value) for name, value in answer.headers.items() if name not in gone]
        return httpx.Response(answer.status, headers=kept, stream=_Stream(answer, request))

    def close(self) -> None:
        """Close the connections that nobody uses, and from now on each one after its call."""
        self._pool.close()

    def _local_for(self, url: str) -> Local | None:
        return self._local.get(url.partition(":")[0].lower()) if self._local else None

    def _send(self, method: str, request: HttpRequest, call: Call) -> Answer:
        local = self._local_for(request.url)
        if local is not None:
            return local_answer(local, request, call)
        url = check_url(request.url, self._allow, query=True)
        data = request_bytes(method, url, request.headers, request.body, self._agent)
        kept = self._pool.take((url.scheme, url.host, url.port), call)
        if kept is not None:
            with suppress(Stale):
                return exchange(kept, data, method, call, self._pool.put)
        return exchange(self._dial(url, call), data, method, call, self._pool.put)

    def _dial(self, url: Url, call: Call, note: Callable[[Step], None] = lambda step: None) -> Connection:
        until = monotonic() + call.left(call.limits.connect)
        note("name")
        addresses = resolve(url.host, url.port, self._allow, seconds=until - monotonic(), check=call.check)
        note("connect")
        sock = connect(addresses, call, until)
        if url.scheme == "https":
            note("tls")
            sock = secure(sock, url.host, self._ssl_context or _shared_context(), call, until)
        return Connection(sock, (url.scheme, url.host, url.port), call)


def over(transport: httpx.BaseTransport) -> Local:
    """Let an httpx transport answer, such as a MockTransport: for the `local` of a Transport, also in the place of `https`."""

    def answer(request: HttpRequest) -> tuple[int, Mapping[str, str], Iterable[bytes]]:
        asked = httpx.Request(request.method, request.url, headers=dict(request.headers), content=request.body)
        try:
            response = transport.handle_request(asked)
        except httpx.TimeoutException as exc:
            raise ProviderError("timeout", str(exc)) from exc
        except httpx.TransportError as exc:
            raise ProviderError("network", str(exc)) from exc
        return response.status_code, response.headers, response.iter_bytes()

    return answer


class _Stream(httpx.SyncByteStream):
    """An answer's content as httpx reads it."""

    def __init__(self, answer: Answer, request: httpx.Request) -> None:
        self._answer = answer
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._answer.chunks
        except ProviderError as exc:
            raise _httpx_error(exc, self._request) from exc

    def close(self) -> None:
        self._answer.close()


def _httpx_error(exc: ProviderError, request: httpx.Request) -> httpx.TransportError:
    kind = _HTTPX_ERRORS.get(exc.error_class, httpx.ReadError)
    return kind(exc.message, request=request)


@cache
def _shared_context() -> ssl.SSLContext:
    # Building one costs more than a hundred requests.
    context = httpx.create_ssl_context(trust_env=False)
    context.set_alpn_protocols(["http/1.1"])
    return context
