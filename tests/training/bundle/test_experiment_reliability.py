from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("lightning", reason="needs the extra train")

from earmark.training.bundle.bundling import log_odds_of
from earmark.training.bundle.fold_reliability import experiment_reliability, fold_reliability_text

if TYPE_CHECKING:
    from earmark.training.steps.experiment import Experiment


def test_a_recipes_models_are_judged_on_clips_that_they_have_scored(
    experiment: "Experiment", no_training: Callable[[], None]
) -> None:
    measured = experiment_reliability(experiment, 0)
    material = experiment.material
    targets = material.by_track(material.clips.targets, "default", "test")
    assert (measured.splits, measured.tracks) == (("default",), len(targets))
    assert set(measured.calibrated.tag_errors) == set(material.dataset.labels)
    assert f"{measured.tracks} tracks" in fold_reliability_text(measured)


def test_log_odds_of_certain_scores_stay_finite() -> None:
    scores = np.array([0.0, 1e-30, 0.25, 0.5, 1.0], np.float32)
    odds = log_odds_of(scores)
    assert np.isfinite(odds).all() and (np.diff(odds) > 0).all()
    np.testing.assert_allclose(odds[2:4], [np.log(1 / 3), 0.0], atol=1e-6)
