"""Use an installed earmark as its user does: python -I smoke.py core, or one of the extras.

Needs nothing but what `pip install earmark` or `pip install "earmark[EXTRA]"` brings, and makes its own sounds. Prints
a line a check; exit status 1 when one failed.
"""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import traceback
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import av
import mutagen
import numpy as np
import soundfile

RATE_HZ = 48_000
SOUND_SECONDS = 4.0
BY_LIBSNDFILE = {
    "wav": ("WAV", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "aiff": ("AIFF", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}
BY_LIBAV = {"m4a": ("mp4", "aac"), "wma": ("asf", "wmav2"), "wv": ("wv", "wavpack"), "aac": ("adts", "aac")}
LOSSLESS = ("flac", "aiff")


class Place:
    """A folder of one check: earmark runs in it, with a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.library = folder / "music.earmark"
        self.environment = os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder / "data")}

    def earmark(self, *arguments: object, status: int = 0, given: bytes = b"") -> str:
        """Run the command, and return its standard output; another exit status than the expected one is an error."""
        done = subprocess.run(
            [program(), *map(str, arguments)], cwd=self.folder, env=self.environment, input=given, capture_output=True
        )
        said = done.stderr.decode(errors="replace")
        assert done.returncode == status, f"{arguments}: exit status {done.returncode}\n{said}"
        assert "Traceback" not in said, said
        return done.stdout.decode() if status == 0 else said

    def song(self, ending: str, number: int = 0) -> Path:
        """A sound of one of the formats; even numbers are chords, odd ones noise."""
        path = self.folder / "songs" / f"{number}.{ending}"
        path.parent.mkdir(exist_ok=True)
        samples = sound(number)
        if ending in BY_LIBSNDFILE:
            kind, subtype = BY_LIBSNDFILE[ending]
            soundfile.write(path, samples, RATE_HZ, format=kind, subtype=subtype)
        else:
            write_by_libav(path, samples, *BY_LIBAV[ending])
        return path

    def add(self, *paths: Path) -> None:
        """Have the library listen to files."""
        self.earmark("library", "add", "--library", self.library, "--jobs", 1, *paths)


def program() -> str:
    """The command that was installed beside the Python that runs."""
    return str(Path(sys.executable).parent / "earmark")


def sound(number: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Sound as (samples,) float32; every number another."""
    rng = np.random.default_rng(number)
    seconds = np.arange(int(SOUND_SECONDS * RATE_HZ)) / RATE_HZ
    if number % 2:
        samples = rng.normal(0.0, 0.1, len(seconds)) * (1.0 + np.sin(2 * np.pi * (2 + number / 8) * seconds))
    else:
        pitches_hz = 220.0 * 2 ** (number / 24) * np.array([1.0, 1.25, 1.5, 2.0])
        samples = 0.1 * np.sin(2 * np.pi * pitches_hz[:, np.newaxis] * seconds).sum(axis=0)
    return np.clip(samples, -0.9, 0.9).astype(np.float32)


def write_by_libav(path: Path, samples: np.ndarray[Any, np.dtype[np.float32]], kind: str, codec: str) -> None:
    """Write samples through PyAV."""
    with av.open(str(path), "w", format=kind) as container:
        # Every sort of stream is one type to type checkers; this is one of sound.
        stream: Any = container.add_stream(codec, rate=RATE_HZ, bit_rate=128_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="fltp", layout="mono")
        frame.sample_rate = RATE_HZ
        for piece in av.AudioResampler(stream.format, "mono", RATE_HZ, stream.frame_size or 1024).resample(frame):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))


def is_installed(place: Place) -> None:
    import earmark

    here = Path(earmark.__file__).resolve()
    assert here.is_relative_to(Path(sys.prefix).resolve()), f"{here} is not what was installed in {sys.prefix}"
    assert place.earmark("--version").strip() == f"earmark {earmark.__version__}"
    assert "earmark-1\t60 tags" in place.earmark("models")
    assert "demo" in place.earmark("recipes")
    assert "[data]" in place.earmark("recipes", "demo")


