"""One running server: the desk, the kept tracks, the library and the counters, opened and closed together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from earmark.tagging.tagger import Tagger
from earmark.web import library_problems, problems
from earmark.web.collection import Collection
from earmark.web.desk import Desk, Place, Waiting, tell_nobody
from earmark.web.metrics import Metrics
from earmark.web.order import Order, Progress, Want
from earmark.web.private_folder import private_folder
from earmark.web.problem import ProblemError
from earmark.web.settings import ServerSettings
from earmark.web.tracks import Event, KeptTrack, Tracks

SWEEP_SECONDS = 15.0


@dataclass(frozen=True)
class Server:
    """What all requests share; used on one event loop."""

    settings: ServerSettings
    tagger: Tagger
    folder: Path
    metrics: Metrics
    desk: Desk
    tracks: Tracks
    collection: Collection | None

    @property
    def the_collection(self) -> Collection:
        """The library; raises ProblemError (404) where none was given."""
        if self.collection is None:
            raise ProblemError(library_problems.no_library())
        return self.collection

    def order(self, want: Want, sound: Path, answer: Path, name: str) -> Order:
        """An order within this server's limits."""
        return Order(str(sound), str(answer), name, want, self.settings.max_minutes, self.settings.time_limit_seconds)

    async def analyse(self, track: KeptTrack, place: Place) -> None:
        """Listen to a kept track and tell its events; the place is given up in the end."""

        def tell(message: Waiting | Progress) -> None:
            if isinstance(message, Waiting):
                track.tell(Event("waiting", {"ahead": message.ahead}))
            else:
                progress = {name: getattr(message, name) for name in ("stage", "seconds", "of", "share")}
                track.tell(Event("progress", progress))

        with place:
            try:
                await self.desk.listen(self.order("track", track.sound, track.answer, track.name), tell)
                track.tell(Event("done", {"track": f"/v1/tracks/{track.id}"}))
            except ProblemError as error:
                track.fail(error.problem)
                self.tracks.forget_sound(track)
            finally:
                # Of a mistake of the server's own whoever follows is told all the same.
                track.fail(problems.unforeseen())
                track.touch()

    async def make_flac(self, track: KeptTrack) -> None:
        """Have a kept track as FLAC beside it, made when first asked for; raises ProblemError as listening does."""
        async with track.making:
            if not track.flac.exists():
                part = track.flac.with_suffix(".part")
                with self.desk.admit():
                    await self.desk.listen(self.order("flac", track.sound, part, track.name), tell_nobody)
                if not part.exists():  # it was removed meanwhile
                    raise ProblemError(problems.unknown_track())
                part.rename(track.flac)


@asynccontextmanager
async def running(
    settings: ServerSettings, tagger: Tagger, collection: Collection | None, metrics: Metrics
) -> AsyncIterator[Server]:
    """A server with its listeners started; they are ended, and its private folder is removed, whatever happens."""
    with private_folder(settings.folder) as folder:
        server = Server(
            settings=settings,
            tagger=tagger,
            folder=folder,
            metrics=metrics,
            desk=Desk(settings, tagger, metrics),
            tracks=Tracks(settings, folder, metrics),
            collection=collection,
        )
        sweeper = asyncio.create_task(_sweep(server.tracks))
        try:
            await server.desk.open()
            yield server
        finally:
            sweeper.cancel()
            await server.tracks.clear()
            await server.desk.close()


async def _sweep(tracks: Tracks) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        tracks.sweep()


def server_of(request: Request) -> Server:
    """The server that a request came to."""
    server: Server = request.app.state.server
    return server


AServer = Annotated[Server, Depends(server_of)]
