"""Written sound reads back, and what cannot be written is refused."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.audio.encode import write_flac, write_flac_blocks
from earmark.errors import AudioError, WaveformError


@pytest.mark.parametrize("shape", [(500,), (500, 2)])
def test_written_samples_read_back(tmp_path: Path, shape: tuple[int, ...]) -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    write_flac(tmp_path / "a.flac", samples, 22_050)
    read, rate_hz = soundfile.read(tmp_path / "a.flac", dtype="float32")
    assert rate_hz == 22_050 and read.shape == shape
    assert np.abs(read - samples).max() <= 1.01 / 32_768


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(0, np.float32),
        np.zeros((2, 2, 2), np.float32),
        np.zeros(9, np.int16),
        np.full(9, 1.01, np.float32),
        np.full(9, np.nan, np.float32),
        np.full(9, np.inf, np.float32),
    ],
)
def test_samples_that_are_no_sound_are_refused(tmp_path: Path, samples: np.ndarray) -> None:
    with pytest.raises(WaveformError):
        write_flac(tmp_path / "a.flac", samples, 22_050)
    assert not (tmp_path / "a.flac").exists()


def test_blocks_are_written_as_one_sound(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).uniform(-1.5, 1.5, 700).astype(np.float32)
    write_flac_blocks(tmp_path / "blocks.flac", np.split(samples, [3, 300]), 22_050)
    write_flac(tmp_path / "whole.flac", np.clip(samples, -1, 1), 22_050)
    read = [soundfile.read(tmp_path / f"{name}.flac")[0] for name in ("blocks", "whole")]
    np.testing.assert_array_equal(*read)
    with pytest.raises(AudioError, match="Cannot write"):
        write_flac_blocks(tmp_path / "no folder" / "a.flac", [samples], 22_050)
    with pytest.raises(WaveformError, match="0 Hz"):
        write_flac_blocks(tmp_path / "a.flac", [samples], 0)


def test_a_rate_or_place_that_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WaveformError, match="0 Hz"):
        write_flac(tmp_path / "a.flac", np.zeros(9, np.float32), 0)
    with pytest.raises(AudioError, match="Cannot write"):
        write_flac(tmp_path / "no folder" / "a.flac", np.zeros(9, np.float32), 22_050)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's file that is always full")
def test_a_full_disk_is_the_cause() -> None:
    with pytest.raises(AudioError, match="No space left") as caught:
        write_flac_blocks("/dev/full", [np.ones(44_100, np.float32)] * 3, 44_100)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENOSPC


CANNOT_GROW = """
import resource, sys
import numpy as np
from earmark.audio.encode import write_flac_blocks
from earmark.errors import AudioError
noise = np.random.default_rng(0).uniform(-1, 1, 4_000).astype(np.float32)
for room in (0, 50, 200, 5_000, 7_000, 20_000, 100_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    try:
        write_flac_blocks(sys.argv[1], [noise] * (1 if room < 7_800 else 40), 22_050)
        print(room, "nothing was told")
    except AudioError as error:
        print(room, type(error.__cause__).__name__, error)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs a system with limits of a process")
def test_a_file_that_cannot_grow_is_told_wherever_it_stops(tmp_path: Path) -> None:
    """libsndfile tells no error of its last block, and soundfile only asserts in the middle."""
    done = subprocess.run(
        [sys.executable, "-c", CANNOT_GROW, str(tmp_path / "full.flac")], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 7
    assert all("OSError" in line and "File too large" in line for line in lines), lines
