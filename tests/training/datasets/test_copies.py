"""Copies of tracks: what they are, and that they train where all that is in them does and nowhere else."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earmark.audio.decode import decode
from earmark.audio.encode import write_flac
from earmark.errors import DatasetError
from earmark.training.datasets.base import Dataset, Split
from earmark.training.datasets.copies import (
    MIXED_SPEEDS,
    PEAK,
    SPEEDS,
    TABLE,
    copy_names,
    is_mixture,
    others_of,
    with_copies,
    write_copy,
)
from earmark.training.datasets.taught import TAGS_OF, load

RATE_HZ = 22_050
SECONDS = 4.0


def sound_of(file: Path) -> np.ndarray:
    with decode(file, RATE_HZ) as sound:
        return np.concatenate(list(sound))


def write_sine(file: Path, frequency_hz: float, duration_seconds: float = SECONDS, peak: float = 0.5) -> Path:
    seconds = np.arange(round(duration_seconds * RATE_HZ)) / RATE_HZ
    write_flac(file, (peak * np.sin(2 * np.pi * frequency_hz * seconds)).astype(np.float32), RATE_HZ)
    return file


def strength(sound: np.ndarray, lowest_hz: float, highest_hz: float) -> float:
    """The root of the energy between two frequencies, of a sound with 1 s at hand."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    hertz = np.fft.rfftfreq(len(sound), 1 / RATE_HZ)
    return float(np.sqrt(spectrum[(hertz > lowest_hz) & (hertz < highest_hz)].sum()))


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    return write_sine(tmp_path / "tone.flac", 440)


@pytest.mark.parametrize("name", copy_names("tone", 2))
def test_a_copy_is_slower_and_lower_or_faster_and_higher(tone: Path, name: str, tmp_path: Path) -> None:
    write_copy(tone, name, tmp_path / "copy.flac")
    copy = sound_of(tmp_path / "copy.flac")
    speed = SECONDS * RATE_HZ / len(copy)
    slowest, fastest = SPEEDS[(int(name[-1]) - 1) % 2]
    assert slowest <= speed <= fastest
    found_hz = np.abs(np.fft.rfft(copy * np.hanning(len(copy)))).argmax() * RATE_HZ / len(copy)
    assert found_hz == pytest.approx(440 * speed, abs=1)
    assert 0.5 * 0.9 * 10 ** (-3 / 20) - 0.01 <= np.abs(copy).max() <= 0.5 * 0.9 + 0.01


