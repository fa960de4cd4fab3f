"""Load and fetch free music from Debian's archive: game scores, electronic, orchestral, rock and metal music.

Nearly all of it is instrumental. A list names the files of packages that are music. `fetch` downloads the packages,
reads them without installing them, and cuts their music into excerpts. Of recordings that occur twice, or that are in
another collection, only one is kept.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.audio.decode import decode
from earmark.audio.encode import write_flac
from earmark.errors import DatasetError, EarmarkError
from earmark.file_errors import file_errors
from earmark.training.datasets import teacher
from earmark.training.datasets.base import Dataset, Report
from earmark.training.datasets.csv_file import CsvRow, read_csv
from earmark.training.datasets.debian_package import DebianPackage, download, licence_of
from earmark.training.datasets.fingerprint import Fingerprint, Similarity, fingerprint, similarities

NAME = "debian"
LICENCE = "Each track's own, in its tracks.csv: all free, as Debian's archive (main) takes nothing else."
CITATION = "The Debian archive and the artists that tracks.csv names, https://packages.debian.org/."
LAYOUT = """\
tracks.csv           UTF-8, a row an excerpt: track, file, title, artist, source, licence, start_seconds, seconds,
                     may_ship, fold (0 to 4), package, path; `earmark data fetch debian` writes it
