"""Schedule a training: its optimiser, the learning rate of every update, and its end."""

import math
from collections.abc import Iterable
from typing import Protocol

from torch import nn, optim

from earmark.training.recipe.sections import OneCycleSchedule, Schedule, StagedSchedule


class LearningPlan(Protocol):
    """The interface of schedules to the training loop."""

    def optimiser(self, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
        """Make the optimiser of some parameters."""

    def learning_rate(self, update: int, updates_an_epoch: int) -> float:
        """Return the learning rate of an update; updates are counted from 0 over the whole training."""

    def epoch_ended(self, improved: bool) -> bool:
        """Count an epoch, and return whether the next one starts from the best weights."""

    @property
    def finished(self) -> bool:
        """Whether the training has ended."""

    def state(self) -> dict[str, int]:
        """Return the state that an interrupted training needs to continue."""

    def restore(self, state: dict[str, int]) -> None:
        """Restore the state of an interrupted training."""


class StagedPlan:
    """The authors' schedule: a stage for each learning rate, which ends when the validation loss stalls.

    Each stage starts from the best weights so far (authors' code).
    """

    def __init__(self, schedule: StagedSchedule) -> None:
        self._schedule = schedule
        self._stage = 0
        self._epochs_before_stage = 0
        self._epochs_in_stage = 0
        self._stalled_epochs = 0

    def optimiser(self, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
        """Make SGD with Nesterov momentum."""
        return optim.SGD(
            parameters,
            lr=self._schedule.learning_rates[0],
            momentum=self._schedule.momentum,
            nesterov=self._schedule.momentum > 0,
        )

    def learning_rate(self, update: int, updates_an_epoch: int) -> float:
        """Return rate / (1 + decay · n) for the n-th update of the stage (authors' code)."""
        in_stage = update - self._epochs_before_stage * updates_an_epoch
        rate = self._schedule.learning_rates[min(self._stage, len(self._schedule.learning_rates) - 1)]
        return rate / (1 + self._schedule.decay_per_update * in_stage)

    def epoch_ended(self, improved: bool) -> bool:
        """Count the epoch, and return whether its stage ends."""
        self._epochs_in_stage += 1
        self._stalled_epochs = 0 if improved else self._stalled_epochs + 1
        stage_over = (
            self._stalled_epochs >= self._schedule.patience_epochs
            or self._epochs_in_stage >= self._schedule.stage_epochs_at_most
        )
        if stage_over:
            self._stage += 1
            self._epochs_before_stage += self._epochs_in_stage
            self._epochs_in_stage = self._stalled_epochs = 0
        return stage_over

    @property
    def finished(self) -> bool:
        """Whether the last stage has ended."""
        return self._stage >= len(self._schedule.learning_rates)

    def state(self) -> dict[str, int]:
        """Return the number of the stage, the epochs before it and in it, and the epochs since the last improvement."""
        return {
            "stage": self._stage,
            "before": self._epochs_before_stage,
            "epochs": self._epochs_in_stage,
            "stalled": self._stalled_epochs,
        }

    def restore(self, state: dict[str, int]) -> None:
        """Restore the state of an interrupted training."""
        self._stage = state["stage"]
        self._epochs_before_stage = state["before"]
        self._epochs_in_stage = state["epochs"]
        self._stalled_epochs = state["stalled"]


class OneCyclePlan:
    """The one-cycle schedule: AdamW whose learning rate rises to a peak and falls to 0 in a fixed number of epochs."""

    def __init__(self, schedule: OneCycleSchedule) -> None:
        self._schedule = schedule
        self._epochs = 0

    def optimiser(self, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
        """Make AdamW, with weight decay on weight matrices but not on biases and batch norms."""
        parameters = list(parameters)
        matrices = [parameter for parameter in parameters if parameter.ndim > 1]
        others = [parameter for parameter in parameters if parameter.ndim <= 1]
        return optim.AdamW(
            [
                {"params": matrices, "weight_decay": self._schedule.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=self._schedule.peak_learning_rate,
        )

    def learning_rate(self, update: int, updates_an_epoch: int) -> float:
        """Return the learning rate: a cosine rise from a 25th of the peak to the peak, then a cosine fall to 0."""
        progress = (update + 0.5) / (self._schedule.epochs * updates_an_epoch)
        warm_up = self._schedule.warm_up_share
        if progress < warm_up:
            share = 0.04 + 0.96 * (1 - math.cos(math.pi * progress / warm_up)) / 2
        else:
            share = (1 + math.cos(math.pi * min(1.0, (progress - warm_up) / (1 - warm_up)))) / 2
        return self._schedule.peak_learning_rate * share

    def epoch_ended(self, improved: bool) -> bool:
        """Count the epoch, and return False: a cycle has one stage."""
        del improved
        self._epochs += 1
        return False

    @property
    def finished(self) -> bool:
        """Whether the cycle has ended."""
        return self._epochs >= self._schedule.epochs

    def state(self) -> dict[str, int]:
        """Return the number of finished epochs."""
        return {"epochs": self._epochs}

    def restore(self, state: dict[str, int]) -> None:
        """Restore the state of an interrupted training."""
        self._epochs = state["epochs"]


def plan_of(schedule: Schedule) -> LearningPlan:
    """Make the plan of a recipe's schedule."""
    if isinstance(schedule, StagedSchedule):
        return StagedPlan(schedule)
    return OneCyclePlan(schedule)
