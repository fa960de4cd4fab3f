"""Miniature copies of the published datasets' real layouts."""

import csv
import functools
import io
import pickle
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np

from earmark.audio.encode import write_flac
from earmark.training.datasets import magnatagatune, million_song


@functools.cache
def mp3(seconds: float = 0.5, rate_hz: int = 16_000) -> bytes:
    """Return a quiet tone as an MP3 of one bit rate without a Xing header."""
    file = io.BytesIO()
    samples = np.full((1, int(seconds * rate_hz)), 0.1, np.float32)
    with av.open(file, "w", format="mp3", options={"write_xing": "0"}) as container:
        stream = container.add_stream("libmp3lame", rate=rate_hz)
        stream.bit_rate, stream.layout = 32_000, "mono"
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = rate_hz
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return file.getvalue()


def _copies(source: bytes, paths: Sequence[Path]) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source)


MTAT_CLIPS = (
    *("0/bach-mass-01-kyrie-0-29", "0/bach-mass-01-kyrie-30-59", "6/bach-mass-02-gloria-0-29", "b/abba-hits-03-x-0-29"),
    *("c/cage-songs-01-y-0-29", "c/cage-songs-02-z-0-29", "d/davis-blue-01-so-0-29", "f/bach-mass-04-agnus-30-59"),
)


def magnatagatune_files(root: Path) -> Path:
    """Eight clips, of which one is short and two have none of the 50 tags; and one that is empty officially."""
    _copies(mp3(29.2), [root / f"{clip}.mp3" for clip in MTAT_CLIPS])
    _copies(mp3(28.0), [root / f"{MTAT_CLIPS[1]}.mp3"])
    empty = min(magnatagatune.EMPTY_CLIPS)
    _copies(b"", [root / f"{empty}.mp3"])
    # The real columns stand in no order that anybody should rely on.
    columns = ["clip_id", "zither", *sorted(magnatagatune.TAGS), "mp3_path"]
    untagged = (MTAT_CLIPS[2], MTAT_CLIPS[5])
    with (root / "annotations_final.csv").open("w", newline="") as file:
        lines = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL)
        lines.writerow(columns)
        for number, clip in enumerate((*MTAT_CLIPS, empty)):
            tags = {"zither"} if clip in untagged else {"guitar", magnatagatune.TAGS[number + 1]}
            lines.writerow([number, *(int(name in tags) for name in columns[1:-1]), f"{clip}.mp3"])
    with (root / "clip_info_final.csv").open("w", newline="") as file:
        lines = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL)
        lines.writerow(["clip_id", "track_number", "title", "artist", "album", "mp3_path"])
        for number, clip in enumerate(MTAT_CLIPS):
            lines.writerow([number, 1, "title", clip[2:].split("-")[0], "album", f"{clip}.mp3"])
    return root


def msd_identifier(number: int) -> str:
    """A name as the Million Song Dataset gives its tracks."""
    return f"TRAAAAW128F429{number:04X}"


def _write_pickle(path: Path, content: object) -> None:
    # Protocol 2 is the newest that Python 2 wrote.
    path.write_bytes(pickle.dumps(content, protocol=2))


def _previews(root: Path, identifiers: Sequence[str]) -> list[Path]:
    seven = {identifier: str(8_947_470 + number) for number, identifier in enumerate(identifiers)}
    inside = {number: f"{number[0]}/{number[1]}/{number}.clip.mp3" for number in seven.values()}
    _write_pickle(root / "MSD_id_to_7D_id.pkl", seven)
    _write_pickle(root / "7D_id_to_path.pkl", inside)
    paths = [root / "audio" / place for place in inside.values()]
    _copies(mp3(), paths)
    return paths


def million_song_files(root: Path, *, database: bool = False) -> list[Path]:
    """Ten previews, five to train, two to validate and three to test on; the paths of the previews."""
    root.mkdir(parents=True)
    names = [msd_identifier(number) for number in range(10)]
    _write_pickle(root / "filtered_list_train.cP", names[:7])
    if database:
        (root / "filtered_list_test.txt").write_text("\n".join(names[7:]) + "\n")
        _last_fm(root / "lastfm_tags.db", names)
    else:
        _write_pickle(root / "filtered_list_test.cP", names[7:])
        order = million_song.TAGS[::-1]
        (root / "50tagList.txt").write_text("\n".join(order) + "\n")
        vectors = {}
        for number, name in enumerate(names):
            vector = np.zeros((50, 1))
            vector[order.index(million_song.TAGS[number])] = 1
            vectors[name] = vector
        _write_pickle(root / "msd_id_to_tag_vector.cP", vectors)
    return _previews(root, names)


