"""Every command that takes a recipe or a model takes one on raw sound."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

pytest.importorskip("lightning", reason="needs the extra train")

import earmark
from earmark.audio.encode import write_flac
from earmark.cli.main import app

RECIPE = """
name = "raw"
[data]
dataset = "rendered"
root = "{folder}/rendered"
options = {{ tracks = 12, seed = 0, seconds = 3.0 }}
splits = ["default"]
[local]
scales = [2187, 6561]
batch_segments = 32
[local.raw]
channel_multiplier = 0.0625
block = "se"
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
compare = ["baselines", "local", "single-levels", "level-subsets", "multi-level", "scale-subsets", "multi-scale"]
level_subset_scales = [2187]
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe of a few seconds, in a folder of its own."""
    folder = tmp_path_factory.mktemp("raw")
    path = folder / "raw.toml"
    path.write_text(RECIPE.format(folder=folder))
    return path


def run(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.exception or result.output
    return result


@pytest.fixture(scope="module")
def runs(recipe: Path) -> Path:
    """The recipe trained and evaluated."""
    folder = recipe.parent / "runs"
    options = ("--runs", folder, "--processes", "1", "--accelerator", "cpu")
    run("train", recipe, *options)
    run("evaluate", recipe, *options)
    return folder


def test_train_writes_a_model_that_tags(runs: Path, tmp_path: Path) -> None:
    model = runs / "raw" / "model"
    extractors = earmark.load(model).card.extractors
    assert [(extractor.family, extractor.name) for extractor in extractors] == [("raw", "2187"), ("raw", "6561")]
    sound = tmp_path / "sound.flac"
    write_flac(sound, np.random.default_rng(0).normal(0, 0.1, 4 * 22_050).astype(np.float32), 22_050)
    (document,) = json.loads(run("tag", "--model", model, sound, "--json").stdout)
    tagged = earmark.load(model).tag(sound)
    assert document["scores"] == pytest.approx(dict(zip(tagged.labels, tagged.scores.tolist(), strict=True)), abs=1e-6)


def test_evaluate_measures_every_comparison(runs: Path) -> None:
    document = json.loads((runs / "raw" / "test.json").read_text())
    names = [result["name"] for result in document["results"]]
    assert "log-mel + SVM" in names, "baselines look at frames, which are kept for them"
    assert {"local 2187+6561", "global 2187 L6+L8", "global 6561 L9", "global 2187+6561"} <= set(names)


def test_figures_draws_its_filters_too(runs: Path, tmp_path: Path) -> None:
    written = run("figures", runs / "raw", "--output", tmp_path, "--format", "png", "--level-scale", "2187").stdout
    assert [Path(line).stem for line in written.splitlines()] == [
        "figure-1-architecture",
        "figure-2-local-and-global",
        "figure-3-levels",
        "figure-4-scale-combinations",
        "figure-5-gains",
        "filters-2187",
        "filters-6561",
    ]
