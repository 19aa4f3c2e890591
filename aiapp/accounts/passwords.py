"""Passwords: argon2id, and an answer for unknown people that takes as long as one for known people."""

from __future__ import annotations

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MINIMUM, MAXIMUM = 10, 200

# RFC 9106's second recommended option costs 64 MiB a check; OWASP's 19 MiB, t=2 keeps sixteen parallel sign-ins in 300 MB.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def hash_password(password: str) -> str:
    """Return the argon2id hash of `password`, with its salt and parameters."""
    return _hasher.hash(password)


def verify(password_hash: str | None, password: str) -> bool:
    """Whether `password` fits. Without a hash a stand-in is checked, so that both answers take the same time."""
    try:
        _hasher.verify(password_hash or _stand_in(), password[: MAXIMUM + 1])
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


def weakness(password: str, *known: str) -> str | None:
    """Return why `password` is not accepted, or None.

    Arguments:
        known: words that an attacker would try first, such as the person's email address and name.
    """
    if len(password) < MINIMUM:
        return f"Use at least {MINIMUM} characters."
    if len(password) > MAXIMUM:
        return f"Use at most {MAXIMUM} characters."
    if len(set(password)) < 5:
        return "Use more different characters."
    plain = password.casefold()
    for word in known:
        for part in (word, word.split("@")[0]):
            if len(part) >= 4 and part.casefold() in plain and len(plain) - len(part) < 6:
                return "Do not build it on your name or email address."
    if _common(plain):
        return "This password is among the most used ones. Choose another."
    return None


@cache
def _stand_in() -> str:
    return _hasher.hash("nobody has this password")


def _common(password: str) -> bool:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415 - 95,000 words: only where a password is chosen

    return password in FREQUENCY_LISTS["passwords"]
