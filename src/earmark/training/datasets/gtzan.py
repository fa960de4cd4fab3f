"""Load GTZAN: 30-second clips of ten genres, with the fault-filtered split.

The split leaves out repetitions, distorted clips, and artists that would be on two sides. Users bring its three text
lists. One clip of the training list, jazz.00054, is damaged in most copies. One test clip is 0.34 % of accuracy, so
results need several seeds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from earmark.errors import DatasetError
from earmark.tagging.bundle.card import TagName
from earmark.training.datasets.base import SIDES, Dataset, DatasetTrack, Report, Split
from earmark.training.datasets.catalogue import Catalogue
from earmark.training.datasets.csv_file import read_lines
from earmark.training.datasets.options import check_root, check_switches, did_you_mean, folder_below, listed
from earmark.training.datasets.splits import OfficialSide, OfficialSplit

NAME = "gtzan"
LICENCE = "None stated: commercial recordings, collected for research."
CITATION = (
    "G. Tzanetakis, P. Cook, 'Musical genre classification of audio signals', IEEE Transactions on Speech and Audio "
    "Processing 10(5), 2002; the split: C. Kereliuk, B. L. Sturm, J. Larsen, 'Deep learning and music adversaries', "
    "IEEE Transactions on Multimedia 17(11), 2015."
)
LAYOUT = """\
blues/blues.00000.wav ...    ten folders, one a genre, of 100 clips: .wav, .au or .mp3
train_filtered.txt           the split's three lists, below the root (or the option lists), a clip a line:
valid_filtered.txt           blues/blues.00029.wav, or blues.00029; they may also be called
test_filtered.txt            gtzan_fault_filtered_train.txt and so on"""

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
SPLIT = "fault-filtered"
OFFICIAL: Mapping[str, OfficialSplit] = {
    SPLIT: OfficialSplit(
        {
            "train": OfficialSide(443, "45b0559cf45903ec086b2574c90b25a7c13afe8a745b3e0a75c88cf638f9a3f6"),
            "valid": OfficialSide(197, "c34d8571b9faa99824e24ba03f148896c214edb2d45c9dba9e5aa4e00d61c6ab"),
            "test": OfficialSide(290, "3cf8153aadb753633149901616416027ba4fd03b91ad5fdf7bed687398dc226a"),
        }
    )
}
DAMAGED = frozenset({"jazz.00054"})
"""A clip that cannot be decoded in most copies; without it the training side has 442 clips."""

_SUFFIXES = (".wav", ".au", ".mp3", ".flac", ".ogg")
_FILE = re.compile(rf"({'|'.join(GENRES)})\.000\d\d\.(wav|au|mp3|flac|ogg)")
_LIST_NAMES = ("{}_filtered.txt", "gtzan_fault_filtered_{}.txt")
_CLIP = re.compile(r"(?:.*/)?(?P<clip>(?P<genre>[a-z]+)\.\d{5})(?:\.[a-z0-9]+)?")


def load(
    root: Path,
    lists: str | Path = ".",
    audio_folder: str | Path = ".",
    allow_missing: bool = False,
    verify: bool = False,
) -> Dataset:
    """Load the clips of the split `fault-filtered` under `root`, each with one of ten genres.

    Tracks are named by their files, such as jazz.00054. Each is its own group: the split has every artist on one side,
    but the files do not name artists. Where jazz.00054 is absent or cannot be opened it is left out, and `left_out`
    names it.

    Args:
        root: the folder of the dataset (`LAYOUT`).
        lists: the folder of the split's lists.
        audio_folder: the folder of the genre folders.
        allow_missing: leave out clips whose file is absent or empty.
        verify: require the official lists.

    Raises:
        DatasetError: there are no genre folders, a list is missing or has a line that names no clip, or audio is
            missing.
    """
    check_switches(allow_missing=allow_missing, verify=verify)
    catalogue = _catalogue(root, lists, audio_folder)
    if verify:
        catalogue.verify()
    present = catalogue.present(allow_missing=allow_missing)
    return Dataset(
        name=NAME,
        licence=LICENCE,
        citation=CITATION,
        layout=LAYOUT,
        task="one-label",
        tags=tuple(TagName(genre, "genres") for genre in GENRES),
        tracks=present.tracks,
        splits=present.splits,
        left_out=present.left_out,
    )


def check(root: Path, lists: str | Path = ".", audio_folder: str | Path = ".") -> Report:
    """Report which clips are found, missing, corrupt or unexpected, and compare the split with the official one."""
    return _catalogue(root, lists, audio_folder).report()


def _catalogue(root: Path, lists: str | Path, audio_folder: str | Path) -> Catalogue:
    audio = folder_below(root, "audio_folder", audio_folder)
    check_root(root, "GTZAN", LAYOUT, ".")
    if not any((audio / genre).is_dir() for genre in GENRES):
        raise DatasetError(
            f"{audio} holds no folder of a genre ({listed(GENRES, most=10)}); name the folder that holds them as the "
            f"option audio_folder, or another root. The root of GTZAN holds:\n{LAYOUT}"
        )
    folder = folder_below(root, "lists", lists)
    sides = {side: tuple(_clips(_list_file(folder, side))) for side in SIDES}
    split = Split(SPLIT, **sides)
    tracks = tuple(_track(audio, clip) for side in SIDES for clip in sides[side])
    others = len(set(_clips_there(audio)) - {track.identifier for track in tracks})
    notes = (f"{others} clips are in no list of the split, as its authors meant it",) if others else ()
    return Catalogue(
        name=NAME,
        root=root,
        tracks=tracks,
        splits={SPLIT: split},
        official=OFFICIAL,
        faulty=DAMAGED,
        others=_FILE,
        notes=notes,
    )


def _list_file(folder: Path, side: str) -> Path:
    names = [name.format(side) for name in _LIST_NAMES]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise DatasetError(
        f"{folder} holds none of {listed(names)}, the {side} list of the fault-filtered split; bring its authors' "
        "three lists, and name their folder as the option lists."
    )


def _clips(path: Path) -> Iterator[str]:
    for line in read_lines(path):
        form = _CLIP.fullmatch(line)
        if form is None or form["genre"] not in GENRES:
            hint = did_you_mean(form["genre"], GENRES) if form else ""
            raise DatasetError(f"{path} names {line!r}; expected a clip such as 'blues/blues.00029.wav'.{hint}")
        yield form["clip"]


def _track(audio: Path, clip: str) -> DatasetTrack:
    genre = clip.split(".")[0]
    places = [audio / genre / (clip + suffix) for suffix in _SUFFIXES]
    path = next((place for place in places if place.is_file()), places[0])
    return DatasetTrack(clip, path, tuple(float(genre == name) for name in GENRES), clip)


def _clips_there(audio: Path) -> Iterator[str]:
    """Yield the names of the clips whose files exist, in a list or not."""
    for genre in GENRES:
        for path in (audio / genre).glob(f"{genre}.*"):
            if _FILE.fullmatch(path.name):
                yield path.stem
