"""The limits of a server, and how long it keeps tracks."""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from earmark.errors import EarmarkError

LOOPBACK = ("127.0.0.1", "::1")
"""The addresses of this machine itself, where a proxy usually runs."""


@dataclass(frozen=True)
class ServerSettings:
    """The limits of a server; the defaults are safe for one machine.

    jobs: sounds analysed at a time, each in a process of its own. max_waiting: sounds that may wait; the server refuses
    further ones. max_uploads: sounds that may be uploaded at a time; if more come, the slowest upload is given up.
    max_megabytes, max_minutes: of one sound. max_batch_files, max_batch_megabytes: of one batch. kept_batches: how many
    batches the server keeps; it removes finished ones first. webhook_hosts: hosts, with a port or without, to which a
    batch may send a webhook; none by default. time_limit_seconds: how long the analysis of one sound may take.
    memory_megabytes: how much memory a process may use for a sound, beyond its model. keep_minutes: how long the server
    keeps a track after the last request for it. kept_tracks, kept_megabytes: how many tracks the server keeps; it
    removes the oldest first. header_seconds: how long the header of a request may take. idle_seconds: how long an
    upload may send nothing. max_connections: connections that may be open; if more come, the one that has waited
    longest for a request is closed. max_connections_of_client: those of one network address. trusted_proxies: addresses
    and networks, such as 10.0.0.0/8, to which that limit does not apply. grace_seconds: how long running jobs may take
    when the server is told to end. token: what every request must carry, in ASCII; spaces around it do not count; empty
    for none. allowed_hosts: names of the server, besides localhost and addresses. root_path: the path below which a
    proxy shows the server, such as /earmark; empty for the root. folder: where the private folder for uploads is
    created; None for the system's folder for temporary files.

    Raises EarmarkError for a number that is too small, and for a token, an address or a path that can never match.
    """

    jobs: int = 1
    max_waiting: int = 16
    max_uploads: int = 32
    max_megabytes: float = 200.0
    max_minutes: float = 60.0
    max_batch_files: int = 100
    max_batch_megabytes: float = 1_000.0
    kept_batches: int = 20
    webhook_hosts: tuple[str, ...] = ()
    time_limit_seconds: float = 300.0
    memory_megabytes: int = 2_048
    keep_minutes: float = 30.0
    kept_tracks: int = 100
    kept_megabytes: float = 2_000.0
    header_seconds: float = 10.0
    idle_seconds: float = 15.0
    max_connections: int = 1_000
    max_connections_of_client: int = 100
    trusted_proxies: tuple[str, ...] = LOOPBACK
    grace_seconds: float = 10.0
    token: str = ""
    allowed_hosts: tuple[str, ...] = ()
    root_path: str = ""
    folder: Path | None = None

    def __post_init__(self) -> None:
        least = {
            "jobs": 1,
            "max_waiting": 0,
            "max_uploads": 1,
            "kept_tracks": 1,
            "max_batch_files": 1,
            "kept_batches": 1,
            "max_connections": 1,
            "max_connections_of_client": 1,
            "grace_seconds": 0,
        }
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise EarmarkError(f"{name}: found {getattr(self, name)}, expected at least {bound}.")
        above_zero = (
            "max_megabytes",
            "max_minutes",
            "time_limit_seconds",
            "memory_megabytes",
            "keep_minutes",
            "kept_megabytes",
            "header_seconds",
            "idle_seconds",
            "max_batch_megabytes",
        )
        for name in above_zero:
            if not getattr(self, name) > 0:
                raise EarmarkError(f"{name}: found {getattr(self, name)}, expected more than 0.")
        if self.token and not (self.token.strip() and self.token.isascii() and self.token.strip().isprintable()):
            raise EarmarkError("token: found blanks alone, or a character that no header can hold; expected ASCII.")
        _ = self.trusted_networks
        if self.root_path and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", self.root_path):
            raise EarmarkError(f"root_path: found {self.root_path!r}, expected a path such as /earmark, or none.")

    @property
    def trusted_networks(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        """The networks of the trusted proxies. Raises EarmarkError for what is neither an address nor a network."""
        networks = []
        for each in self.trusted_proxies:
            try:
                networks.append(ipaddress.ip_network(each))
            except ValueError as error:
                raise EarmarkError(
                    f"trusted_proxies: found {each!r} ({error}), expected an address or a network such as 10.0.0.0/8."
                ) from error
        return tuple(networks)

    @property
    def max_bytes(self) -> int:
        """The largest size of one sound, in bytes."""
        return int(self.max_megabytes * 1_000_000)

    @property
    def max_batch_bytes(self) -> int:
        """The largest size of one batch, in bytes."""
        return int(self.max_batch_megabytes * 1_000_000)

    @property
    def slots(self) -> int:
        """How many sounds may wait or be analysed at a time."""
        return self.jobs + self.max_waiting
