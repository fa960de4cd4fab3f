"""Many clients at once: answers a second, how long each waits, and the memory of the server and its worker processes.

    python benchmarks/serving.py [--clients 50] [--seconds 60] [--jobs 2] [--song-seconds 30] [--model FOLDER]
        [--json FILE]

`earmark serve` runs as a process of its own on this machine, and so many clients send it an MP3 with `POST /v1/tag`
again and again, all at once, for so many seconds. Twice: with the usual queue, where who is told to come back (429)
comes back when it was told to; and with a queue that is long enough for all. Any answer but 200 and 429, and any broken
connection, is an error and ends the benchmark with exit status 1. Beside them one client asks `GET /health` ten times a
second: what the event loop has left for others.

Seconds are of single requests, from the first byte sent to the last received. "answered" counts from a client's
first try to its 200, with the waiting that it was told to do. Largest memory is what the system counts for each process
(VmHWM), of Linux only.
"""

import argparse
import http.client
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from record import record
from songs import music, write_song
from tagging import write_model

BOUNDARY = "a-boundary-of-benchmarks"
TIMEOUT_SECONDS = 600
HEALTH_SECONDS = 0.1


@dataclass
class Seen:
    """What all clients have seen; lists of seconds."""

    statuses: Counter[int] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    tagged: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each of the two loads")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes")
    parser.add_argument("--song-seconds", type=int, default=30)
    parser.add_argument("--song", type=Path, help="a song to repeat; without it chords that are made here")
    parser.add_argument("--model", type=Path, help="a model's folder; without it random weights in full size")
    parser.add_argument("--json", type=Path, help="keep the figures here")
    options = parser.parse_args()
    figures: dict[str, object] = {}
    errors: list[str] = []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        model = options.model or folder / "model"
        if options.model is None:
            write_model(model)
        song = folder / "song.mp3"
        write_song(song, music(options.song), options.song_seconds)
        body = form_of(song)
        print(f"{options.clients} clients, {options.jobs} worker processes, an MP3 of {options.song_seconds} s")
        print(
            "| queue | songs/s | 200 | 429 | errors | tagged, p50 | p95 | refused, p95 | answered, p95 | health, p95 |"
        )
        print("|---|---|---|---|---|---|---|---|---|---|")
        for waiting in (16, options.clients):
            with serving(model, options.jobs, waiting) as (process, address):
                started = time.perf_counter()
                seen = load(address, body, options.clients, options.seconds)
                taken = time.perf_counter() - started
                memory = largest_memory(process.pid)
            errors += seen.errors
            found = summary(seen, taken) | memory
            figures[f"{waiting} may wait"] = found
            cells = [seen.statuses[200], seen.statuses[429], len(seen.errors)]
            shown = [found[f"{name} p95"] for name in ("refused", "answered", "health")]
            print(
                f"| {waiting} | {found['songs a second']:.1f} | {' | '.join(map(str, cells))} "
                f"| {found['tagged p50']:.2f} s | {found['tagged p95']:.2f} s | {shown[0] * 1e3:.0f} ms "
                f"| {shown[1]:.2f} s | {shown[2] * 1e3:.0f} ms |"
            )
            print(f"  largest memory: server {found['server MB']:.0f} MB, a worker process {found['worker MB']:.0f} MB")
    if options.json is not None:
        document = record({"serving": figures})
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if errors:
        print("\n".join(sorted(set(errors))), file=sys.stderr)
        raise SystemExit(1)


@contextmanager
def serving(
    model: Path, jobs: int, waiting: int, program: Sequence[str] = ("-m", "earmark")
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server's process and its host with its port. `program`: what Python runs as `earmark`."""
    command = [sys.executable, *program, "serve", "--port", "0", "--model", str(model)]
    command += ["--jobs", str(jobs), "--max-waiting", str(waiting)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            said = process.stderr.readline() if process.stderr is not None else ""
            found = [urlsplit(word).netloc for word in said.split() if word.startswith("http://")]
            if not found:
                raise SystemExit(f"the server did not start: {said}")
            yield process, found[0]
        finally:
            process.terminate()


def load(address: str, body: bytes, clients: int, seconds: float) -> Seen:
    """All clients at once, until the time is over; what they saw."""
    seen = Seen()
    last = time.monotonic() + seconds
    threads = [threading.Thread(target=tag, args=(address, body, last, seen)) for _ in range(clients)]
    threads.append(threading.Thread(target=ask_health, args=(address, last, seen)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


def tag(address: str, body: bytes, last: float, seen: Seen) -> None:
    """One client: tag, and come back when told to, until the time is over."""
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    first_try: float | None = None
    while time.monotonic() < last:
        started = time.perf_counter()
        first_try = started if first_try is None else first_try
        status, answer, retry_after = request(address, "POST", "/v1/tag?top=5", body, headers)
        ended = time.perf_counter()
        with seen.lock:
            seen.statuses[status] += 1
            if status == 200 and json.loads(answer)["tags"]:
                seen.tagged.append(ended - started)
                seen.answered.append(ended - first_try)
                first_try = None
            elif status == 429 and retry_after > 0:
                seen.refused.append(ended - started)
            else:
                seen.errors.append(f"{status}: {answer[:200]!r}")
        if status == 429:
            time.sleep(max(0.0, min(retry_after, last - time.monotonic())))


def ask_health(address: str, last: float, seen: Seen) -> None:
    """A client that only asks whether the server is there."""
    while time.monotonic() < last:
        started = time.perf_counter()
        status, answer, _ = request(address, "GET", "/health")
        with seen.lock:
            seen.health.append(time.perf_counter() - started)
            if status != 200:
                seen.errors.append(f"health: {status}: {answer[:200]!r}")
        time.sleep(HEALTH_SECONDS)


def request(
    address: str, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes, float]:
    """One request on a connection of its own: its status (0: the connection broke), body, and seconds to wait."""
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read(), float(answer.headers.get("Retry-After", 0))
    except (OSError, http.client.HTTPException) as error:
        return 0, repr(error).encode(), 0.0
    finally:
        connection.close()


def form_of(song: Path) -> bytes:
    """A song as the body of a form."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{song.name}"\r\n\r\n'
    return head.encode() + song.read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()


def summary(seen: Seen, taken: float) -> dict[str, float]:
    """The figures of one load: seconds, and counts."""
    found = {"songs a second": len(seen.tagged) / taken, "200": seen.statuses[200], "429": seen.statuses[429]}
    found["errors"] = len(seen.errors)
    for name in ("tagged", "refused", "answered", "health"):
        values = getattr(seen, name) or [0.0]
        found[f"{name} p50"] = float(np.percentile(values, 50))
        found[f"{name} p95"] = float(np.percentile(values, 95))
    return found


def largest_memory(process_id: int) -> dict[str, float]:
    """Return the largest memory of a server and of its worker processes, in MB; 0 if the system does not tell."""
    children = Path(f"/proc/{process_id}/task/{process_id}/children")
    numbers = children.read_text().split() if children.exists() else []
    return {
        "server MB": _megabytes(str(process_id)),
        "worker MB": max((_megabytes(number) for number in numbers), default=0.0),
    }


def _megabytes(process_id: str) -> float:
    status = Path(f"/proc/{process_id}/status")
    if not status.exists():
        return 0.0
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
    return int(lines.get("VmHWM", "0 kB").split()[0]) * 1024 / 1e6


if __name__ == "__main__":
    main()
