"""A sound from a request onto the disk, as it comes, and no further than is allowed."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request

from earmark.web import problems, sound_problems
from earmark.web.multipart import FilePart
from earmark.web.problem import ProblemError
from earmark.web.settings import ServerSettings

LEAST_BYTES_A_SECOND = 20_000
PATIENCE_SECONDS = 30.0
"""That an upload may take besides what its bytes take at the least rate."""
FORM_BYTES = 65_536
"""What a form may have around its file."""
WRITE_BYTES = 1 << 20
LONGEST_NAME = 200
RAW_TYPES = ("application/octet-stream", "application/ogg", "application/mp4")


@dataclass(frozen=True)
class Upload:
    """A sound that was received: what the sender calls it, and its size."""

    name: str
    size_bytes: int


async def receive(request: Request, path: Path, settings: ServerSettings) -> Upload:
    """Write the sound of a request to a path: the field `file` of a form, or the whole body.

    Raises ProblemError for a body of another kind (415), more than is allowed (413, at once where the header says so),
    too slow (408), not a form as it should be (400), and nothing (422).
    """
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdecimal() and int(declared) > settings.max_bytes + FORM_BYTES:
        raise ProblemError(sound_problems.too_large(settings.max_megabytes))
    form = _form_of(request)
    name = request.query_params.get("name", "")
    try:
        size_bytes = await _write_body(request, path, form, settings)
    except OSError as error:
        raise ProblemError(problems.no_room()) from error
    if form is not None:
        own_name = form.finish()
        name = name or own_name
    if not size_bytes:
        raise ProblemError(sound_problems.no_sound("The file is empty (0 bytes)."))
    return Upload(plain_name(name), size_bytes)


async def _write_body(request: Request, path: Path, form: FilePart | None, settings: ServerSettings) -> int:
    """Write the sound as it comes; returns how many bytes it has."""
    size_bytes = waiting_bytes = 0
    waiting: list[bytes] = []
    with path.open("wb") as file:
        async for content in _in_time(request, settings):
            found = content if form is None else form.feed(content)
            size_bytes += len(found)
            if size_bytes > settings.max_bytes:
                raise _too_large(request, settings)
            waiting.append(found)
            waiting_bytes += len(found)
            if waiting_bytes >= WRITE_BYTES:
                await asyncio.to_thread(file.writelines, waiting)
                waiting, waiting_bytes = [], 0
        await asyncio.to_thread(file.writelines, waiting)
    return size_bytes


def plain_name(name: str) -> str:
    """A name as it is shown: without folders and control characters, and not endless."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    printable = "".join(sign for sign in last if sign.isprintable()).strip()
    return printable[:LONGEST_NAME] or "sound"


def _form_of(request: Request) -> FilePart | None:
    """What reads the request's form, or None where the body is the sound itself."""
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return FilePart(content_type)
    if kind.startswith(("audio/", "video/")) or kind in RAW_TYPES:
        return None
    raise ProblemError(sound_problems.wrong_type(kind))


async def _in_time(request: Request, settings: ServerSettings) -> AsyncIterator[bytes]:
    """The body as it comes; raises ProblemError where it comes too slowly, or has more than any sound and form."""
    started, received = time.monotonic(), 0
    stream = request.stream()
    while True:
        left = started + PATIENCE_SECONDS + received / LEAST_BYTES_A_SECOND - time.monotonic()
        try:
            async with asyncio.timeout(left):
                content = await anext(stream, b"")
        except TimeoutError as error:
            raise ProblemError(sound_problems.too_slow()) from error
        if not content:  # the stream's end, too
            return
        received += len(content)
        if received > settings.max_bytes + FORM_BYTES:
            raise _too_large(request, settings)
        yield content


def _too_large(request: Request, settings: ServerSettings) -> ProblemError:
    """What is said of more than is taken. Whoever did not say how much comes might never end, and is cut off."""
    endless = "content-length" not in request.headers
    return ProblemError(sound_problems.too_large(settings.max_megabytes), {"Connection": "close"} if endless else {})
