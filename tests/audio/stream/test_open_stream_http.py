"""A stream at an address: listened to slowly and without end, and again when it breaks off."""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from audio.arrived import encoded, make_music

from earmark.audio.decode import decode
from earmark.audio.stream.decoder import Timeouts
from earmark.audio.stream.open_stream import HttpStream, Reconnection
from earmark.errors import DecodeError

WANTED_HZ = 22_050
MIME = {"mp3": "audio/mpeg", "adts": "audio/aac", "ogg": "application/ogg"}
WAITS = Timeouts(60.0, 60.0)


@contextmanager
def served(answer: Callable[[BaseHTTPRequestHandler, int], None]) -> Iterator[str]:
    """A local server whose answers are made by a function of the request and its number; gives the address."""
    numbers = itertools.count()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                answer(self, next(numbers))
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing is logged."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/radio"
        finally:
            server.shutdown()
            thread.join()


def say(request: BaseHTTPRequestHandler, kind: str, length: int | None = None, status: int = 200) -> None:
    request.send_response(status)
    request.send_header("Content-Type", kind)
    if length is not None:
        request.send_header("Content-Length", str(length))
    request.end_headers()


def patience(slept: list[float] | None = None, **options: object) -> Reconnection:
    """Patience that waits for nothing, and says what it would have waited."""
    sleep = (lambda _: None) if slept is None else slept.append
    return Reconnection(sleep=sleep, waits=WAITS, **options)  # type: ignore[arg-type]


def test_an_endless_slow_stream_is_heard_as_it_comes() -> None:
    over = threading.Event()
    music = make_music(3.0)
    for name, mime in MIME.items():
        data = encoded(name, music)

        def endless(request: BaseHTTPRequestHandler, number: int, data: bytes = data, mime: str = mime) -> None:
            say(request, mime)
            while True:
                for start in range(0, len(data), 500):
                    request.wfile.write(data[start : start + 500])
                    if over.wait(0.001):
                        return

        with served(endless) as address:
            stream = HttpStream(address, WANTED_HZ, pytest.fail, patience())
            assert stream.paced
            count = 0
            blocks = stream.blocks()
            for block in blocks:
                count += len(block)
                if count > 7 * WANTED_HZ:  # more than the sound that it begins anew with
                    break
            assert stream.paced
            assert count < 8 * WANTED_HZ
            blocks.close()  # type: ignore[attr-defined]


def test_a_file_at_an_address_is_heard_to_its_end_and_waits_for_its_listener() -> None:
    data = encoded("mp3", make_music(3.0))

    def file(request: BaseHTTPRequestHandler, number: int) -> None:
        say(request, "audio/mpeg", len(data))
        request.wfile.write(data)

    with served(file) as address:
        stream = HttpStream(address, WANTED_HZ, pytest.fail, patience())
        found = np.concatenate(list(stream.blocks()))
    assert not stream.paced
    with decode(data, WANTED_HZ) as sound:
        expected = np.concatenate(list(sound))
    assert len(found) >= len(expected)
    np.testing.assert_allclose(found[: len(expected)], expected, atol=1e-4)


def test_a_stream_that_breaks_off_is_told_and_connected_again() -> None:
    data = encoded("adts", make_music(1.0))
    told: list[str] = []
    slept: list[float] = []

    def broken(request: BaseHTTPRequestHandler, number: int) -> None:
        if number in (1, 2):
            say(request, "text/plain", 0, 503)
            return
        say(request, "audio/aac")
        request.wfile.write(data)

    with served(broken) as address:
        blocks = HttpStream(address, WANTED_HZ, told.append, patience(slept)).blocks()
        count = 0
        while count < 2.5 * WANTED_HZ:
            count += len(next(blocks))
        blocks.close()  # type: ignore[attr-defined]
    assert [line.rpartition("; ")[2].rpartition(": ")[2] for line in told] == [
        "trying again in 1 s (1 of 5)",
        "trying again in 2 s (2 of 5)",
        "trying again in 4 s (3 of 5)",
        "connected again",
        "trying again in 8 s (4 of 5)",
        "connected again",
    ]
    assert slept == [1.0, 2.0, 4.0, 8.0]


def test_tries_are_bounded_and_count_anew_after_a_good_connection() -> None:
    data = encoded("adts", make_music(1.0))
    told: list[str] = []

    def broken(request: BaseHTTPRequestHandler, number: int) -> None:
        if number > 6:
            say(request, "text/plain", 0, 503)
            return
        say(request, "audio/aac")
        request.wfile.write(data)

    with served(broken) as address:
        stream = HttpStream(address, WANTED_HZ, told.append, patience(tries=2, lasting_seconds=0.5))
        count = 0
        with pytest.raises(DecodeError, match="given up after 2 tries"):
            for block in stream.blocks():
                count += len(block)
    assert count / WANTED_HZ == pytest.approx(7.0, abs=0.5)
    assert sum("connected again" in line for line in told) == 6


def test_a_file_that_breaks_off_is_an_error() -> None:
    data = encoded("mp3", make_music(3.0))

    def cut(request: BaseHTTPRequestHandler, number: int) -> None:
        say(request, "audio/mpeg", len(data))
        request.wfile.write(data[: len(data) // 2])

    with served(cut) as address:
        heard = 0
        with pytest.raises(DecodeError, match="broke off"):
            for block in HttpStream(address, WANTED_HZ, pytest.fail, patience()).blocks():
                heard += len(block)
    assert heard > WANTED_HZ


def test_a_stream_that_says_nothing_any_more_breaks_off() -> None:
    data = encoded("mp3", make_music(3.0))
    over = threading.Event()
    told: list[str] = []

    def stalls(request: BaseHTTPRequestHandler, number: int) -> None:
        say(request, "audio/mpeg")
        request.wfile.write(data)
        request.wfile.flush()
        over.wait(60)

    with served(stalls) as address:
        short = Reconnection(tries=1, waits=Timeouts(60.0, 0.5), sleep=lambda _: over.set())
        blocks = HttpStream(address, WANTED_HZ, told.append, short).blocks()
        while not told:
            next(blocks)
        blocks.close()  # type: ignore[attr-defined]
    assert "nothing came for too long" in told[0]


def test_what_never_answers_is_an_error_at_once() -> None:
    def refuses(request: BaseHTTPRequestHandler, number: int) -> None:
        if number == 0:
            say(request, "text/plain", 0, 404)
            return
        say(request, "text/html", 5_000)
        request.wfile.write(b"<p>no sound" * 455)

    with served(refuses) as address:
        for _ in range(2):
            with pytest.raises(DecodeError, match="no sound can be read"):
                next(HttpStream(address, WANTED_HZ, pytest.fail, patience()).blocks())
    with pytest.raises(DecodeError, match=r"127\.0\.0\.1"):
        next(HttpStream(address, WANTED_HZ, pytest.fail, patience()).blocks())


def test_a_playlist_never_opens_a_file(tmp_path: object) -> None:
    def playlist(request: BaseHTTPRequestHandler, number: int) -> None:
        text = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{tmp_path}/secret.ts\n#EXT-X-ENDLIST\n".encode()
        say(request, "application/vnd.apple.mpegurl", len(text))
        request.wfile.write(text)

    with served(playlist) as address, pytest.raises(DecodeError):
        list(HttpStream(address, WANTED_HZ, pytest.fail, patience()).blocks())


def test_neither_password_nor_key_is_shown() -> None:
    stream = HttpStream("https://me:secret@radio.example:8443/live.mp3?key=hidden", WANTED_HZ, print)
    assert stream.name == "radio.example:8443/live.mp3"
