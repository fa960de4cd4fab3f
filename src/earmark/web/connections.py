"""The connections of a server: how many there may be, and how long each may take for the header of a request."""

import asyncio
import ipaddress
import json
import sys
from collections import Counter
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from earmark.web import problems
from earmark.web.middleware import LINGERS
from earmark.web.problem import MEDIA_TYPE, Problem
from earmark.web.settings import ServerSettings

BACKLOG = 16
"""How many connections the event loop accepts at a time."""
RESERVED_FILES = 100 + 8 * BACKLOG
"""Open files that are left for uploads, worker processes, libraries, and connections that are about to be refused."""
UNREAD_SECONDS = 300.0
"""How long a client may leave a response unread. A player that is paused reads nothing and asks again later."""
FIRST_CHUNKS = 1_000
LEAST_CHUNK_BYTES = 512
"""The least mean size of the chunks of a body, after FIRST_CHUNKS: a chunk costs as much time as 100 kB."""


class ChunkLimitedConnection(h11.Connection):
    """Parses the requests of a connection.

    It refuses a body that comes in very many very small chunks, a large header also if it comes at once, and a header
    that states the end of the body in two ways, which a proxy may read otherwise (RFC 9112, section 6.1).
    """

    def __init__(self, largest_header_bytes: int) -> None:
        super().__init__(h11.SERVER, largest_header_bytes)
        self._largest_header_bytes = largest_header_bytes
        self._chunks = self._bytes = 0

    def next_event(self) -> Any:
        """Return the next part of a request; raise h11.RemoteProtocolError if it cannot be accepted."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._chunks = self._bytes = 0
            if len(event.target) + sum(len(name) + len(value) for name, value in event.headers) > (
                self._largest_header_bytes
            ):
                raise h11.RemoteProtocolError("the header is too large")
            if {b"content-length", b"transfer-encoding"} <= {name for name, _ in event.headers}:
                raise h11.RemoteProtocolError("the end of the body is stated in two ways")
        elif isinstance(event, h11.Data):
            self._chunks += event.chunk_start
            self._bytes += len(event.data)
            if self._chunks > FIRST_CHUNKS and self._bytes < self._chunks * LEAST_CHUNK_BYTES:
                raise h11.RemoteProtocolError("the chunks of the body are too small")
        return event


class Connections:
    """The open connections of a server. If there are too many, the one that has waited longest is closed.

    Only connections are closed that wait for the header of a request, or send the rest of a body that was refused: a
    request that has begun is never given up for another. If every connection has a request, the new one is refused.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.header_seconds = settings.header_seconds
        self._most = min(settings.max_connections, _open_files() - RESERVED_FILES)
        self._most_of_client = settings.max_connections_of_client
        self._trusted = settings.trusted_networks
        self._clients: Counter[str] = Counter()
        self._waiting: dict[LimitedProtocol, None] = {}
        self._open: set[LimitedProtocol] = set()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: "LimitedProtocol") -> bool:
        """Add a connection that waits for a header; return False if it has to be refused."""
        address = connection.address
        of_client = self._clients[address] >= self._most_of_client and not self._is_trusted(address)
        if of_client or len(self._open) >= self._most:
            oldest = next((each for each in self._waiting if not of_client or each.address == address), None)
            if oldest is None:
                return False
            oldest.close()
            self.remove(oldest)
        self._open.add(connection)
        self._clients[address] += 1
        self._waiting[connection] = None
        return True

    def _is_trusted(self, address: str) -> bool:
        """Return whether a network address is that of a proxy; a local socket has none and is this machine's."""
        return not address or any(ipaddress.ip_address(address) in network for network in self._trusted)

    def remove(self, connection: "LimitedProtocol") -> None:
        """Remove a connection that is closed; a second call does nothing."""
        self._waiting.pop(connection, None)
        if connection in self._open:
            self._open.remove(connection)
            self._clients[connection.address] -= 1
            self._clients += Counter()  # drops the counts that are zero

    def wait(self, connection: "LimitedProtocol", *, waits: bool) -> None:
        """Note whether a connection waits for the header of a request, or sends the rest of a refused body."""
        if not waits:
            self._waiting.pop(connection, None)
        elif connection in self._open and connection not in self._waiting:
            self._waiting[connection] = None


