import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from library.engines import Scripted, honest, making
from library.poison import odd_name
from tagging.builders import make_bundle, make_weights
from training.sounds import write_noise

from earmark.audio.identity import identity
from earmark.errors import LibraryError
from earmark.library import adding, scan
from earmark.library.adding import Added, Progress
from earmark.library.analysis import analysis_of
from earmark.library.jobs import Broken, Changed, Exceeded, Job, Lost, Outcome, Vanished
from earmark.library.library import Library
from earmark.tagging.bundle.bundle import seal
from earmark.tagging.tagger import Tagger

FILES = ["1.flac", "3.flac", "copy of 0.flac", "0.flac", "2.flac"]
"""The folder `music` in the order of a walk; the third and the fourth are the same recording."""


def add(library: Library, *named: Path, engine: Scripted | None = None, retry: bool = False) -> tuple[Added, Scripted]:
    assert library.tagger is not None
    engine = Scripted(honest(library.tagger)) if engine is None else engine
    return library.add(*named, engine=making(engine), retry=retry), engine


def paths(library: Library) -> list[list[str]]:
    return [[Path(path).name for path in library.track(number).paths] for number in range(1, len(library) + 1)]


def test_a_recording_is_kept_once_with_all_its_paths(library: Library, music: Path) -> None:
    added, engine = add(library, music)
    assert (added.found, added.recordings, added.same, added.known, added.failed) == (5, 4, 1, 0, [])
    assert sorted(map(tuple, paths(library))) == [("1.flac",), ("2.flac",), ("3.flac",), ("copy of 0.flac", "0.flac")]
    assert [name for work, name in engine.asked if work == "identify"] == FILES
    assert len([1 for work, _ in engine.asked if work == "analyse"]) == 4
    assert engine.closed


def test_what_is_known_is_never_touched_again(library: Library, music: Path) -> None:
    add(library, music)
    added, engine = add(library, music)
    assert (added.found, added.known, engine.jobs) == (5, 5, [])


def test_what_is_kept_is_the_taggers_own(library: Library, music: Path, tagger: Tagger) -> None:
    add(library, music)
    track = library.track(music / "first" / "3.flac")
    prediction = tagger.tag(music / "first" / "3.flac")
    np.testing.assert_array_equal(track.logits, prediction.logits)
    assert track.duration_seconds == prediction.duration_seconds
    assert (track.decoder, track.version) == (prediction.decoder, prediction.model.version)
    embedding = library.database.embedding(track.id)
    assert embedding.dtype == np.float16
    np.testing.assert_allclose(embedding, prediction.embedding, rtol=1e-3)


def test_renamed_and_retagged_files_are_only_identified(library: Library, music: Path) -> None:
    add(library, music)
    (music / "first" / "1.flac").rename(music / "first" / "one.flac")
    os.utime(music / "first" / "3.flac", ns=(1, 1))
    added, engine = add(library, music)
    assert engine.asked == [("identify", "3.flac"), ("identify", "one.flac")]
    assert (added.recordings, added.same, added.missing, len(library)) == (0, 2, 1, 4)
    assert library.track(music / "first" / "one.flac").paths[0].endswith("one.flac"), "what is there comes first"


def test_a_file_that_became_another_recording_leads_there(library: Library, music: Path) -> None:
    add(library, music)
    before = library.track(music / "first" / "1.flac").id
    write_noise(music / "first" / "1.flac", 77)
    added, _ = add(library, music)
    assert added.recordings == 1
    assert library.track(music / "first" / "1.flac").id != before
    assert library.track(before).paths == (), "what was heard is kept"


def test_failures_are_set_aside_until_they_are_retried_or_change(library: Library, music: Path) -> None:
    bad = music / "bad.mp3"
    bad.write_bytes(b"text")
    assert library.tagger is not None
    good = honest(library.tagger)

    def answer(job: Job) -> Outcome:
        return Broken("it is text") if job.path == str(bad) else good(job)

    added, _ = add(library, music, engine=Scripted(answer))
    assert added.failed == [(str(bad), "it is text")]
    assert (added.recordings, len(library)) == (4, 4), "the others are not held up"
    added, engine = add(library, music, engine=Scripted(answer))
    assert (added.set_aside, engine.jobs) == (1, [])
    added, engine = add(library, music, engine=Scripted(answer), retry=True)
    assert [(failure.path, failure.reason, failure.attempts) for failure in library.failures()] == [
        (str(bad), "it is text", 2)
    ]
    write_noise(bad, 5)
    added, _ = add(library, music)
    assert (added.recordings, library.failures()) == (1, [])


