"""Uploads: writing the sounds of a request to files while they arrive, within the limits of the server."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Request
from starlette.requests import ClientDisconnect

from earmark.web import problems
from earmark.web.form import FORM_BYTES, FormReader
from earmark.web.metrics import Metrics
from earmark.web.problem import Problem, ProblemError
from earmark.web.settings import ServerSettings

LEAST_BYTES_A_SECOND = 20_000
FIRST_SECONDS = 5.0
"""An upload is not given up for another before it has had this time, as a server that is busy reads late."""
STEP_BYTES = 1 << 18
"""How much of a body is parsed and written at a time."""
THREADS = 2
"""How many uploads are parsed and written at a time; a form can be made so that parsing it is slow."""
JSON_BYTES = 1 << 20
LONGEST_NAME = 200
FIELD = "file"
"""The field of a form that holds the sound."""
RAW_TYPES = ("application/octet-stream", "application/ogg", "application/mp4")
CLOSE = {"Connection": "close"}


@dataclass(frozen=True)
class Upload:
    """A sound that was received: its file, the name that the client gave it, and its size."""

    path: Path
    name: str
    size_bytes: int


class Incoming:
    """An upload that is arriving: how much has come, and for how long the server has waited for it.

    The time in which the server itself is busy with what has come does not count.
    """

    def __init__(self, idle_seconds: float, clock: Callable[[], float], expected_bytes: int | None = None) -> None:
        """`expected_bytes`: how much the request announces; None if it does not say."""
        self._idle_seconds, self._clock, self._expected_bytes = idle_seconds, clock, expected_bytes
        self._waited_seconds = 0.0
        self._waits_since: float | None = None
        self._problem: Problem | None = None
        self._timeout: asyncio.Timeout | None = None
        self.size_bytes = 0

    @property
    def bytes_a_second(self) -> float:
        """The mean rate up to now; infinite for an upload that has just begun."""
        seconds = self._seconds
        return self.size_bytes / seconds if seconds >= FIRST_SECONDS else float("inf")

    @property
    def seconds_left(self) -> float:
        """How long the rest will take at the mean rate; one of unknown length is expected to take as long again."""
        seconds = self._seconds
        rate = max(LEAST_BYTES_A_SECOND, self.size_bytes / seconds if seconds else 0.0)
        expected_bytes = 2 * self.size_bytes if self._expected_bytes is None else self._expected_bytes
        return max(0, expected_bytes - self.size_bytes) / rate

    @property
    def _seconds(self) -> float:
        """How long the server has waited for bytes."""
        return self._waited_seconds + (0.0 if self._waits_since is None else self._clock() - self._waits_since)

    def give_up(self, problem: Problem) -> None:
        """End the upload with a problem as soon as it waits for more bytes."""
        self._problem = problem
        if self._timeout is not None:
            self._timeout.reschedule(asyncio.get_running_loop().time())

    async def next(self, stream: AsyncIterator[bytes]) -> bytes:
        """Return the next bytes of the body; none at its end. Raises ProblemError if it is too slow or is given up."""
        left = self._idle_seconds + min(0.0, self.size_bytes / LEAST_BYTES_A_SECOND - self._waited_seconds)
        if left <= 0:
            self._problem = self._problem or problems.TOO_SLOW
        if self._problem is None:
            self._waits_since = self._clock()
            try:
                async with asyncio.timeout(left) as self._timeout:
                    content = await anext(stream, b"")
                self.size_bytes += len(content)
                return content
            except TimeoutError:
                self._problem = self._problem or problems.TOO_SLOW
            finally:
                self._waited_seconds, self._waits_since = self._seconds, None
                self._timeout = None
        soon = problems.SOON if self._problem == problems.ENDING else {}
        raise ProblemError(self._problem, {**CLOSE, **soon})


class Uploads:
    """The uploads that arrive at a server; belongs to one event loop.

    If there are too many, the slowest one is given up, unless all keep to the least rate.
    """

    def __init__(self, settings: ServerSettings, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: in seconds."""
        self._settings, self._metrics, self._clock = settings, metrics, clock
        self._incoming: set[Incoming] = set()
        self._threads = ThreadPoolExecutor(THREADS, "earmark-uploads")
        self._ending = False

    def end(self) -> None:
        """Give up all uploads, as the server ends."""
        self._ending = True
        for each in self._incoming:
            each.give_up(problems.ENDING)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()

    async def receive(self, request: Request, path: Path) -> Upload:
        """Write the sound of a request to a path: the field FIELD of a form, or the whole body.

        Raises ProblemError for a body of another type (415), one that is too large (413, at once if the header says
        so), too slow (408), not a valid form (400), with other fields (422), or empty (422), and OSError if the path
        cannot be written.
        """
        content_type = _content_type(request)
        settings = self._settings
        path.touch()
        form = FormReader(content_type, FIELD) if content_type.startswith("multipart/form-data") else None
        ((own_name, size_bytes),) = await self._write(
            request,
            [path],
            form,
            settings.max_bytes + (FORM_BYTES if form is not None else 0),
            problems.too_large(settings.max_megabytes),
        )
        name = request.query_params.get("name", "") or own_name
        if not size_bytes:
            raise ProblemError(problems.no_sound("The file is empty (0 bytes)."))
        self._metrics.uploaded_bytes.inc(size_bytes)
        return Upload(path, plain_name(name), size_bytes)

    async def receive_many(self, request: Request, folder: Path, count: Callable[[int], None]) -> list[Upload]:
        """Write the sounds of a form with many files to a folder. Raises the errors of `receive`, and those of `count`.

        `count`: called with the size of each part of the body before it is written, in bytes.
        """
        content_type = _content_type(request)
        if not content_type.startswith("multipart/form-data"):
            raise ProblemError(problems.wrong_type(content_type))
        most_files = self._settings.max_batch_files
        form = FormReader(content_type, FIELD, most_files)
        paths = [folder / f"{number}.sound" for number in range(most_files)]
        most_bytes = self._settings.max_batch_bytes + FORM_BYTES
        limit = problems.too_large(self._settings.max_batch_megabytes, "batch", "--max-batch-megabytes")
        written = await self._write(request, paths, form, most_bytes, limit, count)
        self._metrics.uploaded_bytes.inc(sum(size_bytes for _, size_bytes in written))
        uploads = [Upload(path, plain_name(name), size) for path, (name, size) in zip(paths, written, strict=False)]
        for each in uploads:
            each.path.touch()  # an empty file has a problem of its own among the results
        return uploads

    async def receive_json(self, request: Request) -> bytes:
        """Return a body of JSON; raise ProblemError if it is too large (413) or too slow (408)."""
        limit = problems.too_large(JSON_BYTES / 1_000_000, "request", "")
        with self._take(request, JSON_BYTES, limit) as incoming:
            return b"".join([content async for content in _steps(request, incoming, JSON_BYTES, limit)])

    async def _write(
        self,
        request: Request,
        paths: list[Path],
        form: FormReader | None,
        most_bytes: int,
        limit: Problem,
        count: Callable[[int], None] = lambda _: None,
    ) -> list[tuple[str, int]]:
        """Write the files of a body to paths while they arrive; return their names and sizes in bytes.

        limit: the problem of a body of more than `most_bytes`. count: see `receive_many`.
        """
        sizes = [0] * len(paths)

        def write(content: bytes) -> None:
            for number, found in [(0, content)] if form is None else form.feed(content):
                sizes[number] += len(found)
                if sizes[number] > self._settings.max_bytes:
                    raise _too_large(request, problems.too_large(self._settings.max_megabytes))
                with paths[number].open("ab") as file:
                    file.write(found)

        loop = asyncio.get_running_loop()
        with self._take(request, most_bytes, limit) as incoming:
            async for content in _steps(request, incoming, most_bytes, limit):
                count(len(content))
                await loop.run_in_executor(self._threads, write, content)
        names = [""] if form is None else form.finish()
        return list(zip(names, sizes, strict=False))

    def check(self) -> Incoming | None:
        """Return the slow upload that another one would replace; None if there is room.

        Raises ProblemError if there are too many uploads and none is slow (429, which says when the first will be done
        at its rate), or the server is ending (503).
        """
        if self._ending:
            raise ProblemError(problems.ENDING, problems.SOON)
        if len(self._incoming) < self._settings.max_uploads:
            return None
        slowest = min(self._incoming, key=lambda each: each.bytes_a_second)
        if slowest.bytes_a_second >= LEAST_BYTES_A_SECOND:
            self._metrics.refused.inc()
            raise ProblemError(problems.full(self.seconds_left))
        return slowest

    @property
    def seconds_left(self) -> int:
        """In how many seconds the first of the uploads will be done at its rate, at least 1."""
        return max(1, math.ceil(min((each.seconds_left for each in self._incoming), default=0)))

    @contextmanager
    def _take(self, request: Request, most_bytes: int, limit: Problem) -> Iterator[Incoming]:
        """Count an upload while it arrives, in place of a slow one if there are too many.

        Raises ProblemError as `check` does, and with `limit` if the request announces more than `most_bytes`.
        """
        expected_bytes = declared_bytes(request)
        if expected_bytes is not None and expected_bytes > most_bytes:
            raise ProblemError(limit)
        slowest = self.check()
        if slowest is not None:
            self._incoming.discard(slowest)
            slowest.give_up(problems.TOO_SLOW)
        incoming = Incoming(self._settings.idle_seconds, self._clock, expected_bytes)
        self._incoming.add(incoming)
        self._metrics.uploads.set(len(self._incoming))
        try:
            yield incoming
        finally:
            self._incoming.discard(incoming)
            self._metrics.uploads.set(len(self._incoming))


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


