"""The tracks that a server keeps on disk for a while, each with its events."""

import asyncio
import secrets
import shutil
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from earmark.web import problems
from earmark.web.events import Event, EventFeed
from earmark.web.metrics import Metrics
from earmark.web.problem import Problem, ProblemError
from earmark.web.settings import ServerSettings

IDENTIFIER_BYTES = 16


class KeptTrack:
    """One track. Its identifier is random, so that only those who were told it can ask for the track."""

    def __init__(self, name: str, sound: Path, media_type: str, folder: Path, clock: Callable[[], float]) -> None:
        """`sound`: a file in the track's own folder, or a file of the library. `clock`: in seconds."""
        self.id = secrets.token_urlsafe(IDENTIFIER_BYTES)
        self.name, self.sound, self.media_type, self.folder = name, sound, media_type, folder
        self.problem: Problem | None = None
        self.task: asyncio.Task[None] | None = None
        self.converting = asyncio.Lock()
        """Held while the track is converted to FLAC."""
        self.events = EventFeed(Event("waiting", {"ahead": 0}))
        self._clock = clock
        self.used = clock()

    @property
    def result(self) -> Path:
        """The file of the result, which exists when the track is done."""
        return self.folder / "answer.json"

    @property
    def flac(self) -> Path:
        """The file of the sound as FLAC, which exists after a request for it."""
        return self.folder / "sound.flac"

    @property
    def finished(self) -> bool:
        """Whether the track is done or has failed."""
        return self.events.newest.last

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Start the analysis of the track."""
        self.task = asyncio.create_task(work)

    def touch(self) -> None:
        """Remember that the track is in use now."""
        self.used = self._clock()

    def fail(self, problem: Problem) -> None:
        """Publish that the track has failed, unless it is finished."""
        if not self.finished:
            self.problem = problem
            self.events.publish(Event("failed", problem.to_dict()))

    def read_result(self) -> bytes:
        """Return the result as JSON; raise ProblemError (404) if the track was removed meanwhile."""
        try:
            return self.result.read_bytes()
        except FileNotFoundError as error:
            raise ProblemError(problems.UNKNOWN_TRACK) from error


class Tracks:
    """All tracks that a server keeps."""

    def __init__(
        self, settings: ServerSettings, folder: Path, metrics: Metrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`folder`: a private folder that will hold a folder for each track."""
        self._settings, self._folder, self._metrics, self._clock = settings, folder, metrics, clock
        self._tracks: dict[str, KeptTrack] = {}

    def __len__(self) -> int:
        return len(self._tracks)

    def new_folder(self) -> Path:
        """Create a folder for a new sound."""
        folder = self._folder / secrets.token_hex(IDENTIFIER_BYTES)
        folder.mkdir(mode=0o700)
        return folder

    def remove_folder(self, folder: Path) -> None:
        """Remove a folder with everything in it."""
        shutil.rmtree(folder, ignore_errors=True)

    def add(self, name: str, sound: Path, media_type: str, folder: Path) -> KeptTrack:
        """Add a track and remove those that exceed the limits."""
        track = KeptTrack(name, sound, media_type, folder, self._clock)
        self._tracks[track.id] = track
        self.sweep()
        return track

    def get(self, identifier: str) -> KeptTrack:
        """Return a track; raise ProblemError (404) for an unknown identifier."""
        track = self._tracks.get(identifier)
        if track is None:
            raise ProblemError(problems.UNKNOWN_TRACK)
        track.touch()
        return track

    def finished(self, identifier: str) -> KeptTrack:
        """Return a track that is done.

        Raises ProblemError: 404 for an unknown identifier, 409 if the track is not done yet, and the track's own
        problem if it has failed.
        """
        track = self.get(identifier)
        if track.problem is not None:
            raise ProblemError(track.problem)
        if not track.finished:
            raise ProblemError(problems.NOT_FINISHED)
        return track

    def forget_sound(self, track: KeptTrack) -> None:
        """Remove the sound that was uploaded for a track; a file of the library is left alone."""
        if track.sound.parent == track.folder:
            track.sound.unlink(missing_ok=True)

    def remove(self, track: KeptTrack, reason: Problem = problems.UNKNOWN_TRACK) -> None:
        """Remove a track and its files, and tell its followers the reason."""
        self._tracks.pop(track.id, None)
        track.fail(reason)
        if track.task is not None:
            track.task.cancel()
        self.remove_folder(track.folder)
        self._metrics.tracks.set(len(self._tracks))

    def sweep(self) -> None:
        """Remove tracks that were not used for too long, and the oldest ones if there are too many."""
        now = self._clock()
        finished = sorted((track for track in self._tracks.values() if track.finished), key=lambda track: track.used)
        for track in finished:
            if now - track.used > self._settings.keep_minutes * 60:
                self.remove(track)
        kept = [track for track in finished if track.id in self._tracks]
        sizes = {track.id: _size_bytes(track.folder) for track in kept}
        total = sum(sizes.values())
        for track in kept:
            if len(self._tracks) <= self._settings.kept_tracks and total <= self._settings.kept_megabytes * 1_000_000:
                break
            total -= sizes[track.id]
            self.remove(track)
        self._metrics.tracks.set(len(self._tracks))

    async def clear(self) -> None:
        """Remove all tracks, as the server ends, and wait until no analysis runs any more."""
        tasks = [track.task for track in self._tracks.values() if track.task is not None]
        for track in list(self._tracks.values()):
            self.remove(track, problems.ENDING)
        await asyncio.gather(*tasks, return_exceptions=True)


def _size_bytes(folder: Path) -> int:
    """Return the total size of the files in a folder; 0 if another thread or program has removed it."""
    try:
        return sum(file.stat().st_size for file in folder.iterdir())
    except FileNotFoundError:
        return 0
