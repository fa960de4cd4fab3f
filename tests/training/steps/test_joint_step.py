from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("lightning", reason="needs the extra train")

import earmark
from earmark.errors import RecipeError
from earmark.tagging.bundle.bundle import Bundle, write_bundle
from earmark.tagging.bundle.calibration import activate
from earmark.tagging.engines.network import Classifier, LocalNetwork
from earmark.training.bundle.bundling import bundle_of, model_metrics
from earmark.training.evaluation.evaluate import evaluate
from earmark.training.evaluation.metrics import measure
from earmark.training.recipe.recipe import parse_recipe
from training.conftest import Workplace

if TYPE_CHECKING:
    from earmark.training.steps.experiment import Experiment

JOINT = """
[joint]
batch_clips = 4
[joint.schedule]
kind = "one-cycle"
peak_learning_rate = 0.01
epochs = 2
"""


@pytest.fixture(scope="module")
def place(tiny: Workplace, experiment: "Experiment") -> Workplace:
    """The tiny experiment with a model of all networks trained together, from the tiny one's steps."""
    recipe = tiny.recipe.replace('name = "tiny"', 'name = "tiny"\nmodel = "joint"')
    recipe = recipe.replace(
        '["baselines", "local", "single-levels", "multi-level", "multi-scale"]', '["multi-scale", "joint"]'
    )
    return Workplace(recipe + JOINT, tiny.folder)


@pytest.fixture(scope="module")
def joined(place: Workplace) -> "Experiment":
    return place.experiment()


@pytest.fixture(scope="module")
def bundle(place: Workplace, joined: "Experiment") -> Bundle:
    return bundle_of(joined, "default", 0, place.recipe, model_metrics(joined, "default", 0))


def test_all_networks_move(joined: "Experiment", experiment: "Experiment", bundle: Bundle) -> None:
    before = bundle_of(experiment, "default", 0, "", {})
    assert before.weights.keys() == bundle.weights.keys()
    parts = {name: np.abs(before.weights[name] - weight).max() for name, weight in bundle.weights.items()}
    still = [name for name, moved in parts.items() if not moved > 1e-6]
    assert sorted(still) == ["head.deviation", "head.mean"], "the classifier's standardisation is the three steps'"
    for old, new in zip(before.card.extractors, bundle.card.extractors, strict=True):
        assert old.hash != new.hash
        assert old.levels == new.levels
    history = joined.joint("default", 0).history
    assert len(history.epochs) == 2


def test_the_bundle_tags_what_the_experiment_scored(joined: "Experiment", bundle: Bundle, tmp_path: Path) -> None:
    """A track is 9 frames longer than its clip, which moves the scores; from the clip's own frames they are equal."""
    write_bundle(bundle, tmp_path / "model")
    tagger = earmark.load(tmp_path / "model")
    scores = joined.joint_scores("default", 0)
    material = joined.material
    vectors = []
    for extractor in bundle.card.extractors:
        network, length = LocalNetwork(extractor, bundle.weights), extractor.segment_length
        whole = 250 // length * length
        clips = [material.frames[first : first + whole].astype(np.float32) for first in material.clips.first_row]
        vectors.append([network(clip.reshape(-1, length, 128)).levels.mean(axis=0) for clip in clips])
    joined_vectors = np.concatenate(vectors, axis=1)
    expected = activate(Classifier(bundle.card.head, bundle.weights)(joined_vectors), "sigmoid")
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-5)
    train = material.clips_of("default", "train")
    np.testing.assert_allclose(bundle.weights["vector.mean"], joined_vectors[train].mean(axis=0), rtol=1e-4, atol=1e-5)
    prediction = tagger.tag(material.dataset.tracks[3].path)
    np.testing.assert_allclose(prediction.scores, scores[3], rtol=0, atol=0.1)
    assert prediction.local_scores is not None and prediction.local_scores.shape == (13,)


def test_the_metrics_are_those_of_the_joint_model(joined: "Experiment", bundle: Bundle) -> None:
    material = joined.material
    chosen = material.clips_of("default", "test")
    scores = joined.joint_scores("default", 0)[chosen]
    expected = measure(scores, material.clips.targets[chosen], material.dataset.labels, "multi-label")
    assert bundle.card.metrics["test ROC-AUC"] == expected.roc_auc


def test_it_is_trained_once(place: Workplace, bundle: Bundle, no_training: Callable[[], None]) -> None:
    """Scores, metrics and the bundle are of the same training, also in another run."""
    no_training()
    again = bundle_of(place.experiment(), "default", 0, place.recipe, {})
    assert again.card.head.hash == bundle.card.head.hash
    for name, weight in bundle.weights.items():
        np.testing.assert_array_equal(again.weights[name], weight)


def test_it_can_be_compared(joined: "Experiment") -> None:
    evaluation = evaluate(joined, "test", lambda line: None)
    assert [result.name for result in evaluation.results] == ["global 18+27", "joint 18+27"]
    result = evaluation.result("joint 18+27")
    assert (result.kind, result.values.shape) == ("joint", (2, 1))
    chosen = joined.material.clips_of("default", "test")
    expected = np.mean([joined.joint_scores("default", seed)[chosen] for seed in (0, 1)], axis=0)
    np.testing.assert_allclose(result.scores, expected, rtol=1e-5)
    assert not np.allclose(result.scores, evaluation.result("global 18+27").scores)


def test_chosen_levels_only(place: Workplace, tmp_path: Path) -> None:
    recipe = place.recipe.replace("hidden_units = [16, 8]", "hidden_units = [16, 8]\nlevels = [1, 3]")
    chosen = Workplace(recipe, place.folder).experiment()
    bundle = bundle_of(chosen, "default", 0, recipe, {})
    assert [extractor.levels for extractor in bundle.card.extractors] == [(1, 3), (1, 3)]
    write_bundle(bundle, tmp_path / "model")
    prediction = earmark.load(tmp_path / "model").tag(chosen.material.dataset.tracks[3].path)
    np.testing.assert_allclose(prediction.scores, chosen.joint_scores("default", 0)[3], rtol=0, atol=0.1)


@pytest.mark.parametrize("wanted", ['model = "joint"', ""])
def test_other_pooling_is_refused_before_anything_is_trained(place: Workplace, wanted: str) -> None:
    recipe = place.recipe.replace('model = "joint"', wanted)
    assert parse_recipe(recipe).pooling.track == "mean"
    with pytest.raises(RecipeError, match="joint training takes the maximum over segments and the mean over clips"):
        parse_recipe(recipe + '[pooling]\ntrack = "max"\n')
