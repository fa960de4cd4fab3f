import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

pytest.importorskip("lightning", reason="needs the extra train")

import earmark
from earmark.cli.main import app
from earmark.errors import RecipeError, TrainingError

RECIPE = """
name = "small"
[data]
dataset = "rendered"
root = "{folder}/rendered"
options = {{ tracks = 12, seed = 0, seconds = 3.0 }}
splits = ["default"]
[local]
scales = [18]
batch_segments = 16
[local.schedule]
kind = "one-cycle"
epochs = 1
[global]
hidden_units = [8]
standardise = "column"
batch_clips = 4
[global.schedule]
kind = "one-cycle"
epochs = 1
[evaluation]
compare = ["local", "multi-scale"]
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe of a few seconds, in a folder of its own."""
    folder = tmp_path_factory.mktemp("train")
    path = folder / "small.toml"
    path.write_text(RECIPE.format(folder=folder))
    return path


def run(command: str, recipe: Path, *arguments: str) -> Result:
    runs = str(recipe.parent / "runs")
    return CliRunner().invoke(
        app, [command, str(recipe), "--runs", runs, "--processes", "1", "--accelerator", "cpu", *arguments]
    )


def test_a_recipe_becomes_a_model_that_tags(recipe: Path) -> None:
    result = run("train", recipe)
    assert result.exit_code == 0, result.exception
    model = recipe.parent / "runs" / "small" / "model"
    assert result.stdout == f"{model}\n", "the result is the model's folder; all else goes to stderr"
    assert re.search(r"default local 18  epoch   0  rate \S+  loss \d\.\d{4} training", result.stderr)
    assert re.search(r"^test ROC-AUC: 0\.\d{3}$", result.stderr, re.MULTILINE)
    assert f'earmark tag --model "{model}" song.mp3' in result.stderr
    tagger = earmark.load(model)
    assert tagger.card.provenance.recipe == recipe.read_text()
    assert set(tagger.card.metrics) == {"valid ROC-AUC", "valid PR-AUC", "test ROC-AUC", "test PR-AUC"}
    song = next((recipe.parent / "rendered" / "audio").iterdir())
    tagged = CliRunner().invoke(app, ["tag", "--model", str(model), str(song)])
    assert (tagged.exit_code, tagged.stderr) == (0, "")


@pytest.mark.parametrize(("command", "seed"), [("train", 3), ("evaluate", 4)])
def test_what_the_calibration_will_lack_is_said_before_the_training(
    recipe: Path, tmp_path: Path, command: str, seed: int
) -> None:
    calibrated = tmp_path / "calibrated.toml"
    calibrated.write_text(f"seed = {seed}\n" + recipe.read_text() + "[bundle]\ncalibrate = true\n")
    result = run(command, calibrated, "--runs", str(recipe.parent / "runs"))
    assert result.exit_code == 0, result.exception
    lines = result.stderr.splitlines()
    [said] = [number for number, line in enumerate(lines) if "too few of the 2 validation tracks" in line]
    [trained] = [number for number, line in enumerate(lines) if "default local 18  epoch   0" in line]
    assert said < trained
    assert lines[said].startswith("default: calibration: ")


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_where_nothing_can_be_calibrated_nothing_is_trained(recipe: Path, tmp_path: Path, command: str) -> None:
    song = next((recipe.parent / "rendered" / "audio").iterdir())
    table = tmp_path / "table.csv"
    songs = [tmp_path / f"{number}.flac" for number in range(3)]
    for each in songs:
        each.write_bytes(song.read_bytes())
    rows = [f"{each},a,artist {each.stem},{side}" for each, side in zip(songs, ("train", "valid", "test"), strict=True)]
    table.write_text("\n".join(["path,tags,artist,split", *rows]) + "\n")
    described = recipe.read_text().replace('"rendered"', '"table"').replace(f"{recipe.parent}/rendered", str(table))
    described = re.sub(r"options = .*", "", described) + "[bundle]\ncalibrate = true\n"
    calibrated = tmp_path / "calibrated.toml"
    calibrated.write_text(described)
    result = run(command, calibrated)
    assert isinstance(result.exception, TrainingError)
    assert "found 1 validation tracks" in str(result.exception)
    assert "epoch" not in result.stderr


def test_a_model_may_go_elsewhere(recipe: Path, tmp_path: Path) -> None:
    result = run("train", recipe, "--output", str(tmp_path / "here"), "--split", "default")
    assert result.exit_code == 0, result.exception
    assert result.stdout == f"{tmp_path / 'here'}\n"
    assert earmark.load(tmp_path / "here").card.name == "small"


def test_an_evaluation_is_shown_and_kept(recipe: Path) -> None:
    result = run("evaluate", recipe)
    assert result.exit_code == 0, result.exception
    assert "| global 18 |" in result.stdout
    assert "global 18" in result.stderr.splitlines(), "what is being measured is said meanwhile"
    kept = recipe.parent / "runs" / "small"
    assert (kept / "test.md").read_text() == result.stdout
    document = json.loads((kept / "test.json").read_text())
    assert [found["name"] for found in document["results"]] == ["local 18", "global 18"]
    as_json = run("evaluate", recipe, "--json")
    assert as_json.exit_code == 0
    assert json.loads(as_json.stdout)["results"] == document["results"]
    valid = run("evaluate", recipe, "--side", "valid")
    assert valid.exit_code == 0
    assert "side valid" in (kept / "valid.md").read_text()


def test_wrong_words_are_refused(recipe: Path, tmp_path: Path) -> None:
    assert run("evaluate", recipe, "--side", "train").exit_code == 2
    assert "no split 'absent'; rendered has default" in str(run("train", recipe, "--split", "absent").exception)
    assert isinstance(run("train", tmp_path / "absent.toml").exception, RecipeError)
    result = run("train", recipe, "--accelerator", "abacus")
    assert isinstance(result.exception, TrainingError)
    assert "Cannot train on 'abacus'" in str(result.exception)
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(recipe.read_text().replace("batch_clips", "batch_clip"))
    result = run("train", wrong)
    assert isinstance(result.exception, RecipeError)
    assert result.exit_code == 1
    assert "the nearest known key is 'batch_clips'" in str(result.exception)


def test_without_the_extra_the_line_that_installs_it(recipe: Path) -> None:
    code = "import sys; sys.modules['torch'] = None; import earmark.cli.main; earmark.cli.main.main()"
    done = subprocess.run([sys.executable, "-c", code, "train", recipe], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("earmark: Training needs the package 'torch', which is not installed.")
    assert 'pip install "earmark[train]"' in done.stderr
