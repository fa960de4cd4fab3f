"""Your own music: CSV and folders, and a sentence for everything that can be wrong with them."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from earmark.errors import DatasetError
from earmark.training.datasets.table import check, load


def _write(root: Path, *lines: str) -> Path:
    root.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def _refused(root: Path, **options: Any) -> str:
    with pytest.raises(DatasetError) as caught:
        load(root, **options)
    return str(caught.value)


def test_tags_are_sorted_and_targets_follow(table_csv: Any) -> None:
    dataset = load(table_csv.root)
    assert dataset.task == "multi-label" and dataset.labels == ("guitar", "slow", "Élan")
    assert dataset.tracks[1].targets == (1, 1, 0) and dataset.tracks[1].group == "artist 1"
    assert dataset.tracks[1].identifier == "sound/é1.flac"


def test_tags_and_their_order_can_be_given(table_csv: Any) -> None:
    dataset = load(table_csv.root, tags=["slow", "guitar"])
    assert dataset.labels == ("slow", "guitar")
    assert dataset.tracks[5].targets == (0, 0)
    message = _refused(table_csv.root, tags=["slwo"])
    assert "'slwo'" in message and "Did you mean 'slow'?" in message
    assert "list of tag names" in _refused(table_csv.root, tags="slow")


def test_rare_tags_are_left_out(tmp_path: Path, six: list[str]) -> None:
    cells = ["a", "a", "a", "a", "a;b", "b"]
    rows = [f"{name},{cell}" for name, cell in zip(six, cells, strict=True)]
    root = _write(tmp_path / "m.csv", "path,tags", *rows)
    assert load(root, group_by="track").labels == ("a", "b")
    rare = load(root, group_by="track", minimum_count=3)
    assert rare.labels == ("a",) and len(rare.tracks) == 6
    assert "minimum_count is 9" in _refused(root, group_by="track", minimum_count=9)


def test_one_label_drops_the_tracks_of_tags_left_out(table_folders: Any, tone: Any) -> None:
    tone(table_folders.root / "polka" / "0.flac")
    assert load(table_folders.root).labels == ("blues", "jazz", "polka")
    dataset = load(table_folders.root, minimum_count=2)
    assert dataset.task == "one-label" and dataset.labels == ("blues", "jazz") and len(dataset.tracks) == 8
    assert sum(dataset.splits["default"].counts.values()) == 8


def test_one_label_from_a_csv_needs_one_tag_a_row(table_csv: Any) -> None:
    assert "'sound/é1.flac'" in _refused(table_csv.root, task="one-label")
    assert "option task" in _refused(table_csv.root, task="two-label")


def test_a_column_split_is_taken(tmp_path: Path, six: list[str]) -> None:
    sides = ("train", "train", "test", "valid", "train", "test")
    rows = [f"{name},a,{side}" for name, side in zip(six, sides, strict=True)]
    root = _write(tmp_path / "m.csv", "path,tags,split", *rows)
    split = load(root).splits["default"]
    assert (split.valid, split.test) == (("3.flac",), ("2.flac", "5.flac"))
    assert not list(tmp_path.glob("*.json"))
    _write(root, "path,tags,split", *rows[:-1], "5.flac,a,dev")
    assert "Line 7" in (message := _refused(root)) and "'dev'" in message and "'valid'" in message


def test_a_split_column_that_divides_an_artist_is_refused(tmp_path: Path, six: list[str]) -> None:
    sides = ("train", "train", "test", "valid", "train", "test")
    rows = [f"{name},a,{side},Bach" for name, side in zip(six, sides, strict=True)]
    assert "'Bach' in two sides" in _refused(_write(tmp_path / "m.csv", "path,tags,split,artist", *rows))


def test_the_split_made_is_stored_and_stays(table_csv: Any) -> None:
    first = load(table_csv.root)
    stored = table_csv.root.with_name("music.csv.split.json")
    text = stored.read_bytes()
    content = json.loads(text)
    assert content["hash"] == first.splits["default"].hash and content["grouped_by"] == "column"
    _write(table_csv.root, table_csv.root.read_text(encoding="utf-8").replace("guitar", "lute"))
    second = load(table_csv.root)
    assert second.splits == first.splits and second.hash != first.hash
    assert stored.read_bytes() == text


def test_a_split_can_be_stored_elsewhere(table_csv: Any, tmp_path: Path) -> None:
    load(table_csv.root, split_file=str(tmp_path / "here.json"))
    assert (tmp_path / "here.json").exists()
    assert not list(tmp_path.glob("*.split.json"))
    assert "split_file" in _refused(table_csv.root, split_file=tmp_path / "no folder" / "here.json")


def test_a_new_or_vanished_track_asks_to_renew(table_csv: Any, tone: Any) -> None:
    load(table_csv.root)
    lines = table_csv.root.read_text(encoding="utf-8").splitlines()
    tone(table_csv.root.parent / "new.flac")
    _write(table_csv.root, *lines, "new.flac,slow,artist 9")
    message = _refused(table_csv.root)
    assert "1 new ('new.flac')" in message and "delete" in message and "music.csv.split.json" in message
    _write(table_csv.root, *lines[:-1])
    assert "1 gone ('sound/é5.flac')" in _refused(table_csv.root)
    table_csv.root.with_name("music.csv.split.json").unlink()
    assert len(load(table_csv.root).tracks) == 5


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"seed": 1}, "the seed 0; expected 1"),
        ({"fractions": [0.5, 0.25, 0.25]}, "expected [0.5, 0.25, 0.25]"),
        ({"group_by": "track"}, "groups by 'column'; expected 'track'"),
    ],
)
def test_a_split_of_other_options_is_refused(table_csv: Any, options: dict[str, Any], sentence: str) -> None:
    load(table_csv.root)
    assert sentence in _refused(table_csv.root, **options)


def test_a_stored_split_that_was_changed_is_refused(table_csv: Any) -> None:
    load(table_csv.root)
    stored = table_csv.root.with_name("music.csv.split.json")
    content = json.loads(stored.read_text(encoding="utf-8"))
    swapped = {**content, "train": content["valid"], "valid": content["train"]}
    for changed, sentence in (
        (swapped, "was changed after it was made"),
        ({**content, "version": 2}, "version 2"),
        ({**content, "train": "all"}, "lists of track names"),
        ({"train": []}, "no stored split"),
        ([], "it holds list"),
    ):
        stored.write_text(json.dumps(changed), encoding="utf-8")
        assert sentence in _refused(table_csv.root)
    stored.write_text("{", encoding="utf-8")
    assert "Cannot read" in _refused(table_csv.root)


def test_without_a_group_column_folders_are_groups(tmp_path: Path, tone: Any) -> None:
    paths = [f"{artist}/{index}.flac" for artist in ("x", "y", "z") for index in range(2)]
    for path in paths:
        tone(tmp_path / path)
    dataset = load(_write(tmp_path / "m.csv", "path,tags", *(f"{path},a" for path in paths)))
    assert [track.group for track in dataset.tracks] == ["x", "x", "y", "y", "z", "z"]


def test_one_folder_cannot_be_split_by_folder(tmp_path: Path, six: list[str]) -> None:
    root = _write(tmp_path / "m.csv", "path,tags", *(f"{name},a" for name in six))
    assert "1 groups" in _refused(root)
    assert "no column 'group' or 'artist'" in _refused(root, group_by="column")
    assert "Did you mean 'track'?" in _refused(root, group_by="tracks")
    assert len(load(root, group_by="track").tracks) == 6


def test_a_tree_with_artists_is_split_by_them(tmp_path: Path, tone: Any) -> None:
    for path in ("blues/x/1", "blues/x/2", "jazz/x/3", "jazz/y/4", "jazz/z/live/5", "blues/y/6"):
        tone(tmp_path / "m" / f"{path}.flac")
    dataset = load(tmp_path / "m")
    assert {track.identifier[-6:-5]: track.group for track in dataset.tracks} == dict(
        zip("123456", ("x", "x", "x", "y", "z", "y"), strict=True)
    )


def test_hidden_files_and_pictures_are_passed_over(table_folders: Any) -> None:
    for name in ("._0.flac", "cover.jpg", ".DS_Store"):
        (table_folders.root / "jazz" / name).write_bytes(b"?")
    (table_folders.root / ".git").mkdir()
    assert len(load(table_folders.root).tracks) == 8


def test_a_byte_order_mark_is_allowed(table_csv: Any) -> None:
    table_csv.root.write_bytes(b"\xef\xbb\xbf" + table_csv.root.read_bytes())
    assert len(load(table_csv.root).tracks) == 6


def test_text_that_is_not_utf8_is_refused(table_csv: Any) -> None:
    text = table_csv.root.read_text(encoding="utf-8")
    table_csv.root.write_bytes(text.encode("latin-1"))
    assert "Line 2" in (message := _refused(table_csv.root)) and "not UTF-8 (byte 0xe9)" in message
    table_csv.root.write_bytes(text.encode("utf-16"))
    assert "UTF-16" in _refused(table_csv.root)


@pytest.mark.parametrize(
    ("lines", "sentences"),
    [
        (["file,tags", "0.flac,a"], ["lacks 'path'", "'file', 'tags'"]),
        (["path,tag", "0.flac,a"], ["lacks 'tags'", "Is it 'tag'?"]),
        (["path\ttags", "0.flac\ta"], ["separated by tabs"]),
        (["path;tags", "0.flac;a"], ["separated by semicolons"]),
        (["path,tags,tags", "0.flac,a,b"], ["more than one column named 'tags'"]),
        (["path,tags"], ["holds no rows"]),
        ([], ["holds no rows"]),
        (["path,tags", "0.flac,a,b"], ["Line 2", "3 cells", "2 columns"]),
        (["path,tags", '"0.flac,a'], ["not CSV"]),
        (["path,tags", "0.flac,"], ["Line 2", "'0.flac'", "no tags"]),
        (["path,tags", "0.flac, ; ;"], ["no tags"]),
        (["path,tags", ",a"], ["Line 2", "no path"]),
        (["path,tags", "0.flac,a", "", "./0.flac,b"], ["twice", "lines 2 and 4"]),
        (["path,tags", "sub/../0.flac,a", "0.flac,b"], ["twice"]),
        (["path,tags", "0.flac,a", "nowhere.flac,b"], ["1 of the 2 files", "'nowhere.flac'"]),
        (["path,tags,artist", "0.flac,a,"], ["'artist'", "nothing"]),
    ],
)
@pytest.mark.usefixtures("six")
def test_a_faulty_csv_gets_one_sentence(tmp_path: Path, lines: list[str], sentences: list[str]) -> None:
    message = _refused(_write(tmp_path / "m.csv", *lines))
    for sentence in sentences:
        assert sentence in message


@pytest.mark.parametrize(
    ("option", "name"),
    [({"minimum_count": 0}, "minimum_count"), ({"seed": "x"}, "seed"), ({"fractions": [1]}, "fractions")],
)
def test_options_out_of_range_are_refused(table_csv: Any, option: dict[str, Any], name: str) -> None:
    assert name in _refused(table_csv.root, **option)


def test_a_faulty_tree_is_refused(table_folders: Any, tone: Any) -> None:
    (table_folders.root / "polka").mkdir()
    assert "polka holds no audio" in _refused(table_folders.root)
    (table_folders.root / "polka").rmdir()
    tone(table_folders.root / "stray.flac")
    assert "'stray.flac'" in _refused(table_folders.root)
    (table_folders.root / "stray.flac").unlink()
    shutil.rmtree(table_folders.root / "jazz")
    assert "1 subfolders ('blues')" in _refused(table_folders.root)


def test_a_file_name_that_is_not_utf8_is_refused(table_folders: Any) -> None:
    stray = os.fsencode(table_folders.root / "jazz") + b"/caf\xe9.flac"
    try:
        shutil.copyfile(table_folders.audio, stray)
    except OSError:
        pytest.skip("this file system holds no names that are not UTF-8")
    message = _refused(table_folders.root)
    assert "not UTF-8" in message
    message.encode()


def test_check_of_a_tree_knows_the_stored_split(table_folders: Any, tmp_path: Path) -> None:
    load(table_folders.root, split_file=tmp_path / "kept.json")
    table_folders.audio.unlink()
    assert check(table_folders.root).ok
    assert check(table_folders.root, split_file=tmp_path / "kept.json").missing == ("jazz/2.flac",)
