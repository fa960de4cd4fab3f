"""Batches: tagging many sounds with one request; progress as events, results as lines of JSON."""

import asyncio
import contextlib
import json
import logging
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar
from urllib.parse import SplitResult

from earmark.web import problems
from earmark.web.events import Event, EventFeed
from earmark.web.job_queue import JobQueue
from earmark.web.problem import Problem, ProblemError
from earmark.web.settings import ServerSettings
from earmark.web.tracks import IDENTIFIER_BYTES
from earmark.web.webhook import tell

if TYPE_CHECKING:
    from earmark.web.server import Server

BATCHES_ON_DISK = 2
"""How many batches of the largest size the disk has to hold."""

LOG = logging.getLogger("earmark.web")
Failure = TypeVar("Failure", bound=Exception)


@dataclass(frozen=True)
class BatchFile:
    """One sound of a batch. One that was uploaded has a size in bytes, and is removed when it is done."""

    name: str
    path: Path
    uploaded_bytes: int | None = None

    def remove(self) -> None:
        """Remove the sound if it was uploaded, and do nothing to a track of the library."""
        if self.uploaded_bytes is not None:
            self.path.unlink(missing_ok=True)


class SoundBatch:
    """The sounds of one request, and how many of them are done."""

    def __init__(self, files: list[BatchFile], folder: Path, webhook: SplitResult | None, used: float) -> None:
        """`folder`: for the results. `used`: the time of the last request, in seconds."""
        self.id = secrets.token_urlsafe(IDENTIFIER_BYTES)
        self.files, self.folder, self.webhook, self.used = files, folder, webhook, used
        self.results = folder / "results.jsonl"
        self.results.touch()
        self.done = self.failed = 0
        self.task: asyncio.Task[None] | None = None
        self.events = EventFeed(Event("progress", self.counts))

    def read_results(self) -> bytes:
        """Return the results so far; raise ProblemError (404) if the batch was removed meanwhile."""
        try:
            return self.results.read_bytes()
        except FileNotFoundError as error:
            raise ProblemError(problems.UNKNOWN_BATCH) from error

    @property
    def counts(self) -> dict[str, object]:
        """How many sounds are done, how many of these failed, and how many there are."""
        return {"done": self.done, "failed": self.failed, "of": len(self.files)}

    @property
    def uploaded_bytes(self) -> int:
        """The size of its uploaded sounds that may still be there."""
        return 0 if self.state != "running" else sum(file.uploaded_bytes or 0 for file in self.files)

    @property
    def state(self) -> Literal["running", "done", "failed"]:
        """Whether the batch runs, is done, or was stopped."""
        match self.events.newest.name:
            case "done":
                return "done"
            case "failed":
                return "failed"
        return "running"

    def write(self, number: int, record: dict[str, object] | Problem) -> None:
        """Add the result of a sound: its tags, or the problem that it has."""
        line: dict[str, object] = {"number": number, "name": self.files[number].name}
        line |= {"problem": record.to_dict()} if isinstance(record, Problem) else {"result": record}
        with self.results.open("ab") as file:
            file.write(json.dumps(line, ensure_ascii=False).encode("utf-8") + b"\n")
        self.done += 1
        self.failed += isinstance(record, Problem)
        self.events.publish(Event("progress", self.counts))


