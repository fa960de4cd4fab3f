"""Files by address: what is gone, what does not answer, and what a person is told of a copy that nobody knows."""

import dataclasses
import errno
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from library.disks import small_disk
from library.engines import Scripted, honest, making, setup_of
from library.poison import write_poison
from training.sounds import write_noise

from earmark.audio.identity import identity
from earmark.errors import LibraryError
from earmark.library.analysis import Analysis
from earmark.library.jobs import Broken, Job, Outage, Outcome, Stamp, Vanished
from earmark.library.library import Library
from earmark.library.remote import fetched, listing
from earmark.library.workers import Worker
from earmark.tagging.tagger import Tagger
from earmark.workers.limits import MemoryLimit

fsspec = pytest.importorskip("fsspec", reason="needs the extra cluster")
LocalFileSystem = pytest.importorskip("fsspec.implementations.local").LocalFileSystem
SOUND = frozenset({".flac", ".wav", ".mp3"})


class Failing(LocalFileSystem):  # type: ignore[misc]
    """A storage of local files that fails as it is told to."""

    protocol = "failing"
    error: Exception | None = None

    def get_file(self, *arguments: Any, **options: Any) -> None:
        self._fail()
        super().get_file(*arguments, **options)

    def find(self, *arguments: Any, **options: Any) -> Any:
        self._fail()
        return super().find(*arguments, **options)

    def _fail(self) -> None:
        if Failing.error is not None:
            raise Failing.error


class ClientError(Exception):
    """What a storage's own library raises: no OSError."""


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> type[Failing]:
    fsspec.register_implementation("failing", Failing, clobber=True)
    monkeypatch.setattr(Failing, "error", None)
    return Failing


@pytest.fixture
def worker(tagger: Tagger, monkeypatch: pytest.MonkeyPatch) -> Worker:
    monkeypatch.setattr(MemoryLimit, "allow", lambda limit, times: None)  # this process is not to be limited
    return Worker(setup_of(tagger))


def listen(path: Path, protocol: str = "failing") -> Job:
    return Job(f"{protocol}://{path}", Stamp(1, 1), "analyse")


def fetching(tagger: Tagger) -> Scripted:
    good = honest(tagger)

    def answer(job: Job) -> Outcome:
        return good(dataclasses.replace(job, path=job.path.removeprefix("file://")))

    return Scripted(answer)


def test_what_was_deleted_is_missing_and_comes_back(library: Library, tagger: Tagger, tmp_path: Path) -> None:
    folder = tmp_path / "bucket"
    sounds = [write_noise(folder / f"{number}.flac", number) for number in range(3)]
    address = f"file://{folder}"
    assert library.add(address, engine=making(fetching(tagger))).recordings == 3
    content = sounds[1].read_bytes()
    sounds[1].unlink()
    added = library.add(address, engine=making(fetching(tagger)))
    assert (added.known, added.missing) == (2, 1)
    assert library.database.known_path(f"{address}/1.flac").missing is True  # type: ignore[union-attr]
    assert library.add(address, engine=making(fetching(tagger))).missing == 0, "told once"
    sounds[1].write_bytes(content)
    added = library.add(address, engine=making(fetching(tagger)))
    assert (len(library), added.recordings) == (3, 0)
    assert library.database.known_path(f"{address}/1.flac").missing is False  # type: ignore[union-attr]
    for sound in sounds:
        sound.unlink()
    assert library.add(address, engine=making(fetching(tagger))).missing == 3


def test_failures_of_deleted_files_are_forgotten(library: Library, tagger: Tagger, tmp_path: Path) -> None:
    write_noise(tmp_path / "bucket" / "good.flac", 1)
    (tmp_path / "bucket" / "bad.mp3").write_bytes(b"text")
    library.add(f"file://{tmp_path}/bucket", engine=making(Scripted(lambda job: Broken("text"))))
    assert len(library.failures()) == 2
    (tmp_path / "bucket" / "bad.mp3").unlink()
    library.add(f"file://{tmp_path}/bucket", engine=making(fetching(tagger)))
    assert [Path(failure.path).name for failure in library.failures()] == ["good.flac"]


def test_an_address_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="file:///nowhere: found nothing at this address"):
        listing("file:///nowhere", SOUND)
    (tmp_path / "empty").mkdir()
    assert listing(f"file://{tmp_path}/empty", SOUND) == []


