import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("lightning", reason="needs the extra train")

from lightning.fabric import Fabric

from earmark.errors import TrainingError
from earmark.training.evaluation.evaluate import Evaluation, Method, Result, evaluate, methods
from earmark.training.evaluation.metrics import measure
from earmark.training.recipe.recipe import Recipe, parse_recipe
from earmark.training.steps.features import Selection
from earmark.training.steps.steps import Steps
from training.builders import make_data
from training.conftest import Workplace

if TYPE_CHECKING:
    from earmark.training.steps.experiment import Experiment


def silent(line: str) -> None:
    """Say nothing."""


@pytest.fixture(scope="module")
def evaluation(experiment: "Experiment") -> Evaluation:
    return evaluate(experiment, "test", silent)


def test_every_method_is_measured(evaluation: Evaluation, experiment: "Experiment") -> None:
    assert [result.name for result in evaluation.results] == [
        "log-mel + SVM",
        "MFCC + logistic",
        "local 18",
        "local 27",
        "local 18+27",
        *(f"global {scale} L{level}" for scale in (18, 27) for level in (1, 2, 3)),
        "global 18",
        "global 27",
        "global 18+27",
    ]
    assert [result.kind for result in evaluation.results] == ["baseline"] * 2 + ["local"] * 3 + ["global"] * 9
    for result in evaluation.results:
        assert result.values.shape == ((2, 1) if result.kind == "global" else (1, 1))
        assert result.scores.shape == evaluation.targets.shape == (2, 13)
        assert 0 <= result.mean <= 1
    test = experiment.data.clips_of("default", "test")
    np.testing.assert_array_equal(evaluation.targets, experiment.data.clips.targets[test])


def test_pooled_scores_are_means_over_seeds(evaluation: Evaluation, experiment: "Experiment") -> None:
    result = evaluation.find("global", (18, 27))
    chosen = {method.name: method for method in methods(experiment)}["global 18+27"]
    by_seed = [experiment.data.by_track(chosen.clip_scores("default", seed), "default", "test") for seed in (0, 1)]
    np.testing.assert_allclose(result.scores, np.mean(by_seed, axis=0), rtol=1e-5)
    for seed, scores in enumerate(by_seed):
        expected = measure(scores, evaluation.targets, experiment.data.dataset.labels, "multi-label").roc_auc
        assert result.values[seed, 0] == pytest.approx(expected)


def test_local_scores_of_all_scales_are_their_mean(evaluation: Evaluation) -> None:
    both = evaluation.find("local", (18, 27)).scores
    each = [evaluation.find("local", (scale,)).scores for scale in (18, 27)]
    np.testing.assert_allclose(both, np.mean(each, axis=0), rtol=1e-5)


def test_few_tracks_can_be_compared(evaluation: Evaluation) -> None:
    """Of two tracks half of all resamples are one track twice, which cannot be measured."""
    difference = evaluation.compare(evaluation.find("global", (18,)), evaluation.find("local", (18,)), 40)
    expected = evaluation.find("global", (18,)).pooled.roc_auc - evaluation.find("local", (18,)).pooled.roc_auc
    assert difference.mean == pytest.approx(expected)
    assert difference.low == difference.high == pytest.approx(expected)
    same = evaluation.compare(*[evaluation.find("global", (18,))] * 2, 40)
    assert (same.mean, same.low, same.high) == (0, 0, 0)


def test_a_second_evaluation_trains_nothing(
    tiny: Workplace, evaluation: Evaluation, no_training: Callable[[], None]
) -> None:
    no_training()
    said: list[str] = []
    again = evaluate(tiny.experiment(), "test", said.append)
    assert said == [result.name for result in evaluation.results]
    for one, two in zip(evaluation.results, again.results, strict=True):
        np.testing.assert_array_equal(one.scores, two.scores)
        np.testing.assert_array_equal(one.values, two.values)


def compared(experiment: "Experiment", *kinds: str) -> list[Method]:
    section = experiment.recipe.evaluation.model_copy(update={"compare": kinds})
    recipe = experiment.recipe.model_copy(update={"evaluation": section})
    from earmark.training.steps.experiment import Experiment

    other = Experiment(recipe, experiment.data, Steps(Path("unused"), experiment._fabric), experiment._fabric, silent)
    return list(methods(other))


