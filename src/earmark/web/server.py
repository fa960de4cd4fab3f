"""A running server: what its requests share, the private folder of its uploads, and serving at an address."""

import asyncio
import os
import shutil
import socket
import stat
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO

import uvicorn
from fastapi import Depends, FastAPI, Request

from earmark.errors import EarmarkError
from earmark.tagging.tagger import Tagger
from earmark.web import problems
from earmark.web.events import Event
from earmark.web.job import JobProgress, SoundJob, Want
from earmark.web.job_queue import JobQueue, JobWaiting, Slot, ignore_messages
from earmark.web.metrics import Metrics
from earmark.web.problems import ProblemError
from earmark.web.settings import ServerSettings
from earmark.web.tracks import KeptTrack, Tracks

SWEEP_SECONDS = 15.0
GRACE_SECONDS = 5
"""How long running requests may take when the server is told to end."""
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
                track.events.publish(Event("done", {"track": f"/v1/tracks/{track.id}"}))
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
        )
        sweeper = asyncio.create_task(_sweep(server.tracks))
        try:
            await server.queue.open()
            yield server
        finally:
            sweeper.cancel()
            await server.tracks.clear()
            await server.queue.close()


async def _sweep(tracks: Tracks) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        tracks.sweep()


def server_of(request: Request) -> Server:
    """Return the server of a request."""
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


class _UvicornServer(uvicorn.Server):
    """A uvicorn server that announces its start, and ends streams of events when it is told to end."""

    def __init__(self, app: FastAPI, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._app, self._announce = app, announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.started:
            server: Server = self._app.state.server
            await server.tracks.clear()  # this also ends their streams of events
        await super().shutdown(sockets)


def serve(app: FastAPI, host: str, port: int, announce: Callable[[str], None]) -> bool:
    """Serve an application until a signal ends it; return whether it was started.

    `announce`: called with the address of the server. Raises EarmarkError if the address cannot be used.
    """
    config = uvicorn.Config(
        app, log_level="warning", server_header=False, proxy_headers=False, timeout_graceful_shutdown=GRACE_SECONDS
    )
    with _bound_socket(host, port) as bound:
        server = _UvicornServer(app, config, lambda: announce(_address(bound)))
        server.run(sockets=[bound])
    return server.started


def _bound_socket(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address and does not accept connections yet."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # on Windows two servers could use one port then
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise EarmarkError(
            f"{host}, port {port}: found an address that cannot be used ({error.strerror or error}), expected a free "
            "port of this machine. Choose another --port, or another --host of this machine."
        ) from error
    return bound


def _address(bound: socket.socket) -> str:
    """Return the URL at which this machine reaches a server."""
    host, port = bound.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/"
