from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earmark.errors import DatasetError
from earmark.training.datasets.blanks import KINDS, RATE_HZ, SECONDS, blank, blank_files
from earmark.training.datasets.taught import load


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_sound_drawn_by_its_seed(kind: str) -> None:
    sound = blank(kind, 7)
    assert sound.shape == (int(SECONDS * RATE_HZ),) and sound.dtype == np.float32
    assert np.abs(sound).max() <= 1
    np.testing.assert_array_equal(sound, blank(kind, 7))
    if kind != "silence":
        assert np.abs(sound).max() > 1e-3
        assert not np.array_equal(sound, blank(kind, 13))


def test_files_are_made_once(tmp_path: Path) -> None:
    files = blank_files(tmp_path / "blanks", 7)
    assert [path.name for path in files][::6] == ["000-silence.flac", "006-silence.flac"]
    before = [path.stat().st_mtime_ns for path in files]
    assert blank_files(tmp_path / "blanks", 7) == files
    assert [path.stat().st_mtime_ns for path in files] == before
    with pytest.raises(DatasetError, match=r"lacks 007-noise\.flac and 2 more"):
        blank_files(tmp_path / "blanks", 10)
    assert not list(tmp_path.glob(".*"))


def test_nothing_holds_of_them(taught_files: Any, tmp_path: Path) -> None:
    options = {**taught_files.options, "blanks": 6, "blanks_folder": str(tmp_path / "blanks")}
    dataset = load(taught_files.root, **options)
    blanks = [track for track in dataset.tracks if track.group.startswith("blanks/")]
    assert len(blanks) == 6 and all(set(track.targets) == {0.0} for track in blanks)
    names = {track.identifier for track in blanks}
    for split in dataset.splits.values():
        assert len(names & {*split.train}) == 4 and len(names & {*split.valid}) == 2 and not names & {*split.test}
    with pytest.raises(DatasetError, match="option blanks is -1"):
        load(taught_files.root, **{**options, "blanks": -1})
