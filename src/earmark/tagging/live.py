"""Tagging a sound without end: at every step, the tags of its last seconds."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.audio.logmel import FrameStream, LogMelSettings, check_samples
from earmark.audio.loudness import Loudness
from earmark.audio.stream.buffer import Piece
from earmark.errors import TagError
from earmark.tagging.bundle.calibration import probabilities
from earmark.tagging.bundle.card import Extractor
from earmark.tagging.engines.convolution import Workspace
from earmark.tagging.engines.engine import Network
from earmark.tagging.engines.network import Activations
from earmark.tagging.prediction import Prediction, Tag
from earmark.tagging.streaming import ScaleStream
from earmark.tagging.tagger import Tagger
from earmark.tagging.windows import OverTimeSettings, SegmentBuffer
from earmark.tagging.withheld import withheld_of


@dataclass(frozen=True, eq=False)
class Moment:
    """The tags of a sound at one moment, which are those of the seconds before it.

    `seconds`: the moment, from the start of the sound, skipped sound included. `prediction`: of the window before the
    moment, or of the whole sound so far where that is shorter. `skipped_seconds`: the sound skipped so far, in all.
    """

    seconds: float
    prediction: Prediction
    skipped_seconds: float

    @property
    def silent(self) -> bool:
        """Whether nothing could be heard in that stretch."""
        return self.prediction.silent

    def tags(self, top: int | None = None) -> list[Tag]:
        """Return the tags, most probable first, at most `top` of each group; none in silence."""
        return [] if self.silent else top_of_groups(self.prediction, top)

    def to_dict(self, top: int | None = None) -> dict[str, object]:
        """Return plain dictionaries, lists, text and numbers, for JSON."""
        return {
            "seconds": round(self.seconds, 3),
            "window_seconds": round(self.prediction.duration_seconds, 3),
            "skipped_seconds": round(self.skipped_seconds, 3),
            "silent": self.silent,
            "withheld": None if self.prediction.withheld is None else self.prediction.withheld.to_dict(),
            "tags": [
                {"label": tag.label, "group": tag.group, "probability": tag.probability} for tag in self.tags(top)
            ],
        }


def top_of_groups(prediction: Prediction, top: int | None) -> list[Tag]:
    """Return the tags of a prediction, most probable first, at most `top` of each group; all of them for None."""
    chosen: list[Tag] = []
    taken: Counter[str] = Counter()
    for tag in prediction.top(len(prediction.tags)):
        taken[tag.group] += 1
        if top is None or taken[tag.group] <= top:
            chosen.append(tag)
    return chosen


Array = npt.NDArray[np.float32]

SLACK_SECONDS = 1e-9
"""The rounding error allowed in a comparison of seconds: far less than a sample."""


@dataclass(frozen=True)
class LiveSettings:
    """Settings of live tagging, in seconds.

    `window_seconds`: how much of the latest sound is tagged. `every_seconds`: the least sound between two answers; 0
    gives one with every segment of the longest scale. Raises TagError for impossible values.
    """

    window_seconds: float = 10.0
    every_seconds: float = 0.0

    def __post_init__(self) -> None:
        OverTimeSettings(self.window_seconds, self.window_seconds)
        if not 0 <= self.every_seconds < float("inf"):
            raise TagError(f"every_seconds: found {self.every_seconds!r}, expected 0 or more. Choose another.")


class Live:
    """Live tagging of a sound that arrives piece by piece and may never end.

    Nothing is computed until the next segment of the longest scale is complete; then everything up to its end is
    computed at once. So the positions of the answers are known beforehand, and their numbers do not depend on how the
    sound was cut into pieces. Memory is constant: the sound since the last answer, the window's segments, and the
    running sums of the whole.
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
        self._streams = [ScaleStream(_OneByOne(network), tagger.card.activation) for network in tagger.networks]
        self._buffers = [SegmentBuffer(network.extractor) for network in tagger.networks]
        self._front_ends = {
            extractor.log_mel: FrameStream(extractor.log_mel)
            for extractor in extractors
            if extractor.log_mel is not None
        }
        self._waiting: list[Array] = []
        self._samples = 0
        self._skipped = 0
        self._segments_done = 0
        self._loudness = Loudness(self._rate_hz, settings.window_seconds)
        self._last_answer_seconds = -float("inf")

    @property
    def analysed_seconds(self) -> float:
        """The length of the sound pushed so far, in seconds."""
        return self._samples / self._rate_hz

    @property
    def skipped_seconds(self) -> float:
        """The length of the sound skipped so far, in seconds."""
        return self._skipped / self._rate_hz

    def push(self, samples: Array) -> list[Moment]:
        """Take the next piece of the sound and return the answers that it completes, often none.

        `samples`: (samples,) float32, mono, at the model's rate, nominally -1 to 1.

        Raises WaveformError for anything else, and TagError where activations exceed float32.
        """
        check_samples(samples)
        moments: list[Moment] = []
        while len(samples):
            due = samples_needed(self._longest, self._segments_done)
            piece, samples = samples[: due - self._samples], samples[due - self._samples :]
            self._waiting.append(piece.copy())  # the caller may use its memory again
            self._samples += len(piece)
            if self._samples == due:
                self._hear()
                for buffer in self._buffers:
                    buffer.forget(self.analysed_seconds - self.settings.window_seconds, self.analysed_seconds)
                self._segments_done += 1
                if self.analysed_seconds - self._last_answer_seconds >= self.settings.every_seconds - SLACK_SECONDS:
                    self._last_answer_seconds = self.analysed_seconds
                    moments.append(self._lately())
        return moments

    def skip(self, samples: int) -> None:
        """Count sound that was left out. Choice: the next piece follows as if there had been no gap."""
        self._skipped += samples

    def listen(self, pieces: Iterable[Piece], tell: Callable[[str], None]) -> Iterator[Moment]:
        """Push the pieces of a sound and yield the answers; `tell` is called with a line where sound was skipped.

        Raises what iterating `pieces` and `push` raise.
        """
        for piece in pieces:
            if piece.skipped:
                self.skip(piece.skipped)
                tell(f"{self.name}: too slow for this sound, {piece.skipped / self._rate_hz:.1f} s of it were skipped")
            yield from self.push(piece.samples)

    def finish(self) -> Moment:
        """End the sound and return the tags of all of it, with the scores of `Tagger.tag`, to rounding.

        Raises WaveformError where no sound arrived.
        """
        if self._waiting:
            self._hear()
        frames = {settings: front_end.finish() for settings, front_end in self._front_ends.items()}
        self._spread(frames, np.empty(0, dtype=np.float32))
        short: list[str] = []
        vectors: list[Array] = []
        for stream in self._streams:
            stream.finish()
            result = stream.result()
            vectors.append(result.vector)
            short += [stream.extractor.name] if result.short else []
        vector, silent = np.concatenate(vectors), self._loudness.always_silent
        return self._moment(self._prediction(vector, self.analysed_seconds, tuple(short), silent, of_window=False))

    def _hear(self) -> None:
        """Run front ends and networks on the sound that waits."""
        samples = np.concatenate(self._waiting)
        self._waiting.clear()
        self._loudness.add(samples)
        self._spread({settings: front_end.push(samples) for settings, front_end in self._front_ends.items()}, samples)

    def _spread(self, frames: dict[LogMelSettings, Array], samples: Array) -> None:
        for stream, buffer in zip(self._streams, self._buffers, strict=True):
            settings = stream.extractor.log_mel
            for levels in stream.push(samples[:, np.newaxis] if settings is None else frames[settings]):
                buffer.add(levels)

    def _lately(self) -> Moment:
        """Return the tags of the window."""
        start, end = self.analysed_seconds - self.settings.window_seconds, self.analysed_seconds
        vector = np.concatenate([buffer.vector(start, end) for buffer in self._buffers])
        window_seconds = min(self.analysed_seconds, self.settings.window_seconds)
        return self._moment(self._prediction(vector, window_seconds, (), self._loudness.silent, of_window=True))

    def _moment(self, prediction: Prediction) -> Moment:
        return Moment(self.analysed_seconds + self.skipped_seconds, prediction, self.skipped_seconds)

    def _prediction(
        self, vector: Array, duration_seconds: float, short: tuple[str, ...], silent: bool, *, of_window: bool
    ) -> Prediction:
        if not np.isfinite(vector).all():
            raise TagError(
                f"{self.name}: found activations beyond float32, expected a sound of about -1 to 1. "
                "Scale its samples down and try again."
            )
        card = self._tagger.card
        logits = self._tagger.classifier(vector[np.newaxis])[0]
        distance = float(self._tagger.distance(vector[np.newaxis])[0])
        likely = probabilities(logits, card)
        return Prediction(
            tags=card.tags,
            logits=logits,
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
            withheld=withheld_of(likely, card, silent=silent, distance=distance, of_window=of_window),
            distance=distance,
        )


def samples_needed(extractor: Extractor, segment: int) -> int:
    """Return how many samples a sound must have before a segment, counted from 0, is complete."""
    rows = segment * extractor.segment_hop + extractor.segment_length
    settings = extractor.log_mel
    # The last frame is centred on its row and reaches half a window further.
    return rows if settings is None else (rows - 1) * settings.hop_samples + settings.window_samples // 2


class _OneByOne:
    """A network that runs on each segment as soon as it is complete, instead of waiting for a batch."""

    batch_segments = 1

    def __init__(self, network: Network) -> None:
        self.extractor = network.extractor
        self.width = network.width
        self._network = network

    def workspace(self) -> Workspace | None:
        return self._network.workspace()

    def __call__(self, segments: Array, workspace: Workspace | None = None) -> Activations:
        return self._network(segments, workspace)
