"""What makes `earmark tag` fast, and what says where its time goes; nothing here depends on how long anything takes."""

import json
import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tagging.builders import write_random_bundle
from training.sounds import write_noise
from typer.testing import CliRunner, Result
from workers.processes import eventually

from earmark.cli.main import app
from earmark.errors import MissingExtraError
from earmark.tagging import batch
from earmark.workers.process import TRIES_OF_KILLS

PARTS = ["decode", "resample", "front end", "network", "rest"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, and a folder of seven sounds with a broken one among them; the first is by far the longest."""
    folder = tmp_path_factory.mktemp("tag")
    write_random_bundle(folder / "model")
    for number in range(7):
        write_noise(folder / "music" / f"{number}.flac", number, (40 if number == 0 else 2) * 22_050)
    (folder / "music" / "3-broken.mp3").write_bytes(b"no sound at all" * 100)
    return folder


def run(place: Path, *arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["tag", "--model", str(place / "model"), *(str(argument) for argument in arguments)])


@pytest.mark.parametrize("form", ["--jsonl", "--csv"])
def test_several_processes_say_the_same_in_the_same_order(
    place: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "FILES_AHEAD", 2)
    one = run(place, place / "music", form)
    two = run(place, place / "music", form, "--jobs", "2")
    assert (one.exit_code, two.exit_code) == (1, 1)
    assert two.stdout == one.stdout
    assert two.stderr == one.stderr
    assert "3-broken.mp3" in one.stderr


def test_evidence_comes_from_processes_too(place: Path) -> None:
    arguments = (place / "music" / "1.flac", place / "music" / "2.flac", "--explain", "tag 1", "--jsonl")
    assert run(place, *arguments, "--jobs", "2").stdout == run(place, *arguments).stdout


def test_a_process_that_dies_takes_one_file_with_it(place: Path, tmp_path: Path) -> None:
    """Workers are killed whenever they are at a file: that file has its line, and the others their answers."""
    pipe = tmp_path / "never.wav"
    os.mkfifo(pipe)
    files = [place / "music" / "1.flac", pipe, place / "music" / "2.flac", place / "music" / "4.flac"]
    command = [sys.executable, "-m", "earmark", "tag", "--model", str(place / "model"), "--jsonl", "--jobs", "2"]
    process = subprocess.Popen([*command, *map(str, files)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    killed: set[int] = set()

    def all_are_killed() -> bool:
        for worker in set(_holders(pipe, process.pid)) - killed:
            os.kill(worker, signal.SIGKILL)
            killed.add(worker)
        return len(killed) == TRIES_OF_KILLS

    with pipe.open("wb"):  # opened once a worker has it open
        eventually(all_are_killed)
    stdout, stderr = process.communicate(timeout=120)
    assert [json.loads(line)["source"] for line in stdout.splitlines()] == [str(files[place_]) for place_ in (0, 2, 3)]
    assert re.search(r"never\.wav: the process that tagged it ended \(SIGKILL\)", stderr)
    assert process.returncode == 1


def _holders(path: Path, leader: int) -> list[int]:
    """The processes led by another that have a file open for reading."""
    holders = []
    for numbers in Path("/proc").glob("[0-9]*/fd/*"):
        process = int(numbers.parts[2])
        try:
            held = numbers.readlink() == path and process not in (os.getpid(), leader)
        except OSError:
            continue
        if held:
            holders.append(process)
    return holders


def test_the_profile_adds_up_on_stderr_and_in_json(place: Path) -> None:
    result = run(place, place / "music" / "1.flac", place / "music" / "2.flac", "--profile", "--jsonl")
    assert result.exit_code == 0
    records = [json.loads(line) for line in result.stdout.splitlines()]
    wall_seconds = 0.0
    for record in records:
        profile = record["profile"]
        assert list(profile["parts"]) == PARTS
        assert math.fsum(profile["parts"].values()) == pytest.approx(profile["wall_seconds"], rel=1e-9)
        wall_seconds += profile["wall_seconds"]
    first, *lines = result.stderr.splitlines()
    assert re.fullmatch(rf"profile: 4\.0 s of sound in {wall_seconds:.3f} s, \d+ times", first)
    told = {line[2:11].strip(): float(line.split()[-3]) for line in lines}
    assert list(told) == PARTS
    assert math.fsum(told.values()) == pytest.approx(wall_seconds, abs=0.0005 * (len(PARTS) + 1))
    assert "profile" not in json.loads(run(place, place / "music" / "1.flac", "--jsonl").stdout)


def test_the_profile_comes_from_processes_too(place: Path) -> None:
    result = run(place, place / "music" / "1.flac", place / "music" / "2.flac", "--profile", "--json", "--jobs", "2")
    assert [list(record["profile"]["parts"]) for record in json.loads(result.stdout)] == [PARTS, PARTS]
    assert result.stderr.startswith("profile: 4.0 s of sound in ")


def test_a_profile_is_of_one_thread(place: Path) -> None:
    result = run(place, place / "music" / "1.flac", "--profile", "--read-ahead")
    assert result.exit_code == 2
    assert "--profile measures one thread" in result.stderr.replace("\n", " ").replace("│ ", "")


def test_reading_ahead_says_the_same(place: Path) -> None:
    assert (
        run(place, place / "music", "--read-ahead", "--jsonl").stdout == run(place, place / "music", "--jsonl").stdout
    )


def test_the_engine_is_told_and_nothing_stands_in_for_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    path = place / "music" / "1.flac"
    onnx, plain = (json.loads(run(place, path, "--engine", name, "--jsonl").stdout) for name in ("onnx", "numpy"))
    assert (onnx["model"]["engine"], plain["model"]["engine"]) == ("onnx", "numpy")
    assert list(onnx["scores"].values()) == pytest.approx(list(plain["scores"].values()), rel=1e-5)
    old = run(place, path, "--engine", "fast", "--jsonl")
    assert json.loads(old.stdout) == onnx
    assert "--engine fast is now called --engine onnx" in old.stderr
    unranged = run(place, path, "--engine", "int8")
    assert "int8.json: found no such file" in str(unranged.exception)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    missing = run(place, path, "--engine", "onnx")
    assert isinstance(missing.exception, MissingExtraError)
    assert 'pip install "earmark[onnx]"' in str(missing.exception)
    assert missing.stdout == ""


def test_every_option_is_documented() -> None:
    environment = {**os.environ, "COLUMNS": "200", "TERM": "dumb"}
    text = CliRunner().invoke(app, ["tag", "--help"], env=environment).stdout
    for option in ("--jobs", "--engine", "--read-ahead", "--profile"):
        assert option in text
