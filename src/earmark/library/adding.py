"""Add files to a library: skip known files, analyse new ones, and record those that fail."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from earmark.errors import LibraryError
from earmark.library.analysis import Analysis
from earmark.library.database import Database
from earmark.library.jobs import (
    Broken,
    Changed,
    Engine,
    Exceeded,
    Identified,
    Job,
    Lost,
    Outage,
    Outcome,
    Vanished,
)
from earmark.library.presence import Presence
from earmark.library.recording import StoredAnalysis
from earmark.library.remote import is_remote
from earmark.library.scan import FoundFile, Walk, stamp_of
from earmark.workers.limits import Limits
from earmark.workers.process import TRIES_OF_CRASHES, TRIES_OF_KILLS

TRIES_AT_MOST = 3
"""The tries of a file that changes while it is read, or that cannot be read while others can."""
PAUSES_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""The pauses before further tries if the storage or the machine fails. After the last one, adding ends."""
LONGER_SECONDS, LONGER_SHARE = 1.0, 0.02
"""How much longer than the stored result a header must say that a file is for the file to be analysed too."""
PATHS_TOGETHER = 200
"""The largest number of paths of known recordings that are written in one transaction."""
PATHS_WAIT_SECONDS = 0.5
NOTES_OF_VANISHED = 3
"""The largest number of notes about vanished files; a disk that is removed takes thousands with it."""


