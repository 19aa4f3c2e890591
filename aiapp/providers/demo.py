"""The demo provider: scripted answers, delays and failures without a network, in OpenAI's wire format.

As a dialect it does no I/O: `Demo.build` writes the request to a `demo:` URL, and whoever would send it calls `respond`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiapp.providers import asking, demo_answers
from aiapp.providers.openai_chat import OpenAIChat
from aiapp.providers.output_formats import WITH_DATA
from aiapp.providers.types import HttpRequest, Request, Target
from aiapp.providers.wire_json import mapping, read_object, sequence, string

SCHEME = "demo"
# Longer waits are cut into steps of this many seconds, so that a reader who leaves is noticed.
_STEP = 0.1

Reply = tuple[int, dict[str, str], Iterator[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """How one demo model behaves. Delays are in seconds."""

    label: str
    status: int = 200
    error: Mapping[str, Any] = field(default_factory=dict)
    retry_after: int | None = None
    before: float = 0.1
    between: float = 0.012
    cut: bool = False
    refuses: str = ""  # a word that no prompt may have; "" is none
    always_json: bool = False


SCRIPTS: dict[str, Script] = {
    "demo-good": Script(label="Answers at once"),
    "demo-instant": Script(label="Answers without any delay", before=0, between=0),
    "demo-slow": Script(label="Thinks for two seconds, then writes slowly", before=2, between=0.15),
    "demo-json": Script(label="Answers with JSON, whatever is asked for", always_json=True),
    "demo-cut": Script(label="Stops in the middle of the answer", cut=True),
    "demo-careful": Script(label="Refuses prompts that mention a password", before=0, between=0, refuses="password"),
    "demo-bad-key": Script(
        label="Refuses the key",
        status=401,
        error={"message": "Incorrect API key provided: demo-****-0000.", "code": "invalid_api_key"},
    ),
    "demo-rate-limited": Script(
        label="Is over its rate limit",
        status=429,
        error={"message": "Rate limit reached: 0 of 60 requests a minute left.", "code": "rate_limit_exceeded"},
        retry_after=2,
    ),
    "demo-overloaded": Script(
        label="Is overloaded",
        status=503,
        error={"message": "The demo provider is overloaded.", "type": "overloaded_error"},
    ),
}


@dataclass(frozen=True, slots=True)
class Demo(OpenAIChat):
    """The demo dialect (types.Dialect): its own way to ask, OpenAI's chat completions as the answer."""

    def build(self, request: Request, target: Target) -> HttpRequest:
        """Return the request as a POST to a `demo:` URL, to be handed to `respond`."""
        body = {
            "model": asking.model_of(request, target),
            "messages": asking.turns_of(request),
            "system": asking.system_of(request, target) or "",
            "stream": asking.wants_stream(request, target),
            "max_tokens": asking.max_tokens_of(request, target, self.quirks),
            "output_format": request.output_format,
            "json_schema": dict(request.json_schema) if request.json_schema else None,
        }
        return HttpRequest("POST", f"{SCHEME}://scripted/chat", {}, json.dumps(body).encode())

    def models_request(self, target: Target) -> HttpRequest:
        """Return the request for the list of scripts; a script that fails fails here too."""
        return HttpRequest("GET", f"{SCHEME}://scripted/models?model={target.model}", {})


def respond(request: HttpRequest, *, sleep: Callable[[float], object] = time.sleep) -> Reply:
    """Play the script that `request` names, in place of the network.

    Returns status, headers and the body's chunks, which arrive with the script's delays (`sleep` is called between them).
    Close the iterator to stop it early.
    """
    listing = request.method == "GET"
    asked = {} if listing else read_object(request.body)
    name = request.url.partition("?model=")[2] if listing else string(asked.get("model"))
    script = SCRIPTS.get(name)
    if script is None and not (listing and not name):
        missing = {"message": f"The model {name!r} does not exist here.", "code": "model_not_found"}
        script = Script(label="", status=404, error=missing, before=0)
    if script is not None and script.status != 200:
        headers = {"content-type": "application/json"}
        if script.retry_after is not None:
            headers["retry-after"] = str(script.retry_after)
        return script.status, headers, iter((_json({"error": script.error}),))
    if script is None or listing:
        entries = [{"id": model, "name": known.label, "object": "model"} for model, known in SCRIPTS.items()]
        return 200, {"content-type": "application/json"}, iter((_json({"object": "list", "data": entries}),))
    if script.refuses and script.refuses in _text(asked).lower():
        error = {"message": "The prompt was refused by the content filter.", "code": "content_filter"}
        return 400, {"content-type": "application/json"}, iter((_json({"error": error}),))
    play = _play_stream if asked.get("stream") is True else _play_whole
    kind = "text/event-stream" if asked.get("stream") is True else "application/json"
    return 200, {"content-type": kind}, play(name, script, asked, sleep)


