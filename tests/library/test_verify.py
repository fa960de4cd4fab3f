"""Every way in which a file may no longer give what is kept is found, told apart, and healed."""

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from library.engines import Scripted, honest, making
from tagging.builders import write_random_bundle
from training.sounds import write_noise
from typer.testing import CliRunner

from earmark.audio.duration import header_duration_seconds
from earmark.audio.identity import packets_of
from earmark.cli.main import app
from earmark.library.analysis import Analysis
from earmark.library.jobs import Broken, Exceeded, Identified, Job, Outage, Outcome
from earmark.library.library import Library
from earmark.tagging.tagger import Tagger


def hearing(tagger: Tagger) -> Scripted:
    """As workers do it, with the lengths of headers."""
    good = honest(tagger)

    def answer(job: Job) -> Outcome:
        outcome = good(job)
        if isinstance(outcome, Identified):
            return dataclasses.replace(outcome, duration_seconds=header_duration_seconds(job.path))
        return outcome

    return Scripted(answer)


@pytest.fixture
def filled(library: Library, music: Path, tagger: Tagger) -> Library:
    library.add(music, engine=making(hearing(tagger)))
    return library


def verified(library: Library, engine: Scripted, **options: bool) -> list[tuple[str, str]]:
    found = library.verify(engine=making(engine), **options)
    assert engine.closed
    return sorted((Path(each.path).name, each.what) for each in found)


@pytest.mark.parametrize("deep", [False, True])
def test_a_library_as_it_should_be(filled: Library, tagger: Tagger, deep: bool) -> None:
    engine = hearing(tagger)
    assert verified(filled, engine, deep=deep) == []
    assert {job.work for job in engine.jobs} == {"analyse" if deep else "identify"}
    assert len(engine.jobs) == 5


def remove(file: Path) -> None:
    file.unlink()


def touch(file: Path) -> None:
    os.utime(file, ns=(1, 1))


def replace(file: Path) -> None:
    write_noise(file, 77)


def replace_secretly(file: Path) -> None:
    """With a file of the same size and time of change."""
    found = file.stat()
    content = bytearray(file.read_bytes())
    content[-100] ^= 0xFF
    file.write_bytes(content)
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))


@pytest.mark.parametrize(
    ("happens", "what"),
    [(remove, "missing"), (touch, "changed"), (replace, "other sound"), (replace_secretly, "other sound")],
)
@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("name", ["first/1.flac", "first/copy of 0.flac"])
def test_what_happened_to_a_file_is_found_and_healed(
    filled: Library, music: Path, tagger: Tagger, happens: Callable[[Path], None], what: str, deep: bool, name: str
) -> None:
    happens(music / name)
    expected = [(Path(name).name, what)]
    assert verified(filled, hearing(tagger), deep=deep) == expected
    assert verified(filled, hearing(tagger), deep=deep, repair=True) == expected
    assert verified(filled, hearing(tagger), deep=deep) == []
    if what != "missing":
        assert (music / name).as_posix() in filled.track(music / name).paths


@pytest.mark.parametrize("outcome", [Broken("torn"), Exceeded("too large")])
def test_a_file_that_can_no_longer_be_read_becomes_a_failure(filled: Library, tagger: Tagger, outcome: Outcome) -> None:
    good = hearing(tagger).answer

    def torn() -> Scripted:
        return Scripted(lambda job: outcome if job.path.endswith("3.flac") else good(job))

    assert verified(filled, torn(), repair=True) == [("3.flac", "unreadable")]
    assert [Path(failure.path).name for failure in filled.failures()] == ["3.flac"]
    assert verified(filled, torn()) == []


def test_what_is_known_by_its_sound_and_cannot_be_decoded_is_reported_once(filled: Library, tagger: Tagger) -> None:
    good = hearing(tagger).answer

    def mute(job: Job) -> Outcome:
        is_mute = job.path.endswith("copy of 0.flac") and job.work == "analyse"
        return Broken("no sound could be decoded from it") if is_mute else good(job)

    assert verified(filled, Scripted(mute), deep=True, repair=True) == [("copy of 0.flac", "unreadable")]
    assert [failure.reason for failure in filled.failures()] == ["no sound could be decoded from it"]
    for deep in (True, False):
        assert verified(filled, Scripted(mute), deep=deep) == []


def test_a_storage_that_does_not_answer_heals_nothing(filled: Library) -> None:
    out = Scripted(lambda job: Outage("Input/output error", of_storage=True))
    assert {what for _, what in verified(filled, out, repair=True)} == {"unreachable"}
    assert (filled.failures(), len(filled.track(1).paths)) == ([], 1)


