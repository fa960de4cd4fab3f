import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("lightning", reason="needs the extra train")

from lightning.fabric import Fabric

import earmark
from earmark.errors import RecipeError, TrainingError
from earmark.tagging.bundle.bundle import write_bundle
from earmark.tagging.bundle.calibration import activate
from earmark.tagging.bundle.card import TagName
from earmark.tagging.engines.network import Classifier
from earmark.training.bundling.bundle import bundle_of
from earmark.training.data.clips import TrainingData, prepare_data
from earmark.training.datasets.base import Split
from earmark.training.evaluation.evaluate import methods
from earmark.training.recipe.recipe import Recipe, parse_recipe
from earmark.training.steps.features import Selection
from earmark.training.steps.steps import Steps
from training.builders import make_data
from training.conftest import TINY
from training.sounds import write_noise

if TYPE_CHECKING:
    from earmark.training.steps.experiment import Experiment

ONE = Selection((18,))
RENDERED = """dataset = "rendered"
root = "{root}"
options = {{ tracks = 12, seed = 1, seconds = 6.0 }}
splits = ["default"]
clip_frames = 250
"""


def silent(line: str) -> None:
    """Say nothing."""


def experiment_of(recipe: Recipe, prepared: Sequence[TrainingData], folder: Path) -> "Experiment":
    """An experiment on the recipe's data, and that of its local CNNs if there are two."""
    from earmark.training.steps.experiment import Experiment

    fabric = Fabric(accelerator="cpu", devices=1)
    return Experiment(recipe, prepared[0], Steps(folder / "steps", fabric), fabric, silent, *prepared[1:])


def prepared(text: str, folder: Path) -> "Experiment":
    """The experiment of a recipe's text as the command line makes it."""
    recipe = parse_recipe(text)
    sections = [section for section in (recipe.data, recipe.local.data) if section is not None]
    prepared = [prepare_data(section, folder / "store", 1, lambda done, total: None) for section in sections]
    return experiment_of(recipe, prepared, folder)


@dataclasses.dataclass(frozen=True)
class Place:
    """A folder with two kinds of music, and the recipes of a model of one and of its transfer to the other."""

    folder: Path
    pretraining: str
    transfer: str


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Local CNNs from rendered music; a classifier of three genres of noise, a label a track."""
    folder = tmp_path_factory.mktemp("transfer")
    for genre in range(3):
        for track in range(5):
            write_noise(folder / "music" / f"genre {genre}" / f"{track}.flac", genre + 10 * track, 249 * 512)
    rendered = RENDERED.format(root=folder / "rendered")
    table = f'dataset = "table"\nroot = "{folder / "music"}"\nsplits = ["default"]\nclip_frames = 250\n'
    head, _, rest = TINY.format(root="").partition("[data]")
    _, _, rest = rest.partition("[local]")
    rest = rest.replace("scales = [18, 27]", "scales = [18]")
    pretraining = f"{head}[data]\n{rendered}[local]{rest}"
    return Place(folder, pretraining, f"{head}[data]\n{table}[local.data]\n{rendered}[local]{rest}")


@pytest.fixture(scope="module")
def transfer(place: Place) -> "Experiment":
    return prepared(place.transfer, place.folder)


def test_features_come_from_the_other_datasets_networks(place: Place, transfer: "Experiment") -> None:
    local = transfer.local("default", 18)
    assert local.extractor.output_tags == transfer.local_data.dataset.labels
    assert len(local.extractor.output_tags) == 13
    rendered = transfer.local_data
    rows = [
        rendered.frames[first : first + 250].astype(np.float64)
        for first in rendered.clips.first_row[rendered.clips_of("default", "train")]
    ]
    assert local.extractor.input_mean == pytest.approx(np.mean(rows), rel=1e-9)
    assert local.extractor.input_deviation == pytest.approx(np.std(rows), rel=1e-9)
    features = transfer.features("default", 18)
    assert features.vectors.shape == (15, 512)
    assert features.local_scores.shape == (15, 13)
    assert not np.allclose(features.local_scores.sum(axis=1), 1), "sigmoids, as the networks were trained"


def test_the_classifier_has_the_tags_of_its_own_dataset(transfer: "Experiment") -> None:
    scores = transfer.global_scores("default", ONE, 0)
    trained = transfer.classifier("default", ONE, 0)
    logits = Classifier(trained.head, trained.arrays)(transfer.features("default", 18).vectors)
    np.testing.assert_allclose(scores, activate(logits, "softmax"), rtol=0, atol=1e-6)
    assert scores.shape == (15, 3)
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)


def test_a_hidden_layer_is_of_a_classifier_of_the_other_dataset(
    place: Place, transfer: "Experiment", no_training: Callable[[], None]
) -> None:
    """Trained where the local CNNs were, found by the recipe of that dataset, and laid on this one's vectors."""
    hidden = transfer.hidden_vectors("default", 0)
    assert hidden.shape == (15, 16)
    no_training()
    there = prepared(place.pretraining, place.folder).classifier("default", ONE, 0)
    classifier = Classifier(there.head, there.arrays)
    np.testing.assert_array_equal(hidden, classifier.hidden(transfer.features("default", 18).vectors))


