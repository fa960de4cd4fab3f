"""What is too large, too long, too slow, or too much at a time."""

import contextlib
import errno
import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from http import HTTPStatus

import httpx
import pytest
from web.served import PATIENCE_SECONDS, Served, eventually, problem, served

from earmark.errors import EarmarkError
from earmark.tagging.tagger import Tagger
from earmark.web.settings import ServerSettings

needs_signals = pytest.mark.skipif(os.name != "posix", reason="stops a process with a signal")


@pytest.fixture(scope="module")
def small(tagger: Tagger) -> Iterator[Served]:
    """A server that takes half a megabyte and six seconds."""
    with served(tagger, max_megabytes=0.5, max_minutes=0.1) as running:
        yield running


@pytest.mark.parametrize("address", ["/v1/tag", "/v1/embed", "/v1/tracks"])
def test_a_file_that_is_too_large_is_refused(small: Served, address: str) -> None:
    found = problem(small.client.post(address, files={"file": ("a.wav", bytes(600_000))}), 413, "too-large")
    assert found["max_megabytes"] == 0.5
    raw = small.client.post(address, content=bytes(600_000), headers={"Content-Type": "audio/wav"})
    problem(raw, 413, "too-large")
    assert _sounds(small) == []


def test_what_says_that_it_is_too_large_is_refused_before_it_comes(small: Served) -> None:
    said = "POST /v1/tag HTTP/1.1\r\nHost: localhost\r\nContent-Type: audio/wav\r\nContent-Length: 900000000000\r\n\r\n"
    answer = _raw(small, said.encode())
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"urn:earmark:problem:too-large" in answer


def test_one_that_does_not_say_how_large_it_is_is_stopped_on_its_way(small: Served) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += 100_000
            yield bytes(100_000)

    with contextlib.suppress(httpx.WriteError, httpx.ReadError):  # the answer was there before it was looked for
        answer = small.client.post("/v1/tag", content=endless(), headers={"Content-Type": "audio/wav"})
        problem(answer, 413, "too-large")
    assert sent < 50_000_000
    assert _sounds(small) == []


def test_a_form_with_much_beside_its_file_is_stopped_too(small: Served, song: bytes) -> None:
    parts = {"file": ("a" * 70_000, song[:1_000])}
    problem(small.client.post("/v1/tag", files=parts), 400, "wrong-form")


def test_a_sound_that_is_too_long_is_refused(small: Served, song: bytes) -> None:
    found = problem(small.client.post("/v1/tag", files={"file": ("a.flac", song)}), 422, "too-long")
    assert found["max_minutes"] == 0.1


@pytest.mark.parametrize(
    ("number", "status", "kind"),
    [
        (errno.ENOSPC, 507, "no-room"),
        (errno.EDQUOT, 507, "no-room"),
        (errno.EIO, 500, "unforeseen"),
        (errno.EACCES, 500, "unforeseen"),
        (errno.ENOENT, 500, "unforeseen"),
    ],
)
@pytest.mark.parametrize("part", ["earmark.web.tracks.Tracks.new_folder", "earmark.web.uploads.Uploads._write"])
def test_only_a_full_disk_is_told_as_one(
    small: Served, monkeypatch: pytest.MonkeyPatch, part: str, number: int, status: int, kind: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number), "/a/secret/path")

    monkeypatch.setattr(part, fail)
    for address in ("/v1/tag", "/v1/tracks"):
        answer = small.client.post(address, files={"file": ("a.wav", b"sound")}, headers={"Connection": "close"})
        problem(answer, status, kind)
        assert "secret" not in answer.text
    monkeypatch.undo()
    assert _sounds(small) == []
    eventually(lambda: "earmark_places 0.0" in small.client.get("/metrics").text)


def test_a_sender_that_leaves_leaves_nothing(small: Served) -> None:
    said = "POST /v1/tracks HTTP/1.1\r\nHost: localhost\r\nContent-Type: audio/wav\r\nContent-Length: 1000\r\n\r\nabc"
    with _connected(small) as connection:
        connection.sendall(said.encode())
        eventually(lambda: len(_sounds(small)) == 1)
    eventually(lambda: _sounds(small) == [])
    eventually(lambda: "earmark_places 0.0" in small.client.get("/metrics").text)


