"""A server on the loopback that keeps what it is asked, and the providers' own clients, which all ask it."""

import importlib
import json
import os
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl, urlsplit

import pytest

KEY = "sk-test-0123456789abcdef"
# Clients read these when they are imported and when they are made: keys, organisations, addresses, proxies.
_READ_BY_CLIENTS = (
    *("OPENAI_", "AZURE_", "ANTHROPIC_", "GOOGLE_", "GEMINI_", "CO_", "COHERE_", "GROQ_", "OLLAMA_", "OTEL_"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "SSL_CERT", "NETRC"),
)


@dataclass(frozen=True)
class Asked:
    """One request. The names of headers are in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


class Recorder:
    """Answers every request with what `answer` was last told, and keeps the last request. One client at a time."""

    def __init__(self) -> None:
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                url = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                recorder._asked.append(
                    Asked(
                        self.command,
                        url.path,
                        dict(parse_qsl(url.query, keep_blank_values=True)),
                        {name.lower(): value for name, value in self.headers.items()},
                        json.loads(body) if body else None,
                    )
                )
                status, content_type, answer = recorder._answer
                head = (
                    f"HTTP/1.1 {status} Said\r\ncontent-type: {content_type}\r\ncontent-length: {len(answer)}\r\n\r\n"
                )
                self.wfile.write(head.encode() + answer)

            do_GET = do_POST

            def log_message(self, *_: object) -> None:
                pass

        self._asked: list[Asked] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        self.place = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.place}"
        self.answer(b"{}")

    def answer(self, body: bytes, *, status: int = 200, content_type: str = "application/json") -> None:
        self._answer = (status, content_type, body)

    def asked(self) -> Asked:
        """The one request since this was last called."""
        (only,) = self._asked
        self._asked.clear()
        return only

    def forget(self) -> None:
        self._asked.clear()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(20)


class Clients:
    """The providers' own clients, each imported and made when it is first wanted. None tries twice or reports home."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._open = ExitStack()
        kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(_READ_BY_CLIENTS)}
        self._open.enter_context(patch.dict(os.environ, kept, clear=True))

    def close(self) -> None:
        self._open.close()

    @cached_property
    def openai(self) -> Any:
        sdk = _imported("openai")
        http = sdk.DefaultHttpxClient(trust_env=False)
        client = sdk.OpenAI(api_key=KEY, base_url=f"{self._url}/v1", max_retries=0, http_client=http)
        return self._open.enter_context(client)

    @cached_property
    def azure(self) -> Any:
        sdk = _imported("openai")
        return self._open.enter_context(
            sdk.AzureOpenAI(
                api_key=KEY,
                azure_endpoint=self._url,
                api_version="2024-10-21",
                max_retries=0,
                http_client=sdk.DefaultHttpxClient(trust_env=False),
            )
        )

    @cached_property
    def groq(self) -> Any:
        sdk = _imported("groq")
        http = sdk.DefaultHttpxClient(trust_env=False)
        return self._open.enter_context(sdk.Groq(api_key=KEY, base_url=self._url, max_retries=0, http_client=http))

    @cached_property
    def anthropic(self) -> Any:
        sdk = _imported("anthropic")
        http = sdk.DefaultHttpxClient(trust_env=False)
        return self._open.enter_context(
            sdk.Anthropic(api_key=KEY, base_url=self._url, max_retries=0, http_client=http, open_telemetry=False)
        )

    @cached_property
    def google(self) -> Any:
        sdk = _imported("google.genai")
        options = sdk.types.HttpOptions(
            base_url=self._url,
            client_args={"trust_env": False},
            retry_options=sdk.types.HttpRetryOptions(attempts=1),
        )
        client = sdk.Client(api_key=KEY, http_options=options)
        self._open.callback(client.close)
        return client

    @cached_property
    def cohere(self) -> Any:
        httpx = importlib.import_module("httpx")
        http = self._open.enter_context(httpx.Client(trust_env=False))
        sdk = _imported("cohere")
        return sdk.ClientV2(
            api_key=KEY,
            base_url=self._url,
            httpx_client=http,
            max_retries=0,
            log_warning_experimental_features=False,
        )

    @cached_property
    def ollama(self) -> Any:
        sdk = _imported("ollama")
        client = sdk.Client(host=self._url, headers={"authorization": f"Bearer {KEY}"}, trust_env=False)
        self._open.callback(client.close)
        return client


def _imported(name: str) -> Any:
    return pytest.importorskip(name, reason=f"{name} is not installed: `make install-test` does it")
