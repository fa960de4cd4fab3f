"""The card of a bundle: everything about a model but its weights, as frozen dataclasses.

`card.json` holds exactly these names. The layout says which columns of a track vector mean what: one block a scale,
level and statistic. Training, export and evidence share it.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from earmark.audio.logmel import LogMelSettings
from earmark.file_name import folded

TrackStatistic = Literal["mean", "max", "mean+deviation"]

STATISTIC_PARTS: dict[TrackStatistic, tuple[str, ...]] = {
    "mean": ("mean",),
    "max": ("max",),
    "mean+deviation": ("mean", "deviation"),
}


@dataclass(frozen=True)
class VectorBlock:
    """The columns of a track vector that hold one statistic of one level of one extractor.

    `level` counts hidden convolution layers from 1; `statistic` is "mean", "max" or "deviation", taken over
    the segments of a track or window; the columns are `start` to `stop`, `stop` not included.
    """

    extractor: str
    level: int
    statistic: str
    start: int
    stop: int

    @property
    def columns(self) -> slice:
        """The block's columns, to index the last axis of a vector with."""
        return slice(self.start, self.stop)


def layout_of(extractors: "Sequence[Extractor]") -> tuple[VectorBlock, ...]:
    """Lay the track vector of some extractors out, in the one order that all of earmark uses.

    Extractor by extractor, level by level, statistic by statistic. For 18, 27 and 54 frames with all their
    levels and the mean this is the letter's vector of 1792 values ([SPL] III, method.md section 3).
    """
    blocks: list[VectorBlock] = []
    start = 0
    for extractor in extractors:
        for level in extractor.levels:
            for statistic in STATISTIC_PARTS[extractor.track_statistic]:
                stop = start + extractor.convolutions[level - 1].channels
                blocks.append(VectorBlock(extractor.name, level, statistic, start, stop))
                start = stop
    return tuple(blocks)


def width_of(layout: Sequence[VectorBlock]) -> int:
    """Return the number of columns of a track vector."""
    return layout[-1].stop if layout else 0


Activation = Literal["sigmoid", "softmax"]
Family = Literal["log-mel", "raw"]
SegmentStatistic = Literal["max", "mean"]
Weights = Mapping[str, npt.NDArray[np.float32]]

FORMAT = "earmark-bundle"
VERSION = 1


@dataclass(frozen=True)
class Convolution:
    """One convolution over time, its ReLU and its max-pool.

    With `stride` 1 the input is zero padded to "same" (one zero more on the right for an even filter). Any
    other stride must equal `filter_length` and pads nothing: the first layer of the raw family ([SL], [SMC]).
    `pool_length` is also the pool's stride; 1 means no pool.

    The fields of the follow-up of the raw family (Kim, Lee, Nam 2018) may be absent from card.json and are then 0, so
    that older cards keep their text and hashes.
    """

    filter_length: int
    channels: int
    pool_length: int
    stride: int = 1
    squeeze_units: int = field(default=0, metadata={"optional": True})
    """Units between the two dense layers that scale every channel by what the segment holds; 0: no scaling."""
    residual_convolutions: int = field(default=0, metadata={"optional": True})
    """Convolutions, 1 or 2, whose sum with the block's own input goes on; 0: an ordinary block, without that sum."""


@dataclass(frozen=True)
class Extractor:
    """One trained local network: one scale, and which of its activations enter the track vector."""

    name: str
    """Of letters, digits, "-" and "_"; such as "18" (frames) or "59049" (samples)."""
    family: Family
    rate_hz: int
    log_mel: LogMelSettings | None
    """The front end; null for the raw family."""
    segment_length: int
    """In frames (log-mel) or samples (raw)."""
    segment_hop: int
    """In frames (log-mel) or samples (raw)."""
    input_mean: float
    input_deviation: float
    """The scalar standardisation of the input, before any zero padding."""
    convolutions: tuple[Convolution, ...]
    levels: tuple[int, ...]
    """The hidden convolution layers whose activations enter the vector, counted from 1, ascending."""
    segment_statistic: SegmentStatistic
    track_statistic: TrackStatistic
    hidden_units: int
    """Of the dense layer before the local output; 0: the output reads the last convolution directly."""
    output_tags: tuple[str, ...]
    """The tags of the local output, in order: the bundle's own, or those of the dataset that the extractor
    was trained on (transfer learning); empty: the local output is not in the bundle."""
    hash: str
    """sha256 of its weights and of everything above; see `tensors.extractor_hash`."""

    @property
    def input_columns(self) -> int:
        """The columns of one input row: the mel bands, or 1 for the raw family."""
        return self.log_mel.mel_bands if self.log_mel is not None else 1

    @property
    def row_seconds(self) -> float:
        """The time from one input row (frame or sample) to the next, in seconds."""
        return (self.log_mel.hop_samples if self.log_mel is not None else 1) / self.rate_hz

    @property
    def level_widths(self) -> tuple[int, ...]:
        """The number of channels of every level used, in order."""
        return tuple(self.convolutions[level - 1].channels for level in self.levels)

    @property
    def columns(self) -> int:
        """The number of columns that it fills in a track vector."""
        return sum(self.level_widths) * len(STATISTIC_PARTS[self.track_statistic])


