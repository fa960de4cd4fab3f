"""One pass over one sound: blocks in; statistics, local scores, windows and kept features out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.audio.logmel import LogMel, LogMelSettings
from earmark.audio.segments import SegmentRule, Segments
from earmark.audio.stopwatch import Stopwatch
from earmark.tagging.activation import activate
from earmark.tagging.aggregate import TrackStatistics
from earmark.tagging.batches import Batches
from earmark.tagging.calibration import probabilities
from earmark.tagging.card import Activation, Card
from earmark.tagging.engine import Network
from earmark.tagging.kept import FeatureKeeper
from earmark.tagging.prediction import OverTime
from earmark.tagging.windows import OverTimeSettings, Windows, WindowVectors

Array = npt.NDArray[np.float32]

WINDOWS_IN_BATCH = 32


@dataclass(frozen=True)
class Heard:
    """What one scale has heard: its columns of the track vector, and the sum of its segments' local scores."""

    vector: Array
    local_scores: Array
    short: bool


class Scale:
    """One extractor's way through one sound: rows to segments to batches to its network to running sums."""

    def __init__(self, network: Network, activation: Activation, stopwatch: Stopwatch | None = None) -> None:
        extractor = network.extractor
        self.extractor = extractor
        self._run = network if stopwatch is None else stopwatch.timed("network", network)
        self._activation = activation
        self._workspace = network.workspace()
        rule = SegmentRule(extractor.segment_length, extractor.segment_hop)
        self._segments = Segments(rule, extractor.input_columns)
        self._batches = Batches(network.batch_segments, (rule.length, extractor.input_columns))
        self._statistics = TrackStatistics(extractor.track_statistic, extractor.level_widths)
        self._local_sum = np.zeros(len(extractor.output_tags), dtype=np.float64)

    def push(self, rows: Array) -> list[Array]:
        """Take input rows; returns the levels of every batch that they complete, for windows and keepers."""
        return [self._hear(batch) for batch in self._batches.push(self._segments.push(rows))]

    def finish(self) -> list[Array]:
        """End the sound; returns the levels of what was left."""
        last = self._segments.finish()
        levels = [self._hear(batch) for batch in self._batches.push(last)]
        return levels + [self._hear(batch) for batch in self._batches.rest()]

    def heard(self) -> Heard:
        """The result, after `finish`."""
        mean = (self._local_sum / self._statistics.count).astype(np.float32)
        return Heard(self._statistics.vector(), mean, self._segments.short)

    def _hear(self, batch: Array) -> Array:
        activations = self._run(batch, self._workspace)
        self._statistics.add(activations.levels)
        if activations.logits.shape[1]:
            self._local_sum += activate(activations.logits, self._activation).sum(axis=0, dtype=np.float64)
        return activations.levels


@dataclass(frozen=True)
class FrontEnd:
    """A log-mel front end's two steps, as `LogMel` has them."""

    push: Callable[[Array], Array]
    finish: Callable[[], Array]

    @classmethod
    def of(cls, settings: LogMelSettings, stopwatch: Stopwatch | None) -> "FrontEnd":
        """A new one for one sound, measured where a stopwatch is given."""
        front_end = LogMel(settings)
        if stopwatch is None:
            return cls(front_end.push, front_end.finish)
        return cls(stopwatch.timed("front end", front_end.push), stopwatch.timed("front end", front_end.finish))


class Listening:
    """All scales of a model on one sound. Front ends that are the same are computed once."""

    def __init__(
        self,
        networks: Sequence[Network],
        activation: Activation,
        over_time: "TagsOverTime | None",
        keep: bool,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        """`stopwatch`: told how long front ends and networks take."""
        self._scales = [Scale(network, activation, stopwatch) for network in networks]
        self._front_ends: dict[LogMelSettings, FrontEnd] = {}
        for network in networks:
            settings = network.extractor.log_mel
            if settings is not None and settings not in self._front_ends:
                self._front_ends[settings] = FrontEnd.of(settings, stopwatch)
        self._over_time = over_time
        self.keepers = [FeatureKeeper(network.extractor) for network in networks] if keep else []

    def push(self, samples: Array) -> None:
        """Take the next block of the sound: (samples,) float32, mono, at the model's rate."""
        frames = {settings: front_end.push(samples) for settings, front_end in self._front_ends.items()}
        self._spread(frames, samples)

    def finish(self, duration_seconds: float) -> list[Heard]:
        """End the sound and return what every scale heard, in order; raises WaveformError for no sound at all."""
        frames = {settings: front_end.finish() for settings, front_end in self._front_ends.items()}
        self._spread(frames, np.empty(0, dtype=np.float32))
        for place, scale in enumerate(self._scales):
            self._pass_on(place, scale.finish())
        if self._over_time is not None:
            self._over_time.finish(duration_seconds)
        return [scale.heard() for scale in self._scales]

    def _spread(self, frames: dict[LogMelSettings, Array], samples: Array) -> None:
        for place, scale in enumerate(self._scales):
            settings = scale.extractor.log_mel
            rows = samples[:, np.newaxis] if settings is None else frames[settings]
            self._pass_on(place, scale.push(rows))

    def _pass_on(self, place: int, batches: list[Array]) -> None:
        for levels in batches:
            if self.keepers:
                self.keepers[place].add(levels)
            if self._over_time is not None:
                self._over_time.add(place, levels)


class TagsOverTime:
    """Windows of one sound through the classifier; keeps their logits, not their features."""

    def __init__(
        self,
        networks: Sequence[Network],
        classifier: Callable[[Array], Array],
        card: Card,
        settings: OverTimeSettings,
    ) -> None:
        """Raises TagError where a window is shorter than the longest segment."""
        extractors = [network.extractor for network in networks]
        self._settings = settings
        self._windows = Windows(extractors, settings)
        self._batches = Batches(WINDOWS_IN_BATCH, (sum(extractor.columns for extractor in extractors),))
        self._classifier = classifier
        self._card = card
        self._seconds: list[npt.NDArray[np.float64]] = []
        self._logits: list[Array] = []

    def add(self, scale: int, levels: Array) -> None:
        """Take the next segments of one scale and classify the windows that they complete."""
        self._windows.add(scale, levels)
        self._take(self._windows.ready())

    def finish(self, duration_seconds: float) -> None:
        """Classify the windows that are left."""
        self._take(self._windows.finish(duration_seconds))
        for batch in self._batches.rest():
            self._classify(batch)

    def result(self) -> OverTime:
        """Scores, probabilities and starts of all windows, after `finish`."""
        logits = np.concatenate(self._logits)
        return OverTime(
            np.concatenate(self._seconds),
            activate(logits, self._card.activation),
            self._card.labels,
            self._settings.window_seconds,
            self._settings.hop_seconds,
            probabilities(logits, self._card),
        )

    def _take(self, windows: WindowVectors) -> None:
        self._seconds.append(windows.seconds)
        for batch in self._batches.push(windows.vectors):
            self._classify(batch)

    def _classify(self, batch: Array) -> None:
        self._logits.append(self._classifier(batch))
