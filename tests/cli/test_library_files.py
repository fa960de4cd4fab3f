import errno
import json
import shlex
from pathlib import Path

import pytest
from library.songs import heard, make_songs, songs_bundle
from typer.testing import CliRunner, Result

from earmark.cli.main import app
from earmark.errors import LibraryError
from earmark.library.tag_file import TagFile
from earmark.tagging.bundle.bundle import write_bundle


@pytest.fixture
def songs(tmp_path: Path) -> dict[str, Path]:
    made = make_songs(tmp_path / "songs", ["mp3", "flac"])
    heard(tmp_path / "music.earmark", [made["mp3"]]).close()
    heard(tmp_path / "both.earmark", list(made.values())).close()
    return made


def call(command: str, library: Path, *arguments: object) -> Result:
    return CliRunner().invoke(app, ["library", command, "--library", str(library), *map(str, arguments)])


def test_write_shows_what_it_does_and_undo_takes_it_back(tmp_path: Path, songs: dict[str, Path]) -> None:
    song, place = songs["mp3"], tmp_path / "music.earmark"
    expected = [
        f"{song}  (ID3v2.4)",
        "  TCON: (empty) -> bebop; jazz",
        "  TMOO: (empty) -> happy; calm",
    ]
    dry = call("write", place, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert dry.stdout.splitlines()[:3] == expected
    assert "not written, because they have no field (a mapping can name one): instruments" in dry.stderr
    assert "1 files would be written, 0 keep" in dry.stderr
    assert TagFile(song).read("genre") == ()
    done = call("write", place)
    assert done.stdout.splitlines()[:3] == expected
    line = f"run 1; undo it with: earmark library undo 1 --library {shlex.quote(str(place))}"
    assert done.stderr.splitlines()[-1] == line
    assert TagFile(song).read("genre") == ("bebop", "jazz")
    assert call("undo", place, "--runs").stdout.endswith("songs\t1 files, 1 not undone\n")
    assert json.loads(call("undo", place, "--runs", "--json").stdout)[0]["standing"] == 1
    assert call("undo", place, "--dry-run").exit_code == 0
    assert TagFile(song).read("genre") == ("bebop", "jazz")
    undone = call("undo", place, 1)
    assert "  TCON: bebop; jazz -> (empty)" in undone.stdout.splitlines()
    assert "1 files restored" in undone.stderr
    assert undone.stderr.splitlines()[-1] == f"the library: {place}"
    assert TagFile(song).read("genre") == ()
    assert isinstance(call("undo", place).exception, LibraryError)
    assert isinstance(call("undo", place, 7).exception, LibraryError)


def test_a_run_that_wrote_nothing_names_no_undo(
    tmp_path: Path, songs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("earmark.library.write.rewrite", full)
    done = call("write", tmp_path / "music.earmark")
    assert done.exit_code == 1
    assert "0 files written" in done.stderr
    assert "undo it with" not in done.stderr


def test_a_mapping_and_a_search_choose(tmp_path: Path, songs: dict[str, Path]) -> None:
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('[groups]\ninstruments = "INSTRUMENT"\n[tags]\nguitar = "Guitar"\n[parents]\nbebop = "jazz"\n')
    options = ("--mapping", mapping, "--json", "--keep-time", "--scores", "--precision", "0.9")
    assert call("write", tmp_path / "both.earmark", *options).exception is not None, "it promises nothing"
    result = call("write", tmp_path / "both.earmark", "--query", "path:*.flac", *options[:-2])
    assert result.exit_code == 0, result.output
    [record] = json.loads(result.stdout)
    assert (record["path"], record["kind"], record["reason"]) == (str(songs["flac"]), "Vorbis comments", "")
    changes = {change["name"]: change["new"] for change in record["changes"]}
    assert changes["INSTRUMENT"] == ["Guitar"]
    assert changes["EARMARK_BEBOP"] == ["0.953"]
    assert TagFile(songs["mp3"]).read("genre") == ()


def test_failures_have_a_line_each_and_exit_status_1(tmp_path: Path, songs: dict[str, Path]) -> None:
    songs["flac"].chmod(0o444)
    result = call("write", tmp_path / "both.earmark", tmp_path / "songs")
    assert result.exit_code == 1
    assert f"earmark: {songs['flac']}: it is read-only" in result.stderr
    assert "1 files written, 0 keep values that somebody else wrote, 1 failed" in result.stderr
    assert call("write", tmp_path / "both.earmark", tmp_path / "elsewhere").exit_code == 1


def test_a_taught_model_may_speak(tmp_path: Path, songs: dict[str, Path]) -> None:
    write_bundle(songs_bundle(), tmp_path / "model")
    result = call("write", tmp_path / "music.earmark", "--model", tmp_path / "model", "--dry-run")
    assert (result.exit_code, result.stdout.splitlines()[1]) == (0, "  TCON: (empty) -> bebop; jazz")
