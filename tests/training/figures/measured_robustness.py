"""Made-up robustness measurements, to be drawn."""

import dataclasses
from pathlib import Path

import numpy as np

from earmark.tagging.bundle.calibration import log_odds, sigmoid
from earmark.tagging.bundle.card import Activation, TagCalibration, TagName
from earmark.training.datasets.base import Dataset, DatasetTrack, Split
from earmark.training.evaluation.metrics import Difference, measure
from earmark.training.evaluation.reliability import ScoredTracks, measure_reliability
from earmark.training.evaluation.robustness import Robustness, RobustnessRow

LABELS = tuple(f"tag {number}" for number in range(12))


@dataclasses.dataclass(frozen=True)
class Model:
    """As much of a card as reliability needs."""

    calibration: tuple[TagCalibration, ...]
    activation: Activation = "sigmoid"
    tags: tuple[TagName, ...] = ()


def make_robustness(*, calibrated: bool = True, threshold: float = 0.85, worse: bool = True) -> Robustness:
    """A model that is twice too sure, on 300 made-up tracks, unchanged and with noise."""
    generator = np.random.default_rng(0)
    odds = generator.normal(-1, 2, (300, len(LABELS)))
    targets = (generator.random(odds.shape) < sigmoid(odds)).astype(np.float32)
    thresholds = {"0.7": threshold - 0.2, "0.8": threshold - 0.1, "0.9": threshold}
    calibration = tuple(TagCalibration(label, 0.5, 0.0, thresholds) for label in LABELS) if calibrated else ()
    rows = []
    for name, shift in (("unchanged", 0.0), *((("noise 20 dB", 1.5),) if worse else ())):
        logits = (2 * (odds + shift * generator.normal(0, 1, odds.shape))).astype(np.float32)
        scores = sigmoid(log_odds(logits, "sigmoid"))
        shown = sigmoid(0.5 * log_odds(logits, "sigmoid")) if calibrated else scores
        metrics = measure(scores, targets, LABELS, "multi-label")
        rows.append(
            RobustnessRow(
                name,
                metrics,
                Difference(0.1 * shift, 0.08 * shift, 0.13 * shift, 1.0),
                0.2 * shift,
                0.3 * shift,
                measure_reliability([ScoredTracks(shown, targets, Model(calibration))], LABELS),
                measure_reliability([ScoredTracks(scores, targets, Model(()))], LABELS),
            )
        )
    names = [f"{number:03d}" for number in range(301)]
    tracks = tuple(DatasetTrack(name, Path(name), (0.0,) * len(LABELS), name) for name in names)
    split = Split("default", ("300",), (), tuple(names[:300]))
    tags = tuple(TagName(label, "tests") for label in LABELS)
    dataset = Dataset("made up", "CC0-1.0", "none", "none", "multi-label", tags, tracks, {"default": split})
    return Robustness("demo", "0" * 64, calibrated, dataset, "default", "test", LABELS, 300, (), tuple(rows))
