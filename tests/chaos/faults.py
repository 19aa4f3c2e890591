"""A provider on the loopback that goes wrong in every way known, over real sockets; what it was asked is kept."""

from __future__ import annotations

import contextlib
import gzip
import json
import random
import socket
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

MODEL = "gpt-4o-mini"  # its price is known, so that costs have sums
BOMB = gzip.compress(b" " * 30_000_000)


@dataclass(slots=True)
class Call:
    """One request as it arrived; `fault` is what it got, `host` who sent it."""

    key: str
    prompt: str
    stream: bool
    fault: str
    host: str
    at: float = field(default_factory=time.monotonic)


Answer = Callable[[socket.socket, Call], None]


def answer_to(prompt: str) -> str:
    """The text that a prompt is answered with, wherever it is asked."""
    return f"An answer to {prompt} in some words – enough of them for a few pieces."


def usage_of(prompt: str) -> dict[str, int]:
    used = {"prompt_tokens": 100 + len(prompt), "completion_tokens": 20}
    return {**used, "total_tokens": sum(used.values())}


def head(status: int, *lines: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} Whatever", *lines, "", ""]).encode()


def sized(status: int, kind: str, body: bytes, *lines: str) -> bytes:
    return head(status, f"content-type: {kind}", f"content-length: {len(body)}", *lines) + body


