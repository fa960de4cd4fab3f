import dataclasses
import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from library.synthetic import fill
from tagging.builders import make_bundle

from earmark.errors import LibraryError
from earmark.library.analysis import Analysis, half
from earmark.library.collection import Collection
from earmark.library.course import course
from earmark.library.descriptions import Description
from earmark.library.jobs import Stamp
from earmark.library.library import Library
from earmark.tagging.bundle.bundle import seal
from earmark.tagging.bundle.card import TagName
from earmark.tagging.tagger import Tagger


def collection_of(library: Library) -> Collection:
    return Collection(library.database, *library._vectors())


def test_a_course_begins_and_ends_as_wanted_and_repeats_nothing(library: Library) -> None:
    fill(library, 60)
    for length in (2, 3, 10, 60):
        steps = course(collection_of(library), 7, 30, length)
        numbers = [step.track_id for step in steps]
        assert (numbers[0], numbers[-1], len(numbers)) == (7, 30, length)
        assert len(set(numbers)) == length
    found = library.course("/music/0/6.mp3", 30, n=5)
    assert [found[0].track_id, found[-1].track_id, len(found)] == [7, 30, 5]


def test_a_course_is_shorter_where_there_are_too_few_tracks(library: Library) -> None:
    fill(library, 6)
    library.database.mark_missing(["/music/0/3.mp3"], missing=True)
    numbers = [step.track_id for step in course(collection_of(library), 1, 2, 20)]
    assert sorted(numbers) == [1, 2, 3, 5, 6]
    assert (numbers[0], numbers[-1]) == (1, 2)


@pytest.mark.parametrize(("start", "end", "length"), [(1, 99, 5), (99, 1, 5), (1, 2, 1)])
def test_unknown_tracks_and_short_lengths_are_refused(library: Library, start: int, end: int, length: int) -> None:
    fill(library, 6)
    with pytest.raises(LibraryError, match="found"):
        course(collection_of(library), start, end, length)


def test_an_end_whose_file_is_gone_is_told(library: Library) -> None:
    fill(library, 5)
    path = library.database.paths_of(2)[0]
    library.database.mark_missing([path], missing=True)
    with pytest.raises(LibraryError, match="whose files are missing"):
        library.course(1, 2, n=3)
    with pytest.raises(LibraryError, match="two different tracks"):
        library.course(1, 1, n=3)


def test_no_two_tracks_of_one_artist_follow_each_other(library: Library) -> None:
    fill(library, 60)
    library.descriptions.write(
        (
            os.fsencode(f"/music/{number // 10}/{number}.mp3"),
            Stamp(1, 1),
            Description(str(number), ("Leoni", "LEONI", "Zoe", "")[number % 4]),
        )
        for number in range(60)
    )
    numbers = [step.track_id - 1 for step in course(collection_of(library), 1, 60, 30)]
    artists = [("leoni", "leoni", "zoe", str(number))[number % 4] for number in numbers]
    assert all(first != second for first, second in itertools.pairwise(artists))


def arc_library(library: Library, loudness: list[float]) -> None:
    """Tracks whose vectors lie on an arc, with the loudness of each."""
    assert library.tagger is not None
    card = library.tagger.card
    generator = np.random.default_rng(0)
    axes = generator.normal(0, 1.0, (2, card.vector_width))
    model_id = library.database.model_id(card)
    library.database.make_current(model_id)
    for number, loud in enumerate(loudness):
        angle = 0.7 * np.pi * number / (len(loudness) - 1)
        vector = (np.cos(angle) * axes[0] + np.sin(angle) * axes[1]).astype(np.float32)
        logits = np.array([loud, -loud], np.float32)
        made = Analysis(f"packets:{number:032x}", 9.0, False, (), "array", "0", logits, half(vector), None)
        library.database.add_track(made, model_id, [(f"/{number}.mp3", Stamp(1, 1))])


@pytest.fixture
def loud_and_quiet() -> Tagger:
    made = make_bundle(tags=2)
    tags = (TagName("loud", "tests"), TagName("quiet", "tests"))
    return Tagger(seal(dataclasses.replace(made.card, tags=tags), made.weights))


def test_the_steps_lead_along_the_way(tmp_path: Path, loud_and_quiet: Tagger) -> None:
    with Library(tmp_path / "music.earmark", loud_and_quiet) as library:
        arc_library(library, [0.0] * 40)
        numbers = [step.track_id for step in course(collection_of(library), 1, 40, 8)]
        assert np.corrcoef(numbers, np.arange(8))[0, 1] > 0.7


def test_energy_changes_smoothly(tmp_path: Path, loud_and_quiet: Tagger) -> None:
    generator = np.random.default_rng(1)
    loudness = np.linspace(-2, 2, 60) + generator.choice([-2.0, 0.0, 2.0], 60)
    loudness[[0, -1]] = -2, 2
    with Library(tmp_path / "music.earmark", loud_and_quiet) as library:
        arc_library(library, loudness.tolist())
        numbers = [step.track_id for step in course(collection_of(library), 1, 60, 8)]
        jumps = np.abs(np.diff(loudness[np.array(numbers) - 1]))
        evenly = np.abs(np.diff(loudness[np.linspace(0, 59, 8).round().astype(int)]))
        assert jumps.mean() < evenly.mean()
