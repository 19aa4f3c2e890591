"""Every provider that a credential can be for. A new OpenAI-compatible one is an entry; a new dialect is a file and an entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from aiapp.providers import setup_guides
from aiapp.providers.anthropic import Anthropic
from aiapp.providers.demo import Demo
from aiapp.providers.ollama import Ollama
from aiapp.providers.openai_chat import OpenAIChat
from aiapp.providers.quirks import Auth, Quirks
from aiapp.providers.types import Dialect


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider.

    kind: its name in the API and in rows. label, tagline, monogram: how people see it.
    place: "cloud", "own" (a server of the user's, mostly without a key and on a private address) or "demo".
    speaks: the dialect's class; `dialect` is that dialect with this provider's quirks.
    base_url: what the provider's own SDK takes (OpenAI dialects include /v1); empty where everyone has their own.
    default_model, models: what a new credential starts with and what it suggests; the account's own list is asked for.
    guide: short steps to a working credential, plain text.
    """

    kind: str
    label: str
    tagline: str
    monogram: str
    place: Literal["cloud", "own", "demo"] = "cloud"
    speaks: Callable[[Quirks], Dialect] = OpenAIChat
    quirks: Quirks = field(default_factory=Quirks)
    base_url: str
    needs_key: bool = True
    docs_url: str = ""
    key_url: str | None = None
    billing_url: str | None = None
    default_model: str = ""
    models: tuple[str, ...] = ()
    guide: tuple[str, ...] = ()
    dialect: Dialect = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dialect", self.speaks(self.quirks))

    @property
    def auth(self) -> Auth:
        """How the key is sent."""
        return self.quirks.auth

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What can be asked of it, in the words of a credential's test: models, completion, stream, json, json_schema."""
        modes = self.quirks.json_modes
        return (
            "models",
            "completion",
            "stream",
            *(("json",) if modes else ()),
            *(("json_schema",) if "json_schema" in modes else ()),
        )


