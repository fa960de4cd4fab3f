"""The three steps on raw sound, and on raw sound and log-mel together, from recipe to bundle to tags."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lightning", reason="needs the extra train")

from lightning.fabric import Fabric

import earmark
from earmark.errors import TrainingError
from earmark.tagging.bundle.bundle import write_bundle
from earmark.training.bundling.bundle import bundle_of, model_metrics
from earmark.training.data.clips import prepare_data
from earmark.training.evaluation.evaluate import evaluate
from earmark.training.evaluation.report import evaluation_text
from earmark.training.recipe.recipe import parse_recipe
from earmark.training.steps.experiment import Experiment
from earmark.training.steps.features import Selection
from earmark.training.steps.steps import Steps
from training.conftest import Workplace
from training.sounds import write_noise

RECIPE = """
name = "raw"
[data]
dataset = "table"
root = "{root}"
splits = ["default"]
clip_frames = 44
[local]
scales = [2187]
batch_segments = 16
gain_deviation = 0.2
[local.raw]
channel_multiplier = 0.0625
block = "rese-2"
[local.schedule]
kind = "one-cycle"
epochs = 1
[global]
hidden_units = [8]
standardise = "column"
batch_clips = 4
[global.schedule]
kind = "one-cycle"
epochs = 2
[evaluation]
compare = ["local", "single-levels", "multi-level", "multi-scale"]
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """Three folders of six sounds that are exactly one clip of 44 frames long."""
    folder = tmp_path_factory.mktemp("raw")
    for genre in range(3):
        for track in range(6):
            write_noise(folder / "music" / f"genre {genre}" / f"{track}.flac", genre + 10 * track, 43 * 512)
    return Workplace(RECIPE.format(root=folder / "music"), folder)


def experiment_of(place: Workplace, steps: str = "steps") -> Experiment:
    recipe = parse_recipe(place.recipe)
    data = prepare_data(
        recipe.data,
        place.folder / "store",
        1,
        lambda done, total: None,
        frames=recipe.needs_frames,
        waveforms=recipe.needs_waveforms,
    )
    fabric = Fabric(accelerator="cpu", devices=1)
    return Experiment(recipe, data, Steps(place.folder / steps, fabric), fabric, lambda line: None)


@pytest.fixture(scope="module")
def raw(place: Workplace) -> Experiment:
    return experiment_of(place)


def test_only_lengths_are_kept_on_disk(raw: Experiment, place: Workplace) -> None:
    assert raw.data.frames.shape == (0, 128)
    (store,) = (place.folder / "store").glob("lengths-*")
    assert (store / "frames.f16").stat().st_size == 0
    assert raw.data.clips.rows.tolist() == [44] * 18
    assert raw.data.sound.samples.tolist() == [43 * 512] * 18


def test_top_three_levels_make_the_vector(raw: Experiment) -> None:
    trained = raw.local("default", 2187)
    assert (trained.extractor.family, trained.extractor.levels) == ("raw", (6, 7, 8))
    assert (trained.extractor.input_mean, trained.extractor.input_deviation) == (0.0, 1.0)
    assert len(trained.history.epochs) == 1
    features = raw.features("default", 2187)
    assert features.vectors.shape == (18, 3 * 16)
    assert np.diff(features.first).tolist() == [43 * 512 // 2187] * 18
    assert not list((raw._steps._folder).glob("standardisation-*"))


def test_a_trained_model_tags_a_file_as_the_experiment_does(raw: Experiment, place: Workplace, tmp_path: Path) -> None:
    """To 2e-4: a clip's samples were rounded to int16, which moves a score by less than that; the rest is equal."""
    metrics = model_metrics(raw, "default", 0)
    write_bundle(bundle_of(raw, "default", 0, place.recipe, metrics), tmp_path / "model")
    tagger = earmark.load(tmp_path / "model")
    assert tagger.card.extractors[0].convolutions[2].residual_convolutions == 2
    expected = raw.global_scores("default", Selection((2187,)), 0)
    for clip in (0, 7, 17):
        prediction = tagger.tag(raw.data.dataset.tracks[clip].path)
        np.testing.assert_allclose(prediction.scores, expected[clip], rtol=0, atol=2e-4)


def test_every_comparison_works(raw: Experiment) -> None:
    evaluation = evaluate(raw, "test", lambda line: None)
    names = [result.name for result in evaluation.results]
    assert names == ["local 2187", "global 2187 L6", "global 2187 L7", "global 2187 L8", "global 2187"]
    assert "segments have 2187 (99 ms) samples." in evaluation_text(evaluation)


def test_fewer_levels_share_the_local_step(raw: Experiment, place: Workplace) -> None:
    trained = raw.local("default", 2187)
    recipe = place.recipe.replace("[local.raw]", "[local.raw]\ntop_levels = 1")
    top = experiment_of(Workplace(recipe, place.folder)).local("default", 2187)
    assert top.extractor.levels == (8,)
    assert top.folder == trained.folder


def test_another_block_is_another_training(raw: Experiment, place: Workplace) -> None:
    recipe = place.recipe.replace('block = "rese-2"', 'block = "se"')
    other = experiment_of(Workplace(recipe, place.folder)).local("default", 2187)
    assert other.folder != raw.local("default", 2187).folder


def test_training_twice_gives_the_same_network(raw: Experiment, place: Workplace) -> None:
    again = experiment_of(place, "other steps").local("default", 2187)
    assert again.extractor == raw.local("default", 2187).extractor


def test_both_families_make_one_vector(raw: Experiment, place: Workplace, tmp_path: Path) -> None:
    recipe = place.recipe.replace("scales = [2187]", "scales = [18, 2187]").replace("rese-2", "basic")
    mixed = experiment_of(Workplace(recipe, place.folder))
    assert mixed.data.hash == raw.data.hash
    selection = mixed.selection()
    assert mixed.vectors("default", selection).shape == (18, 512 + 48)
    write_bundle(bundle_of(mixed, "default", 0, recipe, {}), tmp_path / "model")
    tagger = earmark.load(tmp_path / "model")
    expected = mixed.global_scores("default", selection, 0)
    prediction = tagger.tag(mixed.data.dataset.tracks[5].path)
    np.testing.assert_allclose(prediction.scores, expected[5], rtol=0, atol=2e-3)
    names = [result.name for result in evaluate(mixed, "test", lambda line: None).results]
    assert names[-3:] == ["global 18", "global 2187", "global 18+2187"]


def test_material_without_sound_is_refused(raw: Experiment, place: Workplace) -> None:
    recipe = parse_recipe(place.recipe)
    data = prepare_data(recipe.data, place.folder / "store", 1, lambda done, total: None, frames=False)
    with pytest.raises(TrainingError, match="was prepared without raw sound"):
        next(data.clip_rows("raw"))
