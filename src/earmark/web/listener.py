"""What listens to uploads in a worker process of the server: orders in, messages out, a line of JSON each.

The process may be killed at any moment, and by what it reads: a decoder may crash, hang, or ask for all memory. See
`earmark.workers` for the limits that hold, also where the server that started it is gone.
"""

import json
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.audio.decode import Sound, decode
from earmark.audio.decoders import check_decoders
from earmark.audio.duration import header_duration_seconds
from earmark.audio.encode import write_flac_blocks
from earmark.errors import AudioError, EarmarkError, SourceError
from earmark.file_errors import file_errors
from earmark.tagging.tagger import Tagger
from earmark.tagging.windows import OverTimeSettings
from earmark.web import problems, sound_problems
from earmark.web.hearing import PassObserver, TooLongError
from earmark.web.order import Done, Failed, Message, Order, Progress, Setup, line_of
from earmark.web.record import embed_record, tag_record, track_record
from earmark.workers.limits import MemoryLimit

WINDOW_SECONDS, HOP_SECONDS = 5.0, 2.5
"""Of tags over time, as `earmark tag --over-time` has them; a window is at least the model's longest segment."""
FLAC_RATE_HZ = 44_100
NICENESS = 5
"""So that the server itself, which has little to do, is never kept waiting by those who listen."""


class Listener:
    """Does one order at a time."""

    def __init__(self, setup: Setup, tell: Callable[[Message], None]) -> None:
        """`tell`: told how far it is."""
        self._memory_megabytes, self._tell = setup.memory_megabytes, tell
        self._tagger = Tagger(setup.bundle)
        longest = max(e.segment_length * e.row_seconds for e in self._tagger.card.extractors)
        self._windows = OverTimeSettings(max(WINDOW_SECONDS, longest), HOP_SECONDS)

    def work(self, order: Order) -> Done | Failed:
        """Do an order: the answer is written, or the sound has a problem."""
        try:
            return Done(self._write_flac(order) if order.want == "flac" else self._write_record(order))
        except TooLongError:
            return Failed(sound_problems.too_long(order.max_minutes))
        except MemoryError:
            return Failed(sound_problems.too_much_memory(self._memory_megabytes))
        except EarmarkError as error:
            if isinstance(error.__cause__, MemoryError):
                return Failed(sound_problems.too_much_memory(self._memory_megabytes))
            return Failed(sound_problems.no_sound(_sentence(error, order)))
        except OSError:  # reading tells of its own; this is the answer that could not be written
            return Failed(problems.no_room())

    def _write_record(self, order: Order) -> float:
        """Listen, and write what is answered as JSON; returns the seconds of sound."""
        longest_seconds = order.max_minutes * 60
        total_seconds = _header_seconds(order.path)
        if total_seconds is not None and total_seconds > longest_seconds + 1:  # the decoded sound is what counts
            raise TooLongError

        def tell(seconds: float) -> None:
            share = min(1.0, seconds / total_seconds) if total_seconds else None
            self._tell(Progress(seconds, total_seconds, share))

        tell(0.0)
        observer = PassObserver(self._tagger.card.rate_hz, longest_seconds, tell)
        track = order.want == "track"
        with file_errors(order.path):
            prediction = self._tagger.tag(
                order.path,
                over_time=self._windows if order.over_time or track else None,
                keep_features=order.evidence or track,
                on_block=observer,
            )
        tell(prediction.duration_seconds)  # what is left is to explain and to write
        match order.want:
            case "track":
                record = track_record(order.name, prediction, observer.outline)
            case "embed":
                record = embed_record(prediction, self._tagger.card)
            case _:
                record = tag_record(order.name, prediction, order.evidence, order.top)
        text = json.dumps(record, ensure_ascii=False, allow_nan=False)
        Path(order.answer).write_text(text, encoding="utf-8")
        return prediction.duration_seconds

    def _write_flac(self, order: Order) -> float:
        """Write the sound, mixed to one channel, as FLAC; returns its seconds."""
        with decode(order.path, FLAC_RATE_HZ) as sound:
            write_flac_blocks(order.answer, _no_longer(sound, order.max_minutes), FLAC_RATE_HZ)
            return sound.duration_seconds


def _no_longer(sound: Sound, max_minutes: float) -> Iterator[npt.NDArray[np.float32]]:
    """A sound's blocks; raises TooLongError where they go on for too long."""
    for block in sound:
        if sound.duration_seconds > max_minutes * 60:
            raise TooLongError
        yield block


def _header_seconds(path: str) -> float | None:
    try:
        return header_duration_seconds(path)
    except AudioError:  # what is wrong with it is told when it is read, and may be nothing
        return None


def _sentence(error: EarmarkError, order: Order) -> str:
    """An error's message with the sound's own name in place of its path."""
    if isinstance(error, SourceError):
        return f"{order.name}: {error.reason}"
    return str(error).replace(order.path, order.name).replace(order.answer, "the answer")


def work_of(setup: bytes, tell: Callable[[bytes], None]) -> Callable[[bytes], bytes]:
    """Make the listener of a worker process: a pickled Setup, then orders in and messages out, a line of JSON each."""
    made: Setup = pickle.loads(setup)
    listener = Listener(made, lambda message: tell(line_of(message)))
    check_decoders()  # what they load counts before the limit, not as a sound's
    MemoryLimit(made.memory_megabytes).allow()
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    return lambda order: line_of(listener.work(Order.from_line(order)))
