"""A thousand damaged files: each is tagged or named, none takes anything with it, and good files beside are heard."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from audio.corruption import FORMATS, corrupted, make_whole
from tagging.builders import make_bundle

from earmark.audio.identity import identity
from earmark.errors import EarmarkError
from earmark.library.library import Library
from earmark.tagging.tagger import Tagger

FEW = range(40)
MANY = range(1000)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return make_whole(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    return Tagger(make_bundle())


def every_one_is_tagged_or_named(whole: dict[str, bytes], tagger: Tagger, folder: Path, seeds: Sequence[int]) -> None:
    alone = {ending: tagger.tag(data).scores for ending, data in whole.items()}
    tagged = 0
    for seed in seeds:
        ending, data = corrupted(whole, seed)
        path = folder / f"{seed}.{ending}"
        path.write_bytes(data)
        try:
            assert np.isfinite(tagger.tag(path).scores).all(), f"seed {seed}"
            tagged += 1
        except EarmarkError as error:
            assert str(path) in str(error), f"seed {seed}"
        if seed % 10 == 0:
            neighbour = FORMATS[seed // 10 % len(FORMATS)]
            np.testing.assert_array_equal(tagger.tag(whole[neighbour]).scores, alone[neighbour])
    assert tagged > len(seeds) / 3


def the_library_keeps_or_names_every_one(
    whole: dict[str, bytes], tagger: Tagger, folder: Path, seeds: Sequence[int]
) -> None:
    music = folder / "music"
    music.mkdir()
    for ending, data in whole.items():
        (music / f"good.{ending}").write_bytes(data)
    for seed in seeds:
        ending, data = corrupted(whole, seed)
        (music / f"{seed}.{ending}").write_bytes(data)
    with Library(folder / "all.earmark", tagger) as library:
        library.add(music, jobs=2)
    with Library(folder / "alone.earmark", tagger) as library:
        library.add(*(music / f"good.{ending}" for ending in whole), jobs=1)
    with sqlite3.connect(folder / "all.earmark") as all_of_them, sqlite3.connect(folder / "alone.earmark") as alone:
        held = {row[0] for row in all_of_them.execute("SELECT path FROM paths")}
        failed = {row[0] for row in all_of_them.execute("SELECT path FROM failures")}
        assert len(held | failed) == len(seeds) + len(whole)
        for data in whole.values():
            question = ("SELECT logits, duration_seconds FROM tracks WHERE identity = ?", (identity(data),))
            found, expected = all_of_them.execute(*question).fetchone(), alone.execute(*question).fetchone()
            # A damaged copy with the same packets may be the one that was heard: an MP3 without its encoder's delay,
            # or a Vorbis that the other decoder reads, which agrees to rounding.
            assert abs(found[1] - expected[1]) < 0.1
            if found[1] == expected[1]:
                found_logits, logits = (np.frombuffer(each[0], "<f4") for each in (found, expected))
                np.testing.assert_allclose(found_logits, logits, atol=1e-4)


def test_some_corrupted_files_are_tagged_or_named(whole: dict[str, bytes], tagger: Tagger, tmp_path: Path) -> None:
    every_one_is_tagged_or_named(whole, tagger, tmp_path, FEW)


@pytest.mark.slow
def test_a_library_takes_some_corrupted_files(whole: dict[str, bytes], tagger: Tagger, tmp_path: Path) -> None:
    the_library_keeps_or_names_every_one(whole, tagger, tmp_path, FEW)


@pytest.mark.long
def test_a_thousand_corrupted_files_are_tagged_or_named(
    whole: dict[str, bytes], tagger: Tagger, tmp_path: Path
) -> None:
    every_one_is_tagged_or_named(whole, tagger, tmp_path, MANY)


@pytest.mark.long
def test_a_library_takes_a_thousand_corrupted_files(whole: dict[str, bytes], tagger: Tagger, tmp_path: Path) -> None:
    the_library_keeps_or_names_every_one(whole, tagger, tmp_path, MANY)
