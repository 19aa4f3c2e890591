"""One attempt: POSTs what was signed to a checked address within short bounds, and says what came back."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiapp.extensions import settings
from aiapp.gateway.complete import transport
from aiapp.providers.addresses import check_url
from aiapp.providers.key_redaction import redact_keys
from aiapp.providers.retry_after import retry_after
from aiapp.providers.transport import Limits
from aiapp.providers.types import HttpRequest, ProviderError
from aiapp.webhooks import signing
from aiapp.webhooks.signing import PREFIX

# The whole call; a receiver should take the message first and work afterwards.
SECONDS = 10.0
# Of an answer no more is read than somebody may want to see of it.
ANSWER_BYTES = 16 * 1024
SHOWN, SHOWN_IN_ERROR = 2000, 200


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is to be sent where, with everything that was read from the database."""

    delivery_id: str
    url: str
    message: Mapping[str, Any]
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Received:
    """What came back. `status` is None where there was no answer; `error` is empty where it was 2xx.

    body: the beginning of the answer as text, without what looks like a key.
    """

    status: int | None
    error: str
    body: str = ""
    retry_after: float | None = None
    ms: int = 0

    @property
    def ok(self) -> bool:
        """Whether the receiver has it."""
        return self.status is not None and 200 <= self.status < 300


def send(parcel: Parcel) -> Received:
    """Send it once. Needs an app context and no database session; takes SECONDS at most. Never raises ProviderError."""
    body = json.dumps(parcel.message, separators=(",", ":"), ensure_ascii=False).encode()
    signed = signing.headers(parcel.delivery_id, int(time.time()), body, parcel.secrets)
    request = HttpRequest("POST", parcel.url, {"content-type": "application/json", **signed}, body)
    start = time.monotonic()
    try:
        # Here too, not only in the transport: it answers some schemes in this process.
        check_url(parcel.url, settings().outbound_allow, query=True)
        status, headers, content = _exchange(request)
    except ProviderError as error:
        words = redact_keys(error.message, secrets=parcel.secrets)
        return Received(None, words[:SHOWN_IN_ERROR], ms=_since(start))
    text = _readable(content, parcel.secrets)
    return Received(status, _error(status, text), text[:SHOWN], retry_after(status, headers, None), _since(start))


def _exchange(request: HttpRequest) -> tuple[int, Mapping[str, str], bytes]:
    bounds = settings()
    limits = Limits(
        connect=min(bounds.connect_timeout, SECONDS),
        idle=min(bounds.idle_timeout, SECONDS),
        total=min(bounds.total_timeout, SECONDS),
        response_bytes=bounds.max_response_bytes,
    )
    with transport().send(request, limits=limits) as answer:
        try:
            content = answer.read(ANSWER_BYTES)
        except ProviderError:
            content = b""  # the status has said what counts
        return answer.status, answer.headers, content


def _readable(content: bytes, secrets: tuple[str, ...]) -> str:
    text = content.decode(errors="replace")
    text = "".join(letter if letter.isprintable() or letter in "\n\t" else "\ufffd" for letter in text)
    # Redacted before it is cut: half of a secret would not be known as one.
    return redact_keys(text, secrets=(*secrets, *(one.removeprefix(PREFIX) for one in secrets)))


def _error(status: int, text: str) -> str:
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"{status}: redirects are not followed. Enter the address that it leads to."
    if status == 410:
        return "410: the receiver is gone for good, so the webhook is switched off."
    said = re.sub(r"\s+", " ", text).strip()[:SHOWN_IN_ERROR]
    return f"{status}: {said}" if said else f"The receiver answered {status}."


def _since(start: float) -> int:
    return round((time.monotonic() - start) * 1000)