class LimitedProtocol(H11Protocol):
    """Speaks HTTP on one connection, within the limits of the server's connections."""

    def __init__(self, connections: Connections, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.conn = ChunkLimitedConnection(self.config.h11_max_incomplete_event_size or 16_384)
        self.app_state = {**self.app_state, LINGERS: self._linger}
        self._connections = connections
        self._lingers = False
        self._header_timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None
        self._heard = False

    @property
    def address(self) -> str:
        """The network address of the client, of IPv4 if it can be; empty for a local socket, which has none."""
        return self.client[0] if self.client else ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection, or refuse it if there are too many."""
        super().connection_made(transport)
        if self.client is not None:
            self.client = (plain_address(self.client[0]), self.client[1])
        if self._connections.add(self):
            self._start_header_timer()
        else:
            self._refuse(problems.TOO_MANY_CONNECTIONS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._connections.remove(self)
        self._stop_timers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the client. A header has to be complete in time, counted from its first byte."""
        self._heard = True
        super().data_received(data)
        if self._waits:
            self._start_header_timer()
        elif self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None
        self._connections.wait(self, waits=self._waits or self._lingers)

    def _linger(self) -> None:
        """Note that the client has its response, and that the rest of its body is read only for that."""
        self._lingers = True
        self._connections.wait(self, waits=True)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._lingers = False
        super().on_response_complete()
        self._connections.wait(self, waits=self._waits)
        if self._waits and not self.transport.is_closing() and self.conn.trailing_data[0]:
            self._start_header_timer()  # the first bytes of the next request have come with those of this one

    def send_400_response(self, msg: str) -> None:
        """Answer a request that is no HTTP; if its response has begun, end the connection."""
        del msg
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.close()
        else:
            self._refuse(problems.WRONG_REQUEST)

    def pause_writing(self) -> None:
        """Stop sending, because the client does not read."""
        super().pause_writing()
        self._unread_timer = self.loop.call_later(UNREAD_SECONDS, self.close)

    def resume_writing(self) -> None:
        """Go on sending."""
        super().resume_writing()
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None

    def close(self) -> None:
        """Close the connection at once."""
        self._stop_timers()
        self.transport.abort()

    @property
    def _waits(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _start_header_timer(self) -> None:
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(self._connections.header_seconds, self._give_up)

    def _give_up(self) -> None:
        if self._heard:
            self._refuse(problems.HEADER_TOO_SLOW)
        else:
            self.close()

    def _refuse(self, problem: Problem) -> None:
        """Answer with a problem and close the connection, whatever the client has sent."""
        self._stop_timers()
        body = json.dumps(problem.to_dict()).encode("ascii")
        retry = f"Retry-After: {problems.SOON_SECONDS}\r\n" if problem.status == HTTPStatus.SERVICE_UNAVAILABLE else ""
        head = (
            f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\nContent-Type: {MEDIA_TYPE}\r\n"
            f"Content-Length: {len(body)}\r\n{retry}Cache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()

    def _stop_timers(self) -> None:
        for timer in (self._header_timer, self._unread_timer):
            if timer is not None:
                timer.cancel()


def plain_address(address: str) -> str:
    """Return a network address, of IPv4 if it is one that a socket of IPv6 shows (::ffff:127.0.0.1)."""
    found = ipaddress.ip_address(address)
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return address if mapped is None else str(mapped)


def raise_open_files() -> None:
    """Let this process open as many files as the system permits it; on Windows, do nothing."""
    if sys.platform != "win32":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _open_files() -> int:
    """Return how many files this process may open."""
    if sys.platform == "win32":
        return 1 << 16
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else soft
