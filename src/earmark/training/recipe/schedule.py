"""The schedules that a recipe may ask for: the authors' stages, and one cycle."""

from typing import Annotated, Literal

from pydantic import Field

from earmark.training.recipe.section import Section


class StagedSchedule(Section):
    """The authors' schedule: SGD with Nesterov momentum, a stage a learning rate, each until the loss stalls.

    learning_rates: one a stage, each from the best weights so far. patience_epochs: how long the loss
    of validation may stall before the next stage. momentum: Nesterov's. decay_per_update: how the rate falls within a
    stage, to rate / (1 + decay * updates). stage_epochs_at_most: the end of a stage in any case.
    """

    kind: Literal["staged"] = "staged"
    learning_rates: tuple[float, ...] = Field((0.01, 0.002, 0.0004, 0.00008, 0.000016), min_length=1)
    patience_epochs: int = Field(3, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    decay_per_update: float = Field(1e-6, ge=0)
    stage_epochs_at_most: int = Field(100, gt=0)


class OneCycleSchedule(Section):
    """A modern schedule: AdamW, the learning rate once up and once down over a fixed number of epochs.

    peak_learning_rate: the highest. epochs: how many in all. weight_decay: AdamW's. warm_up_share:
    the share of the updates in which the rate rises.
    """

    kind: Literal["one-cycle"]
    peak_learning_rate: float = Field(3e-3, gt=0)
    epochs: int = Field(20, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    warm_up_share: float = Field(0.25, gt=0, lt=1)


Schedule = Annotated[StagedSchedule | OneCycleSchedule, Field(discriminator="kind")]