def test_a_good_file_that_breaks_is_a_failure_and_no_longer_a_path(library: Library, music: Path) -> None:
    add(library, music)
    (music / "first" / "1.flac").write_bytes(b"cut")
    added, _ = add(library, music, engine=Scripted(lambda job: Broken("cut")))
    assert [Path(path).name for path, _ in added.failed] == ["1.flac"]
    with pytest.raises(LibraryError, match="found no such path"):
        library.track(music / "first" / "1.flac")


@pytest.mark.parametrize(
    ("outcome", "reason", "tries"),
    [
        (Lost("gone"), "gone", 2),
        (Lost("shot", killed=True), "shot", 5),
        (Changed(), "kept changing", 3),
        (Exceeded("too large"), "too large", 2),
    ],
)
@pytest.mark.parametrize("work", ["identify", "analyse"])
def test_what_may_not_be_the_files_fault_is_tried_again(
    library: Library, music: Path, work: str, outcome: Outcome, reason: str, tries: int
) -> None:
    assert library.tagger is not None
    good = honest(library.tagger)
    bad: list[str] = []

    def twice(job: Job) -> Outcome:
        if job.path.endswith("3.flac") and job.work == work and len(bad) < tries - 1:
            bad.append(job.path)
            return outcome
        return good(job)

    added, _ = add(library, music, engine=Scripted(twice))
    assert (added.recordings, added.failed, len(bad)) == (4, [], tries - 1)
    os.utime(music / "first" / "3.flac", ns=(1, 1))
    write_noise(music / "first" / "3.flac", 31)
    added, _ = add(
        library,
        music,
        engine=Scripted(lambda job: outcome if job.path.endswith("3.flac") and job.work == work else good(job)),
    )
    assert [(Path(path).name, reason in why) for path, why in added.failed] == [("3.flac", True)]


def test_who_waits_for_a_broken_copy_is_listened_to(library: Library, music: Path) -> None:
    assert library.tagger is not None
    good = honest(library.tagger)

    def answer(job: Job) -> Outcome:
        return Broken("torn") if job.work == "analyse" and job.path.endswith("copy of 0.flac") else good(job)

    added, _ = add(library, music, engine=Scripted(answer))
    assert [Path(path).name for path, _ in added.failed] == ["copy of 0.flac"]
    assert library.track(music / "second" / "0.flac")
    assert len(library) == 4


def test_files_that_vanish_on_the_way_are_no_failures(library: Library, music: Path) -> None:
    added, _ = add(library, music, engine=Scripted(lambda job: Vanished("No such file or directory")))
    assert (added.vanished, added.failed, library.failures()) == (5, [], [])
    assert len(added.notes) == adding.NOTES_OF_VANISHED
    assert "it can no longer be reached: No such file" in added.notes[0]
    assert add(library, music)[0].recordings == 4


def test_what_is_gone_is_missing_and_comes_back_at_no_cost(library: Library, music: Path) -> None:
    add(library, music)
    (music / "first" / "1.flac").rename(music.parent / "kept.flac")
    added, _ = add(library, music)
    assert (added.missing, len(library)) == (1, 4)
    assert add(library, music)[0].missing == 0, "told once"
    (music.parent / "kept.flac").rename(music / "first" / "1.flac")
    added, engine = add(library, music)
    assert (added.known, engine.jobs) == (5, [])
    assert library.database.known_path(str(music / "first" / "1.flac")).missing is False  # type: ignore[union-attr]


def test_a_disk_that_is_not_connected_loses_nothing(library: Library, music: Path) -> None:
    add(library, music)
    shutil.move(music, music.parent / "elsewhere")
    music.mkdir()  # an empty mount point
    added, _ = add(library, music)
    assert added.missing == 0
    assert "none of 5 known files exists; if its disk is not connected" in added.notes[0]
    music.rmdir()
    added, _ = add(library, music)
    assert (added.missing, added.notes) == (0, [f"{music}: No such file or directory"])
    shutil.move(music.parent / "elsewhere", music)
    assert add(library, music)[0].known == 5


