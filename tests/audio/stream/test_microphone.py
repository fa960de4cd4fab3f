"""The microphone, with a stand-in for sounddevice: no test has a microphone."""

import sys
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest

from earmark.audio.resample import Resampler
from earmark.audio.stream.microphone import Microphone
from earmark.errors import DecodeError, MissingExtraError

OWN_HZ = 48_000
WANTED_HZ = 22_050


class PortAudioError(Exception):
    """As sounddevice has it."""


class Stream:
    """A stream of a tone that loses something once, and fails after 20 blocks."""

    def __init__(self, **options: object) -> None:
        self.options = options
        self.blocks = 0

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held."""

    def read(self, count: int) -> tuple[np.ndarray, bool]:
        if self.blocks == 20:
            raise PortAudioError("the plug was pulled")
        start = self.blocks * count
        self.blocks += 1
        return np.sin(0.05 * np.arange(start, start + count, dtype=np.float32))[:, np.newaxis], self.blocks == 5


DEVICES = [
    {"name": "speaker", "max_input_channels": 0, "default_samplerate": 44_100.0},
    {"name": "desk microphone", "max_input_channels": 2, "default_samplerate": float(OWN_HZ)},
]


def query_devices(device: int | str | None = None, kind: str | None = None) -> object:
    if kind is None:
        return DEVICES
    if device not in (None, 1, "desk"):
        raise ValueError(f"No input device matching {device!r}")
    return DEVICES[1]


@pytest.fixture
def sounddevice(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    module = SimpleNamespace(PortAudioError=PortAudioError, InputStream=Stream, query_devices=query_devices)
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    yield module


def test_it_is_heard_at_the_wanted_rate(sounddevice: SimpleNamespace) -> None:
    told: list[str] = []
    for device in (None, 1, "desk"):
        told.clear()
        microphone = Microphone(WANTED_HZ, told.append, device)
        assert (microphone.name, microphone.paced) == ("desk microphone", True)
        found: list[np.ndarray] = []
        with pytest.raises(DecodeError, match="the plug was pulled"):
            found.extend(microphone.blocks())
        tone = np.sin(0.05 * np.arange(20 * OWN_HZ // 20, dtype=np.float32))
        expected = Resampler(OWN_HZ, WANTED_HZ).push(tone)
        assert sum(len(block) for block in found) >= 0.8 * WANTED_HZ
        together = np.concatenate(found)
        both = min(len(together), len(expected))
        np.testing.assert_allclose(together[:both], expected[:both], atol=1e-6)
        assert told == ["desk microphone: some of its sound was lost before it could be read"]


def test_a_microphone_that_is_not_there_is_refused_with_those_that_are(sounddevice: SimpleNamespace) -> None:
    with pytest.raises(DecodeError, match=r"found no 'bass'.*1 'desk microphone'"):
        Microphone(WANTED_HZ, print, "bass")


def test_without_sounddevice_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingExtraError, match=r"earmark\[live\]"):
        Microphone(WANTED_HZ, print)


def test_without_portaudio_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("packages")
    (folder / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.syspath_prepend(str(folder))
    with pytest.raises(DecodeError, match="libportaudio2"):
        Microphone(WANTED_HZ, print)
