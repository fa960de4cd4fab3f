import dataclasses
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy", reason="needs the extra train")

from earmark.errors import TrainingError
from earmark.tagging.tagger import Tagger, load
from earmark.training.datasets.base import DatasetTrack
from earmark.training.datasets.table import load as load_table
from earmark.training.evaluation.perturbation import PERTURBATIONS, UNCHANGED, track_logits
from training.sounding import LABELS, Sounding, make_sounding

RATE_HZ = 22_050
BY_NAME = {change.name: change for change in (UNCHANGED, *PERTURBATIONS)}


def tones(*pitches_hz: float, seconds: float = 4.0) -> np.ndarray:
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (0.2 * sum(np.sin(2 * np.pi * pitch * time) for pitch in pitches_hz)).astype(np.float32)


def strength(samples: np.ndarray, pitch_hz: float) -> float:
    """The amplitude of one frequency in a second of the middle."""
    middle = samples[len(samples) // 2 - RATE_HZ // 2 :][:RATE_HZ]
    return float(2 * np.abs(np.fft.rfft(middle))[round(pitch_hz)] / RATE_HZ)


def perturbed(name: str, samples: np.ndarray) -> np.ndarray:
    return BY_NAME[name](samples, RATE_HZ, "a track")


def decibels(after: np.ndarray, before: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(after, dtype=float)) / np.mean(np.square(before, dtype=float))))


def test_what_the_issue_asks_for_is_there() -> None:
    assert list(BY_NAME) == [
        "unchanged",
        *("gain -12 dB", "gain +12 dB", "MP3 48 kb/s", "MP3 32 kb/s", "band limit 8 kHz", "band limit 4 kHz"),
        *("noise 20 dB", "tempo -10 %", "tempo +10 %", "pitch -2 semitones", "pitch +2 semitones"),
        *("clipping 0.5 dB", "clipping 2 dB"),
    ]


@pytest.mark.parametrize("name", BY_NAME)
def test_each_gives_sound_and_leaves_what_it_was_given(name: str) -> None:
    for samples in (tones(440), np.zeros(RATE_HZ, np.float32), np.full(1, 0.5, np.float32), tones(440, seconds=0.01)):
        before = samples.copy()
        found = perturbed(name, samples)
        assert found.dtype == np.float32
        assert found.ndim == 1
        assert len(found) > 0
        assert np.isfinite(found).all()
        np.testing.assert_array_equal(samples, before)
        np.testing.assert_array_equal(perturbed(name, samples), found)


def test_unchanged_is() -> None:
    samples = tones(440)
    np.testing.assert_array_equal(perturbed("unchanged", samples), samples)


def test_gain() -> None:
    assert decibels(perturbed("gain -12 dB", tones(440)), tones(440)) == pytest.approx(-12, abs=1e-3)
    assert decibels(perturbed("gain +12 dB", tones(440)), tones(440)) == pytest.approx(12, abs=1e-3)


def test_mp3_keeps_length_and_place() -> None:
    samples = tones(440, 1000)
    for name in ("MP3 48 kb/s", "MP3 32 kb/s"):
        found = perturbed(name, samples)
        assert len(found) == len(samples)
        assert np.corrcoef(found, samples)[0, 1] > 0.99


@pytest.mark.parametrize(
    ("name", "kept_hz", "lost_hz"), [("band limit 4 kHz", 3000, 6000), ("band limit 8 kHz", 7000, 10_000)]
)
def test_a_band_limit_has_no_delay(name: str, kept_hz: float, lost_hz: float) -> None:
    samples = tones(kept_hz, lost_hz)
    found = perturbed(name, samples)
    assert strength(found, lost_hz) < 0.01 * strength(samples, lost_hz)
    np.testing.assert_allclose(found[1000:-1000], tones(kept_hz)[1000:-1000], atol=0.01)


def test_noise_is_so_far_below_the_sound() -> None:
    samples = tones(440)
    assert decibels(perturbed("noise 20 dB", samples) - samples, samples) == pytest.approx(-20, abs=0.1)
    assert not perturbed("noise 20 dB", np.zeros(1000, np.float32)).any()