def of_packets_alone(library: Library) -> None:
    """Make all identities what they were before how packets are decoded belonged to them."""
    for (identity,) in library.store.rows("SELECT identity FROM tracks"):
        library.store.run("UPDATE tracks SET identity = ? WHERE identity = ?", (packets_of(identity), identity))


@pytest.mark.parametrize(("deep", "old"), [(True, False), (False, True), (True, True)])
def test_a_recording_of_which_too_little_was_heard(
    filled: Library, tagger: Tagger, music: Path, deep: bool, old: bool
) -> None:
    write_noise(music / "long.flac", 9, 200_000)
    filled.add(music, engine=making(hearing(tagger)))
    whole = filled.track(music / "long.flac").duration_seconds
    filled.store.run("UPDATE tracks SET duration_seconds = 1.0 WHERE duration_seconds > 5")
    if old:
        of_packets_alone(filled)
    assert verified(filled, hearing(tagger), deep=deep, repair=True) == [("long.flac", "other length")]
    assert filled.track(music / "long.flac").duration_seconds == whole
    for again in (deep, False, True):
        assert verified(filled, hearing(tagger), deep=again) == []


def claim(hours: float, file: Path) -> None:
    """Have a FLAC's header claim so many hours."""
    content = bytearray(file.read_bytes())
    content[21:26] = ((content[21] & 0xF0) << 32 | int(hours * 3600 * 22_050)).to_bytes(5, "big")
    file.write_bytes(content)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("hours", [0.02, 2.0])
def test_a_header_that_claims_too_much_is_nothing_to_repair_twice(
    library: Library, tagger: Tagger, music: Path, hours: float, old: bool
) -> None:
    claim(hours, music / "first" / "1.flac")
    library.add(music, engine=making(hearing(tagger)))
    if old:
        of_packets_alone(library)
        verified(library, hearing(tagger), deep=False, repair=True)
    for deep in (False, True):
        assert verified(library, hearing(tagger), deep=deep) == []


def test_an_older_library_is_as_good_as_before(filled: Library, tagger: Tagger, music: Path) -> None:
    of_packets_alone(filled)
    for deep in (False, True):
        assert verified(filled, hearing(tagger), deep=deep) == []
    engine = hearing(tagger)
    assert (filled.add(music, engine=making(engine)).known, engine.jobs) == (5, [])
    copy = music / "another copy.flac"
    copy.write_bytes((music / "first" / "1.flac").read_bytes())
    (music / "first" / "3.flac").rename(music / "moved.flac")
    added = filled.add(music, engine=making(engine))
    assert (added.same, added.recordings, len(filled)) == (2, 0, 4)
    assert {job.work for job in engine.jobs} == {"identify"}


def test_scores_that_are_not_the_files_are_found_by_hearing(filled: Library, tagger: Tagger, music: Path) -> None:
    track = filled.track(music / "first" / "3.flac")
    wrong = (track.logits + 1).astype("<f4").tobytes()
    filled.store.run("UPDATE tracks SET logits = ? WHERE id = ?", (wrong, track.id))
    assert verified(filled, hearing(tagger)) == []
    assert verified(filled, hearing(tagger), deep=True, repair=True) == [("3.flac", "other scores")]
    np.testing.assert_array_equal(filled.track(track.id).logits, track.logits)


def test_the_best_of_several_copies_is_what_counts(filled: Library, tagger: Tagger) -> None:
    good = hearing(tagger).answer

    def damaged(job: Job) -> Outcome:
        outcome = good(job)
        if isinstance(outcome, Analysis) and job.path.endswith("copy of 0.flac"):
            return dataclasses.replace(outcome, duration_seconds=0.1, truncated=True)
        return outcome

    assert verified(filled, Scripted(damaged), deep=True) == []


def test_the_command(tmp_path: Path) -> None:
    model = write_random_bundle(tmp_path / "model")
    for number in range(2):
        write_noise(tmp_path / "music" / f"{number}.flac", number)
    library = ["--library", str(tmp_path / "music.earmark"), "--model", str(model), "--jobs", "1"]
    runner = CliRunner()
    assert runner.invoke(app, ["library", "add", str(tmp_path / "music"), *library]).exit_code == 0
    done = runner.invoke(app, ["library", "verify", *library])
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "0 files do not match the library\n")
    (tmp_path / "music" / "1.flac").unlink()
    done = runner.invoke(app, ["library", "verify", "--json", *library])
    assert done.exit_code == 1
    assert json.loads(done.stdout) == [
        {"path": str(tmp_path / "music" / "1.flac"), "what": "missing", "detail": "the file does not exist"}
    ]
    assert runner.invoke(app, ["library", "verify", "--repair", "--deep", *library]).exit_code == 0
    assert runner.invoke(app, ["library", "verify", *library]).exit_code == 0
