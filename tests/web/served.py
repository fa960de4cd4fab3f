"""A server on a free port of this machine, in a thread, and what tests ask of it."""

import asyncio
import json
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock
from urllib.parse import urlsplit

import httpx

from earmark.tagging.tagger import Tagger
from earmark.web.app import make_app
from earmark.web.http_server import HttpServer
from earmark.web.job_queue import JobQueue
from earmark.web.server import Server
from earmark.web.settings import ServerSettings

PATIENCE_SECONDS = 120.0
"""How long anything may take on a slow machine beside other load."""


@dataclass(frozen=True)
class Served:
    """A server that runs: its parts, and a client that talks to it."""

    url: str
    server: Server
    client: httpx.Client
    loop: asyncio.AbstractEventLoop
    http: HttpServer

    def bring(self, sound: bytes, name: str = "song.flac") -> str:
        """Bring a sound; returns the track's identifier."""
        answer = self.client.post("/v1/tracks", files={"file": (name, sound)})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def events(self, identifier: str) -> list[tuple[str, dict[str, object]]]:
        """All events of a track from now to its last."""
        return self.events_at(f"/v1/tracks/{identifier}/events")

    def events_at(self, address: str) -> list[tuple[str, dict[str, object]]]:
        """All events of an address from now to its last."""
        found = []
        with self.client.stream("GET", address) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            name = ""
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    found.append((name, json.loads(line.removeprefix("data: "))))
        return found

    def finished(self, sound: bytes, name: str = "song.flac") -> str:
        """Bring a sound and wait until it is done; returns the track's identifier."""
        identifier = self.bring(sound, name)
        assert self.events(identifier)[-1][0] == "done"
        return identifier

    def connect(self) -> socket.socket:
        """Open a connection."""
        parts = urlsplit(self.url)
        return socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_SECONDS)

    def in_loop(self, call: Callable[[], None]) -> None:
        """Have the server's own thread call something, and wait for it."""
        done = threading.Event()

        def called() -> None:
            call()
            done.set()

        self.loop.call_soon_threadsafe(called)
        assert done.wait(PATIENCE_SECONDS)


@contextmanager
def served(
    tagger: Tagger, library: Path | None = None, *, jobs_come: bool = True, **settings: object
) -> Iterator[Served]:
    """Serve an application until the block ends; where no jobs come, no worker process is started for them."""
    chosen = ServerSettings(**settings)  # type: ignore[arg-type]
    app = make_app(chosen, tagger, library)
    started = JobQueue.open if jobs_come else _start_none
    server = HttpServer(
        app,
        lambda: None,
        host="127.0.0.1",
        port=0,
        log_level="critical",
        timeout_keep_alive=int(PATIENCE_SECONDS),  # a client on a slow machine is slow to ask again
    )
    loops: list[asyncio.AbstractEventLoop] = []

    async def run() -> None:
        loops.append(asyncio.get_running_loop())
        await server.serve()

    thread = threading.Thread(target=asyncio.run, args=(run(),), daemon=True)
    with mock.patch.object(JobQueue, "open", started):
        thread.start()
        eventually(lambda: server.started or not thread.is_alive())
    assert server.started, "the server did not start"
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    url = f"http://{host}:{port}"
    headers = {"Authorization": f"Bearer {chosen.token.strip()}"} if chosen.token else {}
    try:
        with httpx.Client(base_url=url, timeout=PATIENCE_SECONDS, headers=headers, trust_env=False) as client:
            yield Served(url, app.state.server, client, loops[0], server)
    finally:
        server.should_exit = True
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive(), "the server did not end"


async def _start_none(queue: JobQueue) -> None:
    del queue


def eventually(so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    last = time.monotonic() + PATIENCE_SECONDS
    while not so():
        assert time.monotonic() < last, "it never came to be so"
        time.sleep(0.01)


def problem(answer: httpx.Response, status: int, kind: str) -> dict[str, object]:
    """What a problem says; its form, and that it tells nothing of this machine, is checked."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, object] = answer.json()
    assert found["type"] == f"urn:earmark:problem:{kind}"
    assert found["status"] == status
    for part in ("title", "detail", "what_to_do"):
        assert isinstance(found[part], str)
        assert found[part]
    assert tempfile.gettempdir() not in answer.text
    return found
