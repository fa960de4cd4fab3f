import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("lightning", reason="needs the extra train")

from earmark.tagging.bundle.bundle import read_bundle
from earmark.training.steps import fit
from training.commands import run
from training.conftest import Workplace

RECIPE = """
name = "together"
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
dropout = 0.0
gain_deviation = 0.3
[local.schedule]
kind = "staged"
learning_rates = [0.01, 0.001]
stage_epochs_at_most = 2
[global]
hidden_units = [16, 8]
dropout = 0.0
batch_clips = 4
[global.schedule]
kind = "staged"
learning_rates = [0.01]
stage_epochs_at_most = 2
[joint]
batch_clips = 4
[joint.schedule]
kind = "staged"
learning_rates = [0.01]
stage_epochs_at_most = 2
"""


def only(folder: Path, pattern: str) -> Path:
    """The one file that has this form."""
    (found,) = folder.glob(pattern)
    return found


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    """The same curves within 1e-3 (local step) and 5e-3 (joint), statistics and weights near, all told once.

    Half a batch is summed in another order, and a few clips through batch norms make more of that: one process whose
    first weights are moved by one part in ten million differs from itself by up to 2e-4 in the local step and 1e-3 in
    the joint one.

    SGD, as AdamW makes whole steps of what rounding leaves of a gradient that is nothing, such as that of a bias before
    a batch norm. With dropout each process throws dice of its own: curves are then alike, not equal.
    """
    recipe = tmp_path / "recipe.toml"
    text = RECIPE.format(root=tmp_path / "rendered")
    recipe.write_text(text, encoding="utf-8")
    runs = tmp_path / "runs"
    launcher = ("torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    arguments = ["train", recipe, "--runs", runs, "--accelerator", "cpu", "--processes", "1"]
    said, told = run(arguments, tmp_path, *launcher)

    alone = Workplace(text, tmp_path / "alone").experiment()
    local, joint = alone.local("default", 18), alone.joint("default", 0)
    for kind, history, epochs, bound in (("local", local.history, 4, 1e-3), ("joint", joint.history, 2, 5e-3)):
        found = json.loads(only(runs, f"steps/{kind}-*/history.json").read_text(encoding="utf-8"))
        assert len(found) == len(history.epochs) == epochs
        for one, two in zip(found, history.epochs, strict=True):
            assert one["training_loss"] == pytest.approx(two.training_loss, rel=bound)
            assert one["validation_loss"] == pytest.approx(two.validation_loss, rel=bound)
    states = [torch.load(path / "network.pt") for path in (only(runs, "steps/local-*"), local.folder)]
    statistics = [name for name in states[1] if name.endswith(("running_mean", "running_var"))]
    assert len(statistics) == 8
    for name in statistics:
        torch.testing.assert_close(states[0][name], states[1][name], rtol=1e-3, atol=5e-4)
    weights = read_bundle(runs / "together" / "model").weights
    for arrays in (*joint.local_arrays, joint.arrays):
        for name, array in arrays.items():
            np.testing.assert_allclose(weights[name], array, rtol=1e-2, atol=1e-2, err_msg=name)

    assert said == f"{runs / 'together' / 'model'}\n"
    lines = [line for line in told.splitlines() if line.startswith(("default", "valid", "test", "The model"))]
    assert len(lines) == len(set(lines)) == 4 + 2 + 4 + 1
    assert [line for line in told.splitlines() if "Warning" in line or "warn" in line] == []
    stored = [json.loads(line) for line in only(runs, "store/*/tracks.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len({track["content"] for track in stored}) == len(stored) == 12
    assert len(only(runs, "store/*/files.jsonl").read_text(encoding="utf-8").splitlines()) == 12
    rows = sum(track["rows"] for track in stored)
    assert only(runs, "store/*/frames.f16").stat().st_size == rows * 128 * 2
    kinds = sorted(path.name.rpartition("-")[0] for path in (runs / "steps").iterdir())
    assert kinds == ["classifier", "features", "features", "joint", "local", "standardisation"]


def test_the_others_wait_for_the_leader_for_days(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may decode or extract alone for longer than the half hour after which torch gives up."""
    asked: dict[str, Any] = {}

    class Recorded:
        def __init__(self, **arguments: Any) -> None:
            asked.update(arguments)

        def launch(self) -> None:
            """Start nothing."""

    monkeypatch.setattr(fit, "Fabric", Recorded)
    fit.fabric_of("cpu", "32-true")
    assert (asked["strategy"], asked["devices"], asked["num_nodes"]) == ("auto", 1, 1)
    for name, value in (("WORLD_SIZE", "8"), ("LOCAL_WORLD_SIZE", "4")):
        monkeypatch.setenv(name, value)
    fit.fabric_of("cpu", "32-true")
    assert asked["strategy"]._timeout >= timedelta(days=1)
    assert (asked["devices"], asked["num_nodes"]) == (4, 2)
