"""Stream the raw sound of clips, which is decoded during training and never stored on disk.

Decoded sound is three to ten times as large as its files: 33 GB for MagnaTagATune, 300 GB for the Million Song Dataset.
So separate processes decode clips shortly before they are needed, and as many clips as fit into `memory_bytes` stay in
memory as int16. The number of processes and of clips in memory changes only the speed, not the order of clips.

Choice: int16, as on a CD. Its rounding is 96 dB below full scale, less than the error of any lossy encoding. Samples
beyond full scale, which decoders of lossy sound sometimes return, are clipped.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.audio.decode import decode
from earmark.audio.logmel import LogMelSettings
from earmark.errors import TrainingError

Samples = npt.NDArray[np.int16]

MEMORY_BYTES = 2 << 30
"""The memory for sound: about 1600 clips of 29 s."""
AHEAD_SAMPLES = 1 << 28
"""The largest number of samples decoded ahead: half a gigabyte, about 400 clips of 29 s."""
FULL_SCALE = 32_768


class Waveforms:
    """The sound of clips, (samples,) int16 each, by position.

    A clip reaches from the middle of its first frame to the middle of its last frame, so that log-mel and raw networks
    take the same sound.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        rows: npt.NDArray[np.int64],
        start_seconds: npt.NDArray[np.float64],
        processes: int = 1,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        """Describe the clips; nothing is decoded yet.

        Args:
            paths: the file of every clip's track.
            rows: (clips,) int64, the number of frames of every clip.
            start_seconds: (clips,) float64, the start of every clip in its track.
            processes: the number of processes that decode; with 1, a thread of this process decodes.
            memory_bytes: the memory for decoded clips.
        """
        settings = LogMelSettings()
        self.rate_hz = settings.rate_hz
        self.samples: npt.NDArray[np.int64] = np.maximum((rows - 1) * settings.hop_samples, 1)
        """The number of samples of every clip: (clips,) int64."""
        self._paths = tuple(paths)
        self._first = np.rint(start_seconds * settings.rate_hz).astype(np.int64)
        self._processes = processes
        self._kept: dict[int, Samples] = {}
        self._keeps = np.cumsum(self.samples) * 2 <= memory_bytes

    def stream(self, chosen: Sequence[int]) -> Iterator[Samples]:
        """Yield clips in the order of `chosen`, decoded ahead: (samples,) int16.

        Raises:
            DecodeError: a file can no longer be decoded.
            TrainingError: a file is shorter than when it was prepared.
        """
        missing = any(clip not in self._kept for clip in chosen)
        executor = _executor(self._processes) if missing else None
        try:
            yield from self._stream(chosen, executor.submit if executor else None)
        finally:
            if executor is not None:
                executor.shutdown(cancel_futures=True)

    def _stream(self, chosen: Sequence[int], submit: "Callable[..., Future[Samples]] | None") -> Iterator[Samples]:
        ahead: deque[Future[Samples] | None] = deque()
        samples_ahead, submitted = 0, 0
        for clip in chosen:
            while submitted < len(chosen) and (not ahead or samples_ahead < AHEAD_SAMPLES):
                later = chosen[submitted]
                wanted = submit is not None and later not in self._kept
                ahead.append(submit(decode_clip, *self._place(later)) if submit is not None and wanted else None)
                samples_ahead += int(self.samples[later])
                submitted += 1
            future = ahead.popleft()
            samples_ahead -= int(self.samples[clip])
            decoded = self._kept[clip] if future is None else future.result()
            if self._keeps[clip]:
                self._kept[clip] = decoded
            yield decoded

    def _place(self, clip: int) -> tuple[Path, int, int, int]:
        return self._paths[clip], int(self._first[clip]), int(self.samples[clip]), self.rate_hz


def decode_clip(path: Path, first: int, samples: int, rate_hz: int) -> Samples:
    """Decode samples of a file at a rate in Hz, from the sample `first` on: (samples,) int16.

    Raises:
        DecodeError: the file cannot be decoded.
        TrainingError: the file ends too early.
    """
    decoded = np.empty(samples, np.int16)
    position, filled = 0, 0
    with decode(path, rate_hz) as sound:
        for block in sound:
            part = block[max(0, first - position) :][: samples - filled]
            decoded[filled : filled + len(part)] = as_int16(part)
            position += len(block)
            filled += len(part)
            if filled == samples:
                return decoded
    raise TrainingError(
        f"{path} has {position} samples at {rate_hz} Hz; expected at least {first + samples}, as when it was prepared. "
        "If the file was changed, prepare it again: remove the folder store of the runs."
    )


def as_int16(samples: npt.NDArray[np.float32]) -> Samples:
    """Convert float32 samples in -1..1 to int16; samples outside this range are clipped."""
    return np.clip(np.rint(samples * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def as_float32(samples: Samples) -> npt.NDArray[np.float32]:
    """Convert int16 samples to float32 in -1..1."""
    return samples.astype(np.float32) / np.float32(FULL_SCALE)


def _executor(processes: int) -> Executor:
    if processes == 1:
        # A thread suffices, because decoding and resampling release the interpreter lock.
        return ThreadPoolExecutor(1)
    # Processes are spawned, because the threads of torch do not survive a fork.
    return ProcessPoolExecutor(processes, get_context("spawn"))
