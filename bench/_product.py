"""A whole installation for benchmarks: Redis, web, worker and scheduler in processes of their own, and a provider in this one."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import quantiles
from typing import Any
from urllib.parse import urlencode

from aiapp import config, create_app
from aiapp.accounts.actions import create_user
from aiapp.accounts.tokens import make
from aiapp.credentials import actions as credentials
from aiapp.extensions import Base, db
from aiapp.processes.embedded import EmbeddedRedis
from aiapp.workspaces import actions as workspaces
from aiapp.workspaces.access import Access

EMAIL, PASSWORD = "bench@example.com", "correct horse battery"
READY_SECONDS = 120


class Upstream:
    """A provider that streams: after `first` seconds a word, then one every `every` seconds, `words` in all.

    `arrived` and `spoke` say of each prompt when it was asked and when its first word was sent (perf_counter).
    """

    def __init__(self, *, first: float = 0.0, every: float = 0.0, words: int = 3) -> None:
        self.first, self.every, self.words = first, every, words
        self.arrived: dict[str, float] = {}
        self.spoke: dict[str, float] = {}
        self._server = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.origin = f"127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            sock, _ = self._server.accept()
            threading.Thread(target=self._serve, args=[sock], daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock, sock.makefile("rb") as reading:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while reading.readline():
                length = 0
                while line := reading.readline().strip():
                    name, _, value = line.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                prompt = json.loads(reading.read(length))["messages"][-1]["content"]
                self.arrived[prompt] = time.perf_counter()
                self._stream(sock, prompt)

    def _stream(self, sock: socket.socket, prompt: str) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for number in range(self.words):
            time.sleep(self.every if number else self.first)
            if not number:
                self.spoke[prompt] = time.perf_counter()
            self._event(sock, {"choices": [{"index": 0, "delta": {"content": f"word {number} "}}]})
        self._event(sock, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        self._event(sock, {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}})
        sock.sendall(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")

    @staticmethod
    def _event(sock: socket.socket, event: Any) -> None:
        data = b"data: " + json.dumps(event).encode() + b"\n\n"
        sock.sendall(b"%x\r\n%s\r\n" % (len(data), data))


class Product:
    """An installation with one workspace, `bench`, whose only credential is for the upstream.

    Arguments:
        url: the database; default: a SQLite file of its own.
        concurrency: of the one worker.
    """

    def __init__(self, upstream: Upstream, *, concurrency: int = 100) -> None:
        self.upstream = upstream
        self._folder = tempfile.TemporaryDirectory(prefix="aiapp-bench-")
        home = Path(self._folder.name)
        self._redis = EmbeddedRedis(home)
        self._redis.start()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        url = os.environ.get("AIAPP_BENCH_DATABASE_URL", f"sqlite:///{home / 'bench.db'}")
        own = {
            "AIAPP_HOME": str(home),
            "DATABASE_URL": url,
            "REDIS_URL": f"unix://{self._redis.socket}",
            "AIAPP_OUTBOUND_ALLOW": upstream.origin,
            "AIAPP_LOG_LEVEL": "error",
            "AIAPP_HEALTH_CHECK_SECONDS": "0",
        }
        self.app = create_app(config.load(own))
        self.token = self._prepare()
        self._environ = {**os.environ, **own}
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._start("web", "--port", str(self.port), "--processes", "1")
        self._start("worker", "--concurrency", str(concurrency))
        self._start("scheduler")
        self._wait()

    def __enter__(self) -> Product:
        return self

    def __exit__(self, *failure: object) -> None:
        for child in self._children.values():
            child.terminate()
        for child in self._children.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(30)
            child.kill()
        with self.app.app_context():
            db.engine.dispose()
        self._redis.close()
        self._folder.cleanup()

    def _start(self, role: str, *arguments: str) -> None:
        command = [sys.executable, "-m", "aiapp.processes.cli", role, *arguments]
        self._children[role] = subprocess.Popen(command, env=self._environ, stdin=subprocess.DEVNULL)

    def _prepare(self) -> str:
        with self.app.app_context():
            Base.metadata.create_all(db.engine)
            owner = create_user(EMAIL, "Bench", PASSWORD)
            self.access = Access(workspaces.create("Bench", owner, "bench"), owner, "owner")
            _, token = make(workspace_id=self.access.workspace.id, user_id=owner.id, name="bench", scope="admin")
            db.session.commit()
            given = {"provider": "openai_compatible", "name": "upstream", "api_key": "k", "preferred_model": "small"}
            credentials.create(self.access, {**given, "base_url": f"http://{self.upstream.origin}/v1"})
            db.session.remove()
        return token

    def _wait(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if Client(self.port).get("/readyz")[0] == 200:
                    return
            time.sleep(0.1)
        raise SystemExit("the product does not become ready")

    def client(self) -> Client:
        """A client of the API."""
        return Client(self.port, {"Authorization": f"Bearer {self.token}"})

    def visitor(self) -> Client:
        """A browser in which somebody has signed in."""
        client = Client(self.port)
        status, headers, page = client.ask("GET", "/login")
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.decode())
        assert status == 200
        assert found
        client.headers["Cookie"] = cookies(headers)
        form = urlencode({"csrf_token": found[1], "email": EMAIL, "password": PASSWORD})
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        status, headers, _ = client.ask("POST", "/login", form, kind)
        assert status == 303
        client.headers["Cookie"] = cookies(headers)
        return client

    def cpu(self, role: str) -> float:
        """CPU seconds that a role's processes have used so far."""
        ticks = 0
        for pid in self.family(role):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def memory(pids: list[int]) -> tuple[float, float]:
        """RSS (pages that several share counted for each of them) and PSS of processes, in MB."""
        sums = {"Rss": 0, "Pss": 0}
        for pid in pids:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name, _, rest = line.partition(":")
                if name in sums:
                    sums[name] += int(rest.split()[0])
        return sums["Rss"] / 1024, sums["Pss"] / 1024

    def family(self, role: str) -> list[int]:
        """The process of a role and its children."""
        first = self._children[role].pid
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        return [first, *map(int, children)]


