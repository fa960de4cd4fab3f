"""Read a recipe, which describes an experiment in one TOML file.

An unknown key is an error that names the nearest known key. A recipe does not depend on results or other files, so it
can be hashed, stored in a bundle, and read again to the same value.
"""

import difflib
import tomllib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from earmark.errors import RecipeError
from earmark.training.networks.scales import is_raw
from earmark.training.recipe.sections import (
    AugmentationSection,
    BundleSection,
    DataSection,
    EvaluationSection,
    FrontEndSection,
    GlobalSection,
    JointSection,
    LocalSection,
    OneCycleSchedule,
    PoolingSection,
    RawSection,
    Section,
    StagedSchedule,
    WindowSection,
)


class Recipe(Section):
    """An experiment.

    name: lower case letters, digits, dots and dashes; results go to runs/NAME. licence: the licence of the trained
    model. seed: the seed of the local step. model: the model that `train` writes.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    licence: str = "Apache-2.0"
    seed: int = 0
    model: Literal["three-steps", "joint"] = "three-steps"
    data: DataSection
    front_end: FrontEndSection = FrontEndSection()
    local: LocalSection = LocalSection()
    pooling: PoolingSection = PoolingSection()
    global_: GlobalSection = Field(GlobalSection(), alias="global")
    joint: JointSection = JointSection()
    evaluation: EvaluationSection = EvaluationSection()
    bundle: BundleSection = BundleSection()

    @property
    def needs_waveforms(self) -> bool:
        """Whether a local CNN takes raw sound."""
        return any(is_raw(scale) for scale in self.local.scales)

    @property
    def needs_frames(self) -> bool:
        """Whether a local CNN or a baseline takes log-mel frames."""
        return not all(is_raw(scale) for scale in self.local.scales) or "baselines" in self.evaluation.compare

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.global_.windows is not None and self.pooling.track != "mean":
            raise ValueError(f"global.windows takes means over windows, but pooling.track is {self.pooling.track!r}")
        windows = self.global_.windows
        if windows is not None and windows.gains_decibels and self.front_end.level_seconds:
            raise ValueError("global.windows.gains_decibels varies the loudness, which front_end.level_seconds removes")
        joint = self.model == "joint" or "joint" in self.evaluation.compare
        if joint and self.needs_waveforms:
            raise ValueError("joint training takes log-mel scales alone, but local.scales has raw ones too")
        if all(is_raw(scale) for scale in self.local.scales) and self.local.augmentation != AugmentationSection():
            raise ValueError(
                "local.augmentation varies log-mel segments, but local.scales has none; raw ones have gain_deviation"
            )
        if joint and self.pooling != PoolingSection():
            raise ValueError(
                "joint training takes the maximum over segments and the mean over clips, but pooling is "
                f"{self.pooling.segment!r} and {self.pooling.track!r}"
            )
        if "hidden" in self.evaluation.compare and not self.global_.hidden_units:
            raise ValueError('evaluation.compare asks for "hidden", but global.hidden_units has no layer')
        others = [scale for scale in self.evaluation.level_subset_scales if scale not in self.local.scales]
        if others:
            raise ValueError(f"evaluation.level_subset_scales names {others}, which are not in local.scales")
        pretraining = self.local.data
        if pretraining is not None and len(pretraining.splits) not in (1, len(self.data.splits)):
            raise ValueError(
                f"local.data.splits names {len(pretraining.splits)} splits; it has to name one, or as many as "
                f"data.splits ({len(self.data.splits)})"
            )
        return self


def read_recipe(path: Path) -> Recipe:
    """Read and check the recipe in a file; paths in it are relative to the working directory.

    Raises:
        RecipeError: the file cannot be read, is not TOML, or has an unknown key or an invalid value.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RecipeError(f"{path} cannot be read ({error.strerror}); expected a recipe, a TOML file.") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path} is not UTF-8 text ({error.reason}); expected a recipe, a TOML file.") from error
    return parse_recipe(text, str(path))


def parse_recipe(text: str, name: str = "the recipe") -> Recipe:
    """Read and check a recipe in TOML text; error messages call it `name`.

    Raises:
        RecipeError: the text is not TOML, or has an unknown key or an invalid value.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{name} is not TOML: {error}.") from error
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(_explain(problem) for problem in error.errors())
        raise RecipeError(f"{name} is not a recipe: {problems}.") from error


def _explain(problem: Any) -> str:
    """Return the text of one validation problem; for an unknown key it names the nearest known key."""
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] in ("union_tag_not_found", "union_tag_invalid"):
        return f"{where}.kind: found {problem['input'].get('kind')!r}; expected 'staged' or 'one-cycle'"
    if problem["type"] != "extra_forbidden":
        return f"{where or 'the recipe'}: {problem['msg']} (found {problem['input']!r})"
    known = _known_keys(problem["loc"][:-1])
    nearest = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1, cutoff=0.0)
    hint = f"the nearest known key is {nearest[0]!r}" if nearest else "no key is known there"
    return f"{where}: unknown key; {hint}"


def _known_keys(location: tuple[Any, ...]) -> list[str]:
    """Return the keys of the section at a location of the recipe."""
    section: type[Section] = Recipe
    kinds: dict[str, type[Section]] = {"staged": StagedSchedule, "one-cycle": OneCycleSchedule}
    names: dict[str, type[Section]] = {
        "data": DataSection,
        "front_end": FrontEndSection,
        "local": LocalSection,
        "augmentation": AugmentationSection,
        "raw": RawSection,
        "global": GlobalSection,
        "pooling": PoolingSection,
        "windows": WindowSection,
        "joint": JointSection,
        "evaluation": EvaluationSection,
        "bundle": BundleSection,
    }
    for part in location:
        section = kinds.get(part) or names.get(part) or section
    return [field.alias or key for key, field in section.model_fields.items()]
