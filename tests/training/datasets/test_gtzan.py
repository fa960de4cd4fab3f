"""GTZAN: the fault-filtered split from the user's lists, jazz.00054 aloud, refusals."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from training.datasets.published import gtzan_files

from earmark.audio.encode import write_flac
from earmark.errors import DatasetError
from earmark.training.datasets.gtzan import GENRES, OFFICIAL, check, load


@pytest.fixture
def gtzan(tmp_path: Path) -> Path:
    return gtzan_files(tmp_path / "gtzan")


def test_the_damaged_clip_is_left_out_aloud(gtzan: Path) -> None:
    dataset = load(gtzan)
    assert (dataset.task, dataset.labels) == ("one-label", GENRES)
    assert dataset.split("fault-filtered").counts == {"train": 3, "valid": 2, "test": 2}
    assert any("'jazz/jazz.00054.wav'" in note for note in dataset.left_out)
    assert "split fault-filtered has 3 of 4 train, 2 of 2 valid, 2 of 2 test" in dataset.left_out
    report = check(gtzan)
    assert report.ok and not report.unexpected and "4 train" in report.splits[0]
    assert any("jazz.00054" in note for note in report.notes)
    (gtzan / "jazz" / "jazz.00054.wav").unlink()
    assert load(gtzan).split("fault-filtered").counts["train"] == 3 and check(gtzan).ok


def test_a_whole_copy_of_that_clip_is_used(gtzan: Path) -> None:
    write_flac(gtzan / "jazz" / "jazz.00054.wav", np.full(4_410, 0.1, np.float32), 22_050)
    dataset = load(gtzan)
    assert dataset.split("fault-filtered").counts["train"] == 4
    assert dataset.left_out == ("1 clips are in no list of the split, as its authors meant it",)


def test_lists_may_have_their_other_form_and_place(gtzan: Path, tmp_path: Path) -> None:
    whole = load(gtzan)
    (tmp_path / "lists").mkdir()
    for side in ("train", "valid", "test"):
        source = gtzan / f"{side}_filtered.txt"
        text = source.read_text().replace(".wav", "").replace("blues/", "").replace("jazz/", "")
        (tmp_path / "lists" / f"gtzan_fault_filtered_{side}.txt").write_text(text)
        source.unlink()
    assert load(gtzan, lists=str(tmp_path / "lists")) == whole
    with pytest.raises(DatasetError, match=r"holds none of 'train_filtered\.txt'"):
        load(gtzan)


def test_clips_may_be_of_another_kind(gtzan: Path) -> None:
    whole = load(gtzan)
    for path in gtzan.glob("*/*.wav"):
        path.rename(path.with_suffix(".au"))
    assert load(gtzan).hash == whole.hash


@pytest.mark.parametrize(
    ("new", "sentence"),
    [
        ("blues.000300.wav", "expected a clip such as"),
        ("bluse.00030.wav", "Did you mean 'blues'"),
        ("blues.00029.wav", "more than once"),
        ("blues.00012.wav", "more than once"),
        ("blues.00031.wav", r"1 are absent \('blues/blues\.00031\.wav'\)"),
    ],
)
def test_a_changed_list_is_refused(gtzan: Path, new: str, sentence: str) -> None:
    path = gtzan / "train_filtered.txt"
    path.write_text(path.read_text().replace("blues.00030.wav", new))
    with pytest.raises(DatasetError, match=sentence):
        load(gtzan)


@pytest.mark.data
def test_the_official_lists_are_known(shared_data: Path, gtzan: Path) -> None:
    """A copy with every listed clip is the official split, with 442 to train on where jazz.00054 is damaged."""
    source = gtzan / "blues" / "blues.00012.wav"
    for side in OFFICIAL["fault-filtered"].sides:
        name = f"gtzan_fault_filtered_{side}.txt"
        for clip in (shared_data / "splits" / name).read_text().split():
            path = gtzan / clip.split(".")[0] / f"{clip}.wav"
            path.parent.mkdir(exist_ok=True)
            if not path.exists():
                shutil.copyfile(source, path)
    dataset = load(gtzan, lists=shared_data / "splits", verify=True)
    assert dataset.split("fault-filtered").counts == {"train": 442, "valid": 197, "test": 290}
    assert "split fault-filtered has 442 of 443 train, 197 of 197 valid, 290 of 290 test" in dataset.left_out
    assert check(gtzan, lists=shared_data / "splits").splits[0].endswith("the official split")
