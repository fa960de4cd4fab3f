"""`earmark serve` as a person starts it and ends it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tagging.builders import make_bundle
from web.served import PATIENCE_SECONDS, eventually

from earmark.tagging.bundle.bundle import write_bundle

pytestmark = pytest.mark.skipif(os.name != "posix", reason="ends processes with signals")


@dataclass(frozen=True)
class Command:
    """`earmark serve` that runs, and where."""

    process: subprocess.Popen[str]
    url: str
    said: str


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder."""
    folder = tmp_path_factory.mktemp("model")
    write_bundle(make_bundle(tags=5), folder)
    return folder


@contextlib.contextmanager
def serving(
    model: Path, temporary: Path, *options: str, limit_files: int | None = None, **environment: str
) -> Iterator[Command]:
    """The command until the block ends, by Ctrl-C if nothing has ended it before."""
    process = subprocess.Popen(
        [
            *(["sh", "-c", f'ulimit -n {limit_files}; exec "$@"', "sh"] if limit_files else []),
            *[sys.executable, "-m", "earmark", "serve", "--port", "0", "--model", str(model), *options],
        ],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary), **environment},
    )
    assert process.stdin is not None
    assert process.stderr is not None
    watchdog = threading.Timer(PATIENCE_SECONDS, process.kill)
    watchdog.start()
    try:
        said = process.stderr.readline()
        assert "http://" in said, said
        yield Command(process, next(word for word in said.split() if word.startswith("http://")), said)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(PATIENCE_SECONDS)
        process.stdin.close()
        process.stderr.close()
        watchdog.cancel()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal_and_leaves_nothing(
    model: Path, tmp_path: Path, song: bytes, ending: signal.Signals
) -> None:
    with serving(model, tmp_path) as command:
        assert command.url.startswith("http://127.0.0.1:")
        assert "Ctrl-C" in command.said
        client = httpx.Client(base_url=command.url, timeout=PATIENCE_SECONDS, trust_env=False)
        with client:
            health = client.get("/health")
            assert health.json()["status"] == "ok"
            assert "server" not in health.headers
            started = client.post("/v1/tracks", files={"file": ("a.flac", song)}).json()
            assert "done" in client.get(started["events"]).text
        (folder,) = tmp_path.glob("earmark-serve-*")
        assert len(list(folder.iterdir())) >= 2
        command.process.send_signal(ending)
        command.process.wait(PATIENCE_SECONDS)
    assert list(tmp_path.glob("earmark-serve-*")) == []


def test_it_ends_although_somebody_follows_a_track(model: Path, tmp_path: Path, song: bytes) -> None:
    with serving(model, tmp_path, "--grace-seconds", "1") as command:
        with httpx.Client(base_url=command.url, timeout=PATIENCE_SECONDS, trust_env=False) as client:
            for worker in _workers_of(command):
                os.kill(worker, signal.SIGSTOP)
            started = client.post("/v1/tracks", files={"file": ("a.flac", song)}).json()
            with client.stream("GET", started["events"]) as events:
                lines = events.iter_lines()
                assert next(lines) == "event: waiting"
                command.process.send_signal(signal.SIGTERM)
                assert "urn:earmark:problem:ending" in "".join(lines)
        command.process.wait(PATIENCE_SECONDS)
    assert list(tmp_path.glob("earmark-serve-*")) == []


@pytest.mark.parametrize("grace", ["0", "60"])
def test_requests_in_progress_get_their_grace_or_a_problem(
    model: Path, tmp_path: Path, song: bytes, grace: str
) -> None:
    """The first is analysed, the second waits, and the third is uploaded when the signal comes."""
    with serving(model, tmp_path, "--grace-seconds", grace) as command, ThreadPoolExecutor(3) as threads:
        (worker,) = _workers_of(command)
        os.kill(worker, signal.SIGSTOP)
        sounds: list[httpx._types.RequestContent] = [song, song, _endless()]
        answers = []
        for number, sound in enumerate(sounds):
            answers.append(threads.submit(_tag, command, sound))
            eventually(lambda: len(list(tmp_path.glob("earmark-serve-*/*/sound"))) == number + 1)  # noqa: B023
            eventually(lambda: f"earmark_places {min(number + 1, 2)}.0" in _metrics(command))  # noqa: B023
        command.process.send_signal(signal.SIGTERM)
        for late in answers[1:]:
            assert late.result().status_code == 503
            assert late.result().json()["type"] == "urn:earmark:problem:ending"
            assert "retry-after" in late.result().headers
        with contextlib.suppress(ProcessLookupError):  # without grace, it is killed
            os.kill(worker, signal.SIGCONT)
        assert answers[0].result().status_code == (503 if grace == "0" else 200)
        command.process.wait(PATIENCE_SECONDS)
        assert command.process.stderr is not None
        assert "Traceback" not in command.process.stderr.read()
    assert list(tmp_path.glob("earmark-serve-*")) == []


def test_who_follows_the_live_sound_is_told_that_the_server_ends(model: Path, tmp_path: Path) -> None:
    with serving(model, tmp_path, "--listen", "-") as command:
        with httpx.stream("GET", f"{command.url}v1/live", timeout=PATIENCE_SECONDS, trust_env=False) as events:
            lines = events.iter_lines()
            assert next(lines) == "event: notice"
            command.process.send_signal(signal.SIGINT)
            assert "event: ended" in list(lines)
        command.process.wait(PATIENCE_SECONDS)
        assert command.process.stderr is not None
        assert "Traceback" not in command.process.stderr.read()


