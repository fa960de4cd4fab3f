"""A file broken at its end gives what could be decoded, and says so where its header allows it to be known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from earmark.audio.decode import decode
from earmark.errors import DecodeError

RATE_HZ = 44_100
FASTSTART = ("-movflags", "+faststart")
MPEG4_VIDEO = ("-c:v", "mpeg4")
BARE_MP3 = ("-c:a", "libmp3lame", "-write_xing", "0", "-id3v2_version", "0")

KNOWN = [
    ("cut.wav", (), False),
    ("cut_rf64.wav", ("-rf64", "always"), False),
    ("cut_adpcm.wav", ("-c:a", "adpcm_ms"), False),
    ("cut.aiff", (), False),
    ("cut.flac", (), False),
    ("cut.ogg", ("-c:a", "libvorbis"), False),
    ("cut.opus", ("-c:a", "libopus"), False),
    ("cut_flac.ogg", ("-c:a", "flac"), False),
    ("cut.mp3", ("-c:a", "libmp3lame", "-b:a", "128k"), False),
    ("cut_half_rate.mp3", ("-c:a", "libmp3lame", "-ar", "22050", "-ac", "1"), False),
    ("cut_variable.mp3", ("-c:a", "libmp3lame", "-q:a", "4"), False),
    ("cut.m4a", ("-c:a", "aac", *FASTSTART), False),
    ("cut_alac.m4a", ("-c:a", "alac", *FASTSTART), False),
    ("cut_fragments.m4a", ("-c:a", "aac", "-movflags", "frag_keyframe+empty_moov"), False),
    ("cut.wma", ("-c:a", "wmav2"), False),
    ("cut.wv", (), False),
    ("cut.tta", (), False),
    ("cut.au", (), False),
    ("cut.mp4", (*MPEG4_VIDEO, "-c:a", "aac", *FASTSTART), True),
    ("cut.mkv", (*MPEG4_VIDEO, "-c:a", "libvorbis"), True),
    ("cut.webm", ("-c:v", "libvpx", "-c:a", "libopus"), True),
    ("cut.avi", (*MPEG4_VIDEO, "-c:a", "libmp3lame"), True),
]
UNKNOWN = [
    ("cut_without_header.mp3", BARE_MP3),
    ("cut.aac", ("-c:a", "aac")),
    ("cut.ac3", ()),
]


def read(path: Path, rate_hz: int) -> tuple[npt.NDArray[np.float32], bool]:
    with decode(path, rate_hz) as sound:
        return np.concatenate(list(sound)), sound.truncated


def cut(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


@pytest.mark.parametrize(("name", "options", "video"), KNOWN, ids=[each[0] for each in KNOWN])
def test_what_was_cut_is_known(ffmpeg: Any, name: str, options: tuple[str, ...], video: bool) -> None:
    path = ffmpeg.make(name, *options, video=video)
    with decode(path) as sound:
        rate_hz, channels = sound.source_rate_hz, sound.channels
    whole, whole_is_truncated = read(path, rate_hz)
    assert not whole_is_truncated
    cut(path, 0.8)
    got, truncated = read(path, rate_hz)
    assert truncated
    assert 0 < len(got) < len(whole)
    assert len(got) == len(ffmpeg.decoded(path, channels))
    keep = len(got) - 4096  # the last packet of a lossy codec overlaps with one that is not there
    np.testing.assert_allclose(got[:keep], whole[:keep], rtol=0, atol=2e-6)


@pytest.mark.parametrize(("name", "options"), UNKNOWN, ids=[each[0] for each in UNKNOWN])
def test_what_no_header_counts_is_decoded_all_the_same(ffmpeg: Any, name: str, options: tuple[str, ...]) -> None:
    path = ffmpeg.make(name, *options)
    cut(path, 0.6)
    got, truncated = read(path, RATE_HZ)
    assert not truncated
    assert len(got) == len(ffmpeg.decoded(path, 2))


def test_an_mp4_whose_index_is_missing_cannot_be_decoded(ffmpeg: Any) -> None:
    path = ffmpeg.make("no_index.m4a", "-c:a", "aac")
    cut(path, 0.6)
    with pytest.raises(DecodeError, match=r"no_index\.m4a"):
        decode(path)


def test_wav_and_flac_without_ffmpeg(tmp_path: Path, sound_path: Path) -> None:
    samples, _ = soundfile.read(sound_path, dtype="float32")
    for name in ("some.wav", "some.flac", "some.aiff"):
        soundfile.write(tmp_path / name, samples, RATE_HZ)
        assert read(tmp_path / name, RATE_HZ)[1] is False
        cut(tmp_path / name, 0.5)
        got, truncated = read(tmp_path / name, RATE_HZ)
        assert truncated
        np.testing.assert_array_equal(got, samples[: len(got)].mean(axis=1))
        assert len(got) > 0.4 * len(samples)


def test_more_after_the_samples_is_no_harm(tmp_path: Path, sound_path: Path) -> None:
    (tmp_path / "more.wav").write_bytes(sound_path.read_bytes() + b"LIST\x04\0\0\0INFO" + bytes(100))
    assert read(tmp_path / "more.wav", RATE_HZ)[1] is False


def test_joined_mp3s_are_more_than_the_header_promises(ffmpeg: Any) -> None:
    data = ffmpeg.make("one.mp3", "-c:a", "libmp3lame").read_bytes()
    path = ffmpeg.folder / "two.mp3"
    path.write_bytes(data + data)
    assert read(path, RATE_HZ)[1] is False


def test_it_is_not_known_before_the_end(tmp_path: Path, sound_path: Path) -> None:
    path = tmp_path / "half.wav"
    path.write_bytes(sound_path.read_bytes()[:100_000])
    sound = decode(path)
    assert sound.truncated is False
    assert sum(len(block) for block in sound)
    assert sound.truncated is True
