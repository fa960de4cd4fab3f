"""Whatever happens to a worker, each job is answered exactly once, and no process is left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from workers.processes import KillsAtAppearance, alive, eventually, workers_of

from earmark.errors import WorkerError
from earmark.workers import process as process_module
from earmark.workers.pool import Pool
from earmark.workers.process import START_PAUSES_SECONDS, START_TRIES, START_TRIES_OF_KILLS, Answer, Done, Ended, Late

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills processes with signals")
TESTS = Path(__file__).parents[1]
LARGE = b"starts " + bytes(4_000_000)
"""A setup that no pipe holds, as that of every model."""


def environment(**further: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(TESTS)} | further


@contextmanager
def pool_of(setup: bytes = b"starts", size: int = 1, **further: str) -> Iterator[Pool[str]]:
    pool: Pool[str] = Pool(size, "workers.doing:factory", setup, environment(**further))
    try:
        yield pool
    finally:
        pool.close()
    assert pool.process_ids == []


def answers(pool: Pool[str], *jobs: str, seconds: float = 60.0) -> dict[str, Answer]:
    for job in jobs:
        pool.submit(job, job.encode(), seconds)
    found = [pool.wait() for _ in jobs]
    assert sorted(job for job, _ in found) == sorted(jobs)
    return dict(found)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "START_PAUSES_SECONDS", (0.0,) * len(START_PAUSES_SECONDS))


def test_jobs_are_answered_and_processes_started_as_they_are_needed() -> None:
    with pool_of(LARGE, size=3) as pool:
        assert pool.process_ids == []
        assert answers(pool, "echo 1") == {"echo 1": Done(b"1")}
        assert len(pool.process_ids) == 1
        jobs = [f"echo {number}" for number in range(50)]
        assert answers(pool, *jobs) == {job: Done(job[5:].encode()) for job in jobs}
        assert answers(pool, "large 5000000") == {"large 5000000": Done(bytes(5_000_000))}
        assert answers(pool, "write") == {"write": Done(b"done")}


@pytest.mark.parametrize(
    ("job", "how", "killed"),
    [
        ("exit 3", "exit code 3", False),
        ("raise no file", "exit code 1", False),
        (f"signal {signal.SIGSEGV}", "SIGSEGV", False),
        (f"signal {signal.SIGBUS}", "SIGBUS", False),
        (f"signal {signal.SIGKILL}", "SIGKILL", True),
        (f"signal {signal.SIGTERM}", "SIGTERM", True),
    ],
)
def test_a_worker_that_ends_costs_its_own_job_alone(job: str, how: str, killed: bool) -> None:
    with pool_of() as pool:
        found = answers(pool, "echo 1", job, "echo 2")
        assert found == {"echo 1": Done(b"1"), job: Ended(how, killed), "echo 2": Done(b"2")}


def test_one_that_is_killed_between_two_jobs_costs_neither() -> None:
    with pool_of() as pool:
        answers(pool, "echo 1")
        os.kill(pool.process_ids[0], signal.SIGKILL)
        assert answers(pool, "echo 2") == {"echo 2": Done(b"2")}


def test_a_job_that_is_not_done_in_time_is_given_up() -> None:
    with pool_of() as pool:
        answers(pool, "echo 1")
        assert answers(pool, "sleep 600", seconds=0.3) == {"sleep 600": Late(0.3)}
        assert answers(pool, "echo 2") == {"echo 2": Done(b"2")}


def test_one_that_is_stopped_is_given_up() -> None:
    with pool_of() as pool:
        answers(pool, "echo 1")
        os.kill(pool.process_ids[0], signal.SIGSTOP)
        assert answers(pool, "echo 2", seconds=0.3) == {"echo 2": Late(0.3)}
        assert answers(pool, "echo 3") == {"echo 3": Done(b"3")}


@pytest.mark.parametrize("jump_seconds", [-1e6, 1e6])
def test_the_time_of_day_may_jump(jump_seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    with pool_of() as pool:
        answers(pool, "echo 1")
        now = time.time
        pool.submit("sleep 0.5", b"sleep 0.5", 20.0)
        time.sleep(0.1)
        monkeypatch.setattr(time, "time", lambda: now() + jump_seconds)
        assert pool.wait() == ("sleep 0.5", Done(b"done"))


@LINUX
@pytest.mark.parametrize("delay_seconds", [0.0, 0.02, 0.1, 0.3])
def test_workers_killed_while_they_start_are_started_again(delay_seconds: float, no_pauses: None) -> None:
    jobs = [f"echo {number}" for number in range(4)]
    with KillsAtAppearance(os.getpid(), START_TRIES, delay_seconds), pool_of(LARGE, size=2) as pool:
        found = answers(pool, *jobs)
    # One that has started by then may be killed on a job; that job alone is told so.
    assert all(answer in (Done(job[5:].encode()), Ended("SIGKILL", True)) for job, answer in found.items())


@LINUX
def test_where_all_workers_are_killed_it_ends(no_pauses: None) -> None:
    with KillsAtAppearance(os.getpid(), 1_000, 0.0), pool_of(LARGE) as pool:
        pool.submit("echo 1", b"echo 1", 60.0)
        with pytest.raises(WorkerError, match=r"it ended before it was ready \(SIGKILL\)") as caught:
            pool.wait()
        assert caught.value.tries == START_TRIES_OF_KILLS


@pytest.mark.parametrize(
    ("setup", "reason"),
    [
        (b"fails", "it ended before it was ready (exit code 1): ValueError: no such model"),
        (b"crashes", "it ended before it was ready (SIGSEGV)"),
    ],
)
def test_workers_that_cannot_start_say_why(setup: bytes, reason: str, no_pauses: None) -> None:
    with pool_of(setup) as pool:
        pool.submit("echo 1", b"echo 1", 60.0)
        for _ in range(2):
            with pytest.raises(WorkerError) as caught:
                pool.wait()
            assert (caught.value.reason, caught.value.tries) == (reason, START_TRIES)
        pool.submit("echo 2", b"echo 2", 60.0)


def test_an_environment_that_ends_every_process_is_told(tmp_path: Path, no_pauses: None) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys; print('not today', file=sys.stderr, flush=True); os._exit(7)"
    )
    with pool_of(LARGE, PYTHONPATH=str(tmp_path)) as pool:
        pool.submit("echo 1", b"echo 1", 60.0)
        with pytest.raises(WorkerError, match=r"ended before it was ready \(exit code 7\): not today"):
            pool.wait()


def test_a_start_has_a_time_limit(monkeypatch: pytest.MonkeyPatch, no_pauses: None) -> None:
    monkeypatch.setattr(process_module, "START_SECONDS", 0.2)
    with pool_of(b"sleeps") as pool:
        pool.submit("echo 1", b"echo 1", 60.0)
        with pytest.raises(WorkerError, match="it was not ready after 0 seconds"):
            pool.wait()


def test_a_file_of_the_present_folder_is_no_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "struct.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    with pool_of() as pool:
        assert answers(pool, "echo 1") == {"echo 1": Done(b"1")}


CALLER = """
import sys
from earmark.workers.pool import Pool
pool = Pool(2, "workers.doing:factory", sys.argv[1].encode())
for job in sys.argv[2:]:
    pool.submit(job, job.encode(), 1.0 if job.startswith("hold") else 600.0)
