"""`earmark library watch`: the program follows a folder until it is stopped."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tagging.builders import constant_bundle
from training.sounds import write_noise
from typer.testing import CliRunner
from workers.processes import eventually

from earmark.cli.main import app
from earmark.library.tag_file import TagFile
from earmark.tagging.bundle.bundle import write_bundle
from earmark.tagging.bundle.card import TagName


def test_new_files_are_added_and_written_until_it_is_stopped(tmp_path: Path) -> None:
    pytest.importorskip("watchfiles", reason="needs the extra watch")
    write_bundle(constant_bundle([3.0], [TagName("calm", "moods")]), tmp_path / "model")
    write_noise(tmp_path / "music" / "there.flac", 1)
    command = [sys.executable, "-m", "earmark", "library", "watch", str(tmp_path / "music"), "--write", "--jobs", "1"]
    options = ["--model", str(tmp_path / "model"), "--library", str(tmp_path / "music.earmark")]
    process = subprocess.Popen(
        [*command, *options, "--settled-seconds", "0.5"], stderr=subprocess.PIPE, text=True, stdout=subprocess.DEVNULL
    )
    try:
        for name in ("there", "new"):
            song = tmp_path / "music" / f"{name}.flac"
            if not song.exists():
                write_noise(song, 2)
            eventually(lambda song=song: TagFile(song).read("mood") == ("calm",))
        process.send_signal(signal.SIGTERM)
    finally:
        _, said = ended(process)
    # watchfiles makes a KeyboardInterrupt of any signal that comes while it waits.
    assert process.returncode in (128 + signal.SIGTERM, 128 + signal.SIGINT)
    assert "Traceback" not in said
    assert "wrote tags to 1 files" in said


def ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What a process wrote, once it has ended by itself or, after a while, was killed."""
    try:
        return process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()


def test_options_of_writing_need_it(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["library", "watch", str(tmp_path), "--precision", "0.9"])
    assert result.exit_code == 2
    assert "--write" in result.stderr
