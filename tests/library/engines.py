"""Engines for tests: one that answers by a script, and what is needed to make the real ones."""

from collections import deque
from collections.abc import Callable
from pathlib import Path

from earmark.audio.identity import identity
from earmark.library.analysis import analysis_of
from earmark.library.jobs import Identified, Job, Outcome, WorkerSetup
from earmark.library.library import NewEngine
from earmark.tagging.tagger import Tagger
from earmark.workers.limits import USUAL_LIMITS, Limits

Answer = Callable[[Job], Outcome]


def setup_of(tagger: Tagger, limits: Limits = USUAL_LIMITS) -> WorkerSetup:
    return WorkerSetup(tagger.bundle, None, limits, low_priority=False)


class Scripted:
    """Answers in this process, in the order of the jobs, and keeps what it was asked."""

    capacity = 3

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.jobs: list[Job] = []
        self.closed = False
        self._waiting: deque[Job] = deque()

    def submit(self, job: Job, allowed_seconds: float) -> None:
        assert allowed_seconds > 0
        assert len(self._waiting) < self.capacity
        self.jobs.append(job)
        self._waiting.append(job)

    def wait(self) -> tuple[Job, Outcome]:
        job = self._waiting.popleft()
        return job, self.answer(job)

    def close(self) -> None:
        self.closed = True

    @property
    def asked(self) -> list[tuple[str, str]]:
        """What it did with which file, by name."""
        return [(job.work, Path(job.path).name) for job in self.jobs]


def honest(tagger: Tagger) -> Answer:
    """Identify and listen as a worker would."""

    def answer(job: Job) -> Outcome:
        if job.work == "identify":
            return Identified(identity(job.path), None)
        return analysis_of(job.identity or identity(job.path), tagger.tag(job.path))

    return answer


def making(engine: Scripted) -> NewEngine:
    return lambda setup: engine
