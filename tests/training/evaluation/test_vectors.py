"""Plain machines on vectors, the experiment's own and those of peers."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("lightning", reason="needs the extra train")

from earmark.training.evaluation.baselines import machine_scores
from earmark.training.evaluation.evaluate import evaluate, methods
from earmark.training.evaluation.metrics import measure
from earmark.training.evaluation.report import evaluation_text
from earmark.training.steps.features import Selection
from training.builders import make_data
from training.conftest import Workplace

if TYPE_CHECKING:
    from earmark.training.steps.experiment import Experiment


def test_machines_hear_all_scales_each_scale_each_level_and_peers(
    tiny: Workplace, experiment: "Experiment", no_training: Callable[[], None], tmp_path: Path
) -> None:
    data = experiment.data
    hidden = [experiment.hidden_vectors("default", seed) for seed in experiment.recipe.evaluation.seeds]
    no_training()
    # Not too good: a machine on vectors that tell everything has no best weights, and says so in a warning.
    noise = np.random.default_rng(0).standard_normal((len(data.clips), 6)).astype(np.float32)
    peer = dict(zip(data.clips.tracks, noise, strict=True))
    np.savez(tmp_path / "peer.npz", **peer)
    recipe = tiny.recipe.replace(
        'compare = ["baselines", "local", "single-levels", "multi-level", "multi-scale"]',
        (f'compare = ["vectors", "hidden"]\npeers = {{ "knows little" = "{tmp_path / "peer.npz"}" }}'),
    )
    chosen = Workplace(recipe, tiny.folder).experiment()
    names = [method.name for method in methods(chosen)]
    levels = [f"vectors {scale} L{level} + logistic" for scale in (18, 27) for level in (1, 2, 3)]
    expected = ["vectors 18+27 + logistic", "vectors 18 + logistic", "vectors 27 + logistic", *levels]
    assert names == [*expected, "knows little + logistic", "hidden layer + logistic"]
    found = evaluate(chosen, "valid", lambda line: None)
    text = evaluation_text(found)
    assert "hidden layer: the first of a classifier that was trained where the local CNNs were, on rendered." in text
    for pair in (
        "hidden layer + logistic against vectors 18+27 + logistic",
        "hidden layer + logistic against knows little + logistic",
        "vectors 18+27 + logistic against knows little + logistic",
    ):
        assert re.search(rf"\| {re.escape(pair)} \| [+-]0\.\d+ \[", text)
    own = chosen.vectors("default", Selection((18, 27)))
    scores = machine_scores("logistic", own, data, "default", compressed=True)
    valid = data.clips_of("default", "valid")
    np.testing.assert_array_equal(found.find("vectors", (18, 27)).scores, scores[valid])
    by_seed = [machine_scores("logistic", each, data, "default", compressed=True)[valid] for each in hidden]
    (of_hidden,) = found.of_kind("hidden")
    np.testing.assert_allclose(of_hidden.scores, np.mean(by_seed, axis=0), rtol=1e-6)
    scores = machine_scores("logistic", noise, data, "default", compressed=True)
    (of_peer,) = found.of_kind("peer")
    np.testing.assert_array_equal(of_peer.scores, scores[valid])


def test_logarithms_are_taken_where_validation_is_better_with_them() -> None:
    data = make_data("one-label", tracks=40, rows=8, tags=3)
    generator = np.random.default_rng(1)
    targets = data.clips.targets
    told = generator.standard_normal((len(targets), 3)).astype(np.float32) + 2 * targets
    wild = np.sign(told) * np.expm1(6 * np.abs(told))

    def value(scores: np.ndarray) -> float:
        sides = (data.by_track(values, "default", "valid") for values in (scores, targets))
        return measure(*sides, data.dataset.labels, "one-label").value("one-label")

    plain = value(machine_scores("svm", wild, data, "default"))
    assert value(machine_scores("svm", wild, data, "default", compressed=True)) > plain
    tame = machine_scores("svm", told, data, "default", compressed=True)
    assert value(tame) >= value(machine_scores("svm", told, data, "default"))