def test_noise_depends_on_the_track_and_the_seed_alone() -> None:
    samples, noise = tones(440), BY_NAME["noise 20 dB"]
    assert not np.array_equal(noise(samples, RATE_HZ, "one"), noise(samples, RATE_HZ, "two"))
    assert not np.array_equal(noise(samples, RATE_HZ, "one", 0), noise(samples, RATE_HZ, "one", 1))
    np.testing.assert_array_equal(noise(samples, RATE_HZ, "one", 1), noise(samples, RATE_HZ, "one", 1))


def test_tempo_and_pitch() -> None:
    samples = tones(600)
    assert len(perturbed("tempo +10 %", samples)) == pytest.approx(len(samples) / 1.1, rel=0.01)
    assert len(perturbed("tempo -10 %", samples)) == pytest.approx(len(samples) / 0.9, rel=0.01)
    assert strength(perturbed("tempo +10 %", samples), 600) > 0.15
    higher = perturbed("pitch +2 semitones", samples)
    assert len(higher) == pytest.approx(len(samples), rel=0.01)
    spectrum = np.abs(np.fft.rfft(higher * np.hanning(len(higher))))
    assert spectrum.argmax() * RATE_HZ / len(higher) == pytest.approx(600 * 2 ** (2 / 12), abs=2)


@pytest.mark.parametrize(("name", "limit"), [("clipping 0.5 dB", 0.5), ("clipping 2 dB", 2.0)])
def test_clipping_is_of_the_tracks_own_peak(name: str, limit: float) -> None:
    samples = tones(440) * np.float32(0.3)
    found = perturbed(name, samples)
    assert 20 * np.log10(np.abs(samples).max() / np.abs(found).max()) == pytest.approx(limit, abs=1e-3)
    quiet = np.abs(samples) < 0.7 * np.abs(samples).max()
    np.testing.assert_array_equal(found[quiet], samples[quiet])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Sounding:
    return make_sounding(tmp_path_factory.mktemp("logits"))


@pytest.fixture(scope="module")
def tagger(place: Sounding) -> Tagger:
    return load(place.model)


@pytest.fixture(scope="module")
def tracks(place: Sounding) -> tuple[DatasetTrack, ...]:
    return load_table(place.table, tags=LABELS).tracks[:3]


def silent(done: int, total: int) -> None:
    del done, total


def test_they_are_what_tagging_says(tagger: Tagger, tracks: tuple[DatasetTrack, ...]) -> None:
    tagged = track_logits(tagger, tracks, silent)
    assert tagged.tracks == tracks
    assert tagged.unreadable == ()
    assert tagged.logits.shape == (1, 3, 3)
    for logits, track in zip(tagged.logits[0], tracks, strict=True):
        np.testing.assert_array_equal(logits, tagger.tag(track.path).logits)


def test_threads_change_nothing_and_progress_is_told(tagger: Tagger, tracks: tuple[DatasetTrack, ...]) -> None:
    changes = (UNCHANGED, *(change for change in PERTURBATIONS if change.name in ("noise 20 dB", "MP3 32 kb/s")))
    told: list[tuple[int, int]] = []
    alone = track_logits(tagger, tracks, lambda done, total: told.append((done, total)), changes)
    together = track_logits(tagger, tracks, silent, changes, threads=3)
    np.testing.assert_array_equal(alone.logits, together.logits)
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert alone.logits.shape == (3, 3, 3)
    assert (alone.logits[0] != alone.logits[1]).any()


def test_a_broken_track_is_told_and_left_out(tagger: Tagger, tracks: tuple[DatasetTrack, ...], tmp_path: Path) -> None:
    broken = dataclasses.replace(tracks[1], path=tmp_path / "broken.mp3")
    broken.path.write_bytes(b"no sound" * 100)
    tagged = track_logits(tagger, (tracks[0], broken, tracks[2]), silent)
    assert tagged.tracks == (tracks[0], tracks[2])
    assert len(tagged.unreadable) == 1
    assert "broken.mp3" in tagged.unreadable[0]
    with pytest.raises(TrainingError, match=r"None of 1 tracks could be decoded.*broken.mp3"):
        track_logits(tagger, (broken,), silent)
    with pytest.raises(TrainingError, match="Name a side of a split that has tracks"):
        track_logits(tagger, (), silent)
