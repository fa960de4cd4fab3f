"""A folder of good files and of poisoned ones, and what is to become of each."""

import os
import struct
from pathlib import Path

import numpy as np
import soundfile
from training.sounds import write_noise

RATE_HZ = 22_050
BOMB_HOURS = 100


def write_good(folder: Path, files: int = 4, samples: int = 30_000) -> list[Path]:
    """So many different sounds, one of them twice, in two folders."""
    paths = [write_noise(folder / ("first" if n % 2 else "second") / f"{n}.flac", n, samples) for n in range(files)]
    copy = folder / "first" / "copy of 0.flac"
    copy.write_bytes(paths[0].read_bytes())
    return [*paths, copy]


def write_poison(folder: Path) -> dict[str, str]:
    """The poisoned files that can be listened to all the same ("") and those that cannot, with part of the reason."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    whole = write_noise(folder / "cut.flac", 90, 60_000).read_bytes()
    header_bytes = 42 + 4  # fLaC and STREAMINFO
    (folder / "cut.flac").write_bytes(whole[: len(whole) * 2 // 3])
    (folder / "cut in its header.flac").write_bytes(whole[:30])
    (folder / "empty.mp3").touch()
    (folder / "text.mp3").write_text("a shopping list\n" * 500)
    (folder / "random behind a header.flac").write_bytes(whole[:header_bytes] + generator.bytes(50_000))
    claimed = bytearray(whole)
    claimed[21:26] = ((claimed[21] & 0xF0) << 32 | BOMB_HOURS * 3600 * RATE_HZ).to_bytes(5, "big")
    (folder / "claims 100 hours.flac").write_bytes(claimed)
    silence_bytes = BOMB_HOURS * 3600 * 8_000
    with (folder / "bomb of silence.wav").open("wb") as bomb:
        bomb.write(_wav_header(1, 8_000, 1, 8, silence_bytes))
        bomb.truncate(44 + silence_bytes)  # a hole: nothing is written to the disk
    (folder / "no channels.wav").write_bytes(_wav_header(1, 44_100, 0, 16, 8_000) + generator.bytes(8_000))
    (folder / "not numbers.wav").write_bytes(
        _wav_header(3, 44_100, 1, 32, 80_000) + np.full(20_000, np.nan, "<f4").tobytes()
    )
    (folder / "one sample.wav").write_bytes(_wav_header(1, 44_100, 1, 16, 2) + b"\x00\x10")
    soundfile.write(folder / "384 kHz.wav", generator.uniform(-0.3, 0.3, 400_000), 384_000, subtype="PCM_16")
    return {
        "cut.flac": "",
        "cut in its header.flac": "no sound file",
        "empty.mp3": "empty",
        "text.mp3": "no sound file",
        "random behind a header.flac": "no sound",
        "claims 100 hours.flac": "claims 100.0 hours",
        "bomb of silence.wav": "claims 100.0 hours",
        "no channels.wav": "Channel count is zero",
        "not numbers.wav": "NaN",
        "one sample.wav": "",
        "384 kHz.wav": "",
    }


def _wav_header(form: int, rate_hz: int, channels: int, bits: int, content_bytes: int) -> bytes:
    frame_bytes = channels * bits // 8
    described = struct.pack("<HHIIHH", form, channels, rate_hz, rate_hz * frame_bytes, frame_bytes, bits)
    riff = struct.pack("<4sI4s4sI", b"RIFF", 36 + content_bytes, b"WAVE", b"fmt ", 16)
    return riff + described + struct.pack("<4sI", b"data", content_bytes)


def odd_name(folder: Path) -> str:
    """A path whose name is bytes that are no text, as os.fsdecode gives it."""
    return os.fsdecode(os.fsencode(folder) + b"/odd \xff\xfe.flac")
