"""decode: every kind of source, the blocks, and what is refused, with the reason."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.audio import source as source_module
from earmark.audio.decode import Sound, decode
from earmark.audio.waveform import Waveform
from earmark.errors import DecodeError, StorageError, WaveformError

Maker = Callable[..., npt.NDArray[np.float64]]

RATE_HZ = 44_100
HEADS = [  # how files of every kind begin
    b"",
    b"RIFF\xff\0\0\0WAVEfmt \x10\0\0\0",
    b"RIFF\xff\0\0\0AVI LIST",
    b"FORM\0\0\0\xffAIFFSSND",
    b"fLaC\0\0\0\x22",
    b"OggS\0\2",
    b"ID3\4\0\0",
    b"\xff\xfb\x90\x64",
    b".snd\0\0\0\x18",
    b"\0\0\0\x18ftypM4A ",
    b"\x1a\x45\xdf\xa3\x01",
    b"wvpk",
    b"TTA1",
    bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6ca1dcab8c47a9cf118ee400c00c205365"),
]


def file_bytes(samples: npt.ArrayLike, rate_hz: int = RATE_HZ, **options: str) -> bytes:
    memory = io.BytesIO()
    soundfile.write(memory, np.asarray(samples), rate_hz, **{"format": "WAV", **options})
    return memory.getvalue()


def read(source: Any, rate_hz: int = 22_050) -> npt.NDArray[np.float32]:
    with decode(source, rate_hz) as sound:
        return np.concatenate(list(sound))


class Unseekable(io.RawIOBase):
    """A stream as a pipe or a socket gives it."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self._file.read(min(len(buffer), 1000))
        buffer[: len(part)] = part
        return len(part)


