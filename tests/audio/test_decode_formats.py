"""Every format has ffmpeg's number of samples, in ffmpeg's places."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from earmark.audio.decode import decode

Maker = Callable[..., npt.NDArray[np.float64]]

RATE_HZ = 44_100
SAMPLES = 66_177  # of the sound that ffmpeg makes files of
NO_XING = ("-write_xing", "0")
MP3 = ("-c:a", "libmp3lame")
H264_FREE = ("-c:v", "mpeg4")

# name, ffmpeg's options, with video, decoder, samples by which the sound comes late (None: not asked)
FORMATS = [
    ("pcm16.wav", ("-c:a", "pcm_s16le"), False, "libsndfile", 0),
    ("pcm24.wav", ("-c:a", "pcm_s24le"), False, "libsndfile", 0),
    ("pcm32.wav", ("-c:a", "pcm_s32le"), False, "libsndfile", 0),
    ("pcm8.wav", ("-c:a", "pcm_u8"), False, "libsndfile", 0),
    ("float.wav", ("-c:a", "pcm_f32le"), False, "libsndfile", 0),
    ("double.wav", ("-c:a", "pcm_f64le"), False, "libsndfile", 0),
    ("mulaw.wav", ("-c:a", "pcm_mulaw"), False, "libsndfile", 0),
    ("rf64.wav", ("-rf64", "always"), False, "libsndfile", 0),
    ("adpcm.wav", ("-c:a", "adpcm_ms"), False, "PyAV", 0),
    ("mp3.wav", MP3, False, "PyAV", None),
    ("sound.aiff", (), False, "libsndfile", 0),
    ("sound.flac", (), False, "PyAV", 0),
    ("vorbis.ogg", ("-c:a", "libvorbis"), False, "libsndfile", 0),
    ("flac.ogg", ("-c:a", "flac"), False, "PyAV", 0),
    ("sound.au", (), False, "PyAV", 0),
    ("sound.caf", (), False, "PyAV", 0),
    ("sound.w64", (), False, "PyAV", 0),
    ("sound.tta", (), False, "PyAV", 0),
    ("sound.wv", (), False, "PyAV", 0),
    ("xing.mp3", (*MP3, "-b:a", "128k"), False, "PyAV", 0),
    ("without_header.mp3", (*MP3, *NO_XING, "-id3v2_version", "0", "-b:a", "128k"), False, "PyAV", 1105),
    ("variable.mp3", (*MP3, "-q:a", "4"), False, "PyAV", 0),
    ("variable_without_header.mp3", (*MP3, "-q:a", "4", *NO_XING), False, "PyAV", 1105),
    (
        "id3.mp3",
        (*MP3, "-id3v2_version", "3", "-write_id3v1", "1", "-metadata", "title=" + "T" * 9000),
        False,
        "PyAV",
        0,
    ),
    ("layer2.mp2", ("-c:a", "mp2"), False, "PyAV", None),
    ("aac.m4a", ("-c:a", "aac"), False, "PyAV", 0),
    ("fragments.m4a", ("-c:a", "aac", "-movflags", "frag_keyframe+empty_moov"), False, "PyAV", None),
    ("alac.m4a", ("-c:a", "alac"), False, "PyAV", 0),
    ("adts.aac", ("-c:a", "aac"), False, "PyAV", 1024),
    ("sound.opus", ("-c:a", "libopus"), False, "PyAV", None),
    ("wma2.wma", ("-c:a", "wmav2"), False, "PyAV", None),
    ("wma1.wma", ("-c:a", "wmav1"), False, "PyAV", None),
    ("sound.ac3", (), False, "PyAV", None),
    ("video.mp4", (*H264_FREE, "-c:a", "aac"), True, "PyAV", 0),
    ("video.mov", (*H264_FREE, "-c:a", "aac"), True, "PyAV", 0),
    ("video.mkv", (*H264_FREE, "-c:a", "aac"), True, "PyAV", None),
    ("vorbis.mkv", (*H264_FREE, "-c:a", "libvorbis"), True, "PyAV", 0),
    ("video.webm", ("-c:v", "libvpx", "-c:a", "libopus"), True, "PyAV", None),
    ("video.avi", (*H264_FREE, *MP3), True, "PyAV", None),
    ("video.ts", ("-c:v", "mpeg2video", "-r", "25", "-c:a", "mp2"), True, "PyAV", None),
    ("video.ogv", ("-c:v", "libtheora", "-c:a", "libvorbis"), True, "PyAV", 0),
]


def shift(late: npt.NDArray[np.float32], early: npt.NDArray[np.float32]) -> int:
    """Return by how many samples the first sound comes after the second, where their correlation is highest."""
    length = 2 * max(len(late), len(early))
    spectrum = np.fft.rfft(late, length) * np.conj(np.fft.rfft(early, length))
    peak = int(np.argmax(np.fft.irfft(spectrum, length)))
    return peak if peak < length // 2 else peak - length


def mono(path: Path, rate_hz: int = RATE_HZ) -> npt.NDArray[np.float32]:
    with decode(path, rate_hz) as sound:
        return np.concatenate(list(sound))


@pytest.mark.parametrize(("name", "options", "video", "decoder", "late"), FORMATS, ids=[each[0] for each in FORMATS])
def test_equals_ffmpeg(
    ffmpeg: Any,
    sound_maker: Maker,
    name: str,
    options: tuple[str, ...],
    video: bool,
    decoder: str,
    late: int | None,
) -> None:
    path = ffmpeg.make(name, *options, video=video)
    own_rate_hz = 48_000 if "libopus" in options else RATE_HZ
    with decode(path, own_rate_hz) as sound:
        got = np.concatenate(list(sound))
    assert (sound.source_rate_hz, sound.channels) == (own_rate_hz, 2)
    assert sound.decoder.startswith(decoder)
    assert not sound.truncated
    expected = ffmpeg.decoded(path, 2).mean(axis=1)
    assert len(got) == len(expected)
    assert shift(got, expected) == 0
    np.testing.assert_allclose(got, expected, rtol=0, atol=2e-6)
    if late is not None:
        assert shift(got, sound_maker().mean(axis=1).astype(np.float32)) == late


@pytest.mark.parametrize("name", ["sound.flac", "xing.mp3", "alac.m4a", "vorbis.ogg", "variable.mp3", "sound.wv"])
def test_the_encoders_delay_and_padding_are_gone(ffmpeg: Any, name: str) -> None:
    options = next(options for each, options, *_ in FORMATS if each == name)
    assert len(mono(ffmpeg.make(name, *options))) == SAMPLES


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("half_rate.mp3", ("-ar", "22050", "-ac", "1", "-b:a", "48k")),
        ("clip.mp3", ("-ar", "16000", "-ac", "1", "-b:a", "32k", *NO_XING, "-id3v2_version", "0")),
        ("mpeg25.mp3", ("-ar", "8000", "-ac", "1", "-b:a", "16k")),
        ("mono.m4a", ("-ar", "48000", "-ac", "1")),
        ("telephone.wav", ("-ar", "8000", "-ac", "1")),
        ("studio.flac", ("-ar", "192000", "-ac", "1", "-sample_fmt", "s32")),
        ("highest.wv", ("-ar", "384000", "-ac", "1")),
    ],
)
def test_one_channel_and_other_rates(ffmpeg: Any, name: str, options: tuple[str, ...]) -> None:
    path = ffmpeg.make(name, *options)
    rate_hz = int(options[1])
    got, expected = mono(path, rate_hz), ffmpeg.decoded(path, 1)[:, 0]
    assert len(got) == len(expected)
    np.testing.assert_allclose(got, expected, rtol=0, atol=2e-6)
    resampled = mono(path, 22_050)
    assert len(resampled) == (2 * len(expected) * 22_050 + rate_hz) // (2 * rate_hz)


@pytest.mark.parametrize(
    ("name", "options", "channels"),
    [
        ("six.flac", (), 6),
        ("six.m4a", ("-c:a", "aac", "-b:a", "384k"), 6),
        ("six.ogg", ("-c:a", "libvorbis"), 6),
        ("six.wma", ("-c:a", "wmav2", "-ac", "2"), 2),
        ("eight.wv", (), 8),
        ("three.wav", (), 3),
        ("sixteen.opus", ("-c:a", "libopus", "-mapping_family", "255"), 16),
    ],
)
def test_any_number_of_channels_is_mixed_to_the_plain_mean(
    ffmpeg: Any, sound_maker: Maker, tmp_path: Path, name: str, options: tuple[str, ...], channels: int
) -> None:
    source = tmp_path / "source.wav"
    soundfile.write(source, sound_maker(channels=6 if channels == 2 else channels), RATE_HZ)
    path = ffmpeg.make(name, *options, source=source)
    with decode(path, 48_000 if "libopus" in options else RATE_HZ) as sound:
        got = np.concatenate(list(sound))
    assert sound.channels == channels
    expected = ffmpeg.decoded(path, channels).mean(axis=1)
    assert len(got) == len(expected)
    np.testing.assert_allclose(got, expected, rtol=0, atol=2e-6)


def test_a_channel_and_its_opposite_cancel(sound_maker: Maker, tmp_path: Path) -> None:
    left = np.round(sound_maker(channels=1)[:, 0] * 2**15) / 2**15
    for name in ("opposite.wav", "opposite.flac", "opposite.aiff"):
        soundfile.write(tmp_path / name, np.stack([left, -left], axis=1), RATE_HZ, subtype="PCM_24")
        assert not mono(tmp_path / name).any()


def test_opposite_channels_cancel_through_libav(ffmpeg: Any, sound_maker: Maker, tmp_path: Path) -> None:
    left = np.round(sound_maker(channels=1)[:, 0] * 2**15) / 2**15
    soundfile.write(tmp_path / "opposite.wav", np.stack([left, -left], axis=1), RATE_HZ)
    for name in ("opposite.wv", "opposite_alac.m4a"):
        options = ("-c:a", "alac") if name.endswith("m4a") else ()
        assert not mono(ffmpeg.make(name, *options, source=tmp_path / "opposite.wav")).any()


def test_joined_and_cut_mp3s_are_ffmpegs_too(ffmpeg: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """What libsndfile gets wrong: see the docstring of earmark.audio.decode."""
    whole = ffmpeg.make("whole.mp3", *MP3, "-b:a", "128k").read_bytes()
    bare = ffmpeg.make("bare.mp3", *MP3, *NO_XING, "-id3v2_version", "0", "-b:a", "128k").read_bytes()
    damaged = bytearray(whole)
    damaged[9000:10500] = bytes(1500)
    cases = {
        "joined.mp3": whole + whole,
        "middle.mp3": bare[5001:15002],
        "damaged.mp3": bytes(damaged),
        "shortened.mp3": whole[:12_345],
    }
    for name, data in cases.items():
        path = ffmpeg.folder / name
        path.write_bytes(data)
        got, expected = mono(path), ffmpeg.decoded(path, 2).mean(axis=1)
        assert len(got) == len(expected), name
        np.testing.assert_allclose(got, expected, rtol=0, atol=2e-6, err_msg=name)
    assert capfd.readouterr().err == ""


def test_mp3s_that_change_on_the_way(ffmpeg: Any) -> None:
    bare = (*MP3, *NO_XING, "-id3v2_version", "0", "-b:a", "64k")
    stereo = ffmpeg.make("stereo.mp3", *bare).read_bytes()
    for name, option in (("then_mono.mp3", ("-ac", "1")), ("then_slower.mp3", ("-ar", "22050"))):
        other = ffmpeg.make("other.mp3", *bare, *option).read_bytes()
        path = ffmpeg.folder / name
        path.write_bytes(stereo + other)
        got, expected = mono(path), ffmpeg.decoded(path, 2).mean(axis=1)
        assert len(got) == len(expected)
        assert shift(got, expected) == 0


def test_chained_ogg_is_read_to_its_end(ffmpeg: Any) -> None:
    link = ffmpeg.make("link.ogg", "-c:a", "libvorbis")
    path = ffmpeg.folder / "chained.ogg"
    path.write_bytes(2 * link.read_bytes())
    np.testing.assert_array_equal(mono(path), np.tile(mono(link), 2))


@pytest.mark.parametrize("name", ["pipe.wav", "pipe.flac", "pipe.mp3"])
def test_what_was_written_to_a_pipe_has_no_length_in_its_header(ffmpeg: Any, name: str) -> None:
    path = ffmpeg.folder / name
    path.write_bytes(ffmpeg.run("-i", ffmpeg.source, "-f", path.suffix[1:], "-"))
    with decode(path, RATE_HZ) as sound:
        got = np.concatenate(list(sound))
    assert len(got) == len(ffmpeg.decoded(path, 2))
    assert not sound.truncated


def test_a_wav_whose_header_was_never_finished(ffmpeg: Any) -> None:
    data = bytearray(ffmpeg.source.read_bytes())
    size = data.find(b"data") + 4
    data[size : size + 4] = bytes(4)
    path = ffmpeg.folder / "unfinished.wav"
    path.write_bytes(data)
    assert len(mono(path)) == len(ffmpeg.decoded(path, 2)) == SAMPLES


def test_a_cover_picture_is_passed_over(ffmpeg: Any) -> None:
    picture = ffmpeg.folder / "cover.png"
    ffmpeg.run("-f", "lavfi", "-i", "color=s=32x32", "-frames:v", "1", picture)
    for name in ("cover.flac", "cover.mp3", "cover.m4a"):
        path = ffmpeg.folder / name
        cover = ("-map", "0", "-map", "1", "-c:v", "png", "-disposition:v", "attached_pic")
        ffmpeg.run("-i", ffmpeg.source, "-i", picture, *cover, path)
        assert len(mono(path)) == len(ffmpeg.decoded(path, 2))


def test_tags_in_another_alphabet_are_no_reason_to_refuse(ffmpeg: Any) -> None:
    data = ffmpeg.make("tagged.mp3", *MP3, "-id3v2_version", "3", "-metadata", "title=Cafe").read_bytes()
    assert mono_bytes(data.replace(b"C\0a\0f\0e\0", b"\0\xd8\0\xd8\0\xd8\0\xd8"))
    asf = ffmpeg.make("tagged.wv", "-metadata", "title=Cafe").read_bytes()
    assert b"Cafe" in asf
    assert mono_bytes(asf.replace(b"Cafe", b"Caf\xe9"))


def mono_bytes(data: bytes) -> int:
    with decode(data, RATE_HZ) as sound:
        return sum(len(block) for block in sound)


@pytest.mark.data
def test_real_music_equals_ffmpeg(ffmpeg: Any, shared_data: Path) -> None:
    for path in sorted((shared_data / "free" / "audio").glob("*.ogg"))[:60:20]:
        with decode(path, 22_050) as sound:
            got = np.concatenate(list(sound))
        expected = ffmpeg.decoded(path, sound.channels).mean(axis=1)
        assert len(got) == len(expected)
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5)
        assert not sound.truncated
