"""What a library costs: files a second, the engine's overhead, bytes a track, and searches in 100 000 tracks.

    python benchmarks/library.py [--files 40] [--seconds 60] [--rounds 3] [--tracks 100000] [--model FOLDER] [--ray]
        [--json FILE]

Adding: FLAC files of noise (44.1 kHz, stereo, quiet enough for the bytes a second of music), made on the spot, by a
model with random weights in the letter's full size unless one is named (what a network costs does not depend on what it
learnt); the bare tagger does the same files in one process, with tags over time as a library keeps them. The clock of
the engines runs from the first job to the last row, workers' start apart, which is told too. Processor seconds are of
all processes together, less those of starting and stopping; on a machine that does other things they say more than the
clock.

Searches: in tracks that were never heard, with vectors of few directions and noise, each question in a process that has
the library open; "cold" is a whole process, `earmark library search`. Largest memory is what the system counts. The
comparison of 8-bit numbers with 16-bit floats looks at the same vectors.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tagging import write_model

import earmark
from earmark.audio.encode import write_flac
from earmark.library.descriptions import Description
from earmark.library.jobs import Engine, Stamp, WorkerSetup
from earmark.library.library import Library
from earmark.library.similarity import Choice
from earmark.library.space import Space, keep_hidden_layer
from earmark.library.vectors import vectors_path
from earmark.library.workers import LocalEngine

RATE_HZ, CHANNELS = 44_100, 2
NOISE_DEVIATION = 0.005
ROWS_TOGETHER = 5_000
QUERIES = (
    "tag 1",
    "tag 1 tag 2 artist 77",
    "jazz",
    "title 12345",
    "",
    "tag 1 artist:77 year:1980s",
    "tag 1 AND NOT tag 2 AND tag 3>0.6",
    "(tag 4 OR tag 5<0.2) AND folder:/music/7",
)
CHOICES = {
    "all": Choice(),
    "sound": Choice(alike="sound"),
    "one scale": Choice(scales=("27",)),
}

BARE = """
import json, pathlib, sys, time
import earmark
from earmark.library.library import _windows
tagger = earmark.load(sys.argv[1])
paths = sorted(pathlib.Path(sys.argv[2]).iterdir())
windows = _windows(tagger.card)
times = []
tagger.tag(paths[0], over_time=windows)
for _ in range(int(sys.argv[3])):
    started, processor = time.perf_counter(), time.process_time()
    for path in paths:
        tagger.tag(path, over_time=windows)
    times.append((time.perf_counter() - started, time.process_time() - processor))
print(json.dumps(times))
"""

ASK = """
import json, sys, time
from earmark.library.library import Library
from earmark.library.similarity import Choice
path, rounds, queries, choices = sys.argv[1], int(sys.argv[2]), *map(json.loads, sys.argv[3:5])
started = time.perf_counter()
library = Library(path)
library._vectors()
found = {"open": [time.perf_counter() - started]}
def timed(name, ask):
    times = []
    for number in range(rounds):
        started = time.perf_counter()
        ask(number)
        times.append(time.perf_counter() - started)
    found[name] = times
for query in queries:
    timed(f"search {query}", lambda number: library.search(query))
for name, options in choices.items():
    timed(f"similar, {name}", lambda number: library.similar(1 + 997 * number, choice=Choice(**options)))