def test_subsets_of_levels_and_scales(experiment: "Experiment") -> None:
    names = [method.name for method in compared(experiment, "level-subsets")]
    subsets = ["L1", "L2", "L3", "L1+L2", "L1+L3", "L2+L3", "L1+L2+L3"]
    assert names == [f"global {scale} {levels}" for scale in (18, 27) for levels in subsets]
    names = [method.name for method in compared(experiment, "scale-subsets", "multi-level", "multi-scale")]
    assert names == ["global 18", "global 27", "global 18+27"], "no method twice"


def result_of(values: list[list[float]]) -> Result:
    data = make_data(tracks=8)
    targets = data.clips.targets
    pooled = measure(targets, targets, data.dataset.labels, "multi-label")
    return Result("made up", "global", Selection((18,)), np.array(values), pooled, targets)


def test_deviations_over_seeds_and_over_splits() -> None:
    result = result_of([[0.5, 0.7, 0.9], [0.7, 0.9, 1.1]])
    assert result.mean == pytest.approx(0.8)
    assert result.split_deviation == pytest.approx(np.std([0.6, 0.8, 1.0]))
    assert result.seed_deviation == pytest.approx(0.1)


class Stub:
    """An experiment of given scores, for what `evaluate` does with folds."""

    def __init__(self, recipe: Recipe, scores: dict[tuple[str, int], np.ndarray]) -> None:
        self.recipe = recipe
        data = make_data("one-label", tracks=20, tags=2)
        first = data.dataset.splits["default"]
        second = dataclasses.replace(first, name="other", train=first.test + first.valid, valid=(), test=first.train)
        dataset = dataclasses.replace(data.dataset, splits={"default": first, "other": second})
        self.data = dataclasses.replace(data, dataset=dataset)
        self._scores = scores

    def levels(self, scale: int) -> tuple[int, ...]:
        return (1, 2, 3)

    def global_scores(self, split: str, selection: object, seed: int) -> np.ndarray:
        return self._scores[split, seed]


def test_folds_are_pooled_in_their_order() -> None:
    recipe = parse_recipe(
        'name = "folds"\n[data]\ndataset = "table"\nroot = "."\nsplits = ["default", "other"]\n'
        '[local]\nscales = [18]\n[evaluation]\ncompare = ["multi-scale"]\nseeds = [0, 1]\n'
    )
    targets = make_data("one-label", tracks=20, tags=2).clips.targets
    wrong = targets.copy()
    wrong[[0, 3]] = wrong[[0, 3], ::-1]
    scores = {("default", 0): targets, ("default", 1): targets, ("other", 0): wrong, ("other", 1): 0.4 * targets + 0.3}
    stub = Stub(recipe, {key: value.astype(np.float32) for key, value in scores.items()})
    found = evaluate(stub, "test", silent)  # type: ignore[arg-type]
    (result,) = found.results
    np.testing.assert_array_equal(found.targets, np.concatenate([targets[15:], targets[:10]]))
    np.testing.assert_allclose(result.values, [[1.0, 0.8], [1.0, 1.0]])
    np.testing.assert_allclose(result.scores[:5], targets[15:])
    np.testing.assert_allclose(result.scores[5:], (wrong[:10] + 0.4 * targets[:10] + 0.3) / 2, rtol=1e-6)
    assert result.pooled.accuracy == pytest.approx(13 / 15)


def test_an_empty_side_is_refused(experiment: "Experiment") -> None:
    data = make_data(tracks=8)
    split = dataclasses.replace(data.dataset.splits["default"], test=())
    dataset = dataclasses.replace(data.dataset, splits={"default": split})
    from earmark.training.steps.experiment import Experiment

    fabric = Fabric(accelerator="cpu", devices=1)
    other = Experiment(
        experiment.recipe, dataclasses.replace(data, dataset=dataset), Steps(Path("unused"), fabric), fabric, silent
    )
    with pytest.raises(TrainingError, match="among 0"):
        evaluate(other, "test", silent)
