"""Several teachers' scores as one target: scales that differ, windows that differ, tags that not all have."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

pytest.importorskip("pydantic", reason="needs the extra train")

from earmark.errors import DatasetError
from earmark.training.datasets.consensus import (
    Consensus,
    TeacherScores,
    read_teacher,
    shares_on_grid,
)
from earmark.training.datasets.vocabulary import Vocabulary

WORDS = Vocabulary.model_validate(
    {
        "name": "small",
        "families": {"both": ["sure", "shy"]},
        "tags": [
            {"label": "guitar", "group": "instruments", "sources": {"both": ["guitar"]}},
            {"label": "slow", "group": "tempo", "sources": {"sure": ["slow"]}},
            {"label": "sad", "group": "moods", "sources": {"nobody": ["sad"]}},
        ],
    }
)
TRACKS = {"a": 0.2, "b": 0.5, "c": 0.8}


def scores(values: dict[str, list[list[float]]], labels: tuple[str, ...], seconds: float = 3.0) -> TeacherScores:
    as_arrays = {track: np.array(rows, np.float32) for track, rows in values.items()}
    starts = {track: seconds * np.arange(len(rows)) for track, rows in as_arrays.items()}
    return TeacherScores(labels, seconds, as_arrays, starts)


@pytest.fixture
def teachers() -> dict[str, TeacherScores]:
    """One is sure of guitars, the other shy, but they agree on which track has more of it."""
    sure = {track: [[value, 1 - value]] * 2 for track, value in TRACKS.items()}
    shy = {track: [[value / 100]] * 2 for track, value in TRACKS.items()}
    return {"sure": scores(sure, ("guitar", "slow")), "shy": scores(shy, ("guitar",))}


@pytest.mark.parametrize("way", ["log odds", "standardised log odds"])
def test_targets_follow_both_on_one_scale(teachers: dict[str, TeacherScores], way: str) -> None:
    consensus = Consensus(WORDS, teachers, TRACKS)
    targets = {track: consensus.targets(track, way) for track in TRACKS}  # type: ignore[arg-type]
    guitars = [targets[track].probabilities[0, 0] for track in TRACKS]
    assert guitars == sorted(guitars)
    # The mean is that of the one who is sure.
    assert np.mean(guitars) == pytest.approx(0.5, abs=1e-6)
    assert all(targets[track].disagreement[:, 0].max() < 0.3 for track in TRACKS)
    # One teacher alone: what it says, and no disagreement that could be measured.
    np.testing.assert_allclose([targets[track].probabilities[0, 1] for track in TRACKS], [0.8, 0.5, 0.2], atol=1e-4)
    assert np.isnan(targets["a"].disagreement[:, 1]).all()
    assert np.isnan(targets["a"].probabilities[:, 2]).all()


def test_where_teachers_disagree_the_target_is_in_the_middle_and_says_so(teachers: dict[str, TeacherScores]) -> None:
    opposite = {track: [[1 - value]] * 2 for track, value in TRACKS.items()}
    consensus = Consensus(WORDS, teachers | {"shy": scores(opposite, ("guitar",))}, TRACKS)
    for track in TRACKS:
        assert consensus.targets(track).probabilities[0, 0] == pytest.approx(0.5, abs=1e-4)
    assert consensus.targets("b").disagreement[0, 0] == pytest.approx(0, abs=1e-6)
    assert consensus.targets("a").disagreement[0, 0] > 1


def test_a_teacher_that_says_the_same_of_everything_does_not_count(teachers: dict[str, TeacherScores]) -> None:
    deaf = scores({track: [[0.01]] * 2 for track in TRACKS}, ("guitar",))
    consensus = Consensus(WORDS, teachers | {"shy": deaf}, TRACKS)
    found = [consensus.averaged(track, "standardised log odds")[0, 0] for track in TRACKS]
    np.testing.assert_allclose(found, list(TRACKS.values()), atol=1e-4)


@pytest.mark.parametrize("way", ["probabilities", "log odds", "standardised log odds"])
def test_every_average_of_equals_is_what_each_says(teachers: dict[str, TeacherScores], way: str) -> None:
    alone = {"sure": teachers["sure"], "shy": scores({t: [[v]] * 2 for t, v in TRACKS.items()}, ("guitar",))}
    consensus = Consensus(WORDS, alone, TRACKS)
    for track, value in TRACKS.items():
        np.testing.assert_allclose(consensus.averaged(track, way)[:, 0], value, atol=1e-4)  # type: ignore[arg-type]


def test_labels_of_one_tag_are_said_once_at_least() -> None:
    words = Vocabulary.model_validate(
        {"name": "one", "tags": [{"label": "vocals", "group": "voices", "sources": {"sure": ["voice", "song"]}}]}
    )
    teacher = scores({"a": [[0.5, 0.9, 0.5], [0.2, 0.9, 0.1]]}, ("voice", "drums", "song"))
    found = Consensus(words, {"sure": teacher}, ["a"]).averaged("a", "log odds")
    np.testing.assert_allclose(found[:, 0], [0.75, 0.28], atol=1e-4)


def test_tracks_can_be_asked_for_that_were_not_there_at_first(teachers: dict[str, TeacherScores]) -> None:
    consensus = Consensus(WORDS, teachers, ["a", "b"])
    found = [consensus.targets(track).probabilities[0, 0] for track in TRACKS]
    assert found == sorted(found)
    with pytest.raises(DatasetError, match="'z' has no scores by any"):
        consensus.targets("z")


def test_windows_of_other_lengths_are_brought_together() -> None:
    short = scores({"a": [[0.9], [0.1], [0.1], [0.1]]}, ("guitar",), 1.5)
    long = TeacherScores(("guitar",), 6.0, {"a": np.array([[0.5]], np.float32)}, {"a": np.zeros(1)})
    words = WORDS.model_copy(update={"tags": WORDS.tags[:1]})
    found = Consensus(words, {"sure": short, "shy": long}, ["a"]).averaged("a", "log odds")
    assert found.shape == (2, 1)
    odds = np.log(found / (1 - found))
    assert odds[0, 0] - odds[1, 0] == pytest.approx((np.log(9) - 0) / 2, abs=1e-4)
    assert found.mean() == pytest.approx(0.5, abs=1e-6)


@given(
    starts=arrays.arrays(np.float64, st.integers(1, 8), elements=st.floats(0, 60)),
    seconds=st.floats(0.5, 30),
    windows=st.integers(1, 25),
)
def test_shares_are_shares(starts: np.ndarray, seconds: float, windows: int) -> None:
    shares = shares_on_grid(np.sort(starts), seconds, windows)
    assert shares.shape == (windows, len(starts))
    assert (shares >= 0).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1)


def test_a_teacher_that_did_not_score_a_track_is_taken_to_agree(teachers: dict[str, TeacherScores]) -> None:
    complete = Consensus(WORDS, teachers, TRACKS)
    for name, other in (("sure", "shy"), ("shy", "sure")):
        known = teachers[name]
        more = TeacherScores(
            known.labels, 3.0, {**known.scores, "d": known.scores["c"]}, {**known.starts, "d": known.starts["c"]}
        )
        consensus = Consensus(WORDS, {name: more, other: teachers[other]}, TRACKS)
        np.testing.assert_allclose(
            consensus.targets("d").probabilities[:, 0], complete.targets("c").probabilities[:, 0], atol=0.02
        )


def test_windows_end_where_the_track_does(teachers: dict[str, TeacherScores]) -> None:
    """A teacher with windows of 29 seconds hears a track of six seconds almost five times."""
    once = {track: np.array([[0.5]], np.float32) for track in TRACKS}
    long = TeacherScores(("guitar",), 29.0, once, {track: np.zeros(1) for track in TRACKS})
    assert Consensus(WORDS, teachers | {"shy": long}, TRACKS).averaged("a", "log odds").shape[0] == 2


def test_a_track_without_scores_and_an_unknown_average_are_refused(teachers: dict[str, TeacherScores]) -> None:
    with pytest.raises(DatasetError, match=r"'d' has no scores by .sure., .shy."):
        Consensus(WORDS, teachers, ["a", "d"])
    with pytest.raises(DatasetError, match=r"knows no tag by .stranger."):
        Consensus(WORDS, {"stranger": teachers["shy"]}, ["a"])
    with pytest.raises(DatasetError, match="no average of 'votes'"):
        Consensus(WORDS, teachers, TRACKS).averaged("a", "votes")  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match="takes guitar from 'shy'"):
        Consensus(WORDS, teachers | {"shy": scores({t: [[0.1]] for t in TRACKS}, ("harp",))}, TRACKS)


def test_files_of_scores_are_read(tmp_path: Path) -> None:
    rows = np.array([[0.25], [0.5]], np.float16)
    packed = {
        "labels": np.array(["guitar"]),
        "window_seconds": np.array(29.0),
        "a": rows,
        "a/starts": np.array([0.0, 16]),
    }
    np.savez(tmp_path / "new.npz", **packed)  # type: ignore[arg-type]
    new = read_teacher(tmp_path / "new.npz")
    assert (new.labels, new.window_seconds, list(new.scores)) == (("guitar",), 29.0, ["a"])
    assert new.starts["a"].tolist() == [0.0, 16.0]
    np.savez(tmp_path / "old.npz", labels=np.array(["guitar"]), a=rows)
    old = read_teacher(tmp_path / "old.npz", ["a"])
    assert old.window_seconds == 2.992
    assert old.starts["a"].tolist() == [0.0, 2.992]
    with pytest.raises(DatasetError, match="lacks 1 of 1 tracks"):
        read_teacher(tmp_path / "old.npz", ["b"])
    (tmp_path / "none.npz").write_bytes(b"PK")
    with pytest.raises(DatasetError, match="Pack them anew"):
        read_teacher(tmp_path / "none.npz")
