"""What every section of a recipe is: frozen, typed, with unknown keys refused."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of a recipe: frozen, typed, with unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
