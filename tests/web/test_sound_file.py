"""Sound files as responses: their types come from their bytes, and they arrive whole or in the range asked for."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import Message, Scope

from earmark.audio.encode import encode_mp3
from earmark.web.problem import ProblemError
from earmark.web.sound_file import BLOCK_BYTES, UNKNOWN, SoundFileResponse, media_type_of


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


def test_of_a_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(ProblemError) as caught:
        media_type_of(tmp_path / "nothing here")
    assert (caught.value.problem.kind, caught.value.problem.status) == ("sound-gone", 404)


@dataclass
class Answer:
    """What a client receives."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def asked(path: Path, *, method: str = "GET", delete: bool = False, **headers: str) -> Answer:
    """Ask for a file; `delete` deletes it as soon as the headers are sent."""
    answer = Answer()
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope: Scope = {"type": "http", "method": method, "headers": sent, "asgi": {"spec_version": "2.4"}}

    async def receive() -> Message:
        raise AssertionError("a response needs nothing more of the request")

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            if delete:
                path.unlink()
        else:
            answer.body += message["body"]

    asyncio.run(SoundFileResponse(path, "song.flac", "audio/flac")(scope, receive, send))
    return answer


@pytest.mark.parametrize(
    ("size_bytes", "headers"),
    [
        (0, {}),  # an empty file has no range
        *((size, headers) for size in (1, BLOCK_BYTES, 3 * BLOCK_BYTES + 5) for headers in ({}, {"range": "bytes=0-"})),
    ],
)
def test_a_file_that_is_deleted_meanwhile_arrives_whole(
    tmp_path: Path, size_bytes: int, headers: dict[str, str]
) -> None:
    content = bytes(range(256)) * (size_bytes // 256 + 1)
    (tmp_path / "a").write_bytes(content[:size_bytes])
    answer = asked(tmp_path / "a", delete=True, **headers)
    assert not (tmp_path / "a").exists()
    assert answer.status == (206 if headers else 200)
    assert answer.body == content[:size_bytes]
    assert answer.headers["content-length"] == str(size_bytes)


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()], ids=["absent", "a folder"])
def test_a_file_that_cannot_be_opened_is_refused_before_anything_is_sent(tmp_path: Path, make: object) -> None:
    make(tmp_path / "a")  # type: ignore[operator]
    with pytest.raises(ProblemError) as caught:
        asked(tmp_path / "a")
    assert caught.value.problem.status == 404


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(min_size=1, max_size=20), start=st.integers(0, 25), length=st.integers(1, 25))
def test_a_range_is_a_part_of_the_file(tmp_path: Path, content: bytes, start: int, length: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    whole = asked(path)
    assert (whole.status, whole.body) == (200, content)
    stop = start + length
    if start >= len(content):
        with pytest.raises(ProblemError) as caught:
            asked(path, range=f"bytes={start}-{stop - 1}")
        assert caught.value.headers == {"Content-Range": f"bytes */{len(content)}"}
        return
    part = asked(path, range=f"bytes={start}-{stop - 1}")
    last = min(stop, len(content)) - 1
    assert (part.status, part.body) == (206, content[start:stop])
    assert part.headers["content-range"] == f"bytes {start}-{last}/{len(content)}"
    assert asked(path, range=f"bytes=-{length}").body == content[-length:]
    head = asked(path, method="HEAD", range=f"bytes={start}-{stop - 1}")
    assert (head.status, head.headers, head.body) == (206, part.headers, b"")
    for tag in (whole.headers["etag"], whole.headers["last-modified"]):
        assert asked(path, range="bytes=0-0", if_range=tag).status == 206
    assert asked(path, range="bytes=0-0", if_range='"of another version"').body == content
