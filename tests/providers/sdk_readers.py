"""What the providers' own clients make of an answer, in the few words that our dialects have for it."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from sdk_recorder import Clients

USER = {"role": "user", "content": "Hello"}


class BrokenOff(Exception):
    """A stream showed that it has no answer, and its client leaves it to the caller to look."""


@dataclass
class Seen:
    """An answer as a client shows it. `usage` has the numbers as they are reported, before CONTRACT.md normalises them."""

    text: str = ""
    finish: str | None = None
    tools: list[tuple[str, Any]] = field(default_factory=list)
    reasoning: str = ""
    usage: dict[str, int | None] = field(default_factory=dict)


def numbers(
    read: Any, written: Any, *, cached: Any = None, cache_write: Any = None, reasoning: Any = None, total: Any = None
) -> dict[str, int | None]:
    return {
        "input": read,
        "output": written,
        "cached": cached,
        "cache_write": cache_write,
        "reasoning": reasoning,
        "total": total,
    }


def within(value: Any, *path: str) -> Any:
    """The attribute at the end of `path`, None where the client leaves one out; what it has no name for it keeps as it came."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
    return value


def chat_usage(usage: Any) -> dict[str, int | None]:
    if usage is None:
        return {}
    cached = within(usage, "prompt_tokens_details", "cached_tokens")
    return numbers(
        within(usage, "prompt_tokens"),
        within(usage, "completion_tokens"),
        cached=cached if cached is not None else within(usage, "prompt_cache_hit_tokens"),  # DeepSeek's older name
        cache_write=within(usage, "prompt_tokens_details", "cache_write_tokens") or None,
        reasoning=within(usage, "completion_tokens_details", "reasoning_tokens"),
        total=within(usage, "total_tokens"),
    )


def chat_text(message: Any) -> tuple[str, str]:
    """Text and reasoning; Mistral sends a list of parts, which the client hands out as it came."""
    reasoning = within(message, "reasoning_content") or within(message, "reasoning") or ""
    content = message.content
    if isinstance(content, list):
        thoughts = [part["text"] for each in content if each["type"] == "thinking" for part in each["thinking"]]
        return "".join(each["text"] for each in content if each["type"] == "text"), "".join([reasoning, *thoughts])
    return content or within(message, "refusal") or "", reasoning


def chat(name: str) -> Callable[[Clients, bool], Seen]:
    """Chat completions, by the client of that name."""

    def read(clients: Clients, stream: bool) -> Seen:
        answer = getattr(clients, name).chat.completions.create(model="m", messages=[USER], stream=stream)
        return chat_stream(answer) if stream else chat_whole(answer)

    return read


def chat_whole(answer: Any) -> Seen:
    choice = answer.choices[0]
    calls = [call.function or call.custom for call in choice.message.tool_calls or ()]
    text, reasoning = chat_text(choice.message)
    return Seen(
        text,
        choice.finish_reason,
        [(call.name, json.loads(call.arguments or "{}")) for call in calls],
        reasoning,
        chat_usage(answer.usage),
    )


def chat_stream(chunks: Iterable[Any]) -> Seen:
    seen = Seen()
    calls: list[list[str]] = []
    for chunk in chunks:
        seen.usage = chat_usage(within(chunk, "usage") or within(chunk, "x_groq", "usage")) or seen.usage
        for choice in (chunk.choices or ())[:1]:
            seen.finish = choice.finish_reason or seen.finish
            if choice.delta is None:
                continue
            text, reasoning = chat_text(choice.delta)
            seen.text += text
            seen.reasoning += reasoning
            for piece in choice.delta.tool_calls or ():
                if piece.function.name:  # only the first piece of a call has its name
                    calls.append([piece.function.name, ""])
                calls[-1][1] += piece.function.arguments or ""
    seen.tools = [(name, json.loads(arguments or "{}")) for name, arguments in calls]
    return seen


