"""The folder in which the examples run: made songs, labels, a small recipe, all that the pages take for given."""

import csv
import re
from pathlib import Path

import mutagen
import numpy as np
from training.datasets.published import magnatagatune_files

from earmark.audio.decode import decode
from earmark.audio.encode import encode_mp3
from earmark.training.datasets.base import Dataset
from earmark.training.datasets.rendered import load

ROOT = Path(__file__).parents[2]
SONGS = 24
SECONDS = 8.0
WORDS = {"flute": "sunday morning", "drums": "driving"}
"""What a person calls the songs that earmark renders with these tags."""


def make_world(place: Path) -> None:
    """Make all of it in `place`, which is the home folder of the examples as well as the folder they run in."""
    rendered = load(place / "rendered", tracks=SONGS, seed=3, seconds=SECONDS)
    rows = _music(place, rendered)
    with (place / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "tags", "artist"), *rows])
    with (place / "my-music.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "tags", "group"), *rows])
    with decode(rendered.tracks[0].path) as sound:
        samples = np.concatenate(list(sound))
    (place / "song.mp3").write_bytes(encode_mp3(samples, 22_050, 64_000))
    (place / "recipes").mkdir()
    (place / "recipes" / "demo.toml").write_text(_small_recipe(), encoding="utf-8")
    magnatagatune_files(place / "data" / "magnatagatune")


def _music(place: Path, rendered: Dataset) -> list[tuple[str, str, str]]:
    """The songs as a person keeps them, by artist, half of them with a genre; and a row of labels each."""
    labels = [tag.label for tag in rendered.tags]
    rows = []
    for number, track in enumerate(rendered.tracks):
        artist = f"Artist {number // 2}"
        song = place / "Music" / artist / f"Song {number}.flac"
        song.parent.mkdir(parents=True, exist_ok=True)
        song.write_bytes(track.path.read_bytes())
        words = [WORDS[label] for label, target in zip(labels, track.targets, strict=True) if target and label in WORDS]
        file = mutagen.File(song)
        file["artist"] = [artist]
        if number < SONGS * 2 // 3:
            file["genre"] = ["Loud" if "driving" in words else "Quiet"]
        file.save()
        rows.append((str(song.relative_to(place)), ";".join(words), artist))
    return rows


def _small_recipe() -> str:
    """The recipe of `make demo`, with few and short songs, one pass and one seed: as it is it takes minutes."""
    text = (ROOT / "recipes" / "demo.toml").read_text(encoding="utf-8")
    smaller = {
        r"^options = .*$": f"options = {{ tracks = {SONGS}, seed = 3, seconds = {SECONDS} }}\nclip_frames = 330",
        r"^epochs = .*$": "epochs = 1",
        r"^seeds = .*$": "seeds = [0]",
        r"^batch_segments = .*$": "batch_segments = 64",
        r"^batch_clips = .*$": "batch_clips = 4",
    }
    for pattern, line in smaller.items():
        text, count = re.subn(pattern, line, text, flags=re.MULTILINE)
        assert count, f"recipes/demo.toml has no line like {pattern}"
    return text
