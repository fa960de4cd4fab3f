"""`/v1/live`: a sound that arrives while the server runs, tagged once for all followers."""

import threading
from typing import BinaryIO

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from earmark.audio.stream.buffer import AudioBuffer
from earmark.audio.stream.open_stream import open_stream
from earmark.errors import AudioError, EarmarkError
from earmark.tagging.live import Live, LiveSettings
from earmark.tagging.tagger import Tagger
from earmark.web import problems
from earmark.web.events import Event, EventFeed, event_response
from earmark.web.problem import ProblemError
from earmark.web.schemas import LIVE_EVENTS

STOP_SECONDS = 3.0

router = APIRouter(prefix="/v1/live", tags=["live"])


class LiveSound:
    """Tags a live sound in a thread of its own and publishes its events.

    A context manager that is entered once.
    """

    def __init__(self, tagger: Tagger, source: str, stdin: BinaryIO, settings: LiveSettings | None = None) -> None:
        """`source`, `stdin`: as for `open_stream`.

        Raises the errors of `open_stream`, and TagError for settings that do not fit the model.
        """
        self.events = EventFeed(Event("notice", {"detail": "No sound has arrived yet."}))
        rate_hz = tagger.card.rate_hz
        stream = open_stream(source, rate_hz, self._notify, stdin=stdin)
        self._live = Live(tagger, settings or LiveSettings(), stream.name)
        self._buffer = AudioBuffer(stream, rate_hz)
        # The thread is a daemon, so that a source without sound cannot keep Python from ending.
        self._thread = threading.Thread(target=self._tag, name="earmark-live", daemon=True)

    def __enter__(self) -> "LiveSound":
        self._thread.start()
        return self

    def end(self) -> None:
        """Tell all followers that the server ends."""
        self.events.publish(Event("ended", {"overall": None, "problem": problems.ENDING.detail}))

    def __exit__(self, *_: object) -> None:
        self._buffer.stop()
        self._thread.join(timeout=STOP_SECONDS)

    def _notify(self, detail: str) -> None:
        self.events.publish(Event("notice", {"detail": detail}))

    def _tag(self) -> None:
        """Tag the sound to its end, and publish the last event whatever happens."""
        problem: str | None = "An unexpected error stopped the analysis; the server's log says more."
        overall: dict[str, object] | None = None
        try:
            problem = self._tag_moments()
            if self._live.analysed_seconds:
                overall = self._live.finish().to_dict()
        except EarmarkError as error:
            problem = str(error)
        finally:
            self.events.publish(Event("ended", {"overall": overall, "problem": problem}))

    def _tag_moments(self) -> str | None:
        """Publish tags while the sound arrives; return why it broke off, or None if it ended by itself."""
        try:
            with self._buffer:
                for moment in self._live.listen(self._buffer, self._notify):
                    self.events.publish(Event("tags", moment.to_dict()))
        except AudioError as error:
            return str(error)
        return None


@router.get("", summary="Follow the live sound", responses=LIVE_EVENTS, response_class=StreamingResponse)
async def follow_live_sound(request: Request) -> StreamingResponse:
    """Stream the newest event and those after it: `notice`, `tags` with every answer, and last `ended`."""
    live: LiveSound | None = request.app.state.live
    if live is None:
        raise ProblemError(problems.NO_LIVE_SOUND)
    return event_response(live.events)
