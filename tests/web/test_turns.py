"""The event loop is not held: requests begin in turns, and the rest of a refused body has a limit."""

import asyncio
import gc
import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import fastapi.dependencies.utils
import fastapi.routing
import pytest
from starlette.types import Message, Receive, Scope, Send
from web.served import PATIENCE_SECONDS, Served

from earmark.web import middleware
from earmark.web.middleware import BEGUN_TOGETHER, LingerMiddleware, TurnMiddleware

MANY = 5 * BEGUN_TOGETHER + 3
GONE = 4 * BEGUN_TOGETHER


async def nothing(*_: object) -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


def test_few_requests_begin_in_one_round_and_health_waits_for_none() -> None:
    begun: list[tuple[int, str]] = []
    round_number = 0

    async def note(scope: Scope, receive: Receive, send: Send) -> None:
        begun.append((round_number, scope["path"]))

    async def come() -> None:
        nonlocal round_number
        turns = TurnMiddleware(note, "/music")
        paths = [f"/{number}" for number in range(MANY)] + ["/health", "/music/health"]
        tasks = [
            asyncio.create_task(turns({"type": "http", "path": path}, nothing, nothing))  # type: ignore[arg-type]
            for path in paths
        ]
        await asyncio.sleep(0)
        tasks[GONE].cancel()  # it waits for its turn
        for _ in range(MANY):
            await asyncio.sleep(0)
            round_number += 1
        assert all(task.done() for task in tasks)
        await turns({"type": "http", "path": "/last"}, nothing, nothing)  # type: ignore[arg-type]

    asyncio.run(come())
    paths = [path for _, path in begun]
    assert [path for path in paths if "health" not in path] == [
        *(f"/{number}" for number in range(MANY) if number != GONE),
        "/last",
    ]
    assert max(Counter(number for number, path in begun if "health" not in path).values()) <= BEGUN_TOGETHER
    assert paths.index("/health") < BEGUN_TOGETHER + 2


@pytest.mark.parametrize(("seconds", "idle_seconds", "pieces"), [(1e6, 1e6, 30), (0.0, 1e6, 0), (1e6, 0.01, 10)])
def test_the_rest_of_a_refused_body_is_read_while_it_comes(
    monkeypatch: pytest.MonkeyPatch, seconds: float, idle_seconds: float, pieces: int
) -> None:
    """The body has 30 pieces; with a limit of its silence, it stalls after 10."""
    monkeypatch.setattr(middleware, "LINGER_SECONDS", seconds)
    monkeypatch.setattr(middleware, "LINGER_IDLE_SECONDS", idle_seconds)
    read = 0

    async def receive() -> Message:
        nonlocal read
        if idle_seconds < 1 and read == pieces:
            await asyncio.Event().wait()
        read += 1
        return {"type": "http.request", "body": b"x", "more_body": read < 30}

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 429, "headers": []})
        await send({"type": "http.response.body", "body": b"full"})

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "headers": [(b"content-length", b"30")]}
    asyncio.run(asyncio.wait_for(LingerMiddleware(refuse)(scope, receive, send), PATIENCE_SECONDS))
    assert read == pieces
    assert [message.get("more_body") for message in sent] == [None, True, False]


def test_few_refused_bodies_are_read_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "MOST_LINGERING", 2)
    sent: list[Message] = []

    async def never() -> Message:
        return await asyncio.Event().wait()  # type: ignore[return-value]

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 429, "headers": []})
        await send({"type": "http.response.body", "body": b"full"})

    async def send(message: Message) -> None:
        sent.append(message)

    async def ask() -> None:
        linger = LingerMiddleware(refuse)
        scope = {"type": "http", "headers": [(b"content-length", b"30")]}
        tasks = [asyncio.create_task(linger(scope, never, send)) for _ in range(3)]
        while not any(task.done() for task in tasks):
            await asyncio.sleep(0)
        assert [task.done() for task in tasks] == [False, False, True]
        for task in tasks:
            task.cancel()

    asyncio.run(ask())
    assert [message.get("more_body") for message in sent if "body" in message] == [True, True, None]


ADDRESSES = ["/health", "/v1/models", "/metrics", "/v1/library", "/v1/library/search", "/v1/tracks/any", "/v1/live"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_request_waits_for_a_thread_before_its_work(
    usual: Served, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """FastAPI calls plain functions in one of forty threads, which other work may occupy."""
    called: list[object] = []

    async def note(function: Callable[..., object], *arguments: object, **named: object) -> object:
        called.append(function)
        return function(*arguments, **named)

    for module in (fastapi.routing, fastapi.dependencies.utils):
        monkeypatch.setattr(module, "run_in_threadpool", note)
    assert usual.client.get(address).status_code in (200, 404)
    assert called == []


def test_what_the_server_consists_of_is_no_garbage_to_look_through() -> None:
    script = (
        "import gc, sys; from earmark.web.http_server import keep_responsive; keep_responsive();"
        "print(gc.get_freeze_count() > 10_000, sys.getswitchinterval() <= 0.001)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert done.stdout == "True True\n", done.stderr
    assert gc.isenabled()


def test_the_description_is_made_once(usual: Served) -> None:
    assert usual.http._app.openapi() is usual.http._app.openapi()