def every_format(place: Place) -> None:
    paths = [place.song(ending) for ending in (*BY_LIBSNDFILE, *BY_LIBAV)]
    found = json.loads(place.earmark("tag", "--json", *paths))
    by_ending = {Path(track["source"]).suffix[1:]: track for track in found}
    assert set(by_ending) == set(BY_LIBSNDFILE) | set(BY_LIBAV)
    expected = scores_of(by_ending["wav"])
    for ending, track in by_ending.items():
        assert abs(track["duration_seconds"] - SOUND_SECONDS) < 0.1, (ending, track["duration_seconds"])
        away = max(abs(scores_of(track)[label] - expected[label]) for label in expected)
        assert away <= (0.002 if ending in LOSSLESS else 0.5), (ending, away)


def scores_of(track: Mapping[str, Any]) -> dict[str, float]:
    """The probability of every tag, from the JSON of a track."""
    scores: dict[str, float] = track["probabilities"]
    return scores


def broken_file(place: Place) -> None:
    song, broken = place.song("mp3"), place.folder / "broken.mp3"
    broken.write_bytes(b"no sound" * 1000)
    assert "broken.mp3" in place.earmark("tag", broken, song, status=1)


def over_time(place: Place) -> None:
    assert "window" in json.dumps(json.loads(place.earmark("tag", "--json", "--over-time", place.song("flac"))))
    assert place.earmark("tag", "--csv", place.song("mp3")).count("\n") == 2
    place.earmark("tag", "--export", "tags.npz", "--jams", "jams", place.song("ogg"))
    assert (place.folder / "tags.npz").is_file()
    assert list((place.folder / "jams").iterdir())


def listening(place: Place) -> None:
    assert place.earmark("listen", "-", given=place.song("wav").read_bytes())


def python(place: Place) -> None:
    import earmark

    song = place.song("mp3")
    tagger = earmark.load()
    prediction = tagger.tag(song)
    assert np.array_equal(prediction.scores, tagger.tag(song.read_bytes()).scores)
    assert len(prediction.top(5)) == 5


def library(place: Place) -> None:
    songs = [place.song("wav"), place.song("mp3", 1), place.song("flac", 2), place.song("m4a", 3), place.song("ogg", 4)]
    place.add(songs[0].parent)
    found = json.loads(place.earmark("library", "similar", "--library", place.library, "--json", songs[0]))
    assert {each["path"] for each in found} == {str(song) for song in songs[1:]}
    assert place.earmark("library", "search", "--library", place.library, "path:songs").count("\n") == len(songs)
    place.earmark("library", "playlist", "--library", place.library, "--query", "path:songs", "all.m3u8")
    assert len(json.loads(place.earmark("library", "map", "--library", place.library))["tracks"]) == len(songs)
    place.earmark("library", "export", "--library", place.library, "tracks.jsonl")
    place.earmark("library", "import", "--library", "other.earmark", "tracks.jsonl")
    assert place.earmark("library", "failures", "--library", place.library) == ""


def write_and_undo(place: Place) -> None:
    songs = [place.song(ending) for ending in ("mp3", "flac", "ogg", "opus", "m4a", "wma", "wv", "aiff", "wav")]
    before = {song: tags_in(song) for song in songs}
    place.add(songs[0].parent)
    place.earmark("library", "write", "--library", place.library, "--threshold", 0.0, "--scores")
    same = [song.name for song in songs if tags_in(song) == before[song]]
    assert not same, f"nothing was written into {same}"
    place.earmark("tag", *songs)
    place.earmark("library", "undo", "--library", place.library)
    other = [song.name for song in songs if tags_in(song) != before[song]]
    assert not other, f"undo left {other} changed"


def tags_in(song: Path) -> dict[str, str]:
    """What stands in a file, as text."""
    return {str(key): str(value) for key, value in (mutagen.File(song).tags or {}).items()}


def doctor(place: Place) -> None:
    findings = json.loads(place.earmark("doctor", "--json"))
    assert {finding["what"] for finding in findings} >= {"earmark", "decoder", "model", "cores", "space", "extra"}
    assert not [finding for finding in findings if finding["state"] == "wrong"]