# Not getrusage: that counts from the fork on, when the process was still its parent's.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
found["megabytes"] = [int(status["VmHWM"].split()[0]) * 1024 / 1e6]
print(json.dumps(found))
"""


class Counted:
    """An engine whose clock starts with its workers."""

    def __init__(self, make: Callable[[WorkerSetup], Engine], warm_up: Path) -> None:
        self._make, self._warm_up = make, warm_up
        self.start_seconds = 0.0

    def __call__(self, setup: WorkerSetup) -> Engine:
        """Make the engine and wait until a worker has answered."""
        from earmark.library.jobs import Job
        from earmark.library.scan import stamp_of

        started = time.perf_counter()
        engine = self._make(setup)
        stamp = stamp_of(str(self._warm_up))
        if stamp is None:
            raise SystemExit(f"{self._warm_up} is gone")
        for _ in range(engine.capacity):
            engine.submit(Job(str(self._warm_up), stamp, "identify"), 600.0)
        for _ in range(engine.capacity):
            engine.wait()
        self.start_seconds = time.perf_counter() - started
        return engine


def measure_adding(
    folder: Path, model: Path, files: int, seconds: int, rounds: int, with_ray: bool
) -> dict[str, object]:
    """Files a second of the bare tagger and of the engines, and bytes a track."""
    generator = np.random.default_rng(0)
    music = folder / "sounds"
    music.mkdir()
    for number in range(files):
        noise = generator.normal(0, NOISE_DEVIATION, (seconds * RATE_HZ, CHANNELS)).astype(np.float32)
        write_flac(music / f"{number}.flac", noise, RATE_HZ)
    tagger = earmark.load(model)
    # In a process of its own, with one thread for numpy as every worker has it.
    command = [sys.executable, "-c", BARE, str(model), str(music), str(rounds)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    measured = json.loads(done.stdout)
    bare = [files / seconds for seconds, _ in measured]
    bare_processor = statistics.median(seconds / files for _, seconds in measured)
    engines: dict[str, Callable[[WorkerSetup], Engine]] = {
        "1 worker": lambda setup: LocalEngine(setup, 1),
        "2 workers": lambda setup: LocalEngine(setup, 2),
    }
    if with_ray:
        from earmark.library.cluster import RayEngine

        engines["Ray, 2 workers"] = lambda setup: RayEngine(setup, 2)
    found: dict[str, object] = {"bare tagger, files/s": bare, "bare tagger, processor seconds": bare_processor}
    print(f"| adding {files} files of {seconds} s | files a second | processor seconds a file | workers start in, s |")
    print("|---|---|---|---|")
    print(f"| bare tagger, one process | {statistics.median(bare):.2f} | {bare_processor:.4f} | |")
    for name, make in engines.items():
        rates, starts, processors = [], [], []
        idle = processor_seconds()
        with Library(folder / f"{name}.earmark", tagger) as library:
            library.add(next(music.iterdir()), engine=Counted(make, next(music.iterdir())), low_priority=False)
        idle = processor_seconds() - idle - bare_processor
        for number in range(rounds):
            file = folder / f"{name} {number}.earmark"
            counted = Counted(make, next(music.iterdir()))
            started = processor_seconds()
            with Library(file, tagger) as library:
                added = library.add(music, engine=counted, low_priority=False)
                rates.append(added.recordings / added.seconds)
                starts.append(counted.start_seconds)
                library.store.rows("PRAGMA wal_checkpoint(TRUNCATE)")
            processors.append((processor_seconds() - started - idle) / files)
            found["bytes a track, heard"] = [file.stat().st_size / files]
        found[f"{name}, files/s"] = rates
        found[f"{name}, start seconds"] = starts
        found[f"{name}, processor seconds"] = processors
        # Ray's processes are nobody's children, so that the system does not count them here.
        used = "" if name.startswith("Ray") else f"{statistics.median(processors):.4f}"
        print(f"| {name} | {statistics.median(rates):.2f} | {used} | {statistics.median(starts):.2f} |")
    return found


def processor_seconds() -> float:
    """Of this process and of all children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def fill(library: Library, tracks: int) -> None:
    """Write tracks that were never heard: random logits, and vectors of 40 directions and noise."""
    if library.tagger is None:
        raise SystemExit("a model is needed")
    card = library.tagger.card
    model_id = library.database.model_id(card)
    library.database.make_current(model_id)
    keep_hidden_layer(library.database, model_id, library.tagger.bundle)
    generator = np.random.default_rng(0)
    directions = generator.normal(0, 1, (40, card.vector_width)).astype(np.float32)
    for start in range(0, tracks, ROWS_TOGETHER):
        count = min(ROWS_TOGETHER, tracks - start)
        mixed = generator.normal(0, 0.3, (count, 40)).astype(np.float32) @ directions
        noise = generator.normal(0.5, 0.7, mixed.shape).astype(np.float32)
        vectors = np.maximum(mixed + noise, 0).astype(np.float16)
        logits = generator.normal(-2, 2, (count, len(card.labels))).astype(np.float32)
        with library.store.transaction():
            for row in range(count):
                number = start + row + 1
                library.store.run(
                    "INSERT INTO tracks (id, identity, model_id, version, decoder, added, duration_seconds, truncated, "
                    "short, logits, embedding) VALUES (?, ?, ?, '0', 'none', '', 200.0, 0, '', ?, ?)",
                    (number, f"packets:{number:032x}", model_id, logits[row].tobytes(), vectors[row].tobytes()),
                )
                path = f"/music/{number // 1000}/an album of an artist/{number}.mp3".encode()
                library.store.run("INSERT INTO paths VALUES (?, ?, 1, 1, 0, folded(?))", (path, number, path))
        library.descriptions.write(
            (
                f"/music/{number // 1000}/an album of an artist/{number}.mp3".encode(),
                Stamp(1, 1),
                Description(
                    f"title {number}", f"artist {number // 20}", f"album {number // 10}", "jazz", 1960 + row % 60
                ),
            )
            for row, number in enumerate(range(start + 1, start + count + 1))
        )


