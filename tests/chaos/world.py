"""Music of all kinds, what an undisturbed run makes of it, and runs that are disturbed by chance, by a seed."""

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from library.poison import write_good, write_poison
from tagging.builders import write_random_bundle
from training.sounds import write_noise
from workers.processes import alive, eventually, workers_of

SITE = Path(__file__).parent / "site"
PATIENCE_SECONDS = 240.0
KILLS_IN_A_ROW = 3
"""Of workers that are not ready yet, in one run of luck; a fifth would rightly stop the pool."""

Rows = dict[str, list[tuple[object, ...]]]

TABLES = {
    "tracks": "SELECT identity, duration_seconds, truncated, short, decoder, logits, embedding FROM tracks ORDER BY 1",
    "over time": "SELECT identity, windows, scores FROM over_time JOIN tracks ON id = track_id ORDER BY 1",
    "paths": "SELECT path, identity, size_bytes, missing FROM paths JOIN tracks ON id = track_id ORDER BY 1",
    "failures": "SELECT path, reason, size_bytes FROM failures ORDER BY 1",
}
"""Everything that a run decides; not the numbers of rows, and not when they were written."""


@dataclass(frozen=True)
class World:
    """A folder of music, a model, and the rows of an undisturbed run."""

    place: Path
    music: Path
    model: Path
    rows: Rows

    @property
    def library(self) -> Path:
        return self.place / "disturbed.earmark"


def make_world(place: Path, files: int, seconds: float) -> World:
    """Good files of several lengths, copies, a damaged copy that comes first, broken files, and headers that lie."""
    music = place / "music"
    write_good(music, files, int(seconds * 22_050))
    for number in range(3):
        write_noise(music / "long" / f"{number}.flac", 40 + number, int(seconds * 22_050) * (number + 2))
    whole = write_noise(music / "z whole.flac", 70, 12 * 22_050).read_bytes()
    lying = bytearray(whole)
    lying[21:26] = ((lying[21] & 0xF0) << 32 | 22_050).to_bytes(5, "big")  # STREAMINFO: one second
    (music / "a lying.flac").write_bytes(lying)
    write_poison(music / "poison")
    model = write_random_bundle(place / "model")
    undisturbed = place / "undisturbed.earmark"
    done = subprocess.run(command(undisturbed, model, music), env=environment(), capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    return World(place, music, model, rows_of(undisturbed))


def command(library: Path, model: Path, music: Path, jobs: int = 2) -> list[str]:
    add = [sys.executable, "-m", "earmark", "library", "add", str(music), "--library", str(library)]
    return [*add, "--model", str(model), "--jobs", str(jobs)]


def environment(**further: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(SITE)} | further


def rows_of(library: Path) -> Rows:
    with contextlib.closing(sqlite3.connect(library)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {name: connection.execute(sql).fetchall() for name, sql in TABLES.items()}


@contextlib.contextmanager
def adding(world: World, **further: str) -> Iterator[subprocess.Popen[str]]:
    """A run over the world's music; nothing is left of it afterwards."""
    run = subprocess.Popen(
        command(world.library, world.model, world.music),
        env=environment(**further),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    seen: set[int] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            seen.update(workers_of(run.pid))
            time.sleep(0.005)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield run
        run.communicate(timeout=PATIENCE_SECONDS)
    finally:
        run.kill()
        run.communicate()
        over.set()
        looking.join()
    eventually(lambda: not any(alive(worker) for worker in seen))


def check(world: World) -> None:
    """The rows are those of the undisturbed run, one by one."""
    found = rows_of(world.library)
    for name, expected in world.rows.items():
        missing = [short(row) for row in expected if row not in found[name]]
        further = [short(row) for row in found[name] if row not in expected]
        assert (missing, further) == ([], []), name
        assert len(found[name]) == len(expected), name
    for path in world.place.glob("disturbed.earmark*"):
        path.unlink()


def short(row: tuple[object, ...]) -> tuple[object, ...]:
    """A row without its long values."""
    return tuple(value for value in row if not (isinstance(value, bytes) and len(value) > 500))


def kill_workers(run: subprocess.Popen[str], chance: random.Random, kills: int) -> list[float]:
    """Kill so many workers, each some time after it appears: while it starts, or at whatever it does then.

    Returns after how many seconds each was killed.
    """
    killed: list[float] = []
    appeared: dict[int, float] = {}
    planned: dict[int, float] = {}
    early_in_a_row = 0
    while len(killed) < kills and run.poll() is None:
        now = time.monotonic()
        for worker in workers_of(run.pid):
            if worker not in appeared:
                # The first one dies early: on a quick machine the run would else end before any kill.
                first = not appeared
                appeared[worker] = now
                early = first or (early_in_a_row < KILLS_IN_A_ROW and chance.random() < 0.5)
                early_in_a_row = early_in_a_row + 1 if early else 0
                planned[worker] = now + (chance.uniform(0, 0.3) if early else chance.uniform(0.6, 2.5))
            elif now >= planned[worker]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
                    killed.append(now - appeared[worker])
                    planned[worker] = float("inf")
        time.sleep(0.002)
    return killed


def away(folder: Path) -> Path:
    """Take a folder away; returns where it is."""
    there = folder.with_name(f"{folder.name}, elsewhere")
    folder.rename(there)
    return there


def copy_of(world: World, place: Path) -> World:
    """The same world in another place, for a test that moves its music; its paths are those of the new place."""
    shutil.copytree(world.music, place / "music")
    return World(place, place / "music", world.model, moved(world.rows, world.music, place / "music"))


def moved(rows: Rows, old: Path, new: Path) -> Rows:
    """Rows with the paths that they would have in another folder."""
    start, other = os.fsencode(old), os.fsencode(new)
    return {
        name: [(row[0].replace(start, other), *row[1:]) if isinstance(row[0], bytes) else row for row in table]
        for name, table in rows.items()
    }
