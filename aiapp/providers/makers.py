"""Providers of models of their own, best known first: entries of the registry."""

from __future__ import annotations

from dataclasses import replace

from aiapp.providers import setup_guides
from aiapp.providers.anthropic import Anthropic
from aiapp.providers.cohere import Cohere
from aiapp.providers.embedding import CohereEmbeddings, GoogleEmbeddings, OpenAIEmbeddings
from aiapp.providers.endpoints import azure, behind
from aiapp.providers.google import Google
from aiapp.providers.openai_chat import OpenAIChat
from aiapp.providers.openai_responses import OpenAIResponses
from aiapp.providers.provider import Provider
from aiapp.providers.quirks import JSON_MODES, Quirks

# https://developers.openai.com/api/reference/chat: max_tokens is deprecated, reasoning models refuse it and take neither
# temperature nor top_p.
_OPENAI = Quirks(
    max_tokens_field="max_completion_tokens",
    fixed_sampling=("o1", "o3", "o4", "gpt-5", "gpt-6"),
    json_modes=JSON_MODES,
)

MAKERS = (
    Provider(
        kind="openai",
        label="OpenAI",
        tagline="GPT models",
        monogram="OA",
        base_url="https://api.openai.com/v1",
        speaks={"chat": OpenAIChat, "responses": OpenAIResponses},
        quirks=_OPENAI,
        docs_url="https://developers.openai.com/api/docs",
        key_url="https://platform.openai.com/api-keys",
        billing_url="https://platform.openai.com/settings/organization/billing/overview",
        default_model="gpt-6-luna",
        models=("gpt-6-luna", "gpt-6.1-terra", "gpt-6.1-sol", "gpt-5.6-luna"),
        embeds=OpenAIEmbeddings,
        embedding_models=("text-embedding-3-small", "text-embedding-3-large"),
        guide=setup_guides.OPENAI,
    ),
    Provider(
        kind="azure",
        label="Azure OpenAI",
        tagline="Your deployments at Azure",
        monogram="AZ",
        base_url="",
        base_url_example="https://your-resource.openai.azure.com",
        domains=("openai.azure.com", "cognitiveservices.azure.com", "services.ai.azure.com"),
        speaks={"chat": OpenAIChat, "responses": OpenAIResponses},
        # The model is the name of a deployment, and may be any: those of reasoning models are best named as the model.
        quirks=replace(_OPENAI, auth="api-key", locate=azure, lists_what_is_asked=False),
        docs_url="https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle",
        key_url="https://portal.azure.com/#view/Microsoft_Azure_ProjectOxford/CognitiveServicesHub/~/OpenAI",
        billing_url="https://portal.azure.com/#view/Microsoft_Azure_GTM/ModernBillingMenuBlade/~/Overview",
        embeds=OpenAIEmbeddings,
        guide=setup_guides.AZURE,
    ),
    Provider(
        kind="anthropic",
        label="Anthropic",
        tagline="Claude models",
        monogram="AN",
        base_url="https://api.anthropic.com",
        speaks={"messages": Anthropic},
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
            json_modes=frozenset({"json_schema"}),
            # https://platform.claude.com/docs/en/build-with-claude/structured-outputs
            schema_models=(
                "claude-opus-4-1",
                "claude-opus-4-5",
                "claude-opus-4-6",
                "claude-opus-4-7",
                "claude-opus-4-8",
                "claude-sonnet-4-5",
                "claude-sonnet-4-6",
                "claude-haiku-4-5",
                "claude-opus-5",
                "claude-sonnet-5",
                "claude-haiku-5",
                "claude-fable",
                "claude-mythos",
            ),
        ),
        docs_url="https://platform.claude.com/docs",
        key_url="https://platform.claude.com/settings/keys",
        billing_url="https://platform.claude.com/settings/billing",
        default_model="claude-haiku-5-5",
        models=("claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-4-5"),
        guide=setup_guides.ANTHROPIC,
    ),
    Provider(
        kind="google",
        label="Google",
        tagline="Gemini models",
        monogram="GO",
        base_url="https://generativelanguage.googleapis.com",
        speaks={"gemini": Google, "chat": OpenAIChat},
        quirks=Quirks(auth="x-goog-api-key", json_modes=JSON_MODES),
        other_quirks={"chat": Quirks(locate=behind("/v1beta/openai"), json_modes=JSON_MODES)},
        docs_url="https://ai.google.dev/gemini-api/docs",
        key_url="https://aistudio.google.com/apikey",
        billing_url="https://aistudio.google.com/usage",
        default_model="gemini-3.8-flash",
        models=("gemini-3.8-flash", "gemini-3.5-flash-lite", "gemini-3.1-pro-preview", "gemini-2.5-flash"),
        embeds=GoogleEmbeddings,
        embedding_models=("gemini-embedding-001",),
        guide=setup_guides.GOOGLE,
    ),
    Provider(
        kind="xai",
        label="xAI",
        tagline="Grok models",
        monogram="XA",
        base_url="https://api.x.ai/v1",
        speaks={"chat": OpenAIChat, "responses": OpenAIResponses},
        quirks=Quirks(
            max_tokens_field="max_completion_tokens",
            json_modes=JSON_MODES,
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
        quirks=Quirks(max_temperature=1.5, stream_options=False, json_modes=JSON_MODES),
        docs_url="https://docs.mistral.ai",
        key_url="https://console.mistral.ai/api-keys",
        billing_url="https://console.mistral.ai/billing",
        default_model="mistral-small-latest",
        models=("mistral-small-latest", "mistral-medium-latest", "mistral-large-latest"),
        embeds=OpenAIEmbeddings,
        embedding_models=("mistral-embed",),
        guide=setup_guides.MISTRAL,
    ),
    Provider(
        kind="cohere",
        label="Cohere",
        tagline="Command models",
        monogram="CO",
        base_url="https://api.cohere.com",
        speaks={"cohere": Cohere},
        # https://docs.cohere.com/errors-reference: a higher temperature is refused.
        quirks=Quirks(max_temperature=1.0, json_modes=JSON_MODES),
        docs_url="https://docs.cohere.com",
        key_url="https://dashboard.cohere.com/api-keys",
        billing_url="https://dashboard.cohere.com/billing",
        default_model="command-a-03-2025",
        models=("command-a-03-2025", "command-a-reasoning-08-2025", "command-r7b-12-2024"),
        embeds=CohereEmbeddings,
        embedding_models=("embed-v4.0",),
        guide=setup_guides.COHERE,
    ),
    Provider(
        kind="deepseek",
        label="DeepSeek",
        tagline="Flash and Pro",
        monogram="DS",
        base_url="https://api.deepseek.com/v1",
        speaks={"chat": OpenAIChat, "responses": OpenAIResponses},
        docs_url="https://api-docs.deepseek.com",
        key_url="https://platform.deepseek.com/api_keys",
        billing_url="https://platform.deepseek.com/top_up",
        default_model="deepseek-flash",
        models=("deepseek-flash", "deepseek-v4-pro"),
        guide=setup_guides.DEEPSEEK,
    ),
    Provider(
        kind="perplexity",
        label="Perplexity",
        tagline="Answers from the web",
        monogram="PX",
        base_url="https://api.perplexity.ai",
        speaks={"chat": OpenAIChat, "responses": OpenAIResponses},
        # The models are listed at /v1 only, and the Responses API lies there. Usage comes with every chunk, [DONE] never.
        quirks=Quirks(
            models_path="/v1/models", stream_options=False, end_marker=False, json_modes=frozenset({"json_schema"})
        ),
        other_quirks={"responses": Quirks(locate=behind("/v1"), json_modes=frozenset({"json_schema"}))},
        docs_url="https://docs.perplexity.ai",
        key_url="https://console.perplexity.ai",
        billing_url="https://console.perplexity.ai",
        default_model="sonar",
        models=("sonar", "sonar-pro", "sonar-reasoning-pro"),
        guide=setup_guides.PERPLEXITY,
    ),
    Provider(
        kind="zai",
        label="Z.ai",
        tagline="GLM models",
        monogram="ZA",
        base_url="https://api.z.ai/api/paas/v4",
        # https://docs.z.ai/api-reference/llm/chat-completion: usage comes unasked, and JSON mode takes no schema.
        quirks=Quirks(max_temperature=1.0, stream_options=False),
        docs_url="https://docs.z.ai",
        key_url="https://z.ai/manage-apikey/apikey-list",
        billing_url="https://z.ai/manage-apikey/billing",
        default_model="glm-5.3-flash",
        models=("glm-5.3-flash", "glm-5.3", "glm-4.6v"),
        guide=setup_guides.ZAI,
    ),
)
