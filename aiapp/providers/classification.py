"""Which error class a provider's words mean: a status, its own codes, and what it says to people."""

from __future__ import annotations

import re
from collections.abc import Collection

# Codes and types that mean one thing whatever status they come with (lower case).
_CODES = {
    "invalid_api_key": "auth",
    "api_key_invalid": "auth",
    "authentication_error": "auth",
    "permission_error": "permission",
    "permission_denied": "permission",
    "api_key_service_blocked": "permission",
    "model_terms_required": "permission",
    "unsupported_country_region_territory": "permission",
    "insufficient_quota": "quota",
    "insufficient_balance": "quota",
    "billing_error": "quota",
    "billing_hard_limit_reached": "quota",
    "billing_not_active": "quota",
    "payment_required": "quota",
    "rate_limit_exceeded": "rate_limit",
    "rate_limit_error": "rate_limit",
    "overloaded_error": "overloaded",
    "capacity_exceeded": "overloaded",
    "model_not_found": "model_not_found",
    "model_decommissioned": "model_not_found",
    "invalid_model": "model_not_found",
    "deploymentnotfound": "model_not_found",
    "context_length_exceeded": "context_length",
    "exceed_context_size_error": "context_length",
    "request_too_large": "context_length",
    "too_many_prompt_tokens": "context_length",
    "content_filter": "content_filter",
    "content_policy_violation": "content_filter",
    "responsibleaipolicyviolation": "content_filter",
    "data_inspection_failed": "content_filter",
    "error_toxic": "content_filter",
    "error_limit": "context_length",
}
# Codes that are believed only where no status says more: Ollama Cloud calls a bad key (401) an api_error.
_VAGUE_CODES = {
    "unauthorized": "auth",
    "forbidden": "permission",
    "too_many_requests": "rate_limit",
    "overloaded": "overloaded",
    "service_unavailable": "overloaded",
    "timeout_error": "timeout",
    "timeout": "timeout",
    "invalid_prompt": "bad_request",
    "invalid_request_error": "bad_request",
    "not_found_error": "bad_request",
    "tool_use_failed": "bad_request",
    "badrequesterror": "bad_request",
}
_STATUSES = {
    401: "auth",
    402: "quota",
    403: "permission",
    408: "timeout",
    413: "context_length",
    429: "rate_limit",
    498: "overloaded",  # Groq: its flexible tier is full (Cohere: blocked, which its words tell)
    503: "overloaded",
    504: "timeout",
    524: "timeout",  # Cloudflare: the origin did not answer in time
    529: "overloaded",
}
# What providers say where their status says too little: class, the statuses it is looked for with (None: no status), words.
_SENTENCES: tuple[tuple[str, frozenset[int | None], re.Pattern[str]], ...] = (
    (
        "quota",
        frozenset({400, 403, 429, None}),
        re.compile(
            r"insufficient (?:balance|credits?|funds|quota)|exceeded your current quota|credit balance is too low"
            r"|out of credits|(?:not|n't) have (?:any|enough) credits|used all available credits|spending limit"
            r"|reached your specified (?:api )?usage limits|billing hard limit|payment required"
            r"|credits? (?:are|is|has been|have been) (?:depleted|exhausted)|monthly included credits|calls? ?/ ?month"
            r"|(?:plan|package|subscription) has expired"
        ),
    ),
    (
        "auth",
        frozenset({400, None}),
        re.compile(
            r"(?:incorrect|invalid|wrong|missing|expired|revoked|unknown|no) (?:x-)?api[ _-]?key"
            r"|api[ _-]?key (?:is |was )?(?:not valid|invalid|incorrect|expired|missing|not found)"
            r"|invalid (?:authentication|credentials|bearer|access token)|authentication (?:fails|failed|header|required)"
        ),
    ),
    (
        "context_length",
        frozenset({400, 403, 422, 500, None}),
        re.compile(
            r"context[ _](?:length|window|size|limit)|maximum (?:prompt|context|input) length|prompt (?:is )?too long"
            r"|input is too long|(?:reduce|shorten) (?:the length of )?(?:the |your )?(?:messages|prompt|input)"
            r"|too large for model|too many (?:input )?tokens|exceeds? (?:the )?max(?:imum)? (?:length|number of tokens)"
        ),
    ),
    (
        "content_filter",
        frozenset({400, 403, 498, None}),
        re.compile(
            r"content (?:policy|filter|management polic|moderation)|content exists risk|blocked by content"
            r"|violat\w+ (?:\w+ ){0,3}usage (?:polic|guideline)|(?:was|were|been|input|content) flagged|requires moderation"
            r"|safety (?:system|filter)|unsafe or sensitive content|blocked (?:input|output|prompt)"
        ),
    ),
    ("permission", frozenset({400, None}), re.compile(r"(?:location|country|region)\b.{0,40}? not supported")),
    (
        "model_not_found",
        frozenset({400, None}),
        re.compile(
            r"\bmodel\b.{0,120}?(?:not found|not exist|n't exist|decommissioned|no longer (?:available|supported)"
            r"|is not a valid)|(?:unknown|invalid|no such) model\b|not a valid model|no models? loaded|no endpoints found"
        ),
    ),
    # A 404 is about the model as soon as it speaks of one.
    ("model_not_found", frozenset({404}), re.compile(r"\bmodels?\b|\bdeployments?\b|no endpoints found")),
    ("overloaded", frozenset({500, 502, None}), re.compile(r"\boverloaded\b|at capacity|server busy")),
)


def classify(status: int | None, codes: Collection[str], message: str, *, will_recover: bool = False) -> str:
    """Return the error class (types.ERROR_CLASSES) of one answer.

    Arguments:
        status: the HTTP status, or the one that an error inside a 200 names; None where there is none.
        codes: the provider's own codes and types, in any case.
        message: what it says to people.
        will_recover: the provider says when to come back, so that an exhausted quota is one per minute, not the account's.
    """
    if status == 413:
        return "context_length"
    known = [code.lower() for code in codes]
    for code in known:
        if code in _CODES:
            return _CODES[code]
    # Keys and limits are named in the first sentences; what follows may quote the prompt.
    said = " ".join(message.lower()[:600].split())
    for error_class, statuses, words in _SENTENCES:
        if status in statuses and words.search(said) and not (will_recover and error_class == "quota"):
            return error_class
    return _by_status(status, known)


def _by_status(status: int | None, codes: Collection[str]) -> str:
    if status is None:
        return next((_VAGUE_CODES[code] for code in codes if code in _VAGUE_CODES), "server")
    if status in _STATUSES:
        return _STATUSES[status]
    if 400 <= status < 500:
        return "bad_request"
    # 1xx to 3xx: redirects are not followed, so what came is not an answer.
    return "server" if status >= 500 else "bad_response"
