"""PURE: what a failure says about a credential: its health, the reason as a word for programs, and that word for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
    "not_offered": "Not offered here",
    "no_model": "No model",
    "unproven": "Key not proven",
    "no_stream": "Streams break",
    "no_json": "JSON not kept to",
}
# What goes wrong with a stream or with JSON although a completion was answered a moment ago.
_OWN_REASON: Mapping[str, str] = {"stream": "no_stream", "json": "no_json"}
_OWN_TROUBLE = frozenset({"bad_response", "bad_request", "too_large", "timeout", "network", "model_not_found"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look at a credential has shown.

    rung: where a trouble was found, None where there was none.
    up_to: the highest rung that held, where there was no trouble: only what was found up to there is taken back by it. None is
        all of it.
    """

    health: str
    reason: str | None = None
    rung: str | None = None
    up_to: str | None = None


# What a call of an execution tells of its credential, and not of the request, the model or the moment.
_TELLING = frozenset({"auth", "quota"})


def after_call(error_class: str | None) -> Verdict | None:
    """Return what a call of an execution shows; None where it says nothing about the credential.

    Arguments:
        error_class: how the call failed; None where it was answered.
    """
    if error_class is None:
        return Verdict("healthy", up_to="completion")
    return Verdict(*_BY_ERROR[error_class], rung="completion") if error_class in _TELLING else None


def after_test(passed: frozenset[str], failed: str | None, error: ProviderError | None) -> Verdict | None:
    """Return what a test shows; None where it shows nothing.

    Arguments:
        passed: the rungs that were decided and held.
        failed: the rung that broke, with its `error`; None where none did.
    """
    if failed is not None:
        reason = _OWN_REASON.get(failed)
        if error is None:
            return Verdict("down", "unreadable", failed)
        if reason and error.error_class in _OWN_TROUBLE:
            return Verdict("degraded", reason, failed)
        return Verdict(*_BY_ERROR.get(error.error_class, ("degraded", "request_refused")), rung=failed)
    if "completion" in passed:
        return Verdict("healthy")
    if "auth" in passed:
        return Verdict("healthy", up_to="models" if "models" in passed else "auth")
    # A list that anybody may read proves no key, but what was found there is over.
    if "models" in passed:
        return Verdict("unknown", "unproven", up_to="models")
    return Verdict("unknown", up_to="network") if "network" in passed else None