def responses(clients: Clients, stream: bool) -> Seen:
    answer = clients.openai.responses.create(model="m", input=[USER], stream=stream)
    if not stream:
        return response(answer)
    last = None
    text = ""
    for event in answer:
        if event.type in ("response.output_text.delta", "response.refusal.delta"):
            text += event.delta
        if event.type == "error":  # the client hands it out like any other event
            raise BrokenOff(event.message)
        if event.type in ("response.completed", "response.incomplete"):
            last = event.response
    if last is None:
        raise BrokenOff("the response was not completed")
    seen = response(last)
    assert seen.text in ("", text)
    seen.text = text
    return seen


def response(answer: Any) -> Seen:
    usage = answer.usage
    refusals = (
        part.refusal
        for item in answer.output
        if item.type == "message"
        for part in item.content
        if part.type == "refusal"
    )
    reasoning = [item for item in answer.output if item.type == "reasoning"]
    thoughts = [part.text for item in reasoning for part in item.summary or ()]
    # DeepSeek shows the thoughts themselves
    thoughts = thoughts or ["".join(part.text for item in reasoning for part in item.content or ())]
    return Seen(
        answer.output_text or "".join(refusals),
        answer.status,
        [(item.name, json.loads(item.arguments)) for item in answer.output if item.type == "function_call"],
        "\n\n".join(thoughts),
        numbers(
            usage.input_tokens,
            usage.output_tokens,
            cached=within(usage, "input_tokens_details", "cached_tokens"),
            cache_write=within(usage, "input_tokens_details", "cache_write_tokens") or None,
            reasoning=within(usage, "output_tokens_details", "reasoning_tokens"),
            total=usage.total_tokens,
        ),
    )


def anthropic(clients: Clients, stream: bool) -> Seen:
    asked: dict[str, Any] = {"model": "claude-haiku-4-5", "messages": [USER], "max_tokens": 9}
    if stream:
        with clients.anthropic.messages.stream(**asked) as events:
            message = events.get_final_message()
    else:
        message = clients.anthropic.messages.create(**asked)
    usage = message.usage
    return Seen(
        "".join(block.text for block in message.content if block.type == "text"),
        message.stop_reason,
        [(block.name, block.input) for block in message.content if block.type == "tool_use"],
        "".join(block.thinking for block in message.content if block.type == "thinking"),
        numbers(
            usage.input_tokens,
            usage.output_tokens,
            cached=usage.cache_read_input_tokens,
            cache_write=usage.cache_creation_input_tokens,
            reasoning=within(usage, "output_tokens_details", "thinking_tokens"),
        ),
    )


def google(clients: Clients, stream: bool) -> Seen:
    models = clients.google.models
    asked = {"model": "m", "contents": "Hello"}
    seen = Seen()
    for piece in models.generate_content_stream(**asked) if stream else [models.generate_content(**asked)]:
        for candidate in (piece.candidates or ())[:1]:
            for part in within(candidate, "content", "parts") or ():
                if part.thought:
                    seen.reasoning += part.text or ""
                else:
                    seen.text += part.text or ""
            seen.finish = candidate.finish_reason.value if candidate.finish_reason else seen.finish
        seen.tools += [(call.name, call.args or {}) for call in piece.function_calls or ()]
        usage = piece.usage_metadata
        if usage:
            seen.usage = numbers(
                usage.prompt_token_count,
                usage.candidates_token_count,
                cached=usage.cached_content_token_count,
                reasoning=usage.thoughts_token_count,
                total=usage.total_token_count,
            )
    return seen


def cohere_usage(usage: Any) -> dict[str, int | None]:
    counted = [within(usage, "tokens", name) for name in ("input_tokens", "output_tokens")]
    return numbers(*(None if each is None else int(each) for each in counted), cached=within(usage, "cached_tokens"))


def cohere(clients: Clients, stream: bool) -> Seen:
    asked: dict[str, Any] = {"model": "m", "messages": [USER]}
    if stream:
        return cohere_stream(clients.cohere.chat_stream(**asked))
    answer = clients.cohere.chat(**asked)
    message = answer.message
    parts = message.content or ()
    return Seen(
        "".join(part.text for part in parts if part.type == "text"),
        answer.finish_reason,
        [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or ()],
        (message.tool_plan or "") + "".join(part.thinking for part in parts if part.type == "thinking"),
        cohere_usage(answer.usage),
    )


