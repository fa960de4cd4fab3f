"""Verify that files still match what a library stores about them, by their bytes or by analysing them again."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from earmark.audio.identity import same_sound
from earmark.library.adding import promises_more
from earmark.library.analysis import Analysis
from earmark.library.database import Database
from earmark.library.jobs import Broken, Changed, Engine, Identified, Job, Outage, Outcome, Stamp, Vanished
from earmark.library.presence import empty_folder_above
from earmark.library.recording import StoredAnalysis, Track
from earmark.library.remote import is_remote
from earmark.library.scan import is_gone, stamp_of
from earmark.workers.limits import Limits

SCORES_DIFFER = 0.05
"""How much logits may differ; versions of a decoder differ slightly."""
SECONDS_DIFFER = 0.1

What = Literal["missing", "changed", "other sound", "other length", "other scores", "unreadable", "unreachable"]


@dataclass(frozen=True)
class Finding:
    """A file that does not match what the library stores.

    what: missing (it does not exist), changed (its size or modification time, but not its sound), other sound (another
    recording), other length (with `deep`, its sound has another duration; without, its header has a longer one, for
    recordings that an older version stored from a damaged copy), other scores (only with `deep`), unreadable, or
    unreachable (its storage does not respond). detail: a description for people.
    """

    path: str
    what: What
    detail: str


@dataclass(frozen=True)
class _File:
    """A file of a track, with its stamp when it was added (kept) and its stamp now, or None if it does not exist."""

    path: str
    track: Track
    kept: Stamp
    now: Stamp | None


class Verifying:
    """One verification of all files of a library."""

    def __init__(self, database: Database, model_id: int, limits: Limits, *, deep: bool) -> None:
        """Prepare the verification. model_id: the model that analyses files. deep: analyse every file again."""
        self._database, self._model_id, self._limits, self._deep = database, model_id, limits, deep
        self.checked = 0
        """The number of files checked."""
        self.better: list[tuple[Analysis, list[tuple[str, Stamp]]]] = []
        """With `deep`: the new results of tracks with other durations or scores, with their files."""
        self.broken: list[tuple[str, Stamp, str]] = []
        """With `deep`: files that cannot be decoded, with their reasons. Adding them again would not find the fault."""

    def run(self, engine: Engine, watch: Callable[[int], None]) -> Iterator[Finding]:
        """Yield the findings; `watch` is called with the number of files done."""
        files = self._files()
        waiting: dict[str, _File] = {}
        left: dict[int, int] = defaultdict(int)
        heard: dict[int, list[tuple[_File, Analysis]]] = defaultdict(list)
        further: deque[Finding] = deque()
        ended = False
        begun = -1  # The track whose files are being submitted.
        while waiting or not ended:
            while not ended and len(waiting) < engine.capacity:
                file = next(files, None)
                begun = file.track.id if file is not None else -1
                if file is None:
                    ended = True
                elif (finding := _not_there(file)) is not None:
                    self.checked += 1
                    further.append(finding)
                elif file.now is not None:
                    job = Job(file.path, file.now, "analyse" if self._deep or is_remote(file.path) else "identify")
                    engine.submit(job, self._limits.allowed_seconds(file.now.size_bytes, file.track.duration_seconds))
                    waiting[file.path] = file
                    left[file.track.id] += 1
            if waiting:
                job, outcome = engine.wait()
                file = waiting.pop(job.path)
                self.checked += 1
                finding = _difference(file, outcome)
                if finding is not None:
                    further.append(finding)
                    if self._deep and isinstance(outcome, Broken):
                        self.broken.append((job.path, job.stamp, outcome.reason))
                elif isinstance(outcome, Analysis):
                    heard[file.track.id].append((file, outcome))
                left[file.track.id] -= 1
                if not left[file.track.id] and file.track.id != begun:
                    del left[file.track.id]
                    further.extend(self._compared(heard.pop(file.track.id, [])))
            watch(self.checked)
            while further:
                yield further.popleft()
        for found in heard.values():
            yield from self._compared(found)

    def _files(self) -> Iterator[_File]:
        for (number,) in self._database.store.rows("SELECT id FROM tracks ORDER BY id"):
            track = self._database.track(number)
            if track is None:  # It has been removed meanwhile.
                continue
            for path in track.paths:
                known = self._database.known_path(path)
                if known is not None and not known.missing:
                    # The stamp of a remote file cannot be read, so the file is fetched in any case.
                    now = known.stamp if is_remote(path) else stamp_of(path)
                    yield _File(path, track, known.stamp, now)

    def _compared(self, heard: list[tuple[_File, Analysis]]) -> Iterator[Finding]:
        """Compare the best result of a track's files with the stored one."""
        if not heard:
            return
        file, best = max(heard, key=_worth)
        track = file.track
        if abs(best.duration_seconds - track.duration_seconds) > SECONDS_DIFFER or best.truncated != track.truncated:
            what: What = "other length"
            detail = f"the library has {track.duration_seconds:.1f} s, the file has {best.duration_seconds:.1f} s"
        elif track.model_id == self._model_id and np.abs(best.logits - track.logits).max() > SCORES_DIFFER:
            what, detail = "other scores", "its tags differ from the stored ones"
        else:
            return
        by_identity: dict[str, list[tuple[_File, Analysis]]] = defaultdict(list)
        for each in heard:
            by_identity[each[1].identity].append(each)
        for alike in by_identity.values():
            self.better.append((max(alike, key=_worth)[1], [(each.path, each.now or each.kept) for each, _ in alike]))
        yield Finding(file.path, what, detail)


def _worth(heard: tuple[_File, Analysis]) -> tuple[bool, float]:
    """Return the sort key by which the best result of a recording is chosen."""
    return not heard[1].truncated, heard[1].duration_seconds


def _not_there(file: _File) -> Finding | None:
    if file.now is not None:
        return None
    if is_gone(file.path):
        return _gone(file.path, "the file does not exist")
    return Finding(file.path, "unreachable", "it cannot be reached")


def _gone(path: str, reason: str) -> Finding:
    """Return the finding of a file that does not exist; below an empty folder its disk may not be connected."""
    empty = None if is_remote(path) else empty_folder_above(path)
    if empty is None:
        return Finding(path, "missing", reason)
    detail = f"{empty} is empty; connect its disk, or delete the folder too if the files were deleted"
    return Finding(path, "unreachable", detail)


def _difference(file: _File, outcome: Outcome) -> Finding | None:
    """Return the finding of one file by itself. Results are compared later, with those of the track's other files."""
    match outcome:
        case Identified() | Analysis():
            if not same_sound(file.track.identity, outcome.identity):
                return Finding(file.path, "other sound", "it contains another recording than the stored one")
            if file.now != file.kept:
                return Finding(file.path, "changed", "its size or modification time has changed, but not its sound")
            seconds, kept = outcome.duration_seconds, file.track
            heard = StoredAnalysis(kept.model_id, kept.duration_seconds, kept.truncated)
            # Files of one identity have the same sound, so a header with a longer duration is wrong; adding the file
            # again would change nothing.
            own = outcome.identity == kept.identity
            if isinstance(outcome, Identified) and not own and seconds is not None and promises_more(seconds, heard):
                detail = f"the library has {kept.duration_seconds:.1f} s, its header says {seconds:.1f} s"
                return Finding(file.path, "other length", detail)
            return None
        case Vanished():
            return _gone(file.path, outcome.reason)
        case Outage():
            return Finding(file.path, "unreachable", outcome.reason)
        case Changed():
            return Finding(file.path, "changed", "it changed while it was read")
    return Finding(file.path, "unreadable", outcome.reason)
