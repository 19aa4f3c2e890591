"""Every option of every dialect: how ours is asked for it, and how the provider's own client is."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sdk_recorder import Clients

from aiapp.providers.asking import JSON_HINT
from aiapp.providers.types import Message

USER = {"role": "user", "content": "Hello"}
TURNS = (Message("user", "Hello"), Message("assistant", "Hi!"), Message("user", "Grüß 😀 \n\t"))
WIRE_TURNS = [USER, {"role": "assistant", "content": "Hi!"}, {"role": "user", "content": "Grüß 😀 \n\t"}]
GEMINI_USER = {"role": "user", "parts": [{"text": "Hello"}]}
GEMINI_TURNS = [
    GEMINI_USER,
    {"role": "model", "parts": [{"text": "Hi!"}]},
    {"role": "user", "parts": [{"text": "Grüß 😀 \n\t"}]},
]
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "description": "in full"}, "age": {"type": ["integer", "null"]}},
    "required": ["name"],
    "additionalProperties": False,
}
SCHEMA_HINT = f"{JSON_HINT} It must match this JSON schema:\n{json.dumps(SCHEMA)}"
TOOL = {"type": "function", "function": {"name": "find", "description": "Finds.", "parameters": SCHEMA}}
FLAT_TOOL = {"type": "function", "name": "find", "description": "Finds.", "parameters": SCHEMA, "strict": False}
CLAUDE_TOOL = {"name": "find", "description": "Finds.", "input_schema": SCHEMA}
# The API takes both spellings of its fields; inside what it is given the client writes this one.
GEMINI_TOOL = {"functionDeclarations": [{"name": "find", "description": "Finds.", "parameters_json_schema": SCHEMA}]}
GEMINI_THINKING = {"thinking_budget": 128, "include_thoughts": True}
TEXTS = ("first", "zweiter 😀")


def system(text: str) -> dict[str, str]:
    return {"role": "system", "content": text}


@dataclass(frozen=True)
class Case:
    """One option, as our dialect is asked for it and as the SDK is."""

    ours: dict[str, Any]
    theirs: dict[str, Any]


@dataclass(frozen=True)
class Way:
    """One API of one provider: which of our dialects speaks it, how its own client is asked, and every option with both forms."""

    provider: str
    ask: Callable[[Clients, dict[str, Any]], Any]
    cases: dict[str, Case]
    model: str = "m-1"
    path: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    embed: Callable[[Clients], Any] | None = None
    models: Callable[[Clients], Any] | None = None
    answer: bytes = b"{}"


def ours(**fields: Any) -> dict[str, Any]:
    return fields


def openai_chat(limit: str, extra: dict[str, Any], *, schema: Case) -> dict[str, Case]:
    """The options of chat completions; `limit` is the field for the most tokens, `extra` what credentials may add."""
    return {
        "nothing": Case({}, {}),
        "system": Case(ours(system="Be brief."), {"messages": [system("Be brief."), USER]}),
        "turns": Case(ours(messages=TURNS), {"messages": WIRE_TURNS}),
        "temperature": Case(ours(temperature=0.3), {"temperature": 0.3}),
        "temperature 0": Case(ours(temperature=0.0), {"temperature": 0.0}),
        "max tokens": Case(ours(max_tokens=50), {limit: 50}),
        "top p": Case(ours(top_p=0.9), {"top_p": 0.9}),
        "stop": Case(ours(stop=("END", "\n\n")), {"stop": ["END", "\n\n"]}),
        "json": Case(
            ours(output_format="json"),
            {"messages": [system(JSON_HINT), USER], "response_format": {"type": "json_object"}},
        ),
        "json schema": schema,
        "stream": Case(ours(stream=True), {"stream": True, "stream_options": {"include_usage": True}}),
        "extra": Case(ours(extra=extra), extra),
        "tools": Case(ours(extra={"tools": [TOOL], "tool_choice": "auto"}), {"tools": [TOOL], "tool_choice": "auto"}),
        "everything": Case(
            ours(
                messages=TURNS,
                system="Be brief.",
                temperature=0.3,
                max_tokens=50,
                top_p=0.9,
                stop=("END",),
                stream=True,
                extra={"stream_options": {"include_obfuscation": False}},
            ),
            {
                "messages": [system("Be brief."), *WIRE_TURNS],
                "temperature": 0.3,
                limit: 50,
                "top_p": 0.9,
                "stop": ["END"],
                "stream": True,
                "stream_options": {"include_usage": True, "include_obfuscation": False},
            },
        ),
    }


NATIVE_SCHEMA = Case(
    ours(output_format="json", json_schema=SCHEMA),
    {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}},
)
OPENAI_EXTRA = {
    "seed": 7,
    "reasoning_effort": "low",
    "user": "u-1",
    "logit_bias": {"50256": -100},
    "presence_penalty": 0.5,
    "n": 1,
    "metadata": {"team": "acme"},
    "service_tier": "auto",
}
OPENAI_CASES = openai_chat("max_completion_tokens", OPENAI_EXTRA, schema=NATIVE_SCHEMA)

RESPONSES_CASES = {
    "nothing": Case({}, {}),
    "system": Case(ours(system="Be brief."), {"instructions": "Be brief."}),
    "turns": Case(ours(messages=TURNS), {"input": WIRE_TURNS}),
    "temperature": Case(ours(temperature=0.3), {"temperature": 0.3}),
    "max tokens": Case(ours(max_tokens=50), {"max_output_tokens": 50}),
    "top p": Case(ours(top_p=0.9), {"top_p": 0.9}),
    "json": Case(
        ours(output_format="json"),
        {"input": [system(JSON_HINT), USER], "text": {"format": {"type": "json_object"}}},
    ),
    "json schema": Case(
        ours(output_format="json", json_schema=SCHEMA, extra={"text": {"verbosity": "low"}}),
        {"text": {"format": {"type": "json_schema", "name": "answer", "schema": SCHEMA}, "verbosity": "low"}},
    ),
    "stream": Case(ours(stream=True), {"stream": True}),
    "extra": Case(
        ours(extra={"reasoning": {"effort": "low", "summary": "auto"}, "service_tier": "flex", "truncation": "auto"}),
        {"reasoning": {"effort": "low", "summary": "auto"}, "service_tier": "flex", "truncation": "auto"},
    ),
    "tools": Case(ours(extra={"tools": [FLAT_TOOL]}), {"tools": [FLAT_TOOL]}),
    "everything": Case(
        ours(messages=TURNS, system="Be brief.", temperature=0.3, max_tokens=50, top_p=0.9, stream=True),
        {
            "input": WIRE_TURNS,
            "instructions": "Be brief.",
            "temperature": 0.3,
            "max_output_tokens": 50,
            "top_p": 0.9,
            "stream": True,
        },
    ),
}

ANTHROPIC_CASES = {
    "nothing": Case({}, {"max_tokens": 16_384}),
    "system": Case(ours(system="Be brief.", max_tokens=50), {"system": "Be brief.", "max_tokens": 50}),
    "turns": Case(ours(messages=TURNS, max_tokens=50), {"messages": WIRE_TURNS, "max_tokens": 50}),
    "temperature": Case(ours(temperature=0.3, max_tokens=50), {"max_tokens": 50}),
    "top p": Case(ours(top_p=0.9, max_tokens=50), {"max_tokens": 50}),
    "stop": Case(ours(stop=("END", "\n\n"), max_tokens=50), {"stop_sequences": ["END", "\n\n"], "max_tokens": 50}),
    "json": Case(ours(output_format="json", max_tokens=50), {"system": JSON_HINT, "max_tokens": 50}),
    "json schema": Case(
        ours(output_format="json", json_schema=SCHEMA, max_tokens=50),
        {"max_tokens": 50, "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    ),
    "stream": Case(ours(stream=True, max_tokens=50), {"stream": True, "max_tokens": 50}),
    "extra": Case(
        ours(
            max_tokens=4096,
            extra={
                "thinking": {"type": "enabled", "budget_tokens": 1024},
                "metadata": {"user_id": "u-1"},
                "service_tier": "auto",
                "output_config": {"effort": "low"},
            },
        ),
        {
            "max_tokens": 4096,
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "metadata": {"user_id": "u-1"},
            "service_tier": "auto",
            "output_config": {"effort": "low"},
        },
    ),
    "tools": Case(
        ours(max_tokens=50, extra={"tools": [CLAUDE_TOOL], "tool_choice": {"type": "auto"}}),
        {"max_tokens": 50, "tools": [CLAUDE_TOOL], "tool_choice": {"type": "auto"}},
    ),
    "everything": Case(
        ours(messages=TURNS, system="Be brief.", max_tokens=50, stop=("END",), stream=True),
        {
            "messages": WIRE_TURNS,
            "system": "Be brief.",
            "max_tokens": 50,
            "stop_sequences": ["END"],
            "stream": True,
        },
    ),
}

GOOGLE_CASES = {
    "nothing": Case({}, {}),
    "system": Case(ours(system="Be brief."), {"system_instruction": "Be brief."}),
    "turns": Case(ours(messages=TURNS), {"contents": GEMINI_TURNS}),
    "temperature": Case(ours(temperature=0.3), {"temperature": 0.3}),
    "max tokens": Case(ours(max_tokens=50), {"max_output_tokens": 50}),
    "top p": Case(ours(top_p=0.9), {"top_p": 0.9}),
    "stop": Case(ours(stop=("END", "\n\n")), {"stop_sequences": ["END", "\n\n"]}),
    "json": Case(ours(output_format="json"), {"response_mime_type": "application/json"}),
    "json schema": Case(
        ours(output_format="json", json_schema=SCHEMA),
        {"response_mime_type": "application/json", "response_json_schema": SCHEMA},
    ),
    "stream": Case(ours(stream=True), {"stream": True}),
    "extra": Case(
        ours(
            extra={
                "generationConfig": {
                    "topK": 40,
                    "seed": 7,
                    "candidateCount": 1,
                    "thinkingConfig": GEMINI_THINKING,
                },
                "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
            }
        ),
        {
            "top_k": 40,
            "seed": 7,
            "candidate_count": 1,
            "thinking_config": GEMINI_THINKING,
            "safety_settings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        },
    ),
    "tools": Case(
        ours(extra={"tools": [GEMINI_TOOL]}),
        {
            "tools": [GEMINI_TOOL],
            "automatic_function_calling": {"disable": True},
        },
    ),
    "everything": Case(
        ours(
            messages=TURNS,
            system="Be brief.",
            temperature=0.3,
            max_tokens=50,
            top_p=0.9,
            stop=("END",),
            output_format="json",
            stream=True,
        ),
        {
            "contents": GEMINI_TURNS,
            "system_instruction": "Be brief.",
            "temperature": 0.3,
            "max_output_tokens": 50,
            "top_p": 0.9,
            "stop_sequences": ["END"],
            "response_mime_type": "application/json",
            "stream": True,
        },
    ),
}

COHERE_CASES = {
    "nothing": Case({}, {}),
    "system": Case(ours(system="Be brief."), {"messages": [system("Be brief."), USER]}),
    "turns": Case(ours(messages=TURNS), {"messages": WIRE_TURNS}),
    "temperature": Case(ours(temperature=0.3), {"temperature": 0.3}),
    "max tokens": Case(ours(max_tokens=50), {"max_tokens": 50}),
    "top p": Case(ours(top_p=0.9), {"p": 0.9}),
    "stop": Case(ours(stop=("END", "\n\n")), {"stop_sequences": ["END", "\n\n"]}),
    "json": Case(
        ours(output_format="json"),
        {"messages": [system(JSON_HINT), USER], "response_format": {"type": "json_object"}},
    ),
    "json schema": Case(
        ours(output_format="json", json_schema=SCHEMA),
        {"response_format": {"type": "json_object", "json_schema": SCHEMA}},
    ),
    "stream": Case(ours(stream=True), {"stream": True}),
    "extra": Case(
        ours(extra={"k": 5, "seed": 7, "safety_mode": "NONE", "thinking": {"type": "disabled"}, "logprobs": True}),
        {"k": 5, "seed": 7, "safety_mode": "NONE", "thinking": {"type": "disabled"}, "logprobs": True},
    ),
    "tools": Case(ours(extra={"tools": [TOOL], "strict_tools": True}), {"tools": [TOOL], "strict_tools": True}),
    "everything": Case(
        ours(
            messages=TURNS,
            system="Be brief.",
            temperature=0.3,
            max_tokens=50,
            top_p=0.9,
            stop=("END",),
            stream=True,
        ),
        {
            "messages": [system("Be brief."), *WIRE_TURNS],
            "temperature": 0.3,
            "max_tokens": 50,
            "p": 0.9,
            "stop_sequences": ["END"],
            "stream": True,
        },
    ),
}

OLLAMA_CASES = {
    "nothing": Case({}, {}),
    "system": Case(ours(system="Be brief."), {"messages": [system("Be brief."), USER]}),
    "turns": Case(ours(messages=TURNS), {"messages": WIRE_TURNS}),
    "temperature": Case(ours(temperature=0.3), {"options": {"temperature": 0.3}}),
    "max tokens": Case(ours(max_tokens=50), {"options": {"num_predict": 50}}),
    "top p": Case(ours(top_p=0.9), {"options": {"top_p": 0.9}}),
    "stop": Case(ours(stop=("END", "\n\n")), {"options": {"stop": ["END", "\n\n"]}}),
    "json": Case(ours(output_format="json"), {"messages": [system(JSON_HINT), USER], "format": "json"}),
    "json schema": Case(
        ours(output_format="json", json_schema=SCHEMA),
        {"messages": [system(SCHEMA_HINT), USER], "format": SCHEMA},
    ),
    "stream": Case(ours(stream=True), {"stream": True}),
    "extra": Case(
        ours(temperature=0.3, extra={"options": {"num_ctx": 8192, "seed": 7}, "think": False, "keep_alive": "10m"}),
        {"options": {"temperature": 0.3, "num_ctx": 8192, "seed": 7}, "think": False, "keep_alive": "10m"},
    ),
    "tools": Case(ours(extra={"tools": [TOOL]}), {"tools": [TOOL]}),
    "everything": Case(
        ours(
            messages=TURNS,
            system="Be brief.",
            temperature=0.3,
            max_tokens=50,
            top_p=0.9,
            stop=("END",),
            stream=True,
        ),
        {
            "messages": [system("Be brief."), *WIRE_TURNS],
            "options": {"temperature": 0.3, "num_predict": 50, "top_p": 0.9, "stop": ["END"]},
            "stream": True,
        },
    ),
}


def ask_chat(name: str, model: str) -> Callable[[Clients, dict[str, Any]], Any]:
    def ask(clients: Clients, options: dict[str, Any]) -> Any:
        client = getattr(clients, name)
        # the SDK of Groq knows no stream_options
        unknown = (
            {"stream_options": options["stream_options"]} if name == "groq" and "stream_options" in options else {}
        )
        known = {option: value for option, value in options.items() if option not in unknown}
        asked = {"messages": [USER], "stream": False, **known}
        return client.chat.completions.create(model=model, extra_body=unknown or None, **asked)

    return ask


def ask_responses(clients: Clients, options: dict[str, Any]) -> Any:
    return clients.openai.responses.create(
        **{"model": "m-1", "input": [USER], "stream": False, "store": False, **options}
    )


def ask_anthropic(clients: Clients, options: dict[str, Any]) -> Any:
    return clients.anthropic.messages.create(
        **{"model": "claude-haiku-4-5", "messages": [USER], "stream": False, **options}
    )


def ask_google(clients: Clients, options: dict[str, Any]) -> Any:
    config = {option: value for option, value in options.items() if option not in ("contents", "stream")}
    models = clients.google.models
    ask = models.generate_content_stream if options.get("stream") else models.generate_content
    return ask(model="m-1", contents=options.get("contents", [GEMINI_USER]), config=config or None)


def ask_cohere(clients: Clients, options: dict[str, Any]) -> Any:
    asked = {option: value for option, value in options.items() if option != "stream"}
    ask = clients.cohere.chat_stream if options.get("stream") else clients.cohere.chat
    return ask(**{"model": "m-1", "messages": [USER], **asked})


def ask_ollama(clients: Clients, options: dict[str, Any]) -> Any:
    return clients.ollama.chat(**{"model": "m-1", "messages": [USER], "stream": False, **options})


def embed_openai(name: str) -> Callable[[Clients], Any]:
    return lambda clients: getattr(clients, name).embeddings.create(
        model="m-1", input=list(TEXTS), encoding_format="float"
    )


WAYS = {
    "openai": Way(
        "openai",
        ask_chat("openai", "m-1"),
        OPENAI_CASES,
        path="/v1",
        embed=embed_openai("openai"),
        models=lambda clients: clients.openai.models.list(),
    ),
    "azure": Way(
        "azure",
        ask_chat("azure", "m-1"),
        OPENAI_CASES,
        settings={"api_version": "2024-10-21"},
        embed=embed_openai("azure"),
        models=lambda clients: clients.azure.models.list(),
    ),
    "groq": Way(
        "groq",
        ask_chat("groq", "m-1"),
        openai_chat(
            "max_completion_tokens",
            {"seed": 7, "reasoning_effort": "low", "reasoning_format": "parsed", "service_tier": "flex", "user": "u-1"},
            schema=Case(
                ours(output_format="json", json_schema=SCHEMA),
                {
                    "messages": [USER],
                    "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}},
                },
            ),
        ),
        path="/openai/v1",
        models=lambda clients: clients.groq.models.list(),
    ),
    "responses": Way(
        "openai",
        ask_responses,
        RESPONSES_CASES,
        path="/v1",
        settings={"api": "responses"},
        models=lambda clients: clients.openai.models.list(),
    ),
    "anthropic": Way(
        "anthropic",
        ask_anthropic,
        ANTHROPIC_CASES,
        model="claude-haiku-4-5",
        models=lambda clients: clients.anthropic.models.list(limit=1000),
    ),
    "google": Way(
        "google",
        ask_google,
        GOOGLE_CASES,
        embed=lambda clients: clients.google.models.embed_content(
            model="m-1", contents=list(TEXTS), config={"task_type": "RETRIEVAL_DOCUMENT"}
        ),
        models=lambda clients: clients.google.models.list(config={"page_size": 1000}),
    ),
    "cohere": Way(
        "cohere",
        ask_cohere,
        COHERE_CASES,
        embed=lambda clients: clients.cohere.embed(
            model="m-1", texts=list(TEXTS), input_type="search_document", embedding_types=["float"]
        ),
        models=lambda clients: clients.cohere.models.list(page_size=1000, endpoint="chat"),
    ),
    "ollama": Way(
        "ollama",
        ask_ollama,
        OLLAMA_CASES,
        embed=lambda clients: clients.ollama.embed(model="m-1", input=list(TEXTS)),
        models=lambda clients: clients.ollama.list(),
        answer=b'{"message": {"role": "assistant"}, "embeddings": [[1]], "models": []}',
    ),
}
