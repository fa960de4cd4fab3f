"""Train a network: the loop over epochs that local CNNs and global classifiers share.

Lightning Fabric handles device, precision and processes. All randomness of an epoch (order, augmentation, dropout)
follows from the seed and the number of the epoch. So an interrupted training continues after its last finished epoch
and ends with the same weights.
"""

import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from lightning.fabric import Fabric
from lightning.fabric.strategies.ddp import DDPStrategy
from torch import Tensor, nn
from torch.nn import functional

from earmark.errors import TrainingError
from earmark.training.datasets.base import Task
from earmark.training.recipe.sections import Schedule
from earmark.training.steps.schedule import plan_of

Loss = Callable[[Tensor, Tensor], Tensor]

_LONGEST_WAIT = timedelta(days=7)


class BatchSource(Protocol):
    """A source of the batches of one side of a split."""

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of an epoch: (n, ...) inputs and (n, tags) targets in 0..1, NaN where unknown."""


Network = TypeVar("Network", bound=nn.Module)


@dataclasses.dataclass(frozen=True)
class FitParts(Generic[Network]):
    """The parts of a training: a network, its batches and its loss."""

    network: Network
    training: BatchSource
    validation: BatchSource
    loss: Loss


@dataclasses.dataclass(frozen=True)
class Epoch:
    """The result of one pass over the training data.

    Attributes:
        number: the number of the epoch, from 0.
        learning_rate: the learning rate of its last update.
        training_loss: the mean loss over its training batches.
        validation_loss: the mean loss over all known validation targets, after the epoch.
    """

    number: int
    learning_rate: float
    training_loss: float
    validation_loss: float

    @property
    def line(self) -> str:
        """The epoch as a line of text."""
        return (
            f"epoch {self.number:3d}  rate {self.learning_rate:.2e}  "
            f"loss {self.training_loss:.4f} training, {self.validation_loss:.4f} validation"
        )


@dataclasses.dataclass(frozen=True)
class History:
    """All epochs of a training."""

    epochs: tuple[Epoch, ...]

    @property
    def best(self) -> Epoch:
        """The epoch with the lowest validation loss, whose weights were kept."""
        return min(self.epochs, key=lambda epoch: epoch.validation_loss)


def fit(
    network: nn.Module,
    training: BatchSource,
    validation: BatchSource,
    schedule: Schedule,
    loss: Loss,
    seed: int,
    fabric: Fabric,
    checkpoint: Path | None = None,
    report: Callable[[Epoch], object] = id,
) -> History:
    """Train a network in place, and leave it with its best weights, in evaluation mode, on the CPU.

    Args:
        network: the network.
        training, validation: the batches of the two sides.
        schedule: the recipe's schedule: optimiser, learning rates, and end of the training.
        loss: takes logits and targets, and returns the mean loss over known targets.
        seed: the seed of dropout and other randomness of torch.
        fabric: device, precision and processes.
        checkpoint: the file where every finished epoch is stored; a training that finds it continues from there.
        report: called with every finished epoch.

    Raises:
        TrainingError: one side has no batches, or the loss is not finite.
    """
    if not len(training) or not len(validation):
        raise TrainingError(
            f"Found {len(training)} batches to train on and {len(validation)} to validate on; expected at least one "
            "each. Check the split of the recipe."
        )
    plan = plan_of(schedule)
    optimiser = plan.optimiser(network.parameters())
    wrapped, wrapped_optimiser = fabric.setup(network, optimiser)
    epochs: list[Epoch] = []
    best = _copy_weights(network)
    if checkpoint is not None and checkpoint.exists():
        state = torch.load(checkpoint, map_location=fabric.device, weights_only=True)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        plan.restore(state["plan"])
        best = state["best"]
        epochs = [Epoch(**epoch) for epoch in state["epochs"]]

    while not plan.finished:
        number = len(epochs)
        torch.manual_seed((seed * 1_000_003 + number) * fabric.world_size + fabric.global_rank)
        wrapped.train()
        total = torch.zeros((), device=fabric.device)
        rate = 0.0
        for index, (inputs, targets) in enumerate(training.epoch(number)):
            rate = plan.learning_rate(number * len(training) + index, len(training))
            for group in optimiser.param_groups:
                group["lr"] = rate
            value = loss(wrapped(fabric.to_device(inputs)), fabric.to_device(targets))
            wrapped_optimiser.zero_grad()
            fabric.backward(value)
            wrapped_optimiser.step()
            total += value.detach()
        training_loss = float(fabric.all_reduce(total, reduce_op="mean")) / len(training)  # type: ignore[arg-type]
        # All processes use the leader's validation loss, so that they stop together.
        validation_loss = fabric.broadcast(_validate(network, validation, loss, fabric))
        epoch = Epoch(number, rate, training_loss, validation_loss)
        if not (torch.isfinite(torch.tensor([epoch.training_loss, epoch.validation_loss]))).all():
            raise TrainingError(
                f"After epoch {number} the loss is {epoch.training_loss} (training) and {epoch.validation_loss} "
                "(validation); expected numbers. A smaller learning rate usually helps."
            )
        improved = not epochs or epoch.validation_loss < min(earlier.validation_loss for earlier in epochs)
        epochs.append(epoch)
        if improved:
            best = _copy_weights(network)
        if plan.epoch_ended(improved):
            network.load_state_dict(best)
        if checkpoint is not None and fabric.is_global_zero:
            _keep(checkpoint, network, optimiser, plan.state(), best, epochs)
        report(epoch)
    network.load_state_dict(best)
    network.cpu().eval()
    return History(tuple(epochs))


def fabric_of(accelerator: str, precision: str) -> Fabric:
    """Set up device and precision, such as "cpu" or "cuda" and "32-true" or "bf16-mixed".

    Under `torchrun` all its processes train together, each on its share of every batch; otherwise this process trains
    alone.

    Raises:
        TrainingError: the device or the precision is not available.
    """
    processes, here = (int(os.environ.get(name, "1")) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    # The leader may decode a dataset for longer than torch's default timeout of half an hour.
    strategy = DDPStrategy(timeout=_LONGEST_WAIT) if processes > 1 else "auto"
    try:
        fabric = Fabric(
            accelerator=accelerator,
            devices=here,
            num_nodes=max(processes // here, 1),
            strategy=strategy,
            precision=precision,  # type: ignore[arg-type]
        )
        fabric.launch()
    except (ValueError, RuntimeError) as error:
        raise TrainingError(f"Cannot train on {accelerator!r} in {precision!r}: {error}") from error
    return fabric


def tag_loss(task: Task) -> Loss:
    """Return the loss of a task: cross-entropy for one-label tasks, binary cross-entropy for multi-label tasks.

    Both take logits (n, tags) and targets (n, tags) in 0..1; the binary cross-entropy leaves out NaN targets.
    """
    if task == "one-label":
        return functional.cross_entropy
    return _masked_binary_cross_entropy


def _masked_binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    known = ~torch.isnan(targets)
    losses = functional.binary_cross_entropy_with_logits(logits, torch.nan_to_num(targets, nan=0.0), reduction="none")
    return (losses * known).sum() / known.sum().clamp(min=1)


def _validate(network: nn.Module, validation: BatchSource, loss: Loss, fabric: Fabric) -> float:
    """Compute the mean loss over all known targets, whatever the size of the validation batches."""
    network.eval()
    total, known = 0.0, 0
    with torch.inference_mode():
        for inputs, targets in validation.epoch(0):
            value = loss(network(fabric.to_device(inputs)), fabric.to_device(targets))
            # The loss is a mean over the known targets of the batch, so it is weighted by their number.
            here = int((~torch.isnan(targets)).sum())
            total += float(value) * here
            known += here
    return total / max(known, 1)


def _copy_weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def _keep(
    checkpoint: Path,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    plan: dict[str, int],
    best: dict[str, Tensor],
    epochs: list[Epoch],
) -> None:
    """Write a checkpoint atomically: an interruption leaves the old or the new one complete."""
    state: dict[str, Any] = {
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "plan": plan,
        "best": best,
        "epochs": [dataclasses.asdict(epoch) for epoch in epochs],
    }
    fresh = checkpoint.with_suffix(".fresh")
    torch.save(state, fresh)
    fresh.replace(checkpoint)


def write_history(history: History, folder: Path) -> None:
    """Write a history to history.json in a folder."""
    rows = [dataclasses.asdict(epoch) for epoch in history.epochs]
    (folder / "history.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")


def read_history(folder: Path) -> History:
    """Read the history that `write_history` wrote."""
    rows = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    return History(tuple(Epoch(**row) for row in rows))
