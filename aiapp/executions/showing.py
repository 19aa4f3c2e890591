"""How an execution is put for people: words for states and errors, the arithmetic of its cost."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from markupsafe import Markup

from aiapp.columns import now
from aiapp.executions.models import Attempt, Execution
from aiapp.executions.outputs import formats
from aiapp.providers.registry import PROVIDERS

# The words of providers for "the answer is longer than allowed".
CUT_OFF = frozenset(
    {"length", "max_tokens", "max_output_tokens", "MAX_TOKENS", "incomplete", "model_context_window_exceeded"}
)

KINDS = {"input": "Input", "cached": "Cached input", "cache_write": "Cache write", "output": "Output"}
KINDS |= {"reasoning": "Reasoning", "request": "Requests"}

ERRORS = {
    "bad_request": ("the provider did not understand the request", "Check the model's name and the settings."),
    "auth": ("the key was refused", "Replace the key, or put another credential before it."),
    "permission": ("the key may not do this", "Give the key access to this model at the provider."),
    "quota": ("the account is out of credit", "Add credit at the provider, or put another credential before it."),
    "rate_limit": ("too many requests for this key", "Try again later, or add a credential to fall back to."),
    "overloaded": ("the provider is overloaded", "Try again later, or add a credential to fall back to."),
    "model_not_found": ("the provider does not know the model", "Choose a model that this key may use."),
    "context_length": (
        "the prompt is too long for the model",
        "Shorten the inputs, or choose a model that reads more.",
    ),
    "content_filter": ("the provider refused the content", "Change the prompt; its filter would refuse it again."),
    "server": ("the provider failed", "Try again later, or add a credential to fall back to."),
    "timeout": ("the provider took too long", "Try again, or choose a faster model."),
    "network": ("the provider could not be reached", "Test the credential: the test says what to do."),
    "bad_response": ("the answer could not be read", "Try again; where it stays so, test the credential."),
    "too_large": ("the answer was too large", "Ask for less, or set a maximum of tokens."),
    "blocked_address": ("the address is not allowed", "Whoever runs this server can allow it (AIAPP_OUTBOUND_ALLOW)."),
    "cancelled": ("it was cancelled", "Run it again when you want to."),
    "worker_lost": ("its worker was lost", "Run it again."),
    "no_credential": ("no credential can answer", "An admin adds or switches on a credential."),
}


# What a provider says before it reads anything, and charges nothing for.
_UNREAD = frozenset({"auth", "permission", "quota", "rate_limit", "overloaded", "model_not_found", "bad_request"})
_UNREAD |= {"context_length", "blocked_address"}

# Of a repetition that lets go of the credential that was asked: before it, and of it.
UNPINS = (
    "It asked one credential, which you cannot use: it is somebody's own, or was deleted. A re-run by you asks those in the "
    "fallback order instead."
)
UNPINNED = (
    "The execution that it repeats asked one credential, which is somebody else's own or was deleted: this one asks those in the "
    "fallback order instead."
)

TITLE_CHARACTERS = 48
SHOWN_CHARACTERS = 200_000
# How often a page asks until an answer is being written: a fast one would else be over before it was seen to begin.
SOON = timedelta(seconds=3)


def execution_title(execution: Execution) -> str:
    """Return what an execution is called: its prompt template, else the first words of its text."""
    if execution.prompt_template is not None:
        return execution.prompt_template.name
    text = " ".join((execution.body if execution.opening is None else execution.opening)[:1000].split())
    if len(text) <= TITLE_CHARACTERS:
        return text or "Free text"
    # a word that would be cut goes whole, where the text has words
    return (text[: TITLE_CHARACTERS + 1].rpartition(" ")[0] or text[: TITLE_CHARACTERS - 1]) + "…"


def poll(execution: Execution) -> str:
    """Return how often a page looks again that hears of nothing by itself, as htmx writes it."""
    starting = execution.status == "pending" and execution.next_attempt_at is None
    return "every 250ms" if starting and now() - execution.created_at < SOON else "every 1s"


def error_title(error_class: str | None) -> str:
    """Return in a few words what went wrong."""
    return ERRORS.get(error_class or "", ("something went wrong", ""))[0]


def error_advice(error_class: str | None) -> str:
    """Return what can be done about it."""
    return ERRORS.get(error_class or "", ("", "Run it again."))[1]


def provider_label(kind: str | None) -> str:
    """Return a provider's name for people, also of one that the registry no longer has."""
    provider = PROVIDERS.get(kind or "")
    return provider.label if provider else kind or ""


def state_word(execution: Execution) -> str | None:
    """Return a more exact word than the status: Retrying between two rounds, Streaming while an answer may be arriving."""
    if execution.status == "pending" and execution.round > 0:
        return "Retrying"
    if execution.status == "processing" and execution.stream:
        return "Streaming"
    return None


def author(execution: Execution, reader_id: str) -> str:
    """Return who asked, in the words of a page that the user `reader_id` looks at."""
    if execution.token_name:
        return f"token: {execution.token_name}"
    if execution.user_id == reader_id:
        return "You"
    return execution.user.name if execution.user else "somebody who left"


def waited_ms(execution: Execution) -> int | None:
    """Return milliseconds between its submission and its first start."""
    if execution.started_at is None:
        return None
    return max(0, round((execution.started_at - execution.created_at).total_seconds() * 1000))


def nothing_used(execution: Execution) -> bool:
    """Whether it ended without an answer, and every call of it was refused before anything was read."""
    if not execution.finished or execution.total_tokens is not None or execution.output:
        return False
    refused = [one.error_class in _UNREAD and one.first_token_ms is None for one in execution.attempts]
    return bool(refused) and all(refused)


def shown_output(execution: Execution) -> str:
    """Return as much of the output as a page shows: a browser needs half a minute for ten megabytes of text."""
    return (execution.output or "")[:SHOWN_CHARACTERS]


def rendered(execution: Execution) -> Markup:
    """Return the output as safe HTML in its format."""
    return Markup(formats.to_safe_html(execution.format, shown_output(execution)))  # noqa: S704 - sanitised there, last


def lines_of(attempt: Attempt) -> list[tuple[str, Decimal | None]]:
    """Return the lines of an attempt's cost: the arithmetic by kind of token, and what each comes to."""
    lines: list[tuple[str, Decimal | None]] = []
    for line in (attempt.prices or {}).get("lines", ()):
        per = "M" if line["per"] == 10**6 else f"{line['per']:,}"
        term = f"{KINDS.get(line['what'], line['what'])} {line['count']:,} × ${line['price']}/{per}"
        lines.append((term, Decimal(line["cost"])))
    return lines
