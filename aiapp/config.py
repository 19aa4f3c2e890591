"""The environment, read once into typed settings; a wrong value stops the start and names its variable."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
import secrets
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Number = TypeVar("Number", int, float)

# sun_path holds 108 bytes on Linux, 104 elsewhere; redis-server itself stops at 100.
SOCKET_PATH_BYTES = 100


class ConfigError(Exception):
    """A variable of the environment cannot be used. The message names it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting of a process. Times are seconds, sizes bytes."""

    home: Path
    database_url: str
    redis_url: str
    redis_embedded: bool
    secret_key: str = field(repr=False)
    master_keys: tuple[bytes, ...] = field(repr=False)
    base_url: str | None
    trusted_proxies: tuple[Network, ...]
    outbound_allow: frozenset[str]
    max_retries: int
    retry_base_seconds: float
    retry_max_seconds: float
    connect_timeout: float
    idle_timeout: float
    total_timeout: float
    lease_seconds: float
    shutdown_seconds: float
    sweep_seconds: float
    max_request_bytes: int
    max_response_bytes: int
    health_check_seconds: float
    raw_days: int
    retention_days: int
    log_level: str
    log_prompts: bool
    sign_up: bool
    demo: bool
    host: str
    port: int

    @property
    def sqlite(self) -> bool:
        """Whether the database is a SQLite file."""
        return self.database_url.startswith("sqlite")


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read `environ` (default: the process's own).

    Every NAME may be given as NAME_FILE, a path to a file that holds the value. Missing secrets are generated once and kept
    in the home directory with mode 0600. Raises ConfigError.
    """
    env = _Environment(os.environ if environ is None else environ)
    home = Path(env.text("AIAPP_HOME") or "instance").absolute()
    _make_home(home)
    redis_url = env.text("REDIS_URL")
    demo = env.flag("AIAPP_DEMO", default=False)
    allowed = env.origins("AIAPP_OUTBOUND_ALLOW")
    return Settings(
        home=home,
        database_url=env.database_url("DATABASE_URL") or f"sqlite:///{home / 'aiapp.db'}",
        redis_url=redis_url or f"unix://{redis_socket(home)}",
        redis_embedded=redis_url is None,
        secret_key=env.secret("AIAPP_SECRET_KEY", low=16) or _generated(home / "secret_key"),
        master_keys=env.keys("AIAPP_MASTER_KEYS") or _parse_keys("master_key", _generated(home / "master_key")),
        base_url=env.url("AIAPP_BASE_URL"),
        trusted_proxies=env.networks("AIAPP_TRUSTED_PROXIES"),
        outbound_allow=allowed | {"localhost:11434", "localhost:1234"} if demo else allowed,
        max_retries=env.number("AIAPP_MAX_RETRIES", 5, low=0, high=20),
        retry_base_seconds=env.number("AIAPP_RETRY_BASE_SECONDS", 5.0, low=0.0, high=3600.0),
        retry_max_seconds=env.number("AIAPP_RETRY_MAX_SECONDS", 300.0, low=0.0, high=86400.0),
        connect_timeout=env.number("AIAPP_CONNECT_TIMEOUT", 5.0, low=0.1, high=120.0),
        idle_timeout=env.number("AIAPP_IDLE_TIMEOUT", 60.0, low=0.1, high=3600.0),
        total_timeout=env.number("AIAPP_TOTAL_TIMEOUT", 600.0, low=0.1, high=86400.0),
        lease_seconds=env.number("AIAPP_LEASE_SECONDS", 60.0, low=1.0, high=3600.0),
        shutdown_seconds=env.number("AIAPP_SHUTDOWN_SECONDS", 10.0, low=0.0, high=600.0),
        sweep_seconds=env.number("AIAPP_SWEEP_SECONDS", 30.0, low=0.5, high=3600.0),
        max_request_bytes=env.number("AIAPP_MAX_REQUEST_BYTES", 2 * 2**20, low=1024, high=2**30),
        max_response_bytes=env.number("AIAPP_MAX_RESPONSE_BYTES", 10 * 2**20, low=1024, high=2**30),
        health_check_seconds=env.number("AIAPP_HEALTH_CHECK_SECONDS", 900.0, low=0.0, high=86400.0),
        raw_days=env.number("AIAPP_RAW_DAYS", 30, low=0, high=3650),
        retention_days=env.number("AIAPP_RETENTION_DAYS", 0, low=0, high=36_500),
        log_level=env.choice("AIAPP_LOG_LEVEL", "info", {"debug", "info", "warning", "error"}),
        log_prompts=env.flag("AIAPP_LOG_PROMPTS", default=False),
        sign_up=env.flag("AIAPP_SIGN_UP", default=demo),
        demo=demo,
        host=env.text("AIAPP_HOST") or "127.0.0.1",
        port=env.number("AIAPP_PORT", 8000, low=0, high=65535),
    )


