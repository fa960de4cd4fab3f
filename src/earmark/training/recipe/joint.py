"""The joint training of all networks of a recipe."""

from typing import Any

from pydantic import Field, model_validator

from earmark.training.recipe.schedule import OneCycleSchedule, Schedule
from earmark.training.recipe.section import Section


def _with_default_schedule(section: type[Section], values: Any) -> Any:
    """A section's values, where its schedule names some keys only, with the others from the section's own default."""
    default: Section = section.model_fields["schedule"].default
    given = values.get("schedule") if isinstance(values, dict) else None
    if not isinstance(given, dict) or given.get("kind") != default.model_dump()["kind"]:
        return values
    return {**values, "schedule": {**default.model_dump(), **given}}


class JointSection(Section):
    """Local CNNs and classifier trained together, from the finished three steps (the letter's future work).

    local_weight: how much the segments' loss counts beside that of the clip. batch_clips: how many clips a step.
    """

    local_weight: float = Field(0.5, ge=0)
    batch_clips: int = Field(16, gt=1)
    schedule: Schedule = OneCycleSchedule(kind="one-cycle", peak_learning_rate=3e-4, epochs=5)

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, values: Any) -> Any:
        return _with_default_schedule(cls, values)
