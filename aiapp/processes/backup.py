"""Snapshots: a tar file with a manifest, the database, and the home's secrets where asked for. Consistent while all goes on."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask

from aiapp import queue
from aiapp.accounts.models import User
from aiapp.columns import now
from aiapp.config import Settings
from aiapp.errors import Unavailable
from aiapp.extensions import db, settings
from aiapp.processes import contents, database, postgresql
from aiapp.processes.children import ProcessError

FORMAT = 1
MANIFEST, SNAPSHOT = "manifest.json", "database"
SECRETS = ("secret_key", "master_key")
KEPT = "before-restore"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A backup as it was written or brought back.

    `place` is the database, `holds` what is in it, in words; `secrets` are those of SECRETS that the backup has; `kept` is the
    file that has the data that was there before.
    """

    place: str
    holds: str
    secrets: tuple[str, ...]
    made: str = ""
    kept: Path | None = None


def save(app: Flask, file: Path, *, with_secrets: bool) -> Snapshot:
    """Write a snapshot to `file`, readable by its owner alone. Raises ProcessError, also where the file exists."""
    if file.exists():
        raise ProcessError(f"{file} exists already")
    with app.app_context(), _beside(file) as folder:
        config = settings()
        has, _ = database.revisions(app)
        holds = contents.summary()
        db.session.remove()
        snapshot = folder / SNAPSHOT
        if config.sqlite:
            _copy_sqlite(_sqlite_file(), snapshot)
        else:
            postgresql.dump(config.database_url, snapshot)
        manifest = {
            "format": FORMAT,
            "aiapp": version("aiapp"),
            "created_at": now().isoformat(),
            "database": db.engine.dialect.name,
            "revision": has,
            "sha256": _digest(snapshot),
        }
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        draft = folder / "draft.tar"
        with tarfile.open(draft, "w") as tar:
            tar.add(folder / MANIFEST, MANIFEST)
            tar.add(snapshot, SNAPSHOT)
            found = tuple(name for name in SECRETS if with_secrets and (config.home / name).exists())
            for name in found:
                tar.add(config.home / name, f"secrets/{name}")
        draft.chmod(0o600)
        os.link(draft, file)  # all of it, or nothing; and never over another file
        return Snapshot(_place(), holds, found)


def restore(app: Flask, file: Path, *, replace: bool) -> Snapshot:
    """Bring back the snapshot in `file`. Nothing is changed before everything was checked.

    Raises ProcessError where aiapp runs, where data is there and `replace` is not asked for, or where the file does not fit.
    """
    with app.app_context(), _stopped(settings()), _beside(_target(settings())) as folder:
        config = settings()
        manifest, secrets = _unpack(file, folder)
        _check(app, manifest, folder / SNAPSHOT)
        data = _has_data()
        if data and not replace:
            raise ProcessError("there is data already: --replace replaces it")
        db.session.remove()
        db.engine.dispose()
        kept = None
        if config.sqlite:
            kept = _put_sqlite(folder / SNAPSHOT, _sqlite_file(), keep=data)
        else:
            postgresql.restore(config.database_url, folder / SNAPSHOT)
        for name, text in secrets.items():
            _put_secret(config.home / name, text)
        return Snapshot(_place(), contents.summary(), tuple(secrets), _made(manifest), kept)


def _copy_sqlite(source: Path, target: Path) -> None:
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as here,
        closing(sqlite3.connect(target)) as there,
    ):
        here.backup(there)
        there.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it


def _put_sqlite(snapshot: Path, target: Path, *, keep: bool) -> Path | None:
    """Put the snapshot in the place of `target`; return where that is now, if it is to be kept."""
    kept = _kept(target) if keep else None
    for ending in ("", "-wal", "-shm"):
        part = target.with_name(target.name + ending)
        if part.exists() and kept is not None:
            part.replace(kept.with_name(kept.name + ending))
        part.unlink(missing_ok=True)
    with snapshot.open("rb") as file:
        os.fsync(file.fileno())
    snapshot.chmod(0o600)
    snapshot.replace(target)
    return kept


