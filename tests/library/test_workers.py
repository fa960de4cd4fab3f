"""The contract of engines, with real processes: good files, broken ones, and workers that hang, starve and die."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from library.engines import setup_of
from library.poison import write_poison
from training.sounds import write_noise

from earmark.audio.identity import identity
from earmark.errors import LibraryError
from earmark.library.analysis import Analysis
from earmark.library.jobs import (
    Broken,
    Changed,
    Engine,
    Exceeded,
    Identified,
    Job,
    Lost,
    Outcome,
    Stamp,
    Vanished,
)
from earmark.library.scan import stamp_of
from earmark.library.workers import LocalEngine
from earmark.tagging.tagger import Tagger
from earmark.workers.limits import Limits

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and limits memory")


def local(tagger: Tagger, limits: Limits, jobs: int) -> Engine:
    return LocalEngine(setup_of(tagger, limits), jobs)


def on_ray(tagger: Tagger, limits: Limits, jobs: int) -> Engine:
    from earmark.library.cluster import RayEngine

    return RayEngine(setup_of(tagger, limits), jobs)


@pytest.fixture(scope="module", params=[local, pytest.param(on_ray, marks=pytest.mark.slow)])
def engine(request: pytest.FixtureRequest, tagger: Tagger) -> Iterator[Engine]:
    if request.param is on_ray:
        request.getfixturevalue("ray_alone")
    made = request.param(tagger, Limits(), 2)
    yield made
    made.close()


def job(path: Path, work: str = "analyse", name: str = "packets:1") -> Job:
    stamp = stamp_of(str(path)) or Stamp(0, 0)
    return Job(str(path), stamp, work, name)  # type: ignore[arg-type]


def outcomes(engine: Engine, jobs: list[Job], allowed_seconds: float = 60.0) -> dict[str, Outcome]:
    """Each job's outcome by the name of its file; every job is answered exactly once."""
    waiting, found = list(jobs), {}
    under_way = 0
    while waiting or under_way:
        while waiting and under_way < engine.capacity:
            engine.submit(waiting.pop(0), allowed_seconds)
            under_way += 1
        done, outcome = engine.wait()
        under_way -= 1
        assert done in jobs
        assert Path(done.path).name not in found
        found[Path(done.path).name] = outcome
    assert len(found) == len(jobs)
    return found


def test_files_are_identified_and_listened_to(engine: Engine, tagger: Tagger, tmp_path: Path) -> None:
    paths = [write_noise(tmp_path / f"{number}.flac", number) for number in range(5)]
    found = outcomes(engine, [job(path, "identify") for path in paths])
    for path in paths:
        assert found[path.name] == Identified(identity(path), pytest.approx(20_000 / 22_050, abs=1e-3))
    found = outcomes(engine, [job(path, "analyse", f"packets:{path.name}") for path in paths])
    for path in paths:
        heard, expected = found[path.name], tagger.tag(path)
        assert isinstance(heard, Analysis)
        assert heard.identity == f"packets:{path.name}"
        np.testing.assert_array_equal(heard.logits, expected.logits)
        np.testing.assert_array_equal(heard.embedding, expected.embedding.astype(np.float16))


def test_listening_without_an_identity_finds_it(engine: Engine, tmp_path: Path) -> None:
    path = write_noise(tmp_path / "a.flac", 1)
    heard = outcomes(engine, [job(path, "analyse", "")])["a.flac"]
    assert isinstance(heard, Analysis)
    assert heard.identity == identity(path)


def test_poisoned_files_get_their_reasons(engine: Engine, tmp_path: Path) -> None:
    expected = write_poison(tmp_path)
    found = outcomes(engine, [job(tmp_path / name, "analyse", "") for name in expected])
    for name, reason in expected.items():
        outcome = found[name]
        if reason:
            assert isinstance(outcome, Broken), name
            assert reason in outcome.reason
            assert str(tmp_path) not in outcome.reason, "the path stands beside it"
        else:
            assert isinstance(outcome, Analysis), name


