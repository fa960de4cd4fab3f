"""A worker that hangs, crashes or wants all memory fails its own job, and another is there for the next."""

import asyncio
import dataclasses
import os
import pickle
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from web.served import PATIENCE_SECONDS

from earmark.tagging.tagger import Tagger
from earmark.web.job import (
    JobDone,
    JobFailed,
    JobMessage,
    JobProgress,
    JobSetup,
    SoundJob,
    message_from_line,
    message_to_line,
)
from earmark.web.job_queue import JobProcess, JobQueue
from earmark.web.metrics import Metrics
from earmark.web.problem import ProblemError
from earmark.web.problems import no_sound
from earmark.web.settings import ServerSettings
from earmark.workers import process

pytestmark = pytest.mark.skipif(os.name != "posix", reason="stops and kills processes with signals")


@pytest.fixture
def job(tmp_path: Path, song_file: Path) -> SoundJob:
    """To tag a song."""
    return SoundJob(str(song_file), str(tmp_path / "answer.json"), "song", "tag", 60.0, PATIENCE_SECONDS)


def run(worker: JobProcess, work: Coroutine[Any, Any, None]) -> None:
    """Do something with a worker, and end it."""

    async def done() -> None:
        try:
            await work
        finally:
            await worker.end()

    asyncio.run(done())


def process_of(tagger: Tagger, memory_megabytes: int = 2_048) -> JobProcess:
    return JobProcess(pickle.dumps(JobSetup(tagger.bundle, memory_megabytes)))


async def refused(worker: JobProcess, job: SoundJob) -> str:
    with pytest.raises(ProblemError) as caught:
        await worker.work(job, ignore)
    return f"{caught.value.problem.kind}: {caught.value.problem.detail}"


def ignore(progress: JobProgress) -> None:
    del progress


def number_of(worker: JobProcess) -> int:
    assert worker.process_id is not None
    return worker.process_id


def test_one_process_does_many_jobs(tagger: Tagger, job: SoundJob) -> None:
    worker = process_of(tagger)
    told: list[JobProgress] = []

    async def work() -> None:
        assert await worker.work(job, told.append) == pytest.approx(12.0, abs=0.01)
        first = worker.process_id
        await worker.work(dataclasses.replace(job, want="embed"), ignore)
        assert (worker.process_id, worker.starts) == (first, 1)

    run(worker, work())
    assert Path(job.answer).read_text().startswith('{"embedding"')
    assert told[0] == JobProgress(0.0, pytest.approx(12.0, abs=0.01), 0.0)


@pytest.mark.parametrize("name", ["EARMARK_TOKEN", "EARMARK_SERVE_TOKEN", "earmark_serve_token"])
def test_a_process_does_not_get_the_token(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "secret word")
    monkeypatch.setenv("OTHER", "kept")
    given = JobProcess(b"")._worker._environment
    assert given["OTHER"] == "kept"
    assert "secret word" not in given.values()


def test_one_that_was_killed_between_two_jobs_costs_neither(tagger: Tagger, job: SoundJob) -> None:
    worker = process_of(tagger)

    async def work() -> None:
        await worker.work(job, ignore)
        os.kill(number_of(worker), signal.SIGKILL)
        await worker.work(job, ignore)
        assert worker.starts == 2

    run(worker, work())


@pytest.mark.parametrize(("sent", "kills"), [(signal.SIGKILL, 1), (signal.SIGTERM, 1), (signal.SIGKILL, 2)])
def test_a_job_whose_process_is_killed_from_outside_is_tried_once_more(
    tagger: Tagger, job: SoundJob, sent: signal.Signals, kills: int
) -> None:
    worker = process_of(tagger)
    killed: list[int] = []

    def kill(progress: JobProgress) -> None:
        if len(killed) < kills and number_of(worker) not in killed:
            killed.append(number_of(worker))
            os.kill(number_of(worker), sent)

    async def work() -> None:
        if kills == 1:
            assert await worker.work(job, kill) == pytest.approx(12.0, abs=0.01)
        else:
            with pytest.raises(ProblemError) as caught:
                await worker.work(job, kill)
            assert (caught.value.problem.kind, caught.value.problem.status) == ("listener-killed", 503)
            assert int(caught.value.headers["Retry-After"]) > 0
            assert "damaged" not in str(caught.value.problem)
        assert len(killed) == kills
        await worker.work(job, ignore)

    run(worker, work())