def _last_fm(path: Path, names: Sequence[str]) -> None:
    labels = ["seen live", *million_song.TAGS]
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE tids (tid TEXT)")
        connection.execute("CREATE TABLE tags (tag TEXT)")
        connection.execute("CREATE TABLE tid_tag (tid INT, tag INT, val FLOAT)")
        connection.executemany("INSERT INTO tids VALUES (?)", [(name,) for name in names])
        connection.executemany("INSERT INTO tags VALUES (?)", [(label,) for label in labels])
        rows = [(track, track + 1, 100.0) for track in range(1, len(names) + 1)]
        rows += [(track, 1, 100.0) for track in range(1, len(names) + 1)] + [(1, 3, 50.0)]
        connection.executemany("INSERT INTO tid_tag VALUES (?, ?, ?)", rows)
    connection.close()


def tagtraum_files(root: Path, *, lists: bool = True) -> list[Path]:
    """Twenty previews of two genres, with the authors' lists or without; the paths of the previews."""
    root.mkdir(parents=True)
    names = [msd_identifier(number) for number in range(20)]
    lines = [f"{name}\t{('Rock', 'New Age')[number % 2]}" for number, name in enumerate(names)]
    (root / "msd_tagtraum_cd2c.cls").write_text("# CD2C\n#\n" + "\n".join(lines) + "\n")
    if lists:
        _write_pickle(root / "train_list.cP", names[:14])
        _write_pickle(root / "test_list.cP", names[14:19])
    return _previews(root, names)


def gtzan_files(root: Path) -> Path:
    """Eight clips of two genres in the lists, jazz.00054 damaged among them, and one clip in no list."""
    clips = {
        "train": ["blues.00029", "blues.00030", "jazz.00054", "jazz.00055"],
        "valid": ["blues.00000", "jazz.00001"],
        "test": ["blues.00012", "jazz.00012"],
    }
    for side, names in clips.items():
        for name in [*names, "blues.00099"]:
            path = root / name.split(".")[0] / f"{name}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_flac(path, np.full(4_410, 0.1, np.float32), 22_050)
        lines = (f"{name.split('.')[0]}/{name}.wav" for name in names)
        (root / f"{side}_filtered.txt").write_text("\n".join(lines) + "\n")
    (root / "jazz" / "jazz.00054.wav").write_bytes(b"no sound at all " * 100)
    return root


def jamendo_files(root: Path) -> Path:
    """Eight tracks of eight artists in two of the five splits."""
    rows = []
    for number in range(8):
        place = f"{50 + number}/13762{50 + number}.mp3"
        _copies(mp3(), [root / "audio" / place])
        tags = ("genre---rock", "instrument---piano", "mood/theme---happy")[number % 3 :]
        cells = (f"track_13762{50 + number}", f"artist_{number:06d}", "album_161779", place, "166.0", *tags)
        rows.append("\t".join(cells))
    header = "\t".join(("TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "DURATION", "TAGS"))
    for split, shift in ((0, 0), (3, 2)):
        turned = rows[shift:] + rows[:shift]
        folder = root / "data" / "splits" / f"split-{split}"
        folder.mkdir(parents=True)
        for ending, part in (("train", turned[:4]), ("validation", turned[4:6]), ("test", turned[6:])):
            text = "\n".join((header, *part)) + "\n"
            (folder / f"autotagging_top50tags-{ending}.tsv").write_text(text)
    return root


def fma_files(root: Path, subset: str = "small") -> Path:
    """Six clips of the small subset, two more of the medium one, one of the large one, and one without sound."""
    upper = ["", "album", "artist", "set", "set", "track", "track"]
    lower = ["", "title", "id", "split", "subset", "genre_top", "title"]
    sides = ("training", "training", "validation", "test", "test", "training")
    rows = [[2 + 139 * number, "x", 7 + number, side, "small", "Folk"] for number, side in enumerate(sides)]
    rows += [[5_000, "x", 90, "training", "medium", "Jazz"], [5_001, "x", 91, "test", "medium", "Rock"]]
    rows += [[99_134, "x", 92, "training", "small", "Hip-Hop"], [6_000, "x", 93, "training", "large", ""]]
    (root / "fma_metadata").mkdir(parents=True)
    with (root / "fma_metadata" / "tracks.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerows([upper, lower, ["track_id", *[""] * 6]])
        lines.writerows([*row, 'A "title",\nin two lines'] for row in rows)
    wanted = ("small", "medium") if subset == "medium" else ("small",)
    names = [f"{row[0]:06d}" for row in rows if row[4] in wanted]
    _copies(mp3(), [root / f"fma_{subset}" / name[:3] / f"{name}.mp3" for name in names])
    (root / f"fma_{subset}" / "099" / "099134.mp3").write_bytes(b"ID3 and nothing behind it")
    return root
