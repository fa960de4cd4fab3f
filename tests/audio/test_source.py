"""An opened file never raises in a library's hands, and only a storage that fails is told as that."""

from __future__ import annotations

import errno
import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.audio.decode import decode
from earmark.audio.duration import header_duration_seconds
from earmark.audio.identity import identity
from earmark.audio.source import decode_errors, open_source
from earmark.errors import DecodeError, StorageError

CONTENT = bytes(range(200))
FAR = st.integers(-(1 << 70), 1 << 70)


class Failing(io.BytesIO):
    """A file whose storage fails from a place on."""

    def __init__(self, data: bytes, place: int, number: int) -> None:
        super().__init__(data)
        self._place, self._number = place, number

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() >= self._place:
            raise OSError(self._number, "the share is gone")
        return super().read(size)


@given(st.lists(st.tuples(FAR, st.sampled_from([0, 1, 2]), st.integers(0, 300)), max_size=20))
def test_any_position_can_be_asked_for(moves: list[tuple[int, int, int]]) -> None:
    with open_source(CONTENT) as opened:
        stretch = opened.stretch(50, 150)
        for offset, whence, count in moves:
            before = stretch.tell()
            wanted = offset + (0, before, 100)[whence]
            reached = stretch.seek(offset, whence)
            assert reached == (wanted if 0 <= wanted < (1 << 63) - 50 else -1)
            assert stretch.tell() == (before if reached < 0 else reached)
            at = min(stretch.tell(), 100)
            assert stretch.read(count) == CONTENT[50:150][at : at + count]
        stretch.check()


def test_repairs_are_read_in_place_of_what_is_there() -> None:
    with open_source(CONTENT) as opened:
        repaired = opened.repaired([(3, b"abc"), (150, b"xyz")])
        expected = CONTENT[:3] + b"abc" + CONTENT[6:150] + b"xyz" + CONTENT[153:]
        assert repaired.read() == expected
        for start in range(len(expected)):
            repaired.seek(start)
            assert repaired.read(5) == expected[start : start + 5]


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT])
@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3", "m4a"])
def test_a_storage_that_fails_is_told_everywhere(ffmpeg: Any, ending: str, number: int) -> None:
    data = ffmpeg.make(f"storage.{ending}").read_bytes()
    for place in (0, 1, len(data) // 2):
        with pytest.raises(StorageError, match="the share is gone"):
            list(decode(Failing(data, place, number)))
        with pytest.raises(StorageError, match="the share is gone"):
            identity(Failing(data, place, number))


def test_whatever_a_library_raises_is_the_files_decode_error() -> None:
    raised = (
        struct.error("short"),
        OverflowError("large"),
        MemoryError(),
        IndexError(),
        EOFError(),
        OSError(22, "seek"),
    )
    for error in raised:
        with open_source(CONTENT) as opened, pytest.raises(DecodeError) as caught, decode_errors(opened):
            raise error
        assert type(caught.value) is DecodeError
        assert caught.value.source == "<bytes>" and caught.value.reason
    with pytest.raises(ImportError), open_source(CONTENT) as opened, decode_errors(opened):
        raise ImportError("libsndfile is gone")


def test_sizes_beyond_any_disk_do_not_take_the_sound_before_them(ffmpeg: Any, tmp_path: Path) -> None:
    huge = 1 << 50
    behind = {
        "caf": b"free" + struct.pack(">q", huge),
        "m4a": struct.pack(">I4sQ", 1, b"free", huge),
        "w64": b"junk" + bytes.fromhex("f3acd3118cd100c04f8edb8a") + struct.pack("<Q", huge),
        "mka": b"\xec\x01" + huge.to_bytes(7, "big"),
        "wma": bytes(16) + struct.pack("<Q", huge),
    }
    for ending, tail in behind.items():
        data = ffmpeg.make(f"huge.{ending}").read_bytes()
        path = tmp_path / f"huge.{ending}"
        path.write_bytes(data + tail + b"x" * 50)
        with decode(data, 44_100) as sound:
            expected = np.concatenate(list(sound))
        with decode(path, 44_100) as sound:
            np.testing.assert_array_equal(np.concatenate(list(sound))[: len(expected)], expected, err_msg=ending)
        assert identity(path) and header_duration_seconds(path) > 1


def test_no_file_names_another_that_is_opened(ffmpeg: Any, tmp_path: Path) -> None:
    secret = ffmpeg.make("secret.wav")
    files = {
        "list.ffconcat": f"ffconcat version 1.0\nfile '{secret}'\n".encode(),
        "list.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:4,\n{secret}\n#EXT-X-ENDLIST\n".encode(),
        "list.pls": f"[playlist]\nFile1={secret}\nNumberOfEntries=1\n".encode(),
        "session.sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
        "stream.mpd": f'<?xml version="1.0"?><MPD><Period><BaseURL>{secret}</BaseURL></Period></MPD>'.encode(),
    }
    for name, data in files.items():
        path = tmp_path / name
        path.write_bytes(data)
        for read in (decode, header_duration_seconds):
            with pytest.raises(DecodeError, match=r"decoded|length"):
                read(path)
        assert identity(path).startswith("bytes:")
