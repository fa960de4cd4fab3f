"""The type of a sound is what its first bytes say."""

from pathlib import Path

import pytest

from earmark.audio.encode import encode_mp3
from earmark.web.media import UNKNOWN, media_type_of


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"fLaC\0\0", "audio/flac"),
        (b"OggS\0", "audio/ogg"),
        (b"ID3\x04", "audio/mpeg"),
        (b"\xff\xfb\x90\x64", "audio/mpeg"),
        (b"\xff\xf1\x50\x80", "audio/aac"),
        (b"\xff\xf9\x50\x80", "audio/aac"),
        (b"\xff\xfe<\0", "audio/mpeg"),
        (b"RIFF\0\0\0\0WAVE", "audio/wav"),
        (b"RIFF\0\0\0\0AVI ", UNKNOWN),
        (b"FORM\0\0\0\0AIFF", "audio/aiff"),
        (b"\0\0\0\x20ftypM4A ", "audio/mp4"),
        (b"\x1a\x45\xdf\xa3", "audio/webm"),
        (b"<!doctype html>", UNKNOWN),
        (b"\xff", UNKNOWN),
        (b"", UNKNOWN),
    ],
)
def test_of_heads(tmp_path: Path, head: bytes, expected: str) -> None:
    (tmp_path / "a.html").write_bytes(head)
    assert media_type_of(tmp_path / "a.html") == expected


def test_of_a_real_mp3(tmp_path: Path) -> None:
    import numpy as np

    (tmp_path / "a").write_bytes(encode_mp3(np.zeros(22_050, np.float32), 22_050, 64_000))
    assert media_type_of(tmp_path / "a") == "audio/mpeg"
