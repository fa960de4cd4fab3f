"""`/v1/live`: one sound that comes in while the server runs, listened to once for everybody who wants to know."""

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from earmark.audio.stream.buffer import AudioBuffer
from earmark.audio.stream.open_stream import open_stream
from earmark.errors import AudioError, EarmarkError
from earmark.tagging.live import Live, LiveSettings
from earmark.tagging.tagger import Tagger
from earmark.web.problem import Problem, ProblemError
from earmark.web.tracks import QUIET_SECONDS

STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
STOP_SECONDS = 3.0
EXAMPLE = (
    "event: tags\n"
    'data: {"seconds": 12.539, "window_seconds": 10.0, "skipped_seconds": 0.0, "silent": false, '
    '"tags": [{"label": "piano", "group": "instruments", "probability": 0.87}]}\n\n'
)

router = APIRouter(prefix="/v1/live", tags=["live"])


@dataclass(frozen=True)
class LiveEvent:
    """What is told of a live sound.

    "notice": what happened on the way, such as that no sound came yet. "tags": an answer. "ended": what all of it was
    like, and why it ended where that was not by itself; nothing comes after it.
    """

    name: Literal["notice", "tags", "ended"]
    data: dict[str, object]

    @property
    def last(self) -> bool:
        """Whether nothing comes after it."""
        return self.name == "ended"


class LiveFeed:
    """A live sound that is listened to while it is open, and the newest event of it for any number of followers.

    A context manager, entered once: listening has a thread of its own.
    """

    def __init__(self, tagger: Tagger, source: str, stdin: BinaryIO, settings: LiveSettings | None = None) -> None:
        """`source`: as `open_stream` has it. Raises as that does, and TagError where the settings do not fit."""
        rate_hz = tagger.card.rate_hz
        stream = open_stream(source, rate_hz, self._tell, stdin=stdin)
        self._live = Live(tagger, settings or LiveSettings(), stream.name)
        self._buffer = AudioBuffer(stream, rate_hz)
        self._lock = threading.Lock()
        self._told: tuple[int, LiveEvent] = (1, LiveEvent("notice", {"detail": "No sound has come in yet."}))
        self._followers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        # A daemon, as the buffer's own: a source that says nothing must not keep Python from ending.
        self._thread = threading.Thread(target=self._listen, name="earmark-live", daemon=True)

    def __enter__(self) -> "LiveFeed":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._buffer.stop()
        self._thread.join(timeout=STOP_SECONDS)

    async def events(self) -> AsyncIterator[LiveEvent | None]:
        """The present event and those after it, the newest where several came at once; None where all is quiet."""
        changed = asyncio.Event()
        follower = (asyncio.get_running_loop(), changed)
        with self._lock:
            self._followers.add(follower)
        seen = 0
        try:
            while True:
                changed.clear()
                number, event = self._told
                if number > seen:
                    seen = number
                    yield event
                    if event.last:
                        return
                    continue
                try:
                    async with asyncio.timeout(QUIET_SECONDS):
                        await changed.wait()
                except TimeoutError:
                    yield None
        finally:
            with self._lock:
                self._followers.discard(follower)

    def _tell(self, detail: str) -> None:
        self._publish(LiveEvent("notice", {"detail": detail}))

    def _listen(self) -> None:
        """The thread."""
        problem: str | None = "Listening stopped for a reason that nobody foresaw; the server's log says more."
        overall: dict[str, object] | None = None
        try:
            problem = self._problem_at_the_end()
            if self._live.heard_seconds:
                overall = self._live.finish().to_dict()
        except EarmarkError as error:
            problem = str(error)
        finally:
            self._publish(LiveEvent("ended", {"overall": overall, "problem": problem}))

    def _problem_at_the_end(self) -> str | None:
        """Listen to the end; returns why the sound broke off, where it did."""
        try:
            with self._buffer:
                for moment in self._live.listen(self._buffer, self._tell):
                    self._publish(LiveEvent("tags", moment.to_dict()))
        except AudioError as error:
            return str(error)
        return None

    def _publish(self, event: LiveEvent) -> None:
        with self._lock:
            self._told = (self._told[0] + 1, event)
            for loop, changed in self._followers:
                with contextlib.suppress(RuntimeError):  # its loop is closed, and the follower gone
                    loop.call_soon_threadsafe(changed.set)


@router.get(
    "",
    summary="The live sound",
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}, "example": EXAMPLE}}},
    },
    response_class=StreamingResponse,
)
async def live_events(request: Request) -> StreamingResponse:
    """Server-sent events, from the present one on: `notice`, `tags` with every answer, and last `ended`."""
    feed: LiveFeed | None = getattr(request.app.state, "live", None)
    if feed is None:
        raise ProblemError(no_live_sound())
    return StreamingResponse(_stream(feed.events()), media_type="text/event-stream", headers=STREAM_HEADERS)


def no_live_sound() -> Problem:
    """A question about a live sound where there is none."""
    return Problem(
        "no-live-sound",
        404,
        "There is no live sound",
        "This server listens to no live sound.",
        "Start it with one: earmark serve --listen http://... (or - for standard input, or microphone)",
    )


async def _stream(events: AsyncIterator[LiveEvent | None]) -> AsyncIterator[str]:
    """Events in their text form; a comment where nothing has happened for a while."""
    async for event in events:
        yield f"event: {event.name}\ndata: {json.dumps(event.data)}\n\n" if event is not None else ": still here\n\n"
