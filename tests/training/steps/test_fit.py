from collections.abc import Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from lightning.fabric import Fabric

from earmark.errors import TrainingError
from earmark.training.data.batches import VectorBatches
from earmark.training.networks.networks import GlobalClassifier
from earmark.training.recipe.sections import OneCycleSchedule, Schedule, StagedSchedule
from earmark.training.steps.fit import History, fit, tag_loss

CYCLE = OneCycleSchedule(kind="one-cycle", peak_learning_rate=0.01, epochs=8)


@pytest.fixture
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def separable(items: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors of which the first column tells the first tag and the second the other."""
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(items, 6, generator=generator)
    return vectors, (vectors[:, :2] > 0).float()


def train(
    fabric: Fabric, schedule: Schedule, checkpoint: Path | None = None, stop_after: int = 10_000
) -> tuple[GlobalClassifier, History]:
    torch.manual_seed(3)
    network = GlobalClassifier(6, 2, (32,), dropout=0.1)
    training = VectorBatches(*separable(200, 0), 20, shuffle=True, seed=1)
    validation = VectorBatches(*separable(60, 1), 60, shuffle=False)

    def stop(epoch: object) -> None:
        if getattr(epoch, "number", 0) + 1 == stop_after:
            raise KeyboardInterrupt

    history = fit(network, training, validation, schedule, tag_loss("multi-label"), 7, fabric, checkpoint, stop)
    return network, history


def test_it_learns_what_can_be_learnt(fabric: Fabric) -> None:
    network, history = train(fabric, CYCLE)
    assert history.best.validation_loss < 0.4 < history.epochs[0].validation_loss
    vectors, targets = separable(100, 2)
    assert ((network(vectors) > 0).float() == targets).float().mean() > 0.8


def test_the_best_weights_are_kept(fabric: Fabric) -> None:
    network, history = train(fabric, StagedSchedule(learning_rates=(0.3, 0.01), patience_epochs=2))
    vectors, targets = separable(60, 1)
    with torch.inference_mode():
        loss = float(tag_loss("multi-label")(network(vectors), targets))
    assert loss == pytest.approx(history.best.validation_loss, abs=1e-6)


@pytest.mark.parametrize("schedule", [CYCLE, StagedSchedule(learning_rates=(0.1, 0.01), patience_epochs=2)])
@pytest.mark.parametrize("stop_after", [1, 3])
def test_an_interrupted_training_ends_with_the_same_weights(
    fabric: Fabric, tmp_path: Path, schedule: Schedule, stop_after: int
) -> None:
    whole, expected = train(fabric, schedule)
    with pytest.raises(KeyboardInterrupt):
        train(fabric, schedule, tmp_path / "checkpoint.pt", stop_after)
    resumed, found = train(fabric, schedule, tmp_path / "checkpoint.pt")
    assert found == expected
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_unknown_targets_teach_nothing() -> None:
    loss = tag_loss("multi-label")
    logits = torch.tensor([[2.0, -1.0], [0.5, 3.0]], requires_grad=True)
    known = torch.tensor([[1.0, float("nan")], [float("nan"), 0.0]])
    value = loss(logits, known)
    value.backward()
    expected = torch.nn.functional.binary_cross_entropy_with_logits(torch.tensor([2.0, 3.0]), torch.tensor([1.0, 0.0]))
    assert float(value.detach()) == pytest.approx(float(expected))
    assert logits.grad is not None
    assert logits.grad[0, 1] == logits.grad[1, 0] == 0


def test_nothing_to_train_on_is_said(fabric: Fabric) -> None:
    nothing = VectorBatches(torch.zeros(0, 6), torch.zeros(0, 2), 4, shuffle=True)
    with pytest.raises(TrainingError, match="Found 0 batches to train on"):
        fit(GlobalClassifier(6, 2), nothing, nothing, CYCLE, tag_loss("multi-label"), 0, fabric)


def test_a_loss_that_is_no_number_stops_the_training(fabric: Fabric) -> None:
    class Broken:
        def __len__(self) -> int:
            return 1

        def epoch(self, number: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
            yield torch.full((4, 6), float("inf")), torch.ones(4, 2)

    with pytest.raises(TrainingError, match="After epoch 0 the loss is"):
        fit(GlobalClassifier(6, 2), Broken(), Broken(), CYCLE, tag_loss("multi-label"), 0, fabric)
