"""Uploads: writing the sound of a request to a file while it arrives, within the limits of the server."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from earmark.web import problems
from earmark.web.problems import ProblemError
from earmark.web.settings import ServerSettings

LEAST_BYTES_A_SECOND = 20_000
PATIENCE_SECONDS = 30.0
"""The time that an upload may take in addition to that of its bytes at the least rate."""
FORM_BYTES = 65_536
"""The bytes that a form may have besides its file."""
FIELD = "file"
"""The field of a form that holds the sound."""
WRITE_BYTES = 1 << 20
LONGEST_NAME = 200
RAW_TYPES = ("application/octet-stream", "application/ogg", "application/mp4")


@dataclass(frozen=True)
class Upload:
    """A sound that was received: the name that the client gave it, and its size."""

    name: str
    size_bytes: int


class FormReader:
    """Reads the field FIELD of a form (multipart/form-data) and skips all other fields."""

    def __init__(self, content_type: str) -> None:
        """`content_type`: the header of the request. Raises ProblemError if it names no boundary."""
        _, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if not boundary:
            raise ProblemError(problems.wrong_form("Its Content-Type names no boundary."))
        self._name = ""
        self._found = self._inside = self._ended = False
        self._header = self._value = b""
        self._content: list[bytes] = []
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._header_name,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_end,
                    "on_part_data": self._data,
                    "on_part_end": self._end,
                    "on_end": self._finish,
                },
            )
        except FormParserError as error:
            raise ProblemError(problems.wrong_form(f"{error}.")) from error

    def feed(self, content: bytes) -> bytes:
        """Take the next bytes of the form and return those of the file. Raises ProblemError if they are no form."""
        try:
            self._parser.write(content)
        except FormParserError as error:
            raise ProblemError(problems.wrong_form(f"{error}.")) from error
        found = b"".join(self._content)
        self._content.clear()
        return found

    def finish(self) -> str:
        """Return the name of the file. Raises ProblemError if the form is incomplete or has no file."""
        if not self._ended:
            raise ProblemError(problems.wrong_form("It is incomplete."))
        if not self._found:
            raise ProblemError(problems.wrong_form(f"It has no field {FIELD!r}."))
        return self._name

    def _begin(self) -> None:
        self._inside = False
        self._header = self._value = b""

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(self._value)
            if options.get(b"name") == FIELD.encode() and not self._found:
                self._inside = self._found = True
                self._name = options.get(b"filename", b"").decode("utf-8", "replace")
        self._header = self._value = b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._inside:
            self._content.append(data[start:end])

    def _end(self) -> None:
        self._inside = False

    def _finish(self) -> None:
        self._ended = True


async def receive(request: Request, path: Path, settings: ServerSettings) -> Upload:
    """Write the sound of a request to a path: the field FIELD of a form, or the whole body.

    Raises ProblemError for a body of another type (415), one that is too large (413, at once if the header says so),
    too slow (408), not a valid form (400), or empty (422), and OSError if the path cannot be written.
    """
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdecimal() and int(declared) > settings.max_bytes + FORM_BYTES:
        raise ProblemError(problems.too_large(settings.max_megabytes))
    form = _form_of(request)
    name = request.query_params.get("name", "")
    size_bytes = await _write_body(request, path, form, settings)
    if form is not None:
        own_name = form.finish()
        name = name or own_name
    if not size_bytes:
        raise ProblemError(problems.no_sound("The file is empty (0 bytes)."))
    return Upload(plain_name(name), size_bytes)


def plain_name(name: str) -> str:
    """Return a name without folders and control characters, with at most LONGEST_NAME characters."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    printable = "".join(character for character in last if character.isprintable()).strip()
    return printable[:LONGEST_NAME] or "sound"


def has_body(request: Request) -> bool:
    """Return whether the headers of a request announce a body."""
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers


async def while_connected(request: Request, work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine, and cancel it if the client disconnects; raise ClientDisconnect then."""
    task = asyncio.create_task(work)
    disconnected = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait((task, disconnected), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        await task
    finally:
        task.cancel()
        disconnected.cancel()
        await asyncio.gather(task, disconnected, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        continue


async def _write_body(request: Request, path: Path, form: FormReader | None, settings: ServerSettings) -> int:
    """Write the sound while it arrives and return its size in bytes."""
    size_bytes = waiting_bytes = 0
    waiting: list[bytes] = []
    with path.open("wb") as file:
        async for content in _body(request, settings):
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


def _form_of(request: Request) -> FormReader | None:
    """Return the reader of a request's form, or None if the body is the sound itself."""
    content_type = request.headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        return FormReader(content_type)
    if media_type.startswith(("audio/", "video/")) or media_type in RAW_TYPES:
        return None
    raise ProblemError(problems.wrong_type(media_type))


async def _body(request: Request, settings: ServerSettings) -> AsyncIterator[bytes]:
    """Yield the body while it arrives; raise ProblemError if it is too slow or larger than any sound and form."""
    started, received = time.monotonic(), 0
    stream = request.stream()
    while True:
        left = started + PATIENCE_SECONDS + received / LEAST_BYTES_A_SECOND - time.monotonic()
        try:
            async with asyncio.timeout(left):
                content = await anext(stream, b"")
        except TimeoutError as error:
            raise ProblemError(problems.TOO_SLOW) from error
        if not content:  # the stream ends with empty bytes
            return
        received += len(content)
        if received > settings.max_bytes + FORM_BYTES:
            raise _too_large(request, settings)
        yield content


def _too_large(request: Request, settings: ServerSettings) -> ProblemError:
    """Return the error of a body that is too large; a body without a stated length is cut off, as it may never end."""
    endless = "content-length" not in request.headers
    return ProblemError(problems.too_large(settings.max_megabytes), {"Connection": "close"} if endless else {})
