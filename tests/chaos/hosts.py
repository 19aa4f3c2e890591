"""Three hosts (network namespaces) with a worker each and schedulers on two of them, one PostgreSQL, one Redis.

The leading scheduler is killed, a host is cut off for a while, a worker is killed for good: executions go on, and nothing ends
twice. `python tests/chaos/hosts.py [EXECUTIONS]`; needs root and PostgreSQL, else it says what is missing and is skipped.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "processes"))

import postgresql
from chaos import PATIENCE, SETTINGS
from faults import FaultyProvider
from office import Crowd, Office, audit
from redis import Redis
from stage import alive, eventually

from aiapp.processes.embedded import find_server
from aiapp.processes.scheduler import HOLD_SECONDS, LEAD_KEY, LEAD_SECONDS

BRIDGE, NETWORK = "aiappbr0", "10.231.77.{}"
CENTRE = NETWORK.format(1)
HOSTS = {f"aiapp-h{number}": NETWORK.format(10 + number) for number in (1, 2, 3)}
CUT_OFF_SECONDS = 10.0  # more than a lease


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def network() -> Iterator[None]:
    """A bridge with an address, and the hosts on it."""
    try:
        ip("link", "add", BRIDGE, "type", "bridge")
        ip("addr", "add", f"{CENTRE}/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        for number, (host, address) in enumerate(HOSTS.items(), 1):
            ip("netns", "add", host)
            ip("link", "add", cable(number), "type", "veth", "peer", "name", "eth0", "netns", host)
            ip("link", "set", cable(number), "master", BRIDGE, "up")
            ip("-n", host, "addr", "add", f"{address}/24", "dev", "eth0")
            ip("-n", host, "link", "set", "eth0", "up")
            ip("-n", host, "link", "set", "lo", "up")
        yield
    finally:
        for host in HOSTS:
            with suppress(subprocess.CalledProcessError):
                ip("netns", "del", host)
        with suppress(subprocess.CalledProcessError):
            ip("link", "del", BRIDGE)


def cable(number: int) -> str:
    return f"aiappveth{number}"


class Machine:
    """Starts commands of the product on hosts; all of them are killed at the end."""

    def __init__(self, environ: dict[str, str], log: Path) -> None:
        self._environ = {**os.environ, **environ}
        self._log = log.open("wb")
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, host: str | None, *words: str) -> None:
        """Start `aiapp …` on a host; None is where the database is."""
        where = ["ip", "netns", "exec", host] if host else []
        self.running[f"{words[0]} of {host}"] = subprocess.Popen(
            [*where, sys.executable, "-m", "aiapp.processes.cli", *words],
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )

    def pid(self, name: str) -> int:
        return self.running[name].pid

    def close(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait(10)
        self._log.close()


@contextmanager
def redis_server(folder: Path) -> Iterator[Redis]:
    """A Redis that the hosts reach."""
    with socket.create_server((CENTRE, 0)) as free:
        port = free.getsockname()[1]
    command = [find_server(), "--bind", CENTRE, "--port", str(port), "--protected-mode", "no", "--dir", folder]
    process = subprocess.Popen([*command, "--save", ""], stdout=subprocess.DEVNULL)
    client = Redis(host=CENTRE, port=port)
    try:
        assert eventually(lambda: answers(client)), "Redis does not start"
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait(10)


def answers(client: Redis) -> bool:
    with suppress(Exception):
        return bool(client.ping())
    return False


def leader(redis: Redis) -> int:
    """The process id of the scheduler that leads; 0 where none does."""
    token = redis.get(LEAD_KEY)
    return int(token.decode().split(":")[1]) if token else 0


def main(executions: int) -> None:
    """Run it and print the figures."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aiapp-hosts-")))
        stack.enter_context(network())
        binaries = postgresql.find_binaries()
        assert binaries is not None
        url = stack.enter_context(postgresql.server(binaries, f"{CENTRE}/24"))
        redis = stack.enter_context(redis_server(folder))
        provider = FaultyProvider(CENTRE)
        stack.callback(provider.close)
        environ = {
            **SETTINGS,
            "AIAPP_HOME": str(folder / "home"),
            "DATABASE_URL": url,
            "REDIS_URL": f"redis://{CENTRE}:{redis.connection_pool.connection_kwargs['port']}/0",
            "AIAPP_OUTBOUND_ALLOW": provider.origin,
        }
        upgrade = [sys.executable, "-m", "aiapp.processes.cli", "db", "upgrade"]
        subprocess.run(upgrade, env={**os.environ, **environ}, check=True, capture_output=True)
        machine = Machine(environ, folder / "log")
        stack.callback(machine.close)
        office = Office(environ, provider, ["acme", "rival"])
        stack.callback(office.close)
        try:
            figures = live(machine, office, redis, executions)
        except BaseException:
            print("".join((folder / "log").read_text().splitlines(keepends=True)[-100:]), file=sys.stderr)
            raise
    print("three hosts, two schedulers, PostgreSQL:")
    for name, value in figures.items():
        print(f"  {name:28}{value}")


