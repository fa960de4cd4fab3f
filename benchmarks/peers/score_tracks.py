"""Score music with the twelve teachers: score_tracks.py FOLDER_OR_FILE ... [--teachers NAME ...] [--pack].

    python benchmarks/peers/score_tracks.py --teachers jamendo-fcn -- ../shared/data/emotify/audio
    .venv-peers/litert/bin/python benchmarks/peers/score_tracks.py --teachers yamnet -- ../shared/data/free/audio
    python benchmarks/peers/score_tracks.py --pack

Each teacher writes one file for each track, OUTPUT/TEACHER/TRACK.npz, where TRACK is the name of the sound file without
its ending. A file is written completely or not at all, and existing files are kept, so a run that was killed can be
started again. A file holds `scores`, float16 (windows, tags) in 0..1; `hidden`, float16 (windows, units), the teacher's
last hidden layer, if it has one; and `starts`, float32 (windows,), in seconds. OUTPUT/TEACHER/labels.json holds the
tags and the length of a window. --pack gathers the files of a teacher into OUTPUT/TEACHER.npz for training. That file
holds `labels`, `window_seconds`, and for each track the scores as TRACK and the starts as TRACK/starts.

Windows of up to 4 seconds follow one another, and the end of the track that fills no window is dropped. Longer windows
(29 s) are spread evenly over the track, at most 20 seconds apart. A track that is shorter than a window is repeated.
"""

import argparse
import io
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from teachers import TEACHERS, Sound, Teacher, load_teacher

from earmark.audio.decode import decode
from earmark.errors import EarmarkError
from earmark.file_errors import file_errors

SHORT_SECONDS = 4.0
"""Windows up to this length follow one another."""
LONG_HOP_SECONDS = 20.0
"""Choice: the largest distance between the starts of longer windows; two of 29 seconds then cover 49 seconds."""
LABELS = "labels.json"
TELL_SECONDS = 60.0
NOT_SOUND = frozenset({".csv", ".json", ".txt", ".md"})


def window_starts(samples: int, teacher: Teacher) -> list[int]:
    """Return where the windows of a track start, in samples; a track shorter than a window has one window at 0."""
    rest = samples - teacher.window_samples
    if rest <= 0:
        return [0]
    if teacher.window_seconds <= SHORT_SECONDS:
        return list(range(0, rest + 1, teacher.window_samples))
    windows = 1 + math.ceil(rest / (LONG_HOP_SECONDS * teacher.rate_hz))
    return [round(start) for start in np.linspace(0, rest, windows)]


def windows_of(path: Path, teacher: Teacher) -> tuple[Sound, list[int]]:
    """Return the windows of a file, (windows, samples) float32, and their starts in samples."""
    with file_errors(str(path)), decode(path, teacher.rate_hz) as sound:
        samples = np.concatenate(list(sound))
        starts = window_starts(len(samples), teacher)
        if len(samples) < teacher.window_samples:
            samples = np.resize(samples, teacher.window_samples)
        return np.stack([samples[start : start + teacher.window_samples] for start in starts]), starts


