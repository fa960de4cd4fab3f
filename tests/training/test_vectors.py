"""Plain machines on vectors, the experiment's own and those of peers."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("lightning", reason="needs the extra train")

from earmark.training.baselines import machine_scores
from earmark.training.evaluate import evaluate, methods
from earmark.training.features import Selection
from training.conftest import Workplace

if TYPE_CHECKING:
    from earmark.training.experiment import Experiment


def test_machines_hear_all_scales_each_scale_each_level_and_peers(
    tiny: Workplace, experiment: "Experiment", no_training: Callable[[], None], tmp_path: Path
) -> None:
    material = experiment.material
    # Not too good: a machine on vectors that tell everything has no best weights, and says so in a warning.
    noise = np.random.default_rng(0).standard_normal((len(material.clips), 6)).astype(np.float32)
    peer = dict(zip(material.clips.tracks, noise, strict=True))
    np.savez(tmp_path / "peer.npz", **peer)
    recipe = tiny.recipe.replace(
        'compare = ["baselines", "local", "single-levels", "multi-level", "multi-scale"]',
        (f'compare = ["vectors"]\npeers = {{ "knows little" = "{tmp_path / "peer.npz"}" }}'),
    )
    chosen = Workplace(recipe, tiny.folder).experiment()
    names = [method.name for method in methods(chosen)]
    levels = [f"vectors {scale} L{level} + logistic" for scale in (18, 27) for level in (1, 2, 3)]
    expected = ["vectors 18+27 + logistic", "vectors 18 + logistic", "vectors 27 + logistic", *levels]
    assert names == [*expected, "knows little + logistic"]
    found = evaluate(chosen, "valid", lambda line: None)
    scores = machine_scores("logistic", chosen.vectors("default", Selection((18, 27))), material, "default")
    valid = material.clips_of("default", "valid")
    np.testing.assert_array_equal(found.result("vectors 18+27 + logistic").scores, scores[valid])
    scores = machine_scores("logistic", noise, material, "default")
    np.testing.assert_array_equal(found.result("knows little + logistic").scores, scores[valid])
