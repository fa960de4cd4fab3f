"""Why a track got its tags: which scale and level decided, by Shapley values, and when each tag sounds.

A Shapley value is what a block of the track vector adds to a tag, averaged over all orders in which the blocks could be
added; a block not yet added has its training mean. Levels and scales are redundant, so leaving out one alone would show
almost nothing. The classifier's first layer is linear: each block's part of it is one product, computed once and added
up, so 1024 sets of blocks cost only the layers after it. All tags are computed in the same passes.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from earmark.errors import TagError
from earmark.tagging.bundle.bundle import Bundle
from earmark.tagging.bundle.calibration import log_odds, probabilities
from earmark.tagging.bundle.card import Card, Head, TagName, find_tag, nearest_tags
from earmark.tagging.engines.network import Classifier
from earmark.tagging.features import StoredFeatures

Array = npt.NDArray[np.float32]
Exact = npt.NDArray[np.float64]

EXACT_BLOCKS = 12
"""The most blocks for which all sets of them are passed through the classifier: 4096 sets at most."""
PERMUTATIONS = 128
"""Choice: the number of orders drawn where there are more blocks."""
SEED = 0
"""The seed of the orders, so that the same track has the same evidence."""
WINDOW_SECONDS = 5.0
"""Choice: the length of the curve's windows, unless the longest segment is longer; a classifier of clips is unreliable
on shorter ones."""
HOP_SECONDS = 1.0
STRONGEST_SHARE = 0.2
"""Choice: a tag's strongest seconds are this share of the track, at least one hop."""


@dataclass(frozen=True)
class Part:
    """The contribution of one level of one scale to a tag's log odds, and its standard error (0: exact)."""

    extractor: str
    level: int
    contribution: float
    error: float


@dataclass(frozen=True, eq=False)
class Evidence:
    """The evidence of one tag of a track.

    `parts` add up to `log_odds` minus `base`. `log_odds`: the tag's log odds on this track before calibration, which
    are its logit except with softmax; `base`: those where only the training mean is known. `exact`: whether all sets of
    blocks were passed through the classifier, instead of a sample. `seconds`: (windows,) float64, the start of each
    window of `window_seconds`; `curve`: (windows,) float32, the tag's probability in it, 0 to 1. `strongest`: the fifth
    of the track in which the tag is strongest, as stretches (start, end) in seconds, in order.
    """

    label: str
    log_odds: float
    base: float
    parts: tuple[Part, ...]
    exact: bool
    seconds: Exact
    curve: Array
    window_seconds: float
    hop_seconds: float
    strongest: tuple[tuple[float, float], ...]

    def __repr__(self) -> str:
        most = max(self.parts, key=lambda part: abs(part.contribution))
        return (
            f"<Evidence of {self.label!r}: {self.base:+.2f} becomes {self.log_odds:+.2f}, most by level {most.level} "
            f"of {most.extractor} ({most.contribution:+.2f}); strongest from {self.strongest[0][0]:.0f} s>"
        )

    def to_dict(self) -> dict[str, object]:
        """Return plain lists and numbers, for JSON."""
        return {
            "log_odds": self.log_odds,
            "base": self.base,
            "exact": self.exact,
            "parts": [asdict(part) for part in self.parts],
            "window_seconds": self.window_seconds,
            "hop_seconds": self.hop_seconds,
            "seconds": self.seconds.tolist(),
            "curve": self.curve.tolist(),
            "strongest": [list(stretch) for stretch in self.strongest],
        }


@dataclass(frozen=True, eq=False)
class Shares:
    """What each block adds to each tag's log odds: `contributions` and their `errors`, (blocks, tags) float64.

    `base`, `whole`: (tags,) float64, log odds without and with all blocks. `exact`: whether no set of blocks was left
    out.
    """

    contributions: Exact
    errors: Exact
    base: Exact
    whole: Exact
    exact: bool

    def parts(self, blocks: Sequence[tuple[str, int]], place: int) -> tuple[Part, ...]:
        """Return the parts of the tag at one position in the model's order."""
        return tuple(
            Part(extractor, level, float(contribution), float(error))
            for (extractor, level), contribution, error in zip(
                blocks, self.contributions[:, place], self.errors[:, place], strict=True
            )
        )


