"""What a worker answers when a file changes or goes under its hands; the rest is the contract of engines."""

import dataclasses
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from library.engines import setup_of
from training.sounds import write_noise

from earmark.library import workers as worker_module
from earmark.library.analysis import Analysis
from earmark.library.jobs import Broken, Changed, Exceeded, Job, Outage, Stamp, Vanished
from earmark.library.scan import stamp_of
from earmark.library.workers import Worker
from earmark.tagging.tagger import Tagger
from earmark.workers.limits import Limits, MemoryLimit


@pytest.fixture
def worker(tagger: Tagger, monkeypatch: pytest.MonkeyPatch) -> Worker:
    monkeypatch.setattr(MemoryLimit, "allow", lambda limit, times: None)  # this process is not to be limited
    return Worker(setup_of(tagger))


def listen(path: Path) -> Job:
    return Job(str(path), stamp_of(str(path)) or Stamp(0, 0), "analyse", "packets:1")


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
    assert worker.work(job) == Outage("Stale file handle", of_storage=True)


def test_memory_that_is_not_there_is_the_reason(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def starve() -> None:
        raise MemoryError

    while_it_listens(worker, monkeypatch, starve)
    outcome = worker.work(listen(write_noise(tmp_path / "a.flac", 1)))
    assert outcome == Exceeded("it needs more memory than the 2048 MB that a worker may take")
    alone = dataclasses.replace(listen(tmp_path / "a.flac"), alone=True)
    assert worker.work(alone) == Exceeded("it needs more memory than the 4096 MB that a worker may take")


def test_a_length_that_is_not_allowed_is_refused_before_it_is_read(worker: Worker, tmp_path: Path) -> None:
    worker._setup = dataclasses.replace(worker._setup, limits=Limits(longest_hours=0.0001))
    job = dataclasses.replace(listen(write_noise(tmp_path / "a.flac", 1)), work="identify")
    outcome = worker.work(job)
    assert isinstance(outcome, Broken)
    assert "its header claims 0.0 hours; at most 0.0001 hours are allowed" in outcome.reason


def test_a_machine_that_allows_less_than_the_limit_is_no_failure_of_the_file(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryLimit, "allow", lambda limit, times: 11)

    def starve() -> None:
        raise MemoryError

    while_it_listens(worker, monkeypatch, starve)
    outcome = worker.work(listen(write_noise(tmp_path / "a.flac", 1)))
    assert outcome == Outage("this process may take 11 MB more, and that is not enough", of_storage=False)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (OSError(errno.EIO, "Input/output error"), Outage("reading it failed: Input/output error", of_storage=True)),
        (OSError(errno.ESTALE, "Stale"), Outage("reading it failed: Stale", of_storage=True)),
        (OSError(errno.ENOSPC, "No room"), Outage("reading it failed: No room", of_storage=False)),
        (ImportError("no such part"), Outage("reading it failed: ImportError: no such part", of_storage=False)),
        (IndexError("list index"), Broken("reading it failed: IndexError: list index")),
        (OverflowError("too large"), Broken("reading it failed: OverflowError: too large")),
        (RecursionError("too deep"), Broken("reading it failed: RecursionError: too deep")),
        (UnicodeError("no text"), Broken("reading it failed: UnicodeError: no text")),
    ],
)
@pytest.mark.parametrize("work", ["identify", "analyse"])
def test_whatever_a_decoder_raises_is_an_outcome(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, outcome: object, work: str
) -> None:
    def fail(*arguments: object, **options: object) -> object:
        raise error

    monkeypatch.setattr(worker._tagger, "tag", fail)
    monkeypatch.setattr(worker_module, "identity", fail)
    job = dataclasses.replace(listen(write_noise(tmp_path / "a.flac", 1)), work=work)
    assert worker.work(job) == outcome


def test_a_disk_that_fails_while_a_decoder_only_says_that_it_failed(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is read once more, as decoders do not tell bad sound from a bad disk."""
    path = tmp_path / "a.mp3"
    path.write_bytes(b"no sound at all" * 100)
    assert isinstance(worker.work(listen(path)), Broken)
    opened = Path.open

    def failing(self: Path, *arguments: object, **options: object) -> object:
        if options.get("buffering") == 0:
            raise OSError(errno.EIO, "Input/output error")
        return opened(self, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", failing)
    assert worker.work(listen(path)) == Outage("Input/output error", of_storage=True)
