"""The global classifier of a recipe, and the windows of random length that it may learn on."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from earmark.training.recipe.schedule import Schedule, StagedSchedule
from earmark.training.recipe.section import Section


class WindowSection(Section):
    """Windows of random length for the global classifier, so that it is at home on short stretches too.

    shortest_seconds: the least length. longest_seconds: the greatest. windows_per_clip: how many of every clip an epoch
    takes. gains_decibels: other loudnesses that a window may have, each as likely as its own: levels follow loudness,
    even where the CNNs' own scores have learned not to.
    """

    shortest_seconds: float = Field(5.0, gt=0)
    longest_seconds: float = Field(29.1, gt=0)
    windows_per_clip: int = Field(1, gt=0)
    gains_decibels: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.shortest_seconds > self.longest_seconds:
            raise ValueError("shortest_seconds is larger than longest_seconds")
        return self


class GlobalSection(Section):
    """The global classifier: two hidden layers on the concatenated vector.

    levels: which levels of every scale enter, from 1, or all. hidden_units: the width of each hidden layer. dropout:
    the share of units left out. standardise: one mean and deviation for the whole vector, as the authors do, or one a
    column. batch_clips: how many clips a step. balance_tags, hints: as in `local`.
    """

    levels: tuple[int, ...] | Literal["all"] = "all"
    hidden_units: tuple[int, ...] = (512, 512)
    dropout: float = Field(0.5, ge=0, lt=1)
    standardise: Literal["scalar", "column"] = "scalar"
    batch_clips: int = Field(16, gt=1)
    balance_tags: bool = False
    hints: tuple[Path, ...] = ()
    windows: WindowSection | None = None
    schedule: Schedule = StagedSchedule(learning_rates=(0.005, 0.001, 0.0002, 0.00004, 0.000008), patience_epochs=8)