pool.wait()
"""


@LINUX
@pytest.mark.parametrize(
    "jobs",
    [
        pytest.param(("sleeps", "echo", "echo"), id="starting"),
        pytest.param(("starts", "sleep 600", "sleep 600"), id="working"),
        pytest.param(("starts", "hold 600", "sleep 600"), id="holding the interpreter"),
    ],
)
def test_no_worker_outlives_its_caller(jobs: tuple[str, ...]) -> None:
    caller = subprocess.Popen([sys.executable, "-c", CALLER, *jobs], env=environment())
    eventually(lambda: len(workers_of(caller.pid)) == 2)
    workers = workers_of(caller.pid)
    time.sleep(0.3)
    caller.kill()
    caller.wait()
    eventually(lambda: not any(alive(worker) for worker in workers))


@pytest.mark.parametrize("printed", ["hello", "x" * 300_000, "\\0earmark"])
@pytest.mark.parametrize("setup", [b"starts", LARGE])
def test_what_is_printed_while_python_starts_is_in_nobodys_way(tmp_path: Path, printed: str, setup: bytes) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"print('{printed}', flush=True)\n")
    path = os.pathsep.join((str(tmp_path), str(TESTS)))
    with pool_of(setup, PYTHONPATH=path) as pool:
        assert answers(pool, "echo 1", "write") == {"echo 1": Done(b"1"), "write": Done(b"done")}


@pytest.mark.usefixtures("no_pauses")
def test_a_worker_that_prints_why_it_cannot_start_is_quoted(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import os\nos.write(1, b'no licence\\n')\nos._exit(3)\n")
    path = os.pathsep.join((str(tmp_path), str(TESTS)))
    with pool_of(PYTHONPATH=path) as pool, pytest.raises(WorkerError, match=r"exit code 3\): no licence"):
        answers(pool, "echo 1")