def _kept(path: Path) -> Path:
    """Return a free name beside `path`: what an earlier restore has put aside is never overwritten."""
    names = (f"{path.name}.{KEPT}{number}" for number in ("", *(f"-{number}" for number in range(2, 1000))))
    return next(free for name in names if not (free := path.with_name(name)).exists())


def _put_secret(path: Path, text: bytes) -> None:
    if path.exists() and path.read_bytes() != text:
        path.replace(_kept(path))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(text)


def _unpack(file: Path, folder: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Take the members that a snapshot has, by name: no path in the archive is ever followed."""
    try:
        with tarfile.open(file) as tar:
            manifest = json.loads(_member(tar, MANIFEST))
            with (folder / SNAPSHOT).open("wb") as out, _opened(tar, SNAPSHOT) as source:
                while piece := source.read(1 << 20):
                    out.write(piece)
            names = set(tar.getnames())
            secrets = {name: _member(tar, f"secrets/{name}") for name in SECRETS if f"secrets/{name}" in names}
    except (tarfile.TarError, KeyError, ValueError, OSError) as error:
        raise ProcessError(f"{file} is not a backup of aiapp, or it is damaged") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ProcessError(f"{file} is a backup of another version of aiapp")
    return manifest, secrets


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    with _opened(tar, name) as source:
        text: bytes = source.read(1 << 20)
        return text


def _opened(tar: tarfile.TarFile, name: str) -> Any:
    source = tar.extractfile(name)
    if source is None:
        raise KeyError(name)
    return source


def _check(app: Flask, manifest: dict[str, Any], snapshot: Path) -> None:
    if manifest.get("sha256") != _digest(snapshot):
        raise ProcessError("the backup is damaged: its database is not what was written")
    dialect = db.engine.dialect.name
    if manifest.get("database") != dialect:
        raise ProcessError(f"the backup is of {manifest.get('database')}, DATABASE_URL names {dialect}")
    if not database.knows(app, manifest.get("revision")):
        raise ProcessError(f"the backup is of a newer aiapp ({manifest.get('aiapp')}): install that one")
    if settings().sqlite:
        with closing(sqlite3.connect(f"file:{snapshot}?mode=ro", uri=True)) as copy:
            found = copy.execute("PRAGMA integrity_check").fetchone()
        if found != ("ok",):
            raise ProcessError(f"the backup is damaged: {found[0]}")


def _has_data() -> bool:
    known = sa.inspect(db.engine).has_table(User.__tablename__)
    return known and db.session.scalar(sa.select(User.id).limit(1)) is not None


@contextmanager
def _stopped(config: Settings) -> Iterator[None]:
    """Hold the embedded Redis's lock, so that aiapp neither runs nor starts; workers elsewhere are asked for in Redis."""
    folder = config.home / "redis"
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            running = queue.workers() > 0
        except BlockingIOError:
            running = True
        except Unavailable:
            running = False
        if running:
            raise ProcessError("aiapp is running: stop it first")
        yield


@contextmanager
def _beside(file: Path) -> Iterator[Path]:
    """A private folder on the same disk as `file`, so that what is made there can be put in place in one step."""
    try:
        with tempfile.TemporaryDirectory(prefix=".aiapp-", dir=file.absolute().parent) as name:
            yield Path(name)
    except OSError as error:
        raise ProcessError(f"{file.absolute().parent} cannot be written to ({error.strerror})") from error


def _target(config: Settings) -> Path:
    return _sqlite_file() if config.sqlite else config.home / SNAPSHOT


def _place() -> str:
    url = db.engine.url
    return str(url.database) if db.engine.dialect.name == "sqlite" else url.render_as_string(hide_password=True)


def _made(manifest: dict[str, Any]) -> str:
    return f"{str(manifest.get('created_at'))[:16].replace('T', ' ')} UTC by aiapp {manifest.get('aiapp')}"


def _sqlite_file() -> Path:
    # Flask-SQLAlchemy has resolved a relative path: the engine knows where the file is.
    return Path(db.engine.url.database or "")


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
