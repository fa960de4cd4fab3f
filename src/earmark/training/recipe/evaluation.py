"""What a recipe compares, with how many seeds, and with whom."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from earmark.training.recipe.section import Section

Comparison = Literal[
    "baselines",
    "local",
    "single-levels",
    "level-subsets",
    "multi-level",
    "scale-subsets",
    "multi-scale",
    "joint",
    "vectors",
    "hidden",
]


class EvaluationSection(Section):
    """What is compared, and with how many seeds of the global step.

    compare: the methods. "vectors" asks what a plain machine (as in the baselines) makes of the vectors of all scales,
    of each, and of each level; "hidden" asks it of the first hidden layer of a classifier that was trained where the
    local CNNs were. level_subset_scales: of which scales "level-subsets" takes every combination of levels; none means
    all. peers: vectors of other systems to ask the same of, a name and an .npz file with a vector a track. truths:
    groups of tags that listeners said, and the group of the teacher to compare with on them. seeds: of the global and
    the joint step; results are means over them.
    """

    compare: tuple[Comparison, ...] = ("local", "single-levels", "multi-level", "multi-scale")
    level_subset_scales: tuple[int, ...] = ()
    peers: dict[str, Path] = Field({})
    truths: dict[str, str] = Field({})
    seeds: tuple[int, ...] = Field((0,), min_length=1)
