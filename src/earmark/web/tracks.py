"""The tracks that a server was given: each with its events, kept on disk for a while."""

import asyncio
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from earmark.web import problems
from earmark.web.metrics import Metrics
from earmark.web.problem import Problem, ProblemError
from earmark.web.settings import ServerSettings

QUIET_SECONDS = 15.0
"""After which a stream of events says that it is still there, so that no proxy ends it."""
IDENTIFIER_BYTES = 16


@dataclass(frozen=True)
class Event:
    """What is told of a track; `last`: nothing comes after it."""

    name: Literal["waiting", "progress", "done", "failed"]
    data: dict[str, object]

    @property
    def last(self) -> bool:
        """Whether nothing comes after it."""
        return self.name in ("done", "failed")


class KeptTrack:
    """One track: who has its identifier may see it."""

    def __init__(self, name: str, sound: Path, media_type: str, folder: Path, clock: Callable[[], float]) -> None:
        """`sound`: in the track's own folder, or a file of the library."""
        self.id = secrets.token_urlsafe(IDENTIFIER_BYTES)
        self.name, self.sound, self.media_type, self.folder = name, sound, media_type, folder
        self.problem: Problem | None = None
        self.task: asyncio.Task[None] | None = None
        self.making = asyncio.Lock()
        """Held while it is made into FLAC."""
        self.event = Event("waiting", {"ahead": 0})
        self._clock = clock
        self._changed = asyncio.Event()
        self.used = clock()

    @property
    def answer(self) -> Path:
        """Where its answer is, once it is done."""
        return self.folder / "answer.json"

    @property
    def flac(self) -> Path:
        """Where it is as FLAC, once somebody asked for that."""
        return self.folder / "sound.flac"

    @property
    def finished(self) -> bool:
        """Whether it is done or has failed."""
        return self.event.last

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Start what listens to it; `remove` ends that."""
        self.task = asyncio.create_task(work)

    def touch(self) -> None:
        """Note that it is in use."""
        self.used = self._clock()

    def tell(self, event: Event) -> None:
        """Tell all who follow; after a last event nothing is told any more."""
        if self.event.last:
            return
        self.event = event
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def fail(self, problem: Problem) -> None:
        """Tell that it cannot be used, unless that or its end is told already."""
        if self.event.last:
            return
        self.problem = problem
        self.tell(Event("failed", problem.to_dict()))

    async def events(self) -> AsyncIterator[Event | None]:
        """Its events from the present one on, the newest where several came at once; None where all is quiet."""
        told: Event | None = None
        while True:
            changed = self._changed
            if self.event is not told:
                told = self.event
                yield told
                if told.last:
                    return
                continue
            try:
                async with asyncio.timeout(QUIET_SECONDS):
                    await changed.wait()
            except TimeoutError:
                yield None


class Tracks:
    """All kept tracks."""

    def __init__(
        self, settings: ServerSettings, folder: Path, metrics: Metrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`folder`: private, for the tracks' own folders."""
        self._settings, self._folder, self._metrics, self._clock = settings, folder, metrics, clock
        self._tracks: dict[str, KeptTrack] = {}

    def __len__(self) -> int:
        return len(self._tracks)

    def new_folder(self) -> Path:
        """A folder for a sound that is to come."""
        folder = self._folder / secrets.token_hex(IDENTIFIER_BYTES)
        folder.mkdir(mode=0o700)
        return folder

    def remove_folder(self, folder: Path) -> None:
        """Remove a folder with all that is in it."""
        shutil.rmtree(folder, ignore_errors=True)

    def add(self, name: str, sound: Path, media_type: str, folder: Path) -> KeptTrack:
        """Keep a track."""
        track = KeptTrack(name, sound, media_type, folder, self._clock)
        self._tracks[track.id] = track
        self.sweep()
        return track

    def get(self, identifier: str) -> KeptTrack:
        """A track by its identifier; raises ProblemError (404)."""
        track = self._tracks.get(identifier)
        if track is None:
            raise ProblemError(problems.unknown_track())
        track.touch()
        return track

    def finished(self, identifier: str) -> KeptTrack:
        """A track that is done; raises ProblemError: 404, 409 where it is not done yet, or what is wrong with it."""
        track = self.get(identifier)
        if track.problem is not None:
            raise ProblemError(track.problem)
        if not track.finished:
            raise ProblemError(problems.not_finished())
        return track

    def forget_sound(self, track: KeptTrack) -> None:
        """Remove the sound that was brought for a track; a file of the library stays where it is."""
        if track.sound.parent == track.folder:
            track.sound.unlink(missing_ok=True)

    def remove(self, track: KeptTrack, reason: Problem | None = None) -> None:
        """Forget a track, with all that is on disk of it; who follows it is told the reason."""
        self._tracks.pop(track.id, None)
        track.fail(problems.unknown_track() if reason is None else reason)
        if track.task is not None:
            track.task.cancel()
        self.remove_folder(track.folder)
        self._metrics.tracks.set(len(self._tracks))

    def sweep(self) -> None:
        """Remove those whose time is over, and the oldest of those that are more than are kept."""
        now = self._clock()
        finished = sorted((track for track in self._tracks.values() if track.finished), key=lambda track: track.used)
        for track in finished:
            if now - track.used > self._settings.keep_minutes * 60:
                self.remove(track)
        kept = [track for track in finished if track.id in self._tracks]
        sizes = {track.id: _size(track.folder) for track in kept}
        total = sum(sizes.values())
        for track in kept:
            if len(self._tracks) <= self._settings.kept_tracks and total <= self._settings.kept_megabytes * 1_000_000:
                break
            total -= sizes[track.id]
            self.remove(track)
        self._metrics.tracks.set(len(self._tracks))

    async def clear(self) -> None:
        """Remove all, as the server ends, and wait until nothing listens to them any more."""
        tasks = [track.task for track in self._tracks.values() if track.task is not None]
        for track in list(self._tracks.values()):
            self.remove(track, problems.ending())
        await asyncio.gather(*tasks, return_exceptions=True)


def _size(folder: Path) -> int:
    """The bytes of a track's files."""
    try:
        return sum(file.stat().st_size for file in folder.iterdir())
    except FileNotFoundError:  # somebody else tidies up
        return 0
