"""Sound files as HTTP responses: their media types, and ranges of them."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from fastapi import Response
from fastapi.responses import FileResponse, StreamingResponse
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from earmark.web import problems
from earmark.web.problem import ProblemError

UNKNOWN = "application/octet-stream"
HEAD_BYTES = 64
BLOCK_BYTES = 1 << 16
HEADERS = {
    "Cache-Control": "private, no-cache",
    # No browser may show an uploaded file as a page of this server.
    "Content-Security-Policy": "default-src 'none'; sandbox",
}

_STARTS = (
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"\x1a\x45\xdf\xa3", "audio/webm"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "audio/x-ms-wma"),
    (b"MAC ", "audio/x-ape"),
    (b"wvPk", "audio/x-wavpack"),
    (b"TTA1", "audio/x-tta"),
    (b"caff", "audio/x-caf"),
    (b".snd", "audio/basic"),
    (b"#!AMR", "audio/amr"),
)
_ONE_RANGE = re.compile(r"bytes=(?:(?P<start>\d{1,18})-(?P<end>\d{0,18})|-(?P<last>\d{1,18}))")


def media_type_of(path: Path) -> str:
    """Return the media type of a sound file by its first bytes, or UNKNOWN if it is no usual sound file.

    The type that a client states is never used: an answer of the type text/html would be a page of this server.
    Raises ProblemError (404) if the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise ProblemError(problems.SOUND_GONE) from error
    for start, media_type in _STARTS:
        if head.startswith(start):
            return media_type
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "audio/wav"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "audio/aiff"
    if head[4:8] == b"ftyp":
        return "audio/mp4"
    if head[:1] == b"\xff" and len(head) > 1:
        return _frame_type(head[1])
    return UNKNOWN


def _frame_type(second: int) -> str:
    """Return the media type of a frame by its second byte, if the first is 255: MPEG audio has a layer, ADTS none."""
    if second & 0xF6 == 0xF0:
        return "audio/aac"
    return "audio/mpeg" if second & 0xE0 == 0xE0 else UNKNOWN


class SoundFileResponse(Response):
    """Sends a sound file, or the one range of it that the request asks for.

    The file is opened before the headers are sent, so that its whole content arrives even if it is deleted meanwhile. A
    range that is malformed, or more than one range, is ignored (RFC 9110). Sending raises ProblemError: 404 if the file
    cannot be opened, and 416 for a range that begins after its end.
    """

    def __init__(self, path: Path, name: str, media_type: str) -> None:
        """`name`: the file name that the client is told."""
        super().__init__(media_type=media_type)
        self._path, self._name = path, name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        try:
            file = await asyncio.to_thread(self._path.open, "rb")
        except OSError as error:
            raise ProblemError(problems.SOUND_GONE) from error
        with file:
            # Starlette's response makes the headers; it would open the file only after it has sent them.
            headers = FileResponse(
                self._path,
                headers=HEADERS,
                media_type=self.media_type,
                filename=self._name,
                stat_result=os.fstat(file.fileno()),
                content_disposition_type="inline",
            ).headers
            size_bytes = int(headers["content-length"])
            asked = _range_of(Headers(scope=scope), headers, size_bytes)
            start, stop = (0, size_bytes) if asked is None else asked
            if asked is not None:
                headers["content-range"] = f"bytes {start}-{stop - 1}/{size_bytes}"
                headers["content-length"] = str(stop - start)
            # A request for the headers alone gets an empty range of the content.
            content = _content(file, start, start if scope["method"] == "HEAD" else stop)
            response = StreamingResponse(content, 200 if asked is None else 206, dict(headers))
            await response(scope, receive, send)


def _range_of(request: Headers, response: Headers, size_bytes: int) -> tuple[int, int] | None:
    """Return the start and the stop of the range that a request asks for, or None for the whole file."""
    asked = _ONE_RANGE.fullmatch(request.get("range", "").strip())
    if asked is None or request.get("if-range", response["etag"]) not in (response["etag"], response["last-modified"]):
        return None
    if asked["last"] is not None:
        start, stop = max(0, size_bytes - int(asked["last"])), size_bytes
    else:
        start = int(asked["start"])
        stop = min(size_bytes, int(asked["end"]) + 1) if asked["end"] else size_bytes
        if asked["end"] and int(asked["end"]) < start:
            return None
    if start >= size_bytes:
        raise ProblemError(problems.beyond_the_end(size_bytes), {"Content-Range": f"bytes */{size_bytes}"})
    return start, stop


async def _content(file: BinaryIO, start: int, stop: int) -> AsyncIterator[bytes]:
    """Yield the bytes of a file from `start` to before `stop`."""
    await asyncio.to_thread(file.seek, start)
    while start < stop and (content := await asyncio.to_thread(file.read, min(BLOCK_BYTES, stop - start))):
        start += len(content)
        yield content
