"""Load MagnaTagATune: 29-second clips of Magnatune's music with the 50 most used tags of the players of a game.

Two protocols are in use whose results must not be compared. `mtat-lee` is that of the letter: clips with at least one
of the 50 tags and at least 29.1 s. `mtat-full` is that of musicnn and most later work: all clips. Both split by folder.
The sides share no recording, but 45 of the 75 test artists are also in the training side, which every result must
state.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from earmark.audio.duration import header_duration_seconds
from earmark.errors import DatasetError, DecodeError
from earmark.tagging.bundle.card import TagName
from earmark.training.datasets.base import Dataset, DatasetTrack, Report, Split
from earmark.training.datasets.catalogue import Catalogue
from earmark.training.datasets.csv_file import CsvRow, stream_rows
from earmark.training.datasets.options import check_root, check_switches, folder_below
from earmark.training.datasets.splits import OfficialSide, OfficialSplit

NAME = "magnatagatune"
LICENCE = "Audio: CC BY-NC-SA 1.0, by Magnatune's artists. Tags: for research, by the players of TagATune."
CITATION = (
    "E. Law, K. West, M. Mandel, M. Bay, J. S. Downie, 'Evaluation of algorithms using games: "
    "the case of music tagging', ISMIR 2009."
)
LAYOUT = """\
annotations_final.csv     tab-separated: clip_id, a column of 0 and 1 a tag (188), mp3_path
clip_info_final.csv       optional, tab-separated: artist and mp3_path tell which artists the sides share
0/*.mp3 ... f/*.mp3       25 863 clips, as mp3_path names them, below the root (or the option audio_folder)"""

TAGS = (
    *("guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast", "piano"),
    *("ambient", "beat", "violin", "vocal", "synth", "female", "indian", "opera", "male", "singing"),
    *("vocals", "no vocals", "harpsichord", "loud", "quiet", "flute", "woman", "male vocal", "no vocal", "pop"),
    *("soft", "sitar", "solo", "man", "classic", "choir", "voice", "new age", "dance", "male voice"),
    *("female vocal", "beats", "harp", "cello", "no voice", "weird", "country", "female voice", "metal", "choral"),
)
"""The 50 most used tags, in the authors' order; others swap two of them, so tags are matched by name."""
EMPTY_CLIPS = frozenset(
    {
        "6/norine_braun-now_and_zen-08-gently-117-146",
        "8/jacob_heringman-josquin_des_prez_lute_settings-19-gintzler__pater_noster-204-233",
        "9/american_baroque-dances_and_suites_of_rameau_and_couperin-25-le_petit_rien_xiveme_ordre_couperin-88-117",
    }
)
"""The three clips whose files are empty in the official set."""
SHORTEST_SECONDS = 29.1
FOLDERS: Mapping[str, str] = {"train": "0123456789ab", "valid": "c", "test": "def"}

LEE, FULL, ANY_LENGTH = "mtat-lee", "mtat-full", "mtat-lee-any-length"
OFFICIAL: Mapping[str, OfficialSplit] = {
    LEE: OfficialSplit(
        {
            "train": OfficialSide(15_244, "760d6ee3ca9e06c72c54a05a497ffb55e99e732d396d60e88faa354adfad53f7"),
            "valid": OfficialSide(1_529, "627d01251e121ff9799fc9348e61ef254856c937ea0f2926e48df97a51e30b26"),
            "test": OfficialSide(4_332, "d9ccbeb990a73910d24351f1339b26ae7f0cea4d2de254abfc67413ddc8bebbd"),
        }
    ),
    ANY_LENGTH: OfficialSplit(
        {"train": OfficialSide(15_250), "valid": OfficialSide(1_529), "test": OfficialSide(4_332)}
    ),
    FULL: OfficialSplit({"train": OfficialSide(18_706), "valid": OfficialSide(1_825), "test": OfficialSide(5_329)}),
}

_TABLE = "annotations_final.csv"
_INFO = "clip_info_final.csv"
_PATH = re.compile(r"(?P<folder>[0-9a-f])/(?P<recording>[^/]+)-\d+-\d+\.mp3")


def load(
    root: Path,
    length_test: bool = True,
    audio_folder: str | Path = ".",
    allow_missing: bool = False,
    verify: bool = False,
) -> Dataset:
    """Load the clips under `root` with the 50 most used tags, and the splits `mtat-lee` and `mtat-full`.

    Tracks are named by their paths without `.mp3` and grouped by recording. The three clips that are empty in the
    official set are left out.

    Args:
        root: the folder of the dataset (`LAYOUT`).
        length_test: read the length of every tagged clip from its header, as `mtat-lee` requires; clips that are absent
            or whose header cannot be read pass. Without the test the split is `mtat-lee-any-length`, with 6 more
            training clips.
        audio_folder: the folder of the folders 0 to f.
        allow_missing: leave out clips whose file is absent or empty.
        verify: require the official splits.

    Raises:
        DatasetError: annotations_final.csv or one of its columns is missing, a value is not 0 or 1, a path has another
            form, or audio is missing.
    """
    check_switches(length_test=length_test, allow_missing=allow_missing, verify=verify)
    catalogue = _catalogue(root, length_test, audio_folder)
    if verify:
        catalogue.verify()
    present = catalogue.present(allow_missing=allow_missing)
    return Dataset(
        name=NAME,
        licence=LICENCE,
        citation=CITATION,
        layout=LAYOUT,
        task="multi-label",
        tags=tuple(TagName(label, "tags") for label in TAGS),
        tracks=present.tracks,
        splits=present.splits,
        left_out=present.left_out,
    )


def check(root: Path, length_test: bool = True, audio_folder: str | Path = ".") -> Report:
    """Report which clips are found, missing, corrupt or unexpected, and compare both splits with the official ones."""
    check_switches(length_test=length_test)
    return _catalogue(root, length_test, audio_folder).report()


def _catalogue(root: Path, length_test: bool, audio_folder: str | Path) -> Catalogue:
    check_root(root, "MagnaTagATune", LAYOUT, _TABLE)
    audio = folder_below(root, "audio_folder", audio_folder)
    tracks, empty = [], 0
    for row in stream_rows(root / _TABLE, ("mp3_path", *TAGS)):
        track = _track(root, audio, row)
        if track.identifier in EMPTY_CLIPS:
            empty += 1
        else:
            tracks.append(track)
    if not tracks:
        raise DatasetError(f"{root / _TABLE} lists no clips; bring the original.")
    tagged = [track for track in tracks if 1.0 in track.targets]
    long_enough = [track for track in tagged if _is_long_enough(track.path)] if length_test else tagged
    lee = _split(LEE if length_test else ANY_LENGTH, long_enough)
    full = _split(FULL, tracks)
    notes = [f"{empty} clips are empty files in the official set and are left out"] if empty else []
    return Catalogue(
        name=NAME,
        root=root,
        tracks=tuple(tracks),
        splits={lee.name: lee, full.name: full},
        official=OFFICIAL,
        others=re.compile("|".join(re.escape(f"{clip[2:]}.mp3") for clip in EMPTY_CLIPS)),
        notes=(*notes, *_shared_artists(root, tracks)),
    )


def _track(root: Path, audio: Path, row: CsvRow) -> DatasetTrack:
    path = row.cells["mp3_path"]
    form = _PATH.fullmatch(path)
    if form is None:
        raise DatasetError(
            f"Line {row.line} of {root / _TABLE} has the mp3_path {path!r}; "
            "expected folder/name-start-end.mp3 with a folder from 0 to f, such as '6/name-117-146.mp3'."
        )
    strange = [label for label in TAGS if row.cells[label] not in ("0", "1")]
    if strange:
        raise DatasetError(
            f"Line {row.line} of {root / _TABLE} has {row.cells[strange[0]]!r} as {strange[0]!r}; expected 0 or 1."
        )
    targets = tuple(float(row.cells[label]) for label in TAGS)
    return DatasetTrack(path.removesuffix(".mp3"), audio / path, targets, form["recording"])


def _is_long_enough(path: Path) -> bool:
    try:
        return header_duration_seconds(path) >= SHORTEST_SECONDS
    except DecodeError:
        return True


def _split(name: str, tracks: Iterable[DatasetTrack]) -> Split:
    members: dict[str, list[str]] = {side: [] for side in FOLDERS}
    for track in tracks:
        side = next(side for side, folders in FOLDERS.items() if track.identifier[0] in folders)
        members[side].append(track.identifier)
    return Split(name, *(tuple(members[side]) for side in ("train", "valid", "test")))


def _shared_artists(root: Path, tracks: Iterable[DatasetTrack]) -> Iterator[str]:
    """Yield a sentence on the artists who are in both test and training side, where clip_info_final.csv exists."""
    if not (root / _INFO).is_file():
        return
    listed = {f"{track.identifier}.mp3" for track in tracks}
    artists: dict[str, set[str]] = {side: set() for side in FOLDERS}
    for row in stream_rows(root / _INFO, ("artist", "mp3_path")):
        path = row.cells["mp3_path"]
        if path in listed:
            side = next(side for side, folders in FOLDERS.items() if path[0] in folders)
            artists[side].add(row.cells["artist"])
    shared = artists["test"] & artists["train"]
    yield f"{len(shared)} of the {len(artists['test'])} artists in test are in train too: say so beside any figure"
