"""A provider's refusal, in any of the envelopes that providers use, as a ProviderError."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aiapp.providers.classification import classify
from aiapp.providers.key_redaction import redact_keys
from aiapp.providers.retry_after import delay_in, retry_after
from aiapp.providers.sse import Event
from aiapp.providers.types import ProviderError
from aiapp.providers.wire_json import as_text, mapping, read_object, read_value, sequence, string

LONGEST_MESSAGE = 500
# Enough for any message; a page of megabytes is not worth reading.
_READ = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Refusal:
    message: str
    codes: tuple[str, ...]
    status: int | None


def failure(status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
    """Return what an answer with another status than 200 means.

    The message is the provider's own, redacted and shortened to LONGEST_MESSAGE. Seen envelopes: `{"error": {…}}`,
    `{"error": "text"}` with a `code` beside it, `[{"error": {…}}]`, `{"detail": …}`, `{"message": …}`, HTML and nothing.
    """
    try:
        data = read_value(body[:_READ])
    except ProviderError:
        data = None
    refusal = _read(data)
    message = _tidy(refusal.message, ()) or _tidy(_plain(status, headers, body[:_READ]), ())
    return ProviderError(
        classify(status, refusal.codes, refusal.message, will_recover=delay_in(data) is not None),
        message or f"Status {status}, without an explanation.",
        http_status=status,
        retry_after=retry_after(status, headers, data),
        code=_code(refusal, ()),
    )


def failure_inside(data: Any, *, secrets: Iterable[str | None] = ()) -> ProviderError | None:
    """Return the error that a 200's JSON (a whole body or one event) carries, None where it carries none.

    Arguments:
        secrets: keys that must not come back in the message.
    """
    body = mapping(data)
    if not body.get("error") and body.get("object") != "error" and body.get("type") != "error":
        return None
    refusal = _read(body)
    message = _tidy(refusal.message, secrets)
    delay = delay_in(body)
    return ProviderError(
        classify(refusal.status, refusal.codes, refusal.message, will_recover=delay is not None),
        message or "The provider reported an error and did not say which.",
        retry_after=delay,
        code=_code(refusal, secrets),
    )


def raise_inside(data: Any, api_key: str | None) -> None:
    """Raise the error that a 200's JSON carries, if it carries one, without the key of the call in its message."""
    error = failure_inside(data, secrets=(api_key,))
    if error:
        raise error


def event_object(event: Event, api_key: str | None) -> dict[str, Any]:
    """Return the JSON object of one server-sent event. Raises the ProviderError that it is or carries, or `bad_response`."""
    if event.event == "error" and not event.data.lstrip().startswith("{"):
        raise ProviderError("server", "The provider broke the stream off with an error that is not JSON.")
    data = read_object(event.data)
    raise_inside({"error": data} if event.event == "error" and not data.get("error") else data, api_key)
    return data


def _read(data: Any) -> _Refusal:
    body = mapping(data[0] if isinstance(data, list) and data else data)
    error = body.get("error")
    inner = mapping(error)
    metadata = mapping(inner.get("metadata"))
    message = (
        _words(inner.get("message"))
        or _words(error if isinstance(error, str) else None)
        or _words(inner.get("error"))
        or _words(body.get("message"))
        or _words(body.get("detail"))
        or _words(body.get("errors"))
        or _words(body.get("msg"))
    )
    raw = metadata.get("raw")  # OpenRouter: what the provider behind it said
    if raw:
        message = f"{message}: {as_text(raw)}" if message else as_text(raw)
    given = [inner.get("code"), inner.get("type"), inner.get("status"), mapping(inner.get("innererror")).get("code")]
    # google.rpc.ErrorInfo: an invalid argument may be the key.
    given += [mapping(detail).get("reason") for detail in sequence(inner.get("details"))]
    given += [body.get("code"), body.get("type") if body.get("type") != "error" else None]
    codes = tuple(
        str(value) for value in given if isinstance(value, (str, int)) and not isinstance(value, bool) and value != ""
    )
    if sequence(metadata.get("reasons")):  # OpenRouter: why its moderation stopped the prompt
        codes = (*codes, "content_filter")
    # A named code says more than a number: it comes first.
    ordered = tuple(sorted(codes, key=str.isdigit))
    statuses = (int(code) for code in codes if re.fullmatch(r"[45]\d\d", code))
    return _Refusal(message, ordered, next(statuses, None))


def _words(value: Any) -> str:
    """Return a message that may be a string, or a validator's list of places and complaints."""
    if isinstance(value, dict):
        value = value.get("message") or value.get("msg") or value.get("detail")
    if isinstance(value, list):
        complaints = (
            f"{'.'.join(str(part) for part in sequence(mapping(item).get('loc')))}: {mapping(item).get('msg')}".lstrip(
                ": "
            )
            if isinstance(item, dict)
            else string(item)
            for item in value[:5]
        )
        return "; ".join(filter(None, complaints))
    return string(value)


def _plain(status: int, headers: Mapping[str, str], body: bytes) -> str:
    """Return the words of an answer that is not JSON: a page's title, a line of text, where a redirect leads."""
    if 300 <= status < 400:
        target = next((value for name, value in headers.items() if name.lower() == "location"), "")
        return f"The address answers with a redirect to {target[:200] or 'nowhere'}, which is not followed. Check the base URL."
    text = body.decode("utf-8", "replace").strip()
    if text.startswith("<"):
        title = re.search(r"(?is)<title[^>]*>([^<]{1,200})", text)
        return f"The answer is a web page ({title[1].strip() if title else 'without a title'}), status {status}."
    return "" if text.startswith(("{", "[")) else text


def _code(refusal: _Refusal, secrets: Iterable[str | None]) -> str | None:
    return (_tidy(refusal.codes[0], secrets)[:100] or None) if refusal.codes else None


def _tidy(text: str, secrets: Iterable[str | None]) -> str:
    # Redacted before it is cut: half a key no longer looks like one. NUL and half a surrogate pair are not printable.
    printable = "".join(letter if letter.isprintable() else " " for letter in text[: 8 * LONGEST_MESSAGE])
    words = " ".join(redact_keys(printable, secrets=secrets).split())
    return words if len(words) <= LONGEST_MESSAGE else words[: LONGEST_MESSAGE - 1] + "…"
