"""What is not a file's fault sets no file aside: adding waits, goes on, or stops with all that is left still to do."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from library.engines import Scripted, honest, making
from training.sounds import write_noise

from earmark.errors import LibraryError
from earmark.library import adding
from earmark.library.analysis import Analysis
from earmark.library.jobs import Changed, Exceeded, Identified, Job, Lost, Outage, Outcome, Vanished
from earmark.library.library import Library
from earmark.tagging.tagger import Tagger

GONE = Outage("Input/output error", of_storage=True)
NO_ROOM = Outage("No space left on device", of_storage=False)


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """No pause takes any time; those that were wanted."""
    taken: list[float] = []
    monkeypatch.setattr(adding.time, "sleep", taken.append)
    return taken


def while_out(tagger: Tagger, is_out: Callable[[Job], bool], outage: Outcome) -> Scripted:
    good = honest(tagger)
    return Scripted(lambda job: outage if is_out(job) else good(job))


@pytest.mark.parametrize("outage", [GONE, NO_ROOM])
@pytest.mark.parametrize("asked", [(0, 4), (2, 3), (3, 8), (5, 9)])
def test_what_comes_back_costs_nothing(
    library: Library, music: Path, tagger: Tagger, pauses: list[float], outage: Outage, asked: tuple[int, int]
) -> None:
    """The storage is gone for some jobs, in whatever stage the run is then."""
    engine = while_out(tagger, lambda job: asked[0] <= len(engine.jobs) - 1 < asked[1], outage)
    added = library.add(music, engine=making(engine))
    assert (added.recordings, added.same, added.failed, added.vanished) == (4, 1, [], 0)
    assert pauses
    assert (len(library), library.failures()) == (4, [])


@pytest.mark.parametrize("outage", [GONE, NO_ROOM])
@pytest.mark.parametrize("from_job", [0, 1, 3, 6])
def test_what_stays_away_stops_the_run_and_sets_nothing_aside(
    library: Library, music: Path, tagger: Tagger, pauses: list[float], outage: Outage, from_job: int
) -> None:
    engine = while_out(tagger, lambda job: len(engine.jobs) > from_job, outage)
    with pytest.raises(LibraryError, match=rf"{outage.reason}; expected files that can be read.*files\s+remain"):
        library.add(music, engine=making(engine))
    assert engine.closed
    assert pauses == list(adding.PAUSES_SECONDS)
    assert library.failures() == []
    added = library.add(music, engine=making(Scripted(honest(tagger))))
    assert (added.failed, len(library), added.known + added.same + added.recordings) == ([], 4, 5)


@pytest.mark.parametrize("work", ["identify", "analyse"])
def test_a_bad_place_on_the_disk_is_its_files_failure(library: Library, music: Path, tagger: Tagger, work: str) -> None:
    engine = while_out(tagger, lambda job: job.path.endswith("3.flac") and job.work == work, GONE)
    added = library.add(music, engine=making(engine))
    assert [(Path(path).name, reason) for path, reason in added.failed] == [("3.flac", "Input/output error")]
    assert (added.recordings, added.same, len(library)) == (3, 1, 3)


def test_what_a_machine_lacks_for_one_file_sets_it_not_aside(library: Library, music: Path, tagger: Tagger) -> None:
    engine = while_out(tagger, lambda job: job.path.endswith("3.flac"), NO_ROOM)
    added = library.add(music, engine=making(engine))
    assert (added.failed, added.left, len(library), library.failures()) == ([], 1, 3, [])
    assert added.notes == [f"{music / 'first' / '3.flac'}: No space left on device"]
    assert library.add(music, engine=making(Scripted(honest(tagger)))).recordings == 1


@pytest.mark.parametrize("outage", [GONE, NO_ROOM])
def test_a_storage_that_fails_again_and_again(
    library: Library, music: Path, tagger: Tagger, pauses: list[float], outage: Outage
) -> None:
    """It works only for a while after every second pause; no file that meets it often is set aside for that."""
    good = honest(tagger)
    answered: list[bool] = []

    def answer(job: Job) -> Outcome:
        answered.append(len(answered) % 7 in (5, 6) or len(pauses) > 12)
        return good(job) if answered[-1] else outage

    added = library.add(music, engine=making(Scripted(answer)))
    assert (added.recordings, added.same, added.failed, added.left) == (4, 1, [], 0)


@pytest.mark.parametrize("outcome", [Lost("crashed"), Lost("shot", killed=True), Changed()])
def test_a_file_that_is_gone_when_its_worker_ends_is_no_failure(
    library: Library, music: Path, tagger: Tagger, outcome: Outcome
) -> None:
    good = honest(tagger)

    def answer(job: Job) -> Outcome:
        if not job.path.endswith("3.flac"):
            return good(job)
        Path(job.path).unlink(missing_ok=True)
        return outcome

    added = library.add(music, engine=making(Scripted(answer)))
    assert (added.failed, added.vanished, len(library)) == ([], 1, 3)


def test_what_a_machine_lacks_for_listening_stops_the_run(library: Library, music: Path, tagger: Tagger) -> None:
    """Such as memory: what is asked of a file before it is heard says nothing."""
    engine = while_out(tagger, lambda job: job.work == "analyse", NO_ROOM)
    with pytest.raises(LibraryError, match="No space left on device; expected files that can be read"):
        library.add(music, engine=making(engine))
    assert library.failures() == []


def test_a_folder_that_goes_while_it_is_read(library: Library, music: Path, tagger: Tagger) -> None:
    away = music.parent / "elsewhere"
    good = honest(tagger)

    def answer(job: Job) -> Outcome:
        if len(engine.jobs) == 3 and music.exists():
            music.rename(away)
        return good(job) if Path(job.path).exists() else Vanished("No such file or directory")

    engine = Scripted(answer)
    with pytest.raises(LibraryError, match=f"{music} can no longer be reached"):
        library.add(music, engine=making(engine))
    assert library.failures() == []
    away.rename(music)
    assert (library.add(music, engine=making(Scripted(good))).failed, len(library)) == ([], 4)


def test_a_folder_that_goes_and_comes_back(
    library: Library, music: Path, tagger: Tagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = music.parent / "elsewhere"
    good = honest(tagger)
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            away.rename(music)

    def answer(job: Job) -> Outcome:
        if len(engine.jobs) == 3 and not pauses and music.exists():
            music.rename(away)
        return good(job) if Path(job.path).exists() else Vanished("No such file or directory")

    monkeypatch.setattr(adding.time, "sleep", sleep)
    engine = Scripted(answer)
    added = library.add(music, engine=making(engine))
    assert (added.recordings, added.same, added.vanished, len(library)) == (4, 1, 0, 4)
    assert len(pauses) == 2


def test_what_exceeds_a_limit_is_tried_once_more_alone(library: Library, music: Path, tagger: Tagger) -> None:
    good = honest(tagger)
    most_under_way: list[int] = []

    def answer(job: Job) -> Outcome:
        if job.alone:
            most_under_way.append(len(engine._waiting))
        return good(job) if job.alone else Exceeded("it needs more memory")

    engine = Scripted(answer)
    added = library.add(music, engine=making(engine))
    assert (added.recordings, added.same, added.failed) == (4, 1, [])
    assert set(most_under_way) == {0}


def test_the_last_try_after_kills_is_alone(library: Library, music: Path, tagger: Tagger) -> None:
    good = honest(tagger)
    engine = Scripted(lambda job: good(job) if job.alone else Lost("SIGKILL", killed=True))
    added = library.add(music, engine=making(engine))
    assert (added.recordings, added.same, added.failed) == (4, 1, [])


def shortened(tagger: Tagger, damaged: str, *, truncated: bool = False) -> Scripted:
    """Hears a second of a file that its header says is one second long; of the others all."""
    good = honest(tagger)

    def answer(job: Job) -> Outcome:
        outcome = good(dataclasses.replace(job, path=job.path))
        is_damaged = job.path.endswith(damaged)
        if isinstance(outcome, Identified):
            return dataclasses.replace(outcome, duration_seconds=1.0 if is_damaged and not truncated else 12.0)
        assert isinstance(outcome, Analysis)
        return dataclasses.replace(
            outcome, duration_seconds=1.0 if is_damaged else 12.0, truncated=truncated and is_damaged
        )

    return Scripted(answer)


@pytest.mark.parametrize("truncated", [False, True])
@pytest.mark.parametrize("damaged", ["/a.flac", "/b.flac", "/c.flac"])
@pytest.mark.parametrize("at_once", [False, True])
def test_the_better_copy_counts_in_whatever_order(
    library: Library, tmp_path: Path, tagger: Tagger, damaged: str, at_once: bool, truncated: bool
) -> None:
    content = write_noise(tmp_path / "a.flac", 1).read_bytes()
    files = [tmp_path / f"{letter}.flac" for letter in "abc"]
    if not at_once:
        library.add(tmp_path, engine=making(shortened(tagger, damaged, truncated=truncated)))
    for file in files:
        file.write_bytes(content)
    added = library.add(tmp_path, engine=making(shortened(tagger, damaged, truncated=truncated)))
    assert (len(library), added.failed) == (1, [])
    track = library.track(files[0])
    assert (track.duration_seconds, track.truncated, len(track.paths)) == (12.0, False, 3)
    again = Scripted(honest(tagger))
    assert library.add(tmp_path, engine=making(again)).known == 3
    assert again.jobs == []
