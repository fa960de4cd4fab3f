import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("lightning", reason="needs the extra train")

import earmark
from earmark.errors import TrainingError
from earmark.tagging.bundle.bundle import read_bundle, write_bundle
from earmark.tagging.bundle.card import TagName
from earmark.training.bundling import bundle as bundling
from earmark.training.bundling.bundle import bundle_of, experiment_reliability, log_odds_of, model_metrics
from earmark.training.datasets.base import Dataset, DatasetTrack, Split
from earmark.training.evaluation.metrics import measure
from earmark.training.evaluation.reliability import Judgement, Promise, fold_reliability_text
from earmark.training.steps.features import Selection, clip_vectors
from training.conftest import Workplace

if TYPE_CHECKING:
    from earmark.training.steps.experiment import Experiment

ALL = Selection((18, 27))


def test_the_bundle_says_where_it_comes_from(tiny: Workplace, experiment: "Experiment", tmp_path: Path) -> None:
    metrics = model_metrics(experiment, "default", 1)
    bundle = bundle_of(experiment, "default", 1, tiny.recipe, metrics)
    write_bundle(bundle, tmp_path / "model")
    card = read_bundle(tmp_path / "model").card
    assert card == bundle.card
    data = experiment.data
    assert (card.name, card.licence, card.activation) == ("tiny", "Apache-2.0", "sigmoid")
    assert card.tags == data.dataset.tags
    assert card.metrics == metrics
    assert card.provenance.recipe == tiny.recipe
    assert card.provenance.data_hash == data.hash
    assert card.provenance.split_hash == data.dataset.splits["default"].hash
    assert card.provenance.seeds == (5, 1)
    assert {"torch", "numpy", "python"} <= set(card.provenance.versions)
    assert card.head.hidden_units == (16, 8)
    hashes = [experiment.local("default", scale).extractor.hash for scale in ALL.scales]
    assert [extractor.hash for extractor in card.extractors] == hashes, "with all levels it is the same extractor"


def test_bundling_twice_gives_the_same_weights(tiny: Workplace, experiment: "Experiment") -> None:
    one, two = (bundle_of(experiment, "default", 0, tiny.recipe, {}) for _ in range(2))
    assert one.card.head.hash == two.card.head.hash


def test_it_tags_a_rendered_file(tiny: Workplace, experiment: "Experiment", tmp_path: Path) -> None:
    write_bundle(bundle_of(experiment, "default", 0, tiny.recipe, {}), tmp_path / "model")
    tagger = earmark.load(tmp_path / "model")
    track = experiment.data.dataset.tracks[3]
    prediction = tagger.tag(track.path)
    assert prediction.labels == experiment.data.dataset.labels
    assert prediction.duration_seconds == pytest.approx(6.0)
    assert prediction.short == ()
    # The file is 9 frames longer than its clip, which gives one more segment of 18 and moves the mean a little.
    expected = experiment.global_scores("default", ALL, 0)[3]
    np.testing.assert_allclose(prediction.scores, expected, rtol=0, atol=0.1)


@pytest.mark.parametrize("levels", ["[1, 3]", "[3, 1]"])
def test_chosen_levels_are_the_bundles_levels(
    tiny: Workplace, experiment: "Experiment", no_training: Callable[[], None], tmp_path: Path, levels: str
) -> None:
    recipe = tiny.recipe.replace("hidden_units = [16, 8]", f"hidden_units = [16, 8]\nlevels = {levels}")
    chosen = Workplace(recipe, tiny.folder).experiment()
    bundle = bundle_of(chosen, "default", 0, recipe, {})
    assert [extractor.levels for extractor in bundle.card.extractors] == [(1, 3), (1, 3)]
    assert bundle.card.vector_width == 2 * (128 + 256)
    write_bundle(bundle, tmp_path / "model")
    path = chosen.data.dataset.tracks[0].path
    vectors = clip_vectors([chosen.features("default", scale) for scale in ALL.scales], (1, 3))
    found = earmark.load(tmp_path / "model").embed(path)
    assert found.shape == vectors[0].shape
    assert np.corrcoef(found, vectors[0])[0, 1] > 0.99


