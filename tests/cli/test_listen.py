"""`earmark listen`: what comes in on standard input, at an address or from a microphone, and how it ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from audio.arrived import encoded, make_music
from click.testing import Result
from tagging.builders import write_random_bundle
from typer.testing import CliRunner

import earmark
from earmark.audio.stream import open_stream
from earmark.cli.main import app

LABELS = [f"tag {number}" for number in range(1, 6)]
RATE_HZ = 22_050


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A thin random model of five tags in one group."""
    return write_random_bundle(tmp_path_factory.mktemp("listen") / "model")


def run(model: Path, *arguments: str, sound: bytes = b"") -> Result:
    return CliRunner().invoke(app, ["listen", "--model", str(model), *arguments], input=sound)


def raw(samples: np.ndarray) -> bytes:
    return np.round(samples * 32_767).astype("<i2").tobytes()


def test_lines_for_a_person_and_the_whole_at_the_end(model: Path) -> None:
    data = encoded("wav", make_music(5.0))
    result = run(model, "-", sound=data)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["0:01", "0:02", "0:03", "0:05", "group"]
    assert lines[3] == "0:05 heard in all"
    expected = earmark.load(model).tag(data).top(3)
    assert lines[4] == "  group of tests  " + "  ".join(f"{tag.label} {tag.probability:.2f}" for tag in expected)


@pytest.mark.parametrize("form", ["--jsonl", "--json"])
def test_json_a_line_an_answer(model: Path, form: str) -> None:
    samples = make_music(6.0, RATE_HZ)
    options = ("-", "--raw", "s16le", "--rate", str(RATE_HZ), "--channels", "2", form, "--window", "2.5")
    result = run(model, *options, sound=raw(samples))
    assert (result.exit_code, result.stderr) == (0, "")
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["overall"] for record in records] == [False] * 4 + [True]
    assert [record["seconds"] for record in records] == [1.254, 2.508, 3.762, 5.016, 6.0]
    assert [record["window_seconds"] for record in records] == [1.254, 2.5, 2.5, 2.5, 6.0]
    assert all(record["silent"] is False and record["skipped_seconds"] == 0 for record in records)
    expected = earmark.load(model).tag((samples, RATE_HZ)).top(5)
    assert [tag["label"] for tag in records[-1]["tags"]] == [tag.label for tag in expected]
    for found, tag in zip(records[-1]["tags"], expected, strict=True):
        assert found["group"] == tag.group
        assert found["probability"] == pytest.approx(tag.probability, abs=1e-4)


def test_fewer_answers_and_fewer_tags(model: Path) -> None:
    options = ("-", "--raw", "s16le", "--rate", str(RATE_HZ), "--jsonl", "--every", "2", "--top", "2")
    records = [
        json.loads(line) for line in run(model, *options, sound=raw(make_music(6.0, RATE_HZ)[:, 0])).stdout.splitlines()
    ]
    assert [record["seconds"] for record in records] == [1.254, 3.762, 6.0]
    assert {len(record["tags"]) for record in records} == {2}


def test_silence_says_silence(model: Path) -> None:
    options = ("-", "--raw", "s16le", "--rate", str(RATE_HZ))
    result = run(model, *options, sound=bytes(6 * RATE_HZ))
    assert result.stdout.splitlines() == ["    0:01  silence", "    0:02  silence", "0:03 heard in all: silence"]
    records = [
        json.loads(line) for line in run(model, *options, "--json", sound=bytes(6 * RATE_HZ)).stdout.splitlines()
    ]
    assert [(record["silent"], record["tags"]) for record in records] == [(True, [])] * 3


def test_a_very_short_sound_has_a_whole(model: Path) -> None:
    options = ("-", "--raw", "s16le", "--rate", str(RATE_HZ), "--jsonl")
    result = run(model, *options, sound=raw(make_music(0.3, RATE_HZ)[:, 0]))
    assert result.exit_code == 0
    assert [json.loads(line)["overall"] for line in result.stdout.splitlines()] == [True]


def test_what_is_no_sound_is_one_sentence(model: Path) -> None:
    for sound in (b"", b"no sound at all " * 5_000):
        result = run(model, "-", sound=sound)
        assert result.exit_code == 1
        assert isinstance(result.exception, earmark.EarmarkError)
        assert str(result.exception).startswith("stdin: ")
        assert result.stdout == ""


def test_what_breaks_off_still_has_a_whole(model: Path) -> None:
    samples = np.append(make_music(3.0, RATE_HZ)[:, 0], np.nan)
    options = ("-", "--raw", "f32le", "--rate", str(RATE_HZ), "--jsonl")
    result = run(model, *options, sound=samples.astype("<f4").tobytes())
    assert result.exit_code == 1
    assert "NaN" in str(result.exception)
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["overall"] for record in records] == [False, False, True]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give one source"),
        (("-", "--microphone"), "give one source"),
        (("-", "--device", "1"), "--microphone"),
        (("http://example.org/", "--raw", "s16le"), "standard input"),
        (("-", "--top", "0"), "--top"),
        (("-", "--every", "-1"), "--every"),
    ],
)
def test_wrong_options_are_refused(model: Path, arguments: tuple[str, ...], said: str) -> None:
    result = CliRunner().invoke(app, ["listen", "--model", str(model), *arguments], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_window_that_is_too_short_and_a_wrong_address_are_refused(model: Path) -> None:
    assert "longest segment" in str(run(model, "-", "--window", "1", sound=b"x").exception)
    assert "http" in str(run(model, "song.mp3").exception)
    assert "raw samples" in str(run(model, "-", "--raw", "mp3").exception)


def test_the_microphone_is_listened_to(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Microphone:
        paced = True

        def __init__(self, rate_hz: int, tell: object, device: object) -> None:
            self.name = f"microphone {device!r}"

        def blocks(self) -> object:
            yield from np.split(make_music(3.0, RATE_HZ)[:, 0].copy(), 10)

    monkeypatch.setattr(open_stream, "Microphone", Microphone)
    for device in ("3", "desk"):
        result = run(model, "--microphone", "--device", device)
        assert result.exit_code == 0
        assert len(result.stdout.splitlines()) == 4


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_the_whole(model: Path, number: signal.Signals) -> None:
    # Tests that run in the background ignore Ctrl-C, and so would what they start.
    heeding = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    start = f"{heeding}; from earmark.cli.main import main; main()"
    command = [sys.executable, "-c", start, "listen", "-", "--model", str(model), "--jsonl"]
    command += ["--raw", "s16le", "--rate", str(RATE_HZ)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(raw(make_music(3.0, RATE_HZ)[:, 0]))
        process.stdin.flush()
        # The pipe stays open: it waits for more when it is interrupted.
        answers = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(number)
        last = [json.loads(line) for line in process.stdout.read().splitlines()]
        assert [answer["overall"] for answer in (*answers, *last)] == [False, False, True]
        assert process.stderr.read() == b""
        assert process.wait(timeout=120) == 0
