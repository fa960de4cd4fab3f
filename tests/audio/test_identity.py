"""Renaming, retagging and covers leave a recording's identity as it is; another sound has another."""

from __future__ import annotations

import io
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from mutagen import File
from mutagen.apev2 import APEv2
from mutagen.id3 import APIC, TIT2

from earmark.audio.decode import decode
from earmark.audio.identity import _of_flac, _of_packets, identity, packets_of, same_sound
from earmark.audio.source import open_source
from earmark.errors import DecodeError, EarmarkError

FORMATS = ("mp3", "ogg", "opus", "flac", "m4a", "wma", "aiff", "wav", "wv", "ac3", "mka")
TAGGED = ("mp3", "ogg", "opus", "flac", "m4a", "wma", "aiff", "wav", "wv")


def retag(path: Path) -> None:
    """Write a long title, and a cover where the format takes one, so that the sound stands elsewhere in the file."""
    file = File(path)
    if file.tags is None:
        file.add_tags()
    if path.suffix in (".mp3", ".aiff", ".wav"):
        file.tags.add(TIT2(3, ["another title " * 300]))
        file.tags.add(APIC(3, "image/png", 3, "cover", b"\x89PNG" + bytes(50_000)))
    elif path.suffix == ".m4a":
        file["\xa9nam"] = ["another title " * 300]
    else:
        file["Title"] = ["another title " * 300]
    if path.suffix == ".mp3":
        file.save(v1=2)
    else:
        file.save()


@pytest.fixture(scope="module")
def encoded(ffmpeg: Any) -> dict[str, Path]:
    return {ending: ffmpeg.make(f"identity.{ending}") for ending in FORMATS}


@pytest.mark.parametrize("ending", FORMATS)
def test_it_is_known_by_its_packets_and_is_stable(encoded: dict[str, Path], ending: str) -> None:
    path = encoded[ending]
    assert (
        identity(path) == identity(str(path)) == identity(path.read_bytes()) == identity(io.BytesIO(path.read_bytes()))
    )
    assert identity(path).startswith("packets:")


def test_another_encoding_is_another_recording_and_another_container_is_not(encoded: dict[str, Path]) -> None:
    vorbis, same = identity(encoded["mka"]), identity(encoded["ogg"])
    assert packets_of(vorbis) == packets_of(same), "the same Vorbis packets in Matroska and Ogg"
    assert vorbis != same, "Matroska does not say where the last packet ends"
    assert len({packets_of(identity(path)) for path in encoded.values()}) == len(FORMATS) - 1


@pytest.mark.parametrize("ending", TAGGED)
def test_new_tags_and_covers_change_nothing(encoded: dict[str, Path], tmp_path: Path, ending: str) -> None:
    path = shutil.copy(encoded[ending], tmp_path / f"renamed.{ending}")
    before = path.read_bytes()
    retag(path)
    assert path.read_bytes() != before
    assert identity(path) == identity(encoded[ending])


def test_ape_tags_change_nothing(encoded: dict[str, Path], tmp_path: Path) -> None:
    path = shutil.copy(encoded["mp3"], tmp_path / "ape.mp3")
    tags = APEv2()
    tags["Title"] = "another title " * 300
    tags.save(path)
    assert identity(path) == identity(encoded["mp3"])


@pytest.mark.parametrize("options", [(), ("-ar", "22050", "-ac", "1"), ("-ar", "96000", "-sample_fmt", "s32")])
def test_flac_is_the_same_with_and_without_libav(ffmpeg: Any, tmp_path: Path, options: tuple[str, ...]) -> None:
    path = ffmpeg.make("by_frames.flac", *options)
    with open_source(path) as opened:
        assert _of_flac(opened) == _of_packets(opened) == identity(path)
    with_id3 = path.read_bytes() + b"TAG" + bytes(125)
    assert identity(with_id3) == identity(path)
    with_both = b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + path.read_bytes()
    assert identity(with_both) == identity(path), "libav passes over it"


def test_other_sound_or_another_rate_is_another_recording(tmp_path: Path) -> None:
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 30_000)
    found = set()
    for name, samples, rate_hz in (
        ("a.wav", sound, 44_100),
        ("b.wav", sound, 22_050),
        ("c.wav", sound[:-1], 44_100),
        ("d.wav", np.stack([sound[::2], sound[1::2]], axis=1), 44_100),
    ):
        soundfile.write(tmp_path / name, samples, rate_hz, subtype="PCM_16")
        found.add(identity(tmp_path / name))
    assert len(found) == 4