@dataclass(frozen=True, eq=False)
class TrackEvidence:
    """The evidence of all tags of one track, computed at once.

    `shares`: of the whole track; `curve`: (windows, tags) float32, probabilities; `strengths`: (windows, tags)
    float64, log odds.
    """

    labels: tuple[str, ...]
    blocks: tuple[tuple[str, int], ...]
    shares: Shares
    seconds: Exact
    curve: Array
    strengths: Exact
    window_seconds: float
    hop_seconds: float
    duration_seconds: float

    def of(self, place: int) -> Evidence:
        """Return the evidence of the tag at one position in the model's order."""
        return Evidence(
            self.labels[place],
            float(self.shares.whole[place]),
            float(self.shares.base[place]),
            self.shares.parts(self.blocks, place),
            self.shares.exact,
            self.seconds,
            self.curve[:, place],
            self.window_seconds,
            self.hop_seconds,
            strongest_seconds(self.strengths[:, place], self.window_seconds, self.hop_seconds, self.duration_seconds),
        )


@dataclass(frozen=True, eq=False)
class StretchEvidence:
    """The evidence of all tags of one stretch of a track, from `start` to `end` in seconds.

    `probabilities`: (tags,) float32, 0 to 1; they equal the curve of a window that has the same start and end.
    """

    labels: tuple[str, ...]
    blocks: tuple[tuple[str, int], ...]
    start: float
    end: float
    probabilities: Array
    shares: Shares

    def to_dict(self) -> dict[str, object]:
        """Return plain lists and numbers by label, for JSON."""
        shares = self.shares
        return {
            "start": self.start,
            "end": self.end,
            "tags": {
                label: {
                    "probability": float(self.probabilities[place]),
                    "log_odds": float(shares.whole[place]),
                    "base": float(shares.base[place]),
                    "exact": shares.exact,
                    "parts": [asdict(part) for part in shares.parts(self.blocks, place)],
                }
                for place, label in enumerate(self.labels)
            },
        }


class Explainer:
    """A model's classifier, split after its first layer; it holds weights only, so threads may share it."""

    def __init__(self, bundle: Bundle) -> None:
        """`bundle`: verified, as `read_bundle` and `seal` return it."""
        self.card: Card = bundle.card
        weights = bundle.weights
        self._classifier = Classifier(bundle.card.head, weights)
        self._mean, self._deviation = weights["vector.mean"], weights["head.deviation"]
        self._first_weight = weights["head.layer.1.weight"]
        standardised = (self._mean - weights["head.mean"]) / self._deviation
        self._first_of_mean = self._first_weight @ standardised + weights["head.layer.1.bias"]
        self._later = _later_layers(bundle.card.head, weights)
        columns: dict[tuple[str, int], list[slice]] = {}
        for block in bundle.card.layout:
            # The statistics of a level, such as mean and deviation, are explained as one.
            columns.setdefault((block.extractor, block.level), []).append(block.columns)
        self._columns = columns

    def explain(self, vector: Array, features: StoredFeatures) -> TrackEvidence:
        """Return the evidence of all tags from a track vector, (columns,) float32, and the stored features of the
        sound.
        """
        shares = self._shares(vector)
        longest = max(extractor.segment_length * extractor.row_seconds for extractor in self.card.extractors)
        window_seconds = max(WINDOW_SECONDS, longest)
        windows = features.window_vectors(window_seconds, HOP_SECONDS)
        logits = self._classifier(windows.vectors)
        return TrackEvidence(
            self.card.labels,
            tuple(self._columns),
            shares,
            windows.seconds,
            probabilities(logits, self.card),
            log_odds(logits, self.card.activation),
            window_seconds,
            HOP_SECONDS,
            features.duration_seconds,
        )

    def explain_stretch(self, features: StoredFeatures, start: float, end: float) -> StretchEvidence:
        """Return the evidence of all tags of the sound between two times in seconds, `start` before `end`.

        The stored features limit its edges to half a group (0.63 s), as those of windows.
        """
        vector = features.stretch_vector(start, end)
        likely = probabilities(self._classifier(vector[np.newaxis]), self.card)[0]
        return StretchEvidence(self.card.labels, tuple(self._columns), start, end, likely, self._shares(vector))

    def _shares(self, vector: Array) -> Shares:
        steps = self._steps(vector)
        if len(steps) <= EXACT_BLOCKS:
            values = self._values(_all_sums(self._first_of_mean, steps))
            contributions = _exact_shapley(values, len(steps))
            return Shares(contributions, np.zeros_like(contributions), values[0], values[-1], exact=True)
        orders = _orders(len(steps))
        gains, base, whole = self._gains(steps, orders)
        errors = gains.std(axis=0, ddof=1) / math.sqrt(len(orders))
        return Shares(gains.mean(axis=0), errors, base, whole, exact=False)

    def _steps(self, vector: Array) -> list[Array]:
        """Return what each block adds to the first layer when it replaces its mean: (units,) each."""
        difference = (vector - self._mean) / self._deviation
        steps = []
        for slices in self._columns.values():
            parts = [self._first_weight[:, columns] @ difference[columns] for columns in slices]
            steps.append(np.sum(parts, axis=0))
        return steps

    def _values(self, first: Array) -> Exact:
        """Return log odds, (sets, tags), from first layers before their ReLU, (sets, units)."""
        logits = first if self._later is None else self._later(np.maximum(first, np.float32(0.0)))
        return log_odds(logits, self.card.activation)

    def _gains(self, steps: Sequence[Array], orders: npt.NDArray[np.int64]) -> tuple[Exact, Exact, Exact]:
        """Return what each block adds in each order, (orders, blocks, tags), and the log odds of none and all."""
        ends = self._values(np.stack([self._first_of_mean, self._first_of_mean + np.sum(steps, axis=0)]))
        stacked = np.stack(steps)
        gains = np.empty((len(orders), len(steps), ends.shape[1]))
        for place, order in enumerate(orders):
            between = self._values(self._first_of_mean + np.cumsum(stacked[order[:-1]], axis=0))
            gains[place, order] = np.diff(np.concatenate([ends[:1], between, ends[1:]]), axis=0)
        return gains, ends[0], ends[1]


