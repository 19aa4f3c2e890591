"""What the tests of credentials share: a provider on the loopback that answers as told, and app contexts with access."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from flask import Flask

from aiapp.config import Settings

KEY = "sk-canary-4f9a8b7c6d5e4f3a2b1c9x7Z"

MODELS = {"data": [{"id": "gpt-6-luna"}, {"id": "gpt-6.1-sol"}]}
ANSWER = {
    "id": "1",
    "object": "chat.completion",
    "model": "gpt-6-luna",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "OK"}}],
    "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
}


@dataclass
class Server:
    """A provider's API on the loopback. `answers` maps "GET /v1/models" to (status, body); what is not there is 404."""

    port: int = 0
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    before: Callable[[str], None] = lambda line: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def works(self) -> Server:
        """Answer like a provider that works."""
        self.answers = {"GET /v1/models": (200, MODELS), "POST /v1/chat/completions": (200, ANSWER)}
        return self


@pytest.fixture
def server() -> Iterator[Server]:
    told = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            line = f"{self.command} {self.path}"
            told.seen.append((line, dict(self.headers.items()), body))
            told.before(line)
            status, content = told.answers.get(line, (404, {"detail": "Not Found"}))
            html = isinstance(content, str)
            data = content.encode() if html else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-type", "text/html" if html else "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = answer

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    told.port = http.server_address[1]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield told
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def settings(settings: Settings, server: Server, free_port: int) -> Settings:
    """The loopback provider may be reached, and so might a port where nobody listens."""
    allow = {f"127.0.0.1:{server.port}", f"localhost:{server.port}", f"127.0.0.1:{free_port}", "localhost:11434"}
    return replace(settings, outbound_allow=frozenset(allow), idle_timeout=3.0)


@pytest.fixture
def stage(app: Flask, team: Any) -> Iterator[Flask]:
    """The app with its context pushed, for tests that call actions."""
    with app.app_context():
        yield app


@pytest.fixture
def adam(stage: Flask, team: Any) -> Any:
    """The Access of adam, an admin of acme."""
    return team.access("adam")


@pytest.fixture
def charlie(stage: Flask, team: Any) -> Any:
    """The Access of charlie, the owner of rival."""
    return team.access("charlie")


@pytest.fixture
def openai(server: Server) -> dict[str, Any]:
    """The values of a credential for the loopback provider."""
    return {"provider": "openai", "name": "team-key", "api_key": KEY, "base_url": server.url}


@pytest.fixture(autouse=True)
def hung_up(request: pytest.FixtureRequest) -> Iterator[None]:
    """Close the connections that the app under test, if there is one, keeps for a next call."""
    app = request.getfixturevalue("app") if "app" in request.fixturenames else None
    yield
    transport = app.extensions.get("aiapp.transport") if app else None
    if transport is not None:
        transport.close()
