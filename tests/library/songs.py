"""Files of every format with the tags that a person gave them, and a library that has heard them."""

import dataclasses
import json
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import mutagen
import numpy as np
import pytest
import soundfile
from tagging.builders import log_mel_extractor, make_bundle_of

from earmark.audio.identity import identity
from earmark.library.analysis import Analysis, half
from earmark.library.library import Library
from earmark.library.scan import stamp_of
from earmark.library.undo import Undoing
from earmark.library.write import WriteOutcome, WriteRule, Writing, files_of
from earmark.tagging.bundle.bundle import Bundle, seal
from earmark.tagging.bundle.card import TagName

ENDINGS = ("mp3", "flac", "ogg", "opus", "m4a", "wma", "wv", "aiff", "wav")
TAGS = (
    TagName("jazz", "genres"),
    TagName("bebop", "genres"),
    TagName("rock", "genres"),
    TagName("happy", "moods"),
    TagName("calm", "moods"),
    TagName("guitar", "instruments"),
)
CHOSEN = {"jazz": 2.0, "bebop": 3.0, "rock": -2.0, "happy": 1.5, "calm": 1.0, "guitar": 2.0}
"""The logits of every song: bebop, jazz; happy, calm; guitar."""


def songs_bundle(seed: int = 0) -> Bundle:
    labels = [tag.label for tag in TAGS]
    made = make_bundle_of([log_mel_extractor(18, labels, 16)], labels, seed=seed)
    return seal(dataclasses.replace(made.card, name="songs", tags=TAGS), made.weights)


def make_songs(folder: Path, endings: Iterable[str] = ENDINGS) -> dict[str, Path]:
    """A song of each format by its ending, with a title and an artist."""
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("needs the program ffmpeg, which makes files of every format")
    folder.mkdir(parents=True, exist_ok=True)
    source = folder.parent / f"{folder.name}-source.wav"
    noise = np.random.default_rng(3).normal(0, 0.1, (30_000, 2))
    soundfile.write(source, noise, 44_100, subtype="PCM_16")
    songs = {}
    for ending in endings:
        path = songs[ending] = folder / f"song.{ending}"
        given = ["-metadata", "title=A title", "-metadata", "artist=Somebody"]
        further = ["-write_id3v2", "1"] if ending == "aiff" else []
        command = [program, "-v", "error", "-nostdin", "-y", "-i", str(source), *given, *further, str(path)]
        subprocess.run(command, check=True, capture_output=True)
    return songs


def heard(place: Path, songs: Sequence[Path], bundle: Bundle | None = None) -> Library:
    """A library of these songs, all of which are said to be what `CHOSEN` says."""
    card = (bundle or songs_bundle()).card
    library = Library(place, make=True)
    model_id = library.database.model_id(card)
    library.database.make_current(model_id)
    for song in songs:
        stamp = stamp_of(str(song))
        assert stamp is not None
        logits = np.array([CHOSEN[label] for label in card.labels], np.float32)
        vector = half(np.random.default_rng(0).uniform(0, 1, card.vector_width).astype(np.float32))
        analysis = Analysis(identity(song), 0.7, False, (), "array", "0", logits, vector, None)
        library.database.add_track(analysis, model_id, [(str(song), stamp)])
    return library


def library_of(*songs: Path) -> Library:
    """A library beside the folder of these songs that has heard them."""
    return heard(songs[0].parents[1] / "music.earmark", songs)


def written(library: Library, rule: WriteRule | None = None) -> list[WriteOutcome]:
    """Write into all files of a library."""
    return list(Writing(library.database, rule or WriteRule())(files_of(library.database)))


def undone(library: Library) -> list[WriteOutcome]:
    """Undo the latest run."""
    return list(Undoing(library.database)())


def snapshot(path: Path) -> dict[str, Any]:
    """Everything that a file's tags hold, as mutagen reads it, the version of ID3 included."""
    file = mutagen.File(path)
    if file.tags is None:
        return {}
    if isinstance(file.tags, mutagen.id3.ID3):
        same = type(file)(path, translate=False)
        frames = {key: (frame.FrameID, repr(frame)) for key, frame in same.tags.items()}
        return {"version": same.tags.version, **frames}
    if hasattr(file.tags, "vendor"):
        return {"vendor": file.tags.vendor, "comments": sorted(tuple(pair) for pair in file.tags)}
    return {key: [repr(value) for value in _listed(file.tags[key])] for key in file.tags.keys()}  # noqa: SIM118


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | mutagen.apev2.APETextValue) else [value]


def packets_md5(path: Path) -> str:
    """The sound as it lies in the file, by another program."""
    command = ["ffmpeg", "-v", "error", "-nostdin", "-i", str(path), "-map", "0:a", "-c", "copy", "-f", "md5", "-"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def probed(path: Path) -> dict[str, str]:
    """The tags as ffprobe reads them, their names in capitals."""
    command = ["ffprobe", "-v", "error", "-of", "json", "-show_entries", "format_tags:stream_tags", str(path)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    tags: dict[str, str] = {}
    for holder in (*found.get("streams", ()), found.get("format", {})):
        tags.update({name.upper(): value for name, value in holder.get("tags", {}).items()})
    return tags
