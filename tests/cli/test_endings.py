"""However a command ends: quietly, with whole JSON, and with a status that says why."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from library.disks import small_disk
from tagging.builders import write_random_bundle
from training.sounds import write_noise

from earmark.cli import ending, output

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX systems")
STATUSES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, music, and a library that has heard half of it."""
    folder = tmp_path_factory.mktemp("endings")
    write_random_bundle(folder / "model")
    for number in range(3):
        write_noise(folder / "music" / f"{number}.flac", number)
    done = run(folder, "library", "add", str(folder / "music" / "0.flac"), "--model", str(folder / "model"))
    assert done.returncode == 0, done.stderr
    return folder


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "earmark", *arguments]


def run(place: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    named = ["--library", str(place / "music.earmark")] if arguments[0] == "library" else []
    env = {**os.environ, **environment}
    return subprocess.run(command(*arguments, *named), capture_output=True, text=True, check=False, env=env)


ENDS: dict[str, tuple[list[str], dict[str, str]]] = {
    "add, no workers": (["library", "add", "{music}", "--model", "{model}"], {"site": "no workers"}),
    "verify, no workers": (["library", "verify", "--model", "{model}"], {"site": "no workers"}),
    "add, no model": (["library", "add", "{music}", "--model", "{music}"], {}),
    "verify, no model": (["library", "verify", "--model", "{music}"], {}),
    "search, a wrong query": (["library", "search", "AND AND"], {}),
    "similar, no such file": (["library", "similar", "{music}/no.flac", "--model", "{model}"], {}),
    "write, no mapping": (["library", "write", "--mapping", "{music}/no.toml"], {}),
    "write, no such file": (["library", "write", "{music}/no.flac"], {}),
    "undo, nothing written": (["library", "undo"], {}),
    "tag, no model": (["tag", "{music}", "--model", "{music}"], {}),
    "tag, no workers": (["tag", "{music}", "--model", "{model}", "--jobs", "2"], {"site": "no workers"}),
    "tag, no files": (["tag", "{music}/no", "--model", "{model}"], {}),
}


@pytest.mark.parametrize("name", ENDS)
def test_json_is_json_however_a_command_ends(place: Path, tmp_path: Path, name: str) -> None:
    arguments, options = ENDS[name]
    environment = {}
    if options.get("site") == "no workers":
        (tmp_path / "sitecustomize.py").write_text(
            "import os, sys\nif 'earmark.workers.worker' in ' '.join(sys.orig_argv): os._exit(3)\n"
        )
        environment["PYTHONPATH"] = str(tmp_path)
    named = [each.format(music=place / "music", model=place / "model") for each in arguments]
    done = run(place, *named, "--json", **environment)
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found == [] or found["error"] in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", STATUSES)
@pytest.mark.parametrize("writes", ["add", "tag"])
def test_a_signal_at_any_time_ends_it_quietly(place: Path, tmp_path: Path, name: str, writes: str) -> None:
    if writes == "add":
        library = ["--library", str(tmp_path / "own.earmark"), "--model", str(place / "model"), "--jobs", "1"]
        arguments = command("library", "add", str(place / "music"), "--json", *library)
    else:
        arguments = command("tag", str(place / "music"), "--json", "--model", str(place / "model"))
    number = signal.Signals[name]
    for delay_seconds in (0.15, 0.25, 0.35, 0.5, 0.8, 1.3):
        process = subprocess.Popen(
            arguments,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Where the tests run in the background, their children would not heed it.
            preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
        )
        time.sleep(delay_seconds)
        process.send_signal(number)
        shown, said = process.communicate(timeout=120)
        # Before Python runs any of the command, the system ends it.
        assert process.returncode in (0, STATUSES[name], -number), said
        assert "Traceback" not in said or process.returncode == -number
        assert shown == "" or json.loads(shown) is not None


@pytest.mark.parametrize("dropped_in", ["weak reference", "destructor"])
@pytest.mark.parametrize("name", STATUSES)
def test_a_signal_ends_a_command_even_where_python_drops_exceptions(name: str, dropped_in: str) -> None:
    script = (
        "import os, signal, sys, time, weakref\n"
        "from earmark.cli.ending import end_in_order\n"
        "ending = end_in_order()\n"
        "class Held: pass\n"
        "def interrupt(_): os.kill(os.getpid(), int(sys.argv[1]))\n"
        "if sys.argv[2] == 'destructor': Held.__del__ = interrupt\n"
        "held = Held()\n"
        "reference = weakref.ref(held, interrupt) if sys.argv[2] != 'destructor' else None\n"
        "try:\n"
        "    del held\n"
        "    time.sleep(30)\n"
        "except (KeyboardInterrupt, SystemExit):\n"
        "    os._exit(ending.status)\n"
    )
    number = signal.Signals[name]
    done = subprocess.run(
        [sys.executable, "-c", script, str(int(number)), dropped_in],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    assert (done.returncode, done.stderr) == (STATUSES[name], "")


def test_other_exceptions_that_python_drops_are_still_shown() -> None:
    script = (
        "from earmark.cli.ending import end_in_order\n"
        "end_in_order(), end_in_order()\n"
        "class Held:\n"
        "    def __del__(self): raise KeyError('lost')\n"
        "Held()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert "KeyError: 'lost'" in done.stderr


@pytest.mark.parametrize("name", STATUSES)
def test_a_signal_waits_for_the_record_that_is_written(tmp_path: Path, name: str) -> None:
    """The reader has read a part of a long record when the signal comes, and reads the rest later."""
    script = (
        "from earmark.cli.ending import end_in_order\n"
        "from earmark.cli.output import prepare_streams\n"
        "from earmark.cli.results import JsonResults\n"
        "import earmark.cli.results as results, contextlib, sys\n"
        "results._record = lambda *given: {'long': 'x' * 3_000_000}\n"
        "prepare_streams()\nend_in_order()\n"
        "array = JsonResults(None)\n"
        "with contextlib.closing(array):\n"
        "    for _ in range(3): array.write(None)\n"
    )
    number = signal.Signals[name]
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    assert process.stdout is not None
    first = process.stdout.read(100_000)
    process.send_signal(number)
    time.sleep(0.3)
    rest, _ = process.communicate(timeout=60)
    assert [len(record["long"]) for record in json.loads(first + rest)] == [3_000_000]
    assert process.returncode in (STATUSES[name], -number)


def test_the_second_signal_ends_at_once_what_nobody_reads() -> None:
    script = (
        "from earmark.cli.ending import end_in_order\nfrom earmark.cli.output import prepare_streams, show\n"
        "prepare_streams()\nend_in_order()\nshow('x' * 3_000_000)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL),
    )
    assert process.stdout is not None
    process.stdout.read(1)
    while process.poll() is None:
        process.send_signal(signal.SIGTERM)
        time.sleep(0.05)
    process.communicate()
    assert process.returncode == -signal.SIGTERM


def test_what_is_shown_elsewhere_needs_no_handler(capsys: pytest.CaptureFixture[str]) -> None:
    with ending.whole():
        output.show("a line")
    assert capsys.readouterr().out == "a line\n"


def test_a_full_disk_is_named_as_such(place: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4) as disk:
        own = ["--library", str(disk.folder / "own.earmark"), "--model", str(place / "model"), "--jobs", "1"]
        subprocess.run(command("library", "add", str(place / "music" / "0.flac"), *own), check=True)
        for left_bytes in (0, 4_096, 40_000):
            (disk.folder / "filling").unlink(missing_ok=True)
            disk.fill(left_bytes)
            done = subprocess.run(
                command("library", "add", str(place / "music"), *own, "--json"), capture_output=True, text=True
            )
            if done.returncode:
                assert "the disk is full" in json.loads(done.stdout)["error"]
                assert f"free some space where {disk.folder} is" in done.stderr
            else:
                assert left_bytes == 40_000