class Client:
    """A connection that is kept; it is made anew where the server closed it."""

    def __init__(self, port: int, headers: Mapping[str, str] | None = None) -> None:
        self.port, self.headers = port, dict(headers or {})
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(
        self, method: str, path: str, body: str | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """The status, headers and body of the answer."""
        self._connection.request(method, path, body, {**self.headers, **(headers or {})})
        response = self._connection.getresponse()
        return response.status, response.headers, response.read()

    def get(self, path: str) -> tuple[int, bytes]:
        """The status and body of a page."""
        status, _, body = self.ask("GET", path)
        return status, body

    def submit(self, prompt: str) -> str:
        """Submit a text; return the execution's id."""
        body = json.dumps({"template": prompt})
        status, _, answer = self.ask("POST", "/api/v1/executions", body, {"Content-Type": "application/json"})
        assert status == 202, (status, answer)
        return str(json.loads(answer)["id"])

    def events(self, execution_id: str) -> Iterator[str]:
        """The names of an execution's events as they arrive."""
        path = f"/api/v1/executions/{execution_id}/events"
        self._connection.request("GET", path, headers=self.headers)
        response = self._connection.getresponse()
        assert response.status == 200, (response.status, response.read())
        while line := response.readline():
            if line.startswith(b"event: "):
                yield line[7:].decode().strip()


def cookies(headers: http.client.HTTPMessage) -> str:
    """What a browser sends back of an answer's cookies."""
    return "; ".join(each.partition(";")[0] for each in headers.get_all("Set-Cookie") or [])


def percentiles(seconds: list[float]) -> tuple[float, float, float]:
    """The 50th, 95th and 99th percentile in milliseconds."""
    cuts = quantiles(seconds, n=100)
    return cuts[49] * 1000, cuts[94] * 1000, cuts[98] * 1000
