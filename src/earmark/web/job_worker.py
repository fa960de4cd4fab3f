"""The worker process of the server: it decodes and analyses sounds, one job at a time.

The process may be killed at any moment, and by what it reads: a decoder may crash, hang, or take all memory.
`earmark.workers` says which limits it has, and how it ends when the server is gone.
"""

import json
import os
import pickle
import time
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
from earmark.web import problems
from earmark.web.character import SoundCharacter
from earmark.web.job import JobDone, JobFailed, JobMessage, JobProgress, JobSetup, SoundJob, message_to_line
from earmark.web.serialise import embed_record, features_beside, tag_record, track_record
from earmark.workers.limits import MemoryLimit

Array = npt.NDArray[np.float32]

WINDOW_SECONDS, HOP_SECONDS = 5.0, 2.5
"""The windows of tags over time, as for `earmark tag --over-time`; at least the model's longest segment."""
FLAC_RATE_HZ = 44_100
NICENESS = 5
"""The processes have a lower priority than the server itself, so that it always answers quickly."""
PROGRESS_SECONDS = 0.2
"""The least time between two messages of progress."""
MOST_PEAKS = 6_000
"""0.6 s each in an hour, which can be zoomed."""
PEAK_SAMPLES = 256
"""Samples of a peak that is kept during decoding: 1.2 MB for an hour at 22 050 Hz."""


class TooLongError(EarmarkError):
    """A sound that is longer than allowed, whatever its header says."""


class WaveformPeaks:
    """Collects the largest magnitude of the samples in each short stretch of a sound, for drawing its waveform."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._peaks: list[Array] = []
        self._rest = np.empty(0, np.float32)

    def add(self, samples: Array) -> None:
        """Add the next samples: (samples,) float32."""
        magnitudes = np.concatenate([self._rest, np.abs(samples)])
        whole = len(magnitudes) // PEAK_SAMPLES * PEAK_SAMPLES
        self._peaks.append(_largest(magnitudes[:whole], PEAK_SAMPLES))
        self._rest = magnitudes[whole:]

    def to_dict(self) -> dict[str, object]:
        """Return at most MOST_PEAKS peaks, 0 to 1, and the seconds of sound that each of them stands for."""
        peaks = np.concatenate([*self._peaks, _largest(self._rest, PEAK_SAMPLES)])
        together = max(1, -(-len(peaks) // MOST_PEAKS))
        shown = np.minimum(_largest(peaks, together), 1.0)
        return {
            "seconds_per_point": together * PEAK_SAMPLES / self._rate_hz,
            "peaks": [round(peak, 4) for peak in shown.tolist()],
        }


def _largest(values: Array, count: int) -> Array:
    """Return the largest of each `count` values, and of the fewer ones at the end."""
    if not len(values):
        return values
    largest: Array = np.maximum.reduceat(values, np.arange(0, len(values), count))
    return largest


class BlockObserver:
    """Watches the blocks of a sound while it is tagged; the `on_block` of `Tagger.tag`."""

    def __init__(self, rate_hz: int, longest_seconds: float, on_progress: Callable[[float], None]) -> None:
        """`rate_hz`: of the blocks. `on_progress`: called now and then with the seconds that were decoded so far."""
        self.peaks = WaveformPeaks(rate_hz)
        self.character = SoundCharacter(rate_hz)
        self._longest_seconds = longest_seconds
        self._on_progress = on_progress
        self._reported = time.monotonic()

    def __call__(self, samples: Array, seconds: float) -> None:
        """Take a block, (samples,) float32, and the seconds so far; raise TooLongError above the longest duration."""
        if seconds > self._longest_seconds:
            raise TooLongError
        self.peaks.add(samples)
        self.character.add(samples)
        if time.monotonic() - self._reported >= PROGRESS_SECONDS:
            self._on_progress(seconds)
            self._reported = time.monotonic()


class JobWorker:
    """Does one job at a time."""

    def __init__(self, setup: JobSetup, on_message: Callable[[JobMessage], None]) -> None:
        """`on_message`: called with the progress of each job."""
        self._memory_megabytes, self._on_message = setup.memory_megabytes, on_message
        self._tagger = Tagger(setup.bundle)
        longest = max(e.segment_length * e.row_seconds for e in self._tagger.card.extractors)
        self._windows = OverTimeSettings(max(WINDOW_SECONDS, longest), HOP_SECONDS)

    def work(self, job: SoundJob) -> JobDone | JobFailed:
        """Do a job: write its result, or return the problem of the sound."""
        try:
            return JobDone(self._write_flac(job) if job.want == "flac" else self._write_json(job))
        except TooLongError:
            return JobFailed(problems.too_long(job.max_minutes))
        except MemoryError:
            return JobFailed(problems.out_of_memory(self._memory_megabytes))
        except EarmarkError as error:
            if isinstance(error.__cause__, MemoryError):
                return JobFailed(problems.out_of_memory(self._memory_megabytes))
            if isinstance(error.__cause__, OSError) and not isinstance(error, SourceError):
                return _not_written(error.__cause__)
            return JobFailed(problems.no_sound(_reason(error, job)))
        except OSError as error:  # of the result: errors of the sound are EarmarkErrors
            return _not_written(error)

    def _write_json(self, job: SoundJob) -> float:
        """Analyse a sound, write the result as JSON, and return the sound's seconds."""
        longest_seconds = job.max_minutes * 60
        total_seconds = _header_seconds(job.path)
        if total_seconds is not None and total_seconds > longest_seconds + 1:  # the decoded length decides
            raise TooLongError

        def report(seconds: float) -> None:
            share = min(1.0, seconds / total_seconds) if total_seconds else None
            self._on_message(JobProgress(seconds, total_seconds, share))

        report(0.0)
        observer = BlockObserver(self._tagger.card.rate_hz, longest_seconds, report)
        track = job.want == "track"
        with file_errors(job.path):
            prediction = self._tagger.tag(
                job.path,
                over_time=self._windows if job.over_time or track else None,
                keep_features=job.evidence or track,
                on_block=observer,
            )
        report(prediction.duration_seconds)  # the evidence and the writing of the result follow
        match job.want:
            case "track":
                record = track_record(job.name, prediction, observer.peaks.to_dict(), observer.character.to_dict())
            case "embed":
                record = embed_record(prediction, self._tagger.card)
            case _:
                record = tag_record(job.name, prediction, job.evidence, job.top)
        if track and prediction.features is not None:
            prediction.features.write(features_beside(Path(job.answer)))
        text = json.dumps(record, ensure_ascii=False, allow_nan=False)
        Path(job.answer).write_text(text, encoding="utf-8")
        return prediction.duration_seconds

    def _write_flac(self, job: SoundJob) -> float:
        """Write a sound, mixed to one channel, as FLAC, and return its seconds."""
        with decode(job.path, FLAC_RATE_HZ) as sound:
            write_flac_blocks(job.answer, _blocks(sound, job), FLAC_RATE_HZ)
            return sound.duration_seconds