def declared_bytes(request: Request) -> int | None:
    """Return how many bytes the header of a request announces; None if it does not say."""
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isascii() and declared.isdecimal() else None


def _content_type(request: Request) -> str:
    """Return the Content-Type of a body that is a form or a sound; raise ProblemError (415) for any other."""
    content_type = request.headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "multipart/form-data" or media_type.startswith(("audio/", "video/")) or media_type in RAW_TYPES:
        return media_type + content_type[len(content_type.partition(";")[0]) :]
    raise ProblemError(problems.wrong_type(media_type))


async def _steps(request: Request, incoming: Incoming, most_bytes: int, limit: Problem) -> AsyncIterator[bytes]:
    """Yield the body in steps while it arrives; raise ProblemError if it is too slow or too large."""
    stream = request.stream()
    waiting: list[bytes] = []
    waiting_bytes = 0
    while content := await incoming.next(stream):  # the stream ends with empty bytes
        if incoming.size_bytes > most_bytes:
            raise _too_large(request, limit)
        waiting.append(content)
        waiting_bytes += len(content)
        if waiting_bytes >= STEP_BYTES:
            yield b"".join(waiting)
            waiting, waiting_bytes = [], 0
    yield b"".join(waiting)


def _too_large(request: Request, limit: Problem) -> ProblemError:
    """Return the error of a body that is too large; a body without a stated length is cut off, as it may never end."""
    endless = "content-length" not in request.headers
    return ProblemError(limit, CLOSE if endless else {})
