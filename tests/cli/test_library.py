import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tagging.builders import write_random_bundle
from training.sounds import write_noise
from typer.testing import CliRunner, Result

import earmark
from earmark.cli.main import app
from earmark.cli.output import library_progress
from earmark.errors import LibraryError, MissingExtraError, QueryError
from earmark.library.adding import Progress


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["library", *map(str, arguments)])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, four sounds in five files, a broken one, and the library of them."""
    folder = tmp_path_factory.mktemp("library")
    write_random_bundle(folder / "model")
    for number in range(4):
        write_noise(folder / "music" / f"{number}.flac", number, 60_000)
    (folder / "music" / "again.flac").write_bytes((folder / "music" / "0.flac").read_bytes())
    (folder / "music" / "broken.mp3").write_text("no sound at all\n" * 100)
    result = add(folder, folder / "music")
    assert result.exit_code == 1
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert lines[0].startswith(f"earmark: {folder / 'music' / 'broken.mp3'}: it is no sound file")
    assert lines[-1].startswith("6 files: 4 new, 1 known by their sound, 1 failed, ")
    assert lines[-1].endswith("recordings/s. 4 recordings in all")
    return folder


def add(folder: Path, *arguments: object) -> Result:
    options = ("--library", folder / "music.earmark", "--model", folder / "model", "--jobs", 1, "--no-low-priority")
    return call("add", *options, *arguments)


def ask(folder: Path, command: str, *arguments: object) -> Result:
    return call(command, "--library", folder / "music.earmark", *arguments)


def test_what_is_known_is_skipped(place: Path) -> None:
    result = add(place, place / "music", "--json")
    assert result.exit_code == 0
    assert result.stderr == "6 files: 5 known, 1 failed before (--retry tries again). 4 recordings in all\n"
    counts = json.loads(result.stdout)
    assert (counts["found"], counts["known"], counts["set_aside"], counts["all_recordings"]) == (6, 5, 1, 4)


def test_failures_are_listed_and_tried_again(place: Path) -> None:
    result = ask(place, "failures")
    assert result.exit_code == 1
    path, reason = result.stdout.rstrip("\n").split("\t")
    assert path == str(place / "music" / "broken.mp3")
    assert reason.startswith("it is no sound file")
    result = ask(place, "failures", "--retry", "--model", place / "model", "--jobs", 1, "--json")
    assert result.exit_code == 1
    [failure] = json.loads(result.stdout)
    assert (failure["path"], failure["attempts"]) == (path, 2)
    assert add(place, place / "music", "--retry").exit_code == 1


def test_a_search_shows_scores_and_paths(place: Path) -> None:
    result = ask(place, "search", "tag 1>0 AND NOT tag 2>1", "-n", 3)
    assert (result.exit_code, result.stderr) == (0, "1 to 3 of 4; --offset 3 shows more\n")
    lines = result.stdout.splitlines()
    assert len(lines) == 3
    with earmark.Library(place / "music.earmark") as library:
        expected = library.search("tag 1>0 AND NOT tag 2>1", n=3)
    for line, found in zip(lines, expected, strict=True):
        score, path, why = line.split("  ")
        assert (score, path) == (f"{found.score:.2f}", found.path)
        assert why == ", ".join(f"{label} {round(100 * chance)} %" for label, chance in found.tags.items())


def test_free_words_need_no_quotes_and_unknown_ones_are_told(place: Path) -> None:
    result = ask(place, "search", "tag", "2", "xyzzy", "--offset", 1, "-n", 2)
    assert result.exit_code == 0
    with earmark.Library(place / "music.earmark") as library:
        expected = library.search("tag 2 xyzzy", n=2, offset=1)
    assert [line.split("  ")[1] for line in result.stdout.splitlines()] == [found.path for found in expected]
    assert result.stderr == (
        "no such tag, and in no title, artist, album, genre or path: xyzzy\n2 to 3 of 4; --offset 3 shows more\n"
    )
    (first,) = json.loads(ask(place, "search", "tag 2", "-n", 1, "--json").stdout)
    assert [(each["kind"], each["text"]) for each in first["why"]] == [("tag", "tag 2")]
    assert first["artist"] == ""


def test_tracks_are_listed_sorted_and_chosen(place: Path) -> None:
    for quoted in ("artist:xyzzyx of it", "path:/music (live) at night"):  # as a shell gives artist:"xyzzyx of it"
        result = ask(place, "list", "tag 1>=0", quoted)
        assert (result.exit_code, result.stdout) == (0, "")
    result = ask(place, "list", "--sort", "duration")
    assert (result.exit_code, result.stderr) == (0, "")
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    with earmark.Library(place / "music.earmark") as library:
        found = library.search("", n=None, sort="duration")
        chosen = library.search("tag 1>0.5 OR path:0", n=None, strict=True)
    assert [(row[0], row[-1]) for row in rows] == [(str(each.track_id), each.path) for each in found]
    records = json.loads(ask(place, "list", "tag 1>0.5 OR path:0", "path:music", "--json").stdout)
    assert {each["track"] for each in records} == {each.track_id for each in chosen}


def test_stats_are_shown(place: Path) -> None:
    assert ask(place, "stats").stdout.startswith("4 recordings, ")
    assert json.loads(ask(place, "stats", "--json").stdout)["recordings"] == 4


def test_tracks_are_removed(place: Path, tmp_path: Path) -> None:
    with sqlite3.connect(place / "music.earmark") as whole, sqlite3.connect(tmp_path / "music.earmark") as copy:
        whole.backup(copy)
    whole.close()
    copy.close()
    result = ask(tmp_path, "remove", 1, place / "music" / "2.flac")
    assert (result.exit_code, result.stderr) == (0, "2 recordings removed; 2 remain\n")
    assert isinstance(ask(tmp_path, "remove", "/nowhere").exception, LibraryError)
    assert ask(tmp_path, "remove").exit_code == 2


def test_a_playlist_leads_from_one_track_to_another(place: Path) -> None:
    first, last = place / "music" / "2.flac", place / "music" / "1.flac"
    result = ask(place, "playlist", "--from", first, "--to", last, "--length", 3)
    assert result.stderr == "wrote 3 tracks\n"
    paths = [line for line in result.stdout.splitlines() if not line.startswith("#")]
    assert (paths[0], paths[-1], len(paths)) == (str(first), str(last), 3)
    for wrong in (
        ["--from", first],
        ["--query", "a", "--from", first, "--to", last],
        [],
        ["--query", "a", "--relative"],
    ):
        assert ask(place, "playlist", *wrong).exit_code == 2


def test_heads_are_listed(place: Path) -> None:
    assert ask(place, "heads", "--json").stdout.strip() == "[]"
    assert isinstance(ask(place, "heads", "--remove", "mine").exception, LibraryError)


def test_a_search_as_json(place: Path) -> None:
    records = json.loads(ask(place, "search", "path:*/0.flac OR path:again", "--json").stdout)
    assert len(records) == 1
    assert {Path(path).name for path in records[0]["paths"]} == {"0.flac", "again.flac"}
    assert records[0]["score"] == 1.0


def test_a_wrong_search_points_at_its_error(place: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "earmark",
        "library",
        "search",
        "--library",
        str(place / "music.earmark"),
        "tag 9>0.5",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    first, shown, mark = done.stderr.rstrip("\n").split("\n")
    assert first.startswith("earmark: The search cannot be understood: found 'tag', expected a tag of the model")
    assert (shown, mark) == ("  tag 9>0.5", "  ^^^")
    assert isinstance(ask(place, "search", "NOT").exception, QueryError)
    assert isinstance(ask(place, "list", "NOT tag 9").exception, QueryError)


def test_similar_by_path_by_number_and_by_sound(place: Path) -> None:
    by_path = ask(place, "similar", place / "music" / "2.flac", "-n", 2)
    assert by_path.exit_code == 0
    assert len(by_path.stdout.splitlines()) == 2
    with earmark.Library(place / "music.earmark") as library:
        number = library.track(place / "music" / "2.flac").id
    assert ask(place, "similar", number, "-n", 2).stdout == by_path.stdout
    outside = write_noise(place / "outside.flac", 2, 60_000)
    result = ask(place, "similar", outside, "--model", place / "model", "--json", "--alike", "sound")
    assert json.loads(result.stdout)[0]["path"] == str(place / "music" / "2.flac")
    one = ask(place, "similar", number, "--scale", "27", "--level", 1, "--json")
    assert len(json.loads(one.stdout)) == 3
    assert isinstance(ask(place, "similar", number, "--level", 9).exception, LibraryError)


def test_playlists(place: Path) -> None:
    output = place / "list.m3u8"
    result = ask(place, "playlist", output, "--query", "tag 1>0", "--relative")
    assert (result.exit_code, result.stdout) == (0, f"{output}\n")
    assert result.stderr == "wrote 4 tracks\n"
    assert sorted(output.read_text().splitlines()[2::2])[1:] == ["music/1.flac", "music/2.flac", "music/3.flac"]
    result = ask(place, "playlist", output, "--like", place / "music" / "1.flac", "-n", 1)
    assert len(output.read_text().splitlines()) == 3
    assert ask(place, "playlist", output).exit_code == 2
    assert ask(place, "playlist", output, "--query", "tag 1", "--like", "1").exit_code == 2


def test_a_map_as_data_and_as_a_picture(place: Path) -> None:
    document = json.loads(ask(place, "map").stdout)
    assert len(document["tracks"]) == 4
    assert document["labels"] == [f"tag {number}" for number in range(1, 6)]
    assert all(abs(track["x"]) <= 1 and track["tag"] in document["labels"] for track in document["tracks"])
    result = ask(place, "map", "--data", place / "map.json")
    assert (result.stdout, result.stderr) == ("", f"wrote {place / 'map.json'}\n")
    assert json.loads((place / "map.json").read_text()) == document
    pytest.importorskip("matplotlib", reason="needs the extra train")
    result = ask(place, "map", place / "map.png")
    assert result.stderr == f"drew {place / 'map.png'}\n"
    assert (place / "map.png").read_bytes().startswith(b"\x89PNG")


def test_a_map_without_the_extra_says_what_installs_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    failed = ask(place, "map", place / "none.png").exception
    assert isinstance(failed, MissingExtraError)
    assert 'pip install "earmark[plot]"' in str(failed)


def test_tracks_go_out_and_in(place: Path) -> None:
    output = place / "tracks.jsonl"
    result = ask(place, "export", output)
    assert (result.stdout, result.stderr) == (f"{output}\n", "wrote 4 recordings\n")
    result = call("import", "--library", place / "other.earmark", output)
    assert result.stderr == "4 recordings are new, of 4 in all\n"
    result = call("import", "--library", place / "other.earmark", output)
    assert result.stderr == "0 recordings are new, of 4 in all\n"
    assert ask(place, "export", place / "small.jsonl", "--no-embeddings").exit_code == 0


def test_what_is_not_there(place: Path, tmp_path: Path) -> None:
    result = call("search", "--library", tmp_path / "absent.earmark", "tag 1")
    assert isinstance(result.exception, LibraryError)
    assert "Make one with `earmark library add FOLDER`" in str(result.exception)
    result = add(place, place / "absent")
    assert result.exit_code == 1
    assert f"{place / 'absent'}: No such file or directory" in result.stderr
    result = add(place, place / "music", "--address", "127.0.0.1:6379")
    assert result.exit_code == 2


def test_tracks_of_another_model_are_told(place: Path) -> None:
    copy = place / "copy.earmark"
    copy.write_bytes((place / "music.earmark").read_bytes())
    write_random_bundle(place / "other model", seed=5)
    sound = write_noise(place / "one more.flac", 40, 60_000)
    assert call("add", "--library", copy, "--model", place / "other model", "--jobs", 1, sound).exit_code == 0
    result = call("search", "--library", copy, "tag 1>0")
    assert len(result.stdout.splitlines()) == 1
    assert result.stderr.startswith("4 recordings are left out because another model analysed them")


def test_the_library_is_in_the_data_folder(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    result = call("add", "--model", place / "model", "--jobs", 1, place / "music" / "1.flac")
    assert result.exit_code == 0
    assert (tmp_path / "earmark" / "music.earmark").exists()
    assert call("search", "tag 1>0").exit_code == 0


def test_progress_counts_files_failures_and_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with library_progress() as watch:
        assert watch is None, "nobody looks"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with library_progress() as watch:
        assert watch is not None
        for done in range(4):
            watch(Progress(done, 10, done // 2))
    shown = capsys.readouterr().err
    assert "analysing" in shown
    assert "3/10" in shown
    assert "1 failed" in shown


def test_ctrl_c_keeps_what_was_done(place: Path, tmp_path: Path) -> None:
    import signal
    import time

    for number in range(30):
        write_noise(tmp_path / "music" / f"{number}.flac", number, 400_000)
    file = tmp_path / "music.earmark"
    command = [sys.executable, "-m", "earmark", "library", "add", "--library", str(file), "--jobs", "1"]
    adding_ = subprocess.Popen(
        [*command, "--model", str(place / "model"), str(tmp_path / "music")],
        stderr=subprocess.PIPE,
        text=True,
        # What runs the tests may be deaf to Ctrl-C, as jobs in a shell's background are, and children inherit it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    for _ in range(400):
        if file.exists() and count(file) >= 2:
            break
        time.sleep(0.05)
    adding_.send_signal(signal.SIGINT)
    _, said = adding_.communicate(timeout=60)
    assert adding_.returncode != 0
    assert "Traceback" not in said
    kept = count(file)
    assert 2 <= kept < 30
    with earmark.Library(file, earmark.load(place / "model")) as library:
        assert library.add(tmp_path / "music", jobs=1).known == kept


def count(file: Path) -> int:
    try:
        with earmark.Library(file) as library:
            return len(library)
    except LibraryError:  # it is just being made
        return 0


def test_every_option_is_documented() -> None:
    environment = {**os.environ, "COLUMNS": "200", "TERM": "dumb"}
    text = CliRunner().invoke(app, ["library", "add", "--help"], env=environment).stdout
    for option in ("--library", "--model", "--jobs", "--retry", "--no-low-priority", "--engine", "--address"):
        assert option in text
    text = CliRunner().invoke(app, ["library", "--help"], env=environment).stdout
    for command in ("add", "search", "similar", "failures", "playlist", "map", "export", "import"):
        assert command in text


def test_an_export_to_stdout_can_be_imported(place: Path, tmp_path: Path) -> None:
    result = ask(place, "export", "-")
    assert (result.exit_code, result.stderr) == (0, "")
    (tmp_path / "tracks.jsonl").write_text(result.stdout, encoding="ascii")
    again = call("import", tmp_path / "tracks.jsonl", "--library", tmp_path / "other.earmark")
    assert again.stderr == "4 recordings are new, of 4 in all\n"


def test_an_address_that_is_not_there_is_exit_1_with_the_reason(place: Path) -> None:
    pytest.importorskip("fsspec", reason="needs the extra cluster")
    result = add(place, "file:///nowhere/at/all", place / "music")
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert (
        lines[0] == "earmark: file:///nowhere/at/all: found nothing at this address, expected files. Check the address."
    )
    assert lines[-1].startswith("6 files: 5 known"), "and the others are done"


def test_a_playlist_stops_where_tracks_are_no_more_alike_than_any_two(tmp_path: Path) -> None:
    """Three loud noises and three quiet ones: of fifty tracks asked for come those of the own kind, and it is said."""
    write_random_bundle(tmp_path / "model")
    for number in range(6):
        noise = np.random.default_rng(number).normal(0, 0.2 if number < 3 else 0.002, 60_000)
        soundfile.write(tmp_path / f"{number}.wav", noise, 22_050)
    add(tmp_path, tmp_path)
    found = json.loads(ask(tmp_path, "similar", "1", "--json").stdout)
    alike = [each["path"] for each in found if each["score"] >= -1 / 5]
    assert 0 < len(alike) < len(found) == 5
    result = ask(tmp_path, "playlist", tmp_path / "like.m3u8", "--like", "1", "-n", 50)
    written = [line for line in (tmp_path / "like.m3u8").read_text().splitlines() if not line.startswith("#")]
    assert written == alike
    [said, wrote] = result.stderr.splitlines()
    assert said.startswith(
        f"stopped after {len(alike)} tracks: the similarity of the next one, {found[len(alike)]['score']:.2f}"
    )
    assert wrote == f"wrote {len(alike)} tracks"
    result = ask(tmp_path, "playlist", tmp_path / "one.m3u8", "--like", "1", "-n", 1)
    assert result.stderr == "wrote 1 tracks\n", "nothing is cut where no more was asked for"
