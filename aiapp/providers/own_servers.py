"""Servers that people run themselves, and the one inside this process: entries of the registry."""

from __future__ import annotations

from aiapp.providers import setup_guides
from aiapp.providers.demo import Demo
from aiapp.providers.embedding import OllamaEmbeddings, OpenAIEmbeddings
from aiapp.providers.endpoints import behind
from aiapp.providers.ollama import Ollama
from aiapp.providers.openai_chat import OpenAIChat
from aiapp.providers.openai_responses import OpenAIResponses
from aiapp.providers.provider import Provider
from aiapp.providers.quirks import JSON_MODES, Quirks

OWN_SERVERS = (
    Provider(
        kind="ollama",
        label="Ollama",
        tagline="No key needed",
        monogram="OL",
        place="own",
        base_url="http://localhost:11434",
        speaks={"ollama": Ollama, "chat": OpenAIChat, "responses": OpenAIResponses},
        quirks=Quirks(json_modes=JSON_MODES, open_models=True),  # it has no keys; what stands before it may
        other_quirks=dict.fromkeys(
            ("chat", "responses"), Quirks(locate=behind("/v1"), json_modes=JSON_MODES, open_models=True)
        ),
        needs_key=False,
        docs_url="https://docs.ollama.com",
        default_model="qwen3",
        models=("qwen3", "gpt-oss:20b", "llama3.2"),
        embeds=OllamaEmbeddings,
        embedding_models=("embeddinggemma", "nomic-embed-text"),
        guide=setup_guides.OLLAMA,
    ),
    Provider(
        kind="lmstudio",
        label="LM Studio",
        tagline="No key needed",
        monogram="LM",
        place="own",
        base_url="http://localhost:1234/v1",
        speaks={"chat": OpenAIChat, "responses": OpenAIResponses},
        # https://lmstudio.ai/docs/developer/openai-compat/structured-output: a schema is taken, json_object is refused.
        quirks=Quirks(json_modes=frozenset({"json_schema"}), open_models=True),
        needs_key=False,
        docs_url="https://lmstudio.ai/docs/developer",
        embeds=OpenAIEmbeddings,
        embedding_models=("text-embedding-nomic-embed-text-v1.5",),
        guide=setup_guides.LM_STUDIO,
    ),
    Provider(
        kind="openai_compatible",
        label="OpenAI-compatible",
        tagline="vLLM, llama.cpp, GPUStack",
        monogram="AI",
        place="own",
        base_url="",
        base_url_example="https://models.example.com/v1",
        speaks={"chat": OpenAIChat, "responses": OpenAIResponses},
        quirks=Quirks(end_marker=False, open_models=True),  # GPUStack sends none; many list to everybody
        needs_key=False,
        docs_url="https://developers.openai.com/api/reference/chat",
        embeds=OpenAIEmbeddings,
        guide=setup_guides.OPENAI_COMPATIBLE,
    ),
    Provider(
        kind="demo",
        label="Demo",
        tagline="Answers without a network",
        monogram="DE",
        place="demo",
        base_url="demo://scripted",
        speaks={"demo": Demo},
        quirks=Quirks(auth="none", json_modes=JSON_MODES),
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
            "demo-careful",
        ),
        guide=setup_guides.DEMO,
    ),
)