def test_nothing_is_taken_for_gone_where_a_folder_was_closed(
    library: Library, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(library, music)
    (music / "second" / "2.flac").unlink()
    scandir = os.scandir

    def guarded(path: str) -> object:
        if str(path).endswith("first"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(scan.os, "scandir", guarded)
    assert add(library, music)[0].missing == 0


def test_failures_of_files_that_are_gone_are_forgotten(library: Library, music: Path) -> None:
    (music / "bad.mp3").write_bytes(b"text")
    add(library, music / "bad.mp3", engine=Scripted(lambda job: Broken("it is text")))
    (music / "bad.mp3").unlink()
    add(library, music)
    assert library.failures() == []


def test_files_that_were_named_and_are_gone_are_forgotten_too(library: Library, music: Path) -> None:
    add(library, music)
    bad = music / "bad.mp3"
    bad.write_bytes(b"text")
    add(library, bad, engine=Scripted(lambda job: Broken("it is text")))
    bad.unlink()
    (music / "first" / "1.flac").unlink()
    added, _ = add(library, bad, music / "first" / "1.flac")
    assert added.absent == [str(bad), str(music / "first" / "1.flac")]
    assert library.failures() == []
    assert library.database.known_path(str(music / "first" / "1.flac")).missing is True  # type: ignore[union-attr]


def test_a_new_head_judges_the_vectors_that_are_there(library: Library, music: Path, tagger: Tagger) -> None:
    add(library, music)
    weights = dict(tagger.bundle.weights) | {
        name: value for name, value in make_weights(tagger.card, 9).items() if name.startswith("head.layer")
    }
    other = Tagger(seal(tagger.card, weights))
    assert other.card.head.hash != tagger.card.head.hash
    with Library(library.path, other) as again:
        added, engine = add(again, music)
        assert (added.known, engine.jobs) == (5, [])
        assert added.notes == ["4 recordings were classified again from their vectors"]
        track = again.track(music / "first" / "1.flac")
        np.testing.assert_allclose(track.logits, other.tag(music / "first" / "1.flac").logits, rtol=0.02, atol=0.02)
        vector = again.database.embedding(track.id).astype(np.float32)
        np.testing.assert_array_equal(track.logits, other.classifier(vector[np.newaxis])[0])
        assert add(again, music)[0].notes == [], "once"


def test_new_extractors_listen_again_and_nothing_is_identified_again(library: Library, music: Path) -> None:
    add(library, music)
    other = Tagger(make_bundle(tags=5, seed=3))
    with Library(library.path, other) as again:
        added, engine = add(again, music)
        assert {work for work, _ in engine.asked} == {"analyse"}
        assert (added.again, added.recordings, added.same, len(again)) == (4, 0, 1, 4)
        expected = other.tag(music / "first" / "1.flac").logits
        np.testing.assert_array_equal(again.track(music / "first" / "1.flac").logits, expected)


def test_a_new_calibration_is_the_same_model(library: Library, music: Path, tagger: Tagger) -> None:
    add(library, music)
    other = Tagger(make_bundle(tags=5, calibrated=False))
    assert other.card.head.hash == tagger.card.head.hash
    with Library(library.path, other) as again:
        assert add(again, music)[1].jobs == []
        assert [card.calibration for card in again.database.models().values()] == [()]


def test_progress_is_told_of_every_file(library: Library, music: Path) -> None:
    seen: list[Progress] = []
    (music / "bad.mp3").write_bytes(b"text")
    assert library.tagger is not None
    good = honest(library.tagger)
    engine = Scripted(lambda job: Broken("text") if job.path.endswith("bad.mp3") else good(job))
    library.add(music, engine=making(engine), watch=seen.append)
    assert seen[0] == Progress(0, 6, 0)
    assert [each.done for each in seen] == list(range(7))
    assert seen[-1] == Progress(6, 6, 1)


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX systems only")
def test_names_that_are_no_text(library: Library, tmp_path: Path) -> None:
    odd = odd_name(tmp_path)
    os.rename(write_noise(tmp_path / "a.flac", 1), odd)  # noqa: PTH104
    add(library, tmp_path)
    assert library.track(odd).paths == (odd,)
    assert add(library, tmp_path)[0].known == 1


def test_adding_needs_a_model(library: Library, music: Path) -> None:
    with Library(library.path) as reading, pytest.raises(LibraryError, match="Adding needs a model"):
        reading.add(music)


def test_a_full_disk_stops_with_what_was_done_kept(library: Library, music: Path) -> None:
    library.add()  # The model comes first.
    pages = library.store.row("PRAGMA page_count")
    assert pages is not None
    library.store.rows(f"PRAGMA max_page_count = {pages[0] + 3}")
    assert library.tagger is not None
    engine = Scripted(honest(library.tagger))
    for number in range(20):
        write_noise(music / f"more {number}.flac", number + 50)
    with pytest.raises(LibraryError, match="the disk is full"):
        library.add(music, engine=making(engine))
    assert engine.closed
    kept = len(library)
    library.store.rows("PRAGMA max_page_count = 100000")
    added, _ = add(library, music)
    assert added.recordings == 24 - kept
    assert len(library) == 24


def test_a_link_that_hid_a_folder_heals(library: Library, tmp_path: Path) -> None:
    """A library that an older version filled knows a file by a link's path; the folder's own takes its place."""
    write_noise(tmp_path / "music" / "A" / "a.flac", 1)
    write_noise(tmp_path / "music" / "B" / "b.flac", 2)
    by_link = tmp_path / "music" / "A" / "link" / "b.flac"
    (tmp_path / "music" / "A" / "link").symlink_to(tmp_path / "music" / "B", target_is_directory=True)
    add(library, tmp_path / "music" / "A")  # which knows no other way to it
    assert library.knows(by_link)
    added, _ = add(library, tmp_path / "music")
    assert (added.same, added.missing, len(library)) == (1, 0, 2)
    assert not library.knows(by_link)
    assert library.track(tmp_path / "music" / "B" / "b.flac").paths == (str(tmp_path / "music" / "B" / "b.flac"),)
    again, engine = add(library, tmp_path / "music")
    assert (again.known, again.missing, engine.jobs) == (2, 0, [])


def test_an_address_that_does_not_answer_marks_nothing_as_gone(library: Library, tmp_path: Path) -> None:
    pytest.importorskip("fsspec", reason="needs the extra cluster")
    write_noise(tmp_path / "far" / "a.flac", 1)
    address = f"file://{tmp_path}/far/a.flac"
    library.add(address, engine=making(Scripted(far_away(library))))
    assert library.database.known_path(address) is not None
    (tmp_path / "far").rename(tmp_path / "elsewhere")
    added = library.add(address, engine=making(Scripted(far_away(library))))
    assert added.absent == [address]
    known = library.database.known_path(address)
    assert known is not None
    assert not known.missing


def far_away(library: Library) -> Callable[[Job], Outcome]:
    """Listen as a worker does to a file that it has fetched."""
    assert library.tagger is not None
    tagger = library.tagger

    def answer(job: Job) -> Outcome:
        path = job.path.removeprefix("file://")
        return analysis_of(identity(path), tagger.tag(path))

    return answer


@pytest.mark.parametrize("work", ["identify", "analyse"])
@pytest.mark.parametrize("touched", [False, True])
def test_what_keeps_changing_is_tried_three_times_and_no_more(
    library: Library, music: Path, work: str, touched: bool
) -> None:
    assert library.tagger is not None
    good = honest(library.tagger)
    tried: list[str] = []

    def answer(job: Job) -> Outcome:
        if not job.path.endswith("3.flac") or job.work != work:
            return good(job)
        tried.append(job.path)
        assert len(tried) < 10, "it is tried without end"
        if touched:  # its time of change is another one then, and it is identified again
            os.utime(job.path, ns=(len(tried), len(tried)))
        return Changed()

    added, engine = add(library, music, engine=Scripted(answer))
    assert len(tried) == 3, "written out: whoever changes how often a file is tried changes this too"
    assert [Path(path).name for path, _ in added.failed] == ["3.flac"], "a failure once, not one a try"
    assert added.recordings == 3, "and the others are kept"
    listened = [name for kind, name in engine.asked if kind == "analyse" and name == "3.flac"]
    assert len(listened) == (3 if work == "analyse" else 0)