def test_the_local_step_is_shared_with_its_own_recipe(
    place: Place, transfer: "Experiment", no_training: Callable[[], None]
) -> None:
    """Trained for the transfer, found by the recipe of the rendered music itself; and by another transfer."""
    expected = transfer.local("default", 18)
    no_training()
    found = prepared(place.pretraining, place.folder).local("default", 18)
    assert found.folder == expected.folder
    assert found.extractor == expected.extractor
    other = prepared(place.transfer.replace("hidden_units = [16, 8]", "hidden_units = [4]"), place.folder)
    assert other.local("default", 18).folder == expected.folder
    np.testing.assert_array_equal(other.features("default", 18).vectors, transfer.features("default", 18).vectors)


def test_the_bundle_tags_without_local_scores(place: Place, transfer: "Experiment", tmp_path: Path) -> None:
    """The scores are those of the experiment to 2e-3, as the store rounds frames to float16."""
    write_bundle(bundle_of(transfer, "default", 0, place.transfer, {}), tmp_path / "model")
    tagger = earmark.load(tmp_path / "model")
    for clip in (0, 7, 14):
        prediction = tagger.tag(transfer.data.dataset.tracks[clip].path)
        assert prediction.labels == ("genre 0", "genre 1", "genre 2")
        assert prediction.local_scores is None
        expected = transfer.global_scores("default", ONE, 0)[clip]
        np.testing.assert_allclose(prediction.scores, expected, rtol=0, atol=2e-3)


def test_local_scores_of_other_tags_cannot_be_compared(transfer: "Experiment") -> None:
    local = next(method for method in methods(transfer) if method.name == "local 18")
    with pytest.raises(TrainingError, match=r"lack genre 0, genre 1, genre 2.*Leave \"local\" out"):
        local.clip_scores("default", 0)


def test_joint_training_on_other_tags_is_refused(place: Place, transfer: "Experiment") -> None:
    joint = place.transfer.replace('name = "tiny"', 'name = "tiny"\nmodel = "joint"')
    with pytest.raises(TrainingError, match=r"Leave out \[local\.data\]"):
        prepared(joint, place.folder).joint_scores("default", 0)


MADE = """
name = "made"
[data]
dataset = "table"
root = "."
splits = [{splits}]
[local]
scales = [18]
batch_segments = 16
[local.data]
dataset = "table"
root = "."
splits = [{pretraining}]
[local.schedule]
kind = "one-cycle"
epochs = 1
[evaluation]
compare = ["local"]
"""


def made(labels: Sequence[str], splits: Sequence[str], seed: int) -> TrainingData:
    """TrainingData of made-up frames whose splits train on other tracks each."""
    data = make_data(tracks=8, tags=len(labels), seed=seed)
    tags = tuple(TagName(label, "tests") for label in labels)
    names = [track.identifier for track in data.dataset.tracks]
    turned = {name: names[2 * at :] + names[: 2 * at] for at, name in enumerate(splits)}
    made_splits = {
        name: Split(name, tuple(order[:4]), tuple(order[4:6]), tuple(order[6:])) for name, order in turned.items()
    }
    return dataclasses.replace(data, dataset=dataclasses.replace(data.dataset, tags=tags, splits=made_splits))


def made_recipe(splits: Sequence[str], pretraining: Sequence[str]) -> Recipe:
    def quoted(names: Sequence[str]) -> str:
        return ", ".join(f'"{name}"' for name in names)

    return parse_recipe(MADE.format(splits=quoted(splits), pretraining=quoted(pretraining)))


def test_tags_among_more_are_found_by_name(tmp_path: Path) -> None:
    prepared = [made(["slow", "guitar"], ["only"], 0), made(["guitar", "voice", "slow"], ["theirs"], 1)]
    experiment = experiment_of(made_recipe(["only"], ["theirs"]), prepared, tmp_path)
    (local,) = methods(experiment)
    found, features = local.clip_scores("only", 0), experiment.features("only", 18)
    assert features.local_scores.shape == (8, 3)
    np.testing.assert_array_equal(found, features.local_scores[:, [2, 0]])
    assert not np.allclose(found[:, 0], found[:, 1])


def test_splits_are_taken_in_pairs(tmp_path: Path) -> None:
    prepared = [made(["slow", "guitar"], ["a", "b"], 0), made(["x", "y"], ["b", "a"], 1)]
    paired = experiment_of(made_recipe(["a", "b"], ["b", "a"]), prepared, tmp_path)
    own = experiment_of(made_recipe(["b", "a"], ["b", "a"]), prepared[1:], tmp_path)
    assert paired.local("a", 18).folder == own.local("b", 18).folder
    assert paired.local("b", 18).folder == own.local("a", 18).folder
    assert paired.local("a", 18).folder != paired.local("b", 18).folder


def test_one_split_serves_all(tmp_path: Path, no_training: Callable[[], None]) -> None:
    prepared = [made(["slow", "guitar"], ["a", "b"], 0), made(["x", "y"], ["theirs"], 1)]
    experiment = experiment_of(made_recipe(["a", "b"], ["theirs"]), prepared, tmp_path)
    first = experiment.features("a", 18)
    no_training()
    np.testing.assert_array_equal(experiment.features("b", 18).vectors, first.vectors)


def test_splits_that_do_not_pair_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"names 2 splits; it has to name one, or as many as data\.splits \(3\)"):
        made_recipe(["a", "b", "c"], ["one", "two"])
