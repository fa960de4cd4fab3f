import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("sklearn", reason="needs the extra train")

from tagging.builders import make_bundle

from earmark.errors import TrainingError
from earmark.tagging.bundle.bundle import read_bundle, write_bundle
from earmark.tagging.bundle.calibration import probabilities, promised, sigmoid
from earmark.tagging.bundle.card import Activation, TagCalibration, TagName
from earmark.training.bundling.calibrate import calibrate_bundle, shortage, with_calibration
from earmark.training.bundling.platt import CalibrationRule, fit_calibration, wilson_lower_bound
from earmark.training.datasets.base import Dataset, DatasetTrack, Split


@dataclasses.dataclass(frozen=True)
class Model:
    """As much of a card as probabilities need."""

    calibration: tuple[TagCalibration, ...]
    activation: Activation = "sigmoid"


def world(tracks: int, separation: float, base: float, tags: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are twice too sure and one too high, and whether each tag is there: (tracks, tags) each."""
    generator = np.random.default_rng(seed)
    positive = generator.random((tracks, tags)) < base
    heard = separation * positive + generator.normal(0, 1, (tracks, tags))
    odds = separation * heard - separation**2 / 2 + np.log(base / (1 - base))
    return (2 * odds + 1).astype(np.float32), positive.astype(np.float32)


def names(count: int, word: str = "tag") -> list[str]:
    return [f"{word} {number}" for number in range(count)]


def fitted(logits: np.ndarray, targets: np.ndarray, **options: object) -> tuple[TagCalibration, ...]:
    tracks, tags = logits.shape
    return fit_calibration(logits, targets, names(tags), names(tracks, "artist"), **options)  # type: ignore[arg-type]


def test_an_overconfident_model_is_brought_to_the_truth() -> None:
    found = fitted(*world(4000, 2.0, 0.3, 4))
    assert [entry.label for entry in found] == names(4)
    for entry in found:
        assert entry.slope == pytest.approx(0.5, abs=0.05)
        assert entry.intercept == pytest.approx(-0.5, abs=0.12)


def test_a_promise_is_kept_on_other_tracks() -> None:
    """Tags that are told well: the achieved precision of all promises together is at least what was promised."""
    calibration = fitted(*world(300, 2.0, 0.3, 30))
    logits, targets = world(3000, 2.0, 0.3, 30, seed=1)
    model = Model(calibration)
    for precision, least_tags in ((0.7, 30), (0.8, 29), (0.9, 22)):
        assert sum(f"{precision:g}" in entry.thresholds for entry in calibration) >= least_tags
        kept = promised(probabilities(logits, model), model, precision)
        assert targets[kept].mean() >= precision
        assert kept.sum() > 1000


def test_thresholds_rise_with_the_precision() -> None:
    for entry in fitted(*world(300, 2.0, 0.3, 10)):
        values = [entry.thresholds[key] for key in ("0.7", "0.8", "0.9") if key in entry.thresholds]
        assert values == sorted(values)


def test_what_cannot_be_told_is_not_promised() -> None:
    calibration = fitted(*world(300, 0.3, 0.2, 30))
    assert sum(bool(entry.thresholds) for entry in calibration) <= 1


@pytest.mark.parametrize("positives", [0, 5, 9, 52, 60])
def test_too_few_of_either_kind_promise_nothing(positives: int) -> None:
    targets = (np.arange(60) < positives).astype(np.float32)[:, None]
    logits = np.where(targets > 0, 4.0, -4.0).astype(np.float32) + np.linspace(0, 1, 60, dtype=np.float32)[:, None]
    (entry,) = fitted(logits, targets)
    assert entry.thresholds == {}
    assert np.isfinite([entry.slope, entry.intercept]).all()


def test_separable_tracks_leave_a_moderate_slope_and_a_promise() -> None:
    targets = (np.arange(60) < 30).astype(np.float32)[:, None]
    logits = np.where(targets > 0, 3.0, -3.0).astype(np.float32) + np.linspace(0, 1, 60, dtype=np.float32)[:, None]
    (entry,) = fitted(logits, targets)
    assert 0.5 < entry.slope < 2.5
    assert 0.5 < entry.thresholds["0.9"] < 1.0


def test_a_tag_that_the_model_has_the_wrong_way_round_gets_its_mean() -> None:
    logits, targets = world(400, 2.0, 0.3, 1)
    (entry,) = fitted(-logits, targets)
    assert entry.slope == 0.0
    assert sigmoid(np.array([entry.intercept])) == pytest.approx(targets.mean(), abs=0.02)
    assert entry.thresholds == {}
    (equal,) = fitted(np.ones_like(logits), targets)
    assert (equal.slope, equal.thresholds) == (0.0, {})


def test_unknown_targets_are_left_out() -> None:
    logits, targets = world(300, 2.0, 0.3, 2)
    unknown = np.random.default_rng(5).random(300) < 0.4
    some = targets.copy()
    some[unknown, 0] = np.nan
    some[:, 1] = np.nan
    found = fitted(logits, some)
    (expected,) = fit_calibration(
        logits[~unknown, :1], targets[~unknown, :1], ["tag 0"], [f"artist {n}" for n in np.flatnonzero(~unknown)]
    )
    assert found[0].slope == pytest.approx(expected.slope)
    assert found[0].intercept == pytest.approx(expected.intercept)
    assert found[1] == TagCalibration("tag 1", 1.0, 0.0, {})


def test_soft_targets_are_weights() -> None:
    """A track with the target 0.25 is one track in four: the same as four tracks of which one has the tag."""
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (50, 1)).astype(np.float32)
    targets = (np.round(4 / (1 + np.exp(-logits))) / 4).astype(np.float32)
    hard = (np.arange(4) < 4 * targets).astype(np.float32).reshape(-1, 1)
    (soft,) = fitted(logits, targets, rule=CalibrationRule(prior_tracks=0.001))
    (repeated,) = fitted(np.repeat(logits, 4, axis=0), hard, rule=CalibrationRule(prior_tracks=0.004))
    assert soft.slope == pytest.approx(repeated.slope, rel=1e-3)
    assert soft.intercept == pytest.approx(repeated.intercept, abs=1e-3)


def test_a_promise_is_of_positives_where_targets_are_soft() -> None:
    """The share of raters is about 0.4 where the tag counts as positive: promised although its probability is low."""
    logits, positive = world(400, 3.0, 0.4, 1)
    (entry,) = fitted(logits, positive * 0.4, positive_threshold=0.25)
    assert entry.thresholds["0.9"] < 0.5


def test_softmax_is_calibrated_on_log_odds() -> None:
    generator = np.random.default_rng(3)
    label = generator.integers(0, 4, 500)
    targets = np.eye(4, dtype=np.float32)[label]
    logits = (2.0 * targets + generator.normal(0, 1, (500, 4))).astype(np.float32)
    shifted = logits + generator.normal(0, 50, (500, 1)).astype(np.float32)
    for one, other in zip(
        fitted(logits, targets, activation="softmax"), fitted(shifted, targets, activation="softmax"), strict=True
    ):
        assert one.slope == pytest.approx(other.slope, rel=1e-3)
        assert 1.0 < one.slope < 3.0


def test_an_artist_stays_in_one_fold() -> None:
    """Copies of a track by the same artist cannot vouch for each other."""
    generator = np.random.default_rng(1)
    targets = np.repeat((generator.random(12) < 0.5).astype(np.float32), 25)[:, None]
    logits = np.repeat(generator.normal(0, 3, 12), 25).astype(np.float32)[:, None]
    artists = [f"artist {number // 25}" for number in range(300)]
    (together,) = fit_calibration(logits, targets, ["tag 0"], ["one"] * 300)
    assert together.thresholds == {}, "one group cannot be divided"
    (apart,) = fit_calibration(logits, targets, ["tag 0"], artists)
    (alone,) = fit_calibration(logits, targets, ["tag 0"], names(300, "artist"))
    assert (apart.slope, apart.intercept) == (alone.slope, alone.intercept)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.sampled_from([0.01, 1.0, 30.0]))
def test_any_tracks_give_finite_numbers(seed: int, tracks: int, spread: float) -> None:
    generator = np.random.default_rng(seed)
    logits = (generator.normal(0, spread, (tracks, 2))).astype(np.float32)
    targets = generator.choice([0.0, 0.3, 1.0, np.nan], (tracks, 2)).astype(np.float32)
    for entry in fitted(logits, targets):
        assert np.isfinite([entry.slope, entry.intercept]).all()
        assert entry.slope >= 0


def test_the_bound() -> None:
    assert wilson_lower_bound(7, 7, 0.8) >= 0.9 > wilson_lower_bound(6, 6, 0.8)
    assert wilson_lower_bound(21, 22, 0.8) >= 0.9 > wilson_lower_bound(20, 21, 0.8)
    hits = np.arange(11)
    assert (np.diff(wilson_lower_bound(hits, 10, 0.8)) > 0).all()
    assert (wilson_lower_bound(hits, 10, 0.8) <= hits / 10 + 1e-12).all()
    assert wilson_lower_bound(0, 5, 0.8) == pytest.approx(0.0)


def test_a_calibrated_model_is_written_and_says_the_same_logits(tmp_path: object) -> None:
    bundle = make_bundle(tags=3)
    logits, targets = world(100, 2.0, 0.3, 3)
    calibration = fit_calibration(logits, targets, bundle.card.labels, names(100, "artist"))
    calibrated = with_calibration(bundle, calibration)
    write_bundle(calibrated, tmp_path)  # type: ignore[arg-type]
    found = read_bundle(tmp_path)  # type: ignore[arg-type]
    assert found.card.calibration == calibration
    assert found.card.head.hash == bundle.card.head.hash


def test_shapes_that_do_not_fit_are_refused() -> None:
    logits, targets = world(10, 1.0, 0.5, 2)
    with pytest.raises(TrainingError, match=r"expected \(tracks, tags\) of 9 tracks and 2 tags"):
        fit_calibration(logits, targets, names(2), names(9))
    with pytest.raises(TrainingError, match="at least one"):
        fit_calibration(logits[:0], targets[:0], names(2), [])


def dataset_of(targets: list[tuple[float, ...]], tags: int) -> Dataset:
    """A dataset whose validation tracks have these targets."""
    tracks = [DatasetTrack("train", Path("train.flac"), (0.0,) * tags, "train")]
    tracks += [DatasetTrack(f"{number}", Path("x.flac"), row, f"{number}") for number, row in enumerate(targets)]
    split = Split("default", ("train",), tuple(track.identifier for track in tracks[1:]), ())
    labels = tuple(TagName(name, "tests") for name in names(tags))
    return Dataset("made up", "CC0-1.0", "none", "none", "multi-label", labels, tuple(tracks), {"default": split})


def lacking(targets: list[tuple[float, ...]], tags: int) -> str:
    dataset = dataset_of(targets, tags)
    return shortage(dataset, dataset.split("default").valid, dataset.labels)


def test_what_too_few_tracks_lack_is_said_tag_by_tag() -> None:
    unknown = float("nan")
    rows = [(1.0, 0.0, 1.0)] * 10 + [(0.0, 0.0, unknown)] * 10
    said = lacking(rows, 3)
    assert "tag 0" not in said, "ten with it and ten without it are enough"
    assert "too few of the 20 validation tracks for 2 of 3 tags" in said
    assert said.endswith("tag 1 0/20, tag 2 10/0")
    assert "10 with it and 10 without" in said, "and what is needed"
    assert lacking([(1.0,)] * 9 + [(0.0,)] * 11, 1).endswith("tag 0 9/11")
    assert lacking([(1.0,)] * 11 + [(0.0,)] * 9, 1).endswith("tag 0 11/9")
    assert lacking([(1.0,), (0.0,)] * 10, 1) == ""


@pytest.mark.parametrize(
    "targets", [[], [(1.0, 0.0)], [(1.0, 0.0)] * 30, [(1.0, float("nan"))] * 30, [(float("nan"),) * 2] * 30]
)
def test_where_nothing_can_be_calibrated_it_is_refused_before_any_work(targets: list[tuple[float, ...]]) -> None:
    with pytest.raises(TrainingError, match=rf"found {len(targets)} validation tracks, and no tag .* Add tracks"):
        lacking(targets, 2)
    dataset = dataset_of(targets, 2)
    bundle = make_bundle(tags=2)
    dataset = dataclasses.replace(dataset, tags=bundle.card.tags)
    with pytest.raises(TrainingError, match="Nothing can be calibrated"):  # and no file is missed, as none is opened
        calibrate_bundle(bundle, dataset, "default", "valid", lambda done, total: None)