@needs_signals
def test_the_queue_has_an_end(tagger: Tagger, song: bytes) -> None:
    with served(tagger, max_waiting=2) as running:
        (worker,) = running.server.queue.process_ids
        os.kill(worker, signal.SIGSTOP)
        first, second, third = (running.bring(song) for _ in range(3))
        eventually(lambda: "earmark_waiting 2.0" in running.client.get("/metrics").text)
        for address in ("/v1/tag", "/v1/tracks"):
            answer = running.client.post(address, files={"file": ("a.flac", song)})
            found = problem(answer, 429, "full")
            assert int(answer.headers["retry-after"]) == found["retry_after_seconds"]
            assert int(answer.headers["retry-after"]) >= 1
        assert _first_event(running, third) == ("waiting", {"ahead": 1})
        assert running.client.delete(f"/v1/tracks/{second}").status_code == 204
        assert _first_event(running, third) == ("waiting", {"ahead": 0})
        os.kill(worker, signal.SIGCONT)
        assert running.events(first)[-1][0] == "done"
        assert running.events(third)[-1][0] == "done"
        running.finished(song)
        assert "earmark_refused_total 2.0" in running.client.get("/metrics").text


@needs_signals
def test_who_waits_and_leaves_gives_the_place_up(tagger: Tagger, song: bytes) -> None:
    with served(tagger, max_waiting=1) as running:
        (worker,) = running.server.queue.process_ids
        os.kill(worker, signal.SIGSTOP)
        identifier = running.bring(song)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{running.url}/v1/tag", files={"file": ("a.flac", song)}, timeout=httpx.Timeout(30, read=0.3))
        eventually(lambda: "earmark_places 1.0" in running.client.get("/metrics").text)
        os.kill(worker, signal.SIGCONT)
        assert running.events(identifier)[-1][0] == "done"


@needs_signals
def test_whoever_is_listened_to_and_leaves_ends_that(tagger: Tagger, song: bytes) -> None:
    with served(tagger) as running:
        (worker,) = running.server.queue.process_ids
        os.kill(worker, signal.SIGSTOP)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{running.url}/v1/tag", files={"file": ("a.flac", song)}, timeout=httpx.Timeout(30, read=0.3))
        eventually(lambda: "earmark_places 0.0" in running.client.get("/metrics").text)
        running.finished(song)
        assert worker not in running.server.queue.process_ids
        assert 'earmark_orders_total{outcome="cancelled",want="tag"} 1.0' in running.client.get("/metrics").text


def test_many_at_a_time_are_answered_or_told_to_come_back(tagger: Tagger, song: bytes) -> None:
    with served(tagger, jobs=2, max_waiting=3) as running:
        statuses: list[int] = []

        def send() -> None:
            answer = httpx.post(
                f"{running.url}/v1/tag", files={"file": ("a.flac", song)}, timeout=PATIENCE_SECONDS, trust_env=False
            )
            statuses.append(answer.status_code)

        threads = [threading.Thread(target=send) for _ in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
        assert len(statuses) == 24
        assert set(statuses) <= {HTTPStatus.OK, HTTPStatus.TOO_MANY_REQUESTS}
        assert statuses.count(HTTPStatus.OK) >= 5
        assert _sounds(running) == []


@pytest.mark.parametrize("wrong", [{"jobs": 0}, {"max_waiting": -1}, {"max_megabytes": 0}, {"keep_minutes": -1.0}])
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(EarmarkError, match=next(iter(wrong))):
        ServerSettings(**wrong)  # type: ignore[arg-type]


def _sounds(running: Served) -> list[str]:
    return [path.name for path in running.server.folder.rglob("sound")]


def _connected(running: Served) -> socket.socket:
    host, port = running.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS)


def _raw(running: Served, said: bytes) -> bytes:
    """Send bytes, and take all that is answered."""
    with _connected(running) as connection:
        connection.sendall(said)
        answer = b""
        while b"}" not in answer.partition(b"\r\n\r\n")[2]:
            found = connection.recv(65_536)
            if not found:
                break
            answer += found
        return answer


def _first_event(running: Served, identifier: str) -> tuple[str, dict[str, object]]:
    with running.client.stream("GET", f"/v1/tracks/{identifier}/events") as answer:
        lines = answer.iter_lines()
        return next(lines).removeprefix("event: "), json.loads(next(lines).removeprefix("data: "))
