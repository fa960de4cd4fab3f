"""An application at an address, until it is told to end."""

import os
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from earmark.errors import EarmarkError
from earmark.web.server import Server

GRACE_SECONDS = 5
"""That requests under way have when the server is to end."""


class _Serving(uvicorn.Server):
    """uvicorn's server, which tells where it is, and ends what would never end by itself."""

    def __init__(self, app: FastAPI, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._app, self._announce = app, announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.started:
            server: Server = self._app.state.server
            await server.tracks.clear()  # with them their streams of events end
        await super().shutdown(sockets)


def serve(app: FastAPI, host: str, port: int, announce: Callable[[str], None]) -> bool:
    """Serve until a signal ends it; `announce` is told the address. Returns whether it could be started.

    Raises EarmarkError where nothing can be served at that address.
    """
    config = uvicorn.Config(
        app, log_level="warning", server_header=False, proxy_headers=False, timeout_graceful_shutdown=GRACE_SECONDS
    )
    with _listening(host, port) as listening:
        server = _Serving(app, config, lambda: announce(_address(listening)))
        server.run(sockets=[listening])
    return server.started


def _listening(host: str, port: int) -> socket.socket:
    """A socket at an address; not yet for anybody to connect to."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere it would let two servers have one port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise EarmarkError(
            f"{host}, port {port}: nothing can be served there ({error.strerror or error}). Choose another --port, or "
            "another --host of this machine."
        ) from error
    return listening


def _address(listening: socket.socket) -> str:
    """Where a server can be reached from this machine."""
    host, port = listening.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/"