def _play_stream(
    name: str, script: Script, asked: Mapping[str, Any], sleep: Callable[[float], object]
) -> Iterator[bytes]:
    answer, finish, usage = _answer(script, asked)
    pieces = re.findall(r"\s*\S+\s?", answer) or [answer]
    if script.cut:
        pieces = pieces[: max(1, len(pieces) // 2)]
    for _ in _wait(script.before, sleep):
        yield b": thinking\n\n"
    for piece in pieces:
        yield _event(name, choices=[{"index": 0, "delta": {"content": piece}, "finish_reason": None}])
        for _ in _wait(script.between, sleep):
            yield b": writing\n\n"
    if script.cut:
        return
    yield _event(name, choices=[{"index": 0, "delta": {}, "finish_reason": finish}])
    yield _event(name, choices=[], usage=usage)
    yield b"data: [DONE]\n\n"


def _play_whole(
    name: str, script: Script, asked: Mapping[str, Any], sleep: Callable[[float], object]
) -> Iterator[bytes]:
    answer, finish, usage = _answer(script, asked)
    # Blank bytes before the JSON keep the connection busy, as OpenRouter does it.
    for _ in _wait(script.before + script.between * len(answer.split()), sleep):
        yield b" "
    message = {"role": "assistant", "content": answer}
    choices = [{"index": 0, "message": message, "finish_reason": finish}]
    body = _json({"object": "chat.completion", "model": name, "choices": choices, "usage": usage})
    yield body[: len(body) // 2] if script.cut else body


def _answer(script: Script, asked: Mapping[str, Any]) -> tuple[str, str, dict[str, int]]:
    """Return the text, why it stops, and an estimate of the tokens: four characters each."""
    turns, system = _turns(asked), string(asked.get("system"))
    seen = demo_answers.facts(turns[-1] if turns else "", system)
    wanted = "json" if script.always_json else string(asked.get("output_format"))
    literal = demo_answers.taken_literally(turns[-1] if turns else "")
    if literal and not script.always_json:
        text = literal
    elif wanted in WITH_DATA:  # JSON is YAML, too
        text = demo_answers.as_json(seen, mapping(asked.get("json_schema")))
        text = demo_answers.as_yaml(seen) if wanted == "yaml" and not asked.get("json_schema") else text
    else:
        writers = {"markdown": demo_answers.as_markdown, "html": demo_answers.as_html, "xml": demo_answers.as_xml}
        text = writers.get(wanted, demo_answers.as_text)(seen)
    limit = asked.get("max_tokens")
    finish = "stop"
    if isinstance(limit, int) and len(text) > 4 * limit:
        text, finish = text[: 4 * limit], "length"
    read, written = _tokens(_text(asked)), _tokens(text)
    return text, finish, {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _turns(asked: Mapping[str, Any]) -> list[str]:
    return [string(mapping(turn).get("content")) for turn in sequence(asked.get("messages"))]


def _text(asked: Mapping[str, Any]) -> str:
    return string(asked.get("system")) + "".join(_turns(asked))


def _wait(seconds: float, sleep: Callable[[float], object]) -> Iterator[None]:
    """Sleep in short steps; yields between the steps of a long wait."""
    while seconds > _STEP:
        sleep(_STEP)
        seconds -= _STEP
        yield
    if seconds > 0:
        sleep(seconds)


def _event(name: str, **fields: Any) -> bytes:
    return b"data: " + _json({"object": "chat.completion.chunk", "model": name, **fields}) + b"\n\n"


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _tokens(text: str) -> int:
    return (len(text) + 3) // 4
