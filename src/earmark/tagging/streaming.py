"""One streaming pass over a sound: from blocks to statistics, local scores, windows and stored features.

Networks and classifier get batches of one fixed size, aligned to the start of the stream. The last bits of a matrix
product may depend on its number of rows, so the numbers of a sound would otherwise depend on how it was cut into
blocks.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.audio.logmel import LogMel, LogMelSettings
from earmark.audio.segments import SegmentRule, Segments
from earmark.audio.stopwatch import Stopwatch
from earmark.tagging.aggregate import TrackStatistics
from earmark.tagging.bundle.calibration import activate, probabilities
from earmark.tagging.bundle.card import Activation, Card
from earmark.tagging.engines.engine import Network
from earmark.tagging.features import FeatureRecorder
from earmark.tagging.prediction import OverTime
from earmark.tagging.windows import OverTimeSettings, Windows, WindowVectors
from earmark.tagging.withheld import withheld_along

Array = npt.NDArray[np.float32]


class Batches:
    """A stream from rows to batches of `size` rows; the last batch may be smaller."""

    def __init__(self, size: int, row_shape: tuple[int, ...]) -> None:
        self._held = np.empty((size, *row_shape), dtype=np.float32)
        self._count = 0

    def push(self, rows: Array) -> Iterator[Array]:
        """Take rows, (rows, *row_shape) float32, and yield every batch that they complete.

        A batch is valid until the next one is asked for, as its memory is used again.
        """
        taken = 0
        while taken < len(rows):
            part = rows[taken : taken + len(self._held) - self._count]
            self._held[self._count : self._count + len(part)] = part
            self._count += len(part)
            taken += len(part)
            if self._count == len(self._held):
                self._count = 0
                yield self._held

    def rest(self) -> Iterator[Array]:
        """Yield the last, smaller batch, if there is one; the stream then starts again."""
        count, self._count = self._count, 0
        if count:
            yield self._held[:count]


WINDOWS_IN_BATCH = 32


@dataclass(frozen=True)
class ScaleResult:
    """The result of one scale on one sound.

    `vector`: its columns of the track vector, (columns,) float32. `local_scores`: the mean of its segments' local
    scores, (tags,) float32. `short`: whether the sound filled no segment.
    """

    vector: Array
    local_scores: Array
    short: bool


class ScaleStream:
    """One extractor on one sound: rows become segments, batches, activations and running sums."""

    def __init__(self, network: Network, activation: Activation, stopwatch: Stopwatch | None = None) -> None:
        extractor = network.extractor
        self.extractor = extractor
        self._network = network if stopwatch is None else stopwatch.timed("network", network)
        self._activation = activation
        self._workspace = network.workspace()
        rule = SegmentRule(extractor.segment_length, extractor.segment_hop)
        self._segments = Segments(rule, extractor.input_columns)
        self._batches = Batches(network.batch_segments, (rule.length, extractor.input_columns))
        self._statistics = TrackStatistics(extractor.track_statistic, extractor.level_widths)
        self._local_sum = np.zeros(len(extractor.output_tags), dtype=np.float64)

    def push(self, rows: Array) -> list[Array]:
        """Take input rows and return the levels of every batch that they complete, (segments, width) float32 each."""
        return [self._run_batch(batch) for batch in self._batches.push(self._segments.push(rows))]

    def finish(self) -> list[Array]:
        """End the sound and return the levels of the remaining batches."""
        last = self._segments.finish()
        levels = [self._run_batch(batch) for batch in self._batches.push(last)]
        return levels + [self._run_batch(batch) for batch in self._batches.rest()]

    def result(self) -> ScaleResult:
        """Return the result, after `finish`."""
        mean = (self._local_sum / self._statistics.count).astype(np.float32)
        return ScaleResult(self._statistics.vector(), mean, self._segments.short)

    def _run_batch(self, batch: Array) -> Array:
        activations = self._network(batch, self._workspace)
        self._statistics.add(activations.levels)
        if activations.logits.shape[1]:
            self._local_sum += activate(activations.logits, self._activation).sum(axis=0, dtype=np.float64)
        return activations.levels


@dataclass(frozen=True)
class FrontEnd:
    """The two methods of a log-mel front end, as in `LogMel`."""

    push: Callable[[Array], Array]
    finish: Callable[[], Array]

    @classmethod
    def of(cls, settings: LogMelSettings, stopwatch: Stopwatch | None) -> "FrontEnd":
        """Return a new front end for one sound, measured where a stopwatch is given."""
        front_end = LogMel(settings)
        if stopwatch is None:
            return cls(front_end.push, front_end.finish)
        return cls(stopwatch.timed("front end", front_end.push), stopwatch.timed("front end", front_end.finish))


class StreamingPass:
    """One pass of all scales of a model over one sound; front ends with equal settings are computed once."""

    def __init__(
        self,
        networks: Sequence[Network],
        activation: Activation,
        over_time: "TagsOverTime | None",
        keep: bool,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        """`over_time`: takes the levels too. `keep`: whether to record features. `stopwatch`: times front ends and
        networks.
        """
        self._scales = [ScaleStream(network, activation, stopwatch) for network in networks]
        self._front_ends: dict[LogMelSettings, FrontEnd] = {}
        for network in networks:
            settings = network.extractor.log_mel
            if settings is not None and settings not in self._front_ends:
                self._front_ends[settings] = FrontEnd.of(settings, stopwatch)
        self._over_time = over_time
        self.recorders = [FeatureRecorder(network.extractor) for network in networks] if keep else []

    def push(self, samples: Array) -> None:
        """Take the next block of the sound: (samples,) float32, mono, at the model's rate."""
        frames = {settings: front_end.push(samples) for settings, front_end in self._front_ends.items()}
        self._spread(frames, samples)

    def finish(self, duration_seconds: float) -> list[ScaleResult]:
        """End the sound and return the result of every scale, in order; raises WaveformError for no sound at all."""
        frames = {settings: front_end.finish() for settings, front_end in self._front_ends.items()}
        self._spread(frames, np.empty(0, dtype=np.float32))
        for place, scale in enumerate(self._scales):
            self._pass_on(place, scale.finish())
        if self._over_time is not None:
            self._over_time.finish(duration_seconds)
        return [scale.result() for scale in self._scales]

    def _spread(self, frames: dict[LogMelSettings, Array], samples: Array) -> None:
        for place, scale in enumerate(self._scales):
            settings = scale.extractor.log_mel
            rows = samples[:, np.newaxis] if settings is None else frames[settings]
            self._pass_on(place, scale.push(rows))

    def _pass_on(self, place: int, batches: list[Array]) -> None:
        for levels in batches:
            if self.recorders:
                self.recorders[place].add(levels)
            if self._over_time is not None:
                self._over_time.add(place, levels)