def test_a_cut_file_is_another_recording(encoded: dict[str, Path]) -> None:
    for path in encoded.values():
        data = path.read_bytes()
        assert identity(data[: len(data) * 2 // 3]) != identity(data)


def test_what_holds_no_sound_is_known_by_its_bytes() -> None:
    text = b"a shopping list, renamed to song.mp3\n" * 40
    assert identity(text).startswith("bytes:")
    assert identity(text) == identity(text)
    assert identity(text) != identity(text + b"eggs")
    assert identity(b"") == identity(io.BytesIO())


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(DecodeError, match="there is no such file"):
        identity(tmp_path / "absent.mp3")
    with pytest.raises(DecodeError, match="it is a folder"):
        identity(tmp_path)


def decoded(data: bytes) -> tuple[int, bool, bytes] | None:
    """How a file is decoded: samples, whether its end is missing, and the sound, to a thousandth; None where not."""
    try:
        with decode(data) as sound:
            samples = np.concatenate(list(sound))
    except EarmarkError:
        return None
    return len(samples), sound.truncated, np.round(samples * 1_000).astype(np.int16).tobytes()


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 40))])
def test_what_is_decoded_otherwise_is_another_recording(encoded: dict[str, Path], ending: str, seed: int) -> None:
    """Damage in the header or at the end, where some formats keep theirs: of one identity is what is heard alike."""
    chance = random.Random(f"{ending} {seed}")
    whole = encoded[ending].read_bytes()
    expected, own = decoded(whole), identity(whole)
    for _ in range(12):
        data = bytearray(whole)
        place = chance.randrange(min(900, len(data)))
        place = place if chance.random() < 0.7 else len(data) - 1 - place
        width = chance.choice((1, 1, 2, 4))
        damage = chance.choice((bytes(width), b"\xff" * width, chance.randbytes(width)))
        data[place : place + width] = damage[: len(data) - place]
        if identity(bytes(data)) == own:
            assert decoded(bytes(data)) == expected, (place, damage)


@pytest.mark.parametrize("gap", [0x000000, 0xFFFFFF, 0x240240, 0x2403FF, 0x451000])
def test_an_mp3s_gap_belongs_to_it(encoded: dict[str, Path], gap: int) -> None:
    data = bytearray(encoded["mp3"].read_bytes())
    start = data.find(b"Lav", data.find(b"Info"))
    data[start + 21 : start + 24] = gap.to_bytes(3, "big")
    assert gap == 0 or packets_of(identity(bytes(data))) == packets_of(identity(encoded["mp3"]))
    assert identity(bytes(data)) != identity(encoded["mp3"])


def with_sums(data: bytearray) -> bytes:
    """An Ogg whose pages have the checksums of their content."""
    at = 0
    while data[at : at + 4] == b"OggS":
        length = 27 + data[at + 26] + sum(data[at + 27 : at + 27 + data[at + 26]])
        data[at + 22 : at + 26] = bytes(4)
        total = 0
        for byte in data[at : at + length]:
            total ^= byte << 24
            for _ in range(8):
                total = (total << 1 ^ (0x04C11DB7 if total & 0x80000000 else 0)) & 0xFFFFFFFF
        data[at + 22 : at + 26] = total.to_bytes(4, "little")
        at += length
    return bytes(data)


@pytest.mark.parametrize(
    ("ending", "field", "behind", "value"),
    [
        ("opus", b"OpusHead", 10, b"\0\0"),  # pre-skip
        ("opus", b"OpusHead", 10, b"\xff\x0f"),
        ("opus", b"OpusHead", 16, b"\0\xf4"),  # gain
        ("m4a", b"elst", 16, b"\0\0\0\0"),  # where the edit begins
        ("m4a", b"elst", 16, b"\0\0\x20\0"),
        ("flac", b"fLaC", 22, b"\x01\0\0\0"),  # samples in all
        ("wma", b"\x61\x01\x02\0\x44\xac\0\0", 8, b"\x10\x20\0\0"),  # bytes a second
    ],
)
def test_what_a_header_says_of_decoding_belongs_to_it(
    encoded: dict[str, Path], ending: str, field: bytes, behind: int, value: bytes
) -> None:
    data = bytearray(encoded[ending].read_bytes())
    assert field in data
    place = data.find(field) + behind
    data[place : place + len(value)] = value
    damaged = with_sums(data) if ending == "opus" else bytes(data)
    assert identity(damaged) != identity(encoded[ending])


@pytest.mark.parametrize("ending", ["ogg", "opus"])
def test_where_an_ogg_ends_belongs_to_it(encoded: dict[str, Path], ending: str) -> None:
    data = bytearray(encoded[ending].read_bytes())
    last = data.rfind(b"OggS")
    position = int.from_bytes(data[last + 6 : last + 14], "little")
    data[last + 6 : last + 14] = (position - 300).to_bytes(8, "little")
    assert packets_of(identity(with_sums(data))) == packets_of(identity(encoded[ending]))
    assert identity(with_sums(data)) != identity(encoded[ending])


def test_identities_of_older_libraries_are_of_the_packets_alone() -> None:
    assert same_sound("packets:ab-12", "packets:ab-12")
    assert same_sound("packets:ab", "packets:ab-12")
    assert same_sound("packets:ab-12", "packets:ab")
    assert not same_sound("packets:ab-12", "packets:ab-34")
    assert not same_sound("packets:ab", "packets:cd-12")
    assert not same_sound("bytes:ab", "packets:ab-12")


@pytest.mark.parametrize("codec", ["adpcm_ima_wav", "adpcm_ms"])
@pytest.mark.parametrize("block_bytes", [256, 512, 2048])
def test_the_length_of_blocks_belongs_to_adpcm(ffmpeg: Any, codec: str, block_bytes: int) -> None:
    whole = ffmpeg.make(f"{codec}.wav", "-c:a", codec).read_bytes()
    damaged = whole[:32] + block_bytes.to_bytes(2, "little") + whole[34:]
    assert damaged != whole
    assert identity(damaged) != identity(whole)


def test_ape_tags_behind_flac_change_nothing(encoded: dict[str, Path], tmp_path: Path) -> None:
    path = shutil.copy(encoded["flac"], tmp_path / "ape.flac")
    tags = APEv2()
    tags["Title"] = "a title"
    tags.save(path)
    assert identity(path) == identity(encoded["flac"])
