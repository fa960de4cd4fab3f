import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("lightning", reason="needs the extra train")

from earmark.training.bundling.bundle import log_odds_of
from earmark.training.bundling.fold_reliability import experiment_reliability, fold_reliability_text
from earmark.training.evaluation.reliability import Promise

if TYPE_CHECKING:
    from earmark.training.steps.experiment import Experiment


def test_a_recipes_models_are_judged_on_clips_that_they_have_scored(
    experiment: "Experiment", no_training: Callable[[], None]
) -> None:
    measured = experiment_reliability(experiment, 0)
    data = experiment.data
    targets = data.by_track(data.clips.targets, "default", "test")
    assert (measured.splits, measured.tracks) == (("default",), len(targets))
    assert set(measured.calibrated.tag_errors) == set(data.dataset.labels)
    text = fold_reliability_text(measured)
    assert f"{measured.tracks} tracks" in text
    assert "No tag was promised at any precision." in text


def test_the_text_has_a_row_a_promise(experiment: "Experiment") -> None:
    measured = experiment_reliability(experiment, 0)
    promise = Promise(0.9, 2, 40, 0.925, 0.85, 1.0, 0.5)
    calibrated = dataclasses.replace(measured.calibrated, promises=(promise,))
    text = fold_reliability_text(dataclasses.replace(measured, calibrated=calibrated))
    assert "| 0.9 | 0.925 [0.850, 1.000] | 40 | 50% | 2 |" in text
    assert "test side of default: 2 tracks" in text


def test_log_odds_of_certain_scores_stay_finite() -> None:
    scores = np.array([0.0, 1e-30, 0.25, 0.5, 1.0], np.float32)
    odds = log_odds_of(scores)
    assert np.isfinite(odds).all() and (np.diff(odds) > 0).all()
    np.testing.assert_allclose(odds[2:4], [np.log(1 / 3), 0.0], atol=1e-6)
