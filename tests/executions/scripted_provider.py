"""A provider on the loopback that answers each key as a test tells it to, over real HTTP."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Headers = dict[str, str]


@dataclass
class Call:
    """One request as it arrived."""

    path: str
    key: str
    body: dict[str, Any]
    at: float

    @property
    def prompt(self) -> str:
        return self.body["messages"][-1]["content"]


@dataclass
class Reply:
    """An answer: its pieces are sent one by one, `before` each of them is called with its number."""

    status: int = 200
    headers: Headers = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)
    before: Callable[[int], None] = lambda number: None
    cut: bool = False


Script = Callable[[Call], Reply]


def sse(*events: Any, end: bool = True) -> list[bytes]:
    lines = [b"data: " + json.dumps(event).encode() + b"\n\n" for event in events]
    return [*lines, b"data: [DONE]\n\n"] if end else lines


def piece(text: str) -> dict[str, Any]:
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": text}}]}


def says(
    text: str | Callable[[Call], str] = "Hello there.",
    *,
    usage: tuple[int, int] = (12, 3),
    parts: int = 3,
    before: Callable[[int], None] = lambda number: None,
) -> Script:
    """Answer in OpenAI's shape, as a stream of `parts` pieces where one is asked for."""

    def script(call: Call) -> Reply:
        words = text(call) if callable(text) else text
        reported = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
        if not call.body.get("stream"):
            message = {"role": "assistant", "content": words}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            body = {"object": "chat.completion", "choices": [choice], "usage": reported}
            return Reply(
                headers={"content-type": "application/json"}, pieces=[json.dumps(body).encode()], before=before
            )
        size = max(1, -(-len(words) // parts))
        chunks = [piece(words[start : start + size]) for start in range(0, len(words), size)]
        last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        events = sse(*chunks, last, {"choices": [], "usage": reported})
        return Reply(headers={"content-type": "text/event-stream"}, pieces=events, before=before)

    return script


def breaks_off(text: str, *, before: Callable[[int], None] = lambda number: None) -> Script:
    """Stream some text, then end without an end marker."""
    events = sse(piece(text), end=False)
    return lambda call: Reply(headers={"content-type": "text/event-stream"}, pieces=events, before=before)


def refuses(status: int, message: str = "no", code: str | None = None, **headers: str) -> Script:
    """Answer with an error in OpenAI's envelope."""
    body = json.dumps({"error": {"message": message, "code": code}}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda call: Reply(status, {"content-type": "application/json", **named}, [body])


def sends(status: int, content_type: str, body: bytes) -> Script:
    """Answer with exactly these bytes."""
    return lambda call: Reply(status, {"content-type": content_type}, [body])


def hangs_up() -> Script:
    """Close the connection without a word."""
    return lambda call: Reply(cut=True)


class ScriptedProvider:
    """Serves in threads. What each key gets is a list of scripts, the last of which repeats; keys without one get `default`.

    A call without a key is known by the first part of its path.
    """

    def __init__(self) -> None:
        self.default: Script = says()
        self.calls: list[Call] = []
        self.released = threading.Event()  # waited for by `hold`
        self.arrived = threading.Event()
        self._scripts: dict[str, list[Script]] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def origin(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The base URL of an OpenAI credential."""
        return f"http://{self.origin}/v1"

    def on(self, key: str, *scripts: Script) -> None:
        """Let calls with `key` be answered by these, in order."""
        self._scripts[key] = list(scripts)

    def hold(self, number: int = 0) -> None:
        """Wait for `released`: give it as `before` to answer half and then hang."""
        if number > 0:
            self.released.wait(30)

    def hang(self, number: int) -> None:
        """Wait for `released` before anything is sent."""
        self.released.wait(30)

    def calls_of(self, key: str) -> list[Call]:
        return [call for call in self.calls if call.key == key]

    def count(self) -> dict[str, int]:
        counts: dict[str, int] = defaultdict(int)
        for call in list(self.calls):
            counts[call.key] += 1
        return dict(counts)

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _next(self, call: Call) -> Reply:
        with self._lock:
            self.calls.append(call)
            self.arrived.set()
            scripts = self._scripts.get(call.key, [self.default])
            script = scripts.pop(0) if len(scripts) > 1 else scripts[0]
        return script(call)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                self.answer(provider._next(Call(self.path, self.key(), body, time.monotonic())))

            def do_GET(self) -> None:
                self.answer(provider._next(Call(self.path, self.key(), {}, time.monotonic())))

            def key(self) -> str:
                bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
                return bearer or self.headers.get("x-api-key", "") or self.path.split("/")[1]

            def answer(self, reply: Reply) -> None:
                self.close_connection = True
                if reply.cut:
                    return
                with suppress(OSError):  # the client may hang up in the middle
                    self.send_response(reply.status)
                    for name, value in {**reply.headers, "connection": "close"}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    for number, part in enumerate(reply.pieces):
                        reply.before(number)
                        self.wfile.write(part)
                        self.wfile.flush()

            def log_message(self, *arguments: object) -> None:
                """Say nothing."""

        return Handler


@contextmanager
def scripted() -> Iterator[ScriptedProvider]:
    provider = ScriptedProvider()
    try:
        yield provider
    finally:
        provider.close()
