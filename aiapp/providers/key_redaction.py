"""Takes keys out of text that others wrote: a provider's message, a log line, a header."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote

from aiapp.providers.types import ProviderError

SHOWN = 4
# What stands in a sentence where nothing of a key is left: "Incorrect API key provided: [key]."
NAMELESS = "[key]"
# A key shorter than this would be guessable from its last four characters.
_LONG_ENOUGH = 12
_BLOCK = _LONG_ENOUGH // 2

# A word that may follow "Bearer" in a sentence about a key, rather than in one that quotes it.
_ONLY_A_WORD = (
    r"(?!(?:auth\w*|tokens?|schemes?|credentials?|keys?|headers?|format|prefix|required|missing|invalid|expected)\b)"
)
_PATTERNS = (
    # what follows an authorization scheme, or stands for a key in a header, a URL or a sentence
    re.compile(rf"(?i)(?P<keep>\bbearer\s+){_ONLY_A_WORD}(?P<key>[^\s\"',;<>]{{6,}})"),
    re.compile(r"(?i)(?P<keep>\bbasic\s+)(?P<key>(?=\S*[0-9=])[A-Za-z0-9+/=]{12,})"),
    re.compile(
        r"(?i)(?P<keep>\bapi[-_ ]?key(?: provided)?[\"']?\s*[:=]\s*[\"']?)(?P<key>(?=\S*[0-9*_-])[^\s\"',;&<>]{4,})"
    ),
    re.compile(r"(?i)(?P<keep>[?&](?:key|token|access_token)=)(?P<key>[^\s\"'&<>]+)"),
    # the providers' own prefixes; stars and dots are how some mask the middle
    re.compile(r"(?P<keep>)(?<![A-Za-z0-9])(?P<key>(?:sk|gsk|xai)[-_][A-Za-z0-9*.…_-]{2,}[A-Za-z0-9*_-])"),
    re.compile(
        r"(?P<keep>)(?<![A-Za-z0-9])(?P<key>(?:pk|rk|pplx|csk|tgp|hf|nvapi|fw|aiapp|gh[opsu]|github_pat|glpat|xox[abp])"
        r"[-_][A-Za-z0-9*_-]{8,})"
    ),
    re.compile(r"(?P<keep>)(?<![A-Za-z0-9])(?P<key>(?:AIza|AKIA|ASIA|ya29\.)[A-Za-z0-9*._-]{6,})"),
    # a key that is already masked, first characters included; looking behind keeps this linear
    re.compile(r"(?P<keep>)(?<![A-Za-z0-9_-])(?P<key>[A-Za-z0-9_-]*\*{3,}[A-Za-z0-9_-]*)"),
)
_MASKED = re.compile(rf"…[^*.…]{{1,{SHOWN}}}")
_RUN = re.compile(r"[A-Za-z0-9_-]{20,}")


class Secret:
    """A key that is not to be said: neither whole nor twelve characters in a row of it, for some servers show all but its end.

    Percent-encoded and base64 forms, and how JSON may write it, count as the key itself. Made once for many texts: what is
    searched for is prepared.
    """

    def __init__(self, value: str) -> None:
        self.masked = masked(value)
        in_base64 = base64.b64encode(value.encode("utf-8", "replace")).decode().rstrip("=")
        in_json = json.dumps(value)[1:-1]
        forms = {value, quote(value, safe=""), in_base64, in_json, in_json.replace("/", "\\/")}
        self._forms = sorted(forms, key=len, reverse=True)
        # What is twice as long as a block holds one of these blocks whole.
        self._blocks = [
            (form, at, form[at : at + _BLOCK])
            for form in self._forms
            if len(form) >= _LONG_ENOUGH
            for at in range(0, len(form) - _BLOCK + 1, _BLOCK)
        ]

    def conceal(self, text: str) -> str:
        """Return `text` without the key: the whole of it becomes what `masked` shows, a part of it "…"."""
        for form in self._forms:
            text = text.replace(form, self.masked)
        for start, end in reversed(self.told_of(text)):
            text = f"{text[:start]}…{text[end:]}"
        return text

    def told_of(self, text: str) -> list[tuple[int, int]]:
        """Return where `text` says twelve or more characters in a row of the key, as (start, end), in order, none overlapping."""
        found: list[tuple[int, int]] = []
        if len(text) < _LONG_ENOUGH:
            return found
        for form, at, block in self._blocks:
            place = text.find(block)
            while place >= 0:
                start, end = _grown(text, place, form, at)
                if end - start >= _LONG_ENOUGH:
                    found.append((start, end))
                place = text.find(block, max(end, place + 1))
        return _united(sorted(found))

    def begun(self, text: str) -> int:
        """Return how many of the last characters of `text`, in a row, stand in the key: more of it may follow."""
        return max(_length_at_end(text, form) for form in self._forms)


def untold(names: Iterable[str], secret: str | None) -> tuple[str, ...]:
    """Return those of `names` that say nothing of a key: a hostile server could list it as a name, in any form."""
    if not secret:
        return tuple(names)
    known = Secret(secret)
    return tuple(name for name in names if known.conceal(name) == name)


def _grown(text: str, place: int, form: str, at: int) -> tuple[int, int]:
    """Return how far around `text[place : place + _BLOCK]`, which is form[at : at + _BLOCK], the two say the same."""
    before, after = 0, _BLOCK
    while before < min(place, at) and text[place - before - 1] == form[at - before - 1]:
        before += 1
    while place + after < len(text) and at + after < len(form) and text[place + after] == form[at + after]:
        after += 1
    return place - before, place + after


def _united(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    united: list[tuple[int, int]] = []
    for start, end in spans:
        if united and start < united[-1][1]:
            united[-1] = (united[-1][0], max(end, united[-1][1]))
        else:
            united.append((start, end))
    return united


def _length_at_end(text: str, form: str) -> int:
    length = 0
    while length < min(len(text), len(form)) and text[-length - 1 :] in form:
        length += 1
    return length if length < len(form) else 0  # the whole of it waits for nothing


def redact_keys(text: str, *, secrets: Iterable[str | None] = ()) -> str:
    """Return `text` with everything that looks like a key cut to "…" and its last 4 characters, or to "[key]".

    Arguments:
        secrets: keys that are known; see Secret.
    """
    for secret in sorted({secret for secret in secrets if secret}, key=len, reverse=True):
        text = Secret(secret).conceal(text)
    for pattern in _PATTERNS:
        text = pattern.sub(_replaced, text)
    return _RUN.sub(lambda found: masked(found[0]) if _is_opaque(found[0]) else found[0], text)


def masked(key: str) -> str:
    """Return what may be shown of a key: its last four characters, or a word for it where it is too short for that.

    What is shown of a key already stays as it is: a provider's words pass here more than once.
    """
    if _MASKED.fullmatch(key):
        return key
    tail = re.sub(r"^.*[*.…]", "", key)[-SHOWN:] if len(key) >= _LONG_ENOUGH or "*" in key else ""
    return f"…{tail}" if tail else NAMELESS


def without_secrets(error: ProviderError, secrets: Iterable[str | None]) -> ProviderError:
    """Return `error` with `secrets` taken out of its message and code: a dialect's `error` does not know the key."""
    known = tuple(secrets)
    return ProviderError(
        error.error_class,
        redact_keys(error.message, secrets=known),
        http_status=error.http_status,
        retry_after=error.retry_after,
        code=redact_keys(error.code, secrets=known) if error.code else error.code,
    )


def _replaced(found: re.Match[str]) -> str:
    key = found["key"].rstrip(".,;:)")
    # The dot that ends a sentence is not part of the key that it quotes.
    return found["keep"] + masked(key) + found["key"][len(key) :]


def _is_opaque(run: str) -> bool:
    """Whether a long run of characters is random rather than words: model names and dates stay readable."""
    return any(
        len(part) >= 20 and re.search(r"[0-9]", part) and re.search(r"[A-Za-z]", part)
        for part in re.split(r"[-_]", run)
    ) or (len(run) >= 40 and _is_mixed(run))


def _is_mixed(run: str) -> bool:
    digits = sum(letter.isdigit() for letter in run)
    upper = sum(letter.isupper() for letter in run)
    lower = sum(letter.islower() for letter in run)
    return digits >= 4 and upper >= 4 and lower >= 4
