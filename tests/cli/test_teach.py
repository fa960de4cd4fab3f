import csv
import json
import sys
from pathlib import Path

import mutagen
import numpy as np
import pytest
from library.synthetic import analysis
from tagging.builders import write_random_bundle
from training.sounds import write_noise
from typer.testing import CliRunner, Result

pytest.importorskip("sklearn", reason="needs the extra teach")

import earmark
from earmark.audio.identity import identity
from earmark.cli.main import app
from earmark.errors import MissingExtraError, TeachingError
from earmark.library.library import Library
from earmark.library.scan import stamp_of
from earmark.library.write import WriteRule, Writing, files_of
from earmark.tagging.bundle.bundle import read_bundle

TRACKS = 24
SONGS = 14
"""Of which have words; every second "low"."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model and a library of noises; the vectors of "low" ones are far from the others."""
    folder = tmp_path_factory.mktemp("teach")
    write_random_bundle(folder / "model")
    card = read_bundle(folder / "model").card
    with Library(folder / "music.earmark", make=True) as library:
        model_id = library.database.model_id(card)
        library.database.make_current(model_id)
        for number in range(TRACKS):
            path = write_noise(folder / "music" / f"artist {number // 2}" / f"{number}.flac", number, 3_000)
            made = analysis(card, number, seed=1)
            shift = np.float16(3.0 if number % 2 else 0.0)
            stamp = stamp_of(str(path))
            assert stamp is not None
            kept = made.__class__(**{**vars(made), "identity": identity(path), "embedding": made.embedding + shift})
            library.database.add_track(kept, model_id, [(str(path), stamp)])
            if number < SONGS:
                file = mutagen.File(path)
                file["genre"] = ["Low" if number == 5 else "low"] if number % 2 else ["high; thin"]
                file["artist"] = [f"Band {number // 2}"]
                file.save()
                stamp = stamp_of(str(path))
                assert stamp is not None
                library.database.add_paths([(str(path), stamp, identity(path))])
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "tags"])
        for number in range(SONGS):
            path = f"music/artist {number // 2}/{number}.flac"
            writer.writerow([path, "low" if number % 2 else ""])
    return folder


def call(place: Path, *arguments: object) -> Result:
    options = ("--model", place / "model", "--library", place / "music.earmark")
    return CliRunner().invoke(app, ["teach", *map(str, (*arguments, *options))])


def test_words_are_taught_from_a_table_and_the_model_is_like_any_other(place: Path) -> None:
    result = call(place, place / "labels.csv", "--name", "my-words", "--output", place / "my-words", "--next", 3)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["word", "tracks", "AUC", "(95", "%", "interval)", "promises"]
    assert lines[1].startswith("low")
    assert "label 3 more tracks with it" in lines[2]
    assert len([line for line in lines if line.startswith("label next: ")]) == 3
    assert "learned from 14 tracks; the model reads" in result.stderr
    taught, base = read_bundle(place / "my-words"), read_bundle(place / "model")
    assert (taught.card.labels, taught.card.name) == (("low",), "my-words")
    assert [each.hash for each in taught.card.extractors] == [each.hash for each in base.card.extractors]
    with Library(place / "music.earmark") as library:
        outcomes = Writing(library.database, WriteRule(), earmark.load(place / "my-words"))(
            files_of(library.database), dry_run=True
        )
        assert all(outcome.reason == "" for outcome in outcomes), "the library's vectors serve it"


def test_words_that_stand_in_the_files_are_learned(place: Path) -> None:
    result = call(place, "--from-files", "--name", "words", "--output", place / "words", "--group", "genres", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    words = {each["word"]: each for each in report["words"]}
    assert set(words) == {"low", "high", "thin"}, "one word whatever its case, and joined ones apart"
    assert words["low"]["groups"] == 7, "by the artists that stand in the files"
    assert words["low"]["low"] < words["low"]["auc"]
    assert read_bundle(place / "words").card.tags[0].group == "genres"
    assert f"{SONGS} of {TRACKS} files have words in the fields genre, mood" in result.stderr


def test_other_tracks_can_stand_for_what_a_word_is_not(place: Path) -> None:
    (place / "only.csv").write_text(
        "path,tags\n" + "".join(f"music/artist {n // 2}/{n}.flac,low\n" for n in range(1, 13, 2))
    )
    alone = call(place, place / "only.csv", "--name", "only", "--output", place / "only")
    assert isinstance(alone.exception, TeachingError)
    assert "every track has it" in str(alone.exception)
    result = call(place, place / "only.csv", "--name", "only", "--output", place / "only", "--others", 8, "--json")
    assert json.loads(result.stdout)["tracks"] == 14


def test_files_that_the_library_does_not_know_are_listened_to(place: Path, tmp_path: Path) -> None:
    rows = ["path,tags,artist"]
    for number in range(10):
        write_noise(tmp_path / f"{number}.flac", number, 3_000)
        rows.append(f"{number}.flac,{'even' if number % 2 == 0 else 'odd'},Band {number}")
    rows.append("absent.flac,odd,Nobody")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    result = call(place, tmp_path / "labels.csv", "--name", "parity", "--output", tmp_path / "parity", "--json")
    assert result.exit_code == 1, "one could not be heard"
    assert "absent.flac: " in result.stderr
    assert json.loads(result.stdout)["tracks"] == 10
    options = ("--name", "p", "--output", tmp_path / "p", "--json", "--model", place / "model")
    absent = ("--library", tmp_path / "absent.earmark")
    alone = CliRunner().invoke(app, ["teach", *map(str, (tmp_path / "labels.csv", *options, *absent))])
    assert json.loads(alone.stdout)["words"] == json.loads(result.stdout)["words"], "without a library too"


def test_tracks_of_one_folder_are_taken_each_by_itself_and_that_is_said(place: Path, tmp_path: Path) -> None:
    rows = [
        "path,tags,group",
        *(f"{place}/music/artist {n // 2}/{n}.flac,{'low' if n % 2 else ''},one" for n in range(14)),
    ]
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    result = call(place, tmp_path / "labels.csv", "--name", "one", "--output", tmp_path / "one")
    assert result.exit_code == 0, result.output
    assert "all tracks have the same artist or folder" in result.stderr


def test_wrong_calls_are_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(place, "--name", "x").exit_code == 2
    assert call(place, place / "labels.csv", "--from-files", "--name", "x").exit_code == 2
    assert call(place, place / "labels.csv", "--field", "genre", "--name", "x").exit_code == 2
    same = call(place, place / "labels.csv", "--name", "x", "--output", place / "model")
    assert isinstance(same.exception, TeachingError)
    monkeypatch.setitem(sys.modules, "earmark.training.bundling.platt", None)
    assert isinstance(call(place, place / "labels.csv", "--name", "x").exception, MissingExtraError)
