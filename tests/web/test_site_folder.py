"""Writing the static site, and what it refuses; what it does is in browser/test_static_site.py."""

import errno
import json
import re
from pathlib import Path

import pytest

from earmark.errors import SiteError
from earmark.tagging.bundle.bundle import read_bundle, read_bundled
from earmark.web import static_site
from earmark.web.static_site import CHANGES, SERVICE_WORKER, VENDOR, write_site

WEB = Path(static_site.__file__).parent


def test_the_page_has_each_place_that_the_site_changes() -> None:
    index = (WEB / "page" / "index.html").read_text(encoding="utf-8")
    assert {found: index.count(found) for found in CHANGES} == dict.fromkeys(CHANGES, 1)


@pytest.mark.parametrize("there", ["folder", "folder of another page that works offline", "file"])
def test_what_is_no_site_is_left_alone(there: str, tmp_path: Path) -> None:
    place = tmp_path / "out"
    if there != "file":
        place.mkdir()
    mine = {"folder": place / "mine.txt", "file": place}.get(there, place / SERVICE_WORKER)
    mine.write_text("mine")
    with pytest.raises(SiteError, match=re.escape(f"{place} cannot be written: found something else")):
        write_site(place, read_bundled("earmark-1"))
    assert mine.read_text() == "mine"


def test_missing_parts_are_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(static_site, "VENDOR", "absent")
    with pytest.raises(SiteError, match="make site-assets"):
        write_site(tmp_path / "out", read_bundled("earmark-1"))
    assert not (tmp_path / "out").exists()


def test_an_earlier_site_stays_until_the_new_one_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (WEB / "site" / VENDOR).is_dir():
        pytest.skip("needs what `make site-assets` fetches with npm")
    place, bundle = tmp_path / "out", read_bundled("earmark-1")
    write_site(place, bundle)
    before = {file: file.read_bytes() for file in place.rglob("*") if file.is_file()}

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(static_site, "write_bundle", full)
    with pytest.raises(SiteError, match="No space left"):
        write_site(place, bundle)
    assert {file: file.read_bytes() for file in place.rglob("*") if file.is_file()} == before
    assert list(tmp_path.iterdir()) == [place], "and nothing else is left"


def test_a_site_is_whole_and_is_replaced(tmp_path: Path) -> None:
    if not (WEB / "site" / VENDOR).is_dir():
        pytest.skip("needs what `make site-assets` fetches with npm")
    bundle = read_bundled("earmark-1")
    size_bytes = write_site(tmp_path, bundle)
    (tmp_path / "old.txt").write_text("of an earlier version")
    assert write_site(tmp_path, bundle) == size_bytes
    assert read_bundle(tmp_path / "model").card == bundle.card
    text = (tmp_path / SERVICE_WORKER).read_text(encoding="utf-8")
    kept = json.loads(re.findall(r"FILES = (\[.*\]);", text)[0])
    there = {file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*") if file.is_file()}
    assert {*kept, SERVICE_WORKER} == {"./", *there}
    for file in there - {"index.html"}:
        if file.endswith(".js"):
            script = (tmp_path / file).read_text(encoding="utf-8")
            for imported in re.findall(r'^(?:import|\} from|export .*from).*"(\.[^"]+)";$', script, re.MULTILINE):
                assert (tmp_path / file).parent.joinpath(imported).resolve().is_file(), (file, imported)