def events(prompt: str, pieces: int = 4) -> list[bytes]:
    """The answer as a stream: its text, how it ended, what it used, the end marker."""
    text = answer_to(prompt)
    size = -(-len(text) // pieces)
    told: list[Any] = [
        {"choices": [{"index": 0, "delta": {"content": text[start : start + size]}}]}
        for start in range(0, len(text), size)
    ]
    told.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    told.append({"choices": [], "usage": usage_of(prompt)})
    return [*(b"data: " + json.dumps(one).encode() + b"\n\n" for one in told), b"data: [DONE]\n\n"]


def whole(prompt: str) -> bytes:
    message = {"role": "assistant", "content": answer_to(prompt)}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return json.dumps({"object": "chat.completion", "choices": [choice], "usage": usage_of(prompt)}).encode()


def well(seconds: float = 0.0) -> Answer:
    """Answer as asked for, its pieces spread over some seconds, and keep the connection."""

    def answer(sock: socket.socket, call: Call) -> None:
        if not call.stream:
            time.sleep(seconds)
            sock.sendall(sized(200, "application/json", whole(call.prompt)))
            return
        sock.sendall(head(200, "content-type: text/event-stream", "transfer-encoding: chunked"))
        parts = events(call.prompt)
        for part in parts:
            time.sleep(seconds / len(parts))
            sock.sendall(b"%x\r\n%s\r\n" % (len(part), part))
        sock.sendall(b"0\r\n\r\n")

    return answer


def says(status: int, kind: str, body: bytes | Callable[[Call], bytes], *lines: str) -> Answer:
    """Answer with these bytes."""
    return lambda sock, call: sock.sendall(sized(status, kind, body(call) if callable(body) else body, *lines))


def refuses(status: int, code: str | None = None, *lines: str) -> Answer:
    body = json.dumps({"error": {"message": f"No: {status}.", "code": code}}).encode()
    return says(status, "application/json", body, *lines)


def resets(sock: socket.socket, call: Call) -> None:
    sock.sendall(head(200, "content-type: text/event-stream") + events(call.prompt)[0])
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hangs(sock: socket.socket, call: Call) -> None:
    """Say nothing until the other side has gone."""
    with contextlib.suppress(OSError):
        sock.settimeout(30)
        sock.recv(1)


def drips(sock: socket.socket, call: Call) -> None:
    """Send a comment now and then, never an answer: only the total deadline ends that."""
    sock.sendall(head(200, "content-type: text/event-stream"))
    for _ in range(100):
        sock.sendall(b": wait\n\n")
        time.sleep(0.3)


def cuts(sock: socket.socket, call: Call) -> None:
    """End in the middle of a chunk."""
    first, second, *_ = events(call.prompt)
    begin = head(200, "content-type: text/event-stream", "transfer-encoding: chunked")
    sock.sendall(begin + b"%x\r\n%s\r\n%x\r\n%s" % (len(first), first, len(second), second[:20]))


def streams(*parts: Callable[[Call], Sequence[bytes]]) -> Answer:
    """A stream of these parts that ends with its connection."""

    def answer(sock: socket.socket, call: Call) -> None:
        sock.sendall(head(200, "content-type: text/event-stream"))
        for part in parts:
            sock.sendall(b"".join(part(call)))

    return answer


JSON = "application/json"
SCRIPTED = "as a test says"
# Each with the error class that it is to be, None where it is to be read all the same.
FAULTS: dict[str, tuple[Answer, str | None]] = {
    "401": (refuses(401), "auth"),
    "quota": (refuses(429, "insufficient_quota"), "quota"),
    "429": (refuses(429), "rate_limit"),
    "429 in 1 s": (refuses(429, None, "retry-after: 1"), "rate_limit"),
    "500": (refuses(500), "server"),
    "502 HTML": (says(502, "text/html", b"<html><title>Bad gateway</title></html>"), "server"),
    "503": (refuses(503), "overloaded"),
    "529": (refuses(529), "overloaded"),
    "hang": (hangs, "timeout"),
    "slow drip": (drips, "timeout"),
    "reset": (resets, "network"),
    "bad JSON": (says(200, JSON, b'{"choices": [{"message": '), "bad_response"),
    "empty 200": (says(200, JSON, b""), "bad_response"),
    "BOM": (says(200, JSON, lambda call: b"\xef\xbb\xbf" + whole(call.prompt)), None),
    "wrong content type": (says(200, "application/octet-stream", lambda call: whole(call.prompt)), None),
    "cut SSE": (cuts, "network"),
    "no end marker": (streams(lambda call: events(call.prompt)[:2]), "bad_response"),
    "duplicate events": (streams(lambda call: events(call.prompt), lambda call: events(call.prompt)[-3:]), None),
    "huge body": (says(200, JSON, b'{"x": "' + b"x" * 3_000_000 + b'"}'), "too_large"),
    "gzip bomb": (says(200, JSON, BOMB, "content-encoding: gzip"), "too_large"),
    "header bomb": (says(200, JSON, b"{}", *(f"x-{n}: {'y' * 100}" for n in range(2000))), "too_large"),
    "redirect": (says(307, JSON, b"{}", "location: http://169.254.169.254/"), "bad_response"),
}


class FaultyProvider:
    """Serves in threads. `choose` says what a call gets; keys that begin with `script:` get what they were given, in order."""

    def __init__(self, host: str = "127.0.0.1", *, share: float = 0.3, seconds: float = 0.3, seed: int = 5) -> None:
        self.share, self.seconds = share, seconds
        self.calls: list[Call] = []
        self._chance = random.Random(seed)
        self._scripts: dict[str, list[Answer]] = {}
        self._lock = threading.Lock()
        self._server = socket.create_server((host, 0), backlog=512)
        self.origin = f"{host}:{self._server.getsockname()[1]}"
        self.url = f"http://{self.origin}/v1"
        threading.Thread(target=self._accept, name="provider", daemon=True).start()

    def on(self, key: str, *answers: Answer) -> None:
        """Let calls with `key` be answered by these in order, the last again and again."""
        self._scripts[key] = list(answers)

    def by_prompt(self) -> dict[str, list[Call]]:
        found = defaultdict(list)
        for call in list(self.calls):
            found[call.prompt].append(call)
        return found

    def close(self) -> None:
        self._server.close()

    def _choose(self, host: str, key: str, prompt: str, stream: bool) -> tuple[Answer, Call]:
        with self._lock:
            name, answer = "", well(self._chance.random() * self.seconds)
            script = self._scripts.get(key)
            if script is not None:
                name, answer = SCRIPTED, script.pop(0) if len(script) > 1 else script[0]
            elif self._chance.random() < self.share:
                name = self._chance.choice(list(FAULTS))
                answer = FAULTS[name][0]
            call = Call(key, prompt, stream, name, host)
            self.calls.append(call)
        return answer, call

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, (host, _) = self._server.accept()
                threading.Thread(target=self._serve, args=[sock, host], daemon=True).start()

    def _serve(self, sock: socket.socket, host: str) -> None:
        with contextlib.suppress(OSError, ValueError), sock, sock.makefile("rb") as reading:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            fault = ""
            while fault in ("", SCRIPTED) and reading.readline():
                headers = dict(self._headers(reading))
                body = json.loads(reading.read(int(headers["content-length"])))
                key = headers["authorization"].removeprefix("Bearer ")
                answer, call = self._choose(host, key, body["messages"][-1]["content"], bool(body.get("stream")))
                answer(sock, call)
                fault = call.fault

    @staticmethod
    def _headers(reading: Any) -> Any:
        while line := reading.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            yield name.lower(), value.strip()
