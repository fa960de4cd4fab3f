"""The data of a recipe: which tracks, with which targets, split how, and cut into which clips."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from earmark.training.recipe.section import Section

Side = Literal["train", "valid", "test"]


class DataSection(Section):
    """Which tracks, with which targets, split how, and cut into which clips.

    dataset: its name. root: its folder or CSV. options: of the dataset. splits: one, or the folds of a
    cross-validation; `train` takes the first. clip_frames: length of a clip (1250: 29.1 s). clips_per_track: at most,
    one after another from the start. unreadable_tracks_allowed: how many may be left out as they cannot be decoded.
    """

    dataset: str
    root: Path
    options: dict[str, Any] = Field({})
    splits: tuple[str, ...] = Field(min_length=1)
    clip_frames: int = Field(1250, gt=0)
    clips_per_track: int = Field(1, gt=0)
    unreadable_tracks_allowed: int = Field(0, ge=0)