def test_a_file_that_changed_and_one_that_is_gone(engine: Engine, tmp_path: Path) -> None:
    path = write_noise(tmp_path / "a.flac", 1)
    changed = job(path)
    os.utime(path, ns=(1, 1))
    found = outcomes(engine, [changed, job(tmp_path / "gone.flac"), job(tmp_path / "gone too.flac", "identify")])
    assert found["a.flac"] == Changed()
    assert found["gone.flac"] == found["gone too.flac"] == Vanished("No such file or directory")


@LINUX
def test_a_file_that_hangs_is_given_up_and_the_others_go_on(engine: Engine, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "hangs.mp3")  # whose opening waits for a writer
    good = write_noise(tmp_path / "good.flac", 1)
    found = outcomes(engine, [job(tmp_path / "hangs.mp3", "identify"), job(good)], allowed_seconds=3.0)
    assert found["hangs.mp3"] == Exceeded("it was not done after 3 seconds, the limit for a file of its length")
    assert isinstance(found["good.flac"], Analysis)
    assert isinstance(outcomes(engine, [job(good)])["good.flac"], Analysis)


@pytest.mark.parametrize("folder", ["", "deep"])
def test_files_far_away_come_through_fsspec(engine: Engine, tmp_path: Path, folder: str) -> None:
    pytest.importorskip("fsspec", reason="needs the extra cluster")
    path = write_noise(tmp_path / folder / "a.flac", 1)
    address = Job(f"file://{path}", Stamp(1, 1), "analyse")
    absent = Job(f"file://{tmp_path}/absent.flac", Stamp(1, 1), "analyse")
    found = outcomes(engine, [address, absent])
    heard = found["a.flac"]
    assert isinstance(heard, Analysis)
    assert heard.identity == identity(path)
    assert found["absent.flac"] == Vanished("No such file or directory")


@LINUX
def test_a_file_that_needs_too_much_memory_is_given_up(tagger: Tagger, tmp_path: Path) -> None:
    path = write_noise(tmp_path / "a.flac", 1, 2_000_000)
    starved = local(tagger, Limits(memory_megabytes=1), 1)
    try:
        outcome = outcomes(starved, [job(path)])["a.flac"]
    finally:
        starved.close()
    assert isinstance(outcome, Exceeded | Lost)
    assert not isinstance(outcome, Exceeded) or "memory" in outcome.reason


@LINUX
def test_a_worker_that_dies_is_told_and_replaced(tagger: Tagger, tmp_path: Path) -> None:
    pipe = tmp_path / "hangs.mp3"
    os.mkfifo(pipe)
    good = write_noise(tmp_path / "good.flac", 1)
    engine = LocalEngine(setup_of(tagger), 1)
    try:
        assert isinstance(outcomes(engine, [job(good)])["good.flac"], Analysis)
        engine.submit(job(pipe, "identify"), 60.0)
        with pipe.open("wb"):  # opened once the worker has it open
            os.kill(engine.process_ids[0], signal.SIGKILL)
            assert engine.wait()[1] == Lost("the worker process ended on it (SIGKILL)", killed=True)
        assert isinstance(outcomes(engine, [job(good)])["good.flac"], Analysis)
        os.kill(engine.process_ids[0], signal.SIGKILL)  # while nothing is to be done
        assert isinstance(outcomes(engine, [job(good)])["good.flac"], Analysis)
    finally:
        engine.close()
    assert engine.process_ids == []


def test_no_workers_is_refused(tagger: Tagger) -> None:
    with pytest.raises(LibraryError, match="jobs: found 0, expected at least 1"):
        local(tagger, Limits(), 0)


def test_waiting_for_nothing_is_refused(tagger: Tagger) -> None:
    idle = local(tagger, Limits(), 1)
    try:
        with pytest.raises(LibraryError, match="found no submitted job"):
            idle.wait()
    finally:
        idle.close()


def test_longer_files_may_take_longer() -> None:
    limits = Limits(seconds=60, seconds_a_second=0.5)
    assert limits.allowed_seconds(4_000_000, 240.0) == 60 + 120 + 4
    assert limits.allowed_seconds(4_000_000, None) == 60 + 2_000 + 4, "by its size, where its header tells nothing"
    assert limits.allowed_seconds(10**12, None) < 2_000_000
