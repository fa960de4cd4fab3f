"""What is written to stdout and stderr, whatever their encoding, and whoever reads them."""

import errno
import io
import json
import os
import signal
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from tagging.builders import write_random_bundle
from training.sounds import write_noise

from earmark.cli import output
from earmark.errors import OutputError

POSIX = pytest.mark.skipif(os.name != "posix", reason="streams and signals of POSIX systems")
DECOMPOSED = unicodedata.normalize("NFD", "Björk.flac")
NAMES = ("日本.flac", "😀 é.flac", "new\nline.flac", "cr\rlf.flac", DECOMPOSED, "plain.flac")
FORMS = {
    "text": ("cp1252", "ascii", "latin-1:strict", "utf-16", "utf-8:strict"),
    "--csv": ("cp1252", "utf-8:strict"),
    "--json": ("cp1252", "utf-16"),
    "--jsonl": ("ascii", "utf-8:strict"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, and sounds of odd names, one of which is no text."""
    folder = tmp_path_factory.mktemp("output")
    write_random_bundle(folder / "model")
    for number, name in enumerate(NAMES):
        write_noise(folder / "music" / name, number)
    if sys.platform == "linux":
        write_noise(folder / "music" / "odd.flac", 99)
        os.rename(folder / "music" / "odd.flac", os.fsencode(folder / "music") + b"/bj\xf6rk.flac")  # noqa: PTH104
    return folder


def command(place: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "earmark", "tag", "--model", str(place / "model"), str(place / "music"), *arguments]


def run(place: Path, *arguments: str, encoding: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    return subprocess.run(command(place, *arguments), capture_output=True, check=False, env=environment)


def count(place: Path) -> int:
    return len(os.listdir(place / "music"))  # noqa: PTH208 (a name may be no text)


@POSIX
@pytest.mark.parametrize(
    ("form", "encoding"), [(form, encoding) for form, encodings in FORMS.items() for encoding in encodings]
)
def test_every_track_is_printed_in_every_encoding(place: Path, form: str, encoding: str) -> None:
    done = run(place, *([form] if form != "text" else ["--top", "1"]), encoding=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    strict = encoding.split(":")[0]
    if form == "text":
        text = done.stdout.decode(strict, "surrogateescape")
        assert text.count(".flac  [short]\n") == count(place)
    elif form == "--csv":
        assert done.stdout.decode(strict).count(",random,") == count(place), "Unicode, also where a name is none"
    else:
        text = done.stdout.decode(strict)
        records = json.loads(text) if form == "--json" else [json.loads(line) for line in text.splitlines()]
        assert len(records) == count(place)
        for record in records:
            record["source"].encode("utf-8")
        assert {str(place / "music" / name) for name in NAMES} < {record["source"] for record in records}


@pytest.mark.skipif(sys.platform != "linux", reason="file names are any bytes on Linux only")
def test_a_name_that_is_no_text_can_be_had_from_json_and_goes_out_as_it_came_in_text(place: Path) -> None:
    odd = os.fsencode(place / "music") + b"/bj\xf6rk.flac"
    records = json.loads(run(place, "--json", encoding="utf-8").stdout)
    (record,) = [each for each in records if "source_bytes" in each]
    assert record["source"].endswith("bj\ufffdrk.flac")
    assert record["source_bytes"].endswith("/bj%F6rk.flac")
    assert odd + b"  [short]\n" in run(place, encoding="utf-8:strict").stdout


@POSIX
@pytest.mark.parametrize("form", ["--top=1", "--json", "--jsonl", "--csv"])
def test_a_reader_that_has_seen_enough_ends_it_without_a_word(place: Path, form: str) -> None:
    reading, writing = os.pipe()
    process = subprocess.Popen(command(place, form), stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    os.close(reading)
    assert process.stderr is not None
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait() == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("form", ["--top=1", "--json", "--jsonl", "--csv", "--help"])
def test_a_full_disk_is_one_sentence(place: Path, form: str) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command(place, form), stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("earmark: standard output cannot be written to: No space left on device. ")


@POSIX
def test_a_closed_stdout_takes_everything(place: Path) -> None:
    line = 'exec "$@" >&-'
    done = subprocess.run(["sh", "-c", line, "sh", *command(place)], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@POSIX
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_json_is_whole_after_an_interruption(place: Path, tmp_path: Path, name: str, status: int) -> None:
    """A signal while the second file is awaited: the first one's record stands, and the array is closed."""
    number = signal.Signals[name]
    pipe = tmp_path / "never.wav"
    os.mkfifo(pipe)
    done = place / "music" / "plain.flac"
    whole = [*command(place, "--json")[:-2], str(done), str(pipe), "--json"]
    process = subprocess.Popen(
        whole,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        # Where the tests run in the background, their children would not heed it.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    assert process.stdout is not None
    first = process.stdout.read(1)
    writer = os.open(pipe, os.O_WRONLY)  # it reads the pipe from here on
    process.send_signal(number)
    os.close(writer)  # where the signal comes just before the process waits for the pipe, only the pipe's end wakes it
    try:
        rest, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == status
    assert [record["source"] for record in json.loads(first + rest)] == [str(done)]


class Failing(io.RawIOBase):
    """A stream that fails from the second write on."""

    def __init__(self, number: int) -> None:
        self.written: list[bytes] = []
        self._number = number

    def writable(self) -> bool:
        return True

    def write(self, content: bytes) -> int:
        if self.written:
            raise OSError(self._number, os.strerror(self._number))
        self.written.append(bytes(content))
        return len(content)


@pytest.mark.parametrize(("number", "reader_left"), [(errno.EPIPE, True), (errno.ENOSPC, False), (errno.EIO, False)])
def test_a_failure_is_raised_once(number: int, reader_left: bool) -> None:
    raw = Failing(number)
    stream = output.GuardedStream(raw, "standard output")
    assert stream.write(b"one") == 3
    with pytest.raises(OutputError, match="standard output cannot be written to") as caught:
        stream.write(b"two")
    assert caught.value.reader_left == reader_left
    assert caught.value.reason == os.strerror(number)
    assert stream.write(b"three") == 5, "what is left is dropped, so that the command can end"
    assert raw.written == [b"one"]


def test_progress_is_lines_of_json_for_programs(place: Path) -> None:
    done = run(place, "--jsonl", "--progress", "json", encoding="utf-8")
    assert [json.loads(line) for line in done.stderr.splitlines()] == [
        {"progress": "tagging", "done": number, "total": count(place)} for number in range(1, count(place) + 1)
    ]
    added = subprocess.run(
        [
            *(sys.executable, "-m", "earmark", "library", "add", str(place / "music"), "--jobs", "1"),
            *("--model", str(place / "model"), "--library", str(place / "music.earmark"), "--progress", "json"),
        ],
        capture_output=True,
        check=True,
    )
    lines = [json.loads(line) for line in added.stderr.splitlines() if line.startswith(b"{")]
    assert lines[-1] == {"progress": "analysing", "done": count(place), "total": count(place), "failed": 0}
