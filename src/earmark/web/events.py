"""Server-sent events: a feed keeps the newest event and gives it to any number of followers."""

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

from fastapi.responses import StreamingResponse

QUIET_SECONDS = 15.0
"""A stream without events sends a comment this often, so that no proxy closes it."""
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@dataclass(frozen=True)
class Event:
    """An event of a track or of the live sound, with data for JSON.

    Of a track: "waiting", "progress", and last "done" or "failed". Of the live sound: "notice", such as that no sound
    has arrived yet; "tags"; and last "ended".
    """

    name: Literal["waiting", "progress", "done", "failed", "notice", "tags", "ended"]
    data: dict[str, object]

    @property
    def last(self) -> bool:
        """Whether no event follows."""
        return self.name in ("done", "failed", "ended")


class EventFeed:
    """Keeps the newest event for followers on any event loop. Any thread may publish."""

    def __init__(self, first: Event) -> None:
        self._lock = threading.Lock()
        self._newest = (1, first)
        self._followers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    @property
    def newest(self) -> Event:
        """The event that was published last."""
        return self._newest[1]

    def publish(self, event: Event) -> None:
        """Give an event to all followers; after a last event, do nothing."""
        with self._lock:
            number, newest = self._newest
            if newest.last:
                return
            self._newest = (number + 1, event)
            for loop, changed in self._followers:
                with contextlib.suppress(RuntimeError):  # the loop of a follower that has gone is closed
                    loop.call_soon_threadsafe(changed.set)

    async def follow(self) -> AsyncIterator[Event | None]:
        """Yield the newest event and those after it, up to the last one.

        A follower that is slower than the events gets only the newest of them. None stands for QUIET_SECONDS without an
        event.
        """
        changed = asyncio.Event()
        follower = (asyncio.get_running_loop(), changed)
        with self._lock:
            self._followers.add(follower)
        seen = 0
        try:
            while True:
                changed.clear()
                number, event = self._newest
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


def event_response(feed: EventFeed) -> StreamingResponse:
    """Return a response that streams the events of a feed (text/event-stream)."""
    return StreamingResponse(_lines(feed.follow()), media_type="text/event-stream", headers=HEADERS)


async def _lines(events: AsyncIterator[Event | None]) -> AsyncIterator[str]:
    """Yield each event as text, and a comment for each quiet period."""
    async for event in events:
        yield f"event: {event.name}\ndata: {json.dumps(event.data)}\n\n" if event is not None else ": still here\n\n"
