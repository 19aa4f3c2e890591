"""What the tests of credentials share: a provider on the loopback that answers as told, and app contexts with access."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from flask import Flask
from provider_server import Server

from aiapp.config import Settings
from aiapp.providers.registry import PROVIDERS

KEY = "sk-canary-4f9a8b7c6d5e4f3a2b1c9x7Z"


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
            answer = told.answers.get(line, (404, {"detail": "Not Found"}))
            status, content = answer(json.loads(body)) if callable(answer) else answer
            kind = {str: "text/html", bytes: "text/event-stream"}.get(type(content), "application/json")
            data = (
                content
                if isinstance(content, bytes)
                else content.encode()
                if kind == "text/html"
                else json.dumps(content).encode()
            )
            self.send_response(status)
            self.send_header("content-type", kind)
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
def at_home(server: Server, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let the loopback be a provider's own address, where its model list is what its entry says of it."""

    def move(kind: str) -> None:
        monkeypatch.setitem(PROVIDERS, kind, replace(PROVIDERS[kind], base_url=server.url))

    return move


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