def test_a_job_whose_process_crashes_is_not_tried_again(tagger: Tagger, job: SoundJob) -> None:
    worker = process_of(tagger)

    def crash(progress: JobProgress) -> None:
        os.kill(number_of(worker), signal.SIGSEGV)

    async def work() -> None:
        with pytest.raises(ProblemError, match="SIGSEGV") as caught:
            await worker.work(job, crash)
        assert caught.value.problem.kind == "listener-ended"
        assert worker.starts == 1
        await worker.work(job, ignore)

    run(worker, work())


def test_one_that_hangs_is_given_up(tagger: Tagger, job: SoundJob) -> None:
    worker = process_of(tagger)

    async def work() -> None:
        await worker.start()
        first = number_of(worker)
        os.kill(first, signal.SIGSTOP)
        said = await refused(worker, dataclasses.replace(job, seconds=0.5))
        assert said.startswith("out-of-time")
        await worker.work(job, ignore)
        assert worker.process_id != first

    run(worker, work())


def test_who_cancels_ends_the_process(tagger: Tagger, job: SoundJob) -> None:
    worker = process_of(tagger)

    async def work() -> None:
        await worker.start()
        first = number_of(worker)
        os.kill(first, signal.SIGSTOP)
        task = asyncio.create_task(worker.work(job, ignore))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await worker.work(job, ignore)
        assert worker.process_id != first

    run(worker, work())


def test_one_that_wants_too_much_memory_says_so(tagger: Tagger, job: SoundJob) -> None:
    worker = process_of(tagger, memory_megabytes=1)

    async def work() -> None:
        said = await refused(worker, job)
        # A library that does not tell of it in Python's way ends the process: clear as well.
        assert said.startswith(("out-of-memory: ", "listener-ended: "))

    run(worker, work())


def test_a_result_that_cannot_be_written_is_logged(
    tagger: Tagger, job: SoundJob, caplog: pytest.LogCaptureFixture
) -> None:
    worker = process_of(tagger)
    gone = str(Path(job.answer).parent / "removed" / "answer.json")

    async def work() -> None:
        said = await refused(worker, dataclasses.replace(job, answer=gone))
        assert said.startswith("unforeseen: ")
        assert gone not in said
        await worker.work(job, ignore)
        assert worker.starts == 1

    run(worker, work())
    assert gone in caplog.text


def test_one_that_cannot_start_says_so(
    job: SoundJob, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    worker = JobProcess(b"no setup")
    monkeypatch.setattr(process, "START_PAUSES_SECONDS", (0.0,) * 10)

    async def work() -> None:
        assert (await refused(worker, job)).startswith("no-listener: ")

    run(worker, work())
    assert "UnpicklingError" in caplog.text


def test_a_sound_longer_than_its_header_says_ends_where_listening_ends(tagger: Tagger, job: SoundJob) -> None:
    worker = process_of(tagger)

    async def work() -> None:
        said = await refused(worker, dataclasses.replace(job, max_minutes=0.1))
        assert said.startswith("too-long: ")
        lying = bytearray(Path(job.path).read_bytes())
        lying[21] &= 0xF0
        lying[22:26] = (0).to_bytes(4, "big")  # FLAC: a length of 0 is one that is not known
        Path(job.answer).with_name("lying.flac").write_bytes(lying)
        untold = dataclasses.replace(job, path=str(Path(job.answer).with_name("lying.flac")), max_minutes=0.1)
        assert (await refused(worker, untold)).startswith("too-long: ")
        assert (await refused(worker, dataclasses.replace(untold, want="flac"))).startswith("too-long: ")

    run(worker, work())


@pytest.mark.parametrize("message", [JobDone(1.5), JobFailed(no_sound("It is none.")), JobProgress(1.0, None, None)])
def test_messages_come_back_as_they_went(message: JobMessage) -> None:
    assert message_from_line(message_to_line(message)) == message


@pytest.mark.parametrize("line", [b"", b"\n", b"{}", b"[]", b'{"kind": "done"}', b"\x80\x04N.", b'{"kind": "other"}'])
def test_what_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):
        message_from_line(line)


