import dataclasses
import json

import numpy as np
import pytest

pytest.importorskip("pydantic", reason="needs the extra train")
pytest.importorskip("torch", reason="needs the extra train")

from tagging.builders import make_bundle

from earmark.errors import TrainingError
from earmark.tagging.bundle.card import TagCalibration, TagName
from earmark.tagging.tagger import Tagger, load
from earmark.training.datasets.base import Dataset
from earmark.training.datasets.table import load as load_table
from earmark.training.evaluation.metrics import measure
from earmark.training.evaluation.perturbation import PERTURBATIONS, Perturbation
from earmark.training.evaluation.robustness import (
    Robustness,
    _changed,
    measure_robustness,
    robustness_json,
    robustness_text,
)
from training.sounding import LABELS, Sounding, make_sounding

GAIN = next(change for change in PERTURBATIONS if change.name == "gain -12 dB")
SILENCE = Perturbation("silence", lambda samples, rate_hz, generator: np.zeros_like(samples))
NOTHING = Perturbation("nothing", lambda samples, rate_hz, generator: samples)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Sounding:
    return make_sounding(tmp_path_factory.mktemp("robustness"), calibrated=True)


@pytest.fixture(scope="module")
def dataset(place: Sounding) -> Dataset:
    return load_table(place.table, tags=LABELS)


@pytest.fixture(scope="module")
def measured(place: Sounding, dataset: Dataset) -> Robustness:
    def silent(done: int, total: int) -> None:
        del done, total

    return measure_robustness(load(place.model), dataset, "default", "test", silent, (GAIN, SILENCE, NOTHING))


def test_the_unchanged_row_is_the_evaluation(place: Sounding, dataset: Dataset, measured: Robustness) -> None:
    tagger = load(place.model)
    test = dataset.select(dataset.split("default").test)
    predictions = [tagger.tag(track.path) for track in test]
    targets = dataset.targets([track.identifier for track in test])
    expected = measure(np.stack([found.scores for found in predictions]), targets, dataset.labels, "multi-label")
    first = measured.rows[0]
    assert first.perturbation == "unchanged"
    assert repr(first.metrics) == repr(expected), "an accuracy that is NaN equals no other"
    assert (first.top_changed, first.first_changed, first.fall.mean) == (0.0, 0.0, 0.0)
    assert first.reliability.curve[0].probability == pytest.approx(
        min(found.probabilities.min() for found in predictions), abs=0.05
    )
    assert [promise.precision for promise in first.reliability.promises] == [0.5, 0.9]
    assert first.raw.promises == ()
    assert measured.tracks == 6
    assert measured.tags == ("tag 1", "tag 2", "tag 3")


def test_what_is_lost(measured: Robustness) -> None:
    unchanged, gain, silence, nothing = measured.rows
    assert repr(nothing) == repr(dataclasses.replace(unchanged, perturbation="nothing"))
    assert silence.metrics.roc_auc == 0.5, "all tracks sound the same"
    assert silence.fall.mean == pytest.approx(unchanged.metrics.roc_auc - 0.5)
    assert gain.perturbation == "gain -12 dB"
    assert 0.0 <= gain.first_changed <= 1.0


def test_changed_tags_are_counted_by_what_is_shown() -> None:
    before = np.array([[4.0, 3, 2, 1, 0], [4, 3, 2, 1, 0], [4, 3, 2, 1, 0]])
    after = np.array([[4.0, 3, 2, 1, 0], [2, 3, 4, 1, 0], [4, 3, 0, 1, 2]])
    assert _changed(before, after, 3) == pytest.approx(1 / 3), "another order of the same three is no change"
    assert _changed(before, after, 1) == pytest.approx(1 / 3)


def test_tags_are_matched_by_label(place: Sounding, dataset: Dataset) -> None:
    bundle = make_bundle(tags=5)
    tags = tuple(TagName(label, "group") for label in ("tag 4", "tag 3", "tag 5", "tag 1", "tag 2"))
    targets = [(np.nan, *track.targets[2:], np.nan, *track.targets[:2]) for track in dataset.tracks]
    tracks = tuple(dataclasses.replace(track, targets=row) for track, row in zip(dataset.tracks, targets, strict=True))
    moved = dataclasses.replace(dataset, tags=(*tags[:4], TagName("other", "group")), tracks=tracks)
    found = measure_robustness(Tagger(bundle), moved, "default", "test", lambda done, total: None, ())
    plain = measure_robustness(Tagger(bundle), dataset, "default", "test", lambda done, total: None, ())
    assert found.tags == ("tag 4", "tag 3", "tag 5", "tag 1")
    by_label = {tag.label: tag for tag in plain.rows[0].metrics.tags}
    assert {tag.label: tag for tag in found.rows[0].metrics.tags} == {
        label: by_label[label] for label in ("tag 1", "tag 3") if label in by_label
    }


def test_a_dataset_of_other_tags_is_refused(dataset: Dataset) -> None:
    other = dataclasses.replace(dataset, tags=tuple(TagName(f"other {n}", "group") for n in range(3)))
    with pytest.raises(TrainingError, match="share no tag"):
        measure_robustness(Tagger(make_bundle(tags=3)), other, "default", "test", lambda done, total: None)


def test_the_report_can_be_read(measured: Robustness) -> None:
    text = robustness_text(measured)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows] == [
        *("| perturbation", "| unchanged", "| gain -12 dB", "| silence", "| nothing"),
        *("| perturbation", "| unchanged", "| gain -12 dB", "| silence", "| nothing"),
    ]
    assert f"| unchanged | {measured.rows[0].metrics.roc_auc:.3f} |" in text
    assert "promised 0.9 (3 tags)" in text
    assert "6 tracks, 3 tags shared" in text
    document = json.loads(robustness_json(measured))
    assert [row["perturbation"] for row in document["rows"]] == ["unchanged", "gain -12 dB", "silence", "nothing"]
    assert document["rows"][1]["fall"]["mean"] == measured.rows[1].fall.mean
    assert document["rows"][0]["accuracy"] is None
    assert len(document["rows"][0]["reliability"]["promises"]) == 2


def test_a_model_without_calibration_is_said_to_have_none(place: Sounding, dataset: Dataset) -> None:
    found = measure_robustness(Tagger(make_bundle(tags=3)), dataset, "default", "test", lambda done, total: None, ())
    text = robustness_text(found)
    assert "the model is not calibrated" in text
    assert "No tag promises any precision." in text
    assert found.rows[0].reliability == found.rows[0].raw


def test_a_promise_never_made_is_said(place: Sounding, dataset: Dataset) -> None:
    bundle = make_bundle(tags=3)
    never = tuple(TagCalibration(label, 1.0, 0.0, {"0.9": 1.0}) for label in bundle.card.labels)
    card = dataclasses.replace(bundle.card, calibration=never)
    tagger = Tagger(dataclasses.replace(bundle, card=card))
    found = measure_robustness(tagger, dataset, "default", "test", lambda done, total: None, ())
    assert "| unchanged | none made |" in robustness_text(found)
    assert json.loads(robustness_json(found))["rows"][0]["reliability"]["promises"][0]["achieved"] is None