class Failing(io.BytesIO):
    """A file on a disk that breaks."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 100_000:
            raise OSError("the disk is on fire")
        return super().read(size)


# Sources


def test_every_kind_of_source_gives_the_same_sound(tmp_path: Path, sound_path: Path) -> None:
    data = sound_path.read_bytes()
    expected = read(sound_path)
    samples, rate_hz = soundfile.read(sound_path, dtype="int16")
    sources = [str(sound_path), data, bytearray(data), memoryview(data), io.BytesIO(data), Unseekable(data)]
    for source in [*sources, (samples, rate_hz), Waveform(samples, rate_hz)]:
        np.testing.assert_array_equal(read(source), expected)


def test_names_decoders_and_numbers(sound_path: Path) -> None:
    with decode(sound_path) as sound, sound_path.open("rb") as file:
        assert sound.name == "sound.wav"
        assert sound.decoder == f"libsndfile {soundfile.__libsndfile_version__}"
        assert (sound.source_rate_hz, sound.channels, sound.rate_hz) == (44_100, 2, 22_050)
        assert decode(file).name == "sound.wav"
    assert decode(sound_path.read_bytes()).name == "<bytes>"
    assert decode(io.BytesIO(sound_path.read_bytes())).name == "<stream>"
    array = decode((np.zeros((10, 2)), 8000))
    assert (array.name, array.decoder, array.source_rate_hz, array.channels) == ("<array>", "array", 8000, 2)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "AIFF", "AU"])
def test_a_file_object_is_read_from_where_it_stands_and_left_open(sound_maker: Maker, kind: str) -> None:
    data = file_bytes(sound_maker(20_000), format=kind)
    file = io.BytesIO(b"something before" + data)
    file.seek(16)
    np.testing.assert_array_equal(read(file), read(data))
    assert not file.closed


def test_a_long_stream_is_spooled_to_disk(monkeypatch: pytest.MonkeyPatch, sound_path: Path) -> None:
    monkeypatch.setattr(source_module, "SPOOL_BYTES", 1000)
    np.testing.assert_array_equal(read(Unseekable(sound_path.read_bytes())), read(sound_path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes, which this system does not have")
def test_a_named_pipe(tmp_path: Path, sound_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(sound_path.read_bytes(),))
    writer.start()
    got = read(pipe)
    writer.join()
    np.testing.assert_array_equal(got, read(sound_path))


def test_the_name_does_not_matter(tmp_path: Path, sound_path: Path) -> None:
    for name in ("wrong.mp3", "no ending", "100%d.jpg", "ünï©ode.wav", "http:"):
        (tmp_path / name).write_bytes(sound_path.read_bytes())
        np.testing.assert_array_equal(read(tmp_path / name), read(sound_path))


def test_a_name_that_is_no_text(tmp_path: Path, sound_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.wav"
    try:
        Path(os.fsdecode(path)).write_bytes(sound_path.read_bytes())
    except OSError:
        pytest.skip("needs a file system that takes any bytes as a name")
    np.testing.assert_array_equal(read(os.fsdecode(path)), read(sound_path))


# Blocks


def test_blocks_are_mono_float32_and_count_the_time(sound_path: Path) -> None:
    sound = decode(sound_path)
    assert sound.duration_seconds == 0
    total = 0
    for block in sound:
        assert block.ndim == 1 and block.dtype == np.float32 and block.flags.c_contiguous and len(block)
        total += len(block)
        assert sound.duration_seconds == total / 22_050
    assert total == (66_177 + 1) // 2
    assert list(sound) == []  # once through


def test_a_long_file_is_not_read_at_once(sound_maker: Maker) -> None:
    data = file_bytes(np.tile(sound_maker(RATE_HZ), (30, 1)))
    file = io.BytesIO(data)
    sound = decode(file)
    next(sound)
    assert file.tell() < len(data) / 5
    sound.close()
    assert not file.closed


def test_mono_at_its_own_rate_is_not_copied() -> None:
    samples = np.linspace(-1, 1, 200_000, dtype=np.float32)
    for block in decode((samples, 22_050)):
        assert np.shares_memory(block, samples)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5000), st.integers(1, 7), st.sampled_from([8000, 22_050, 44_100, 48_000]))
def test_a_wav_and_its_array_are_one(count: int, channels: int, rate_hz: int) -> None:
    samples = np.random.default_rng(count).uniform(-1, 1, (count, channels)).astype(np.float32)
    from_file = read(file_bytes(samples, rate_hz, subtype="FLOAT"))
    # The length is the nearest number of samples; of two that are as near, soxr chooses.
    assert len(from_file) == 1 or abs(len(from_file) - count * 22_050 / rate_hz) <= 0.5
    if channels <= count:
        np.testing.assert_array_equal(from_file, read((samples, rate_hz)))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 8))
def test_the_mean_is_plain(channels: int) -> None:
    samples = np.random.default_rng(channels).uniform(-1, 1, (500, channels)).astype(np.float32)
    np.testing.assert_allclose(read((samples, 8000), 8000), samples.mean(axis=1), rtol=0, atol=1e-7)


@pytest.mark.parametrize("rate_hz", [8000, 22_050, 44_100, 48_000, 96_000, 192_000, 384_000])
def test_one_sample_and_silence(rate_hz: int) -> None:
    assert len(read(file_bytes([0.5], rate_hz))) >= 1
    silence = read(file_bytes(np.zeros((rate_hz // 2, 2)), rate_hz))
    assert len(silence) == 11_025 and not silence.any()


# A sound's end


def test_a_closed_sound_says_so(sound_path: Path) -> None:
    with decode(sound_path) as sound:
        next(sound)
    with pytest.raises(DecodeError, match="closed before its end"):
        next(sound)
    sound.close()


def test_a_file_is_let_go_of_at_the_last_block(monkeypatch: pytest.MonkeyPatch, sound_path: Path) -> None:
    closed: list[Sound] = []
    close = Sound.close
    monkeypatch.setattr(Sound, "close", lambda self: (closed.append(self), close(self))[1])
    sound = decode(sound_path)
    for _ in sound:
        pass
    assert closed == [sound]


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "AU"])
def test_a_file_object_that_fails(sound_maker: Maker, kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    data = file_bytes(np.tile(sound_maker(RATE_HZ), (8, 1)), format=kind)
    assert len(data) > 110_000
    with pytest.raises(StorageError, match="the disk is on fire"):
        read(Failing(data))
    assert capfd.readouterr().err == ""


# Refusals


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 bytes"),
        (b"x", "no sound file"),
        (b"These are words, not sound.\n" * 900, "no sound file"),
        (bytes(10_000), "no sound file"),
        (b"RIFF\x24\0\0\0WAVE", "libsndfile cannot open it"),
        (b"ID3\x04\0\0\0\0\0\x7f", "no sound file"),
        (b"OggS", "no sound file"),
        (b"fLaC", "no sound file"),
        (b"\x1a\x45\xdf\xa3" * 4, "no sound file"),
        (b"#EXTM3U\n#EXTINF:4,\n/etc/passwd\n#EXT-X-ENDLIST\n", "no sound file"),
        (file_bytes(np.zeros(0)), "no sound could be decoded"),
    ],
)
def test_what_is_no_sound_is_named_with_the_reason(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], data: bytes, reason: str
) -> None:
    path = tmp_path / "pretends.mp3"
    path.write_bytes(data)
    with pytest.raises(DecodeError, match=reason) as caught:
        decode(path)
    assert str(path) in str(caught.value)
    with pytest.raises(DecodeError, match="<bytes>"):
        decode(data)
    assert capfd.readouterr().err == ""


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(HEADS), st.binary(max_size=300))
def test_rubbish_raises_only_our_errors(head: bytes, rest: bytes) -> None:
    try:
        with decode(head + rest) as sound:
            for _, _block in zip(range(3), sound, strict=False):
                pass
    except DecodeError:
        pass


def test_paths_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sound_path: Path) -> None:
    with pytest.raises(DecodeError, match=r"missing\.mp3: there is no such file"):
        decode(tmp_path / "missing.mp3")
    with pytest.raises(DecodeError, match="it is a folder"):
        decode(tmp_path)
    with pytest.raises(DecodeError, match="it cannot be read"):
        decode("a\0b.wav")
    with pytest.raises(DecodeError, match="it cannot be read"):
        decode("a" * 10_000)
    with pytest.raises(DecodeError, match="a device"):
        decode(os.devnull)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DecodeError, match=r"sound\.wav: it cannot be read: Permission denied"):
        decode(sound_path)


def test_sources_that_are_none(sound_path: Path) -> None:
    for source in (None, 5, [0.0, 0.5], object()):
        with pytest.raises(DecodeError, match="cannot be decoded"):
            decode(source)  # type: ignore[arg-type]
    with sound_path.open(encoding="latin-1") as text, pytest.raises(DecodeError, match="binary mode"):
        decode(text)  # type: ignore[arg-type]
    file = sound_path.open("rb")
    file.close()
    with pytest.raises(DecodeError, match="closed"):
        decode(file)


def test_arrays_need_their_rate_and_the_right_shape() -> None:
    with pytest.raises(WaveformError, match="without its rate"):
        decode(np.zeros(48_000))  # type: ignore[arg-type]
    with pytest.raises(WaveformError, match=r"\(array, rate\)"):
        decode((np.zeros(10),))  # type: ignore[arg-type]
    with pytest.raises(WaveformError, match="shape"):
        decode((np.zeros((2, 2, 48_000)), 48_000))
    with pytest.raises(WaveformError, match="rate"):
        decode((np.zeros(10), 0))
    with pytest.raises(WaveformError, match="NaN"):
        decode((np.array([0, np.nan]), 44_100))
    with pytest.raises(WaveformError, match="rate"):
        decode((np.zeros(10), 44_100), rate_hz=0)


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "AU"])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [10, 190_000])
def test_a_file_with_samples_that_are_no_numbers(tmp_path: Path, kind: str, wrong: float, where: int) -> None:
    samples = np.zeros((200_000, 2), np.float32)
    samples[where, 1] = wrong
    path = tmp_path / "wrong.sound"
    soundfile.write(path, samples, RATE_HZ, format=kind, subtype="FLOAT")
    with pytest.raises(DecodeError, match=r"wrong\.sound: it holds NaN or infinite"):
        read(path)


@pytest.mark.parametrize("rate_hz", [1, 999, 4_000_000_000])
def test_a_rate_that_is_none(rate_hz: int) -> None:
    data = bytearray(file_bytes(np.zeros(100)))
    data[24:28] = rate_hz.to_bytes(4, "little")
    with pytest.raises(DecodeError):
        read(bytes(data))


def test_a_video_or_a_picture_without_sound(ffmpeg: Any) -> None:
    with pytest.raises(DecodeError, match=r"silent\.mp4: there is no sound in it, only video"):
        decode(ffmpeg.video)
    picture = ffmpeg.folder / "picture.png"
    ffmpeg.run("-f", "lavfi", "-i", "color=s=32x32", "-frames:v", "1", picture)
    with pytest.raises(DecodeError, match=r"picture\.png"):
        decode(picture)


def test_a_playlist_does_not_open_what_it_names(tmp_path: Path, sound_path: Path) -> None:
    playlists = {
        "list.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:4,\n{sound_path}\n#EXT-X-ENDLIST\n",
        "list.txt": f"ffconcat version 1.0\nfile '{sound_path}'\n",
    }
    for name, text in playlists.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(DecodeError, match=name):
            decode(tmp_path / name)


def test_importing_loads_no_decoder() -> None:
    code = "import earmark.audio.decode, sys; print({'av', 'soundfile', 'soxr'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EIO, StorageError),
        (errno.ESTALE, StorageError),
        (errno.ENOTCONN, StorageError),
        (errno.ETIMEDOUT, StorageError),
        (errno.EACCES, DecodeError),
        (errno.ENAMETOOLONG, DecodeError),
    ],
)
def test_a_failing_storage_is_told_from_a_wrong_path(
    monkeypatch: pytest.MonkeyPatch, sound_path: Path, number: int, kind: type[DecodeError]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), str(sound_path))

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(DecodeError) as caught:
        decode(sound_path)
    assert type(caught.value) is kind
    assert (caught.value.source, caught.value.reason) == (str(sound_path), f"it cannot be read: {os.strerror(number)}")
