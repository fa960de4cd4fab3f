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
from earmark.training.bundling.platt import fit_calibration, wilson_lower_bound
from earmark.training.datasets.base import Dataset, DatasetTrack, Split


@dataclasses.dataclass(frozen=True)
class Model:
    """As much of a card as probabilities need."""

    calibration: tuple[TagCalibration, ...]
    activation: Activation = "sigmoid"
    tags: tuple[TagName, ...] = ()


def world(tracks: int, separation: float, base: float, tags: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are twice too sure and one too high, and whether each tag is there: (tracks, tags) each."""
    generator = np.random.default_rng(seed)
    positive = generator.random((tracks, tags)) < base
    heard = separation * positive + generator.normal(0, 1, (tracks, tags))
    odds = separation * heard - separation**2 / 2 + np.log(base / (1 - base))
    return (2 * odds + 1).astype(np.float32), positive.astype(np.float32)


def names(count: int, word: str = "tag") -> list[str]:
    return [f"{word} {number}" for number in range(count)]


def unrelated(count: int) -> tuple[TagName, ...]:
    return tuple(TagName(name, "tests") for name in names(count))


def fitted(
    logits: np.ndarray, targets: np.ndarray, tags: tuple[TagName, ...] | None = None, **options: object
) -> tuple[TagCalibration, ...]:
    artists = names(len(logits), "artist")
    return fit_calibration(logits, targets, tags or unrelated(logits.shape[1]), artists, **options)  # type: ignore[arg-type]


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


def test_the_best_f1_is_about_as_high_on_other_tracks() -> None:
    calibration = fitted(*world(300, 2.0, 0.3, 10))
    logits, targets = world(3000, 2.0, 0.3, 10, seed=1)
    shown = probabilities(logits, Model(calibration))

    def f1(place: int, least: float) -> float:
        kept = shown[:, place] >= least
        return float(2 * targets[kept, place].sum() / (kept.sum() + targets[:, place].sum()))

    for place, entry in enumerate(calibration):
        assert entry.best_f1_probability is not None
        best = max(f1(place, least) for least in np.linspace(0.02, 0.98, 49))
        assert f1(place, entry.best_f1_probability) >= best - 0.05


def test_what_cannot_be_told_is_not_promised() -> None:
    calibration = fitted(*world(300, 0.3, 0.2, 30))
    assert sum(bool(entry.thresholds) for entry in calibration) <= 1


@pytest.mark.parametrize("positives", [0, 5, 9, 52, 60])
def test_too_few_of_either_kind_promise_nothing(positives: int) -> None:
    targets = (np.arange(60) < positives).astype(np.float32)[:, None]
    logits = np.where(targets > 0, 4.0, -4.0).astype(np.float32) + np.linspace(0, 1, 60, dtype=np.float32)[:, None]
    (entry,) = fitted(logits, targets)
    assert (entry.thresholds, entry.best_f1_probability is None) == ({}, not 10 <= positives <= 50)
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
        logits[~unknown, :1], targets[~unknown, :1], unrelated(1), [f"artist {n}" for n in np.flatnonzero(~unknown)]
    )
    assert found[0].slope == pytest.approx(expected.slope)
    assert found[0].intercept == pytest.approx(expected.intercept)
    assert found[1] == TagCalibration("tag 1", 1.0, 0.0, {})


def test_a_probability_is_that_of_counting_as_positive() -> None:
    """Targets that are soft are positive from the threshold on: what they say beyond that changes nothing."""
    logits, positive = world(400, 2.0, 0.3, 3)
    soft = np.random.default_rng(0).uniform(0, 0.25, positive.shape) + 0.25 * positive
    (whole, counted) = fitted(logits, positive), fitted(logits, soft.astype(np.float32), positive_threshold=0.25)
    assert whole == counted
    shown = probabilities(logits, Model(counted))
    np.testing.assert_allclose(shown.mean(axis=0), positive.mean(axis=0), atol=0.02)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 0.3, 0.6]), st.sampled_from([0.2, 0.5]))
def test_no_tag_is_promised_that_is_shown_below_one_half(seed: int, base: float, threshold: float) -> None:
    logits, positive = world(150, 3.0, base, 4, seed)
    tags = related(4)
    targets = (positive * np.random.default_rng(seed).uniform(threshold, 1, positive.shape)).astype(np.float32)
    model = Model(fitted(logits, targets, tags, positive_threshold=threshold), tags=tags)
    assert all(least >= 0.5 for entry in model.calibration for least in entry.thresholds.values())
    shown = probabilities(logits, model)
    assert (shown[promised(shown, model, 0.7)] >= 0.5).all()


def related(count: int) -> tuple[TagName, ...]:
    """Tag 1 and those after it are children of tag 0; the last excludes it instead."""
    tags = unrelated(count)
    children = tuple(dataclasses.replace(tag, parents=("tag 0",)) for tag in tags[1:-1])
    return (tags[0], *children, dataclasses.replace(tags[-1], opposites=("tag 0",)))


def test_a_promise_is_of_the_probability_after_coherence() -> None:
    """The parent is told badly and alone would be promised nothing; its child is told well, and implies it."""
    generator = np.random.default_rng(2)
    parent = generator.random(2000) < 0.6
    child = parent & (generator.random(2000) < 0.5)
    targets = np.stack([parent, child], axis=1).astype(np.float32)
    heard = np.stack([0.1 * parent, 2.4 * (2.0 * child - 1)], axis=1) + generator.normal(0, 1, (2000, 2))
    logits, tags = heard.astype(np.float32), related(3)[:2]
    alone, together = (fitted(logits, targets, each) for each in (unrelated(2), tags))
    assert [(entry.slope, entry.intercept) for entry in alone] == [(entry.slope, entry.intercept) for entry in together]
    assert alone[0].thresholds.keys() <= {"0.7"}
    model = Model(together, tags=tags)
    shown = probabilities(logits, model)
    kept = promised(shown, model, 0.9)[:, 0]
    assert kept.sum() > 200
    assert targets[kept, 0].mean() > 0.9


def test_people_are_believed_where_they_said_enough() -> None:
    logits, positive = world(300, 2.0, 0.3, 3)
    said = np.full_like(positive, np.nan)
    said[:100, 0] = positive[:100, 0]  # enough of either kind
    said[:12, 1] = positive[:12, 1]  # too few
    titles = np.full_like(positive, np.nan)
    titles[:, 1:] = positive[:, 1:]
    wrong = 1 - positive  # the teachers are wrong about everything
    found = fitted(logits, wrong, truth="teachers", people={"listeners": said, "titles": titles})
    assert [(entry.truth, entry.tracks) for entry in found] == [("listeners", 100), ("titles", 300), ("titles", 300)]
    (alone,) = fitted(logits[:100, :1], positive[:100, :1])
    assert (found[0].slope, found[0].intercept) == (alone.slope, alone.intercept)
    assert found[2].thresholds.keys() >= {"0.9"}
    taught = fitted(logits, wrong, truth="teachers")
    assert [(entry.truth, entry.slope) for entry in taught] == [("teachers", 0.0)] * 3
    assert [entry.truth for entry in fitted(logits, positive)] == [None] * 3


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
    (together,) = fit_calibration(logits, targets, unrelated(1), ["one"] * 300)
    assert together.thresholds == {}, "one group cannot be divided"
    (apart,) = fit_calibration(logits, targets, unrelated(1), artists)
    (alone,) = fit_calibration(logits, targets, unrelated(1), names(300, "artist"))
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
    calibration = fit_calibration(logits, targets, bundle.card.tags, names(100, "artist"))
    calibrated = with_calibration(bundle, calibration)
    write_bundle(calibrated, tmp_path)  # type: ignore[arg-type]
    found = read_bundle(tmp_path)  # type: ignore[arg-type]
    assert found.card.calibration == calibration
    assert found.card.head.hash == bundle.card.head.hash


def test_shapes_that_do_not_fit_are_refused() -> None:
    logits, targets = world(10, 1.0, 0.5, 2)
    with pytest.raises(TrainingError, match=r"expected \(tracks, tags\) of 9 tracks and 2 tags"):
        fit_calibration(logits, targets, unrelated(2), names(9))
    with pytest.raises(TrainingError, match="at least one"):
        fit_calibration(logits[:0], targets[:0], unrelated(2), [])


def dataset_of(targets: list[tuple[float, ...]], tags: int) -> Dataset:
    """A dataset whose validation tracks have these targets."""
    tracks = [DatasetTrack("train", Path("train.flac"), (0.0,) * tags, "train")]
    tracks += [DatasetTrack(f"{number}", Path("x.flac"), row, f"{number}") for number, row in enumerate(targets)]
    split = Split("default", ("train",), tuple(track.identifier for track in tracks[1:]), ())
    labels = unrelated(tags)
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
