"""Paired bootstrap: is one method better than another, or was it the luck of the tracks?"""

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from earmark.errors import TrainingError


@dataclasses.dataclass(frozen=True)
class Difference:
    """A difference between two methods on the same tracks, with a 95 % interval over resampled tracks."""

    mean: float
    low: float
    high: float
    share_above_zero: float

    @property
    def text(self) -> str:
        """Such as "+0.012 [-0.003, +0.027]"."""
        return f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


def paired_bootstrap(
    metric: Callable[[npt.NDArray[np.int64], bool], float], tracks: int, resamples: int = 500, seed: int = 0
) -> Difference:
    """Resample tracks with replacement and compare two methods on each resample.

    `metric(chosen, first)` gives the value of the first or second method on the chosen tracks, (n,) positions; a
    resample on which it is NaN is left out.

    Raises:
        TrainingError: it is NaN on every resample.
    """
    generator = np.random.default_rng(seed)
    everything = np.arange(tracks)
    differences = []
    for _ in range(resamples):
        chosen = generator.integers(0, tracks, tracks)
        differences.append(metric(chosen, True) - metric(chosen, False))
    valid = np.array(differences)[~np.isnan(differences)]
    if not len(valid):
        raise TrainingError(
            f"None of {resamples} resamples of {tracks} tracks can be measured; expected at least one. "
            "Compare on more tracks."
        )
    low, high = np.quantile(valid, [0.025, 0.975])
    return Difference(
        metric(everything, True) - metric(everything, False),
        float(low),
        float(high),
        float((valid > 0).mean()),
    )
