"""The distance of a sound from the music of a model's training; beyond a fitted distance promises are withheld.

It is the Mahalanobis distance of the standardised track vector, with a covariance of a few directions and one variance
for all others (probabilistic principal components, Tipping and Bishop 1999), divided by the root of the number of
columns. For music like that of training it is about 1.

Choice: the track vector, because the classifier's hidden layer keeps only what distinguishes its tags, and because all
heads trained on one vector, taught ones included, can use the same distance.
"""

import numpy as np
import numpy.typing as npt

from earmark.tagging.bundle.bundle import Bundle

Array = npt.NDArray[np.float32]


class Distance:
    """Computes distances from the music of training with a bundle's tensors; NaN where the bundle has none."""

    def __init__(self, bundle: Bundle) -> None:
        """`bundle`: a verified one, from `read_bundle` or `seal`."""
        weights = bundle.weights
        self._known = bundle.card.familiarity is not None
        if self._known:
            self._mean, self._deviation = weights["head.mean"], weights["head.deviation"]
            self._centre, self._axes = weights["familiarity.mean"], weights["familiarity.axes"]
            self._scale = float(weights["familiarity.scale"][0])

    def __call__(self, vectors: Array) -> npt.NDArray[np.float64]:
        """Return the distance of every vector: (vectors, columns) float32 to (vectors,) float64, 0 and above."""
        if not self._known:
            return np.full(len(vectors), np.nan)
        values = (vectors - self._mean) / self._deviation - self._centre
        # Directions in which music varies much count less, so their part is subtracted.
        squares = np.square(values, dtype=np.float64).sum(axis=1)
        squares -= np.square(values @ self._axes.T, dtype=np.float64).sum(axis=1)
        return np.asarray(np.sqrt(np.maximum(squares, 0.0) / values.shape[1]) / self._scale)