def cohere_stream(events: Iterable[Any]) -> Seen:
    seen = Seen()
    calls: dict[int, list[str]] = {}
    for event in events:
        message = within(event, "delta", "message")
        if event.type in ("content-start", "content-delta"):
            seen.text += within(message, "content", "text") or ""
            seen.reasoning += within(message, "content", "thinking") or ""
        elif event.type == "tool-plan-delta":
            seen.reasoning += message.tool_plan
        elif event.type == "tool-call-start":
            calls[event.index] = [message.tool_calls.function.name, message.tool_calls.function.arguments or ""]
        elif event.type == "tool-call-delta":
            calls[event.index][1] += message.tool_calls.function.arguments
        elif event.type == "message-end":
            seen.finish = event.delta.finish_reason
            seen.usage = cohere_usage(event.delta.usage)
    seen.tools = [(name, json.loads(arguments)) for name, arguments in calls.values()]
    return seen


def ollama(clients: Clients, stream: bool) -> Seen:
    answer = clients.ollama.chat(model="m", messages=[USER], stream=stream)
    seen = Seen()
    for piece in answer if stream else [answer]:
        seen.text += piece.message.content or ""
        seen.reasoning += piece.message.thinking or ""
        seen.tools += [(call.function.name, dict(call.function.arguments)) for call in piece.message.tool_calls or ()]
        seen.finish = piece.done_reason or seen.finish
        seen.usage = numbers(piece.prompt_eval_count, piece.eval_count)
    return seen


# By the name that a recording has for the API; who has a client of its own for chat completions is read by that.
READERS: dict[str, Callable[[Clients, bool], Seen]] = {
    "openai_chat": chat("openai"),
    "openai_responses": responses,
    "anthropic": anthropic,
    "gemini": google,
    "cohere_v2": cohere,
    "ollama": ollama,
}
OWN_CHAT_CLIENTS = {"groq": chat("groq"), "azure": chat("azure")}


def list_openai(clients: Clients) -> list[str]:
    return [model.id for model in clients.openai.models.list()]


# The ids of the models that are listed, as people type them.
LISTERS: dict[str, Callable[[Clients], list[str]]] = {
    "openai_chat": list_openai,
    "openai_responses": list_openai,
    "anthropic": lambda clients: [model.id for model in clients.anthropic.models.list(limit=1000)],
    # every name begins with models/, which may be left out when one is asked
    "gemini": lambda clients: [model.name.removeprefix("models/") for model in clients.google.models.list()],
    "cohere_v2": lambda clients: [model.name for model in clients.cohere.models.list().models],
    "ollama": lambda clients: [model.model for model in clients.ollama.list().models],
}


def embed_openai(clients: Clients) -> tuple[list[list[float]], int | None]:
    answer = clients.openai.embeddings.create(model="m", input=["a", "b"], encoding_format="float")
    return [each.embedding for each in answer.data], answer.usage.prompt_tokens


def embed_google(clients: Clients) -> tuple[list[list[float]], int | None]:
    answer = clients.google.models.embed_content(model="m", contents=["a", "b"])
    return [each.values for each in answer.embeddings], None  # the client does not show the tokens


def embed_cohere(clients: Clients) -> tuple[list[list[float]], int | None]:
    answer = clients.cohere.embed(model="m", texts=["a", "b"], input_type="search_document", embedding_types=["float"])
    return answer.embeddings.float_, int(answer.meta.billed_units.input_tokens)


def embed_ollama(clients: Clients) -> tuple[list[list[float]], int | None]:
    answer = clients.ollama.embed(model="m", input=["a", "b"])
    return [list(vector) for vector in answer.embeddings], answer.prompt_eval_count


# Vectors of two texts, and the tokens that were read for them where the client tells.
EMBEDDERS: dict[str, Callable[[Clients], tuple[list[list[float]], int | None]]] = {
    "openai": embed_openai,
    "google": embed_google,
    "cohere": embed_cohere,
    "ollama": embed_ollama,
}


def reader_for(api: str, provider: str) -> Callable[[Clients, bool], Seen]:
    return OWN_CHAT_CLIENTS.get(provider, READERS[api]) if api == "openai_chat" else READERS[api]
