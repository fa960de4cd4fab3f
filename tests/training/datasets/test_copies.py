"""Copies of tracks at other speeds: what they are, and that they train where their originals do and nowhere else."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earmark.audio.decode import decode
from earmark.audio.write import write_flac
from earmark.errors import DatasetError
from earmark.training.datasets.base import Dataset
from earmark.training.datasets.copies import SPEEDS, copy_names, write_copy
from earmark.training.datasets.taught import TAGS_OF, load

RATE_HZ = 22_050
SECONDS = 4.0


def sound_of(file: Path) -> np.ndarray:
    with decode(file, RATE_HZ) as sound:
        return np.concatenate(list(sound))


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    seconds = np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ
    write_flac(tmp_path / "tone.flac", (0.5 * np.sin(2 * np.pi * 440 * seconds)).astype(np.float32), RATE_HZ)
    return tmp_path / "tone.flac"


@pytest.mark.parametrize("name", copy_names("tone", 3))
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


@pytest.fixture
def copied(taught_files: Any, tmp_path: Path) -> Dataset:
    """The miniature with two copies of every track."""
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
    places = {"copies_folder": str(tmp_path / "copies"), "copies_scores": str(tmp_path / "scores")}
    return load(taught_files.root, **taught_files.options, copies=2, **places)


def own_copies(track: Any) -> tuple[str, ...]:
    return copy_names(track.identifier, 2)


def test_copies_train_where_their_originals_do(copied: Dataset, taught_files: Any) -> None:
    plain = load(taught_files.root, **taught_files.options)
    assert len(copied.tracks) == 3 * len(plain.tracks)
    for name, split in plain.splits.items():
        of_copies = copied.splits[name]
        assert (of_copies.valid, of_copies.test) == (split.valid, split.test)
        expected = {copy for track in split.train for copy in copy_names(track, 2)}
        assert set(of_copies.train) == {*split.train, *expected}


def test_of_copies_the_teachers_speak_alone(copied: Dataset) -> None:
    (original, copy) = copied.select(["t0", "t0@2"])
    assert (copy.copy_of, copy.group, copy.licence) == ("t0", original.group, original.licence)
    emotions = [place for place, tag in enumerate(copied.tags) if tag.group == "emotify-emotions"]
    assert not np.isnan(np.array(original.targets)[emotions]).any()
    assert np.isnan(np.array(copy.targets)[emotions]).all()
    taught = [place for place, tag in enumerate(copied.tags) if tag.group in TAGS_OF]
    assert not np.isnan(np.array(copy.targets)[taught]).any()


def test_missing_copies_are_told_with_what_makes_them(taught_files: Any, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"lacks 20 of 20 copies.*make bench-peers"):
        load(taught_files.root, **taught_files.options, copies=1, copies_folder=str(tmp_path / "nowhere"))
