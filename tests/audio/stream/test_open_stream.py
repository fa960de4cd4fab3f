"""Sound in a pipe, decoded as it comes and the same as from a file; the microphone, with a stand-in for sounddevice."""

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from audio.arrived import RATE_HZ, STREAMS, Trickle, encoded, make_music

from earmark.audio.decode import decode
from earmark.audio.resample import Resampler
from earmark.audio.stream.decoder import RawSamples
from earmark.audio.stream.open_stream import HttpStream, Microphone, PipeStream, open_stream
from earmark.errors import DecodeError, EarmarkError, MissingExtraError

WANTED_HZ = 22_050
MICROPHONE_HZ = 48_000
LATE_SECONDS = {"wav": 0.2, "mp3": 0.3, "adts": 0.3, "flac": 1.5, "ogg": 1.5}
"""Of sound, that may come in before what came is given on, once the format is known."""


@pytest.fixture(scope="module")
def music() -> np.ndarray:
    return make_music(8.0)


def heard(pipe: PipeStream) -> np.ndarray:
    return np.concatenate(list(pipe.blocks()))


@pytest.mark.parametrize("name", STREAMS)
def test_it_sounds_as_from_a_file(name: str, music: np.ndarray) -> None:
    data = encoded(name, music)
    found = heard(PipeStream(Trickle(data), WANTED_HZ))
    with decode(data, WANTED_HZ) as sound:
        expected = np.concatenate(list(sound))
    # A file's length is in its header, which a pipe does not give back: an encoder's padding stays at the end.
    assert abs(len(found) - len(expected)) < 0.1 * WANTED_HZ
    both = min(len(found), len(expected))
    np.testing.assert_allclose(found[:both], expected[:both], atol=1e-4)


@pytest.mark.parametrize("name", STREAMS)
def test_it_is_given_on_as_it_comes(name: str, music: np.ndarray) -> None:
    """Counted in bytes that were read, as seconds of sound: no clock."""
    data = encoded(name, music)
    file = Trickle(data)
    seconds = len(music) / RATE_HZ
    given = 0
    late = []
    for block in PipeStream(file, WANTED_HZ).blocks():
        given += len(block)
        late.append(file.given / len(data) * seconds - given / WANTED_HZ)
    steady = late[len(late) // 2 : -1]
    assert max(steady) < LATE_SECONDS[name]


def raw_bytes(form: str, samples: np.ndarray) -> bytes:
    if form.startswith("f32"):
        return samples.astype("<f4" if form == "f32le" else ">f4").tobytes()
    if form == "u8":
        return (np.round(samples * 127) + 128).astype("u1").tobytes()
    return np.round(samples * 32_767).astype("<i2" if form == "s16le" else ">i2").tobytes()


@pytest.mark.parametrize("form", ["s16le", "s16be", "f32le", "f32be", "u8"])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_raw_samples(form: str, channels: int) -> None:
    samples = np.repeat(make_music(0.5, WANTED_HZ)[:, :1], channels, axis=1) * np.linspace(1, 0.5, channels)
    left_over = b"" if form == "u8" else b"\1"
    file = Trickle(raw_bytes(form, samples) + left_over, piece=77)
    found = heard(PipeStream(file, WANTED_HZ, raw=RawSamples(form, WANTED_HZ, channels)))
    np.testing.assert_allclose(found, samples.mean(axis=1), atol=0.02 if form == "u8" else 1e-3)


def test_raw_samples_at_another_rate_come_as_from_an_array() -> None:
    samples = make_music(1.0, 48_000)
    file = Trickle(raw_bytes("f32le", samples))
    found = heard(PipeStream(file, WANTED_HZ, raw=RawSamples("f32le", 48_000, 2)))
    with decode((samples, 48_000), WANTED_HZ) as sound:
        expected = np.concatenate(list(sound))
    assert len(found) == len(expected)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_pipe_gives_what_is_there_without_waiting_for_more() -> None:
    """The writer goes on only when a block was given on: a reader that waited for more would wait for ever."""
    read_end, write_end = os.pipe()
    sound = make_music(2.0, WANTED_HZ)
    data = raw_bytes("s16le", sound[:, :1])
    pieces = [data[start : start + 8_820] for start in range(0, len(data), 8_820)]
    with os.fdopen(read_end, "rb") as reader, os.fdopen(write_end, "wb", buffering=0) as writer:
        pipe = PipeStream(reader, WANTED_HZ, raw=RawSamples("s16le", WANTED_HZ, 1))
        assert pipe.paced
        writer.write(pieces.pop(0))
        count = 0
        for block in pipe.blocks():
            count += len(block)
            if pieces:
                writer.write(pieces.pop(0))
            else:
                writer.close()
    assert count == len(sound)


def test_a_file_is_not_paced(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(encoded("wav", make_music(1.0)))
    with path.open("rb") as file:
        pipe = PipeStream(file, WANTED_HZ)
        assert not pipe.paced
        assert len(heard(pipe)) == WANTED_HZ
    assert PipeStream(io.BytesIO(b""), WANTED_HZ).paced


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "before anything arrived"),
        (b"no sound at all " * 5_000, "no sound can be read"),
        (np.random.default_rng(0).bytes(100_000), "stdin: "),
        (np.array([0.1, np.nan] * 40_000, "<f4").tobytes(), "stdin: "),
    ],
)
def test_what_is_no_sound_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(DecodeError, match=said):
        heard(PipeStream(Trickle(data, 4_096), WANTED_HZ))


