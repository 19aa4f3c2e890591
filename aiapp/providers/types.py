"""The words that every provider is translated into: what is asked, what comes back, and what can go wrong.

The error tree::

    ProviderError            the provider's own words, shortened and redacted, and what may be done next
    (one class only: its `error_class` is data, because rows, API and pages all show the same word)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, get_args

Role = Literal["user", "assistant"]
Purpose = Literal["document", "query"]
# What each is stands in output_formats.py.
OutputFormat = Literal["text", "json", "markdown", "html", "yaml", "xml"]
OUTPUT_FORMATS: tuple[OutputFormat, ...] = get_args(OutputFormat)

# CONTRACT: error classes of an attempt. Retried: another try at the same place may do better.
RETRYABLE = frozenset({"rate_limit", "overloaded", "server", "timeout", "network", "bad_response", "worker_lost"})
# CONTRACT: another credential may do better, at once.
NEXT_CREDENTIAL = frozenset({"auth", "permission", "quota", "model_not_found", "blocked_address", "too_large"})
# CONTRACT: no other credential can do better: the execution ends here.
PERMANENT = frozenset(
    {
        "bad_request",
        "context_length",
        "content_filter",
        "cancelled",
        "budget_exceeded",
        "policy_limit",
        "disabled",
        "no_credential",
    }
)
ERROR_CLASSES = RETRYABLE | NEXT_CREDENTIAL | PERMANENT


class ProviderError(Exception):
    """One call to a provider failed.

    Arguments:
        error_class: one of ERROR_CLASSES.
        message: the provider's own words (or ours), for people; shortened to 500 characters.
        http_status: the status of the answer, None where there was no answer or the error came inside a 200.
        retry_after: seconds that the provider asked us to wait, None where it did not say.
        code: the provider's own code or type for the error, where it gave one.
    """

    def __init__(
        self,
        error_class: str,
        message: str,
        *,
        http_status: int | None = None,
        retry_after: float | None = None,
        code: str | None = None,
    ) -> None:
        if error_class not in ERROR_CLASSES:
            raise ValueError(f"unknown error class {error_class!r}")
        super().__init__(message)
        self.error_class = error_class
        self.message = message[:500]
        self.http_status = http_status
        self.retry_after = retry_after
        self.code = code

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later."""
        return self.error_class in RETRYABLE

    @property
    def permanent(self) -> bool:
        """Whether no other credential could do better."""
        return self.error_class in PERMANENT


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of the conversation that is sent."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a model, before any provider is chosen. A None leaves the choice to the target, then to the provider."""

    messages: tuple[Message, ...]
    system: str | None = None
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    output_format: OutputFormat = "text"
    json_schema: Mapping[str, Any] | None = None
    stream: bool = True


@dataclass(frozen=True, slots=True)
class Target:
    """One place that can answer: a provider, a key and a model, and why it stands where it stands in the order.

    `settings` are the credential's own: `stream` false asks for whole answers, `extra` holds provider-specific request fields.
    `failing` says why it is to fail without being called (a failure drill), "" where it is called.
    """

    provider: str
    base_url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    workspace_id: str = ""
    credential_id: str | None = None
    credential_name: str = ""
    reason: str = ""
    temperature: float | None = None
    max_tokens: int | None = None
    system_prompt: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    failing: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, normalised as CONTRACT says: `input` is everything read (cached reads and writes included), `output` everything
    written (reasoning included). None is unknown, never 0."""

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None

    @property
    def total(self) -> int | None:
        """Input and output together; None while either is unknown."""
        if self.input is None or self.output is None:
            return None
        return self.input + self.output


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool that the model asks for. `arguments` is the JSON text exactly as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of an answer as it arrives. `reasoning` is the model's thinking, where the provider shows it."""

    text: str = ""
    reasoning: str = ""


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole answer.

    `finish` is the provider's own word for why it stopped. `reported` is the usage object as the provider sent it.
    """

    text: str
    finish: str | None = None
    usage: Usage = field(default_factory=Usage)
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    model: str | None = None
    reported: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One entry of a provider's model list."""

    id: str
    name: str | None = None
    context_window: int | None = None


@dataclass(frozen=True, slots=True)
class Embeddings:
    """One vector for each text, in the texts' order. `reported` is the usage object as the provider sent it."""

    vectors: tuple[tuple[float, ...], ...]
    usage: Usage = field(default_factory=Usage)
    model: str | None = None
    reported: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as a dialect builds it: nothing has been sent yet."""

    method: Literal["GET", "POST"]
    url: str
    headers: Mapping[str, str]
    body: bytes = b""

    def __repr__(self) -> str:
        """Name the request without its headers: they hold the key."""
        return f"HttpRequest({self.method} {self.url})"


class Dialect(Protocol):
    """What a dialect offers: bytes in, values out, no I/O. A dialect is a class, made with one provider's quirks."""

    def build(self, request: Request, target: Target) -> HttpRequest:
        """Return the HTTP request that asks `request` of `target`."""

    def parse(self, body: bytes, target: Target) -> Completion:
        """Read a whole answer (status 200). Raises ProviderError for an error inside it, or `bad_response`."""

    def stream(self, chunks: Iterable[bytes], target: Target) -> Iterator[Delta | Completion]:
        """Read a streamed answer: deltas, then exactly one Completion with the whole text as its last item.

        Raises ProviderError for an error event, and `bad_response` where the stream ends without its end marker.
        """

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """Read an answer whose status is not 200."""

    def models_request(self, target: Target) -> HttpRequest:
        """Return the request for the provider's model list."""

    def models(self, body: bytes) -> tuple[ModelInfo, ...]:
        """Read a model list. Raises ProviderError `bad_response`."""


class Embedder(Protocol):
    """How a provider is asked for embeddings, where it has them: like a dialect, a class made with the provider's quirks."""

    def embed_request(self, texts: Sequence[str], target: Target, purpose: Purpose) -> HttpRequest:
        """Return the HTTP request for the vectors of `texts`, which are stored (`document`) or looked for (`query`)."""

    def embeddings(self, body: bytes, target: Target) -> Embeddings:
        """Read the vectors (status 200). Raises ProviderError for an error inside, or `bad_response`."""
