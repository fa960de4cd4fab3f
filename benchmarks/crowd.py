"""A crowd of clients, some that send no sound and some that are slow: what is answered, and how fast /health is.

    python benchmarks/crowd.py [--clients 50 500] [--seconds 30] [--jobs 2] [--song-seconds 30] [--model FOLDER]
        [--json FILE]

`earmark serve` runs as a process of its own on this machine, with its usual limits. Each client sends an MP3 with
`POST /v1/tag` again and again, on a connection of its own each time, and comes back when it was told to (429). One in
twenty sends bytes that are no sound, and one in twenty sends its bytes at 40 kB/s. Any answer but 200, 422 and 429, and
any broken connection, is an error and ends the benchmark with exit status 1. Beside them one client asks `GET /health`
ten times a second. "held" is the longest round of the server's event loop in processor time, which no other load of the
machine changes (`benchmarks/held.py`). Memory is that of the server's own process while it runs (VmRSS, of Linux only):
the largest of the first and of the second half of the time.

Then four clients send 20 MB each, at once and again and again, for a third of the time, and one asks `GET /health`.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from record import record
from serving import BOUNDARY, HEALTH_SECONDS, form_of, serving
from songs import music, write_song
from tagging import write_model

SHARE = 20
"""One in so many clients is poisonous, and one in so many is slow."""
SLOW_BYTES, SLOW_SECONDS = 8_000, 0.2
ACCEPTED = (200, 422, 429)
UPLOADS, UPLOAD_BYTES = 4, 20_000_000
HELD = Path(__file__).with_name("held.py")


@dataclass
class Seen:
    """What all clients have seen, and the server's memory in MB by the time in seconds."""

    statuses: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    health: list[float] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, nargs="+", default=[50, 500])
    parser.add_argument("--seconds", type=float, default=30.0, help="of each load")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes")
    parser.add_argument("--song-seconds", type=int, default=30)
    parser.add_argument("--model", type=Path, help="a model's folder; without it random weights in full size")
    parser.add_argument("--json", type=Path, help="keep the figures here")
    options = parser.parse_args()
    figures: dict[str, object] = {}
    errors: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        model = options.model or folder / "model"
        if options.model is None:
            write_model(model)
        song, poison = folder / "song.mp3", folder / "poison.mp3"
        write_song(song, music(None), options.song_seconds)
        poison.write_bytes(np.random.default_rng(1).bytes(song.stat().st_size))
        large = folder / "large.mp3"
        large.write_bytes(np.random.default_rng(2).bytes(UPLOAD_BYTES))
        bodies = form_of(song), form_of(poison)
        print(f"{options.jobs} worker processes, an MP3 of {options.song_seconds} s, load {os.getloadavg()[0]:.0f}")
        print("| clients | 200 | 422 | 429 | errors | health p50 | p95 | longest | held | memory, 1st half | 2nd |")
        print("|---|---|---|---|---|---|---|---|---|---|---|")
        loads = [(f"{clients}", bodies, clients, options.seconds) for clients in options.clients]
        loads.append((f"{UPLOADS} uploads of 20 MB", (form_of(large),) * 2, UPLOADS, options.seconds / 3))
        for name, sent, clients, seconds in loads:
            report = folder / "held.json"
            with serving(model, options.jobs, 16, (str(HELD), str(report))) as (process, address):
                seen = asyncio.run(load(address, sent, clients, seconds, process.pid))
            errors += seen.errors
            held = json.loads(report.read_text(encoding="utf-8"))
            figures[name] = found = summary(seen, seconds) | {"held": held}
            milliseconds = [found[f"health {which} ms"] for which in ("p50", "p95", "longest")]
            print(
                f"| {name} | {' | '.join(str(seen.statuses[status]) for status in ACCEPTED)} | {seen.errors.total()} "
                f"| {' | '.join(f'{each:.0f} ms' for each in (*milliseconds, held['longest round'] * 1e3))} "
                f"| {' | '.join(f'{each:.0f} MB' for each in found['memory MB'])} |"
            )
    if options.json is not None:
        options.json.write_text(json.dumps(record({"crowd": figures}), indent=1) + "\n", encoding="utf-8")
    if errors:
        print("\n".join(f"{count} x {error}" for error, count in errors.most_common(10)), file=sys.stderr)
        raise SystemExit(1)