@pytest.mark.parametrize(
    "error", [ConnectionRefusedError(111, "Connection refused"), TimeoutError("timed out"), ClientError("no such host")]
)
def test_a_storage_that_does_not_answer_is_no_failure_of_the_file(
    error: Exception, failing: type[Failing], worker: Worker, tmp_path: Path
) -> None:
    job = listen(write_noise(tmp_path / "a.flac", 1))
    assert isinstance(worker.work(job), Analysis)
    failing.error = error
    outcome = worker.work(job)
    assert isinstance(outcome, Outage)
    assert outcome.of_storage
    assert (getattr(error, "strerror", None) or str(error)) in outcome.reason
    with pytest.raises(LibraryError, match=f"failing://{tmp_path}: it cannot be listed"):
        listing(f"failing://{tmp_path}", SOUND)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_no_room_for_the_copy_is_no_failure_of_the_file(
    number: int, failing: type[Failing], worker: Worker, tmp_path: Path
) -> None:
    failing.error = OSError(number, "no room")
    assert worker.work(listen(write_noise(tmp_path / "a.flac", 1))) == Outage("reading it failed: no room", False)


def test_no_temporary_folder_is_no_failure_of_the_file(
    failing: type[Failing], worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    assert isinstance(worker.work(listen(write_noise(tmp_path / "a.flac", 1))), Outage)


def test_what_may_not_be_read_is_the_files_own(failing: type[Failing], worker: Worker, tmp_path: Path) -> None:
    job = listen(write_noise(tmp_path / "a.flac", 1))
    failing.error = PermissionError(errno.EACCES, "Permission denied")
    assert worker.work(job) == Broken("reading it failed: Permission denied")
    failing.error = FileNotFoundError(errno.ENOENT, "No such file or directory")
    assert worker.work(job) == Vanished("No such file or directory")


def test_reasons_name_no_temporary_file(failing: type[Failing], worker: Worker, tmp_path: Path) -> None:
    for name, reason in write_poison(tmp_path).items():
        outcome = worker.work(listen(tmp_path / name))
        if not reason:
            assert isinstance(outcome, Analysis), name
            continue
        assert isinstance(outcome, Broken), name
        assert reason in outcome.reason
        assert tempfile.gettempdir() not in outcome.reason.replace(f"failing://{tmp_path}", "")


def test_a_full_temporary_disk_is_no_failure_of_the_file(
    failing: type[Failing], worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "temporary", 1) as disk:
        disk.fill()
        monkeypatch.setattr(tempfile, "tempdir", str(disk.folder))
        assert worker.work(listen(write_noise(tmp_path / "a.flac", 1))) == Outage(
            "reading it failed: No space left on device", of_storage=False
        )


@pytest.mark.skipif(os.name != "posix", reason="elsewhere the system removes a named file")
def test_a_copy_has_no_name_that_a_killed_worker_could_leave(
    failing: type[Failing], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    content = write_noise(tmp_path / "a.flac", 1).read_bytes()
    named: list[list[Path]] = []
    monkeypatch.setattr(Failing, "_fail", lambda self: named.append(list((tmp_path / "temporary").iterdir())))
    with fetched(f"failing://{tmp_path}/a.flac") as copy:
        assert (copy.read(), list((tmp_path / "temporary").iterdir())) == (content, [])
    assert named == [[]]


@pytest.mark.parametrize("address", ["memory://music/a.flac", "file://{place}/a.flac"])
def test_storages_of_every_kind_are_fetched_from(worker: Worker, tmp_path: Path, address: str) -> None:
    content = write_noise(tmp_path / "a.flac", 1).read_bytes()
    fsspec.filesystem("memory").pipe("/music/a.flac", content)
    found = worker.work(Job(address.format(place=tmp_path), Stamp(1, 1), "analyse"))
    assert isinstance(found, Analysis)
    assert found.identity == identity(content)


@pytest.mark.parametrize("address", ["memory://music/gone.flac", "file:///nowhere/gone.flac"])
def test_what_is_gone_from_a_storage_has_vanished(worker: Worker, address: str) -> None:
    assert isinstance(worker.work(Job(address, Stamp(1, 1), "analyse")), Vanished)
