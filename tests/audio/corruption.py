"""Files that are damaged in the ways in which files are: by a seed, always the same."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import soundfile

FORMATS = ("wav", "flac", "mp3", "ogg", "opus", "m4a", "wma", "aiff", "caf", "wv")
HEADER_BYTES = 512
NUMBERS = (b"\0", b"\xff", b"\x7f", b"\x80", b"\x01")


def make_whole(folder: Path) -> dict[str, bytes]:
    """A short file of each format, by its ending; skips where ffmpeg is missing."""
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("needs the program ffmpeg, which makes files of every format")
    source = folder / "source.wav"
    time = np.arange(30_000) / 22_050
    noise = np.random.default_rng(3).normal(0, 0.05, len(time))
    soundfile.write(source, 0.4 * np.sin(2 * np.pi * 300 * time) + noise, 22_050, subtype="PCM_16")
    whole = {}
    for ending in FORMATS:
        path = folder / f"whole.{ending}"
        rate = ["-ar", "48000"] if ending == "opus" else []
        command = [
            program,
            "-v",
            "error",
            "-nostdin",
            "-y",
            "-i",
            str(source),
            *rate,
            "-metadata",
            "title=A",
            str(path),
        ]
        subprocess.run(command, check=True, capture_output=True)
        whole[ending] = path.read_bytes()
    return whole


def corrupted(whole: Mapping[str, bytes], seed: int) -> tuple[str, bytes]:
    """Return the ending and the bytes of the damaged file that belongs to a seed: one to three kinds of damage."""
    chance = random.Random(seed)
    ending = FORMATS[seed % len(FORMATS)]
    data = bytearray(whole[ending])
    for _ in range(chance.choice((1, 1, 2, 3))):
        kind = chance.choice((_flip_bits, _cut, _insert_junk, _overwrite_header, _zero, _join))
        data = kind(data, chance, whole)
    return ending, bytes(data)


def _flip_bits(data: bytearray, chance: random.Random, whole: Mapping[str, bytes]) -> bytearray:
    for _ in range(chance.choice((1, 8, 200)) if data else 0):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return data


def _cut(data: bytearray, chance: random.Random, whole: Mapping[str, bytes]) -> bytearray:
    at = chance.randrange(len(data) + 1)
    return data[:at] if chance.random() < 0.7 else data[at:]


def _insert_junk(data: bytearray, chance: random.Random, whole: Mapping[str, bytes]) -> bytearray:
    at = chance.choice((0, chance.randrange(len(data) + 1)))
    junk = chance.randbytes(chance.choice((1, 4, 100, 70_000)))
    return data[:at] + junk + data[at:]


def _overwrite_header(data: bytearray, chance: random.Random, whole: Mapping[str, bytes]) -> bytearray:
    for _ in range(chance.choice((1, 3))):
        at, width = chance.randrange(min(len(data), HEADER_BYTES) + 1), chance.choice((1, 2, 4, 8))
        value = chance.choice((*NUMBERS, None))
        data[at : at + width] = chance.randbytes(width) if value is None else value * width
    return data


def _zero(data: bytearray, chance: random.Random, whole: Mapping[str, bytes]) -> bytearray:
    start = chance.randrange(len(data) + 1)
    behind = min(len(data), start + chance.choice((16, 1000, 20_000)))
    data[start:behind] = bytes(behind - start)
    return data


def _join(data: bytearray, chance: random.Random, whole: Mapping[str, bytes]) -> bytearray:
    return data + whole[chance.choice(FORMATS)]