def heard_in_batches(
    files: Sequence[Path], teacher: Teacher, batch_windows: int, failed: list[str]
) -> Iterator[tuple[Path, list[int], npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    """Yield the starts, scores and hidden layer of each file; windows of several files form one batch.

    A file that cannot be decoded is reported, added to `failed` and skipped.
    """
    waiting: list[tuple[Path, list[int], Sound]] = []
    for number, path in enumerate(files, start=1):
        try:
            windows, starts = windows_of(path, teacher)
            waiting.append((path, starts, windows))
        except EarmarkError as error:
            print(f"not scored: {error}", file=sys.stderr, flush=True)
            failed.append(str(path))
        if waiting and (number == len(files) or sum(len(starts) for _, starts, _ in waiting) >= batch_windows):
            together = np.concatenate([windows for _, _, windows in waiting])
            parts = [teacher.hear(together[at : at + batch_windows]) for at in range(0, len(together), batch_windows)]
            scores, hidden = (np.concatenate([part[place] for part in parts]) for place in range(2))
            at = 0
            for each, starts, _ in waiting:
                rows = slice(at, at + len(starts))
                yield each, starts, scores[rows], hidden[rows]
                at += len(starts)
            waiting = []


def score(teacher: Teacher, files: Sequence[Path], output: Path, batch_windows: int) -> list[str]:
    """Score the files that have no scores yet, and return the paths that could not be decoded."""
    folder = output / teacher.name
    folder.mkdir(parents=True, exist_ok=True)
    described = json.dumps({"labels": teacher.labels, "window_seconds": teacher.window_seconds})
    _write(folder / LABELS, described.encode())
    wanted = [path for path in files if not (folder / f"{path.stem}.npz").exists()]
    print(f"{teacher.name}: {len(wanted)} of {len(files)} tracks to score", flush=True)
    failed: list[str] = []
    started = told = time.perf_counter()
    seconds = 0.0
    results = heard_in_batches(wanted, teacher, batch_windows, failed)
    for number, (path, starts, scores, hidden) in enumerate(results, start=1):
        seconds_of = np.array(starts, np.float32) / np.float32(teacher.rate_hz)
        arrays: dict[str, npt.NDArray[Any]] = {"scores": scores.astype(np.float16), "starts": seconds_of}
        if hidden.shape[1]:
            arrays["hidden"] = hidden.astype(np.float16)
        _write(folder / f"{path.stem}.npz", _archive(arrays))
        seconds += (starts[-1] + teacher.window_samples) / teacher.rate_hz
        now = time.perf_counter()
        if now - told > TELL_SECONDS or number == len(wanted):
            told, speed = now, seconds / (now - started)
            print(f"{teacher.name}: {number} of {len(wanted)}, {speed:.0f} s of sound a second", flush=True)
    return failed


def pack(name: str, output: Path) -> None:
    """Gather the files of a teacher into one archive."""
    folder = output / name
    described = json.loads((folder / LABELS).read_text(encoding="utf-8"))
    arrays = {"labels": np.array(described["labels"]), "window_seconds": np.array(described["window_seconds"])}
    files = sorted(folder.glob("*.npz"))
    for path in files:
        with np.load(path) as archive:
            arrays[path.stem], arrays[f"{path.stem}/starts"] = archive["scores"], archive["starts"]
    _write(output / f"{name}.npz", _archive(arrays))
    print(f"{output / name}.npz: {len(files)} tracks", flush=True)


def sound_files(places: Sequence[Path]) -> list[Path]:
    """Return the named files and those in named folders; SystemExit for an absent one or two files of one name."""
    absent = [str(place) for place in places if not place.exists()]
    if absent:
        raise SystemExit(f"There is no {absent[0]}; expected folders and files of sound.")
    files = [
        path
        for place in places
        for path in (sorted(place.iterdir()) if place.is_dir() else [place])
        if path.is_file() and path.suffix not in NOT_SOUND
    ]
    twice = [stem for stem, count in Counter(path.stem for path in files).items() if count > 1]
    if twice:
        raise SystemExit(f"{len(twice)} names stand for several files, such as {twice[0]!r}; each needs its own.")
    return files


def main() -> None:
    """Score, pack, or both; the exit status is 1 if a file could not be decoded."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("places", nargs="*", type=Path, help="folders and files of sound")
    parser.add_argument("--teachers", nargs="+", choices=TEACHERS, default=list(TEACHERS), help="default: all twelve")
    parser.add_argument("--weights", type=Path, default=Path("../shared/data/teacher/weights"))
    parser.add_argument("--output", type=Path, default=Path("runs/teachers"))
    parser.add_argument("--device", default="cpu", help="where torch runs its networks, such as cuda")
    parser.add_argument("--batch-windows", type=int, default=4, help="windows in a batch")
    parser.add_argument("--pack", action="store_true", help="gather the files of each teacher into one archive")
    options = parser.parse_args()
    files = sound_files(options.places)
    failed: list[str] = []
    for name in options.teachers:
        if files:
            teacher = load_teacher(name, options.weights, options.device)
            failed += score(teacher, files, options.output, options.batch_windows)
        if options.pack and (options.output / name).is_dir():
            pack(name, options.output)
    if failed:
        raise SystemExit(f"{len(set(failed))} of {len(files)} files could not be decoded; see the messages above.")


def _archive(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    # The numpy of musicnn's environment would store any further argument as an array.
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _write(path: Path, content: bytes) -> None:
    """Write a file under another name and rename it, so that a killed run leaves no partial file."""
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(content)
    unfinished.replace(path)


if __name__ == "__main__":
    main()
