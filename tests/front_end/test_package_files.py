"""The front-end files that npm fetches: pinned, from no named place, and all that the pages ask for."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import aiapp

ROOT = Path(aiapp.__file__).parent.parent
STATIC = ROOT / "aiapp" / "static"
PACKAGE = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
COPIED = set(PACKAGE["aiapp"]["copy"].values())


@pytest.mark.parametrize("name", ["package.json", "package-lock.json", ".npmrc"])
def test_no_file_of_npm_names_an_address(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert '"resolved"' not in text
    assert "registry=" not in text


def test_every_package_is_pinned_and_has_a_checksum():
    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    wanted = PACKAGE["dependencies"] | PACKAGE["devDependencies"]
    for name, version in wanted.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), f"{name} {version} is a range"
        assert lock[f"node_modules/{name}"]["version"] == version
    for path, entry in lock.items():
        assert not path or entry["integrity"].startswith("sha512-"), path


def test_pages_and_style_sheets_ask_for_nothing_that_is_not_copied():
    document = (ROOT / "aiapp" / "templates" / "document.html").read_text(encoding="utf-8")
    sheets = "".join(path.read_text(encoding="utf-8") for path in [STATIC / "app.css", *(STATIC / "css").glob("*.css")])
    asked = set(re.findall(r"filename='vendor/([^']+)'", document)) | set(
        re.findall(r"/static/vendor/([^)\"]+)", sheets)
    )
    assert "htmx.min.js" in asked, "the reading finds what it looks for"
    assert asked <= COPIED


def test_what_only_tests_need_is_no_part_of_the_product():
    assert not COPIED & set(PACKAGE["aiapp"]["copy_test"].values())
    assert {source.split("/")[0] for source in PACKAGE["aiapp"]["copy_test"]} <= set(PACKAGE["devDependencies"])


def test_each_package_that_is_shipped_comes_with_its_licence():
    def package_of(source: str) -> str:
        return "/".join(source.split("/")[: 2 if source.startswith("@") else 1])

    sources = PACKAGE["aiapp"]["copy"]
    licensed = {package_of(source) for source in sources if "/LICENSE" in source}
    assert licensed == set(PACKAGE["dependencies"])


def test_the_script_evaluates_nothing_and_writes_no_html():
    script = "".join(path.read_text(encoding="utf-8") for path in STATIC.glob("*.js"))
    assert not re.search(
        r"\beval\s*\(|new Function|innerHTML|outerHTML|insertAdjacentHTML|document\.write|setTimeout\(\s*[\"'`]", script
    )


def test_the_style_sheets_import_nothing():
    for path in [STATIC / "app.css", *(STATIC / "css").glob("*.css")]:
        text = path.read_text(encoding="utf-8")
        assert "@import" not in text, path.name
        assert "://" not in text, path.name
