import dataclasses
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pydantic", reason="needs the extra train")
pytest.importorskip("sklearn", reason="needs the extra train")

from tagging.builders import make_bundle

from earmark.errors import TrainingError
from earmark.tagging.bundle.calibration import probabilities
from earmark.tagging.tagger import Tagger
from earmark.training.bundle.calibrate import calibrate_bundle
from earmark.training.bundle.fold_reliability import fold_reliability_text, measure_fold_reliability
from earmark.training.datasets.base import Dataset, Split
from earmark.training.datasets.table import load as load_table
from earmark.training.trials.reliability import Promise
from training.sounding import LABELS, make_sounding


def silent(done: int, total: int) -> None:
    del done, total


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The sounding table with a second split, its sides moved on by one."""
    found = load_table(make_sounding(tmp_path_factory.mktemp("folds")).table, tags=LABELS)
    first = found.splits["default"]
    second = Split("second", first.test, first.train, first.valid)
    return dataclasses.replace(found, splits={"default": first, "second": second})


def test_every_split_is_calibrated_and_judged_by_itself(dataset: Dataset) -> None:
    models = {"default": make_bundle(tags=3, seed=0), "second": make_bundle(tags=3, seed=1)}
    measured = measure_fold_reliability(models, dataset, silent)
    assert (measured.splits, measured.tracks) == (("default", "second"), 12)
    said = []
    for split, bundle in models.items():
        model, heard = calibrate_bundle(bundle, dataset, split, "valid", silent)
        assert {track.identifier for track in heard.tracks} == set(dataset.split(split).valid)
        tagger = Tagger(model)
        test = dataset.select(dataset.split(split).test)
        said += [probabilities(tagger.tag(track.path).logits, model.card) for track in test]
    curve = measured.calibrated.curve
    assert sum(part.count for part in curve) == 36
    mean = sum(part.probability * part.count for part in curve) / 36
    assert mean == pytest.approx(float(np.mean(said)), abs=1e-6)
    assert measured.raw.curve != curve
    assert "No tag was promised at any precision." in fold_reliability_text(measured)


def test_the_text_has_a_row_a_promise(dataset: Dataset) -> None:
    measured = measure_fold_reliability({"default": make_bundle(tags=3)}, dataset, silent)
    promise = Promise(0.9, 2, 40, 0.925, 0.85, 1.0, 0.5)
    calibrated = dataclasses.replace(measured.calibrated, promises=(promise,))
    text = fold_reliability_text(dataclasses.replace(measured, calibrated=calibrated))
    assert "| 0.9 | 0.925 [0.850, 1.000] | 40 | 50% | 2 |" in text
    assert "test side of default: 6 tracks" in text


def test_other_tags_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="expected the model's, in order: tag 1, tag 2"):
        measure_fold_reliability({"default": make_bundle(tags=2)}, dataset, silent)
