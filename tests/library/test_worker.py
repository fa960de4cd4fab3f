"""What a worker answers when a file changes or goes under its hands; the rest is the contract of engines."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from library.engines import setup_of
from training.sounds import write_noise

from earmark.library import worker as worker_module
from earmark.library.analysis import Analysis
from earmark.library.jobs import Broken, Changed, Job, Limits, Stamp, Vanished
from earmark.library.scan import stamp_of
from earmark.library.worker import Worker
from earmark.tagging.tagger import Tagger


@pytest.fixture
def worker(tagger: Tagger, monkeypatch: pytest.MonkeyPatch) -> Worker:
    monkeypatch.setattr(worker_module, "limit_memory", lambda megabytes: None)  # this process is not to be limited
    return Worker(setup_of(tagger))


def listen(path: Path) -> Job:
    return Job(str(path), stamp_of(str(path)) or Stamp(0, 0), "listen", "packets:1")


def while_it_listens(worker: Worker, monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Let something happen to the file after it was read, and before the answer."""
    tag = worker._tagger.tag

    def tag_and_more(*arguments: object, **options: object) -> object:
        prediction = tag(*arguments, **options)  # type: ignore[arg-type]
        happens()
        return prediction

    monkeypatch.setattr(worker._tagger, "tag", tag_and_more)


def test_a_file_that_changes_while_it_is_read(worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_noise(tmp_path / "a.flac", 1)
    assert isinstance(worker.work(listen(path)), Analysis)
    while_it_listens(worker, monkeypatch, lambda: os.utime(path, ns=(5, 5)))
    assert worker.work(listen(path)) == Changed()


def test_a_file_that_goes_while_it_is_read(worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_noise(tmp_path / "a.flac", 1)
    while_it_listens(worker, monkeypatch, path.unlink)
    assert worker.work(listen(path)) == Vanished("No such file or directory")


def test_a_disk_that_goes_is_no_failure_of_the_file(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_noise(tmp_path / "a.flac", 1)
    job = listen(path)
    stat = os.stat

    def stale(name: object, **options: object) -> os.stat_result:
        if name == str(path):
            raise OSError(116, "Stale file handle")
        return stat(name, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(worker_module.os, "stat", stale)
    assert worker.work(job) == Vanished("Stale file handle")


def test_memory_that_is_not_there_is_the_reason(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def starve() -> None:
        raise MemoryError

    while_it_listens(worker, monkeypatch, starve)
    outcome = worker.work(listen(write_noise(tmp_path / "a.flac", 1)))
    assert outcome == Broken("it needs more memory than the 2048 MB that a worker may take")


def test_a_length_that_is_not_allowed_is_refused_before_it_is_read(worker: Worker, tmp_path: Path) -> None:
    worker._setup = dataclasses.replace(worker._setup, limits=Limits(longest_hours=0.0001))
    job = dataclasses.replace(listen(write_noise(tmp_path / "a.flac", 1)), work="identify")
    outcome = worker.work(job)
    assert isinstance(outcome, Broken)
    assert "its header claims 0.0 hours; at most 0.0001 hours are listened to" in outcome.reason
