"""Zip files of prompt templates: written the same way every time, and read with distrust."""

from __future__ import annotations

import io
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator

from aiapp.prompt_files.found import Refused

MOST_ENTRIES = 1_000
MOST_UNPACKED = 10 * 1024 * 1024
MOST_RATIO = 200  # text packs to a tenth; what packs to less than a two-hundredth is a bomb

_ENTRY = b"PK\x01\x02"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time that a zip knows: equal contents are equal files
_UNSAFE = re.compile(r"\A(?:/|\\|[A-Za-z]:)|(?:\A|[/\\])\.\.(?:[/\\]|\Z)|[\\\x00-\x1f]")


def is_zip(data: bytes) -> bool:
    """Whether these bytes are a zip file."""
    return data.startswith(_ZIP)


def pack(files: Iterable[tuple[str, str]]) -> bytes:
    """Return a zip file of these names and texts."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files:
            info = zipfile.ZipInfo(name, _EPOCH)
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, text)
    return buffer.getvalue()


def unpack(data: bytes) -> list[tuple[str, bytes]]:
    """Return the names and contents of a zip file; folders and what a Mac adds are passed over. Raises Refused, for all of it."""
    if data.count(_ENTRY) > MOST_ENTRIES:  # before the list of them is made
        raise Refused(f"This zip file has more than {MOST_ENTRIES:,} entries.")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            wanted = list(_wanted(archive.infolist()))
            return list(_contents(archive, wanted))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError) as error:
        if isinstance(error, Refused):
            raise
        raise Refused("This zip file is damaged.") from error


def _wanted(entries: list[zipfile.ZipInfo]) -> Iterator[zipfile.ZipInfo]:
    names: set[str] = set()
    for entry in entries:
        name = entry.filename
        mode = entry.external_attr >> 16
        if not name:
            raise Refused("This zip file has an entry without a name.")
        if _UNSAFE.search(name) or _UNSAFE.search(entry.orig_filename):
            raise Refused("This zip file has a name that leads out of its folder.")
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise Refused("This zip file has a link or a device in it.")
        if entry.flag_bits & 0x1:
            raise Refused("This zip file is encrypted.")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Refused("This zip file is packed in a way that is not read here.")
        if name in names:
            raise Refused(f"This zip file has {name[:100]} twice.")
        names.add(name)
        hidden = any(part.startswith(".") for part in name.split("/")) or name.startswith("__MACOSX/")
        if not entry.is_dir() and not hidden:
            yield entry
    size, packed = sum(entry.file_size for entry in entries), sum(entry.compress_size for entry in entries)
    if size > MOST_UNPACKED or size > MOST_RATIO * max(packed, 1024):
        raise Refused(f"This zip file unpacks to more than {MOST_UNPACKED // 1024**2} MB.")


def _contents(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> Iterator[tuple[str, bytes]]:
    left = MOST_UNPACKED
    for entry in entries:
        with archive.open(entry) as file:
            content = file.read(left + 1)  # what the list says of sizes may be a lie
        left -= len(content)
        if left < 0:
            raise Refused(f"This zip file unpacks to more than {MOST_UNPACKED // 1024**2} MB.")
        if content.startswith(_ZIP):
            raise Refused("This zip file has another one in it.")
        yield entry.filename, content
