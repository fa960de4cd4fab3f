"""Adding: what is known is skipped, what is new listened to, what breaks set aside; a result is kept or is not."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from earmark.library.analysis import Analysis
from earmark.library.database import Database
from earmark.library.jobs import Broken, Changed, Engine, Identified, Job, Limits, Lost, Outcome, Vanished
from earmark.library.remote import is_remote
from earmark.library.scan import FoundFile, Walk, is_gone, stamp_of

TRIES_AT_MOST = 3
"""Of a file whose worker was lost, or that changed while it was read."""
PATHS_TOGETHER = 200
"""Paths of known recordings that are written in one transaction, at most."""
PATHS_WAIT_SECONDS = 0.5
NOTES_OF_VANISHED = 3
"""A disk that goes takes thousands of files with it; the first few say enough."""


@dataclass
class Added:
    """What came of adding, counted in files unless it says otherwise.

    found: by the walk. known: as they were when they were last added. set_aside: failed before, and not tried again.
    recordings: listened to and kept, in recordings. same: found to be recordings that are known. again: listened to
    again for another model, in recordings. failed: each with its reason. vanished, missing: gone while they were to be
    read; gone since they were last added. absent: what was named and is not there. notes: what else a person should
    know, a sentence each.
    """

    found: int = 0
    known: int = 0
    set_aside: int = 0
    recordings: int = 0
    same: int = 0
    again: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    vanished: int = 0
    missing: int = 0
    absent: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Progress:
    """How far adding is: files done, of those that needed any work, and how many of them failed."""

    done: int
    total: int
    failed: int


Watch = Callable[[Progress], None]


class Adding:
    """One run over the files that a walk has found."""

    def __init__(self, database: Database, model_id: int, limits: Limits, *, retry: bool, watch: Watch) -> None:
        """`retry`: try again what failed before. `watch`: told of every file that is done."""
        self._database, self._model_id, self._limits = database, model_id, limits
        self._retry, self._watch = retry, watch
        self._tries: dict[str, int] = {}
        self._listening: dict[str, list[FoundFile]] = {}
        """Identities that are being listened to, with the further files of the same sound."""
        self._paths: list[tuple[FoundFile, str]] = []
        self._paths_since = 0.0
        self._jobs: list[Job] = []
        """To be done, the next one last."""
        self._total = self._done = 0
        self.added = Added()

    def plan(self, walk: Walk) -> int:
        """Compare a walk with what is known; returns how many files need work."""
        self.added.found = len(walk.files)
        self.added.notes.extend(walk.notes)
        self.added.absent.extend(walk.absent)
        back: list[str] = []
        for file in walk.files:
            known = self._database.known_path(file.path)
            if known is not None and known.stamp == file.stamp:
                if known.missing:
                    back.append(file.path)
                if known.model_id == self._model_id:
                    self.added.known += 1
                else:
                    self._jobs.append(Job(file.path, file.stamp, "listen", known.identity))
            elif not self._retry and self._database.failed_stamp(file.path) == file.stamp:
                self.added.set_aside += 1
            else:
                # A file from far away is fetched once, for both.
                self._jobs.append(Job(file.path, file.stamp, "listen" if is_remote(file.path) else "identify"))
        self._jobs.reverse()
        self._total = len(self._jobs)
        self._mark(back, walk)
        return self._total

    def run(self, engine: Engine) -> None:
        """Do what was planned."""
        started = time.monotonic()
        under_way = 0
        self._watch(Progress(0, self._total, 0))
        while True:
            while self._jobs and under_way < engine.capacity:
                under_way += self._start(self._jobs.pop(), engine)
            if not under_way:
                break
            job, outcome = engine.wait()
            under_way -= 1
            self._take(job, outcome)
            self._write_paths(at_once=False)
        self._write_paths(at_once=True)
        self.added.seconds = time.monotonic() - started

    def _start(self, job: Job, engine: Engine) -> bool:
        """Submit a job, unless it turns out to be none: the same sound is listened to already."""
        if job.work == "listen" and job.identity:
            file = FoundFile(job.path, job.stamp)
            if job.identity in self._listening:
                self._listening[job.identity].append(file)
                return False
            if self._database.model_of(job.identity) == self._model_id:
                self._same(file, job.identity)
                return False
            self._listening[job.identity] = []
        engine.submit(job, self._limits.allowed_seconds(job.stamp, job.duration_seconds))
        return True

    def _take(self, job: Job, outcome: Outcome) -> None:
        file = FoundFile(job.path, job.stamp)
        match outcome:
            case Identified():
                self._jobs.append(Job(job.path, job.stamp, "listen", outcome.identity, outcome.duration_seconds))
                return
            case Analysis():
                self._keep(file, outcome)
                return
            case Broken():
                self._fail(file, outcome.reason)
            case Vanished():
                self.added.vanished += 1
                if self.added.vanished <= NOTES_OF_VANISHED:
                    self.added.notes.append(f"{file.path}: it can no longer be reached: {outcome.reason}")
                self._finish()
            case Changed():
                self._try_again(job, "it kept changing while it was read; it is tried again when it is added next")
            case Lost():
                self._try_again(job, outcome.reason)
        if job.work == "listen":  # who waited for it is listened to instead
            waiting = self._listening.pop(job.identity, [])
            self._jobs.extend(Job(each.path, each.stamp, "listen", job.identity) for each in reversed(waiting))

    def _try_again(self, job: Job, reason: str) -> None:
        tries = self._tries[job.path] = self._tries.get(job.path, 0) + 1
        stamp = job.stamp if is_remote(job.path) else stamp_of(job.path)
        if tries < TRIES_AT_MOST and stamp is not None:
            same = is_remote(job.path) or stamp == job.stamp
            self._jobs.append(job if same else Job(job.path, stamp, "identify"))
        else:
            self._fail(FoundFile(job.path, job.stamp), reason)

    def _keep(self, file: FoundFile, analysis: Analysis) -> None:
        waiting = self._listening.pop(analysis.identity, [])
        known = self._database.model_of(analysis.identity)
        files = [(each.path, each.stamp) for each in (file, *waiting)]
        self._database.add_track(analysis, self._model_id, files)
        if known is None:
            self.added.recordings += 1
        elif known == self._model_id:  # of a file from far away that is known only once it was heard
            self.added.same += 1
        else:
            self.added.again += 1
        self.added.same += len(waiting)
        for _ in files:
            self._finish()

    def _same(self, file: FoundFile, identity: str) -> None:
        """A file of a recording that is known; written with others."""
        if not self._paths:
            self._paths_since = time.monotonic()
        self._paths.append((file, identity))
        self.added.same += 1
        self._finish()

    def _write_paths(self, *, at_once: bool) -> None:
        waited = time.monotonic() - self._paths_since >= PATHS_WAIT_SECONDS
        if self._paths and (at_once or waited or len(self._paths) >= PATHS_TOGETHER):
            self._database.add_paths((file.path, file.stamp, identity) for file, identity in self._paths)
            self._paths.clear()

    def _fail(self, file: FoundFile, reason: str) -> None:
        self._database.add_failure(file.path, file.stamp, reason)
        self.added.failed.append((file.path, reason))
        self._finish()

    def _finish(self) -> None:
        self._done += 1
        self._watch(Progress(self._done, self._total, len(self.added.failed)))

    def _mark(self, back: Sequence[str], walk: Walk) -> None:
        """Note which files are back, and which are gone from the folders that were walked to their ends."""
        self._database.mark_missing(back, missing=False)
        # Files that were named, such as to be tried again; an address that does not answer is not gone.
        gone = [path for path in walk.absent if not is_remote(path) and is_gone(path)]
        self._database.mark_missing(gone, missing=True)
        self._database.forget_failures(gone)
        self._database.forget_paths_under(walk.second_ways)
        found = {file.path for file in walk.files}
        failed = {failure.path for failure in self._database.failures()}
        for folder in walk.whole:
            inside = list(self._database.paths_under(folder))
            absent = [path for path in inside if path not in found and is_gone(path)]
            if absent and len(absent) == len(inside) and not any(file.startswith(_within(folder)) for file in found):
                # An empty mount point looks just like this.
                self.added.notes.append(
                    f"{folder}: nothing is there of {len(inside)} known files; if its disk is not connected, connect "
                    "it. All that was heard is kept."
                )
                continue
            self._database.mark_missing(absent, missing=True)
            self.added.missing += len(absent)
            gone = [path for path in failed if path.startswith(_within(folder)) and is_gone(path)]
            self._database.forget_failures(gone)


def _within(folder: str) -> str:
    return folder.rstrip(os.sep) + os.sep
