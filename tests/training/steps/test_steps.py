from pathlib import Path

import pytest

pytest.importorskip("lightning", reason="needs the extra train")

from lightning.fabric import Fabric

from earmark.training.steps import steps as steps_module

INPUTS = {"scale": 18, "seed": 0}


class Process:
    """One of the processes that train together, as far as a step can see."""

    def __init__(self, leads: bool) -> None:
        self.is_global_zero = leads
        self.waited = self.asked = 0

    def broadcast(self, value: bool) -> bool:
        """Count how often the leader's view was asked for."""
        self.asked += 1
        return value

    def barrier(self) -> None:
        """Count how often the process waited."""
        self.waited += 1


def make_steps(folder: Path) -> steps_module.Steps:
    """Steps of a process that trains alone."""
    return steps_module.Steps(folder, Fabric(accelerator="cpu", devices=1))


def test_a_step_is_made_once(tmp_path: Path) -> None:
    made: list[Path] = []
    first = make_steps(tmp_path).done("local", INPUTS, made.append)
    again = make_steps(tmp_path).done("local", {"seed": 0, "scale": 18}, made.append)
    assert made == [first]
    assert again == first
    assert first.parent == tmp_path
    assert first.name.startswith("local-")


def test_other_inputs_or_kinds_are_other_steps(tmp_path: Path) -> None:
    steps = make_steps(tmp_path)
    inputs = [INPUTS, {**INPUTS, "seed": 1}, {**INPUTS, "more": None}, {"scale": 18.5, "seed": 0}]
    folders = {steps.done("local", values, lambda folder: None) for values in inputs}
    folders.add(steps.done("global", INPUTS, lambda folder: None))
    assert len(folders) == 5


def test_an_interrupted_step_goes_on_with_what_it_left(tmp_path: Path) -> None:
    def interrupted(folder: Path) -> None:
        (folder / "checkpoint").write_text("epoch 3")
        raise KeyboardInterrupt

    def resumed(folder: Path) -> None:
        assert (folder / "checkpoint").read_text() == "epoch 3"
        (folder / "checkpoint").unlink()

    steps = make_steps(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        steps.done("local", INPUTS, interrupted)
    folder = steps.done("local", INPUTS, resumed)
    assert sorted(path.name for path in folder.iterdir() if path.name != "lock") == ["inputs.json"]


def test_the_inputs_can_be_read(tmp_path: Path) -> None:
    folder = make_steps(tmp_path).done("local", INPUTS, lambda folder: None)
    assert (folder / "inputs.json").read_text() == '{\n "scale": 18,\n "seed": 0\n}'


def test_steps_can_be_forgotten(tmp_path: Path) -> None:
    steps, made = make_steps(tmp_path / "steps"), list[Path]()
    steps.forget()
    steps.done("local", INPUTS, made.append)
    steps.forget()
    steps.done("local", INPUTS, made.append)
    assert len(made) == 2


@pytest.mark.parametrize("together", [False, True])
def test_the_leading_process_alone_finishes_a_step(tmp_path: Path, together: bool) -> None:
    for leads in (False, True):
        made: list[Path] = []
        process = Process(leads)
        steps = steps_module.Steps(tmp_path, process)  # type: ignore[arg-type]
        folder = steps.done("local", INPUTS, made.append, together=together)
        assert bool(made) == (leads or together)
        assert (folder / "inputs.json").exists() == leads
        assert process.asked == process.waited == 1, "what the leader saw, then until the leader is done"
