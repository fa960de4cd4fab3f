"""One tiny experiment, run once and looked at by many tests."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from earmark.training.steps.experiment import Experiment

TINY = """
name = "tiny"
seed = 5
[data]
dataset = "rendered"
root = "{root}"
options = {{ tracks = 12, seed = 0, seconds = 6.0 }}
splits = ["default"]
clip_frames = 250
[local]
scales = [18, 27]
batch_segments = 16
[local.schedule]
kind = "one-cycle"
epochs = 1
[global]
hidden_units = [16, 8]
standardise = "column"
batch_clips = 4
[global.schedule]
kind = "one-cycle"
epochs = 2
[evaluation]
compare = ["baselines", "local", "single-levels", "multi-level", "multi-scale"]
seeds = [0, 1]
"""


@dataclass(frozen=True)
class Workplace:
    """A recipe's text and the folder with its store and steps."""

    recipe: str
    folder: Path

    def experiment(self) -> "Experiment":
        """The experiment as a new run of the program would see it."""
        lightning = pytest.importorskip("lightning.fabric", reason="needs the extra train")
        from earmark.training.data.clips import prepare_data
        from earmark.training.recipe.recipe import parse_recipe
        from earmark.training.steps.experiment import Experiment
        from earmark.training.steps.steps import Steps

        recipe = parse_recipe(self.recipe)
        data = prepare_data(recipe.data, self.folder / "store", 1, lambda done, total: None)
        fabric = lightning.Fabric(accelerator="cpu", devices=1)
        return Experiment(recipe, data, Steps(self.folder / "steps", fabric), fabric, lambda line: None)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """Twelve rendered tracks of six seconds, clips of 250 frames, scales 18 and 27."""
    folder = tmp_path_factory.mktemp("tiny")
    return Workplace(TINY.format(root=folder / "rendered"), folder)


@pytest.fixture(scope="session")
def experiment(tiny: Workplace) -> "Experiment":
    """The tiny experiment; its steps are made as tests ask for them."""
    return tiny.experiment()


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From the call on, training and feature extraction fail the test."""

    def refuse(*arguments: object) -> None:
        pytest.fail(f"made anew: {arguments[:1]}")

    def forbid() -> None:
        for module in ("steps.local_step", "steps.global_step", "extras.joint"):
            monkeypatch.setattr(f"earmark.training.{module}.fit", refuse)
        monkeypatch.setattr("earmark.training.steps.experiment.extract_features", refuse)

    return forbid