def live(machine: Machine, office: Office, redis: Redis, executions: int) -> dict[str, object]:
    """What happens to the hosts while executions are submitted."""
    for slug in office.access:
        for name in "ab":
            office.credential(slug, f"{slug}/{name}")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    machine.start(None, "web", "--port", str(port), "--processes", "1")
    schedulers = list(HOSTS)[:2]
    for host in schedulers:
        machine.start(host, "scheduler")
    for host in HOSTS:
        machine.start(host, "worker", "--concurrency", "20")
    assert eventually(lambda: leader(redis) and len(redis.smembers("rq:workers")) == len(HOSTS), 120)
    begun = time.monotonic()
    crowd = Crowd(office, port, executions, 6.0, list(office.access))
    time.sleep(3)
    first = leader(redis)
    assert first in {machine.pid(f"scheduler of {host}") for host in schedulers}
    os.kill(first, signal.SIGKILL)
    killed = time.monotonic()
    # Only a leader sweeps: what this worker leaves behind now is found by the next one.
    os.kill(machine.pid("worker of aiapp-h1"), signal.SIGKILL)
    assert eventually(lambda: leader(redis) not in (0, first), LEAD_SECONDS + HOLD_SECONDS + 10)
    noticed = time.monotonic() - killed
    assert alive(leader(redis))
    assert not alive(first)
    ip("link", "set", cable(3), "down")
    time.sleep(CUT_OFF_SECONDS)
    ip("link", "set", cable(3), "up")
    crowd.join()
    submitted = time.monotonic()
    assert eventually(office.ended, PATIENCE), office.statuses()
    calls = Counter(call.host for call in office.provider.calls)
    assert set(HOSTS.values()) <= set(calls), calls
    return {
        "next leader after": f"{noticed:.1f} s (at most {LEAD_SECONDS + HOLD_SECONDS:.0f} s)",
        "host cut off for": f"{CUT_OFF_SECONDS:.0f} s",
        "calls by host": dict(calls),
        "submitted in": f"{submitted - begun:.0f} s",
        "until all had ended": f"{time.monotonic() - submitted:.0f} s",
        **audit(office),
    }


def missing() -> str | None:
    """What this machine lacks, in words."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return "network namespaces need root and the command ip (Debian: iproute2)"
    if postgresql.find_binaries() is None or postgresql.unprivileged() is None:
        return "no PostgreSQL server can be started here (Debian: postgresql)"
    try:
        ip("netns", "add", "aiapp-try")
        ip("netns", "del", "aiapp-try")
    except subprocess.CalledProcessError as error:
        return f"network namespaces cannot be made here: {error.stderr.decode().strip()}"
    return None


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    why = missing()
    if why:
        print(f"skipped: {why}")
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