class TagsOverTime:
    """The tags of the windows of one sound; logits are kept, but no features."""

    def __init__(
        self,
        networks: Sequence[Network],
        classifier: Callable[[Array], Array],
        card: Card,
        settings: OverTimeSettings,
        distance: Callable[[Array], npt.NDArray[np.float64]],
    ) -> None:
        """Start without windows; raises TagError where a window is shorter than the longest segment.

        `distance`: a function from vectors to their distances from the music of training.
        """
        extractors = [network.extractor for network in networks]
        self._settings = settings
        self._windows = Windows(extractors, settings)
        self._batches = Batches(WINDOWS_IN_BATCH, (sum(extractor.columns for extractor in extractors),))
        self._classifier = classifier
        self._card = card
        self._distance = distance
        self._distances: list[npt.NDArray[np.float64]] = []
        self._seconds: list[npt.NDArray[np.float64]] = []
        self._logits: list[Array] = []

    def add(self, scale: int, levels: Array) -> None:
        """Add the next segments of one scale and classify the windows that they complete."""
        self._windows.add(scale, levels)
        self._take(self._windows.ready())

    def finish(self, duration_seconds: float) -> None:
        """Classify the remaining windows."""
        self._take(self._windows.finish(duration_seconds))
        for batch in self._batches.rest():
            self._classify(batch)

    def result(self) -> OverTime:
        """Return scores, probabilities and starts of all windows, after `finish`."""
        logits = np.concatenate(self._logits)
        likely = probabilities(logits, self._card)
        return OverTime(
            np.concatenate(self._seconds),
            activate(logits, self._card.activation),
            self._card.labels,
            self._settings.window_seconds,
            self._settings.hop_seconds,
            likely,
            withheld_along(likely, self._card, np.concatenate(self._distances)),
        )

    def _take(self, windows: WindowVectors) -> None:
        self._seconds.append(windows.seconds)
        for batch in self._batches.push(windows.vectors):
            self._classify(batch)

    def _classify(self, batch: Array) -> None:
        self._logits.append(self._classifier(batch))
        self._distances.append(self._distance(batch))
