import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lightning", reason="needs the extra train")

from earmark.tagging.bundle.bundle import Bundle, read_bundle
from training.commands import kill_when, run

RECIPE = """
name = "cut-off"
model = "joint"
[data]
dataset = "rendered"
root = "{root}"
options = {{ tracks = 12, seed = 0, seconds = 6.0 }}
splits = ["default"]
clip_frames = 250
[local]
scales = [18]
batch_segments = 16
[local.schedule]
kind = "one-cycle"
epochs = 8
[global]
hidden_units = [16, 8]
batch_clips = 4
[global.schedule]
kind = "one-cycle"
epochs = 2
[joint]
batch_clips = 4
[joint.schedule]
kind = "one-cycle"
epochs = 20
"""


def command(recipe: Path, runs: Path) -> Sequence[str | Path]:
    return ["train", recipe, "--runs", runs, "--accelerator", "cpu", "--processes", "1"]


def epochs(told: str, what: str) -> list[int]:
    """The epochs that a run told of."""
    return [int(number) for number in re.findall(rf"default {what}  epoch +(\d+)", told)]


def without_time(bundle: Bundle) -> object:
    provenance = dataclasses.replace(bundle.card.provenance, created="")
    return dataclasses.replace(bundle.card, provenance=provenance)


@pytest.mark.slow
def test_a_killed_training_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    """Killed while it decodes, trains the local CNN, extracts features, and trains all together; weights are equal."""
    recipe, whole, cut = tmp_path / "recipe.toml", tmp_path / "whole", tmp_path / "cut"
    recipe.write_text(RECIPE.format(root=tmp_path / "rendered"), encoding="utf-8")
    _, told = run(command(recipe, whole), tmp_path)
    assert (epochs(told, "local 18"), epochs(told, "joint")) == (list(range(8)), list(range(20)))

    kill_when(
        lambda: any(path.stat().st_size for path in cut.glob("store/*/frames.f16")), command(recipe, cut), tmp_path
    )
    told = kill_when(lambda: any(cut.glob("steps/local-*/checkpoint.pt")), command(recipe, cut), tmp_path)
    assert epochs(told, "local 18")[:1] in ([], [0])
    told = kill_when(lambda: any(cut.glob("steps/features-*")), command(recipe, cut), tmp_path)
    resumed = epochs(told, "local 18")
    assert resumed and resumed[0] > 0, "it goes on from the checkpoint"
    assert resumed == list(range(resumed[0], 8))
    told = kill_when(lambda: any(cut.glob("steps/joint-*/checkpoint.pt")), command(recipe, cut), tmp_path)
    assert not epochs(told, "local 18"), "a finished step is found again"
    _, told = run(command(recipe, cut), tmp_path)
    resumed = epochs(told, "joint")
    assert resumed[0] > 0 and resumed == list(range(resumed[0], 20))

    expected, found = (read_bundle(runs / "cut-off" / "model") for runs in (whole, cut))
    assert expected.weights.keys() == found.weights.keys()
    for name, weight in expected.weights.items():
        np.testing.assert_array_equal(found.weights[name].view(np.uint32), weight.view(np.uint32), err_msg=name)
    assert without_time(found) == without_time(expected)
    left = [path.name for path in cut.rglob("*") if path.suffix in (".pt", ".fresh") and path.name != "network.pt"]
    assert left == [], "nothing unfinished is left"