def redis_socket(home: Path) -> Path:
    """Return where the embedded Redis of `home` listens; a home too deep for a socket path gets one in the temporary folder."""
    socket = home / "redis" / "redis.sock"
    if len(os.fsencode(socket)) < SOCKET_PATH_BYTES:
        return socket
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"aiapp-{os.getuid()}-{digest}" / "redis.sock"


class _Environment:
    """Typed look-ups that name the variable when its value is wrong."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str) -> str | None:
        value = self._environ.get(name, "").strip()
        file = self._environ.get(f"{name}_FILE", "").strip()
        if value and file:
            raise ConfigError(f"{name} and {name}_FILE are both set; keep one")
        if file:
            try:
                value = Path(file).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"{name}_FILE: {file} cannot be read ({error.__class__.__name__})") from error
        return value or None

    def flag(self, name: str, *, default: bool) -> bool:
        value = self.text(name)
        if value is None:
            return default
        if value.lower() in {"1", "true", "yes", "on"}:
            return True
        if value.lower() in {"0", "false", "no", "off"}:
            return False
        raise ConfigError(f"{name} must be 1 or 0, not {value!r}")

    def number(self, name: str, default: Number, *, low: Number, high: Number) -> Number:
        value = self.text(name)
        if value is None:
            return default
        try:
            number = type(default)(value)
        except ValueError as error:
            raise ConfigError(f"{name} must be a number, not {value!r}") from error
        if not low <= number <= high:
            raise ConfigError(f"{name} must be between {low} and {high}, not {value}")
        return number

    def choice(self, name: str, default: str, choices: set[str]) -> str:
        value = (self.text(name) or default).lower()
        if value not in choices:
            raise ConfigError(f"{name} must be one of {', '.join(sorted(choices))}, not {value!r}")
        return value

    def url(self, name: str) -> str | None:
        value = self.text(name)
        if value is not None and not re.fullmatch(r"https?://[^/\s?#]+", value.rstrip("/")):
            raise ConfigError(f"{name} must be an address such as https://ai.example.com, not {value!r}")
        return value.rstrip("/") if value else None

    def database_url(self, name: str) -> str | None:
        value = self.text(name)
        if value is None:
            return None
        if value.startswith(("postgres://", "postgresql://")):  # the spelling of other tools; ours names the driver
            value = "postgresql+psycopg://" + value.split("://", 1)[1]
        if not value.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ConfigError(f"{name} must begin with sqlite:/// or postgresql://")
        start, _, path = value.partition("sqlite:///")
        return f"sqlite:///{Path(path).absolute()}" if not start and path else value

    def networks(self, name: str) -> tuple[Network, ...]:
        try:
            return tuple(ipaddress.ip_network(part, strict=False) for part in self._parts(name))
        except ValueError as error:
            raise ConfigError(f"{name} must be a comma list of addresses or networks ({error})") from error

    def origins(self, name: str) -> frozenset[str]:
        parts = frozenset(part.lower() for part in self._parts(name))
        for part in parts:
            if not re.fullmatch(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+):[0-9]{1,5}", part):
                raise ConfigError(f"{name} must be a comma list of exact host:port, not {part!r}")
        return parts

    def secret(self, name: str, *, low: int) -> str | None:
        value = self.text(name)
        if value is not None and len(value) < low:
            raise ConfigError(f"{name} must have at least {low} characters, which nobody can guess")
        return value

    def keys(self, name: str) -> tuple[bytes, ...]:
        value = self.text(name)
        return _parse_keys(name, value) if value else ()

    def _parts(self, name: str) -> list[str]:
        return [part.strip() for part in (self.text(name) or "").split(",") if part.strip()]


def _parse_keys(name: str, value: str) -> tuple[bytes, ...]:
    keys = []
    for part in value.split(","):
        try:
            key = b64decode(part.strip(), altchars=b"-_", validate=True)
        except ValueError as error:
            raise ConfigError(f"{name} must be a comma list of base64 keys") from error
        if len(key) != 32:
            raise ConfigError(f"{name}: a key is 32 bytes in base64; make one with: openssl rand -base64 32")
        keys.append(key)
    return tuple(keys)


def _make_home(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
        with suppress(PermissionError):  # somebody else's folder keeps its mode
            home.chmod(0o700)  # the database in it holds prompts, answers and password hashes
    except OSError as error:
        raise ConfigError(f"AIAPP_HOME: {home} cannot be made ({error.strerror})") from error
    if not os.access(home, os.W_OK | os.X_OK):
        raise ConfigError(f"AIAPP_HOME: {home} cannot be written to")


def _generated(path: Path) -> str:
    """Return the secret that `path` holds; where there is none yet, make one that every process will agree on."""
    if not path.exists():
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(b64encode(secrets.token_bytes(32)))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # unlike a rename, a link never replaces what another process was faster with
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text(encoding="ascii").strip()
