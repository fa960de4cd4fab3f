"""Uploads that stall, drip, or are made to be slow to read harm nobody but themselves."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator

import pytest
from starlette.requests import Request
from web.served import PATIENCE_SECONDS, Served, eventually, problem, served

from earmark.tagging.tagger import Tagger
from earmark.web import problems, uploads
from earmark.web.form import FormReader
from earmark.web.metrics import Metrics
from earmark.web.problem import ProblemError
from earmark.web.settings import ServerSettings
from earmark.web.uploads import Incoming

HEADER = b"POST /v1/tag HTTP/1.1\r\nHost: localhost\r\nContent-Type: audio/wav\r\nContent-Length: 1000000\r\n\r\n"


def stalled(running: Served, sent: bytes = b"abc") -> socket.socket:
    """An upload that sends a little and then nothing."""
    connection = running.connect()
    connection.sendall(HEADER + sent)
    return connection


def answer_of(connection: socket.socket) -> bytes:
    """All that a server sends until it closes the connection."""
    answer = b""
    while found := connection.recv(65_536):
        answer += found
    return answer


@pytest.mark.parametrize("sent", [b"", b"abc", b"x" * 300_000])
def test_an_upload_that_stalls_is_given_up(tagger: Tagger, sent: bytes) -> None:
    with served(tagger, jobs_come=False, idle_seconds=0.2) as running, stalled(running, sent) as connection:
        answer = answer_of(connection)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"urn:earmark:problem:too-slow" in answer
        eventually(lambda: "earmark_uploads 0.0" in running.client.get("/metrics").text)


def test_stalled_uploads_keep_nobody_from_the_queue(usual: Served, song: bytes) -> None:
    connections = [stalled(usual) for _ in range(usual.server.settings.slots)]
    eventually(lambda: f"earmark_uploads {len(connections)}.0" in usual.client.get("/metrics").text)
    assert usual.client.post("/v1/tag", files={"file": ("a.flac", song)}).status_code == 200
    for each in connections:
        each.close()
    eventually(lambda: "earmark_uploads 0.0" in usual.client.get("/metrics").text)


def test_more_uploads_than_there_may_be_drive_out_the_slowest(
    tagger: Tagger, song: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "FIRST_SECONDS", 0.0)
    with served(tagger, max_uploads=2) as running:
        quick, slow = stalled(running, b"x" * 900_000), stalled(running, b"x")
        eventually(lambda: "earmark_uploads 2.0" in running.client.get("/metrics").text)
        assert running.client.post("/v1/tag", files={"file": ("a.flac", song)}).status_code == 200
        assert answer_of(slow).startswith(b"HTTP/1.1 408 ")
        quick.sendall(b"x" * 100_000)  # it is still taken, though it is no sound
        assert quick.recv(20).startswith(b"HTTP/1.1 422 ")
        for each in (quick, slow):
            each.close()


def test_uploads_that_are_not_slow_are_not_driven_out(tagger: Tagger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "LEAST_BYTES_A_SECOND", 1e-9)
    with served(tagger, jobs_come=False, max_uploads=1) as running, stalled(running):
        eventually(lambda: "earmark_uploads 1.0" in running.client.get("/metrics").text)
        answer = running.client.post("/v1/tag", content=b"x", headers={"Content-Type": "audio/wav"})
        problem(answer, 429, "full")
        assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize(("bytes_a_second", "seconds"), [(1, 15), (1_000, 15), (19_000, 300)])
def test_an_upload_that_drips_has_an_end(bytes_a_second: int, seconds: float) -> None:
    """It sends in time before it is idle, but less than the least rate."""
    now = [0.0]

    async def drip() -> None:
        incoming = Incoming(15.0, lambda: now[0])

        async def stream():  # type: ignore[no-untyped-def]
            while True:
                now[0] += 1.0
                assert now[0] < 10 * seconds, "it never ends"
                yield bytes(bytes_a_second)

        body = stream()
        while True:
            await incoming.next(body)

    with pytest.raises(ProblemError) as caught:
        asyncio.run(drip())
    assert caught.value.problem.status == 408
    assert now[0] <= seconds + 2


@pytest.mark.parametrize("pieces", [1, 4, 100])
def test_the_time_in_which_the_server_is_busy_is_not_the_client_s(pieces: int) -> None:
    now = [0.0]

    async def take() -> None:
        incoming = Incoming(15.0, lambda: now[0])

        async def stream() -> AsyncIterator[bytes]:
            for _ in range(pieces):
                yield bytes(4_000)

        body = stream()
        while await incoming.next(body):
            now[0] += 60.0  # it is written
        assert incoming.size_bytes == pieces * 4_000
        assert incoming.bytes_a_second == float("inf")

    asyncio.run(take())


@pytest.mark.parametrize(
    ("expected_bytes", "size_bytes", "seconds", "left"),
    [(1_000_000, 500_000, 10, 10), (1_000_000, 500_000, 5, 5), (None, 500_000, 10, 10), (1_000_000, 0, 0, 50)],
)
def test_how_long_an_upload_will_take(expected_bytes: int | None, size_bytes: int, seconds: float, left: float) -> None:
    now = [0.0]

    async def stream() -> AsyncIterator[bytes]:
        now[0] += seconds
        yield bytes(size_bytes)

    incoming = Incoming(15.0, lambda: now[0], expected_bytes)
    asyncio.run(incoming.next(stream()))
    assert incoming.seconds_left == pytest.approx(left)


def test_who_is_refused_is_told_when_the_first_upload_will_be_done(
    tagger: Tagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Incoming, "bytes_a_second", 50_000.0)
    monkeypatch.setattr(Incoming, "seconds_left", property(lambda self: self._expected_bytes / 50_000))
    uploads_of = uploads.Uploads(ServerSettings(max_uploads=2), Metrics())
    limit = problems.too_large(1.0)
    first, second = (
        uploads_of._take(Request({"type": "http", "headers": [(b"content-length", size)]}), 3_000_000, limit)
        for size in (b"2000000", b"1010000")
    )
    with first, second, pytest.raises(ProblemError) as caught:
        uploads_of.check()
    assert caught.value.headers == {"Retry-After": "21"}
    assert caught.value.problem.more["retry_after_seconds"] == 21


def test_a_body_of_json_that_announces_too_much_is_refused_before_it_comes(usual: Served) -> None:
    with socket.create_connection(("127.0.0.1", usual.client.base_url.port), timeout=PATIENCE_SECONDS) as connection:
        head = "POST /v1/batches HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: 2000000\r\n\r\n{{".encode())
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_forms_are_read_outside_the_event_loop(usual: Served, song: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    loops: list[int] = []
    usual.in_loop(lambda: loops.append(threading.get_ident()))
    feeds: list[int] = []
    feed = FormReader.feed

    def noted(self: FormReader, content: bytes) -> list[tuple[int, bytes]]:
        feeds.append(threading.get_ident())
        assert len(content) <= 2 * uploads.STEP_BYTES
        return feed(self, content)

    monkeypatch.setattr(FormReader, "feed", noted)
    usual.client.post("/v1/tag", files={"file": ("a.flac", song + bytes(3_000_000))})
    assert len(feeds) >= 3_000_000 // (2 * uploads.STEP_BYTES)
    assert not set(loops) & set(feeds)