def test_the_metrics_are_those_of_the_scores(experiment: "Experiment") -> None:
    metrics = model_metrics(experiment, "default", 0)
    data = experiment.data
    scores = experiment.global_scores("default", ALL, 0)
    assert set(metrics) == {"valid ROC-AUC", "valid PR-AUC", "test ROC-AUC", "test PR-AUC"}
    for side in ("valid", "test"):
        chosen = data.clips_of("default", side)
        expected = measure(scores[chosen], data.clips.targets[chosen], experiment.data.dataset.labels, "multi-label")
        assert metrics[f"{side} ROC-AUC"] == expected.roc_auc
        assert metrics[f"{side} PR-AUC"] == expected.pr_auc


def test_a_second_bundle_trains_nothing(
    tiny: Workplace, experiment: "Experiment", no_training: Callable[[], None]
) -> None:
    first = bundle_of(experiment, "default", 0, tiny.recipe, {})
    figures = model_metrics(experiment, "default", 0)
    no_training()
    again = tiny.experiment()
    second = bundle_of(again, "default", 0, tiny.recipe, {})
    assert second.card.head == first.card.head
    assert second.card.extractors == first.card.extractors
    assert model_metrics(again, "default", 0) == figures


def test_a_recipe_chooses_what_becomes_the_bundle(
    tiny: Workplace, experiment: "Experiment", no_training: Callable[[], None], tmp_path: Path
) -> None:
    whole = bundle_of(experiment, "default", 0, tiny.recipe, {})
    group = whole.card.tags[0].group
    recipe = tiny.recipe + f'[bundle]\nname = "chosen"\ngroups = ["{group}"]\ncalibrate = true\nhalf_precision = true\n'
    chosen = Workplace(recipe, tiny.folder).experiment()
    bundle = bundle_of(chosen, "default", 0, recipe, {})
    write_bundle(bundle, tmp_path / "model")
    write_bundle(whole, tmp_path / "whole")
    kept = [place for place, tag in enumerate(whole.card.tags) if tag.group == group]
    assert 0 < len(kept) < len(whole.card.tags)
    assert bundle.card.name == "chosen"
    assert bundle.card.tags == tuple(whole.card.tags[place] for place in kept)
    assert [curve.label for curve in bundle.card.calibration] == list(bundle.card.labels)
    sizes = [(tmp_path / name / "weights.safetensors").stat().st_size for name in ("model", "whole")]
    assert sizes[0] < 0.55 * sizes[1]
    path = chosen.data.dataset.tracks[0].path
    found, expected = (earmark.load(tmp_path / name).tag(path) for name in ("model", "whole"))
    np.testing.assert_allclose(found.logits, expected.logits[kept], atol=0.02)
    assert found.local_scores is not None and expected.local_scores is not None
    np.testing.assert_allclose(found.local_scores, expected.local_scores[kept], atol=0.005)


def test_a_group_that_the_dataset_lacks_is_refused(
    tiny: Workplace, experiment: "Experiment", no_training: Callable[[], None]
) -> None:
    recipe = tiny.recipe + '[bundle]\ngroups = ["smells"]\n'
    chosen = Workplace(recipe, tiny.folder).experiment()
    with pytest.raises(TrainingError, match=r"bundle\.groups names smells; the groups of rendered are"):
        bundle_of(chosen, "default", 0, recipe, {})


def test_tags_that_too_few_validation_tracks_have_are_left_out(
    tiny: Workplace, experiment: "Experiment", no_training: Callable[[], None]
) -> None:
    dataset = experiment.data.dataset
    positives = (dataset.targets(dataset.split("default").valid) >= dataset.positive_threshold).sum(axis=0)
    least = int(np.median(positives)) + 1
    recipe = tiny.recipe + f"[bundle]\nleast_positives = {least}\n"
    bundle = bundle_of(Workplace(recipe, tiny.folder).experiment(), "default", 0, recipe, {})
    assert 0 < len(bundle.card.tags) < len(dataset.tags)
    assert bundle.card.labels == tuple(
        label for label, count in zip(dataset.labels, positives, strict=True) if count >= least
    )
    recipe = tiny.recipe + "[bundle]\nleast_positives = 1000\n"
    with pytest.raises(TrainingError, match=r"Lower bundle\.least_positives"):
        bundle_of(Workplace(recipe, tiny.folder).experiment(), "default", 0, recipe, {})


