"""Run a command with a PostgreSQL of its own: `python tests/postgresql.py COMMAND …`.

Where AIAPP_TEST_DATABASE_URL is set, that database is used. Else a server is started on a unix socket in a temporary folder, as
an unprivileged user, and removed afterwards. Where there is none to start, the command is not run and the reason is printed.
"""

from __future__ import annotations

import ctypes
import ipaddress
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

READY_SECONDS = 60
VARIABLE = "AIAPP_TEST_DATABASE_URL"


def find_binaries() -> Path | None:
    """The folder with initdb and postgres: the newest of Debian's, else the one on PATH."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = debian[-1] if debian else shutil.which("initdb")
    return Path(found).parent if found else None


def unprivileged() -> str | None:
    """Who the server runs as: PostgreSQL refuses root; None means as ourselves."""
    if os.geteuid() != 0:
        return None
    known = {user.pw_name for user in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in known), None)


def bound_to_parent() -> Callable[[], None]:
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(1, signal.SIGINT)  # a fast shutdown of the server when this process is killed


@contextmanager
def server(binaries: Path, network: str | None = None) -> Iterator[str]:
    """Start a server with a database and yield its URL; it is stopped and removed afterwards. Raises RuntimeError.

    Arguments:
        network: an address and the number of its network's bits (`10.0.0.1/24`), where it listens too, for everybody there.
    """
    folder = Path(tempfile.mkdtemp(prefix="aiapp-pg-"))
    user = unprivileged()
    identity = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
    if user:
        shutil.chown(folder, user)
    data = folder / "data"
    quiet = {"stdin": subprocess.DEVNULL, "cwd": folder, **identity}
    options = ["-U", "aiapp", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"]
    subprocess.run([binaries / "initdb", "-D", data, *options], check=True, stdout=subprocess.DEVNULL, **quiet)
    address = network.partition("/")[0] if network else ""
    if network:
        with (data / "pg_hba.conf").open("a") as trusted:
            trusted.write(f"host all all {ipaddress.ip_interface(network).network} trust\n")
    settings = {
        "listen_addresses": address,
        "unix_socket_directories": folder,
        "fsync": "off",
        "max_connections": "200",
    }
    arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [binaries / "postgres", "-D", data, *arguments],
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=bound_to_parent(),
            **quiet,
        )
    try:
        create = [binaries / "createdb", "-h", folder, "-U", "aiapp", "aiapp"]
        deadline = time.monotonic() + READY_SECONDS
        while subprocess.run(create, stderr=subprocess.DEVNULL, check=False).returncode:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((folder / "log").read_text())
            time.sleep(0.1)
        yield f"postgresql+psycopg://aiapp@{address}/aiapp" + ("" if network else f"?host={folder}")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def run(command: list[str], binaries: Path) -> int:
    try:
        with server(binaries) as url:
            return subprocess.run(command, env={**os.environ, VARIABLE: url}, check=False).returncode
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1


def main(command: list[str]) -> int:
    if os.environ.get(VARIABLE):
        return subprocess.run(command, check=False).returncode
    binaries = find_binaries()
    if binaries is None or (os.geteuid() == 0 and unprivileged() is None):
        print("skipped: no PostgreSQL server can be started here (Debian: apt install postgresql)")
        return 0
    return run(command, binaries)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    sys.exit(main(sys.argv[1:]))
