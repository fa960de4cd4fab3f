"""What holds for all requests (ASGI): turns, HEAD, compression, refused bodies, and the path that a proxy shows."""

import asyncio
import gzip
import time
from collections import deque
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COMPRESSED_TYPES = frozenset(
    (
        "application/json",
        "application/problem+json",
        "application/x-ndjson",
        "image/svg+xml",
        "text/css",
        "text/html",
        "text/javascript",
        "text/plain",
    )
)
LEAST_BYTES = 1_000
"""A response that is shorter is sent as it is: its headers are the most of it."""
LEVEL = 6
BEGUN_TOGETHER = 16
"""How many requests begin in one round of the event loop."""
LINGER_SECONDS, LINGER_IDLE_SECONDS = 30.0, 5.0
"""How long the rest of a refused body is read, in all and without a byte, so that the client can read the reason."""
MOST_LINGERING = 64
"""How many such bodies are read at a time; the connections of further ones are closed at once."""
LINGERS = "earmark.lingers"
"""The key in the state of a request (ASGI) of what is called when only the rest of its body is read."""
LINGER_PAUSE_SECONDS = 0.002
"""The pause between two pieces of such a body, for each of them that is read: requests that are served come first."""


class TurnMiddleware:
    """Lets few requests begin in each round of the event loop, so that none holds it for the others when many come.

    Requests for `/health` do not wait.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._first = ("/health", f"{root_path}/health")
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._begun = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on in its turn."""
        if scope["type"] == "http" and scope["path"] not in self._first:
            await self._take_turn()
        await self._app(scope, receive, send)

    async def _take_turn(self) -> None:
        loop = asyncio.get_running_loop()
        if self._begun == 0:
            loop.call_soon(self._begin_round)
        if self._begun < BEGUN_TOGETHER and not self._waiting:
            self._begun += 1
            return
        turn = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _begin_round(self) -> None:
        self._begun = 0
        while self._waiting and self._begun < BEGUN_TOGETHER:
            turn = self._waiting.popleft()
            if not turn.done():  # the server may have cancelled it
                turn.set_result(None)
                self._begun += 1
        if self._begun:
            asyncio.get_running_loop().call_soon(self._begin_round)


class HeadMiddleware:
    """Answers HEAD with the headers that GET has."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on as GET if it is HEAD, and send no body then."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        ended = asyncio.Event()

        async def receive_until_end() -> Message:
            if ended.is_set():
                return {"type": "http.disconnect"}
            return await receive()

        async def send_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
            elif not ended.is_set():
                ended.set()
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self._app({**scope, "method": "GET"}, receive_until_end, send_headers)


class LingerMiddleware:
    """Reads the rest of a body that is refused before it has arrived.

    A connection that is closed with unread bytes is reset, and the client may lose the response that it was sent.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app, self._lingering = app, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and end a response that reports a failure only after the body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        ended = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
        failed = False

        async def receive_and_note() -> Message:
            nonlocal ended
            message = await receive()
            ended = ended or not message.get("more_body", False)
            return message

        async def send_and_linger(message: Message) -> None:
            nonlocal failed
            if message["type"] == "http.response.start":
                gives_up = Headers(raw=message["headers"]).get("connection", "").lower() == "close"
                failed = message["status"] >= HTTPStatus.BAD_REQUEST and not gives_up
            elif failed and not ended and not message.get("more_body", False) and self._lingering < MOST_LINGERING:
                await send({**message, "more_body": True})
                scope.get("state", {}).get(LINGERS, _nothing)()
                last = time.monotonic() + LINGER_SECONDS
                self._lingering += 1
                try:
                    while not ended and time.monotonic() < last:
                        async with asyncio.timeout(LINGER_IDLE_SECONDS):
                            await receive_and_note()
                        await asyncio.sleep(LINGER_PAUSE_SECONDS * self._lingering)
                except TimeoutError:
                    pass  # the connection is closed with the rest unread
                finally:
                    self._lingering -= 1
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        await self._app(scope, receive_and_note, send_and_linger)


def _nothing() -> None:
    """Do nothing, for servers that have no limit of connections."""


class CompressionMiddleware:
    """Compresses text that is sent at once, for clients that accept gzip; not sounds, and not streams."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and compress the response where that is worth it."""
        if scope["type"] != "http" or not _accepts_gzip(Headers(scope=scope).get("accept-encoding", "")):
            await self._app(scope, receive, send)
            return
        start: Message | None = None

        async def send_compressed(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                if _is_text(Headers(raw=message["headers"])):
                    start = message
                else:
                    await send(message)
                return
            if start is not None:
                body = message.get("body", b"")
                if not message.get("more_body") and len(body) >= LEAST_BYTES:
                    # zlib releases the lock of the interpreter, so other requests are answered meanwhile.
                    body = await asyncio.to_thread(gzip.compress, body, LEVEL, mtime=0)
                    headers = MutableHeaders(scope=start)
                    headers["Content-Encoding"] = "gzip"
                    headers["Content-Length"] = str(len(body))
                    headers.add_vary_header("Accept-Encoding")
                    if "etag" in headers and not headers["etag"].startswith("W/"):
                        headers["ETag"] = f"W/{headers['etag']}"
                    message = {**message, "body": body}
                await send(start)
                start = None
            await send(message)

        await self._app(scope, receive, send_compressed)


class RootPathMiddleware:
    """Accepts requests with and without the path below which a proxy shows the server."""

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app, self._root_path = app, root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with the whole path, as ASGI has it; send a client from the bare root path to the page."""
        if scope["type"] != "http" or not self._root_path:
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        if path == self._root_path:
            headers = [(b"location", f"{self._root_path}/".encode("ascii")), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 308, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        if not path.startswith(f"{self._root_path}/"):
            path = self._root_path + path
        await self._app({**scope, "path": path, "root_path": self._root_path}, receive, send)


def _accepts_gzip(accepted: str) -> bool:
    """Return whether an Accept-Encoding header names gzip, with a quality above 0."""
    for each in accepted.lower().split(","):
        name, _, quality = each.partition(";")
        if name.strip() in ("gzip", "*"):
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _is_text(headers: Headers) -> bool:
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type in COMPRESSED_TYPES and "content-encoding" not in headers and "content-range" not in headers
