"""The built site: no warning, no page left out, nothing loaded from outside, and everything to be found in it."""

import html
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pydantic", reason="needs the extra train")

from generation.commands import commands
from generation.errors import error_classes
from generation.recipe_keys import sections

import earmark

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


def shown(page: Path) -> str:
    """The text of a page as a reader sees it."""
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8")))


def test_every_page_is_built(site: Path) -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        built = (site / page.relative_to(ROOT / "docs")).with_suffix(".html")
        assert built.exists(), f"{page.name} is not in the site"


def test_everything_is_in_the_site(site: Path) -> None:
    reference = site / "reference"
    for command in commands():
        text = shown(reference / "commands" / f"{command.slug or 'index'}.html")
        for each in command.parameters:
            assert all(name in text for name in each.names)
    keys = shown(reference / "recipe-keys.html")
    for _, section in sections():
        assert all((field.alias or name) in keys for name, field in section.model_fields.items())
    names, errors = shown(reference / "python.html"), shown(reference / "errors.html")
    assert all(f"earmark.{name}" in names for name in earmark.__all__)
    assert all(name in errors for name in error_classes())


def test_the_site_needs_no_network(site: Path) -> None:
    loaded = re.compile(r"<(?:script|img|iframe|source)[^>]*\ssrc=\"([^\"]+)\"|<link[^>]*\shref=\"([^\"]+)\"")
    pages = list(site.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        for found in loaded.finditer(page.read_text(encoding="utf-8")):
            address = found[1] or found[2]
            assert not re.match(r"(https?:)?//", address), f"{page.name} loads {address}"
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert not re.search(r"url\(\s*[\"']?https?:", styles)


def test_every_command_has_a_manual_page(site: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "man", "-d", str(site.parent / "made")]
    built = subprocess.run([*command, str(ROOT / "docs"), str(tmp_path)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    names = {f"earmark-{each.slug}.1" if each.slug else "earmark.1" for each in commands()}
    assert {path.name for path in tmp_path.glob("*.1")} == names
    assert "library watch" in (tmp_path / "earmark-library-watch.1").read_text(encoding="utf-8")