def work_of(setup: bytes, tell: Callable[[bytes], None]) -> Callable[[bytes], bytes]:
    """Return the function of a worker process that does a job: a line of JSON in, a line out.

    `setup`: a pickled JobSetup. `tell`: sends progress to the server.
    """
    made: JobSetup = pickle.loads(setup)
    worker = JobWorker(made, lambda message: tell(message_to_line(message)))
    check_decoders()  # the memory that decoders take when they are loaded is not counted as a sound's
    MemoryLimit(made.memory_megabytes).allow()
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    return lambda job: message_to_line(worker.work(SoundJob.from_line(job)))


def _blocks(sound: Sound, job: SoundJob) -> Iterator[Array]:
    """Yield a sound's blocks; raise TooLongError if there are too many, and FileError if the decoder fails."""
    with file_errors(job.path):
        for block in sound:
            if sound.duration_seconds > job.max_minutes * 60:
                raise TooLongError
            yield block


def _header_seconds(path: str) -> float | None:
    """Return the length that a sound's header states, if it states one."""
    try:
        return header_duration_seconds(path)
    except AudioError:  # decoding says what is wrong with the file, or succeeds
        return None


def _not_written(error: OSError) -> JobFailed:
    """Return the failure of a job whose result cannot be written."""
    return JobFailed(problems.write_failed(error), f"the result could not be written: {error}")


def _reason(error: EarmarkError, job: SoundJob) -> str:
    """Return an error's message with the sound's name in place of its path."""
    if isinstance(error, SourceError):
        return f"{job.name}: {error.reason}"
    return str(error).replace(job.path, job.name).replace(job.answer, "the answer")
