import json
import os
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra train")

from training.sounding import Sounding, make_sounding
from typer.testing import CliRunner, Result

from earmark.cli.main import app
from earmark.errors import RecipeError, TrainingError
from earmark.tagging.bundle.bundle import read_bundle


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Sounding:
    return make_sounding(tmp_path_factory.mktemp("measured"))


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_model_is_calibrated_and_measured(place: Sounding, tmp_path: Path) -> None:
    calibrated, pictures = tmp_path / "calibrated", (tmp_path / "robustness.png", tmp_path / "reliability.png")
    done = run("calibrate", place.model, place.recipe, "--output", calibrated)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{calibrated}\n"
    assert "too few of the 6 validation tracks for 3 of 3 tags" in done.stderr, "it says what is missing"
    assert "calibrated 3 tags on 6 tracks; 0 of them promise a precision" in done.stderr
    assert "The model was not trained on this split (default)" in done.stderr
    bundle = read_bundle(calibrated)
    assert [entry.label for entry in bundle.card.calibration] == ["tag 1", "tag 2", "tag 3"]
    assert bundle.card.head == read_bundle(place.model).card.head
    options = ("--perturbation", "noise 20 dB", "--perturbation", "gain -12 dB")
    measured = run(
        "robustness", calibrated, place.recipe, *options, "--picture", pictures[0], "--reliability-picture", pictures[1]
    )
    assert measured.exit_code == 0, measured.output
    assert [line.split(" | ")[0] for line in measured.stdout.splitlines() if line.startswith("| ")] == [
        "| perturbation", "| unchanged", "| noise 20 dB", "| gain -12 dB",
    ]  # fmt: skip
    assert "No tag promises any precision." in measured.stdout
    assert all(picture.read_bytes().startswith(b"\x89PNG") for picture in pictures)
    document = json.loads(run("robustness", calibrated, place.recipe, *options[:2], "--json", "--threads", "2").stdout)
    assert (document["tracks"], document["calibrated"]) == (6, True)


def test_what_is_not_there_is_refused(place: Sounding, tmp_path: Path) -> None:
    unknown = run("robustness", place.model, place.recipe, "--perturbation", "thunder")
    assert unknown.exit_code == 2
    assert "thunder" in unknown.stderr
    split = run("robustness", place.model, place.recipe, "--split", "fold-7")
    assert isinstance(split.exception, RecipeError)
    assert "it has default" in str(split.exception)


def test_a_dataset_of_other_tags_does_not_calibrate(place: Sounding, tmp_path: Path) -> None:
    recipe = tmp_path / "other.toml"
    text = place.recipe.read_text(encoding="utf-8").replace('"tag 1", "tag 2"', '"tag 2", "tag 1"')
    recipe.write_text(text, encoding="utf-8")
    done = run("calibrate", place.model, recipe, "--output", tmp_path / "calibrated")
    assert isinstance(done.exception, TrainingError)
    assert "expected the model's, in order: tag 1, tag 2, tag 3" in str(done.exception)
    assert not (tmp_path / "calibrated").exists()


@pytest.mark.parametrize("command", ["robustness", "calibrate"])
def test_every_option_is_documented(command: str) -> None:
    environment = {**os.environ, "COLUMNS": "200", "TERM": "dumb"}
    text = CliRunner().invoke(app, [command, "--help"], env=environment).stdout
    for option in ("--split", "--side", "--threads"):
        assert option in text