@dataclass(frozen=True)
class Head:
    """The global classifier: fully connected layers on a standardised track vector ([SPL] II-C)."""

    hidden_units: tuple[int, ...]
    hash: str
    """sha256 of its weights, tags and activation; see `tensors.head_hash`."""


OTHER_SOUND = "other sound"
"""The group of tags of sounds that are not music: speech, applause, noise, silence."""


@dataclass(frozen=True)
class TagName:
    """A tag, the group it belongs to, such as "guitar" of "instruments", and how it is related to other tags.

    Older cards have no relations; card.json leaves out those that are empty. The head's hash does not include them,
    because logits do not depend on them.
    """

    label: str
    group: str
    synonyms: tuple[str, ...] = field(default=(), metadata={"optional": True})
    """Other words that a person may use for it."""
    parents: tuple[str, ...] = field(default=(), metadata={"optional": True})
    """Labels of the tags that it implies, such as vocals of opera."""
    opposites: tuple[str, ...] = field(default=(), metadata={"optional": True})
    """Labels of the tags that it excludes, such as vocals of instrumental; named by one of the two, or by both."""


def find_tag(word: str, tags: Sequence[TagName]) -> int | None:
    """Return the place of the tag that a word names, directly or as a synonym, ignoring case; None if it names no tag.

    A label takes precedence over a synonym.
    """
    wanted = folded(word.strip())
    labels = [place for place, tag in enumerate(tags) if folded(tag.label) == wanted]
    synonyms = [place for place, tag in enumerate(tags) if wanted in map(folded, tag.synonyms)]
    return next(iter(labels + synonyms), None)


def nearest_tags(word: str, tags: Sequence[TagName], most: int = 3, least_similarity: float = 0.6) -> tuple[str, ...]:
    """Return the labels of the tags whose label or synonym is most like a word, the most alike first.

    `least_similarity`: 0 to 1; tags that are less similar are left out.
    """
    places = {folded(name): place for place, tag in enumerate(tags) for name in (*tag.synonyms, tag.label)}
    near = difflib.get_close_matches(folded(word.strip()), places, n=most, cutoff=least_similarity)
    return tuple(dict.fromkeys(tags[places[name]].label for name in near))


Truth = Literal["listeners", "titles", "teachers"]
"""Who judges a tag: people who listened, titles that name it, or the consensus of other taggers."""


@dataclass(frozen=True)
class TagCalibration:
    """The slope and intercept that turn log odds into a probability, and the thresholds of promised precisions.

    The probability is the sigmoid of `slope` times the tag's log odds plus `intercept`, made coherent with those of
    related tags (`coherence`); its log odds are its logit, or those of its share where tags exclude each other
    (`calibration.log_odds`). `thresholds` maps a promised precision, written as text ("0.9"), to the least probability
    that keeps it.
    """

    label: str
    slope: float
    intercept: float
    thresholds: Mapping[str, float]
    truth: Truth | None = field(default=None, metadata={"optional": True})
    """Who judged the tracks on which slope and thresholds were fitted; null: not recorded."""
    tracks: int = field(default=0, metadata={"optional": True})
    """How many tracks they were fitted on; 0: not recorded."""
    best_f1_probability: float | None = field(default=None, metadata={"optional": True})
    """The least probability of tracks that count as having the tag where F1 was highest; null: not fitted."""


@dataclass(frozen=True)
class Familiarity:
    """How far a sound may be from the music of training for a model to make promises (`familiarity`).

    The distance is computed from the tensors `familiarity.mean`, `familiarity.axes` and `familiarity.scale`.
    """

    axes: int
    """How many directions have a variance of their own; all others share one."""
    threshold: float
    """The distance beyond which a track counts as unlike that music."""
    window_threshold: float | None
    """The same for a window of a track, since windows are farther away than tracks; null: windows are not judged."""
    quantile: float
    """The share of validation tracks within the threshold, such as 0.995."""
    tracks: int
    """How many tracks the distance was fitted on."""
    hash: str
    """sha256 of its tensors and of everything above; see `tensors.familiarity_hash`."""


@dataclass(frozen=True)
class Provenance:
    """The origin of a model: what is needed to train it again."""

    recipe: str
    """The whole recipe, as TOML text."""
    data_hash: str
    split_hash: str
    commit: str
    versions: Mapping[str, str]
    seeds: tuple[int, ...]
    created: str
    """ISO 8601, UTC."""


@dataclass(frozen=True)
class Card:
    """A bundle's card; what is on disk as card.json."""

    name: str
    extractors: tuple[Extractor, ...]
    layout: tuple[VectorBlock, ...]
    head: Head
    activation: Activation
    tags: tuple[TagName, ...]
    calibration: tuple[TagCalibration, ...]
    """One a tag, in the order of `tags`; or empty: not calibrated."""
    provenance: Provenance
    metrics: Mapping[str, float]
    licence: str
    format: str = FORMAT
    version: int = VERSION
    familiarity: Familiarity | None = field(default=None, metadata={"optional": True})
    """null: every sound counts as familiar."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The tags' labels, in the order of the head's outputs."""
        return tuple(tag.label for tag in self.tags)

    @property
    def vector_width(self) -> int:
        """The number of columns of a track vector."""
        return width_of(self.layout)

    @property
    def rate_hz(self) -> int:
        """The sample rate of the input of all extractors, in Hz."""
        return self.extractors[0].rate_hz