@dataclass
class Added:
    """The result of adding. Numbers count files unless stated otherwise.

    found: all files found. known: files that have not changed since they were last added. set_aside: files that failed
    before and were not tried again. recordings: new recordings. same: files of known recordings. again: recordings that
    were analysed again for another model. failed: the files that failed, with their reasons. left: files that were not
    done because the machine or the storage failed, and will be done when they are added next. vanished: files that
    disappeared before they were read. missing: files that have disappeared since they were last added. absent: named
    folders, files and addresses that do not exist. notes: further messages, one sentence for each. seconds: the time
    that adding took.
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
    """The progress of adding: the number of files done, the total that need work, and the number that failed."""

    done: int
    total: int
    failed: int


Watch = Callable[[Progress], None]


class Adding:
    """One run of adding over the files that a walk has found."""

    def __init__(self, database: Database, model_id: int, limits: Limits, *, retry: bool, watch: Watch) -> None:
        """Prepare a run.

        model_id: the model that analyses files. retry: try files again that failed before. watch: called after every
        file.
        """
        self._database, self._model_id, self._limits = database, model_id, limits
        self._retry, self._watch = retry, watch
        self._tries: Counter[tuple[str, str]] = Counter()
        """The tries without a result, by path and reason."""
        self._being_analysed: dict[str, list[Job]] = {}
        """The identities that are being analysed, with the jobs of other files of the same recording."""
        self._paths: list[tuple[FoundFile, str]] = []
        self._paths_since = 0.0
        self._jobs: list[Job] = []
        """The jobs to do, the next one last."""
        self._alone: list[Job] = []
        """The jobs to do one after another at the end."""
        self._put_off: list[tuple[Job, Outage]] = []
        """The jobs to do when the storage or the machine works again. Until then no other job is started."""
        self._under_way = 0
        self._files: tuple[FoundFile, ...] = ()
        self._presence = Presence(database)
        self._total = self._done = 0
        self.added = Added()

    def plan(self, walk: Walk, addresses: Sequence[str] = ()) -> int:
        """Compare a walk with the library, and return the number of files that need work.

        addresses: the named addresses whose files could all be listed.
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
                    self._jobs.append(Job(file.path, file.stamp, "analyse", known.identity))
            elif not self._retry and self._database.failed_stamp(file.path) == file.stamp:
                self.added.set_aside += 1
            else:
                # A remote file is identified and analysed in one job, so that it is fetched only once.
                self._jobs.append(Job(file.path, file.stamp, "analyse" if is_remote(file.path) else "identify"))
        self._jobs.reverse()
        self._total = len(self._jobs)
        self.added.missing, notes = self._presence.mark(back, addresses)
        self.added.notes.extend(notes)
        return self._total

    def run(self, engine: Engine) -> None:
        """Do the planned work. After an error, finished work is kept and the rest can be added later.

        Raises:
            LibraryError: the storage or the machine fails and does not recover.
            WorkerError: no worker can be started.
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
        """Submit a job, unless the same recording is known or is being analysed already."""
        if job.work == "analyse" and job.identity:
            if job.identity in self._being_analysed:
                self._being_analysed[job.identity].append(job)
                return
            heard = self._database.stored_analysis(job.identity)
            if (
                heard is not None
                and heard.model_id == self._model_id
                and not promises_more(job.duration_seconds, heard)
            ):
                self._same(FoundFile(job.path, job.stamp), job.identity)
                return
            self._being_analysed[job.identity] = []
        self._submit(job, engine)

    def _submit(self, job: Job, engine: Engine) -> None:
        engine.submit(job, self._limits.allowed_seconds(job.stamp.size_bytes, job.duration_seconds))
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
                    replace(job, work="analyse", identity=outcome.identity, duration_seconds=outcome.duration_seconds)
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
                reason = "it kept changing while it was read; it will be tried again when it is added next"
                self._try_again(job, reason, TRIES_AT_MOST)
            case Lost():
                self._try_again(job, outcome.reason, TRIES_OF_KILLS if outcome.killed else TRIES_OF_CRASHES)
        if job.work == "analyse":  # Other files of the recording that waited for this one are analysed instead.
            self._jobs.extend(reversed(self._being_analysed.pop(job.identity, [])))

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
        """Count a try without a result; return how many there were for the same file and reason."""
        self._tries[job.path, reason] += 1
        return self._tries[job.path, reason]

    def _vanish(self, job: Job, reason: str) -> None:
        """Skip a file that has disappeared, or postpone it if its whole folder has."""
        folder = self._presence.lost_folder(job.path) or self._presence.emptied_folder(job.path)
        if folder is not None:
            self._put_off.append((job, Outage(f"{folder} can no longer be reached", of_storage=False)))
        else:
            self.added.vanished += 1
            self._pass_over(FoundFile(job.path, job.stamp), f"it can no longer be reached: {reason}")

    def _wait_out(self, engine: Engine) -> None:
        """Wait until the storage or the machine works again.

        Raises:
            LibraryError: it still fails after the last pause.
        """
        job, outage = self._put_off[-1]
        works = worked = self._works_again(job, outage, engine)
        for seconds in PAUSES_SECONDS:
            if not works:
                time.sleep(seconds)
                works = self._works_again(job, outage, engine)
        if not works:
            raise LibraryError(
                f"{job.path}: {outage.reason}; expected files that can be read. It was tried for "
                f"{sum(PAUSES_SECONDS):.0f} seconds. Finished work is kept, and {self._total - self._done} files "
                "remain: correct this, and run the same command again."
            )
        if worked:
            time.sleep(PAUSES_SECONDS[0])
        put_off, self._put_off = self._put_off, []
        for job, outage in put_off:
            # A failure counts against the file only if another file could be read at the same time.
            if not worked or self._count(job, outage.reason) < TRIES_AT_MOST:
                self._jobs.append(job)
            elif outage.of_storage:  # Other files can be read, so the fault is in this file's part of the disk.
                self._fail(FoundFile(job.path, job.stamp), outage.reason)
            else:
                self.added.left += 1
                self._pass_over(FoundFile(job.path, job.stamp), outage.reason)

    def _works_again(self, job: Job, outage: Outage, engine: Engine) -> bool:
        """Try another file in the same place, or this one if there is no other; return whether it could be read."""
        put_off = {each.path for each, _ in self._put_off}
        if all(self._presence.lost_folder(path) is not None for path in put_off):
            return False
        self._presence.look_again()
        far = is_remote(job.path)
        near = [file for file in self._files if file.path not in put_off and is_remote(file.path) == far]
        nearest = max(near, key=lambda file: _common_start(file.path, job.path), default=FoundFile(job.path, job.stamp))
        # Reading shows that the storage works; only analysing shows that the machine works.
        self._submit(Job(nearest.path, nearest.stamp, "identify" if outage.of_storage else "analyse"), engine)
        _, outcome = self._wait(engine)
        return isinstance(outcome, Identified | Analysis | Broken | Changed)

    def _keep(self, job: Job, analysis: Analysis) -> None:
        """Store a result, unless the library has a better one for the same recording."""
        known = self._database.stored_analysis(analysis.identity)
        own = known is not None and known.own and known.model_id == self._model_id
        heard = StoredAnalysis(self._model_id, analysis.duration_seconds, analysis.truncated)
        files = [FoundFile(job.path, job.stamp)]
        for waiting in self._being_analysed.pop(job.identity, []):
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
        """Note a file of a known recording, which is written together with others."""
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
        """Leave a file for the next time it is added, because the fault may not be its own."""
        if self.added.vanished + self.added.left <= NOTES_OF_VANISHED:
            self.added.notes.append(f"{file.path}: {reason}")
        self._finish()

    def _finish(self) -> None:
        self._done += 1
        self._watch(Progress(self._done, self._total, len(self.added.failed)))


def promises_more(header_seconds: float | None, heard: StoredAnalysis) -> bool:
    """Return whether a file's header shows that the stored result is of a shorter, such as a damaged, copy."""
    if header_seconds is None:
        return heard.truncated
    return header_seconds > heard.duration_seconds * (1 + LONGER_SHARE) + LONGER_SECONDS


def _common_start(path: str, other: str) -> int:
    """Return how many characters two paths have in common at their start."""
    return next((place for place, (a, b) in enumerate(zip(path, other, strict=False)) if a != b), len(path))