def test_a_fold_is_calibrated_by_the_validation_sides_of_other_groups() -> None:
    tracks = tuple(
        DatasetTrack(name, Path(name), (1.0,), group) for name, group in zip("abcdef", "112233", strict=True)
    )
    splits = {
        "one": Split("one", ("a", "b"), ("c", "d"), ("e", "f")),
        "two": Split("two", ("a", "b"), ("f",), ("c", "d")),
        "three": Split("three", ("c", "d"), ("a", "b"), ("e", "f")),
    }
    dataset = Dataset("d", "", "", "", "multi-label", (TagName("x", "y"),), tracks, splits)
    assert bundling._splits_apart(dataset, tuple(splits), "one") == ("one", "three")
    assert bundling._splits_apart(dataset, tuple(splits), "two") == ("two", "three")
    assert bundling._splits_apart(dataset, ("one", "two"), "one") == ("one",)


def test_the_calibration_is_of_validation_tracks_alone(
    tiny: Workplace, experiment: "Experiment", no_training: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny.recipe + "[bundle]\ncalibrate = true\n"
    chosen = Workplace(recipe, tiny.folder).experiment()
    seen: dict[str, np.ndarray] = {}

    def fit(logits: np.ndarray, targets: np.ndarray, tags: list[TagName], groups: list[str], **_: object) -> tuple:
        seen.update(logits=logits, targets=targets)
        assert len(groups) == len(logits) and tuple(tags) == chosen.data.dataset.tags
        return ()

    monkeypatch.setattr(bundling, "fit_calibration", fit)
    bundle_of(chosen, "default", 0, recipe, {})
    data = chosen.data
    valid = data.clips_of("default", "valid")
    scores = chosen.model_scores("default", 0)[valid]
    np.testing.assert_allclose(1 / (1 + np.exp(-seen["logits"])), scores, rtol=1e-5)
    np.testing.assert_array_equal(seen["targets"], data.clips.targets[valid])


def test_familiarity_is_fitted_where_it_is_asked_for(
    tiny: Workplace, experiment: "Experiment", no_training: Callable[[], None], tmp_path: Path
) -> None:
    recipe = tiny.recipe + "[bundle]\nfamiliarity = true\n"
    chosen = Workplace(recipe, tiny.folder).experiment()
    bundle = bundle_of(chosen, "default", 0, recipe, {})
    familiarity = bundle.card.familiarity
    assert familiarity is not None
    assert 0 < familiarity.tracks <= len(chosen.data.clips_of("default", "train"))
    assert bundle.card.head == bundle_of(experiment, "default", 0, tiny.recipe, {}).card.head
    write_bundle(bundle, tmp_path)
    distance = earmark.load(tmp_path).tag(chosen.data.dataset.tracks[0].path).distance
    assert 0 < distance < 10 * familiarity.threshold


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
    assert "test sides of default: 2 tracks" in text
    judged = dataclasses.replace(measured, calibrated=calibrated, people={"listeners": Judgement((promise,), {"a": 3})})
    text = fold_reliability_text(judged)
    assert "where listeners said anything" in text and "Wrong of those at 0.9: a 3." in text


def test_log_odds_of_certain_scores_stay_finite() -> None:
    scores = np.array([0.0, 1e-30, 0.25, 0.5, 1.0], np.float32)
    odds = log_odds_of(scores)
    assert np.isfinite(odds).all() and (np.diff(odds) > 0).all()
    np.testing.assert_allclose(odds[2:4], [np.log(1 / 3), 0.0], atol=1e-6)
