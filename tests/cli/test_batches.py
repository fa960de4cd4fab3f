"""Whatever a library raises on one file is that file's line; the other files go on, and the exit status is 1."""

import json
import os
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tagging.builders import write_random_bundle
from training.sounds import write_noise
from typer.testing import CliRunner, Result

from earmark.cli.main import app
from earmark.cli.teach import LabelledTrack, collect_examples, labels_from_files
from earmark.errors import FileError, InstallationError, TagError
from earmark.library import file_words
from earmark.library.database import Database
from earmark.library.library import Library
from earmark.tagging import tagger as tagger_module
from earmark.tagging.tagger import load

RAISED = [
    struct.error("unpack requires a buffer of 4 bytes"),
    IndexError("list index out of range"),
    OSError(5, "Input/output error"),
    OverflowError("Python int too large to convert to C long"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed"),
    MemoryError(),
    np.exceptions.AxisError(2, 1),
    ZeroDivisionError("division by zero"),
    AssertionError(),
    KeyError("TXXX"),
    RecursionError("maximum recursion depth exceeded"),
    EOFError(),
]
each_raised = pytest.mark.parametrize("raised", RAISED, ids=lambda error: type(error).__name__)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, three sounds, and the library of the first and the last."""
    folder = tmp_path_factory.mktemp("batches")
    write_random_bundle(folder / "model")
    for name in ("a", "bad", "c"):
        write_noise(folder / "music" / f"{name}.flac", ord(name[0]))
    with Library(folder / "music.earmark", load(folder / "model")) as library:
        library.add(folder / "music" / "a.flac", folder / "music" / "c.flac", jobs=1)
    return folder


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch, raised: Exception) -> Exception:
    """A decoder that fails on one file, when it opens it or, for some, in its midst."""
    decode = tagger_module.decode

    def guarded(source: object, *arguments: object, **options: object) -> object:
        if "bad" in str(source):
            raise raised
        return decode(source, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(tagger_module, "decode", guarded)
    return raised


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@each_raised
@pytest.mark.parametrize("form", ["--json", "--jsonl", "--csv"])
@pytest.mark.usefixtures("failing")
def test_tag(place: Path, form: str) -> None:
    result = call("tag", "--model", place / "model", place / "music", form)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    lines = result.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"earmark: {place / 'music' / 'bad.flac'}: ")
    for name in ("a.flac", "c.flac"):
        assert str(place / "music" / name) in result.stdout
    if form == "--json":
        assert len(json.loads(result.stdout)) == 2


@each_raised
def test_tag_in_the_midst_of_a_file(place: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception) -> None:
    def broken(*arguments: object) -> Iterator[None]:
        raise raised
        yield

    listening = tagger_module.StreamingPass.push
    heard: list[str] = []

    def push(self: tagger_module.StreamingPass, samples: np.ndarray) -> None:
        heard.append("")
        if len(heard) == 2:
            next(broken())
        listening(self, samples)

    monkeypatch.setattr(tagger_module.StreamingPass, "push", push)
    result = call("tag", "--model", place / "model", place / "music", "--jsonl")
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 2
    assert len(result.stderr.splitlines()) == 1


@each_raised
@pytest.mark.usefixtures("failing")
@pytest.mark.parametrize("command", [("similar",), ("playlist", "out.m3u8", "--like")])
def test_similar_and_playlists(
    place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ("--library", place / "music.earmark", "--model", place / "model")
    result = call("library", *command, place / "music" / "bad.flac", *options)
    assert result.exit_code == 1
    assert isinstance(result.exception, FileError), "which is one sentence"
    assert result.exception.source == str(place / "music" / "bad.flac")


@each_raised
@pytest.mark.usefixtures("failing")
def test_teach(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Listened:
        def __init__(self) -> None:
            self.tagger = load(place / "model")

        def of(self, path: str) -> np.ndarray:
            return self.tagger.embed(path)

    worded = [LabelledTrack(str(place / "music" / f"{name}.flac"), ("low",), name) for name in ("a", "bad", "c")]
    pytest.importorskip("sklearn", reason="needs the extra teach")
    examples, failed = collect_examples(worded, Listened())  # type: ignore[arg-type]
    assert failed == 1
    assert [Path(name).stem for name in examples.names] == ["a", "c"]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"earmark: {worded[1].path}: ")
    assert lines[0].count(worded[1].path) == 1


@each_raised
def test_teach_from_files(place: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception) -> None:
    tag_file = file_words.TagFile

    def guarded(path: Path) -> file_words.TagFile:
        if "bad" in path.name:
            raise raised
        return tag_file(path)

    monkeypatch.setattr(file_words, "TagFile", guarded)
    paths = [str(place / "music" / f"{name}.flac") for name in ("a", "bad", "c")]
    with Library(place / "music.earmark") as library:
        found = list(file_words.words_in_files(library.database, paths, ["genre"]))
    assert [each.path for each in found] == paths
    assert [bool(each.reason) for each in found] == [False, True, False]
    assert paths[1] not in found[1].reason


def test_a_file_whose_tags_cannot_be_read_is_counted_by_teach(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tag_file = file_words.TagFile

    def guarded(path: Path) -> file_words.TagFile:
        if path.name == "a.flac":
            raise IndexError
        return tag_file(path)

    monkeypatch.setattr(file_words, "TagFile", guarded)
    with Library(place / "music.earmark") as library:
        worded, unread = labels_from_files(library, ["genre"])
    assert (worded, unread) == ([], 1)


@pytest.mark.parametrize("command", [("write", "--dry-run"), ("verify",)])
def test_a_name_that_is_no_text_is_valid_json(tmp_path: Path, place: Path, command: tuple[str, ...]) -> None:
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/bj\xf6rk.flac")
    shutil.copy(place / "music" / "a.flac", odd)
    with Library(tmp_path / "music.earmark", load(place / "model")) as library:
        library.add(odd, jobs=1)
    Path(odd).unlink()
    result = call("library", *command, "--library", tmp_path / "music.earmark", "--model", place / "model", "--json")
    [record] = json.loads(result.stdout)
    assert record["path"] == f"{tmp_path}/bj\N{REPLACEMENT CHARACTER}rk.flac"
    assert record["path_bytes"].endswith("bj%F6rk.flac")


@each_raised
@pytest.mark.parametrize("output", ["-", "tracks.jsonl", "tracks.parquet"])
def test_export(place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, raised: Exception, output: str) -> None:
    if output.endswith(".parquet"):
        pytest.importorskip("pyarrow", reason="needs the extra export")
    embedding = Database.embedding

    def guarded(self: Database, track_id: int) -> np.ndarray:
        if track_id == 1:
            raise raised
        return embedding(self, track_id)

    monkeypatch.setattr(Database, "embedding", guarded)
    monkeypatch.chdir(tmp_path)
    result = call("library", "export", output, "--library", place / "music.earmark")
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "earmark: track 1: " in result.stderr
    if output == "-":
        (line,) = result.stdout.splitlines()[1:]
        assert json.loads(line)["paths"] == [str(place / "music" / "c.flac")]
    else:
        assert "wrote 1 recordings" in result.stderr
        with Library(tmp_path / "other.earmark", make=True) as other:
            assert other.import_from(tmp_path / output) == 1


def test_json_is_whole_where_an_export_fails(place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A disk that is full ends the command, but what was printed can be read."""
    from earmark.cli.exports import JamsExport

    def full(*arguments: object) -> None:
        raise TagError("jams: it cannot be written (No space left on device). Name another place.")

    monkeypatch.setattr(JamsExport, "write", full)
    result = call("tag", "--model", place / "model", place / "music", "--json", "--jams", tmp_path / "jams")
    assert isinstance(result.exception, TagError)
    assert len(json.loads(result.stdout)) == 1


def test_long_names_and_names_that_differ_in_case_have_jams_of_their_own(place: Path, tmp_path: Path) -> None:
    for number, name in enumerate(("x" * 250, "日" * 83, "Song", "song")):
        write_noise(tmp_path / "music" / str(number) / f"{name}.flac", number)
    result = call("tag", "--model", place / "model", tmp_path / "music", "--jams", tmp_path / "jams")
    assert (result.exit_code, result.stderr) == (0, "")
    written = {path.stem for path in (tmp_path / "jams").iterdir()}
    assert written == {"x" * 240, "日" * 80, "Song", "song 2"}


def test_a_library_that_cannot_be_loaded_is_no_fault_of_a_file(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for lack of memory: the run ends with what the system says, and its JSON is whole."""

    def unloadable(*arguments: object, **options: object) -> None:
        raise ImportError("libx.so: failed to map segment from shared object")

    monkeypatch.setattr(tagger_module, "decode", unloadable)
    done = call("tag", "--model", place / "model", place / "music", "--json")
    assert isinstance(done.exception, InstallationError)
    assert "failed to map segment" in str(done.exception)
    assert "No file is at fault" in str(done.exception)
    assert json.loads(done.stdout) == []