class UnknownProvider(LookupError):
    """There is no provider of that kind."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"There is no provider {kind!r}.")
        self.kind = kind


def provider(kind: str) -> Provider:
    """Return the provider of that kind. Raises UnknownProvider."""
    try:
        return PROVIDERS[kind]
    except KeyError:
        raise UnknownProvider(kind) from None


_ENTRIES = (
    Provider(
        kind="openai",
        label="OpenAI",
        tagline="GPT models",
        monogram="OA",
        base_url="https://api.openai.com/v1",
        # https://developers.openai.com/api/reference/chat: max_tokens is deprecated, reasoning models refuse it and
        # take neither temperature nor top_p.
        quirks=Quirks(
            max_tokens_field="max_completion_tokens",
            fixed_sampling=("o1", "o3", "o4", "gpt-5", "gpt-6"),
            json_modes=frozenset({"json_object", "json_schema"}),
        ),
        docs_url="https://developers.openai.com/api/docs",
        key_url="https://platform.openai.com/api-keys",
        billing_url="https://platform.openai.com/settings/organization/billing/overview",
        default_model="gpt-6-luna",
        models=("gpt-6-luna", "gpt-6.1-terra", "gpt-6.1-sol", "gpt-5.6-luna"),
        guide=setup_guides.OPENAI,
    ),
    Provider(
        kind="anthropic",
        label="Anthropic",
        tagline="Claude models",
        monogram="AN",
        base_url="https://api.anthropic.com",
        speaks=Anthropic,
        # https://platform.claude.com/docs/en/api/messages and the migration guides: newer models refuse sampling settings.
        quirks=Quirks(
            auth="x-api-key",
            headers={"anthropic-version": "2023-06-01"},
            default_max_tokens=16_384,
            max_temperature=1.0,
            fixed_sampling=(
                "claude-opus-4-7",
                "claude-opus-4-8",
                "claude-opus-5",
                "claude-sonnet-5",
                "claude-haiku-5",
                "claude-fable",
                "claude-mythos",
            ),
            one_sampling_parameter=True,
            json_modes=frozenset(),
        ),
        docs_url="https://platform.claude.com/docs",
        key_url="https://platform.claude.com/settings/keys",
        billing_url="https://platform.claude.com/settings/billing",
        default_model="claude-haiku-5-5",
        models=("claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-4-5"),
        guide=setup_guides.ANTHROPIC,
    ),
    Provider(
        kind="xai",
        label="xAI",
        tagline="Grok models",
        monogram="XA",
        base_url="https://api.x.ai/v1",
        quirks=Quirks(
            max_tokens_field="max_completion_tokens",
            json_modes=frozenset({"json_object", "json_schema"}),
            reasoning_tokens="outside",
        ),
        docs_url="https://docs.x.ai",
        key_url="https://console.x.ai",
        billing_url="https://console.x.ai",
        default_model="grok-4.3",
        models=("grok-4.3", "grok-4.7", "grok-4.5"),
        guide=setup_guides.XAI,
    ),
    Provider(
        kind="mistral",
        label="Mistral",
        tagline="Mistral and Codestral",
        monogram="MI",
        base_url="https://api.mistral.ai/v1",
        # It refuses unknown fields (422), stream_options among them, and reports usage unasked.
        quirks=Quirks(max_temperature=1.5, stream_options=False, json_modes=frozenset({"json_object", "json_schema"})),
        docs_url="https://docs.mistral.ai",
        key_url="https://console.mistral.ai/api-keys",
        billing_url="https://console.mistral.ai/billing",
        default_model="mistral-small-latest",
        models=("mistral-small-latest", "mistral-medium-latest", "mistral-large-latest"),
        guide=setup_guides.MISTRAL,
    ),
    Provider(
        kind="groq",
        label="Groq",
        tagline="Fast open models",
        monogram="GR",
        base_url="https://api.groq.com/openai/v1",
        # json_schema works on some models only and is refused (400) by the others.
        quirks=Quirks(max_tokens_field="max_completion_tokens"),
        docs_url="https://console.groq.com/docs",
        key_url="https://console.groq.com/keys",
        billing_url="https://console.groq.com/settings/billing",
        default_model="openai/gpt-oss-20b",
        models=("openai/gpt-oss-20b", "openai/gpt-oss-120b", "llama-3.3-70b-versatile"),
        guide=setup_guides.GROQ,
    ),
    Provider(
        kind="openrouter",
        label="OpenRouter",
        tagline="One key, many providers",
        monogram="OR",
        base_url="https://openrouter.ai/api/v1",
        quirks=Quirks(json_modes=frozenset({"json_object", "json_schema"})),
        docs_url="https://openrouter.ai/docs",
        key_url="https://openrouter.ai/settings/keys",
        billing_url="https://openrouter.ai/settings/credits",
        default_model="openai/gpt-6-luna",
        models=("openai/gpt-6-luna", "anthropic/claude-haiku-4.5", "deepseek/deepseek-v4-flash"),
        guide=setup_guides.OPENROUTER,
    ),
    Provider(
        kind="deepseek",
        label="DeepSeek",
        tagline="Flash and Pro",
        monogram="DS",
        base_url="https://api.deepseek.com/v1",
        docs_url="https://api-docs.deepseek.com",
        key_url="https://platform.deepseek.com/api_keys",
        billing_url="https://platform.deepseek.com/top_up",
        default_model="deepseek-flash",
        models=("deepseek-flash", "deepseek-v4-pro"),
        guide=setup_guides.DEEPSEEK,
    ),
    Provider(
        kind="ollama",
        label="Ollama",
        tagline="No key needed",
        monogram="OL",
        place="own",
        base_url="http://localhost:11434",
        speaks=Ollama,
        quirks=Quirks(json_modes=frozenset({"json_object", "json_schema"})),
        needs_key=False,
        docs_url="https://docs.ollama.com",
        default_model="qwen3",
        models=("qwen3", "gpt-oss:20b", "llama3.2"),
        guide=setup_guides.OLLAMA,
    ),
    Provider(
        kind="lmstudio",
        label="LM Studio",
        tagline="No key needed",
        monogram="LM",
        place="own",
        base_url="http://localhost:1234/v1",
        # https://lmstudio.ai/docs/developer/openai-compat/structured-output: a schema is taken, json_object is refused.
        quirks=Quirks(json_modes=frozenset({"json_schema"}), reasoning_tokens="by_total"),
        needs_key=False,
        docs_url="https://lmstudio.ai/docs/developer",
        guide=setup_guides.LM_STUDIO,
    ),
    Provider(
        kind="openai_compatible",
        label="OpenAI-compatible",
        tagline="vLLM, llama.cpp, LiteLLM",
        monogram="OC",
        place="own",
        base_url="",
        quirks=Quirks(reasoning_tokens="by_total"),
        needs_key=False,
        docs_url="https://developers.openai.com/api/reference/chat",
        guide=setup_guides.OPENAI_COMPATIBLE,
    ),
    Provider(
        kind="demo",
        label="Demo",
        tagline="Answers without a network",
        monogram="DE",
        place="demo",
        base_url="demo://scripted",
        speaks=Demo,
        quirks=Quirks(auth="none", json_modes=frozenset({"json_object", "json_schema"})),
        needs_key=False,
        default_model="demo-good",
        models=(
            "demo-good",
            "demo-slow",
            "demo-json",
            "demo-cut",
            "demo-bad-key",
            "demo-rate-limited",
            "demo-overloaded",
            "demo-instant",
        ),
        guide=setup_guides.DEMO,
    ),
)

PROVIDERS: dict[str, Provider] = {entry.kind: entry for entry in _ENTRIES}
