import csv
import dataclasses
import io
import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from library.poison import write_poison
from tagging.builders import make_bundle, write_random_bundle
from training.sounds import write_noise
from typer.testing import CliRunner, Result

import earmark
from earmark.audio.encode import write_flac
from earmark.cli.main import app
from earmark.errors import BundleError, FileError, MissingExtraError, PictureError, TagError
from earmark.tagging import batch
from earmark.tagging.bundle.bundle import read_bundle, write_bundle
from earmark.tagging.bundle.card import TagCalibration
from earmark.workers.limits import Limits

LABELS = [f"tag {number}" for number in range(1, 6)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, and a folder of two sounds of four seconds, a broken one and a picture."""
    folder = tmp_path_factory.mktemp("tag")
    write_random_bundle(folder / "model")
    write_noise(folder / "music" / "b.flac", 1, 4 * 22_050)
    write_noise(folder / "music" / "album" / "a.flac", 2, 4 * 22_050)
    (folder / "music" / "broken.mp3").write_bytes(b"no sound at all" * 100)
    (folder / "music" / "cover.jpg").touch()
    return folder


def run(place: Path, *arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["tag", "--model", str(place / "model"), *(str(argument) for argument in arguments)])


def sounds(place: Path) -> list[Path]:
    return [place / "music" / "album" / "a.flac", place / "music" / "b.flac"]


def scores_of(place: Path, path: Path) -> Sequence[float]:
    scores: Sequence[float] = earmark.load(place / "model").tag(path).scores.tolist()
    return scores


def test_text_shows_the_strongest_tags(place: Path) -> None:
    result = run(place, *sounds(place), "--top", "3")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert [lines[0], lines[4]] == [str(path) for path in sounds(place)]
    for start, path in ((1, sounds(place)[0]), (5, sounds(place)[1])):
        top = earmark.load(place / "model").tag(path).top(3)
        assert lines[start : start + 3] == [f"  {tag.probability:.2f}  {tag.label}" for tag in top]


def test_a_folder_is_searched_and_one_failure_stops_nothing(place: Path) -> None:
    result = run(place, place / "music")
    assert result.exit_code == 1
    assert [line for line in result.stdout.splitlines() if not line.startswith(" ")] == [
        str(path) for path in sounds(place)
    ]
    lines = result.stderr.splitlines()
    assert len(lines) == 1, "one line a failed file"
    assert lines[0].startswith("earmark: ")
    assert "broken.mp3" in lines[0]


@pytest.mark.parametrize("form", ["--json", "--jsonl"])
def test_json_can_be_read_back(place: Path, form: str) -> None:
    result = run(place, place / "music", form)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    records = json.loads(result.stdout) if form == "--json" else [json.loads(line) for line in lines]
    assert [record["source"] for record in records] == [str(path) for path in sounds(place)]
    for record, path in zip(records, sounds(place), strict=True):
        assert list(record["scores"]) == LABELS
        assert list(record["scores"].values()) == pytest.approx(list(scores_of(place, path)), abs=1e-7)
        assert record["duration_seconds"] == pytest.approx(4.0)
        assert "over_time" not in record


def test_csv_can_be_read_back(place: Path) -> None:
    result = run(place, place / "music", "--csv")
    assert result.exit_code == 1
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["source"] for row in rows] == [str(path) for path in sounds(place)]
    for row, path in zip(rows, sounds(place), strict=True):
        assert list(row)[-5:] == LABELS
        assert [float(row[label]) for label in LABELS] == pytest.approx(list(scores_of(place, path)), abs=1e-6)


def test_over_time_as_text_csv_and_json(place: Path) -> None:
    path = sounds(place)[0]
    options = ("--over-time", "--window-seconds", "2", "--hop-seconds", "1")
    expected = earmark.load(place / "model").tag(path, over_time=earmark.OverTimeSettings(2.0, 1.0))
    assert expected.over_time is not None
    rows = list(csv.reader(io.StringIO(run(place, path, *options, "--csv").stdout)))
    assert rows[0] == ["source", "seconds", "withheld", *LABELS]
    assert [row[1] for row in rows[1:]] == ["0.000", "1.000", "2.000"]
    for row, scores in zip(rows[1:], expected.over_time.scores, strict=True):
        assert [float(cell) for cell in row[3:]] == pytest.approx(scores.tolist(), abs=1e-6)
        assert row[2] == ""
    record = json.loads(run(place, path, *options, "--jsonl").stdout)
    assert record["over_time"]["seconds"] == [0.0, 1.0, 2.0]
    lines = run(place, path, *options, "--top", "2").stdout.splitlines()
    top = expected.top(2)
    assert lines[3].split("  ")[1:] == ["seconds", *(tag.label for tag in top)]
    places = [LABELS.index(tag.label) for tag in top]
    for line, second, scores in zip(lines[4:], (0, 1, 2), expected.over_time.scores, strict=True):
        assert line.split() == [f"{second:.1f}", *(f"{scores[place_]:.2f}" for place_ in places)]


def test_a_picture_is_drawn(place: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra train")
    pytest.importorskip("pydantic", reason="needs the extra train")
    picture = tmp_path / "tags.png"
    result = run(place, sounds(place)[0], "--picture", picture, "--json")
    assert result.exit_code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 5_000
    assert result.stderr == f"drew {picture}\n"
    assert len(json.loads(result.stdout)) == 1


def test_results_are_whole_where_the_picture_fails(place: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra plot")
    (tmp_path / "folder.png").mkdir()
    result = run(place, sounds(place)[0], "--picture", tmp_path / "folder.png", "--json")
    assert isinstance(result.exception, PictureError)
    assert len(json.loads(result.stdout)) == 1
    result = run(place, place / "music" / "broken.mp3", "--picture", tmp_path / "tags.png")
    assert result.exit_code == 1
    assert not (tmp_path / "tags.png").exists()


def test_without_the_extra_nothing_is_tagged_and_the_line_that_installs_it(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = run(place, sounds(place)[0], "--picture", tmp_path / "tags.png", "--json")
    assert isinstance(result.exception, MissingExtraError)
    assert 'pip install "earmark[plot]"' in str(result.exception)
    assert json.loads(result.stdout) == [], "it is said before any work"


def test_a_picture_that_cannot_be_is_told_before_any_work(place: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra plot")
    for picture in (tmp_path / "tags.exe", tmp_path / "tags", tmp_path / "absent" / "tags.png"):
        result = run(place, sounds(place)[0], "--picture", picture, "--json")
        assert isinstance(result.exception, PictureError)
        assert json.loads(result.stdout) == []


def test_a_picture_is_of_one_track(place: Path, tmp_path: Path) -> None:
    result = run(place, *sounds(place), "--picture", tmp_path / "tags.png")
    assert result.exit_code == 2
    assert "--picture draws one track, found 2" in result.stderr.replace("\n", " ").replace("│ ", "")


def test_nothing_to_tag_is_a_failure(place: Path, tmp_path: Path) -> None:
    result = run(place, tmp_path, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == []
    assert result.stderr == f"earmark: found no sound files in {tmp_path}\n"
    absent = run(place, tmp_path / "absent.flac")
    assert (absent.exit_code, absent.stdout) == (1, "")
    assert "absent.flac" in absent.stderr


def test_a_window_shorter_than_a_segment_is_told(place: Path) -> None:
    result = run(place, sounds(place)[0], "--over-time", "--window-seconds", "0.5")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "window_seconds: found 0.5 s, expected at least" in str(result.exception), "once, before any file"


def test_no_model_is_the_clear_sentence(place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from earmark.tagging.bundle import bundle as bundled

    monkeypatch.setattr(bundled, "_folder", lambda: tmp_path)
    result = CliRunner().invoke(app, ["tag", str(sounds(place)[0])])
    assert isinstance(result.exception, BundleError)
    assert result.exit_code == 1
    assert "No model comes with this version of earmark" in str(result.exception)
    assert "earmark train" in str(result.exception)


def test_every_option_is_documented() -> None:
    environment = {**os.environ, "COLUMNS": "200", "TERM": "dumb"}
    text = CliRunner().invoke(app, ["tag", "--help"], env=environment).stdout
    for option in ("--model", "--top", "--json", "--jsonl", "--csv", "--over-time", "--window-seconds", "--picture"):
        assert option in text
    for option in ("--precision", "--explain"):
        assert option in text


@pytest.fixture(scope="module")
def calibrated(place: Path) -> Path:
    """The same model with a calibration: tag 2 and tag 4 promise 0.9, the others nothing."""
    bundle = make_bundle()
    thresholds = {"tag 2": {"0.9": 0.0}, "tag 4": {"0.8": 0.0, "0.9": 0.001}}
    calibration = tuple(TagCalibration(label, 0.5, -1.0, thresholds.get(label, {})) for label in LABELS)
    card = dataclasses.replace(bundle.card, calibration=calibration)
    write_bundle(dataclasses.replace(bundle, card=card), place / "calibrated")
    return place / "calibrated"


def run_calibrated(model: Path, *arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["tag", "--model", str(model), *(str(argument) for argument in arguments)])


def test_only_tags_that_promise_the_precision_are_shown(place: Path, calibrated: Path) -> None:
    path = sounds(place)[0]
    prediction = earmark.load(calibrated).tag(path)
    result = run_calibrated(calibrated, path, "--precision", "0.9")
    promised = prediction.promised(0.9)
    assert {tag.label for tag in promised} == {"tag 2", "tag 4"}
    assert result.stdout.splitlines() == [str(path), *(f"  {tag.probability:.2f}  {tag.label}" for tag in promised)]
    record = json.loads(run_calibrated(calibrated, path, "--precision", "0.9", "--jsonl").stdout)
    assert record["promised"] == {"precision": 0.9, "tags": [tag.label for tag in promised]}
    assert record["calibrated"] is True
    assert list(record["probabilities"].values()) == pytest.approx(prediction.probabilities.tolist(), abs=1e-7)
    row = next(csv.DictReader(io.StringIO(run_calibrated(calibrated, path, "--precision", "0.9", "--csv").stdout)))
    assert [label for label in LABELS if row[label]] == ["tag 2", "tag 4"]
    windows = ("--over-time", "--window-seconds", "2", "--hop-seconds", "2")
    rows = list(
        csv.DictReader(io.StringIO(run_calibrated(calibrated, path, *windows, "--precision", "0.9", "--csv").stdout))
    )
    assert [label for label in LABELS if rows[0][label]] == ["tag 2", "tag 4"]
    text = run_calibrated(calibrated, path, *windows, "--precision", "0.9", "--top", "1").stdout.splitlines()
    assert text[2].split("  ")[1:] == ["seconds", promised[0].label]


def test_where_nothing_can_be_promised_it_is_said(place: Path, calibrated: Path) -> None:
    bundle = read_bundle(calibrated)
    unsure = tuple(dataclasses.replace(entry, thresholds={"0.9": 1.0}) for entry in bundle.card.calibration)
    write_bundle(
        dataclasses.replace(bundle, card=dataclasses.replace(bundle.card, calibration=unsure)), place / "unsure"
    )
    path = sounds(place)[0]
    result = run_calibrated(place / "unsure", path, "--precision", "0.9", "--over-time")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [str(path), "  no tag can be promised at precision 0.9"]


def test_a_promise_that_the_model_cannot_make_is_refused(place: Path, calibrated: Path) -> None:
    result = run(place, sounds(place)[0], "--precision", "0.9")
    assert (result.exit_code, result.stdout) == (1, "")
    assert isinstance(result.exception, TagError)
    assert "the model stores no thresholds" in str(result.exception)
    higher = run_calibrated(calibrated, sounds(place)[0], "--precision", "0.95")
    assert "found 0.95, expected up to 0.9" in str(higher.exception)
    assert run(place, sounds(place)[0], "--precision", "1.5").exit_code == 2


def test_a_tag_is_explained(place: Path) -> None:
    path = sounds(place)[0]
    evidence = earmark.load(place / "model").tag(path, keep_features=True).evidence("tag 3")
    lines = run(place, path, "--explain", "tag 3", "--top", "1").stdout.splitlines()
    assert lines[2].startswith(f"  why tag 3: its log odds are {evidence.base:+.2f} when nothing is known of a track")
    assert lines[3].split() == ["scale", "L1", "L2", "L3", "L4"]
    assert [line.split()[0] for line in lines[4:7]] == ["18", "27", "54"]
    shown = [float(cell) for line in lines[4:7] for cell in line.split()[1:]]
    assert sum(shown) == pytest.approx(evidence.log_odds - evidence.base, abs=0.06), "ten numbers of two digits"
    assert lines[7].startswith("  strongest 0:0") or lines[7].startswith("    strongest 0:0")
    record = json.loads(run(place, path, "--explain", "tag 3", "--explain", "tag 1", "--jsonl").stdout)
    assert list(record["evidence"]) == ["tag 3", "tag 1"]
    assert record["evidence"]["tag 3"] == evidence.to_dict()


def test_an_explanation_that_cannot_be_had_is_refused(place: Path) -> None:
    absent = run(place, sounds(place)[0], "--explain", "tag 33")
    assert (absent.exit_code, absent.stdout) == (1, "")
    assert "Did you mean 'tag 3'?" in str(absent.exception)
    assert run(place, sounds(place)[0], "--explain", "tag 3", "--csv").exit_code == 2


def test_paths_that_end_with_nul_are_of_standard_input(place: Path) -> None:
    result = run(place, "-0", sounds(place)[0])
    assert result.exit_code == 2
    assert "add - to the arguments" in result.stderr.replace("\n", " ").replace("│ ", "")


def test_lists_playlists_and_standard_input(place: Path, tmp_path: Path) -> None:
    """Each comes to the same as the files by name, and what is no file is a line."""
    names = [str(path) for path in sounds(place)]
    (tmp_path / "list.txt").write_text("\n".join(names))
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n" + "\n".join(names))
    expected = run(place, *names, "--jsonl").stdout
    for named in (f"@{tmp_path}/list.txt", f"{tmp_path}/list.m3u8"):
        assert run(place, named, "--jsonl").stdout == expected
    command = ["tag", "--model", str(place / "model"), "-", "http://example.org/live", "--jsonl"]
    result = CliRunner().invoke(app, command, input="\n".join(names))
    assert (result.exit_code, result.stdout) == (1, expected)
    assert result.stderr.startswith("earmark: http://example.org/live: it is an address")


def write_quiet(path: Path, peak: float) -> Path:
    tone = np.sin(np.arange(4 * 22_050) * 2 * np.pi * 440 / 22_050)
    write_flac(path, (peak * tone).astype(np.float32), 22_050)
    return path


@pytest.mark.parametrize(("peak", "silent"), [(0.0, True), (1e-3, True), (2e-3, False)])
def test_silence_is_named(calibrated: Path, tmp_path: Path, peak: float, silent: bool) -> None:
    """As `earmark listen` names it: a model says something of silence, and a person is not to take it for true."""
    path = write_quiet(tmp_path / "quiet.flac", peak)
    lines = run_calibrated(calibrated, path, "--over-time").stdout.splitlines()
    assert (lines == [str(path), "  silence"]) == silent
    for form in ("--json", "--jsonl"):
        found = json.loads(run_calibrated(calibrated, path, form, "--precision", "0.9").stdout)
        record = found[0] if form == "--json" else found
        assert record["silent"] is silent
        assert (record["promised"]["tags"] == []) == silent
        assert len(record["probabilities"]) == 5
    [header, row] = csv.reader(run_calibrated(calibrated, path, "--csv", "--precision", "0.9").stdout.splitlines())
    assert (row[-5:] == [""] * 5) == silent, "a table promises nothing of silence either"
    assert len(header) == len(row)


def test_silence_does_not_depend_on_how_the_sound_comes(place: Path, tmp_path: Path) -> None:
    """A click of a twentieth of a second at the place where blocks meet."""
    samples = np.zeros(5 * 22_050, np.float32)
    samples[2 * 22_050 - 551 : 2 * 22_050 + 551] = 1.6e-3
    write_flac(tmp_path / "click.flac", samples, 22_050)
    tagger = earmark.load(place / "model")
    whole = tagger.tag((samples, 22_050)).silent
    assert tagger.tag(tmp_path / "click.flac").silent == whole
    assert tagger.tag((samples[: 2 * 22_050], 22_050)).silent


def test_a_file_that_claims_to_be_too_long_is_its_line(place: Path, tmp_path: Path) -> None:
    kinds = write_poison(tmp_path / "poison")
    result = run(place, tmp_path / "poison", place / "music" / "b.flac", "--jsonl")
    assert result.exit_code == 1
    lines = [line for line in result.stderr.splitlines() if line.startswith("earmark: ")]  # libav may say more
    told = {Path(line.split(": ")[1]).name: line for line in lines}
    assert set(told) == {name for name, reason in kinds.items() if reason}
    for name, reason in kinds.items():
        assert reason in told.get(name, "")
    assert len(result.stdout.splitlines()) == sum(not reason for reason in kinds.values()) + 1


def test_the_limit_of_length_can_be_chosen(place: Path, tmp_path: Path) -> None:
    path = write_noise(tmp_path / "long.flac", 1, 40 * 22_050)
    assert run(place, path, "--longest-hours", "0.02").exit_code == 0
    refused = run(place, path, "--longest-hours", "0.01")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == (f"earmark: {path}: its header claims 0.0 hours; at most 0.01 hours are allowed\n")
    assert run(place, path, "--longest-hours", "0").exit_code == 2


def test_a_file_is_given_up_after_a_time_by_its_length(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that passes ten minutes at each look."""
    looks = iter(range(0, 10**9, 600))
    monkeypatch.setattr(batch.time, "monotonic", lambda: next(looks))
    result = run(place, *sounds(place), "--jsonl")
    assert (result.exit_code, result.stdout) == (1, "")
    lines = result.stderr.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(
        f"earmark: {sounds(place)[0]}: it was not done after 62 seconds, the limit for a file of its "
    )


@pytest.mark.skipif(os.name != "posix", reason="needs a pipe")
def test_a_pipe_is_read_once_and_held_to_the_length(place: Path, tmp_path: Path) -> None:
    """Whose length no header tells beforehand."""
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    content = sounds(place)[0].read_bytes()
    with ThreadPoolExecutor(1) as writing:
        writing.submit(pipe.write_bytes, content)
        result = run(place, pipe, "--jsonl")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["duration_seconds"] == pytest.approx(4.0)


def test_a_sound_that_goes_on_for_too_long_ends_there(place: Path) -> None:
    check = batch.duration_check(str(sounds(place)[0]), Limits(longest_hours=1.0))
    check(np.zeros(4, np.float32), 3_599.0)
    with pytest.raises(FileError, match="it is longer than 1 hours"):
        check(np.zeros(4, np.float32), 3_601.0)