def strongest_seconds(
    strengths: Exact, window_seconds: float, hop_seconds: float, duration_seconds: float
) -> tuple[tuple[float, float], ...]:
    """Return the stretches (start, end) in seconds, in order, in which a tag is strongest: a fifth of the track.

    `strengths`: (windows,), the tag's log odds in windows that start every hop. The strength of a hop is the mean of
    the windows that contain it; the strongest hops are taken, earlier ones first where they are equal.
    """
    inside = max(1, round(window_seconds / hop_seconds))
    hops = max(1, min(len(strengths) - 1 + inside, math.ceil(duration_seconds / hop_seconds)))
    sums, counts = np.zeros(hops), np.zeros(hops)
    for start, strength in enumerate(strengths.tolist()):
        sums[start : start + inside] += strength
        counts[start : start + inside] += 1
    wanted = max(1, round(STRONGEST_SHARE * hops))
    chosen = sorted(np.argsort(-sums / counts, kind="stable")[:wanted].tolist())
    stretches = []
    for _, run in itertools.groupby(enumerate(chosen), key=lambda pair: pair[1] - pair[0]):
        members = [hop for _, hop in run]
        stretches.append((members[0] * hop_seconds, min((members[-1] + 1) * hop_seconds, duration_seconds)))
    return tuple(stretches)


def _later_layers(head: Head, weights: Mapping[str, Array]) -> Classifier | None:
    """Return the classifier from its second layer on; None where the first layer is the last."""
    if not head.hidden_units:
        return None
    units = head.hidden_units[0]
    renamed: dict[str, Array] = {
        "head.mean": np.zeros(units, dtype=np.float32),
        "head.deviation": np.ones(units, dtype=np.float32),
    }
    for number in range(2, len(head.hidden_units) + 2):
        for part in ("weight", "bias"):
            renamed[f"head.layer.{number - 1}.{part}"] = weights[f"head.layer.{number}.{part}"]
    return Classifier(Head(head.hidden_units[1:], ""), renamed)


def _all_sums(base: Array, steps: Sequence[Array]) -> Array:
    """Return the sums of a base and every set of steps: (2^steps, units).

    Step i is in the sets whose number has bit i.
    """
    sums = base[np.newaxis]
    for step in steps:
        sums = np.concatenate([sums, sums + step])
    return sums


def _exact_shapley(values: Exact, blocks: int) -> Exact:
    """Return Shapley values, (blocks, tags), from the values of all sets of blocks, (2^blocks, tags)."""
    sets = np.arange(2**blocks)
    sizes = np.array([int(number).bit_count() for number in sets])
    weight_of_size = np.array([1.0 / (blocks * math.comb(blocks - 1, size)) for size in range(blocks)])
    shares = np.empty((blocks, values.shape[1]))
    for block in range(blocks):
        without = sets[(sets >> block) & 1 == 0]
        shares[block] = weight_of_size[sizes[without]] @ (values[without | (1 << block)] - values[without])
    return shares


def _orders(blocks: int) -> npt.NDArray[np.int64]:
    """Return random orders of the blocks: (PERMUTATIONS, blocks)."""
    generator = np.random.default_rng(SEED)
    return np.stack([generator.permutation(blocks) for _ in range(PERMUTATIONS)]).astype(np.int64)


def place_of(word: str, tags: Sequence[TagName]) -> int:
    """Return the position of the tag that a word names, as its label or a synonym; raises TagError if there is none."""
    place = find_tag(word, tags)
    if place is None:
        near = nearest_tags(word, tags, most=1, least_similarity=0.0)
        raise TagError(f"evidence: found the tag {word!r}, which the model does not have. Did you mean {near[0]!r}?")
    return place
