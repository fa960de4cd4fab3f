"""A microphone, through sounddevice and PortAudio (extra `live`)."""

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.audio.resample import Resampler
from earmark.errors import DecodeError, MissingExtraError

Array = npt.NDArray[np.float32]

BLOCK_SECONDS = 0.05


class Microphone:
    """The sound of an input of this machine, recorded at the input's own rate in one channel, and resampled.

    device: its number, or a part of its name; without it the system's default. tell: called with a line where sound was
    lost before it could be read.
    """

    paced = True

    def __init__(self, rate_hz: int, tell: Callable[[str], None], device: int | str | None = None) -> None:
        """Find the input; raises MissingExtraError without sounddevice, DecodeError without PortAudio or the input."""
        self._sounddevice = _sounddevice()
        self._rate_hz = rate_hz
        self._tell = tell
        self._device = device
        found = self._found()
        self.name = str(found["name"])
        self._own_rate_hz = round(found["default_samplerate"])

    def blocks(self) -> Iterator[Array]:
        """Yield (samples,) float32 as they arrive, without end; raises DecodeError where the input fails."""
        resampler = Resampler(self._own_rate_hz, self._rate_hz)
        size = max(1, round(BLOCK_SECONDS * self._own_rate_hz))
        try:
            with self._sounddevice.InputStream(
                samplerate=self._own_rate_hz, device=self._device, channels=1, dtype="float32", blocksize=size
            ) as stream:
                while True:
                    recorded, lost = stream.read(size)
                    if lost:
                        self._tell(f"{self.name}: some of its sound was lost before it could be read")
                    ready = resampler.push(np.ascontiguousarray(recorded[:, 0], dtype=np.float32))
                    if len(ready):
                        yield ready
        except self._sounddevice.PortAudioError as error:
            raise DecodeError(self.name, f"it cannot be read: {error}") from error

    def _found(self) -> Any:
        """Return the system's description of the input, or raise DecodeError with the names of all inputs."""
        try:
            return self._sounddevice.query_devices(self._device, "input")
        except (self._sounddevice.PortAudioError, ValueError) as error:
            devices = self._sounddevice.query_devices()
            names = [f"{number} {each['name']!r}" for number, each in enumerate(devices) if each["max_input_channels"]]
            raise DecodeError(
                "microphone",
                f"found no {'input' if self._device is None else repr(self._device)} ({error}); expected "
                f"one of: {', '.join(names) or 'none, as this machine has no input'}. Choose it with --device.",
            ) from error


def _sounddevice() -> ModuleType:
    try:
        import sounddevice
    except ImportError as error:
        raise MissingExtraError("The microphone", "live", error.name or "sounddevice") from error
    except OSError as error:  # sounddevice is installed, but PortAudio is not
        raise DecodeError(
            "microphone",
            f"PortAudio cannot be loaded ({error}); install it, on Debian and Ubuntu with `apt install libportaudio2`",
        ) from error
    module: ModuleType = sounddevice
    return module
