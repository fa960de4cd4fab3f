"""Music of Debian's packages: read without installing, licences, recordings that are there twice, folds, resuming."""

import csv
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.audio.decode import decode
from earmark.audio.encode import write_flac
from earmark.errors import DatasetError
from earmark.training.datasets import debian, debian_package
from earmark.training.datasets.csv_file import CsvRow
from earmark.training.datasets.debian_package import DebianPackage, download, licence_of
from earmark.training.datasets.fingerprint import Fingerprint, fingerprint, similarities

RATE_HZ = 22_050
LICENCES = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: game

Files: *
Copyright: 2020 Somebody
License: GPL-2+

Files: data/music/*
Copyright: 2020 A musician
License: CC-BY-SA-3.0
 The text of it.

Files: data/music/free.flac
Copyright: none
License: CC0-1.0

License: CC0-1.0
 No rights reserved.
"""
needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs the program dpkg-deb")
needs_fpcalc = pytest.mark.skipif(shutil.which("fpcalc") is None, reason="needs the program fpcalc (Chromaprint)")


def melody(seed: int, seconds: float = 24.0) -> np.ndarray:
    """Notes drawn by a seed, four a second, with overtones."""
    generator = np.random.default_rng(seed)
    note = np.arange(RATE_HZ // 4) / RATE_HZ
    notes = []
    for _ in range(round(4 * seconds)):
        pitches = 110 * 2 ** (generator.integers(0, 36, 3) / 12)
        sound = sum(np.sin(2 * np.pi * pitch * part * note) / part for pitch in pitches for part in (1, 2, 3))
        notes.append(sound * np.exp(-4 * note))
    samples = np.concatenate(notes)
    return (0.5 * samples / np.abs(samples).max()).astype(np.float32)


Make = Callable[..., Path]


@pytest.fixture
def make_package(tmp_path: Path) -> Make:
    """Build a package of sounds (by path, samples or bytes) into the folder of packages of a root."""

    def make(name: str, files: dict[str, np.ndarray | bytes], source: str = "", licences: str = LICENCES) -> Path:
        tree = tmp_path / f"tree-{name}"
        for path, content in files.items():
            place = tree / path
            place.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                place.write_bytes(content)
            else:
                write_flac(place, content, RATE_HZ)
        (tree / "usr/share/doc" / name).mkdir(parents=True)
        (tree / "usr/share/doc" / name / "copyright").write_text(licences, encoding="utf-8")
        (tree / "DEBIAN").mkdir()
        control = f"Package: {name}\nVersion: 1.0\nArchitecture: all\nSection: games\nMaintainer: A <a@example.org>\n"
        control += f"Source: {source}\n" if source else ""
        (tree / "DEBIAN" / "control").write_text(f"{control}Description: music\n", encoding="utf-8")
        packages = tmp_path / "root" / "packages"
        packages.mkdir(parents=True, exist_ok=True)
        deb = packages / f"{name}_1.0_all.deb"
        subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree, deb], check=True, capture_output=True)
        return deb

    return make


def rows(*places: tuple[str, str]) -> list[CsvRow]:
    """Rows of a list, of packages and paths."""
    empty = dict.fromkeys(debian.LIST_COLUMNS, "")
    return [CsvRow(line, empty | {"package": package, "path": path}) for line, (package, path) in enumerate(places, 2)]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@needs_dpkg
def test_files_of_a_package_and_of_archives_in_it(make_package: Make, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "music.pk3", "w") as archive:
        archive.writestr("music/inside.txt", b"inside")
    files = {"usr/share/game/plain.txt": b"plain", "usr/share/game/music.pk3": (tmp_path / "music.pk3").read_bytes()}
    package = DebianPackage(make_package("game-data", files, source="game (1.0-2)"))
    found = dict(package.files(lambda path: True))
    assert found.pop(package.copyright_path) == LICENCES.encode()
    assert found == {"usr/share/game/plain.txt": b"plain", "usr/share/game/music.pk3/music/inside.txt": b"inside"}
    assert package.name == "game-data"
    assert package.field("Section") == "games"
    assert package.field("Source").startswith("game")
    assert [path for path, _ in package.files(lambda path: path.endswith("inside.txt"))] == [
        "usr/share/game/music.pk3/music/inside.txt"
    ]


@needs_dpkg
@pytest.mark.parametrize("content", [b"", b"no package", b"!<arch>\n"])
def test_what_is_no_package_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "game_1_all.deb").write_bytes(content)
    with pytest.raises(DatasetError, match="game_1_all"):
        list(DebianPackage(tmp_path / "game_1_all.deb").files(lambda path: True))


@needs_dpkg
def test_a_package_that_was_cut_is_told(make_package: Make) -> None:
    deb = make_package("game", {"usr/share/game/noise.bin": np.random.default_rng(0).bytes(200_000)})
    deb.write_bytes(deb.read_bytes()[:100_000])
    with pytest.raises(DatasetError, match="Download it anew"):
        list(DebianPackage(deb).files(lambda path: True))


@pytest.mark.parametrize(
    ("path", "licence"),
    [
        ("usr/share/games/game/icon.png", "GPL-2+"),
        ("usr/share/games/game/music/one.ogg", "CC-BY-SA-3.0"),
        ("usr/share/games/game/music/deeper/one.ogg", "CC-BY-SA-3.0"),
        ("usr/share/games/game/music/free.flac", "CC0-1.0"),
        ("usr/share/games/game.pk3/data/music/free.flac", "CC0-1.0"),
    ],
)
def test_licences_of_a_machine_readable_file(path: str, licence: str) -> None:
    assert licence_of(LICENCES, path) == licence


def test_licences_of_other_files() -> None:
    said = "It is free.\nSee /usr/share/common-licenses/GPL-2, and `/usr/share/common-licenses/Apache-2.0'."
    assert licence_of(said, "a.ogg") == "named: Apache-2.0, GPL-2"
    assert licence_of("Do what you like.", "a.ogg") == "see its copyright file"
    assert licence_of("", "a.ogg") == "see its copyright file"


def test_a_package_is_downloaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    apt = programs / "apt-get"
    apt.write_text(
        '#!/bin/sh\n[ "$3" = game ] || { echo "E: Unable to locate $3" >&2; exit 100; }\n: > game_2.0_all.deb\n'
    )
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    folder = tmp_path / "packages"
    assert download("game", folder).path == folder / "game_2.0_all.deb"
    assert [path.name for path in folder.iterdir()] == ["game_2.0_all.deb"]
    with pytest.raises(DatasetError, match="Unable to locate other"):
        download("other", folder)
    apt.unlink()
    monkeypatch.setenv("PATH", str(programs))
    assert download("game", folder).name == "game"
    with pytest.raises(DatasetError, match="apt-get is not here"):
        download("other", folder)


@given(seconds=st.floats(1, 4_000))
def test_excerpts_lie_in_the_recording(seconds: float) -> None:
    excerpts = debian.excerpts_of(seconds)
    assert 1 <= len(excerpts) <= debian.MOST_EXCERPTS
    ends = [start + length for start, length in excerpts]
    assert excerpts[0][0] == 0
    assert ends[-1] == pytest.approx(seconds)
    assert all(end <= start + 1e-6 for end, (start, _) in zip(ends, excerpts[1:], strict=False))
    assert all(length <= 1.5 * debian.EXCERPT_SECONDS for _, length in excerpts)
    assert seconds < 30 or all(length >= debian.EXCERPT_SECONDS / 1.5 for _, length in excerpts)


@needs_fpcalc
def test_a_recording_is_found_again_louder_and_in_part() -> None:
    one, other = melody(1), melody(2)
    later = 0.3 * one[8 * RATE_HZ :]
    later += 0.001 * np.random.default_rng(0).normal(size=len(later)).astype(np.float32)
    prints = {
        name: fingerprint(samples, RATE_HZ) for name, samples in (("one", one), ("other", other), ("later", later))
    }
    found = list(similarities(prints))
    assert [(each.first, each.second) for each in found] == [("one", "later")]
    assert found[0].share > 0.8


@needs_fpcalc
def test_of_too_short_a_sound_there_is_no_fingerprint() -> None:
    with pytest.raises(DatasetError, match=r"no fingerprint of 0\.1 s"):
        fingerprint(np.zeros(RATE_HZ // 10, np.float32), RATE_HZ)


def test_without_fpcalc_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DatasetError, match="libchromaprint-tools"):
        fingerprint(np.zeros(RATE_HZ, np.float32), RATE_HZ)


def test_nothing_is_alike_to_silence_or_to_nothing() -> None:
    prints: dict[str, Fingerprint] = {
        "nothing": np.zeros(0, np.uint32),
        "silence": np.full(400, 627_964_279, np.uint32),
        "more silence": np.full(400, 627_964_279, np.uint32),
    }
    assert list(similarities(prints)) == []


MUSIC = "usr/share/game/music"


@needs_dpkg
@needs_fpcalc
def test_music_is_fetched_once_and_grouped_by_project(
    make_package: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, three = melody(1), melody(2), melody(3, 100)
    stems = {f"{MUSIC}/song.flac": two, f"{MUSIC}/guitar.flac": 0.5 * melody(4)}
    make_package("first-data", {f"{MUSIC}/one.flac": one, **stems}, source="first (1.0)")
    make_package("second-data", {f"{MUSIC}/again.flac": 0.5 * one, f"{MUSIC}/three.flac": three}, source="second")
    make_package(
        "third-data", {f"{MUSIC}/known.flac": melody(5), f"{MUSIC}/six.flac": melody(6), f"{MUSIC}/bad.flac": b""}
    )
    beside = tmp_path / "free"
    (beside / "audio").mkdir(parents=True)
    write_flac(beside / "audio" / "m5.flac", melody(5)[3 * RATE_HZ : 20 * RATE_HZ], RATE_HZ)
    (beside / "tracks.csv").write_text("track,file,fold\nm5,audio/m5.flac,3\n", encoding="utf-8")
    wanted = rows(
        ("first-data", f"{MUSIC}/one.flac"),
        ("first-data", f"{MUSIC}/song.flac|{MUSIC}/guitar.flac"),
        ("second-data", f"{MUSIC}/again.flac"),
        ("second-data", f"{MUSIC}/three.flac"),
        *(("third-data", f"{MUSIC}/{name}.flac") for name in ("known", "six", "bad", "absent")),
    )
    root = tmp_path / "root"
    failed = debian.fetch(root, wanted, [beside], lambda line: None)
    assert [("bad" in line, "absent" in line) for line in failed] == [(True, False), (False, True)]
    tracks = table(root / "tracks.csv")
    assert set(tracks[0]) == set(debian.TRACK_COLUMNS)
    kept = [Path(track["path"].partition("|")[0]).stem for track in tracks]
    assert kept == ["one", "song", "three", "three", "six"]
    assert {track["source"] for track in tracks[:4]} == {"first"}
    assert len({track["fold"] for track in tracks[:4]}) == 1
    assert (tracks[4]["source"], tracks[4]["fold"]) == ("third-data", "3")
    assert {(track["licence"], track["may_ship"]) for track in tracks} == {("CC-BY-SA-3.0", "yes")}
    left_out = table(root / "left-out.csv")
    assert [(Path(line["path"]).stem, line["same_as"]) for line in left_out] == [
        ("again", tracks[0]["track"].rpartition("-")[0]),
        ("known", "m5"),
    ]
    for track in tracks:
        with decode(root / track["file"]) as sound:
            samples = np.concatenate(list(sound))
        assert len(samples) / RATE_HZ == pytest.approx(float(track["seconds"]), abs=0.01)
    assert debian.check(root).ok
    assert not debian.check(root).unexpected
    before = (root / "tracks.csv").read_bytes()

    def refuse(*arguments: object) -> None:
        pytest.fail(f"downloaded or read anew: {arguments}")

    monkeypatch.setattr(debian, "download", refuse)
    monkeypatch.setattr(debian, "fingerprint", refuse)
    assert debian.fetch(root, wanted, [beside], lambda line: None) == failed
    assert (root / "tracks.csv").read_bytes() == before
    # Without the other collection its track comes back, without being read anew.
    debian.fetch(root, wanted, [], lambda line: None)
    assert "known" in [Path(track["path"]).stem for track in table(root / "tracks.csv")]
    assert debian.check(root).ok


@needs_dpkg
@needs_fpcalc
def test_a_list_of_which_nothing_can_be_read_is_refused(make_package: Make, tmp_path: Path) -> None:
    make_package("game", {f"{MUSIC}/bad.flac": b"no sound"})
    with pytest.raises(DatasetError, match="None of 1 files"):
        debian.fetch(tmp_path / "root", rows(("game", f"{MUSIC}/bad.flac")), [], lambda line: None)


def test_the_list_that_comes_with_earmark() -> None:
    listed = debian.music_list()
    assert len(listed) > 500
    assert all(float(row.cells["seconds"]) >= 25 and row.cells["licence"] for row in listed)
    places = [(row.cells["package"], row.cells["path"]) for row in listed]
    assert len(set(places)) == len(places)
    assert debian_package.UNKNOWN_LICENCE not in {row.cells["licence"] for row in listed[:60]}
