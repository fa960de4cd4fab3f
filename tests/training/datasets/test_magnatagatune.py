"""MagnaTagATune: two protocols by name, tags by name, the clips that are empty, and every refusal."""

from pathlib import Path

import pytest
from training.datasets.published import MTAT_CLIPS, magnatagatune_files

from earmark.errors import DatasetError
from earmark.training.datasets.magnatagatune import EMPTY_CLIPS, OFFICIAL, TAGS, check, load
from earmark.training.datasets.splits import list_hash


@pytest.fixture
def mtat(tmp_path: Path) -> Path:
    return magnatagatune_files(tmp_path / "mtat")


def test_both_protocols_are_offered_by_name(mtat: Path) -> None:
    dataset = load(mtat)
    assert list(dataset.splits) == ["mtat-lee", "mtat-full"]
    full, lee = dataset.split("mtat-full"), dataset.split("mtat-lee")
    assert (full.train, full.valid, full.test) == (MTAT_CLIPS[:4], MTAT_CLIPS[4:6], MTAT_CLIPS[6:])
    # Clip 1 is too short; clips 2 and 5 have none of the 50 tags.
    assert (lee.train, lee.valid, lee.test) == ((MTAT_CLIPS[0], MTAT_CLIPS[3]), (MTAT_CLIPS[4],), MTAT_CLIPS[6:])


def test_without_the_length_test_the_split_has_another_name(mtat: Path) -> None:
    split = load(mtat, length_test=False).split("mtat-lee-any-length")
    assert split.train == (MTAT_CLIPS[0], MTAT_CLIPS[1], MTAT_CLIPS[3])


def test_tags_are_matched_by_name(mtat: Path) -> None:
    dataset = load(mtat)
    assert dataset.labels == TAGS
    targets = dataset.targets([MTAT_CLIPS[3]])[0]
    assert [label for label, target in zip(TAGS, targets, strict=True) if target] == ["guitar", TAGS[4]]


def test_a_group_is_a_recording(mtat: Path) -> None:
    groups = [track.group for track in load(mtat).tracks]
    assert groups[0] == groups[1] == "bach-mass-01-kyrie"
    assert len(set(groups)) == 7


def test_the_empty_clips_are_left_out_aloud(mtat: Path) -> None:
    dataset = load(mtat)
    assert not {track.identifier for track in dataset.tracks} & EMPTY_CLIPS
    assert dataset.left_out[0] == "1 clips are empty files in the official set and are left out"
    report = check(mtat)
    assert report.ok and dataset.left_out[0] in report.notes


def test_shared_artists_are_said(mtat: Path) -> None:
    note = "1 of the 2 artists in test are in train too: say so beside any figure"
    assert note in check(mtat).notes and note in load(mtat).left_out
    (mtat / "clip_info_final.csv").unlink()
    assert check(mtat).ok and note not in check(mtat).notes


@pytest.mark.parametrize(
    ("old", "new", "sentences"),
    [
        ('"no vocals"', '"noVocals"', ["lacks 'no vocals'", "Is it 'noVocals'?"]),
        ('"mp3_path"', '"path"', ["lacks 'mp3_path'"]),
        ('"0/bach-mass-01-kyrie-0-29.mp3"', '"kyrie.mp3"', ["Line 2", "'kyrie.mp3'", "folder/name-start-end.mp3"]),
        ('"0/bach', '"../bach', ["Line 2", "expected folder"]),
        ('\t"1"\t', '\t"2"\t', ["'2'", "expected 0 or 1"]),
        ('"0"\t"0"\t"0"\t', "", ["Line 2", "cut"]),
    ],
)
def test_a_changed_table_is_refused(mtat: Path, old: str, new: str, sentences: list[str]) -> None:
    table = mtat / "annotations_final.csv"
    text = table.read_text()
    assert old in text
    table.write_text(text.replace(old, new, 1))
    with pytest.raises(DatasetError) as caught:
        load(mtat, length_test=False, allow_missing=True)
    for sentence in sentences:
        assert sentence in str(caught.value)


def test_a_recording_in_two_sides_is_refused(mtat: Path) -> None:
    table = mtat / "annotations_final.csv"
    table.write_text(table.read_text().replace("0/bach-mass-01-kyrie-0-29", "d/bach-mass-01-kyrie-0-29"))
    (mtat / "0" / "bach-mass-01-kyrie-0-29.mp3").rename(mtat / "d" / "bach-mass-01-kyrie-0-29.mp3")
    with pytest.raises(DatasetError, match="'bach-mass-01-kyrie' in two sides"):
        load(mtat)


def test_a_missing_side_is_refused(mtat: Path) -> None:
    for clip in MTAT_CLIPS[6:]:
        (mtat / f"{clip}.mp3").unlink()
    with pytest.raises(DatasetError, match="None of the 2 tracks in the side 'test' of split 'mtat-lee'"):
        load(mtat, allow_missing=True)


def test_clips_may_lie_elsewhere(mtat: Path) -> None:
    mtat.joinpath("mp3").mkdir()
    for folder in "06bcdf":
        (mtat / folder).rename(mtat / "mp3" / folder)
    assert len(load(mtat, audio_folder="mp3").tracks) == 8
    assert len(load(mtat, audio_folder=str(mtat / "mp3")).tracks) == 8


@pytest.mark.data
def test_the_hashing_rule_gives_the_official_hashes(shared_data: Path) -> None:
    for side, official in OFFICIAL["mtat-lee"].sides.items():
        names = (shared_data / "splits" / f"mtat_lee_{side}.txt").read_text().split()
        assert (len(names), list_hash(names)) == (official.count, official.hash)


@pytest.mark.data
def test_the_tags_are_the_authors(shared_data: Path) -> None:
    names = (shared_data / "splits" / "mtat_tags.txt").read_text().splitlines()
    # The authors' list writes noVocals where the annotations write "no vocals".
    assert [name.lower() for name in names] == [tag.replace(" ", "") for tag in TAGS]


@pytest.mark.data
def test_the_official_lists_make_a_split_without_shared_recordings(shared_data: Path, tmp_path: Path) -> None:
    """The whole path on the official list of clips: a table of all of them gives back the official split."""
    sides = ("train", "valid", "test")
    lists = {side: (shared_data / "splits" / f"mtat_lee_{side}.txt").read_text().split() for side in sides}
    header = "\t".join(("clip_id", *TAGS, "mp3_path"))
    cells = "\t".join(("1", *"0" * 49))
    rows = [f"0\t{cells}\t{clip}.mp3" for side in sides for clip in lists[side]]
    (tmp_path / "annotations_final.csv").write_text("\n".join([header, *rows]) + "\n")
    (tmp_path / "0").mkdir()
    report = check(tmp_path)
    assert report.splits[0].endswith("the official split")
    assert not report.ok and len(report.missing) == 15_244 + 1_529 + 4_332
    with pytest.raises(DatasetError, match="none of them is there"):
        load(tmp_path)
