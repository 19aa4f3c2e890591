"""Providers that host the models of others: entries of the registry."""

from __future__ import annotations

from aiapp.providers import setup_guides
from aiapp.providers.embedding import OpenAIEmbeddings
from aiapp.providers.endpoints import behind
from aiapp.providers.ollama import Ollama
from aiapp.providers.openai_chat import OpenAIChat
from aiapp.providers.openai_responses import OpenAIResponses
from aiapp.providers.provider import Provider
from aiapp.providers.quirks import JSON_MODES, Quirks

HOSTS = (
    Provider(
        kind="groq",
        label="Groq",
        tagline="Fast open models",
        monogram="GR",
        base_url="https://api.groq.com/openai/v1",
        speaks={"chat": OpenAIChat, "responses": OpenAIResponses},
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
        speaks={"chat": OpenAIChat, "responses": OpenAIResponses},
        quirks=Quirks(json_modes=JSON_MODES, open_models=True, key_path="/key"),
        docs_url="https://openrouter.ai/docs",
        key_url="https://openrouter.ai/settings/keys",
        billing_url="https://openrouter.ai/settings/credits",
        default_model="openai/gpt-6-luna",
        models=("openai/gpt-6-luna", "anthropic/claude-haiku-4.5", "deepseek/deepseek-v4-flash"),
        embeds=OpenAIEmbeddings,
        embedding_models=("openai/text-embedding-3-small",),
        guide=setup_guides.OPENROUTER,
    ),
    Provider(
        kind="together",
        label="Together",
        tagline="Open models",
        monogram="TO",
        base_url="https://api.together.xyz/v1",
        quirks=Quirks(json_modes=JSON_MODES),
        docs_url="https://docs.together.ai",
        key_url="https://api.together.ai/settings/api-keys",
        billing_url="https://api.together.ai/settings/billing",
        default_model="openai/gpt-oss-120b",
        models=("openai/gpt-oss-120b", "meta-llama/Llama-3.3-70B-Instruct-Turbo", "zai-org/GLM-5.3-Flash"),
        embeds=OpenAIEmbeddings,
        embedding_models=("intfloat/multilingual-e5-large-instruct",),
        guide=setup_guides.TOGETHER,
    ),
    Provider(
        kind="cerebras",
        label="Cerebras",
        tagline="Very fast open models",
        monogram="CE",
        base_url="https://api.cerebras.ai/v1",
        # https://inference-docs.cerebras.ai/api-reference/chat-completions
        quirks=Quirks(max_tokens_field="max_completion_tokens", max_temperature=1.5, json_modes=JSON_MODES),
        docs_url="https://inference-docs.cerebras.ai",
        key_url="https://cloud.cerebras.ai",
        billing_url="https://cloud.cerebras.ai",
        default_model="gpt-oss-120b",
        models=("gpt-oss-120b", "zai-glm-4.7", "gemma-4-31b"),
        guide=setup_guides.CEREBRAS,
    ),
    Provider(
        kind="huggingface",
        label="Hugging Face",
        tagline="One token, many hosts",
        monogram="HF",
        base_url="https://router.huggingface.co/v1",
        speaks={"chat": OpenAIChat, "responses": OpenAIResponses},
        quirks=Quirks(json_modes=JSON_MODES, open_models=True),
        docs_url="https://huggingface.co/docs/inference-providers",
        key_url="https://huggingface.co/settings/tokens",
        billing_url="https://huggingface.co/settings/billing",
        default_model="openai/gpt-oss-120b",
        models=("openai/gpt-oss-120b", "meta-llama/Llama-3.3-70B-Instruct", "zai-org/GLM-5.3"),
        guide=setup_guides.HUGGING_FACE,
    ),
    Provider(
        kind="ollama_cloud",
        label="Ollama Cloud",
        tagline="Ollama's models, hosted",
        monogram="OC",
        base_url="https://ollama.com",
        speaks={"chat": OpenAIChat, "responses": OpenAIResponses, "ollama": Ollama},
        quirks=Quirks(locate=behind("/v1"), json_modes=JSON_MODES, open_models=True),
        other_quirks={"ollama": Quirks(json_modes=JSON_MODES, open_models=True)},
        docs_url="https://docs.ollama.com/cloud",
        key_url="https://ollama.com/settings/keys",
        billing_url="https://ollama.com/settings",
        default_model="gpt-oss:120b",
        models=("gpt-oss:120b", "gpt-oss:20b"),
        guide=setup_guides.OLLAMA_CLOUD,
    ),
)
