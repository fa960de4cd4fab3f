"""Serving an application at an address until a signal ends it."""

import asyncio
import gc
import os
import socket
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import LOGGING_CONFIG

from earmark.errors import EarmarkError
from earmark.web.connections import BACKLOG, Connections, LimitedProtocol, raise_open_files
from earmark.web.server import Server

QUEUED_CONNECTIONS = 1_024
"""How many connections the system keeps until the event loop accepts them."""
KEEP_ALIVE_SECONDS = 75
"""How long a connection may wait for its next request; longer than proxies keep theirs, so that they close first."""
LOGGING: Mapping[str, Any] = {
    **LOGGING_CONFIG,
    # It would log a warning about each form that is none.
    "loggers": {**LOGGING_CONFIG["loggers"], "python_multipart": {"level": "ERROR"}},
}
SWITCH_SECONDS = 0.001
"""How long another thread may keep the lock of the interpreter from the event loop; Python's own 5 ms add up."""
FLUSH_SECONDS = 3.0
"""How long responses may take to be sent after the last job of a server that ends."""


class HttpServer(uvicorn.Server):
    """A uvicorn server with bounded connections. When it is told to end, it ends its jobs first."""

    def __init__(self, app: FastAPI, announce: Callable[[], None], **options: object) -> None:
        """`announce`: called when the server accepts requests. `options`: of uvicorn.Config."""
        self.open_connections = Connections(app.state.settings)
        own = {
            "http": partial(LimitedProtocol, self.open_connections),
            "ws": "none",
            "log_level": "error",  # a warning about each request that is no HTTP would fill the log
            "log_config": LOGGING,
            "server_header": False,
            "proxy_headers": True,  # the scheme and the client's address, from these alone
            "forwarded_allow_ips": list(app.state.settings.trusted_proxies),
            "backlog": BACKLOG,
            "timeout_keep_alive": KEEP_ALIVE_SECONDS,
        }
        config = uvicorn.Config(_BriefStartup(app), **{**own, **options})  # type: ignore[arg-type]
        super().__init__(config)
        self._app, self._announce = app, announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, accept connections, and announce that."""
        await super().startup(sockets)
        if self.started:
            for each in sockets or []:
                each.listen(QUEUED_CONNECTIONS)  # asyncio has set BACKLOG
            self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing more, give running jobs their grace, and end the rest with a problem."""
        for each in self.servers:
            each.close()
        if self.started:
            server: Server = self._app.state.server
            if self._app.state.live is not None:
                self._app.state.live.end()
            await server.end(lambda: self.force_exit)
            for connection in list(self.server_state.connections):
                connection.shutdown()
            await self._flush()
        for connection in list(self.server_state.connections):
            connection.transport.abort()  # what is left follows events or does not read
        await super().shutdown(sockets)

    async def _flush(self) -> None:
        """Wait up to FLUSH_SECONDS until all connections are closed."""
        last = asyncio.get_running_loop().time() + FLUSH_SECONDS
        while self.server_state.connections and not self.force_exit and asyncio.get_running_loop().time() < last:
            await asyncio.sleep(0.02)


class _BriefStartup:
    """Reports a failed start by the last line of its traceback, which says what was found (ASGI)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_last_line(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                message = {**message, "message": message["message"].strip().rpartition("\n")[2]}
            await send(message)

        await self._app(scope, receive, send_last_line if scope["type"] == "lifespan" else send)


def serve(app: FastAPI, host: str, port: int, announce: Callable[[str], None]) -> bool:
    """Serve an application until a signal ends it; return whether it was started.

    `announce`: called with the address of the server. Raises EarmarkError if the address cannot be used.
    """
    raise_open_files()
    keep_responsive()
    with _bound_socket(host, port) as bound:
        server = HttpServer(app, lambda: announce(_address(bound)))
        server.run(sockets=[bound])
    return server.started


def keep_responsive() -> None:
    """Keep this process from holding its event loop: by collecting garbage, or by threads that parse uploads."""
    gc.collect()
    gc.freeze()  # what the server consists of is never garbage, and looking through all of it takes 50 ms and more
    sys.setswitchinterval(SWITCH_SECONDS)


def _bound_socket(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address and does not accept connections yet."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # on Windows two servers could use one port then
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise EarmarkError(
            f"{host}, port {port}: found an address that cannot be used ({error.strerror or error}), expected a free "
            "port of this machine. Choose another --port, or another --host of this machine."
        ) from error
    return bound


def _address(bound: socket.socket) -> str:
    """Return the URL at which this machine reaches a server."""
    host, port = bound.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/"
