"""Renaming, retagging and covers leave a recording's identity as it is; another sound has another."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from mutagen import File
from mutagen.apev2 import APEv2
from mutagen.id3 import APIC, TIT2

from earmark.audio.identity import _of_flac, _of_packets, identity
from earmark.audio.source import open_source
from earmark.errors import DecodeError

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
    assert identity(encoded["mka"]) == identity(encoded["ogg"]), "the same Vorbis packets in Matroska and Ogg"
    assert len({identity(path) for path in encoded.values()}) == len(FORMATS) - 1


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
