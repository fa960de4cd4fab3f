"""Live: tags of the last seconds of a sound that does not end, as soon as a segment of every scale is complete."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.audio.backlog import Arrival
from earmark.audio.frames import Frames
from earmark.audio.logmel import LogMelSettings, check_samples
from earmark.audio.loudness import Loudness
from earmark.audio.segments import SegmentRule
from earmark.errors import TagError
from earmark.tagging.aggregate import TrackStatistics
from earmark.tagging.card import Extractor
from earmark.tagging.convolve import Workspace
from earmark.tagging.engine import Network
from earmark.tagging.listening import Scale
from earmark.tagging.moment import Moment
from earmark.tagging.network import Activations
from earmark.tagging.prediction import Prediction
from earmark.tagging.tagger import Tagger
from earmark.tagging.windows import OverTimeSettings, segments_of_window

Array = npt.NDArray[np.float32]

SLACK_SECONDS = 1e-9
"""What a stretch may be short of by rounding: far less than a sample."""


@dataclass(frozen=True)
class LiveSettings:
    """What is asked of a live sound, in seconds.

    `window_seconds`: how much of the sound that came last is tagged. `every_seconds`: the least sound between two
    answers; 0 gives one with every segment of the longest scale. Raises TagError for what cannot be.
    """

    window_seconds: float = 10.0
    every_seconds: float = 0.0

    def __post_init__(self) -> None:
        OverTimeSettings(self.window_seconds, self.window_seconds)
        if not 0 <= self.every_seconds < float("inf"):
            raise TagError(f"every_seconds: found {self.every_seconds!r}, expected 0 or more. Choose another.")


class Live:
    """A tagger on a sound that arrives piece by piece and may never end.

    Nothing is computed before the longest scale's next segment is complete, and then everything that came until there:
    an answer is due at a place of the sound that is known beforehand, and its numbers do not depend on how the sound
    was cut into pieces. Memory is constant: the sound since the last answer, the window's segments, and the running
    sums of the whole.
    """

    def __init__(self, tagger: Tagger, settings: LiveSettings = LiveSettings(), name: str = "<live>") -> None:
        """`name`: of the sound, for predictions. Raises TagError where the window is shorter than a segment."""
        extractors = tagger.card.extractors
        OverTimeSettings(settings.window_seconds, settings.window_seconds).refuse_short_windows(extractors)
        self.settings = settings
        self.name = name
        self._tagger = tagger
        self._rate_hz = tagger.card.rate_hz
        self._longest = max(extractors, key=lambda extractor: samples_needed(extractor, 0))
        self._scales = [_RecentSegments(network, tagger) for network in tagger.networks]
        self._front_ends = {
            extractor.log_mel: Frames(extractor.log_mel) for extractor in extractors if extractor.log_mel is not None
        }
        self._waiting: list[Array] = []
        self._samples = 0
        self._skipped = 0
        self._heard_segments = 0
        self._loudness = Loudness(self._rate_hz, settings.window_seconds)
        self._last_answer_seconds = -float("inf")

    @property
    def heard_seconds(self) -> float:
        """How much sound was pushed so far."""
        return self._samples / self._rate_hz

    @property
    def skipped_seconds(self) -> float:
        """How much sound was skipped so far."""
        return self._skipped / self._rate_hz

    def push(self, samples: Array) -> list[Moment]:
        """Take the next piece of the sound and return the answers that it makes due, often none.

        `samples`: (samples,) float32, mono, at the model's rate, nominally -1 to 1. Raises WaveformError for anything
        else, and TagError where activations leave float32.
        """
        check_samples(samples)
        moments: list[Moment] = []
        while len(samples):
            due = samples_needed(self._longest, self._heard_segments)
            piece, samples = samples[: due - self._samples], samples[due - self._samples :]
            self._waiting.append(piece.copy())  # the caller may use its memory again
            self._samples += len(piece)
            if self._samples == due:
                self._hear()
                for scale in self._scales:
                    scale.keep(self.heard_seconds - self.settings.window_seconds, self.heard_seconds)
                self._heard_segments += 1
                if self.heard_seconds - self._last_answer_seconds >= self.settings.every_seconds - SLACK_SECONDS:
                    self._last_answer_seconds = self.heard_seconds
                    moments.append(self._lately())
        return moments

    def skip(self, samples: int) -> None:
        """Count sound that was left out. Choice: what comes next joins on, as if there had been no gap."""
        self._skipped += samples

    def listen(self, arrivals: Iterable[Arrival], tell: Callable[[str], None]) -> Iterator[Moment]:
        """Push what arrives and yield the answers; `tell` is told where something was skipped. Raises as both do."""
        for arrival in arrivals:
            if arrival.skipped:
                self.skip(arrival.skipped)
                tell(
                    f"{self.name}: too slow for this sound, {arrival.skipped / self._rate_hz:.1f} s of it were skipped"
                )
            yield from self.push(arrival.samples)

    def finish(self) -> Moment:
        """End the sound and return what all of it was like: the scores are those of `Tagger.tag`, to rounding.

        Raises WaveformError where no sound ever came.
        """
        if self._waiting:
            self._hear()
        frames = {settings: front_end.finish() for settings, front_end in self._front_ends.items()}
        self._spread(frames, np.empty(0, dtype=np.float32))
        short: list[str] = []
        vectors: list[Array] = []
        for scale in self._scales:
            scale.way.finish()
            heard = scale.way.heard()
            vectors.append(heard.vector)
            short += [scale.extractor.name] if heard.short else []
        prediction = self._prediction(np.concatenate(vectors), self.heard_seconds, tuple(short))
        return self._moment(prediction, self._loudness.always_silent)

    def _hear(self) -> None:
        """Take what waits through front ends and networks."""
        samples = np.concatenate(self._waiting)
        self._waiting.clear()
        self._loudness.add(samples)
        self._spread({settings: front_end.push(samples) for settings, front_end in self._front_ends.items()}, samples)

    def _spread(self, frames: dict[LogMelSettings, Array], samples: Array) -> None:
        for scale in self._scales:
            settings = scale.extractor.log_mel
            scale.push(samples[:, np.newaxis] if settings is None else frames[settings])

    def _lately(self) -> Moment:
        """What the window was like."""
        vector = np.concatenate([scale.vector() for scale in self._scales])
        prediction = self._prediction(vector, min(self.heard_seconds, self.settings.window_seconds), ())
        return self._moment(prediction, self._loudness.silent)

    def _moment(self, prediction: Prediction, silent: bool) -> Moment:
        prediction = dataclasses.replace(prediction, silent=silent)
        return Moment(self.heard_seconds + self.skipped_seconds, prediction, silent, self.skipped_seconds)

    def _prediction(self, vector: Array, duration_seconds: float, short: tuple[str, ...]) -> Prediction:
        if not np.isfinite(vector).all():
            raise TagError(
                f"{self.name}: found activations beyond float32, expected a sound of about -1 to 1. "
                "Scale its samples down and try again."
            )
        card = self._tagger.card
        return Prediction(
            tags=card.tags,
            logits=self._tagger.classifier(vector[np.newaxis])[0],
            activation=card.activation,
            embedding=vector,
            local_scores=None,
            source=self.name,
            duration_seconds=duration_seconds,
            truncated=False,
            short=short,
            model=self._tagger.identity,
            decoder="live",
            calibration=card.calibration,
        )


def samples_needed(extractor: Extractor, segment: int) -> int:
    """How many samples of a sound have to be there before a segment, counted from 0, is complete."""
    rows = segment * extractor.segment_hop + extractor.segment_length
    settings = extractor.log_mel
    # The last frame is centred on its row and reaches half a window further.
    return rows if settings is None else (rows - 1) * settings.hop_samples + settings.window_samples // 2


class _OneByOne:
    """A network that hears each segment when it is complete, instead of waiting for a batch."""

    batch_segments = 1

    def __init__(self, network: Network) -> None:
        self.extractor = network.extractor
        self.width = network.width
        self._network = network

    def workspace(self) -> Workspace | None:
        return self._network.workspace()

    def __call__(self, segments: Array, workspace: Workspace | None = None) -> Activations:
        return self._network(segments, workspace)


class _RecentSegments:
    """One scale's way through the sound, and the segments of it that the window still needs."""

    def __init__(self, network: Network, tagger: Tagger) -> None:
        self.extractor = network.extractor
        self.way = Scale(_OneByOne(network), tagger.card.activation)
        self._rule = SegmentRule(self.extractor.segment_length, self.extractor.segment_hop)
        self._levels = np.empty((0, sum(self.extractor.level_widths)), dtype=np.float32)
        self._first = 0
        """The number of the first segment kept."""

    def push(self, rows: Array) -> None:
        self._levels = np.concatenate([self._levels, *self.way.push(rows)])

    def keep(self, start: float, end: float) -> None:
        """Forget the segments that the stretch between two times in seconds does not need, nor a later one."""
        numbers = np.arange(self._first, self._first + len(self._levels), dtype=np.float64)
        centres = (numbers * self._rule.hop + self._rule.centre(0)) * self.extractor.row_seconds
        first = segments_of_window(np.asarray(centres), start, end).start
        self._levels = self._levels[first:].copy()
        self._first += first

    def vector(self) -> Array:
        """This scale's columns of the stretch that is kept."""
        statistics = TrackStatistics(self.extractor.track_statistic, self.extractor.level_widths)
        statistics.add(self._levels)
        return statistics.vector()
