"""Sound that is there is heard: behind tags, zeros and junk, in every link, however the header counts it."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from mutagen.apev2 import APEv2

from earmark.audio.decode import decode
from earmark.audio.duration import header_duration_seconds
from earmark.audio.identity import identity
from earmark.errors import DecodeError

RATE_HZ = 44_100
SAMPLES = 66_177
JUNK = random.Random(5).randbytes(1_500_000)


def heard(data: bytes | Path, rate_hz: int = RATE_HZ) -> tuple[npt.NDArray[np.float32], bool]:
    with decode(data, rate_hz) as sound:
        samples = np.concatenate(list(sound))
    return samples, sound.truncated


def id3v2(size: int, content: bytes = JUNK) -> bytes:
    return b"ID3\4\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + content[:size].ljust(size, b"\0")


def flac_frames(data: bytes) -> list[int]:
    """Where the frames of a FLAC with blocks of one size begin."""
    start, last = 4, False
    while not last:
        last = bool(data[start] & 0x80)
        start += 4 + int.from_bytes(data[start + 1 : start + 4], "big")
    return [at for at in range(start, len(data) - 4) if data.startswith(data[start : start + 4], at)]


def with_total(data: bytes, samples: int) -> bytes:
    """A FLAC whose header counts so many samples."""
    fields = int.from_bytes(data[18:26], "big") >> 36 << 36 | samples
    return data[:18] + fields.to_bytes(8, "big") + data[26:]


# Counts that are wrong


@pytest.mark.parametrize("frames", [1, 3, 10])
def test_a_flac_that_ends_behind_a_frame_is_no_longer_than_its_frames(ffmpeg: Any, frames: int) -> None:
    data = ffmpeg.make("frames.flac", "-frame_size", "4096").read_bytes()
    samples, truncated = heard(data[: flac_frames(data)[frames]])
    whole, _ = heard(data)
    assert truncated
    np.testing.assert_array_equal(samples, whole[: frames * 4096])


@pytest.mark.parametrize(("total", "truncated"), [(0, False), (5000, False), (SAMPLES, False), (10**7, True)])
def test_a_flac_is_as_long_as_its_frames_whatever_its_header_counts(ffmpeg: Any, total: int, truncated: bool) -> None:
    data = ffmpeg.make("counted.flac").read_bytes()
    samples, told = heard(with_total(data, total))
    np.testing.assert_array_equal(samples, heard(data)[0])
    assert told is truncated


PIPE_SIZES = (0, 0x7FFFF000, 0x7FFFFFFF, 0x7FFFFFDB, 0x80000000, 0xFFFFFF00, 0xFFFFFFDB, 0xFFFFFFFF)
LONG_PIPE_SIZES = (0, (1 << 63) - 1, (1 << 64) - 1)


def piped(kind: str, size: int, samples: npt.NDArray[np.int16]) -> bytes:
    """A file whose writer did not know how many bytes of samples would come."""
    little, big = samples.astype("<i2").tobytes(), samples.astype(">i2").tobytes()
    form = struct.pack("<HHIIHH", 1, 2, RATE_HZ, 4 * RATE_HZ, 4, 16)
    match kind:
        case "WAV":
            head = struct.pack("<I", size) + b"WAVEfmt " + struct.pack("<I", 16) + form
            return b"RIFF" + head + b"data" + struct.pack("<I", size) + little
        case "RF64" | "BW64":
            long = struct.pack("<IQQQI", 28, size, size, 0, 0)
            head = b"\xff" * 4 + b"WAVEds64" + long + b"fmt " + struct.pack("<I", 16) + form
            return kind.encode() + head + b"data" + b"\xff" * 4 + little
        case "AIFF":
            common = struct.pack(">IHIHHQ", 18, 2, 0, 16, 16_398, RATE_HZ << 48)
            return (
                b"FORM" + struct.pack(">I", size) + b"AIFFCOMM" + common + b"SSND" + struct.pack(">IQ", size, 0) + big
            )
        case "AU":
            return b".snd" + struct.pack(">IIIII", 24, size, 3, RATE_HZ, 2) + big
        case "CAF":
            described = struct.pack(">qd4sIIIII", 32, float(RATE_HZ), b"lpcm", 0, 4, 1, 2, 16)
            return b"caff\0\1\0\0desc" + described + b"data" + struct.pack(">Q", size) + bytes(4) + big
        case _:
            tail = bytes.fromhex("f3acd3118cd100c04f8edb8a")
            head = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000") + struct.pack("<Q", size) + b"wave" + tail
            return (
                head + b"fmt " + tail + struct.pack("<Q", 40) + form + b"data" + tail + struct.pack("<Q", size) + little
            )


@pytest.mark.parametrize(
    ("kind", "size"),
    [(kind, size) for kind in ("WAV", "AIFF", "AU") for size in PIPE_SIZES]
    + [(kind, size) for kind in ("RF64", "BW64", "CAF", "W64") for size in LONG_PIPE_SIZES],
)
def test_a_size_that_was_not_known_is_no_cut_and_no_length(tmp_path: Path, kind: str, size: int) -> None:
    samples = np.random.default_rng(1).integers(-9000, 9000, (RATE_HZ, 2), np.int16)
    path = tmp_path / "piped"
    path.write_bytes(piped(kind, size, samples))
    found, truncated = heard(path)
    np.testing.assert_allclose(found, samples.mean(axis=1) / 32_768, atol=1e-6)
    assert not truncated
    assert header_duration_seconds(path) == pytest.approx(1.0, abs=1e-3)


def test_an_empty_wav_with_a_comment_behind_is_not_filled_with_it() -> None:
    data = piped("WAV", 0, np.zeros((0, 2), np.int16)) + b"LIST" + struct.pack("<I", 4000) + b"INFO" + JUNK[:3996]
    with pytest.raises(DecodeError):
        decode(data)


# What stands before


@pytest.mark.parametrize("ending", ["flac", "tta", "ogg", "aac", "mp3", "wav", "ac3", "wv"])
@pytest.mark.parametrize(
    "before", [id3v2(2000), id3v2(1 << 21), 3 * id3v2(400_000), bytes(1_500_000), id3v2(1 << 20) + bytes(999)]
)
def test_tags_and_zeros_before_the_sound_are_passed_over(ffmpeg: Any, ending: str, before: bytes) -> None:
    data = ffmpeg.make(f"before.{ending}").read_bytes()
    np.testing.assert_array_equal(heard(before + data)[0], heard(data)[0])
    if ending != "ac3":  # a small tag hides from libav that its first frame is whole
        assert identity(before + data) == identity(data)


@pytest.mark.parametrize("zeros", [1_000, 31_000, 100_000, 500_000])
def test_zeros_before_an_mp3_without_tags_hide_no_length(ffmpeg: Any, zeros: int) -> None:
    data = ffmpeg.make("bare.mp3", "-id3v2_version", "0").read_bytes()
    assert data[:1] == b"\xff"
    np.testing.assert_array_equal(heard(bytes(zeros) + data)[0], heard(data)[0])


@pytest.mark.parametrize("ending", ["mp3", "flac", "tta", "wv"])
def test_an_id3v1_behind_the_sound_is_no_damage(ffmpeg: Any, ending: str) -> None:
    data = ffmpeg.make(f"behind.{ending}").read_bytes()
    tagged = data + b"TAG" + bytes(125)
    samples, truncated = heard(tagged)
    np.testing.assert_array_equal(samples, heard(data)[0])
    assert not truncated
    assert identity(tagged) == identity(data)


@pytest.mark.parametrize("ending", ["mp3", "mp2", "flac", "opus"])
def test_junk_before_the_sound_is_passed_over(ffmpeg: Any, ending: str) -> None:
    data = ffmpeg.make(f"junk.{ending}", "-id3v2_version", "0", "-ar", "48000").read_bytes()
    np.testing.assert_array_equal(heard(JUNK + data)[0], heard(data)[0])


def test_junk_alone_is_no_sound() -> None:
    with pytest.raises(DecodeError, match="no sound file"):
        decode(JUNK)


# Links

LINKS = {
    "vorbis": ("ogg", "-c:a", "libvorbis"),
    "better": ("ogg", "-c:a", "libvorbis", "-q:a", "9"),
    "mono": ("ogg", "-c:a", "libvorbis", "-ac", "1"),
    "slower": ("ogg", "-c:a", "libvorbis", "-ar", "32000"),
    "opus": ("opus", "-c:a", "libopus"),
    "flac": ("oga", "-c:a", "flac"),
    "mono flac": ("flac", "-ac", "1"),
    "slower flac": ("flac", "-ar", "32000"),
    "deeper flac": ("flac", "-sample_fmt", "s32"),
    "plain flac": ("flac",),
}


@pytest.mark.parametrize(
    "names",
    [
        ("vorbis", "better"),
        ("vorbis", "mono"),
        ("slower", "vorbis", "slower"),
        ("vorbis", "opus", "flac"),
        ("flac", "vorbis"),
        ("plain flac", "plain flac"),
        ("plain flac", "mono flac"),
        ("slower flac", "deeper flac", "plain flac"),
    ],
)
def test_every_link_is_heard_whole(ffmpeg: Any, names: tuple[str, ...]) -> None:
    links = [ffmpeg.make(f"link {name}.{LINKS[name][0]}", *LINKS[name][1:]).read_bytes() for name in names]
    alone = [heard(link)[0] for link in links]
    samples, truncated = heard(b"".join(links))
    assert not truncated
    assert abs(len(samples) - sum(map(len, alone))) <= len(links)
    start = 0
    for expected in alone:
        found = samples[start : start + len(expected)]
        middle = slice(500, len(found) - 500)  # a resampler that goes on has no edges
        np.testing.assert_allclose(found[middle], expected[middle], atol=2e-3)
        start += len(expected)


def test_a_link_that_cannot_be_decoded_is_told(ffmpeg: Any) -> None:
    link = ffmpeg.make("good link.ogg", "-c:a", "libvorbis").read_bytes()
    broken = bytearray(link)
    broken[30:3000] = bytes(2970)
    for data in (link + bytes(broken) + link, bytes(broken) + link + link):
        samples, truncated = heard(data)
        assert truncated
        np.testing.assert_array_equal(samples, np.tile(heard(link)[0], 2))


# Compressed sound that was stored as samples


def as_samples(data: bytes) -> npt.NDArray[np.int16]:
    return np.frombuffer(data[: len(data) // 4 * 4], "<i2").reshape(-1, 2)


@pytest.fixture(scope="module")
def bitstreams(ffmpeg: Any) -> dict[str, npt.NDArray[np.int16]]:
    """Samples that are none, by what they are."""
    dts = ffmpeg.make("stored.dts", "-c:a", "dca", "-strict", "-2")
    ac3 = ffmpeg.make("stored.ac3")
    eac3 = ffmpeg.make("stored.eac3")
    raw = as_samples(dts.read_bytes())
    return {
        "DTS": raw,
        "DTS swapped": raw.byteswap(),
        "AC-3": as_samples(ac3.read_bytes()),
        "AC-3 swapped": as_samples(ac3.read_bytes()).byteswap(),
        "E-AC-3": as_samples(eac3.read_bytes()),
        "DTS on a line": as_samples(ffmpeg.run("-i", dts, "-c", "copy", "-f", "spdif", "-")),
        "AC-3 on a line": as_samples(ffmpeg.run("-i", ac3, "-c", "copy", "-f", "spdif", "-")),
    }


@pytest.mark.parametrize(
    "what", ["DTS", "DTS swapped", "DTS on a line", "AC-3", "AC-3 swapped", "E-AC-3", "AC-3 on a line"]
)
@pytest.mark.parametrize("kind", ["WAV", "AIFF", "FLAC", "W64", "CAF"])
def test_compressed_sound_in_place_of_samples_is_decoded_or_refused(
    ffmpeg: Any, bitstreams: dict[str, npt.NDArray[np.int16]], tmp_path: Path, what: str, kind: str
) -> None:
    path = tmp_path / "stored"
    soundfile.write(path, bitstreams[what], RATE_HZ, format=kind, subtype="PCM_16")
    stored = "stored.eac3" if "E-AC-3" in what else "stored.ac3" if "AC-3" in what else "stored.dts"
    expected, _ = heard(ffmpeg.folder / stored)
    try:
        found, _ = heard(path)
    except DecodeError as error:
        assert kind != "WAV" or what == "AC-3 swapped"  # which libav does not look for
        assert "its samples are" in error.reason
    else:
        np.testing.assert_allclose(found[: len(expected)], expected[: len(found)], atol=1e-4)


def test_compressed_sound_behind_silence_is_refused(bitstreams: dict[str, npt.NDArray[np.int16]]) -> None:
    silence = np.zeros((5 * RATE_HZ, 2), np.int16)
    with pytest.raises(DecodeError, match="its samples are"):
        heard(piped("WAV", 0, np.concatenate([silence, bitstreams["DTS on a line"]])))


@pytest.mark.parametrize("marks", [1, 200, 448])
def test_tones_with_the_mark_of_ac3_are_sound(marks: int) -> None:
    wave = np.where(np.arange(3 * RATE_HZ) % 448 < marks, 0x0B77, 300).astype(np.int16)
    samples, _ = heard(piped("WAV", 0, np.stack([wave, wave], axis=1)))
    assert len(samples) == 3 * RATE_HZ


def test_a_bw64_whose_end_is_missing_is_told() -> None:
    data = piped("BW64", 4 * RATE_HZ, np.ones((RATE_HZ, 2), np.int16))
    assert heard(data)[1] is False
    assert heard(data[:-1000])[1] is True


def test_a_loud_square_wave_is_sound() -> None:
    wave = np.where(np.arange(3 * RATE_HZ) % 1024 < 512, 32_766, -32_767).astype(np.int16)
    samples, _ = heard(piped("WAV", 0, np.stack([wave, -1 - wave], axis=1)))
    assert len(samples) == 3 * RATE_HZ


@pytest.mark.parametrize("with_id3v1", [False, True])
def test_a_long_ape_tag_behind_an_mp3_changes_nothing_of_its_sound(ffmpeg: Any, with_id3v1: bool) -> None:
    path = ffmpeg.make("ape.mp3", "-c:a", "libmp3lame")
    expected = heard(path.read_bytes())
    tags = APEv2()
    tags["Title"] = "another title " * 3_000
    tags.save(path)
    samples, truncated = heard(path.read_bytes() + (b"TAG" + bytes(125) if with_id3v1 else b""))
    np.testing.assert_array_equal(samples, expected[0])
    assert (len(samples), truncated) == (SAMPLES, expected[1])


@pytest.mark.parametrize("claimed", [32, 33, 2_000, "half", "nearly all"])
@pytest.mark.parametrize("items", [0, 1, 9])
def test_an_ape_footer_that_lies_takes_no_sound(ffmpeg: Any, claimed: int | str, items: int) -> None:
    """The items of a tag have to fill it; the sound before a damaged footer is no tag."""
    data = ffmpeg.make("lying.mp3", "-c:a", "libmp3lame").read_bytes()
    size = {"half": len(data) // 2, "nearly all": len(data) - 100}.get(str(claimed), claimed)
    footer = b"APETAGEX" + struct.pack("<IIII", 2000, size, items, 0) + bytes(8)
    samples, _ = heard(data + footer)
    assert len(samples) >= SAMPLES
