"""Adding: what is known is skipped, what is new listened to, what breaks set aside; a result is kept or is not."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from earmark.errors import LibraryError
from earmark.library.analysis import Analysis
from earmark.library.database import Database, Heard
from earmark.library.jobs import (
    Broken,
    Changed,
    Engine,
    Exceeded,
    Identified,
    Job,
    Limits,
    Lost,
    Outage,
    Outcome,
    Vanished,
)
from earmark.library.presence import Presence
from earmark.library.remote import is_remote
from earmark.library.scan import FoundFile, Walk, stamp_of
from earmark.workers.process import TRIES_OF_CRASHES, TRIES_OF_KILLS

TRIES_AT_MOST = 3
"""Of a file that changed while it was read, or that could not be read while others could."""
PAUSES_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Before each further try where storage or machine fail, until it is given up."""
LONGER_SECONDS, LONGER_SHARE = 1.0, 0.02
"""By which a header has to exceed what was heard for the recording to be heard again in that file."""
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
    again for another model, in recordings. failed: each with its reason. left: not done, as the machine or the storage
    failed, and to be done when they are added next. vanished, missing: gone while they were to be read; gone since they
    were last added. absent: what was named and is not there. notes: what else a person should know, a sentence each.
    """

    found: int = 0
    known: int = 0
    set_aside: int = 0
    recordings: int = 0
    same: int = 0
    again: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    left: int = 0
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
        self._tries: Counter[tuple[str, str]] = Counter()
        """That came to nothing, by path and reason."""
        self._listening: dict[str, list[Job]] = {}
        """Identities that are being listened to, with the further files of the same sound."""
        self._paths: list[tuple[FoundFile, str]] = []
        self._paths_since = 0.0
        self._jobs: list[Job] = []
        """To be done, the next one last."""
        self._alone: list[Job] = []
        """To be done when nothing else is left, one after the other."""
        self._put_off: list[tuple[Job, Outage]] = []
        """To be done once what failed works again; meanwhile no other job is started."""
        self._under_way = 0
        self._files: tuple[FoundFile, ...] = ()
        self._presence = Presence(database)
        self._total = self._done = 0
        self.added = Added()

    def plan(self, walk: Walk, addresses: Sequence[str] = ()) -> int:
        """Compare a walk with what is known; returns how many files need work.

        addresses: those named whose files were all listed.
        """
        self.added.found = len(walk.files)
        self.added.notes.extend(walk.notes)
        self.added.absent.extend(walk.absent)
        self._files = walk.files
        self._presence.look(walk)
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
        self.added.missing, notes = self._presence.mark(back, addresses)
        self.added.notes.extend(notes)
        return self._total

    def run(self, engine: Engine) -> None:
        """Do what was planned.

        Raises LibraryError where storage or machine fail and go on failing, and WorkerError where no worker can be
        started; what was done until then is kept, and what is left stays to be done.
        """
        started = time.monotonic()
        self._watch(Progress(0, self._total, 0))
        try:
            while self._under_way or self._jobs or self._alone or self._put_off:
                while self._jobs and self._under_way < engine.capacity and not self._put_off:
                    self._start(self._jobs.pop(), engine)
                if self._under_way:
                    self._take(*self._wait(engine))
                    self._write_paths(at_once=False)
                elif self._put_off:
                    self._wait_out(engine)
                elif self._alone and not self._jobs:
                    self._start(self._alone.pop(), engine)
        finally:
            self._write_paths(at_once=True)
            self.added.seconds = time.monotonic() - started

    def _start(self, job: Job, engine: Engine) -> None:
        """Submit a job, unless it turns out to be none: the same sound is listened to already."""
        if job.work == "listen" and job.identity:
            if job.identity in self._listening:
                self._listening[job.identity].append(job)
                return
            heard = self._database.heard(job.identity)
            if (
                heard is not None
                and heard.model_id == self._model_id
                and not promises_more(job.duration_seconds, heard)
            ):
                self._same(FoundFile(job.path, job.stamp), job.identity)
                return
            self._listening[job.identity] = []
        self._submit(job, engine)

    def _submit(self, job: Job, engine: Engine) -> None:
        engine.submit(job, self._limits.allowed_seconds(job.stamp, job.duration_seconds))
        self._under_way += 1

    def _wait(self, engine: Engine) -> tuple[Job, Outcome]:
        job, outcome = engine.wait()
        self._under_way -= 1
        return job, outcome

    def _take(self, job: Job, outcome: Outcome) -> None:
        file = FoundFile(job.path, job.stamp)
        match outcome:
            case Identified():
                self._jobs.append(
                    replace(job, work="listen", identity=outcome.identity, duration_seconds=outcome.duration_seconds)
                )
                return
            case Analysis():
                self._keep(job, outcome)
                return
            case Broken():
                self._fail(file, outcome.reason)
            case Vanished():
                self._vanish(job, outcome.reason)
            case Outage():
                self._put_off.append((job, outcome))
            case Exceeded():
                if job.alone:
                    self._fail(file, outcome.reason)
                else:
                    self._alone.append(replace(job, alone=True))
            case Changed():
                reason = "it kept changing while it was read; it is tried again when it is added next"
                self._try_again(job, reason, TRIES_AT_MOST)
            case Lost():
                self._try_again(job, outcome.reason, TRIES_OF_KILLS if outcome.killed else TRIES_OF_CRASHES)
        if job.work == "listen":  # who waited for it is listened to instead
            self._jobs.extend(reversed(self._listening.pop(job.identity, [])))

    def _try_again(self, job: Job, reason: str, tries_at_most: int) -> None:
        tries = self._count(job, reason)
        stamp = job.stamp if is_remote(job.path) else stamp_of(job.path)
        if stamp is None:
            self._vanish(job, reason)
        elif tries < tries_at_most:
            same = is_remote(job.path) or stamp == job.stamp
            again = job if same else Job(job.path, stamp, "identify")
            if tries == TRIES_OF_KILLS - 1:
                self._alone.append(replace(again, alone=True))
            else:
                self._jobs.append(again)
        else:
            self._fail(FoundFile(job.path, job.stamp), reason)

    def _count(self, job: Job, reason: str) -> int:
        """Count a try of a file that came to nothing; returns how many there were for the same reason."""
        self._tries[job.path, reason] += 1
        return self._tries[job.path, reason]

    def _vanish(self, job: Job, reason: str) -> None:
        """Pass over a file that is not there, or put it off where all of its folder is not."""
        folder = self._presence.lost_folder(job.path) or self._presence.emptied_folder(job.path)
        if folder is not None:
            self._put_off.append((job, Outage(f"{folder} can no longer be reached", of_storage=False)))
        else:
            self.added.vanished += 1
            self._pass_over(FoundFile(job.path, job.stamp), f"it can no longer be reached: {reason}")

    def _wait_out(self, engine: Engine) -> None:
        """Wait until what failed works again; raises LibraryError where it does not."""
        job, outage = self._put_off[-1]
        works = worked = self._works_again(job, outage, engine)
        for seconds in PAUSES_SECONDS:
            if not works:
                time.sleep(seconds)
                works = self._works_again(job, outage, engine)
        if not works:
            raise LibraryError(
                f"{job.path}: {outage.reason}; expected files that can be read. It was tried for "
                f"{sum(PAUSES_SECONDS):.0f} seconds. What was done is kept, and {self._total - self._done} files "
                "stay to be done: put this right, and run the same command again."
            )
        if worked:
            time.sleep(PAUSES_SECONDS[0])
        put_off, self._put_off = self._put_off, []
        for job, outage in put_off:
            # Only what fails while another file can be read says anything of the file.
            if not worked or self._count(job, outage.reason) < TRIES_AT_MOST:
                self._jobs.append(job)
            elif outage.of_storage:  # others can be read: it is this file's place on the disk
                self._fail(FoundFile(job.path, job.stamp), outage.reason)
            else:
                self.added.left += 1
                self._pass_over(FoundFile(job.path, job.stamp), outage.reason)

    def _works_again(self, job: Job, outage: Outage, engine: Engine) -> bool:
        """Try another file that lies where this one does, or this one where there is no other."""
        put_off = {each.path for each, _ in self._put_off}
        if all(self._presence.lost_folder(path) is not None for path in put_off):
            return False
        self._presence.look_again()
        far = is_remote(job.path)
        near = [file for file in self._files if file.path not in put_off and is_remote(file.path) == far]
        nearest = max(near, key=lambda file: _alike(file.path, job.path), default=FoundFile(job.path, job.stamp))
        # A storage works that can be read; a machine, where it can do all that a file takes.
        self._submit(Job(nearest.path, nearest.stamp, "identify" if outage.of_storage else "listen"), engine)
        _, outcome = self._wait(engine)
        return isinstance(outcome, Identified | Analysis | Broken | Changed)

    def _keep(self, job: Job, analysis: Analysis) -> None:
        """Keep what was heard, unless the recording was heard in full before."""
        known = self._database.heard(analysis.identity)
        own = known is not None and known.own and known.model_id == self._model_id
        heard = Heard(self._model_id, analysis.duration_seconds, analysis.truncated)
        files = [FoundFile(job.path, job.stamp)]
        for waiting in self._listening.pop(job.identity, []):
            if promises_more(waiting.duration_seconds, heard):
                self._jobs.append(waiting)
            else:
                files.append(FoundFile(waiting.path, waiting.stamp))
        if known is not None and own and not heard.is_more_than(known):
            self._database.add_paths((file.path, file.stamp, analysis.identity) for file in files)
            self.added.same += 1
        else:
            self._database.add_track(analysis, self._model_id, [(file.path, file.stamp) for file in files])
            if known is None or not known.own:
                self.added.recordings += 1
            else:
                self.added.again += 1
        self.added.same += len(files) - 1
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

    def _pass_over(self, file: FoundFile, reason: str) -> None:
        """Leave a file to be done when it is added next, as nothing says that it is its own fault."""
        if self.added.vanished + self.added.left <= NOTES_OF_VANISHED:
            self.added.notes.append(f"{file.path}: {reason}")
        self._finish()

    def _finish(self) -> None:
        self._done += 1
        self._watch(Progress(self._done, self._total, len(self.added.failed)))


def promises_more(header_seconds: float | None, heard: Heard) -> bool:
    """Whether a file's header says that there is more of a recording than was heard, as of a damaged copy."""
    if header_seconds is None:
        return heard.truncated
    return header_seconds > heard.duration_seconds * (1 + LONGER_SHARE) + LONGER_SECONDS


def _alike(path: str, other: str) -> int:
    """How many characters two paths have in common at their start."""
    return next((place for place, (a, b) in enumerate(zip(path, other, strict=False)) if a != b), len(path))
