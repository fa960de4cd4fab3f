"""`earmark data check`: what it prints, and when its exit status is 1."""

from pathlib import Path

import pytest
from training.datasets.published import gtzan_files, mp3, tagtraum_files
from typer.testing import CliRunner, Result

from earmark.cli.data import data
from earmark.errors import DatasetError

VOCABULARY = Path(__file__).parents[2] / "vocabularies" / "earmark-2.toml"


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(data, ["check", *arguments])


def test_a_whole_dataset(tmp_path: Path) -> None:
    result = _run("gtzan", "--root", str(gtzan_files(tmp_path / "gtzan")))
    assert result.exit_code == 0
    for part in ("licence: ", "citation: ", "7 found, 0 missing", "NOT the official split", "loads: 7 tracks, 10 tags"):
        assert part in result.stdout


def test_a_missing_file_is_exit_status_1(tmp_path: Path) -> None:
    root = gtzan_files(tmp_path / "gtzan")
    (root / "blues" / "blues.00030.wav").unlink()
    result = _run("gtzan", "--root", str(root))
    assert result.exit_code == 1
    assert "1 missing" in result.stdout and "does not load: " in result.stdout
    tolerant = _run("gtzan", "--root", str(root), "--option", "allow_missing=true")
    assert tolerant.exit_code == 1 and "loads: 6 tracks" in tolerant.stdout
    assert "split fault-filtered has 2 of 4 train" in tolerant.stdout


def test_options_are_read(tmp_path: Path) -> None:
    root = tmp_path / "cd2c"
    tagtraum_files(root)
    result = _run("tagtraum", "--root", str(root), "--option", "split=cd2c-stratified", "--option", "seed=3")
    assert result.exit_code == 0 and "split cd2c-stratified: 14 train, 2 valid, 4 test" in result.stdout
    assert _run("tagtraum", "--root", str(root), "--option", "split").exit_code == 2


def test_a_dataset_of_ones_own_has_its_splits_printed(tmp_path: Path) -> None:
    for tag in ("slow", "fast"):
        for number in range(3):
            path = tmp_path / "music" / tag / f"{number}.mp3"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(mp3())
    result = _run("table", "--root", str(tmp_path / "music"), "--option", "fractions=[0.4, 0.3, 0.3]")
    assert result.exit_code == 0 and "split default: 2 train, 2 valid, 2 test" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(("gtzna",), "Did you mean 'gtzan'"), (("gtzan", "--option", "verfy=true"), "Did you mean 'verify'")],
)
def test_unknown_names_are_refused(tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    result = _run(arguments[0], "--root", str(tmp_path), *arguments[1:])
    assert isinstance(result.exception, DatasetError) and sentence in str(result.exception)


def test_what_is_fetched_and_what_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}

    def fetch(root: Path, rows: list[object], beside: list[Path], say: object) -> tuple[str, ...]:
        asked.update(root=root, rows=len(rows), beside=beside)
        return ("zaz-data_1.deb: one.ogg: it is empty",)

    monkeypatch.setattr("earmark.training.datasets.debian.fetch", fetch)
    arguments = ["fetch", "--root", str(tmp_path), "--package", "zaz-data", "--beside", "free"]
    result = CliRunner().invoke(data, arguments)
    assert result.exit_code == 1
    assert "not read: zaz-data_1.deb" in result.stderr
    assert asked == {"root": tmp_path, "rows": 4, "beside": [Path("free")]}
    assert CliRunner().invoke(data, ["fetch", "gtzan"]).exit_code == 2
    assert CliRunner().invoke(data, ["fetch", "--package", "nothing-data"]).exit_code == 2


def test_what_is_made_and_what_is_refused(tmp_path: Path) -> None:
    arguments = ["make", "speech", "--root", str(tmp_path / "made"), "--tracks", "40", "--kind", "blank"]
    result = CliRunner().invoke(data, arguments)
    assert result.exit_code == 0 and "earmark data check annotated" in result.stdout
    report = _run("annotated", "--root", str(tmp_path / "made"), "--option", f"vocabulary={VOCABULARY}")
    assert report.exit_code == 0 and "3 tracks" in report.stdout
    again = ["make", "mixtures", "--root", str(tmp_path / "mixed"), "--from", str(tmp_path / "made"), "--tracks", "2"]
    assert CliRunner().invoke(data, again).exit_code == 0
    assert len((tmp_path / "mixed" / "tracks.csv").read_text(encoding="utf-8").splitlines()) == 3
    assert CliRunner().invoke(data, ["make", "music", "--root", str(tmp_path)]).exit_code == 2
    refused = CliRunner().invoke(data, ["make", "speech", "--root", str(tmp_path), "--kind", "blanks"])
    assert isinstance(refused.exception, DatasetError) and "Did you mean 'blank'" in str(refused.exception)