audio/*              the files that the column `file` names: mono, 22 050 Hz, FLAC
copyright/PACKAGE    what each package says of its licences
teacher/NAME.npz     a teacher's scores: `labels`, its tags in order, and by track (windows, tags) in 0..1"""

LIST = "debian_music.csv"
LIST_COLUMNS = ("package", "path", "seconds", "title", "artist", "licence")
TRACK_COLUMNS = (
    *("track", "file", "title", "artist", "source", "licence", "start_seconds", "seconds", "may_ship", "fold"),
    *("package", "path"),
)
STEMS = "|"
"""The separator of the paths of stems, files whose sum is one recording, such as those of Frets on Fire."""
RATE_HZ = 22_050
EXCERPT_SECONDS = 45.0
"""Choice: the approximate length of excerpts; a recording is cut into equal excerpts."""
MOST_EXCERPTS = 8
"""Choice: the most excerpts of a recording, evenly spread, so that no recording outweighs the others."""
DUPLICATE_SHARE = 0.5
"""Choice: a recording that shares more with an earlier one is left out; with less, both are in one group."""
FOLDS = 5
SAME_AUTHORS: Mapping[str, str] = dict.fromkeys(
    ("a7xpg", "gunroar", "mu-cade", "noiz2sa", "parsec47", "rrootage", "titanion", "torus-trooper", "tumiki-fighters"),
    "aba-games",
) | dict.fromkeys(("tuxmath", "tuxtype"), "tux4kids")
"""Source packages whose music has the same authors, with a common name for each."""

Sound = npt.NDArray[np.float32]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Recording:
    """A recording of a package that `fetch` stored.

    Attributes:
        track: its identifier.
        package, path: the package, and the path of the file (or of stems) in it.
        title, artist, licence: as listed, and as the copyright file of the package states.
        project: the authors' common name or the source package, which groups recordings.
        may_ship: whether the package is in Debian's main archive, not in contrib or non-free.
        excerpts: start and length in seconds of each excerpt, in order; the files are audio/TRACK-0.flac and so on.
        numbers: the fingerprint.
    """

    track: str
    package: str
    path: str
    title: str
    artist: str
    project: str
    licence: str
    may_ship: bool
    excerpts: tuple[tuple[float, float], ...]
    numbers: tuple[int, ...]

    @property
    def seconds(self) -> float:
        """The length of all excerpts together, in seconds."""
        return sum(seconds for _, seconds in self.excerpts)


def load(
    root: Path, teachers: Sequence[str] = ("mtat-musicnn", "jamendo-musicnn"), may_ship_only: bool = True
) -> Dataset:
    """Load the excerpts under `root`, with the mean score of each teacher over an excerpt's windows as targets.

    `benchmarks/peers/score_tracks.py` makes the scores. Tags, splits and errors are those of the dataset `teacher`. All
    recordings of a project are on one side of a split.
    """
    dataset = teacher.load(root, ".", "source", teachers, may_ship_only)
    return dataclasses.replace(dataset, name=NAME, licence=LICENCE, citation=CITATION, layout=LAYOUT)


def check(root: Path) -> Report:
    """Report which audio files of tracks.csv are found, missing or corrupt, and which audio it does not list."""
    return teacher.check(root, ".", "source")


def music_list(path: Path | None = None) -> tuple[CsvRow, ...]:
    """Return the rows of a list of recordings (`LIST_COLUMNS`); without a path, those of the list in the package."""
    with resources.as_file(resources.files(__package__) / LIST) as own:
        return read_csv(path or own, LIST_COLUMNS).rows


def fetch(root: Path, rows: Sequence[CsvRow], beside: Sequence[Path], say: Say) -> tuple[str, ...]:
    """Download the packages of a list, write their music below `root`, and return a line for each file that failed.

    Packages whose recordings were all stored before are not downloaded again.

    Args:
        root: the folder of the dataset.
        rows: the rows of `music_list`.
        beside: folders of other collections with a tracks.csv. Recordings that are in one of them are left out, and
            recordings that share music with one are in its fold.
        say: told the progress.

    Raises:
        DatasetError: a program (apt-get, dpkg-deb, fpcalc) is not installed, or a package cannot be downloaded.
    """
    wanted: dict[str, list[CsvRow]] = defaultdict(list)
    for row in rows:
        wanted[row.cells["package"]].append(row)
    recordings: list[Recording] = []
    failed: list[str] = []
    for number, (package, its_rows) in enumerate(wanted.items(), start=1):
        say(f"{package} ({number} of {len(wanted)})")
        record = root / "packages" / f"{package}.json"
        paths = [row.cells["path"] for row in its_rows]
        kept = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
        if kept.get("paths") != paths:
            found, lost = _unpacked(download(package, root / "packages"), its_rows, root)
            kept = {"paths": paths, "failed": lost, "recordings": [dataclasses.asdict(each) for each in found]}
            _write(record, json.dumps(kept))
        failed += kept["failed"]
        recordings += [_recording(values) for values in kept["recordings"]]
    if not recordings:
        raise DatasetError(f"None of {len(rows)} files could be read; the first: {failed[0] if failed else 'none'}.")
    say("comparing recordings")
    fold_of, others = _beside(beside, root)
    numbers = others | {each.track: np.array(each.numbers, np.uint32) for each in recordings}
    write_table(root, recordings, [each for each in similarities(numbers) if each.second not in others], fold_of)
    return tuple(failed)


def write_table(
    root: Path, recordings: Sequence[Recording], similar: Sequence[Similarity], fold_of: Mapping[str, int]
) -> None:
    """Write tracks.csv, and left-out.csv with the recordings that repeat earlier ones.

    Args:
        root: the folder of the dataset.
        recordings: all recordings.
        similar: pairs that share music; the first of each is an earlier recording or a track of another collection.
        fold_of: the folds of the tracks of other collections.
    """
    doubled = {each.second: each for each in similar if each.share >= DUPLICATE_SHARE}
    groups = _groups(recordings, similar)
    taken = [each for each in recordings if each.track not in doubled]
    folds = _folds(taken, groups, _folds_beside(recordings, groups, similar, fold_of))
    lines = []
    for each in taken:
        source = groups[each.project]
        for place, (start, seconds) in enumerate(each.excerpts):
            name = f"{each.track}-{place}"
            shared = (each.title, each.artist, source, each.licence, f"{start:.2f}", f"{seconds:.2f}")
            ship = "yes" if each.may_ship else "no"
            lines.append((name, f"audio/{name}.flac", *shared, ship, folds[source], each.package, each.path))
    _write(root / "tracks.csv", _csv((TRACK_COLUMNS, *lines)))
    out = [
        (each.package, each.path, doubled[each.track].first, f"{doubled[each.track].share:.2f}")
        for each in recordings
        if each.track in doubled
    ]
    _write(root / "left-out.csv", _csv((("package", "path", "same_as", "share"), *out)))
    _keep_only(root, {line[0] for line in lines})


def excerpts_of(seconds: float) -> tuple[tuple[float, float], ...]:
    """Return start and length in seconds of the excerpts of a recording.

    They have equal lengths of about `EXCERPT_SECONDS`; a long recording has `MOST_EXCERPTS` evenly spread excerpts.
    """
    count = max(1, round(seconds / EXCERPT_SECONDS))
    length = seconds / count
    if count <= MOST_EXCERPTS:
        return tuple((place * length, length) for place in range(count))
    return tuple((float(start), length) for start in np.linspace(0, seconds - length, MOST_EXCERPTS))


def _unpacked(package: DebianPackage, rows: Sequence[CsvRow], root: Path) -> tuple[list[Recording], list[str]]:
    """Write the excerpts of a package; return its recordings, and a line for each file that failed."""
    wanted = {package.copyright_path} | {path for row in rows for path in row.cells["path"].split(STEMS)}
    source = package.field("Source").partition(" ")[0] or package.name
    may_ship = "/" not in package.field("Section")
    found, failed = [], []
    with tempfile.TemporaryDirectory() as folder:
        files: dict[str, Path] = {}
        for path, content in package.files(wanted.__contains__):
            files[path] = Path(folder, f"{len(files)}{Path(path).suffix}")
            files[path].write_bytes(content)
        says = files.get(package.copyright_path)
        said = says.read_text(encoding="utf-8", errors="replace") if says else ""
        _write(root / "copyright" / package.name, said)
        for row in rows:
            path = row.cells["path"]
            track = hashlib.sha256(f"{package.name}/{path}".encode()).hexdigest()[:10]
            try:
                excerpts, numbers = _written([files[each] for each in path.split(STEMS)], root / "audio" / track)
            except KeyError:
                failed.append(f"{package.path.name}: there is no {path} in it")
                continue
            except EarmarkError as error:
                failed.append(f"{package.path.name}: {path}: {error}")
                continue
            words = row.cells["title"], row.cells["artist"], SAME_AUTHORS.get(source, source), licence_of(said, path)
            found.append(Recording(track, package.name, path, *words, may_ship, excerpts, tuple(numbers.tolist())))
    return found, failed


def _written(files: Sequence[Path], stem: Path) -> tuple[tuple[tuple[float, float], ...], Fingerprint]:
    """Write the excerpts of a recording (one file, or stems); return their places in it, and its fingerprint."""
    stems = [_decoded(file) for file in files]
    samples = np.zeros(max(len(each) for each in stems), np.float32)
    for each in stems:
        samples[: len(each)] += each
    samples /= max(1.0, float(np.abs(samples).max()))
    excerpts = excerpts_of(len(samples) / RATE_HZ)
    stem.parent.mkdir(parents=True, exist_ok=True)
    for place, (start, seconds) in enumerate(excerpts):
        part = samples[round(start * RATE_HZ) : round((start + seconds) * RATE_HZ)]
        write_flac(f"{stem}-{place}.flac", part, RATE_HZ)
    return excerpts, fingerprint(samples, RATE_HZ)


def _decoded(file: Path) -> Sound:
    with file_errors(str(file)), decode(file, RATE_HZ) as sound:
        return np.concatenate(list(sound))


def _beside(folders: Sequence[Path], root: Path) -> tuple[dict[str, int], dict[str, Fingerprint]]:
    """Return the folds and fingerprints of the tracks of other collections; fingerprints are computed once."""
    fold_of: dict[str, int] = {}
    numbers: dict[str, Fingerprint] = {}
    for folder in folders:
        rows = read_csv(folder / "tracks.csv", ("track", "file", "fold")).rows
        kept = root / "packages" / f"beside-{folder.name}.json"
        known: dict[str, list[int]] = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
        for row in rows:
            track = row.cells["track"]
            if track not in known:
                known[track] = fingerprint(_decoded(folder / row.cells["file"]), RATE_HZ).tolist()
            fold_of[track] = int(row.cells["fold"])
            numbers[track] = np.array(known[track], np.uint32)
        _write(kept, json.dumps(known))
    return fold_of, numbers


def _groups(recordings: Sequence[Recording], similar: Sequence[Similarity]) -> dict[str, str]:
    """Return the group of each project; projects that share music are in one group."""
    project_of = {each.track: each.project for each in recordings}
    groups = {project: project for project in project_of.values()}
    for each in similar:
        if each.first in project_of:
            pair = sorted((groups[project_of[each.first]], groups[project_of[each.second]]))
            groups = {project: pair[0] if group == pair[1] else group for project, group in groups.items()}
    return groups


def _folds_beside(
    recordings: Sequence[Recording],
    groups: Mapping[str, str],
    similar: Sequence[Similarity],
    fold_of: Mapping[str, int],
) -> dict[str, int]:
    """Return, for groups that share music with other collections, the fold with which they share most recordings."""
    project_of = {each.track: each.project for each in recordings}
    shared: dict[str, Counter[int]] = defaultdict(Counter)
    for each in similar:
        if each.first in fold_of:
            shared[groups[project_of[each.second]]][fold_of[each.first]] += 1
    return {group: min(folds, key=lambda fold: (-folds[fold], fold)) for group, folds in shared.items()}


def _folds(recordings: Sequence[Recording], groups: Mapping[str, str], given: Mapping[str, int]) -> dict[str, int]:
    """Return the fold of each group: the given fold, or the shortest so far, with the longest groups first."""
    seconds: dict[str, float] = defaultdict(float)
    for recording in recordings:
        seconds[groups[recording.project]] += recording.seconds
    folds: dict[str, int] = {}
    filled = [0.0] * FOLDS
    for group, length in sorted(seconds.items(), key=lambda each: (each[0] not in given, -each[1], each[0])):
        folds[group] = given.get(group, filled.index(min(filled)))
        filled[folds[group]] += length
    return folds


def _keep_only(root: Path, names: set[str]) -> None:
    """Move excerpts that the table does not name to the folder left-out, and excerpts that it names back."""
    audio, apart = root / "audio", root / "left-out"
    apart.mkdir(exist_ok=True)
    for path in audio.glob("*.flac"):
        if path.stem not in names:
            path.replace(apart / path.name)
    for path in apart.glob("*.flac"):
        if path.stem in names:
            path.replace(audio / path.name)


def _recording(values: dict[str, Any]) -> Recording:
    excerpts = tuple((start, seconds) for start, seconds in values["excerpts"])
    return Recording(**values | {"excerpts": excerpts, "numbers": tuple(values["numbers"])})


def _csv(lines: Sequence[Sequence[object]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def _write(path: Path, text: str) -> None:
    """Write a file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