def test_raw_samples_that_nobody_named_are_refused() -> None:
    """libav takes them for one of its rare formats, and would give noise."""
    with pytest.raises(DecodeError, match="stdin: "):
        heard(PipeStream(Trickle(raw_bytes("s16le", make_music(10.0)), 65_536), WANTED_HZ))


def test_samples_that_are_no_numbers_are_refused() -> None:
    samples = np.array([0.1, np.nan, 0.2, np.inf] * 9_000, "<f4")
    with pytest.raises(DecodeError, match="NaN or infinite"):
        heard(PipeStream(Trickle(samples.tobytes()), WANTED_HZ, raw=RawSamples("f32le", WANTED_HZ, 1)))


def test_a_stream_that_is_joined_on_its_way() -> None:
    data = encoded("mp3", make_music(12.0))
    found = heard(PipeStream(Trickle(data[50_001:], 4_096), WANTED_HZ))
    assert len(found) / WANTED_HZ == pytest.approx(12.0 * (1 - 50_001 / len(data)), abs=0.2)


def test_wrong_raw_samples_are_refused() -> None:
    for form, rate_hz, channels in (("mp3", 44_100, 2), ("s16le", 0, 1), ("s16le", 44_100, 0), ("u8", 8_000, 99)):
        with pytest.raises(DecodeError, match="raw samples: found"):
            RawSamples(form, rate_hz, channels)


class Terminal(io.BytesIO):
    def isatty(self) -> bool:
        return True


def test_what_a_name_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(source: str, stdin: io.BytesIO) -> object:
        return open_stream(source, WANTED_HZ, print, stdin=stdin)

    assert isinstance(opened("-", io.BytesIO()), PipeStream)
    assert isinstance(opened("https://example.org/radio", io.BytesIO()), HttpStream)
    monkeypatch.setattr(Microphone, "__init__", lambda self, *_: None)
    assert isinstance(opened("microphone", io.BytesIO()), Microphone)
    with pytest.raises(DecodeError, match="found a terminal"):
        opened("-", Terminal())
    for source in ("song.mp3", "file:///etc/passwd", "ftp://example.org/a", "http://", "concat:a|b", ""):
        with pytest.raises(EarmarkError, match="http"):
            opened(source, io.BytesIO())


def test_a_reader_that_fails_is_told() -> None:
    class Failing(Trickle):
        def read(self, count: int = -1) -> bytes:
            if self.given > 20_000:
                raise OSError(5, "the cable was pulled")
            return super().read(count)

    with pytest.raises(DecodeError, match="stdin: "):
        heard(PipeStream(Failing(encoded("wav", make_music(2.0))), WANTED_HZ))


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
    {"name": "desk microphone", "max_input_channels": 2, "default_samplerate": float(MICROPHONE_HZ)},
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


def test_a_microphone_is_heard_at_the_wanted_rate(sounddevice: SimpleNamespace) -> None:
    told: list[str] = []
    for device in (None, 1, "desk"):
        told.clear()
        microphone = Microphone(WANTED_HZ, told.append, device)
        assert (microphone.name, microphone.paced) == ("desk microphone", True)
        found: list[np.ndarray] = []
        with pytest.raises(DecodeError, match="the plug was pulled"):
            found.extend(microphone.blocks())
        tone = np.sin(0.05 * np.arange(20 * MICROPHONE_HZ // 20, dtype=np.float32))
        expected = Resampler(MICROPHONE_HZ, WANTED_HZ).push(tone)
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