def summary(seen: Seen, seconds: float) -> dict[str, Any]:
    """The figures of one load."""
    halves = [[megabytes for at, megabytes in seen.memory if (at > seconds / 2) == late] for late in (False, True)]
    health = np.array(seen.health or [0.0]) * 1e3
    return {str(status): seen.statuses[status] for status in ACCEPTED} | {
        "errors": seen.errors.total(),
        "health p50 ms": float(np.percentile(health, 50)),
        "health p95 ms": float(np.percentile(health, 95)),
        "health longest ms": float(health.max()),
        "memory MB": [max(each, default=0.0) for each in halves],
    }


async def load(address: str, bodies: tuple[bytes, bytes], clients: int, seconds: float, process_id: int) -> Seen:
    """All clients at once, until the time is over; what they saw."""
    seen = Seen()
    last = time.monotonic() + seconds
    crowded = clients >= SHARE  # a few clients are all alike
    tasks = [
        tag(address, bodies[number % SHARE == 0], crowded and number % SHARE == 1, last, seen)
        for number in range(clients)
    ]
    await asyncio.gather(*tasks, ask_health(address, last, seen), watch_memory(process_id, last, seconds, seen))
    return seen


async def tag(address: str, body: bytes, slow: bool, last: float, seen: Seen) -> None:
    """One client: tag, and come back when told to, until the time is over."""
    headers = f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {len(body)}\r\n"
    while time.monotonic() < last:
        status, retry_after = await request(address, "POST /v1/tag?top=5", headers, body, slow, seen)
        seen.statuses[status] += 1
        if status not in ACCEPTED:
            seen.errors[f"status {status}"] += 1
        await asyncio.sleep(max(0.0, min(retry_after, last - time.monotonic())))


async def ask_health(address: str, last: float, seen: Seen) -> None:
    """A client that only asks whether the server is there."""
    while time.monotonic() < last:
        started = time.perf_counter()
        status, _ = await request(address, "GET /health", "", b"", False, seen)
        seen.health.append(time.perf_counter() - started)
        if status != 200:
            seen.errors[f"health: status {status}"] += 1
        await asyncio.sleep(HEALTH_SECONDS)


async def watch_memory(process_id: int, last: float, seconds: float, seen: Seen) -> None:
    """Note the server's memory once a second."""
    status = Path(f"/proc/{process_id}/status")
    while time.monotonic() < last and status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
        seen.memory.append((seconds - (last - time.monotonic()), int(line.split()[1]) * 1024 / 1e6))
        await asyncio.sleep(1.0)


async def request(address: str, line: str, headers: str, body: bytes, slow: bool, seen: Seen) -> tuple[int, float]:
    """One request on a connection of its own: its status (0: the connection broke), and seconds to wait."""
    host, port = address.split(":")
    try:
        reader, writer = await asyncio.open_connection(host, int(port))
    except OSError as error:
        seen.errors[repr(error)] += 1
        return 0, 0.0
    try:
        writer.write(f"{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n".encode())
        sending = asyncio.create_task(send(writer, body, slow))
        answer = await reader.read()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        head = answer.partition(b"\r\n\r\n")[0].decode("latin-1").lower()
        told = [part.partition(":")[2] for part in head.splitlines() if part.startswith("retry-after:")]
        return int(head.split(" ")[1]), float(told[0]) if told else 0.0
    except (OSError, IndexError) as error:
        seen.errors[repr(error)] += 1
        return 0, 0.0
    finally:
        writer.close()


async def send(writer: asyncio.StreamWriter, body: bytes, slow: bool) -> None:
    """Send a body, at 40 kB/s if the client is slow."""
    step = SLOW_BYTES if slow else max(1, len(body))
    for start in range(0, len(body), step):
        writer.write(body[start : start + step])
        await writer.drain()
        if slow:
            await asyncio.sleep(SLOW_SECONDS)


if __name__ == "__main__":
    main()