def test_half_open_headers_at_the_limit_of_open_files_keep_nobody_out(model: Path, tmp_path: Path) -> None:
    """Nor do they, and requests that are none, fill the log."""
    with serving(model, tmp_path, limit_files=500) as command, ExitStack() as ending:
        host, port = command.url.removeprefix("http://").rstrip("/").split(":")
        for _ in range(600):
            connection = ending.enter_context(socket.create_connection((host, int(port))))
            with contextlib.suppress(OSError):
                connection.sendall(b"GET /health HTTP/1.1\r\nHost: local")
        assert httpx.get(f"{command.url}health", timeout=PATIENCE_SECONDS, trust_env=False).status_code == 200
        form = {"Content-Type": "multipart/form-data; boundary=edge"}
        bad = httpx.post(f"{command.url}v1/tag", content=b"--edge no form", headers=form, trust_env=False)
        assert bad.status_code == 400
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"no request\r\n\r\n")
            assert connection.recv(20).startswith(b"HTTP/1.1 400 ")
        command.process.send_signal(signal.SIGTERM)
        command.process.wait(PATIENCE_SECONDS)
        assert command.process.stderr is not None
        assert command.process.stderr.read() == ""


def test_what_is_left_where_it_is_killed_goes_with_the_next(model: Path, tmp_path: Path, song: bytes) -> None:
    with serving(model, tmp_path) as command:
        workers = _workers_of(command)
        assert workers
        with httpx.Client(base_url=command.url, timeout=PATIENCE_SECONDS, trust_env=False) as client:
            client.post("/v1/tracks", files={"file": ("a.flac", song)})
        command.process.kill()
        command.process.wait(PATIENCE_SECONDS)
    (left,) = tmp_path.glob("earmark-serve-*")
    eventually(lambda: not any(map(_runs, workers)))
    with serving(model, tmp_path):
        assert not left.exists()


def test_the_token_may_come_from_the_environment(model: Path, tmp_path: Path) -> None:
    with serving(model, tmp_path, EARMARK_TOKEN="secret") as command:
        assert httpx.get(f"{command.url}v1/models", trust_env=False).status_code == 401
        headers = {"Authorization": "Bearer secret"}
        assert httpx.get(f"{command.url}v1/models", headers=headers, trust_env=False).status_code == 200
        for worker in _workers_of(command):
            environment = Path(f"/proc/{worker}/environ")
            if environment.exists():
                assert b"secret" not in environment.read_bytes()


def test_who_opens_it_to_others_is_told_what_that_means(model: Path, tmp_path: Path) -> None:
    with serving(model, tmp_path, "--host", "0.0.0.0", EARMARK_TOKEN="") as command:
        assert command.process.stderr is not None
        assert "set a token" in command.process.stderr.readline()
        assert httpx.get(f"{command.url}health", trust_env=False).status_code == 200


def test_a_server_that_cannot_start_says_why_without_a_traceback(model: Path) -> None:
    script = (
        "import sys; from earmark.web.job_queue import JobQueue; from earmark.web.problem import ProblemError;"
        "from earmark.web.problems import no_worker; from earmark.__main__ import main\n"
        "async def fail(queue): raise ProblemError(no_worker('no memory'))\n"
        "JobQueue.open = fail; sys.argv[1:] = ['serve', '--port', '0', '--model', sys.argv[1]]; main()"
    )
    command = [sys.executable, "-c", script, str(model)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert done.returncode != 0
    assert "no memory" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_told(model: Path, tmp_path: Path) -> None:
    with serving(model, tmp_path) as command:
        port = command.url.rstrip("/").rpartition(":")[2]
        arguments = [sys.executable, "-m", "earmark", "serve", "--port", port, "--model", str(model)]
        second = subprocess.run(arguments, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert second.returncode == 1
    assert second.stderr.startswith("earmark: 127.0.0.1, port ")
    assert "Choose another --port" in second.stderr


def test_a_library_that_there_is_not_is_told(model: Path, tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "earmark", "serve", "--model", str(model), "--library", str(tmp_path / "none")]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert done.returncode == 1
    assert done.stderr.startswith("earmark: ")
    assert "found no such file" in done.stderr


def test_help_waits_for_nothing_of_it() -> None:
    script = (
        "import sys; from typer.testing import CliRunner; from earmark.cli.main import app; "
        "assert CliRunner().invoke(app, ['serve', '--help']).exit_code == 0; "
        "print(sorted({'fastapi', 'uvicorn', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert done.stdout.strip() == "[]", done.stderr


def _workers_of(command: Command) -> list[int]:
    """The worker processes of a command, where the system tells them."""
    children = Path(f"/proc/{command.process.pid}/task/{command.process.pid}/children")
    if not children.exists():
        pytest.skip("needs Linux to tell a process's children")
    return [int(number) for number in children.read_text().split()]


def _runs(process_id: int) -> bool:
    status = Path(f"/proc/{process_id}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def _tag(command: Command, sound: httpx._types.RequestContent) -> httpx.Response:
    headers = {"Content-Type": "audio/flac"}
    address = f"{command.url}v1/tag"
    return httpx.post(address, content=sound, headers=headers, timeout=PATIENCE_SECONDS, trust_env=False)


def _endless() -> Iterator[bytes]:
    for _ in range(1_000):
        yield bytes(5_000)
        time.sleep(0.05)


def _metrics(command: Command) -> str:
    return httpx.get(f"{command.url}metrics", timeout=PATIENCE_SECONDS, trust_env=False).text