def measure_searching(folder: Path, model: Path, tracks: int, rounds: int) -> dict[str, object]:
    """Times, memory and sizes of searches in many tracks."""
    file = folder / "many.earmark"
    with Library(file, earmark.load(model)) as library:
        fill(library, tracks)
        library.store.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        started = time.perf_counter()
        vectors, _ = library._vectors()
        made_seconds = time.perf_counter() - started
        comparison = compare_numbers(library, vectors.levels, rounds)
    options = {name: vars(choice) for name, choice in CHOICES.items()}
    command = [sys.executable, "-c", ASK, str(file), str(rounds), json.dumps(QUERIES), json.dumps(options)]
    answered = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: dict[str, list[float]] = json.loads(answered)
    cold = []
    for _ in range(rounds):
        started = time.perf_counter()
        search = [sys.executable, "-m", "earmark", "library", "search", "--library", str(file), QUERIES[0]]
        subprocess.run(search, capture_output=True, check=True)
        cold.append(time.perf_counter() - started)
    sizes = {"library": file.stat().st_size / tracks, "file of vectors": vectors_path(file).stat().st_size / tracks}
    print(f"\n| {tracks} tracks | median | largest |\n|---|---|---|")
    for name, values in {**found, "cold search": cold}.items():
        if name != "megabytes":
            print(f"| {name} | {statistics.median(values) * 1e3:.1f} ms | {max(values) * 1e3:.1f} ms |")
    print(f"| largest memory, MB | | {found['megabytes'][0]:.0f} |")
    print(f"| making the file of vectors | {made_seconds:.1f} s | |")
    for name, size in sizes.items():
        print(f"| bytes a track, {name} | {size:.0f} | |")
    print("\n| numbers | one pass, ms | of the true ten found |\n|---|---|---|")
    for name, (milliseconds, share) in comparison.items():
        print(f"| {name} | {milliseconds:.1f} | {share:.3f} |")
    return {**found, "cold search": cold, "made seconds": made_seconds, "bytes a track": sizes, "numbers": comparison}


def compare_numbers(library: Library, levels: Space, rounds: int) -> dict[str, tuple[float, float]]:
    """One pass over all vectors as whole numbers of 8 bits and as floats of 16: time, and how many of the best ten."""
    from usearch.index import search

    vectors, _ = library._vectors()
    kept = levels.vectors
    floats = np.empty(kept.shape, np.float16)
    truth: list[npt.NDArray[np.int64]] = []
    queries = [int(number) for number in vectors.ids[:: max(1, len(vectors.ids) // max(rounds, 3))]]
    query_units = [levels.units(library.database.embedding(number).astype(np.float32)) for number in queries]
    products = np.empty((len(queries), len(kept)), np.float32)
    start = 0
    for rows in library.store.stream("SELECT embedding FROM tracks ORDER BY id", size=ROWS_TOGETHER):
        units = levels.units(
            np.frombuffer(b"".join(row[0] for row in rows), "<f2").reshape(len(rows), -1).astype(np.float32)
        )
        floats[start : start + len(rows)] = units
        products[:, start : start + len(rows)] = np.stack(query_units) @ units.T
        start += len(rows)
    truth = [np.argsort(-each)[:10] for each in products]
    found = {}
    forms: dict[str, tuple[npt.NDArray[np.generic], Callable[[npt.NDArray[np.float32]], npt.NDArray[np.generic]]]] = {
        "8 bits": (kept, levels.steps),
        "16-bit floats": (floats, lambda units: units.astype(np.float16)),
    }
    for name, (stored, written) in forms.items():
        times, right = [], []
        for units, best in zip(query_units, truth, strict=True):
            query = written(units)
            search(stored, query, 10, "ip", exact=True, threads=1)  # so that both are in memory
            started = time.perf_counter()
            keys = search(stored, query, 10, "ip", exact=True, threads=1).keys
            times.append(time.perf_counter() - started)
            right.append(len(set(np.asarray(keys).tolist()) & set(best.tolist())) / 10)
        found[name] = (statistics.median(times) * 1e3, statistics.mean(right))
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=40)
    parser.add_argument("--seconds", type=int, default=60, help="of each file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tracks", type=int, default=100_000)
    parser.add_argument("--model", type=Path, help="a model's folder")
    parser.add_argument("--ray", action="store_true", help="add with Ray too")
    parser.add_argument("--json", type=Path, help="keep the figures here")
    options = parser.parse_args()
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        model = options.model or folder / "model"
        if options.model is None:
            write_model(model)
        if options.files:
            figures["adding"] = measure_adding(
                folder, model, options.files, options.seconds, options.rounds, options.ray
            )
        if options.tracks:
            figures["searching"] = measure_searching(folder, model, options.tracks, max(options.rounds, 10))
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main()
