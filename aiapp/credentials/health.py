"""PURE: what a failure says about a credential: its health, the reason as a word for programs, and that word for people."""

from __future__ import annotations

from collections.abc import Mapping

from aiapp.providers.types import ProviderError

# A refused address and a closed port are one reason: a check must not tell what stands in our network.
_BY_ERROR: Mapping[str, tuple[str, str]] = {
    "auth": ("down", "bad_key"),
    "permission": ("down", "not_allowed"),
    "quota": ("down", "out_of_credit"),
    "network": ("down", "unreachable"),
    "blocked_address": ("down", "unreachable"),
    "bad_response": ("down", "not_an_api"),
    "too_large": ("down", "not_an_api"),
    "rate_limit": ("degraded", "rate_limited"),
    "overloaded": ("degraded", "overloaded"),
    "server": ("degraded", "server_error"),
    "timeout": ("degraded", "timeout"),
    "model_not_found": ("degraded", "model_not_found"),
}

REASONS: Mapping[str, str] = {
    "bad_key": "Key refused",
    "not_allowed": "Key may not do this",
    "out_of_credit": "Out of credit",
    "unreachable": "Not reachable",
    "not_an_api": "Not an API",
    "rate_limited": "Rate limited",
    "overloaded": "Overloaded",
    "server_error": "Provider error",
    "timeout": "Too slow",
    "model_not_found": "Model not found",
    "request_refused": "Request refused",
    "unreadable": "Key cannot be read",
}


# What a call of an execution tells of its credential, and not of the request, the model or the moment.
_TELLING = frozenset({"auth", "quota"})


def after_call(error_class: str | None) -> tuple[str, str | None] | None:
    """Return the health and its reason after a call of an execution; None where it says nothing about the credential.

    Arguments:
        error_class: how the call failed; None where it was answered.
    """
    if error_class is None:
        return "healthy", None
    return _BY_ERROR[error_class] if error_class in _TELLING else None


def after(error: ProviderError | None) -> tuple[str, str | None]:
    """Return the health and its reason after a call that ended so; None is a call that was answered."""
    if error is None:
        return "healthy", None
    return _BY_ERROR.get(error.error_class, ("degraded", "request_refused"))
