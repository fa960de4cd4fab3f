"""The worker of jobs: the peaks of a waveform, and results that cannot be written."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.audio.decode import Sound
from earmark.tagging.tagger import Tagger
from earmark.web.job import JobFailed, JobSetup, SoundJob, Want
from earmark.web.job_worker import MOST_PEAKS, PEAK_SAMPLES, JobWorker, WaveformPeaks
from earmark.web.problems import DISK_FULL

RATE_HZ = 22_050


@given(st.lists(st.integers(0, 5_000), max_size=6), st.integers(0, 2**32 - 1))
def test_it_is_the_same_however_the_sound_is_cut(cuts: list[int], seed: int) -> None:
    samples = np.random.default_rng(seed).uniform(-1, 1, sum(cuts)).astype(np.float32)
    whole, parts = WaveformPeaks(RATE_HZ), WaveformPeaks(RATE_HZ)
    whole.add(samples)
    for part in np.split(samples, np.cumsum(cuts)):
        parts.add(part)
    assert parts.to_dict() == whole.to_dict()


@pytest.mark.parametrize("seconds", [0.001, 1.0, 14.0, 60.0, 600.0])
def test_it_is_as_long_as_the_sound_and_has_its_peak(seconds: float) -> None:
    samples = np.zeros(int(seconds * RATE_HZ), np.float32)
    samples[len(samples) * 3 // 4] = -0.8
    peaks_of_sound = WaveformPeaks(RATE_HZ)
    peaks_of_sound.add(samples)
    found = peaks_of_sound.to_dict()
    peaks, step = found["peaks"], found["seconds_per_point"]
    assert isinstance(peaks, list)
    assert isinstance(step, float)
    assert len(peaks) <= MOST_PEAKS
    assert max(peaks) == pytest.approx(0.8)
    assert peaks.index(max(peaks)) * step == pytest.approx(seconds * 0.75, abs=step)
    assert len(peaks) * step == pytest.approx(seconds, abs=step)
    assert step >= PEAK_SAMPLES / RATE_HZ


def test_what_is_too_loud_ends_at_one() -> None:
    peaks_of_sound = WaveformPeaks(RATE_HZ)
    peaks_of_sound.add(np.array([3.0], np.float32))
    assert peaks_of_sound.to_dict()["peaks"] == [1.0]


@pytest.mark.parametrize("want", ["tag", "embed", "track", "flac"])
@pytest.mark.parametrize(
    ("place", "kind", "status"), [("/dev/full", "no-room", 507), ("no folder/answer", "unforeseen", 500)]
)
def test_only_a_full_disk_is_a_full_disk(
    tagger: Tagger, song_file: Path, tmp_path: Path, want: Want, place: str, kind: str, status: int
) -> None:
    if place == "/dev/full" and not Path(place).exists():
        pytest.skip("needs Linux's file that is always full")
    worker = JobWorker(JobSetup(tagger.bundle, 2_048), lambda message: None)
    outcome = worker.work(SoundJob(str(song_file), str(tmp_path / place), "song.flac", want, 60.0, 60.0))
    assert isinstance(outcome, JobFailed)
    assert (outcome.problem.kind, outcome.problem.status) == (kind, status)
    assert "could not be written" in outcome.log
    assert str(tmp_path) not in json.dumps(outcome.problem.to_dict())


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_quota_is_a_full_disk_too(
    tagger: Tagger, song_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "write_text", fail)
    worker = JobWorker(JobSetup(tagger.bundle, 2_048), lambda message: None)
    outcome = worker.work(SoundJob(str(song_file), str(tmp_path / "answer"), "song.flac", "tag", 60.0, 60.0))
    assert isinstance(outcome, JobFailed)
    assert outcome.problem == DISK_FULL


def test_a_decoder_that_fails_while_flac_is_written_is_the_sounds_problem(
    tagger: Tagger, song_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Sound) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Sound, "__iter__", fail)
    worker = JobWorker(JobSetup(tagger.bundle, 2_048), lambda message: None)
    outcome = worker.work(SoundJob(str(song_file), str(tmp_path / "answer"), "song.flac", "flac", 60.0, 60.0))
    assert isinstance(outcome, JobFailed)
    assert outcome.problem.kind == "no-sound"
    assert outcome.problem.detail.startswith("song.flac: ")
