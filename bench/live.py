"""An execution through the whole product: accepting it, starting it, showing its first word; each beside a floor in the same run.

Submitting at several rates beside the same number of requests that do nothing, from the moment at which each is due, so
that a server that falls behind is seen to. A first word in the live view beside the same word through Redis alone.

Why 100 submissions a second are not sustained beside workers on two busy cores (cProfile of submitting a prompt template, after
the questions to the database were cut from ten to three): a fifth of the time each goes to finding out who asks, to reading the
version, and to the INSERT with its commit, a seventh to the delivery (0.7 ms: nine commands of Redis in one round trip, and RQ's
record); the rest is Flask, the checks and the answer. Of an execution in the worker a quarter is choosing whom to ask, a sixth
the call itself, the rest two transactions: no single statement of its thirteen is more than a tenth.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

import sqlalchemy as sa
from _product import Client, Product, Upstream, percentiles
from redis import Redis

from aiapp.executions.models import Execution
from aiapp.extensions import db, reading

RATES, SECONDS, CLIENTS = (25, 50, 100), 10, 24
SINGLE = 100


def at_rate(product: Product, rate: int, ask: Callable[[Client, int], object]) -> list[float]:
    """Ask `rate` times a second; return how many seconds after it was due each answer was there."""
    numbers, took, lock = iter(range(rate * SECONDS)), [], threading.Lock()
    start = time.perf_counter() + 0.5

    def work() -> None:
        client = product.client()
        client.get("/healthz")
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            due = start + number / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            ask(client, number)
            took.append(time.perf_counter() - due)

    threads = [threading.Thread(target=work) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took


def tell(label: str, seconds: list[float], more: str = "") -> float:
    """Print percentiles in milliseconds; return the 95th."""
    p50, p95, p99 = percentiles(seconds)
    sys.stdout.write(f"{label:46} p50 {p50:7.1f}   p95 {p95:7.1f}   p99 {p99:7.1f} ms{more}\n")
    return p95


def rows(product: Product) -> list[tuple[str, float]]:
    """Of every execution its prompt and the seconds from its acceptance to its start, once all have ended."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with product.app.app_context(), reading():
            columns = sa.select(Execution.body, Execution.created_at, Execution.started_at, Execution.status)
            found = db.session.execute(columns).all()
            db.session.remove()
        if all(row.status == "completed" for row in found):
            return [(row.body, (row.started_at - row.created_at).total_seconds()) for row in found]
        time.sleep(0.2)
    raise SystemExit("not all were answered")


def submitting(product: Product, rate: int) -> None:
    """Submit at a rate, and beside it ask for nothing at the same rate."""
    web, worker, count = product.cpu("web"), product.cpu("worker"), rate * SECONDS
    floor = at_rate(product, rate, lambda client, number: client.get("/healthz"))
    idle, web = product.cpu("web") - web, product.cpu("web")
    submitted = at_rate(product, rate, lambda client, number: client.submit(f"load {rate} {number}"))
    used = product.cpu("web") - web
    waits = [wait for prompt, wait in rows(product) if prompt.startswith(f"load {rate} ")]
    sys.stdout.write(f"{count} requests, {rate} a second\n")
    nothing = tell("a request that does nothing (/healthz)", floor, f"   {idle * 1000 / count:5.1f} ms CPU")
    p95 = tell("submit", submitted, f"   {used * 1000 / count:5.1f} ms CPU")
    tell("accepted -> started, under that load", waits)
    each = (product.cpu("worker") - worker) * 1000 / count
    sys.stdout.write(
        f"submit is {p95 / nothing:.1f} x the other at p95; {each:.1f} ms CPU of the worker an execution\n"
    )


def single(product: Product) -> None:
    """One execution after the other: when it starts, and when its first word is shown."""
    client, shown, asked = product.client(), [], []
    for number in range(SINGLE):
        prompt = f"single {number}"
        begun = time.perf_counter()
        execution_id = client.submit(prompt)
        reader = product.client()
        for name in reader.events(execution_id):
            if name == "delta":
                shown.append(time.perf_counter() - product.upstream.spoke[prompt])
                break
        asked.append(product.upstream.arrived[prompt] - begun)
        for _ in client.events(execution_id):
            pass
    waits = [wait for prompt, wait in rows(product) if prompt.startswith("single ")]
    sys.stdout.write(f"{SINGLE} executions one after the other\n")
    tell("accepted -> started (target 5 ms)", waits)
    tell("submitted -> the provider is asked", asked)
    through = tell("first word: provider -> live view", shown)
    floor = tell("the same word through Redis alone", through_redis(product))
    sys.stdout.write(f"the live view is {through / floor:.1f} x Redis alone at p95\n")


def through_redis(product: Product) -> list[float]:
    """Seconds from writing an entry to a stream to having it in another thread."""
    url = product.app.extensions["aiapp.settings"].redis_url
    written, took = [0.0], []
    ready = threading.Semaphore(0)

    def read() -> None:
        client, last = Redis.from_url(url), b"0-0"
        for _ in range(SINGLE):
            ready.release()
            answer = client.xread({"bench": last}, block=10_000)
            took.append(time.perf_counter() - written[0])
            entries = next(iter(answer.values())) if isinstance(answer, dict) else answer[0][1]
            last = (entries[0] if isinstance(answer, dict) else entries)[-1][0]

    reader = threading.Thread(target=read)
    reader.start()
    client = Redis.from_url(url)
    for _ in range(SINGLE):
        ready.acquire()
        time.sleep(0.01)  # until it waits
        written[0] = time.perf_counter()
        client.xadd("bench", {"word": "word"})
    reader.join()
    return took


def main() -> None:
    """Measure both."""
    with Product(Upstream(first=0.05)) as product:
        single(product)
        product.upstream.first = 0.0
        for rate in RATES:
            submitting(product, rate)


if __name__ == "__main__":
    main()