class SoundBatches:
    """All batches of a server, each with its results for a while; belongs to one event loop."""

    def __init__(self, settings: ServerSettings, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: in seconds."""
        self._settings, self._clock = settings, clock
        self._batches: dict[str, SoundBatch] = {}
        self._arriving_bytes = 0
        """How much has come of the sounds that are being uploaded for batches."""
        self._turn = asyncio.Lock()
        """Held by the batch that is tagged: the others wait, in the order in which they were created."""

    def add(self, server: "Server", files: list[BatchFile], folder: Path, webhook: SplitResult | None) -> SoundBatch:
        """Start a batch in place of the finished one that was asked for least lately, if too many are kept.

        Raises ProblemError (429) if all of them run.
        """
        self.check(server.queue)
        while len(self._batches) >= self._settings.kept_batches:
            self.remove(min(self._finished(), key=lambda each: each.used))
        batch = SoundBatch(files, folder, webhook, self._clock())
        self._batches[batch.id] = batch
        batch.task = asyncio.create_task(self._run(server, batch))
        return batch

    def check(self, queue: JobQueue) -> None:
        """Raise ProblemError (429) if there are too many batches and none of them is finished.

        The response says when the oldest one will be, by the mean duration of the queue's jobs.
        """
        if len(self._batches) >= self._settings.kept_batches and not self._finished():
            raise self._full(queue)

    @contextlib.contextmanager
    def arriving(self, announced_bytes: int | None, server: "Server") -> Iterator[Callable[[int], None]]:
        """Count the upload of a batch while it arrives; give what has to be called with the size of each part of it.

        That, and this for an upload that announces more than there is room for, raise ProblemError (429) if the batches
        that run and those that arrive would take too much of the disk. Only what has come counts, so that nobody keeps
        room by announcing much and sending little.
        """
        arrived_bytes = 0

        def count(size_bytes: int) -> None:
            nonlocal arrived_bytes
            self._refuse_too_much(size_bytes, server)
            arrived_bytes += size_bytes
            self._arriving_bytes += size_bytes

        self._refuse_too_much(min(announced_bytes or 0, self._settings.max_batch_bytes), server)
        try:
            yield count
        finally:
            self._arriving_bytes -= arrived_bytes

    def _refuse_too_much(self, further_bytes: int, server: "Server") -> None:
        kept_bytes = sum(batch.uploaded_bytes for batch in self._batches.values())
        most_bytes = BATCHES_ON_DISK * self._settings.max_batch_bytes
        if kept_bytes + self._arriving_bytes + further_bytes <= most_bytes:
            return
        if any(batch.state == "running" for batch in self._batches.values()):
            raise self._full(server.queue)
        raise ProblemError(problems.full(server.uploads.seconds_left))

    def _full(self, queue: JobQueue) -> ProblemError:
        """Return the error of a batch for which there is no room until the oldest one that runs is done."""
        running = [len(batch.files) - batch.done for batch in self._batches.values() if batch.state == "running"]
        return ProblemError(problems.full(queue.seconds_for(next(iter(running), 0))))

    def refuse_count(self, sounds: int) -> None:
        """Raise ProblemError (422) if a batch would have no sounds, or too many."""
        if not 0 < sounds <= self._settings.max_batch_files:
            what = f"Found {sounds} sounds, expected 1 to {self._settings.max_batch_files}"
            raise ProblemError(problems.wrong_parameters([{"where": "body", "what": what}]))

    def _finished(self) -> list[SoundBatch]:
        return [batch for batch in self._batches.values() if batch.state != "running"]

    def get(self, identifier: str) -> SoundBatch:
        """Return a batch; raise ProblemError (404) for an unknown identifier."""
        batch = self._batches.get(identifier)
        if batch is None:
            raise ProblemError(problems.UNKNOWN_BATCH)
        batch.used = self._clock()
        return batch

    def remove(self, batch: SoundBatch, reason: Problem = problems.UNKNOWN_BATCH) -> None:
        """Stop a batch, remove it with its results, and tell its followers the reason."""
        self._batches.pop(batch.id, None)
        batch.events.publish(Event("failed", reason.to_dict()))
        if batch.task is not None:
            batch.task.cancel()
        shutil.rmtree(batch.folder, ignore_errors=True)

    def sweep(self) -> None:
        """Remove finished batches that nobody has asked for during the time that the settings allow."""
        for batch in list(self._batches.values()):
            if batch.state != "running" and self._clock() - batch.used > self._settings.keep_minutes * 60:
                self.remove(batch)

    async def clear(self) -> None:
        """Remove all batches, as the server ends."""
        tasks = [batch.task for batch in self._batches.values() if batch.task is not None]
        for batch in list(self._batches.values()):
            self.remove(batch, problems.ENDING)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, server: "Server", batch: SoundBatch) -> None:
        """Tag the sounds of a batch in its turn, as many at a time as there are processes, and tell the webhook."""
        numbers = iter(range(len(batch.files)))
        try:
            async with self._turn, asyncio.TaskGroup() as group:
                for _ in range(self._settings.jobs):
                    group.create_task(self._tag(server, batch, numbers))
        except* ProblemError as errors:
            batch.events.publish(Event("failed", _first(errors).problem.to_dict()))
        except* OSError as errors:
            error = _first(errors)
            LOG.error("A result of a batch cannot be written: %s", error)
            batch.events.publish(Event("failed", problems.write_failed(error).to_dict()))
        else:
            batch.events.publish(Event("done", batch.counts))
        finally:
            for file in batch.files:
                file.remove()
            # Does nothing to a finished batch: this ends the events of one that met an unexpected error.
            batch.events.publish(Event("failed", problems.UNFORESEEN.to_dict()))
            batch.used = self._clock()
        if batch.webhook is not None:
            body = json.dumps({"batch": batch.id, "state": batch.state, **batch.counts}).encode("ascii")
            reason = await tell(batch.webhook, body)
            if reason:
                LOG.error("The webhook of a batch cannot be told: %s", reason)

    async def _tag(self, server: "Server", batch: SoundBatch, numbers: Iterator[int]) -> None:
        """Tag one sound after another; raise ProblemError only if the server ends."""
        for number in numbers:
            file = batch.files[number]
            answer = batch.folder / f"{number}.json"
            try:
                await server.queue.run_of_batch(server.job("tag", file.path, answer, file.name))
                batch.write(number, json.loads(await asyncio.to_thread(answer.read_bytes)))
            except ProblemError as error:
                if error.problem == problems.ENDING:
                    raise
                batch.write(number, error.problem)
            finally:
                answer.unlink(missing_ok=True)
                file.remove()


def _first(errors: BaseExceptionGroup[Failure]) -> Failure:
    """Return one of the errors that ended the tasks of a group."""
    first = errors.exceptions[0]
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
