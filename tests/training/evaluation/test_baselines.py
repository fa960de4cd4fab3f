import dataclasses
from pathlib import Path

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

pytest.importorskip("sklearn", reason="needs the extra train")
pytest.importorskip("pydantic", reason="needs the extra train")

from earmark.errors import TrainingError
from earmark.training.data.clips import TrainingData
from earmark.training.datasets.base import Task
from earmark.training.evaluation.baselines import BASELINES, Baseline, baseline_scores, mfcc_statistics, peer_vectors
from earmark.training.evaluation.metrics import measure
from training.builders import make_data


def value_on_test(data: TrainingData, scores: np.ndarray) -> float:
    """The value on the test side of what a baseline scored."""
    dataset = data.dataset
    sides = (data.by_track(values, "default", "test") for values in (scores, data.clips.targets))
    return measure(*sides, dataset.labels, dataset.task).value(dataset.task)


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize(("task", "tags"), [("multi-label", 2), ("one-label", 2), ("one-label", 3)])
def test_they_find_what_is_plain_to_see(baseline: Baseline, task: Task, tags: int) -> None:
    data = make_data(task, tracks=40, clips_a_track=2, rows=8, tags=tags)
    scores = baseline_scores(baseline, data, "default")
    assert scores.shape == (80, tags)
    assert scores.dtype == np.float32
    assert value_on_test(data, scores) > 0.95


def test_a_two_tag_svm_ranks_by_its_distance() -> None:
    data = make_data("one-label", tracks=20, rows=8, tags=2)
    scores = baseline_scores("log-mel + SVM", data, "default")
    np.testing.assert_array_equal(scores[:, 0], -scores[:, 1])


@pytest.mark.parametrize("baseline", BASELINES)
def test_the_test_side_is_not_looked_at(baseline: Baseline) -> None:
    data = make_data(tracks=24, rows=8)
    turned = data.clips.targets.copy()
    test = data.clips_of("default", "test")
    turned[test] = 1 - turned[test]
    other = dataclasses.replace(data, clips=dataclasses.replace(data.clips, targets=turned))
    expected = baseline_scores(baseline, data, "default")
    np.testing.assert_array_equal(baseline_scores(baseline, other, "default"), expected)


def test_scores_are_one_of_the_candidates_of_scikit_learn() -> None:
    data = make_data("one-label", tracks=24, rows=8, tags=3)
    vectors = np.stack(
        [
            np.concatenate([rows.mean(axis=0), rows.std(axis=0)])
            for rows in data.frames.reshape(24, 8, 128).astype(np.float32)
        ]
    )
    train = data.clips_of("default", "train")
    truth = data.clips.targets.argmax(axis=1)
    candidates = [
        make_pipeline(StandardScaler(), SVC(C=value)).fit(vectors[train], truth[train]).decision_function(vectors)
        for value in (0.01, 0.1, 1.0, 10.0, 100.0)
    ]
    found = baseline_scores("log-mel + SVM", data, "default")
    assert any(np.allclose(found, candidate, atol=1e-5) for candidate in candidates)


def test_a_tag_that_all_or_none_train_on_is_a_constant() -> None:
    data = make_data(tracks=24, rows=8, tags=3)
    targets = data.clips.targets.copy()
    train = data.clips_of("default", "train")
    targets[train, 1], targets[train, 2] = 1, 0
    data = dataclasses.replace(data, clips=dataclasses.replace(data.clips, targets=targets))
    for baseline in BASELINES:
        scores = baseline_scores(baseline, data, "default")
        assert (scores[:, 1] == 1).all()
        assert (scores[:, 2] == 0).all()
        assert len(np.unique(scores[:, 0])) > 10


@pytest.mark.parametrize("baseline", BASELINES)
def test_a_tag_that_nobody_trains_on_comes_last(baseline: Baseline) -> None:
    data = make_data("one-label", tracks=40, rows=8, tags=3)
    targets = data.clips.targets.copy()
    train = data.clips_of("default", "train")
    targets[train] = np.eye(3, dtype=np.float32)[np.arange(len(train)) % 2]
    data = dataclasses.replace(data, clips=dataclasses.replace(data.clips, targets=targets))
    scores = baseline_scores(baseline, data, "default")
    assert (scores[:, 2] < scores[:, :2].min()).all()


def test_unknown_targets_and_a_single_tag_are_refused() -> None:
    data = make_data(tracks=12, rows=8)
    targets = data.clips.targets.copy()
    targets[3, 1] = np.nan
    unknown = dataclasses.replace(data, clips=dataclasses.replace(data.clips, targets=targets))
    with pytest.raises(TrainingError, match="made up has unknown targets"):
        baseline_scores("log-mel + SVM", unknown, "default")
    single = make_data("one-label", tracks=12, rows=8, tags=2)
    same = np.tile(np.array([[1, 0]], np.float32), (12, 1))
    single = dataclasses.replace(single, clips=dataclasses.replace(single.clips, targets=same))
    with pytest.raises(TrainingError, match="have the same tag"):
        baseline_scores("log-mel + SVM", single, "default")


def testmfcc_statistics_by_the_formula() -> None:
    """The orthonormal DCT-II of each frame, written out."""
    frames = np.random.default_rng(0).uniform(0, 2, (7, 128)).astype(np.float32)
    place, order = np.arange(128), np.arange(20)[:, None]
    basis = np.cos(np.pi * (place + 0.5) * order / 128) * np.sqrt(2 / 128)
    basis[0] /= np.sqrt(2)
    coefficients = frames @ basis.T
    steps = coefficients[1:] - coefficients[:-1]
    parts = [coefficients.mean(0), coefficients.std(0), steps.mean(0), steps.std(0)]
    np.testing.assert_allclose(mfcc_statistics(frames), np.concatenate(parts), atol=1e-4)


def test_logistic_scores_are_probabilities() -> None:
    data = make_data("one-label", tracks=24, rows=8, tags=3)
    scores = baseline_scores("MFCC + logistic", data, "default")
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)


def test_vectors_are_found_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "peer.npz", b=np.array([1.0, 2.0]), a=np.array([3, 4]), other=np.zeros(7))
    found = peer_vectors(tmp_path / "peer.npz", ("a", "b", "a"))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [[3, 4], [1, 2], [3, 4]])


def test_what_is_no_file_of_vectors_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "peer.npz", a=np.zeros(2), b=np.zeros(3), c=np.zeros((2, 2)))
    with pytest.raises(TrainingError, match="no vector of 1 tracks, such as 'z'"):
        peer_vectors(tmp_path / "peer.npz", ("a", "z"))
    for tracks in (("a", "b"), ("c",)):
        with pytest.raises(TrainingError, match="expected one row of one length"):
            peer_vectors(tmp_path / "peer.npz", tracks)
    (tmp_path / "text.npz").write_text("no archive")
    for name in ("text.npz", "absent.npz"):
        with pytest.raises(TrainingError, match="cannot be read as vectors"):
            peer_vectors(tmp_path / name, ("a",))