def test_a_copy_is_the_same_whenever_it_is_made(tone: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_copy(tone, "tone@1", tmp_path / f"{name}.flac")
    write_copy(tone, "other@1", tmp_path / "other.flac")
    first, second, other = ((tmp_path / f"{name}.flac").read_bytes() for name in ("one", "two", "other"))
    assert first == second != other


def test_a_mixture_has_both_tracks_from_its_start_to_its_end(tone: Path, tmp_path: Path) -> None:
    other = write_sine(tmp_path / "other.flac", 3000, SECONDS / 4, peak=0.02)
    slowest, fastest = MIXED_SPEEDS
    for name in copy_names("tone", 8)[2:]:
        write_copy(tone, name, tmp_path / "copy.flac", other)
        copy = sound_of(tmp_path / "copy.flac")
        assert slowest <= SECONDS * RATE_HZ / len(copy) <= fastest
        # As loud as the first but for 8 dB at most, however soft the track itself is; a sine's window leaks a little.
        for part in (copy[:RATE_HZ], copy[-RATE_HZ:]):
            first, second = strength(part, 380, 500), strength(part, 2600, 3400)
            assert 10 ** (-8 / 20) - 0.02 <= second / first <= 1.02
        assert np.abs(copy).max() <= PEAK + 1e-3


def test_silence_can_be_mixed(tone: Path, tmp_path: Path) -> None:
    silence = write_sine(tmp_path / "silence.flac", 440, peak=0)
    write_copy(silence, "silence@3", tmp_path / "copy.flac", tone)
    assert np.abs(sound_of(tmp_path / "copy.flac")).max() < 0.01


def test_a_mixture_takes_two_tracks_and_another_copy_one(tone: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"tone@3 has no other track; expected another track for copies from number 3"
    ):
        write_copy(tone, "tone@3", tmp_path / "copy.flac")
    with pytest.raises(DatasetError, match=r"tone@2 has .*tone.flac beside it"):
        write_copy(tone, "tone@2", tmp_path / "copy.flac", tone)
    assert not (tmp_path / "copy.flac").exists()


def test_free_music_is_mixed_with_free_music_alone() -> None:
    tracks = [f"t{number}" for number in range(60)]
    free = frozenset(tracks[::2])
    others = others_of(tracks, free, 4)
    assert sorted(others) == sorted(f"{track}@{number}" for track in tracks for number in (3, 4))
    assert others == others_of(tracks, free, 4)
    assert {others[f"{track}@3"] for track in free} <= free
    assert not {others[f"{track}@3"] for track in tracks if track not in free} <= free
    assert len(set(others.values())) > 40
    assert others_of(tracks, free, 2) == {}


def test_a_mixture_trains_where_both_of_its_tracks_do() -> None:
    split = with_copies(
        Split("fold-0", ("a", "b"), ("c",), ("d",)),
        {track: copy_names(track, 4) for track in "abcd"},
        {"a@3": "b", "a@4": "c", "b@3": "d", "b@4": "b", "c@3": "a", "c@4": "b", "d@3": "a", "d@4": "d"},
    )
    assert split.train == ("a", "b", "a@1", "a@2", "a@3", "b@1", "b@2", "b@4")
    assert (split.valid, split.test) == (("c",), ("d",))


@pytest.fixture
def copied(taught_files: Any, tmp_path: Path) -> Dataset:
    """The miniature with three copies of every track, the third mixed with track t0."""
    generator = np.random.default_rng(0)
    names = [name for track in load(taught_files.root, **taught_files.options).tracks for name in own_copies(track)]
    for folder in ("copies", "scores"):
        (tmp_path / folder).mkdir()
    for name in names:
        write_flac(tmp_path / "copies" / f"{name}.flac", np.full(100, 0.1, np.float32), RATE_HZ)
    for teacher, file in TAGS_OF.items():
        with np.load(taught_files.root / "teacher" / f"{teacher}.npz") as archive:
            labels = archive["labels"]
        scores = {name: generator.uniform(0, 1, (2, len(labels))).astype("f2") for name in names}
        np.savez(tmp_path / "scores" / file, labels=labels, **scores)
    with (tmp_path / "copies" / TABLE).open("w", newline="") as table:
        csv.writer(table).writerows([("copy", "other"), *((name, "t0") for name in names if is_mixture(name))])
    places = {"copies_folder": str(tmp_path / "copies"), "copies_scores": str(tmp_path / "scores")}
    return load(taught_files.root, **taught_files.options, copies=3, **places)


def own_copies(track: Any) -> tuple[str, ...]:
    return copy_names(track.identifier, 3)


def test_copies_train_where_their_originals_do(copied: Dataset, taught_files: Any) -> None:
    plain = load(taught_files.root, **taught_files.options)
    assert len(copied.tracks) == 4 * len(plain.tracks)
    for name, split in plain.splits.items():
        of_copies = copied.splits[name]
        assert (of_copies.valid, of_copies.test) == (split.valid, split.test)
        mixed = 3 if "t0" in split.train else 2
        expected = {copy for track in split.train for copy in copy_names(track, mixed)}
        assert set(of_copies.train) == {*split.train, *expected}


def test_of_mixtures_the_teachers_speak_alone(copied: Dataset) -> None:
    original, faster, mixture = copied.select(["t0", "t0@2", "t0@3"])
    taught = [place for place, tag in enumerate(copied.tags) if tag.group in TAGS_OF]
    emotions = [place for place, tag in enumerate(copied.tags) if tag.group == "emotify-emotions"]
    said = np.array(original.targets)[emotions]
    assert not np.isnan(said).any()
    for copy in (faster, mixture):
        assert (copy.copy_of, copy.group, copy.licence) == ("t0", original.group, original.licence)
        assert not np.isnan(np.array(copy.targets)[taught]).any()
    np.testing.assert_array_equal(np.array(faster.targets)[emotions], said)
    assert np.isnan(np.array(mixture.targets)[emotions]).all()


def test_a_folder_that_does_not_say_what_is_mixed_is_refused(
    copied: Dataset, taught_files: Any, tmp_path: Path
) -> None:
    places = {"copies_folder": str(tmp_path / "copies"), "copies_scores": str(tmp_path / "scores")}
    (tmp_path / "copies" / TABLE).write_text("copy,other\nt0@3,t1\n")
    with pytest.raises(DatasetError, match=r"does not say what 19 of 20 copies are mixed with.*make bench-peers"):
        load(taught_files.root, **taught_files.options, copies=3, **places)


def test_missing_copies_are_told_with_what_makes_them(taught_files: Any, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"lacks 20 of 20 copies.*make bench-peers"):
        load(taught_files.root, **taught_files.options, copies=1, copies_folder=str(tmp_path / "nowhere"))
