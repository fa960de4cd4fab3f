"""A running server: what its requests share, and the private folder of its uploads."""

import asyncio
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO

from fastapi import Depends, Request

from earmark.tagging.tagger import Tagger
from earmark.web import problems
from earmark.web.batches import SoundBatches
from earmark.web.events import Event
from earmark.web.job import JobProgress, SoundJob, Want
from earmark.web.job_queue import JobQueue, JobWaiting, Slot, ignore_messages
from earmark.web.metrics import Metrics
from earmark.web.problem import ProblemError
from earmark.web.settings import ServerSettings
from earmark.web.tracks import KeptTrack, Tracks
from earmark.web.uploads import Uploads

SWEEP_SECONDS = 15.0
PREFIX = "earmark-serve-"
LOCK = "lock"
"""A file in the private folder that the server keeps locked; the system unlocks it however the server ends."""


@dataclass(frozen=True)
class Server:
    """Everything that requests share; belongs to one event loop."""

    settings: ServerSettings
    tagger: Tagger
    folder: Path
    metrics: Metrics
    queue: JobQueue
    tracks: Tracks
    uploads: Uploads
    batches: SoundBatches

    async def end(self, hurried: Callable[[], bool]) -> None:
        """Give up uploads and waiting jobs, and wait for running jobs as long as the settings allow.

        `hurried`: whether to wait no longer.
        """
        self.uploads.end()
        await self.queue.drain(self.settings.grace_seconds, hurried)
        await self.batches.clear()
        await self.tracks.clear()  # this also ends their streams of events

    def job(self, want: Want, sound: Path, answer: Path, name: str) -> SoundJob:
        """Return a job within the limits of this server."""
        return SoundJob(
            str(sound), str(answer), name, want, self.settings.max_minutes, self.settings.time_limit_seconds
        )

    async def analyse(self, track: KeptTrack, slot: Slot) -> None:
        """Analyse a track, publish its events, and release the slot."""

        def publish(message: JobWaiting | JobProgress) -> None:
            if isinstance(message, JobWaiting):
                track.events.publish(Event("waiting", {"ahead": message.ahead}))
            else:
                progress = {name: getattr(message, name) for name in ("stage", "seconds", "of", "share")}
                track.events.publish(Event("progress", progress))

        with slot:
            try:
                await self.queue.run(self.job("track", track.sound, track.result, track.name), publish)
                track.events.publish(Event("done", {"track": f"{self.settings.root_path}/v1/tracks/{track.id}"}))
            except ProblemError as error:
                track.fail(error.problem)
                self.tracks.forget_sound(track)
            finally:
                # Does nothing to a finished track: this ends the events of one that met an unexpected error.
                track.fail(problems.UNFORESEEN)
                track.touch()

    async def make_flac(self, track: KeptTrack) -> None:
        """Convert the sound of a track to FLAC unless that was done before; raise ProblemError if it fails."""
        async with track.converting:
            if not track.flac.exists():
                part = track.flac.with_suffix(".part")
                with self.queue.take_slot():
                    await self.queue.run(self.job("flac", track.sound, part, track.name), ignore_messages)
                if not part.exists():  # the track was removed meanwhile
                    raise ProblemError(problems.UNKNOWN_TRACK)
                part.rename(track.flac)


@asynccontextmanager
async def running(settings: ServerSettings, tagger: Tagger, metrics: Metrics) -> AsyncIterator[Server]:
    """Give a server with started worker processes; end them and remove its private folder afterwards."""
    with private_folder(settings.folder) as folder:
        server = Server(
            settings=settings,
            tagger=tagger,
            folder=folder,
            metrics=metrics,
            queue=JobQueue(settings, tagger, metrics),
            tracks=Tracks(settings, folder, metrics),
            uploads=Uploads(settings, metrics),
            batches=SoundBatches(settings),
        )
        sweeper = asyncio.create_task(_sweep(server))
        try:
            await server.queue.open()
            yield server
        finally:
            sweeper.cancel()
            await server.batches.clear()
            await server.tracks.clear()
            await server.queue.close()
            server.uploads.close()


async def _sweep(server: Server) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        server.tracks.sweep()
        server.batches.sweep()


async def server_of(request: Request) -> Server:
    """Return the server of a request. It is a coroutine, because FastAPI calls plain functions in another thread."""
    server: Server = request.app.state.server
    return server


AServer = Annotated[Server, Depends(server_of)]


@contextmanager
def private_folder(parent: Path | None) -> Iterator[Path]:
    """Give a folder that only this user may read, and remove it afterwards.

    Folders of servers that were killed are removed first. `parent`: the folder that holds it; None for the system's
    folder for temporary files.
    """
    place = Path(tempfile.gettempdir()) if parent is None else parent
    for left in sorted(place.glob(f"{PREFIX}*")):
        _remove_if_left(left)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    try:
        with (folder / LOCK).open("wb") as lock:
            _try_to_lock(lock)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_if_left(folder: Path) -> None:
    """Remove a folder of this user whose server has ended. On Windows it stays, as nothing tells that there."""
    if sys.platform == "win32":
        return
    try:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            return
        with (folder / LOCK).open("rb") as lock:
            if not _try_to_lock(lock):
                return
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:  # another server is creating or removing it
        return


def _try_to_lock(lock: BinaryIO) -> bool:
    """Lock a file until it is closed; return False if another process has locked it."""
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
