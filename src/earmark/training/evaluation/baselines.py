"""Score clips by baselines: plain classifiers on statistics of the sound, and on vectors of other systems.

    log-mel + SVM     an RBF support vector machine (one for each tag in multi-label tasks) on the standardised mean and
                      deviation of the 128 log-mel bands over the clip
    MFCC + logistic   logistic regression on the standardised mean and deviation of 20 MFCCs and of their first
                      differences

The validation side chooses their regularisation, as it chooses the weights of networks.
"""

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.fft import dct
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from earmark.errors import TrainingError
from earmark.training.data.clips import TrainingData
from earmark.training.evaluation.metrics import measure

Baseline = Literal["log-mel + SVM", "MFCC + logistic"]
BASELINES: tuple[Baseline, ...] = ("log-mel + SVM", "MFCC + logistic")

Machine = Literal["svm", "logistic"]
REGULARISATIONS: Mapping[Machine, tuple[float, ...]] = MappingProxyType(
    {"svm": (0.01, 0.1, 1.0, 10.0, 100.0), "logistic": (1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0, 100.0)}
)
_COEFFICIENTS = 20


def baseline_scores(baseline: Baseline, data: TrainingData, split: str) -> npt.NDArray[np.float32]:
    """Score every clip of the dataset by a baseline that is fitted on the training side: (clips, tags) float32.

    Raises:
        TrainingError: a clip has unknown targets, or all training tracks have the same tag.
    """
    statistics = _log_mel_statistics if baseline == "log-mel + SVM" else mfcc_statistics
    vectors = np.stack(
        [
            statistics(np.asarray(data.frames[first : first + rows], np.float32))
            for first, rows in zip(data.clips.first_row, data.clips.rows, strict=True)
        ]
    )
    return machine_scores("svm" if baseline == "log-mel + SVM" else "logistic", vectors, data, split)


def machine_scores(
    machine: Machine, vectors: npt.NDArray[np.float32], data: TrainingData, split: str, *, compressed: bool = False
) -> npt.NDArray[np.float32]:
    """Score every clip by a plain classifier on standardised vectors: (clips, columns) to (clips, tags) float32.

    The training side of the split fits the classifier, and the validation side chooses its regularisation. With
    `compressed` the validation side also chooses between the vectors v and sign(v) · log(1 + |v|), which suits
    activations that are mostly small and sometimes large.

    Raises:
        TrainingError: a clip has unknown targets, or all training tracks have the same tag.
    """
    if np.isnan(data.clips.targets).any():
        raise TrainingError(
            f"{data.dataset.name} has unknown targets; classifiers on vectors need every target known. "
            'Leave "baselines", "vectors" and "hidden" out of evaluation.compare.'
        )
    # In float32 the line search of the logistic regression can fail on tiny sets.
    exact = vectors.astype(np.float64)
    dataset = data.dataset
    truth = data.by_track(data.clips.targets, split, "valid")

    def value(scores: npt.NDArray[np.float32]) -> float:
        valid = data.by_track(scores, split, "valid")
        return measure(valid, truth, dataset.labels, dataset.task, dataset.positive_threshold).value(dataset.task)

    forms = [exact, np.sign(exact) * np.log1p(np.abs(exact))] if compressed else [exact]
    candidates = [
        _fitted_scores(machine, regularisation, form, data, split)
        for form in forms
        for regularisation in REGULARISATIONS[machine]
    ]
    return max(candidates, key=value)


def _fitted_scores(
    kind: Machine,
    regularisation: float,
    vectors: npt.NDArray[np.float64],
    data: TrainingData,
    split: str,
) -> npt.NDArray[np.float32]:
    train = data.clips_of(split, "train")
    dataset, targets = data.dataset, data.clips.targets[train]

    def machine() -> Any:
        if kind == "svm":
            return make_pipeline(StandardScaler(), SVC(C=regularisation, random_state=0))
        return make_pipeline(StandardScaler(), LogisticRegression(C=regularisation, max_iter=2000))

    if dataset.task == "one-label":
        classes = targets.argmax(axis=1)
        if len(np.unique(classes)) < 2:
            raise TrainingError(
                f"All training tracks of split {split} of {dataset.name} have the same tag; the baselines need two "
                'tags. Leave "baselines" out of evaluation.compare.'
            )
        fitted = machine().fit(vectors[train], classes)
        confidence = _confidence(fitted)(vectors)
        if confidence.ndim == 1:
            # With two classes scikit-learn returns the distance of the second class only.
            confidence = np.stack([-confidence, confidence], axis=1)
        # A tag without training tracks ranks below all others.
        scores = np.full((len(vectors), len(dataset.labels)), confidence.min() - 1.0, np.float32)
        scores[:, fitted.classes_] = confidence
        return scores
    columns = []
    for column in (targets >= dataset.positive_threshold).T:
        if column.all() or not column.any():
            columns.append(np.full(len(vectors), float(column.all())))
        else:
            columns.append(_confidence(machine().fit(vectors[train], column))(vectors))
    return np.stack(columns, axis=1).astype(np.float32)


def _confidence(fitted: Any) -> Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]:
    """Return the function that a fitted classifier ranks by: probabilities, or distances from its decision boundary."""
    if hasattr(fitted, "predict_proba"):
        binary = len(fitted.classes_) == 2 and fitted.classes_.dtype == bool
        return lambda vectors: fitted.predict_proba(vectors)[:, 1] if binary else fitted.predict_proba(vectors)
    decide: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]] = fitted.decision_function
    return decide


def _log_mel_statistics(frames: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.concatenate([frames.mean(axis=0), frames.std(axis=0)])


def mfcc_statistics(frames: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Compute the mean and deviation of 20 MFCCs and of their differences: (frames, mel_bands) to (80,) float32."""
    coefficients = dct(frames, axis=1, norm="ortho")[:, :_COEFFICIENTS]
    differences = np.diff(coefficients, axis=0)
    return np.concatenate(
        [
            coefficients.mean(axis=0),
            coefficients.std(axis=0),
            differences.mean(axis=0),
            differences.std(axis=0),
        ]
    ).astype(np.float32)


def peer_vectors(path: Path, tracks: tuple[str, ...]) -> npt.NDArray[np.float32]:
    """Read the vectors of tracks from an .npz file that has an array for each track: (tracks, columns) float32.

    Raises:
        TrainingError: the file cannot be read, lacks a track, or holds vectors of different lengths.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [track for track in tracks if track not in archive.files]
            if missing:
                raise TrainingError(f"{path} has no vector of {len(missing)} tracks, such as {missing[0]!r}.")
            vectors = [np.asarray(archive[track], np.float32) for track in tracks]
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise TrainingError(f"{path} cannot be read as vectors of a peer ({error}); expected an .npz file.") from error
    shapes = {vector.shape for vector in vectors}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        raise TrainingError(f"The vectors in {path} have the shapes {sorted(shapes)}; expected one row of one length.")
    return np.stack(vectors)