@pytest.mark.parametrize("who", ["_waiting", "_waiting_batches"])
def test_who_is_cancelled_in_the_queue_takes_no_process_with_it(tagger: Tagger, who: str) -> None:
    """Its future is cancelled at once, but its task removes it from the queue only later."""

    async def cancelled() -> None:
        queue = JobQueue(ServerSettings(jobs=1), tagger, Metrics())
        line = getattr(queue, who)
        first = await queue._free_process(line, print)
        waiting = [asyncio.create_task(queue._free_process(line, print)) for _ in range(2)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        queue._give_back(first)
        assert await waiting[1] is first
        queue._give_back(first)
        assert await queue._free_process(line, print) is first
        assert waiting[0].cancelled() and not line

    asyncio.run(cancelled())


class Jobs:
    """A queue whose jobs end when a test says so, and whose clock a test sets."""

    def __init__(self, tagger: Tagger, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
        self.seconds = 0.0
        self.ends: list[asyncio.Future[float]] = []
        monkeypatch.setattr(JobProcess, "work", self._work)
        self.queue = JobQueue(ServerSettings(**settings), tagger, Metrics(), lambda: self.seconds)

    async def _work(self, *_: object) -> float:
        self.ends.append(asyncio.get_running_loop().create_future())
        return await self.ends[-1]

    def start(self, job: SoundJob) -> asyncio.Task[None]:
        async def run() -> None:
            with self.queue.take_slot():
                await self.queue.run(job, lambda message: None)

        return asyncio.create_task(run())


def test_batches_take_no_slots_and_processes_only_when_no_request_waits(
    tagger: Tagger, job: SoundJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask() -> None:
        jobs = Jobs(tagger, monkeypatch, jobs=1, max_waiting=1)
        order: list[str] = []

        async def noted(name: str, work: Coroutine[Any, Any, None] | asyncio.Task[None]) -> None:
            await work
            order.append(name)

        batches = [asyncio.create_task(noted("batch", jobs.queue.run_of_batch(job))) for _ in range(4)]
        await asyncio.sleep(0)
        requests = [asyncio.create_task(noted("request", jobs.start(job))) for _ in range(2)]
        for _ in range(10):
            await asyncio.sleep(0)
        with pytest.raises(ProblemError) as caught:
            jobs.queue.take_slot()
        assert caught.value.headers["Retry-After"] == "15", "two requests, and the sound of a batch that is tagged"
        batches.pop(1).cancel()
        tasks = (*batches, *requests)
        while not all(task.done() for task in tasks):
            for end in jobs.ends:
                if not end.done():
                    end.set_result(1.0)
            await asyncio.sleep(0)
        assert order == ["batch", "request", "request", "batch", "batch"]
        assert jobs.queue.seconds_for(0) == 1

    asyncio.run(ask())


def test_who_is_refused_is_told_how_long_the_queue_needs(
    tagger: Tagger, job: SoundJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask() -> None:
        jobs = Jobs(tagger, monkeypatch, jobs=2, max_waiting=4, time_limit_seconds=100)
        first = [jobs.start(job) for _ in range(2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for _ in range(40):  # the mean becomes 20 seconds
            jobs.queue._mean_seconds += 0.2 * (20 - jobs.queue._mean_seconds)
        waiting = [jobs.start(job) for _ in range(4)]
        await asyncio.sleep(0)
        told = {}
        for jobs.seconds in (0.0, 15.0, 60.0, 90.0):
            with pytest.raises(ProblemError) as caught:
                jobs.queue.take_slot()
            told[jobs.seconds] = int(caught.value.headers["Retry-After"])
            assert caught.value.problem.more["retry_after_seconds"] == told[jobs.seconds]
        # Two jobs have all, a quarter, or none of the mean left; jobs that last on and on are done at the time limit.
        assert told == {0.0: 60, 15.0: 45, 60.0: 80, 90.0: 50}
        for task in (*first, *waiting):
            task.cancel()
        await asyncio.gather(*first, *waiting, return_exceptions=True)

    asyncio.run(ask())


@pytest.mark.parametrize("ends", [True, False])
def test_a_queue_that_ends_gives_running_jobs_their_grace(
    tagger: Tagger, job: SoundJob, monkeypatch: pytest.MonkeyPatch, ends: bool
) -> None:
    async def end() -> None:
        jobs = Jobs(tagger, monkeypatch, jobs=1)
        running, waiting = jobs.start(job), jobs.start(job)
        while not jobs.ends:
            await asyncio.sleep(0)
        draining = asyncio.create_task(jobs.queue.drain(10.0, lambda: False))
        with pytest.raises(ProblemError) as caught:
            await waiting
        assert caught.value.problem.kind == "ending"
        assert not draining.done()
        if ends:
            jobs.ends[0].set_result(1.0)
            await running
        else:
            jobs.seconds = 11.0
            with pytest.raises(ProblemError) as caught:
                await running
            assert (caught.value.problem.kind, caught.value.problem.status) == ("ending", 503)
        await draining
        with pytest.raises(ProblemError) as caught:
            jobs.queue.take_slot()
        assert caught.value.problem.kind == "ending"

    asyncio.run(end())