def absent_extra(place: Place) -> None:
    song = place.song("wav")
    assert 'pip install "earmark[plot]"' in place.earmark("tag", "--picture", "x.png", song, status=1)
    assert 'pip install "earmark[train]"' in place.earmark("train", "demo", status=1)
    assert 'pip install "earmark[serve]"' in place.earmark("serve", status=1)
    assert 'pip install "earmark[onnx]"' in place.earmark("tag", "--engine", "onnx", song, status=1)
    assert 'pip install "earmark[export]"' in place.earmark("tag", "--export", "x.parquet", song, status=1)
    assert 'pip install "earmark[teach]"' in place.earmark("teach", "labels.csv", "--name", "words", status=1)


def served(place: Place) -> None:
    song = place.song("mp3")
    server = subprocess.Popen(
        [program(), "serve", "--port", "0"], cwd=place.folder, env=place.environment, stderr=subprocess.PIPE, text=True
    )
    try:
        assert server.stderr is not None
        said = server.stderr.readline()
        address = re.search(r"http://\S+", said)
        assert address, said + server.stderr.read()
        with urllib.request.urlopen(address[0], timeout=30) as page:
            assert b"<html" in page.read()
        wanted = urllib.request.Request(
            f"{address[0].rstrip('/')}/v1/tag", song.read_bytes(), {"Content-Type": "audio/mpeg"}
        )
        with urllib.request.urlopen(wanted, timeout=60) as answer:
            assert len(json.load(answer)["tags"]) == 60
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=30)


def taught(place: Place) -> None:
    songs = [place.song("wav", number) for number in range(24)]
    place.add(songs[0].parent)
    with (place.folder / "labels.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "tags"])
        rows.writerows([song, "noise" if number % 2 else "chord"] for number, song in enumerate(songs))
    place.earmark("teach", "labels.csv", "--name", "words", "--library", place.library)
    for number, word in ((24, "chord"), (25, "noise")):
        [track] = json.loads(place.earmark("tag", "--json", "--model", "words", place.song("wav", number)))
        scores = scores_of(track)
        assert max(scores, key=lambda label: scores[label]) == word, scores


def engines(place: Place) -> None:
    song = place.song("mp3")
    scores = {
        engine: scores_of(json.loads(place.earmark("tag", "--json", "--engine", engine, song))[0])
        for engine in ("numpy", "onnx", "int8")
    }
    for engine, allowed in (("onnx", 1e-4), ("int8", 0.3)):
        away = max(abs(scores[engine][label] - scores["numpy"][label]) for label in scores["numpy"])
        assert away <= allowed, (engine, away)


def parquet(place: Place) -> None:
    songs = [place.song("wav"), place.song("mp3", 1)]
    place.earmark("tag", "--export", "tags.parquet", *songs)
    place.add(*songs)
    place.earmark("library", "export", "--library", place.library, "tracks.parquet")
    place.earmark("library", "import", "--library", "other.earmark", "tracks.parquet")
    assert place.earmark("library", "search", "--library", "other.earmark", "path:songs").count("\n") == 2


def pictures(place: Place) -> None:
    song = place.song("flac")
    place.earmark("tag", "--picture", "tags.png", song)
    place.add(song, place.song("mp3", 1), place.song("ogg", 2))
    place.earmark("library", "map", "--library", place.library, "map.svg")
    for name in ("tags.png", "map.svg"):
        assert (place.folder / name).stat().st_size > 5000, name


CHECKS: Mapping[str, tuple[Callable[[Place], None], ...]] = {
    "core": (
        is_installed,
        every_format,
        broken_file,
        over_time,
        listening,
        python,
        library,
        write_and_undo,
        doctor,
        absent_extra,
    ),
    "serve": (served,),
    "teach": (taught,),
    "onnx": (engines,),
    "export": (parquet,),
    "plot": (pictures,),
}


def main(part: str) -> int:
    failed = 0
    for check in CHECKS[part]:
        with tempfile.TemporaryDirectory() as folder:
            try:
                check(Place(Path(folder)))
            except Exception:
                failed += 1
                print(f"FAILED {check.__name__}\n{traceback.format_exc()}", flush=True)
            else:
                print(f"ok {check.__name__}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
