"""How many slow provider calls one process holds at once: our transport beside httpx's own, against one loopback upstream.

Prints calls per second and CPU milliseconds per call of both, and their ratio. Usage: python bench/transport.py [CALLS [SECONDS]]
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import httpx

from aiapp.providers.transport import Limits, Transport
from aiapp.providers.types import HttpRequest, ProviderError

ROUNDS = 3
BODY = b'{"choices":[{"message":{"content":"' + b"word " * 200 + b'"}}]}'


async def upstream(seconds: float) -> None:
    """Answer every request after `seconds`, on a port that is printed first."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                length = request.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
                await reader.readexactly(int(length or 0))
                await asyncio.sleep(seconds)
                writer.write(head + BODY)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def measure(call: Callable[[], bytes], calls: int) -> tuple[float, float, int]:
    """Run `calls` threads, ROUNDS calls each; return answers per second, CPU milliseconds per call, and how many calls failed."""
    good: list[int] = []

    def work() -> None:
        for _ in range(ROUNDS):
            with contextlib.suppress(httpx.HTTPError, ProviderError):
                if call() == BODY:
                    good.append(1)

    threads = [threading.Thread(target=work) for _ in range(calls)]
    started, cpu = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asked = calls * ROUNDS
    return len(good) / (time.perf_counter() - started), (time.process_time() - cpu) * 1000 / asked, asked - len(good)


def compare(port: int, calls: int, seconds: float) -> None:
    """Measure both against the upstream on `port` and print the ratio."""
    wait = 15 + seconds  # also bounds this program: the peer was seen to hang
    request = HttpRequest(
        "POST",
        f"http://127.0.0.1:{port}/v1/chat/completions",
        {"Content-Type": "application/json", "Authorization": "Bearer x"},
        b"{}" * 500,
    )
    transport = Transport(frozenset({f"127.0.0.1:{port}"}), Limits(connect=wait, idle=wait, total=wait))
    pool = httpx.Limits(max_connections=calls, max_keepalive_connections=calls)
    client = httpx.Client(trust_env=False, timeout=wait, limits=pool)

    def ours() -> bytes:
        with transport.send(request) as answer:
            return answer.read()

    def stock() -> bytes:
        return client.post(request.url, headers=dict(request.headers), content=request.body).content

    results = {}
    for name, call in (("ours", ours), ("httpx", stock)):
        results[name] = measure(call, calls)
        rate, cost, failed = results[name]
        print(f"{name:6} {rate:8.1f} answers/s {cost:8.2f} ms CPU/call {failed:5} failed", flush=True)
    rate = results["ours"][0] / results["httpx"][0]
    cost = results["httpx"][1] / results["ours"][1]
    print(f"transport: {calls} calls of {seconds:g} s at once: {rate:.2f} x httpx's answers/s, {cost:.1f} x less CPU")


def main() -> None:
    """Start the upstream, compare, end it."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    seconds = sys.argv[2] if len(sys.argv) > 2 else "1"
    process = subprocess.Popen([sys.executable, __file__, "upstream", seconds], stdout=subprocess.PIPE, text=True)
    try:
        compare(int(process.stdout.readline()) if process.stdout else 0, calls, float(seconds))
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    if sys.argv[1:2] == ["upstream"]:
        asyncio.run(upstream(float(sys.argv[2])))
    else:
        main()
