"""Adding is killed at random moments, again and again, on good and poisoned files: nothing is lost or doubled."""

import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from library.poison import BOMB_HOURS, write_good, write_poison
from tagging.builders import write_random_bundle

import earmark
from earmark.audio.identity import identity
from earmark.library.library import Library
from earmark.library.scan import walk
from earmark.library.store import Store

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGKILL is of POSIX systems")

ADD = """
import sys, earmark
from earmark.library.library import Library
with Library(sys.argv[1], earmark.load(sys.argv[2])) as library:
    library.add(sys.argv[3], jobs=2)
"""
LOG = (
    "CREATE TABLE written (identity TEXT)",
    "CREATE TRIGGER logged AFTER INSERT ON tracks BEGIN INSERT INTO written VALUES (new.identity); END",
    "CREATE TRIGGER logged_again AFTER UPDATE ON tracks BEGIN INSERT INTO written VALUES (new.identity); END",
)
"""What the test has written down of every row that is ever written."""


def make_logged(path: Path) -> None:
    made = Store(path)
    for statement in LOG:
        made.run(statement)
    made.close()


def add_and_kill(command: list[str], seconds: float) -> bool:
    """Add, and kill it after so many seconds; False where it was done before."""
    adding = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        adding.wait(seconds)
    except subprocess.TimeoutExpired:
        adding.send_signal(signal.SIGKILL)
        adding.wait()
        return True
    assert adding.returncode == 0
    return False


def check(path: Path, model: Path, folder: Path, expected: dict[str, str], *, logged: bool = True) -> None:
    """The library holds exactly the good recordings, each once, and a reason for each other file."""
    with Library(path, earmark.load(model)) as library:
        added = library.add(folder, jobs=2)
        assert added.known + added.set_aside + added.recordings + added.same + len(added.failed) == added.found
        failures = {Path(failure.path).name: failure.reason for failure in library.failures()}
        bad = {name for name, reason in expected.items() if reason}
        assert failures.keys() == bad
        for name in bad:
            assert expected[name] in failures[name]
        good = [file.path for file in walk([folder]).files if Path(file.path).name not in bad]
        identities = {file: identity(file) for file in good}
        assert len(library) == len(set(identities.values()))
        for file in good:
            assert library.track(file).identity == identities[file]
        assert library.store.rows("PRAGMA integrity_check") == [("ok",)]
        assert library.store.rows("PRAGMA foreign_key_check") == []
        if not logged:
            return
        written = Counter(name for (name,) in library.store.rows("SELECT identity FROM written"))
        assert written.keys() == set(identities.values())
        assert set(written.values()) == {1}, "nothing was done twice"


def kill_again_and_again(folder: Path, place: Path, expected: dict[str, str], kills: int, longest: float) -> None:
    model = write_random_bundle(place / "model")
    chance = random.Random(7)
    killed = rounds = 0
    while killed < kills:
        rounds += 1
        path = place / f"{rounds}.earmark"
        make_logged(path)
        command = [sys.executable, "-c", ADD, str(path), str(model), str(folder)]
        while killed < kills and add_and_kill(command, chance.uniform(0.2, longest)):
            killed += 1
        check(path, model, folder, expected)
    assert killed == kills


def test_a_few_kills(tmp_path: Path) -> None:
    write_good(tmp_path / "music", files=16, samples=60_000)
    expected = write_poison(tmp_path / "music" / "poison")
    kill_again_and_again(tmp_path / "music", tmp_path, expected, kills=6, longest=1.2)


def test_two_processes_at_once(tmp_path: Path) -> None:
    write_good(tmp_path / "music", files=16, samples=60_000)
    expected = write_poison(tmp_path / "music" / "poison")
    model = write_random_bundle(tmp_path / "model")
    path = tmp_path / "music.earmark"
    command = [sys.executable, "-c", ADD, str(path), str(model), str(tmp_path / "music")]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]  # each makes the file too
    for adding in both:
        _, said = adding.communicate(timeout=120)
        assert (adding.returncode, said) == (0, "")
    check(path, model, tmp_path / "music", expected, logged=False)


@pytest.mark.long
@pytest.mark.data
def test_two_hundred_kills_on_real_music(tmp_path: Path, shared_data: Path) -> None:
    music = tmp_path / "music"
    for source in ("emotify", "free"):
        shutil.copytree(shared_data / source / "audio", music / source)
    expected = write_poison(music / "poison")
    assert BOMB_HOURS == 100
    kill_again_and_again(music, tmp_path, expected, kills=200, longest=2.5)
