"""Fits how far from the music of training a model still makes promises; `earmark.tagging.familiarity` applies it."""

import dataclasses

import numpy as np
import numpy.typing as npt

from earmark.errors import TrainingError
from earmark.tagging.bundle.bundle import Bundle, seal
from earmark.tagging.bundle.card import Familiarity
from earmark.tagging.familiarity import Distance

Vectors = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class FamiliarityRule:
    """How the distance is fitted.

    Attributes:
        axes: directions that are told apart, at most.
        rows_an_axis: Choice: at least so many vectors for each direction, or there are fewer: of ten the variance along
            it is known to a factor of about two.
        most_rows: of so many vectors, evenly chosen, the directions are computed: 4000 take seconds.
        quantile: Choice: so many of the validation vectors are within the threshold. One in two hundred tracks of music
            loses its promises for no reason, which is a small part of what promises may be wrong in anyway.
    """

    axes: int = 64
    rows_an_axis: int = 10
    most_rows: int = 4000
    quantile: float = 0.995


def with_familiarity(
    bundle: Bundle,
    training: Vectors,
    validation: Vectors,
    windows: Vectors | None = None,
    rule: FamiliarityRule | None = None,
) -> Bundle:
    """Return a model that knows how far its music reaches; extractors, head and their hashes stay as they are.

    `training`, `validation`: (vectors, columns) float32, as `Tagger.embed` gives one, of tracks that trained the
    extractors and of others; of music alone, since noise that trained as no music shall not count as familiar.
    `windows`: of windows of the validation tracks, as short as they are to be judged, which get a threshold of their
    own, as they spread more widely than whole tracks; without them windows are not judged by their distance.

    Raises:
        TrainingError: vectors of another width or with values that are no numbers, fewer than two training vectors that
            differ, or no validation vector.
    """
    rule = rule or FamiliarityRule()
    columns = bundle.card.vector_width
    given = [("training", training, 2), ("validation", validation, 1)]
    given += [("windows'", windows, 1)] if windows is not None else []
    for what, vectors, least in given:
        if vectors.ndim != 2 or vectors.shape[1] != columns or len(vectors) < least or not np.isfinite(vectors).all():
            raise TrainingError(
                f"familiarity: found {what} vectors of shape {vectors.shape}, expected (vectors, {columns}), at least "
                f"{least}, and finite numbers. Give track vectors of this model."
            )
    if not np.ptp(training, axis=0).any():
        raise TrainingError(
            f"familiarity: found {len(training)} training vectors that are all the same, expected those of many tracks."
        )
    values = (training - bundle.weights["head.mean"]) / bundle.weights["head.deviation"]
    centre = _rounded(values.mean(axis=0, dtype=np.float64))
    chosen = values[np.linspace(0, len(values) - 1, min(len(values), rule.most_rows)).astype(np.intp)] - centre
    axes, scale = _axes(chosen.astype(np.float64), min(rule.axes, len(chosen) // rule.rows_an_axis))
    weights = {
        **bundle.weights,
        "familiarity.mean": centre,
        "familiarity.axes": axes,
        "familiarity.scale": np.array([scale], np.float32),
    }
    familiarity = Familiarity(len(axes), 1.0, None, rule.quantile, len(training), "")
    distance = Distance(seal(dataclasses.replace(bundle.card, familiarity=familiarity), weights))
    threshold = float(np.quantile(distance(validation), rule.quantile))
    of_windows = None if windows is None else float(np.quantile(distance(windows), rule.quantile))
    if not threshold > 0:
        raise TrainingError(
            "familiarity: found validation vectors that are all the mean of training, expected some that differ. Give "
            "vectors of real tracks."
        )
    familiarity = dataclasses.replace(familiarity, threshold=threshold, window_threshold=of_windows)
    return seal(dataclasses.replace(bundle.card, familiarity=familiarity), weights)


def _axes(values: npt.NDArray[np.float64], count: int) -> tuple[Vectors, float]:
    """Return the directions of centred vectors, (axes, columns), each as long as what it takes off, and the scale.

    The covariance is that of `count` directions and one variance for the others; a direction of variance v is
    shortened to sqrt(1 - others / v), so that a square along it counts others / v.
    """
    rows, columns = values.shape
    _, singular, directions = np.linalg.svd(values, full_matrices=False)
    variances = singular**2 / rows
    count = min(count, columns - 1)
    others = float(variances[count:].sum()) / (columns - count)
    if not others > 0:
        raise TrainingError(
            f"familiarity: found {rows} training vectors that differ along {count} directions alone, expected more. "
            "Give vectors of other tracks, or ask for fewer axes."
        )
    lengths = np.sqrt(1.0 - others / variances[:count])
    return _rounded(directions[:count] * lengths[:, np.newaxis]), float(np.sqrt(others))


def _rounded(values: npt.NDArray[np.float64]) -> Vectors:
    """Round to half precision, in which a bundle stores what loses nothing by it."""
    return values.astype(np.float16).astype(np.float32)
