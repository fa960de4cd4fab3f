"""Music that earmark composes and plays itself, so that a model can be trained on any machine.

Its tags live at different levels and time-scales: an instrument is in the sound of a moment, a drum pattern
in the distances of a bar's hits, the tempo and the mode in several bars, the form in the whole track.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from earmark.audio.encode import write_flac
from earmark.errors import AudioError, DatasetError
from earmark.training.datasets.base import Dataset, DatasetTrack, Report
from earmark.training.datasets.catalogue import inspect_files
from earmark.training.datasets.options import listed
from earmark.training.datasets.rendering.composition import Sounding, compose
from earmark.training.datasets.rendering.performance import perform
from earmark.training.datasets.rendering.plan import TAGS, TrackPlan, draw_plans
from earmark.training.datasets.splits import split_by_group

NAME = "rendered"
LICENCE = "CC0-1.0: made by earmark from random numbers."
CITATION = "None: rendered by earmark."
LAYOUT = """\
manifest.json        version, seed, seconds, rate; for each track its tags and where instruments sound
audio/0000.flac ...  the tracks; an empty or absent root is filled on the first load"""
SPLIT = "default"
RATE_HZ = 22_050
SHORTEST_SECONDS = 2.0
LONGEST_SECONDS = 600.0

_FORMAT = "earmark-rendered"
_VERSION = 1
"""The version of the composer: it rises with every change that makes other sound from the same seed."""


def load(root: Path, tracks: int = 200, seed: int = 0, seconds: float = 30.0) -> Dataset:
    """Return the rendered tracks under `root`, which are made first where `root` is absent or empty.

    13 tags, multi-label, each drawn independently of the others: instruments `pluck`, `flute`, `organ`,
    `bells`; rhythm `drums`, and with them `four on the floor` or `backbeat` or neither; tempo `slow` (below
    80 beats a minute) or `fast` (above 140) or neither; mode `major` or `minor` or neither (open fifths);
    form `build-up` (grows over the first two thirds) and `contrast` (another texture from about the middle
    on). Each track is its own group; the split `default` is 60/20/20, drawn with `seed` and balanced over
    tags.

    Raises DatasetError for options out of range, a root that holds something else or tracks of other
    options or another version of the composer, and missing files.
    """
    _check_options(tracks, seed, seconds)
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        _render(root, tracks, seed, float(seconds))
    manifest = _manifest(root)
    asked = {"version": _VERSION, "seed": seed, "seconds": float(seconds), "count": tracks}
    if different := [key for key, value in asked.items() if manifest[key] != value]:
        holds, wants = ({key: source[key] for key in different} for source in (manifest, asked))
        raise DatasetError(
            f"{root} holds tracks rendered with {_worded(holds)}; expected {_worded(wants)}. "
            "Ask for what it holds, name another root, or delete it to have it rendered again."
        )
    entries = manifest["tracks"]
    missing = [entry["file"] for entry in entries if not (root / entry["file"]).is_file()]
    if missing:
        raise DatasetError(
            f"{len(missing)} of the {len(entries)} rendered tracks are missing in {root} "
            f"({listed(missing)}). Delete the folder to have all rendered again."
        )
    made = tuple(_track(root, entry) for entry in entries)
    split = split_by_group(made, name=SPLIT, seed=seed)
    return Dataset(NAME, LICENCE, CITATION, LAYOUT, "multi-label", TAGS, made, {SPLIT: split})


def check(root: Path) -> Report:
    """Return which tracks of the manifest are found, missing or corrupt, and which audio is not in it."""
    return inspect_files({entry["file"]: root / entry["file"] for entry in _manifest(root)["tracks"]})


def soundings(root: Path) -> Mapping[str, tuple[Sounding, ...]]:
    """Return, by track identifier, from when to when each instrument and the drums sound, in seconds."""
    return {
        entry["identifier"]: tuple(Sounding(**sounding) for sounding in entry["soundings"])
        for entry in _manifest(root)["tracks"]
    }


def _check_options(tracks: int, seed: int, seconds: float) -> None:
    for what, number, least in (("tracks", tracks, 3), ("seed", seed, 0)):
        if not isinstance(number, int) or isinstance(number, bool) or number < least:
            raise DatasetError(f"The option {what} is {number!r}; expected a whole number from {least} on.")
    # This form of the comparison refuses NaN too.
    if not isinstance(seconds, int | float) or not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise DatasetError(
            f"The option seconds is {seconds!r}; "
            f"expected a number of seconds from {SHORTEST_SECONDS} to {LONGEST_SECONDS}."
        )


def _render(root: Path, tracks: int, seed: int, seconds: float) -> None:
    """Render into a folder beside `root` and move it there whole, so that half a set is never seen."""
    unfinished = root.with_name(f".{root.name}.unfinished-{os.getpid()}")
    try:
        (unfinished / "audio").mkdir(parents=True)
        plans = enumerate(draw_plans(tracks, seed))
        entries = [_render_track(unfinished, index, plan, seed, seconds) for index, plan in plans]
        manifest = {
            "format": _FORMAT,
            "version": _VERSION,
            "seed": seed,
            "seconds": seconds,
            "count": tracks,
            "rate_hz": RATE_HZ,
            "tracks": entries,
        }
        (unfinished / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        if root.exists():
            root.rmdir()
        unfinished.rename(root)
    except (OSError, AudioError) as error:
        raise DatasetError(f"Cannot render {tracks} tracks into {root}: {error}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _render_track(folder: Path, index: int, plan: TrackPlan, seed: int, seconds: float) -> dict[str, Any]:
    rng = np.random.default_rng([seed, index])
    score = compose(plan, seconds, rng)
    file = f"audio/{index:04d}.flac"
    write_flac(folder / file, perform(score, RATE_HZ, rng), RATE_HZ)
    return {
        "identifier": f"{index:04d}",
        "file": file,
        "tags": list(plan.labels),
        "bpm": round(score.bpm, 2),
        "tonic": score.tonic,
        "change_seconds": round(score.form.change_seconds, 3) if plan.contrast else None,
        "soundings": [asdict(sounding) for sounding in score.soundings()],
    }


def _manifest(root: Path) -> dict[str, Any]:
    path = root / "manifest.json"
    if not path.is_file():
        found = "holds no manifest.json" if root.is_dir() else "is not a folder"
        raise DatasetError(
            f"{root} {found}, so it is no root of rendered tracks; name an absent or empty folder "
            f"to have them rendered there. A root holds:\n{LAYOUT}"
        )
    try:
        manifest = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DatasetError(f"Cannot read {path}: {error}. Delete the folder to render it again.") from error
    keys = {"format", "version", "seed", "seconds", "count", "rate_hz", "tracks"}
    if not isinstance(manifest, dict) or set(manifest) != keys or manifest["format"] != _FORMAT:
        raise DatasetError(f"{path} is no manifest of rendered tracks; expected the format {_FORMAT!r}.")
    return manifest


def _worded(values: Mapping[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())


def _track(root: Path, entry: Mapping[str, Any]) -> DatasetTrack:
    targets = tuple(float(tag.label in entry["tags"]) for tag in TAGS)
    return DatasetTrack(entry["identifier"], root / entry["file"], targets, entry["identifier"])
