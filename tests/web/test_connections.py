"""Connections that say nothing, or only a part of a header, or nonsense, are bounded and have an end."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from web.served import PATIENCE_SECONDS, Served, eventually, served

from earmark.errors import EarmarkError
from earmark.tagging.tagger import Tagger
from earmark.web import connections as limits
from earmark.web.settings import ServerSettings

PART = b"GET /health HTTP/1.1\r\nHost: local"
UPLOAD = b"POST /v1/tag HTTP/1.1\r\nHost: localhost\r\nContent-Type: audio/wav\r\nContent-Length: 1000000\r\n\r\nabc"


@contextmanager
def opened(running: Served, count: int, sent: bytes) -> Iterator[list[socket.socket]]:
    """Connections that have sent something."""
    with ExitStack() as ending:
        connections = [ending.enter_context(running.connect()) for _ in range(count)]
        for each in connections:
            try:
                each.sendall(sent)
            except (BrokenPipeError, ConnectionResetError):
                continue
        yield connections


def answer_of(connection: socket.socket) -> bytes:
    """All that a server sends until it closes the connection; empty if it is reset."""
    answer = b""
    try:
        while found := connection.recv(65_536):
            answer += found
    except ConnectionResetError:
        return answer
    return answer


def kind_of(answer: bytes) -> str:
    body = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert answer.split(b" ")[1] == str(body["status"]).encode()
    assert b"application/problem+json" in answer
    return str(body["type"]).rpartition(":")[2]


@pytest.mark.parametrize(
    ("sent", "limit"),
    [
        (b"", "max_connections"),
        (b"G", "max_connections_of_client"),
        (PART, "max_connections"),
        (b"POST /v1/tag HTTP/1.1\r\nX: " + b"a" * 5_000, "max_connections_of_client"),
    ],
)
def test_half_open_headers_keep_nobody_out(tagger: Tagger, sent: bytes, limit: str) -> None:
    with (
        served(tagger, jobs_come=False, trusted_proxies=(), **{limit: 10}) as running,
        opened(running, 60, sent),
        running.connect() as last,
    ):
        last.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert answer_of(last).startswith(b"HTTP/1.1 200 ")
        assert len(running.http.open_connections) <= 10


@pytest.mark.parametrize("before", [b"", b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"])
@pytest.mark.parametrize("sent", [b"G", PART, PART + b"host\r\nX-A: b\r\n"])
def test_a_header_has_its_time(tagger: Tagger, before: bytes, sent: bytes) -> None:
    with served(tagger, jobs_come=False, header_seconds=0.2) as running, running.connect() as connection:
        connection.sendall(before)
        while before and b"limits" not in connection.recv(65_536):
            continue
        connection.sendall(sent)
        assert kind_of(answer_of(connection)) == "header-too-slow"
        eventually(lambda: len(running.http.open_connections) <= 1)


@pytest.mark.parametrize("sent", [b"G", PART])
def test_a_header_that_begins_in_the_packet_of_another_request_has_its_time_too(tagger: Tagger, sent: bytes) -> None:
    whole = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with served(tagger, jobs_come=False, header_seconds=0.2) as running, running.connect() as connection:
        connection.settimeout(20.0)
        connection.sendall(whole + sent)
        answer = answer_of(connection)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"header-too-slow" in answer


def test_a_connection_that_says_nothing_has_its_time_too(tagger: Tagger) -> None:
    with served(tagger, jobs_come=False, header_seconds=0.2) as running, running.connect() as connection:
        assert answer_of(connection) == b""


def test_a_header_that_comes_byte_by_byte_has_no_more_time(tagger: Tagger) -> None:
    with served(tagger, jobs_come=False, header_seconds=0.5) as running, running.connect() as connection:
        connection.settimeout(0.05)
        answer = b""
        for byte in PART + b"a" * 10_000:
            connection.sendall(bytes([byte]))
            try:
                answer = connection.recv(65_536)
                break
            except TimeoutError:
                continue
        assert b"header-too-slow" in answer


def test_a_request_that_has_begun_is_not_driven_out(tagger: Tagger, song: bytes) -> None:
    with (
        served(tagger, jobs_come=False, max_connections=3) as running,
        opened(running, 3, UPLOAD) as uploads,
    ):
        eventually(lambda: len(list(running.server.folder.rglob("sound"))) == 3)
        with running.connect() as late:
            answer = answer_of(late)
            assert kind_of(answer) == "too-many-connections"
            assert b"Retry-After: " in answer
        for each in uploads:
            each.close()
        eventually(lambda: running.client.get("/health").status_code == 200)


@pytest.mark.parametrize("limit", ["max_connections", "max_connections_of_client"])
def test_the_rest_of_a_refused_body_keeps_nobody_out(tagger: Tagger, limit: str) -> None:
    refused = b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nab"
    with (
        served(tagger, jobs_come=False, trusted_proxies=(), **{limit: 4}) as running,
        opened(running, 4, refused) as held,
    ):
        for each in held:
            assert each.recv(20).startswith(b"HTTP/1.1 404 ")
            each.sendall(b"c")  # what comes on changes nothing
        with running.connect() as late:
            late.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert answer_of(late).startswith(b"HTTP/1.1 200 ")


def test_an_address_of_ipv4_is_the_same_through_a_socket_of_ipv6() -> None:
    addresses = {"::ffff:127.0.0.1": "127.0.0.1", "::1": "::1", "10.0.0.1": "10.0.0.1", "fe80::1%eth0": "fe80::1%eth0"}
    assert {each: limits.plain_address(each) for each in addresses} == addresses


@pytest.mark.parametrize("wrong", ["proxy.example", "10.0.0.1/8", "10.0.0", "127.0.0.1,10.0.0.1", "*", ""])
def test_a_proxy_is_an_address_or_a_network(wrong: str) -> None:
    with pytest.raises(EarmarkError, match="trusted_proxies"):
        ServerSettings(trusted_proxies=("10.0.0.0/8", wrong))


@pytest.mark.parametrize("wrong", ["tökén", "  ", "one\ntwo", "\u2026"])
def test_a_token_that_no_header_can_hold_is_refused(wrong: str) -> None:
    with pytest.raises(EarmarkError) as caught:
        ServerSettings(token=wrong)
    assert wrong not in str(caught.value)


@pytest.mark.parametrize("trusted", [(), ("127.0.0.1",), ("127.0.0.0/8",)])
def test_a_proxy_may_have_more_connections_than_a_client(tagger: Tagger, trusted: tuple[str, ...]) -> None:
    with (
        served(tagger, jobs_come=False, max_connections_of_client=2, trusted_proxies=trusted) as running,
        opened(running, 2, UPLOAD),
    ):
        eventually(lambda: len(list(running.server.folder.rglob("sound"))) == 2)
        with running.connect() as more:
            more.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            status = 200 if trusted else 503
            assert answer_of(more).startswith(f"HTTP/1.1 {status} ".encode())


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/9\r\n\r\n",
        b"GET /\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 300_000,
        b"POST /v1/tag HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: Chunked\r\ncontent-length: 0\r\n\r\n0\r\n\r\nGET /",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 17_000 + b"\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"X: aaaa\r\n" * 4_000 + b"\r\n",
        b"GET /health?" + b"0&" * 10_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
def test_what_is_no_request_is_answered_and_logged_nowhere(
    usual: Served, nonsense: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with usual.connect() as connection:
        connection.sendall(nonsense)
        assert kind_of(answer_of(connection)) == "wrong-request"
    assert capfd.readouterr().err == ""


def test_a_body_in_very_small_chunks_is_refused(usual: Served) -> None:
    head = b"POST /v1/tag HTTP/1.1\r\nHost: localhost\r\nContent-Type: audio/wav\r\nTransfer-Encoding: chunked\r\n\r\n"
    with usual.connect() as connection:
        connection.sendall(head + b"1\r\nx\r\n" * (limits.FIRST_CHUNKS + 10))
        assert kind_of(answer_of(connection)) == "wrong-request"
    eventually(lambda: "earmark_uploads 0.0" in usual.client.get("/metrics").text)
    with usual.connect() as connection:
        chunk = b"200\r\n" + bytes(0x200) + b"\r\n"
        connection.sendall(head + chunk * (limits.FIRST_CHUNKS + 10) + b"0\r\n\r\n")
        assert connection.recv(20).startswith(b"HTTP/1.1 422 ")  # zeros are no sound


@pytest.mark.skipif(os.name != "posix", reason="limits the open files of a process")
def test_no_limit_of_open_files_is_reached(tmp_path_factory: pytest.TempPathFactory) -> None:
    """At the limit, asyncio's loop of accepting connections logs megabytes and occupies a processor."""
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (400, 400));"
        "from earmark.web.connections import Connections; from earmark.web.settings import ServerSettings;"
        "print(Connections(ServerSettings(max_connections=100_000))._most)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert 0 < int(done.stdout) + limits.RESERVED_FILES <= 400, done.stderr
