"""A recipe: the whole of an experiment, as one TOML file.

Every key has a type, and a default that follows the papers where they speak. Choice: batches of 512 segments, which
suit a processor, where the authors had 23 and 50; the one-cycle schedule, windows and joint training are ours. An
unknown key is refused with the nearest known one named. A recipe knows nothing of folds' results or of files on disk:
it can be hashed, stored in a bundle and read again to the same value.
"""

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from earmark.errors import RecipeError
from earmark.training.sample_level import BlockKind, SampleLevelShape, is_raw

Side = Literal["train", "valid", "test"]


class Section(BaseModel):
    """A part of a recipe: frozen, typed, with unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _with_default_schedule(section: type[Section], values: Any) -> Any:
    """A section's values, where its schedule names some keys only, with the others from the section's own default."""
    default: Section = section.model_fields["schedule"].default
    given = values.get("schedule") if isinstance(values, dict) else None
    if not isinstance(given, dict) or given.get("kind") != default.model_dump()["kind"]:
        return values
    return {**values, "schedule": {**default.model_dump(), **given}}


class DataSection(Section):
    """Which tracks, with which targets, split how, and cut into which clips.

    dataset: its name. root: its folder or CSV. options: of the dataset. splits: one, or the folds of a
    cross-validation; `train` takes the first. clip_frames: length of a clip (1250: 29.1 s). clips_per_track: at most,
    one after another from the start. unreadable_tracks_allowed: how many may be left out as they cannot be decoded.
    """

    dataset: str
    root: Path
    options: dict[str, Any] = {}
    splits: tuple[str, ...] = Field(min_length=1)
    clip_frames: int = Field(1250, gt=0)
    clips_per_track: int = Field(1, gt=0)
    unreadable_tracks_allowed: int = Field(0, ge=0)


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


class AugmentationSection(Section):
    """How training segments are varied beside their gain; all off by default.

    equalisation_decibels: the deviation of each of three smooth curves over frequency. mixing_share: the share of
    segments that are mixed with another, targets too, by up to a half. noise_share: the share that gets noise, 10 to
    40 dB below. band_limit_share: the share that loses all above a random frequency from 3 kHz on, as codecs do.
    pitch_semitones: up to so much higher or lower. tempo_deviation: up to this share faster or slower (0.1: a tenth).
    """

    equalisation_decibels: float = Field(0.0, ge=0)
    mixing_share: float = Field(0.0, ge=0, le=1)
    noise_share: float = Field(0.0, ge=0, le=1)
    band_limit_share: float = Field(0.0, ge=0, le=1)
    pitch_semitones: float = Field(0.0, ge=0, le=12)
    tempo_deviation: float = Field(0.0, ge=0, le=1)

    @property
    def changes_magnitudes(self) -> bool:
        """Whether anything here is a matter of magnitudes."""
        return bool(self.equalisation_decibels or self.mixing_share or self.noise_share or self.band_limit_share)


class RawSection(Section):
    """The sample-level networks of a recipe: the fields of `SampleLevelShape`.

    top_channels: of the last layers. channel_multiplier: all channels times this. block: the kind of all pooled blocks.
    top_levels: how many of the top hidden layers enter the vector. batch_segments: where it differs from the others'.
    """

    top_channels: int = Field(256, gt=0)
    channel_multiplier: float = Field(1.0, gt=0)
    block: BlockKind = "basic"
    top_levels: int = Field(3, gt=0)
    batch_segments: int | None = Field(None, gt=1)
    schedule: Schedule | None = None

    @property
    def shape(self) -> SampleLevelShape:
        """What builds the networks."""
        return SampleLevelShape(self.top_channels, self.channel_multiplier, self.block, self.top_levels)


class LocalSection(Section):
    """The local CNNs: one a scale, all trained alike.

    A scale is a segment's length: below 2048 in frames of log-mel, from there on in samples of raw sound, with the
    networks that `raw` describes. Both may stand in one recipe (a mixed extractor). Augmentation is for log-mel;
    raw segments have the gain alone.

    data: train them on this dataset and only the classifier on the recipe's own (transfer, Table I of the letter), on
    its one split, or on as many as the recipe has, taken in pairs. scales: segment lengths. batch_segments: how many
    segments a step. dropout: the share of units left out in the dense layer. gain_deviation: random loudness, the log
    of a segment's gain being normal with this deviation. balance_tags: every tag counts alike (for soft targets),
    however rarely its teacher is sure of it, as losses are taken on log odds that are standardised a tag. hints: files
    (.npz) of what another network heard in every window, which the CNNs learn to tell beside the tags.
    """

    data: DataSection | None = None
    scales: tuple[int, ...] = Field((18, 27, 54), min_length=1)
    batch_segments: int = Field(512, gt=1)
    dropout: float = Field(0.5, ge=0, lt=1)
    gain_deviation: float = Field(0.0, ge=0)
    balance_tags: bool = False
    hints: tuple[Path, ...] = ()
    augmentation: AugmentationSection = AugmentationSection()
    raw: RawSection = RawSection()
    schedule: Schedule = StagedSchedule()

    def for_scale(self, scale: int) -> "LocalSection":
        """How one scale is trained: a raw one with its own batches and schedule, where it has them."""
        if not is_raw(scale):
            return self
        own = {
            "batch_segments": self.raw.batch_segments or self.batch_segments,
            "schedule": self.raw.schedule or self.schedule,
            "augmentation": AugmentationSection(),
        }
        return self.model_copy(update=own)


class PoolingSection(Section):
    """How activations become a vector: over the time of a segment, then over the segments of a clip.

    segment: of every level over a segment; "mean" is taken before the pool. track: of every column over the segments.
    """

    segment: Literal["max", "mean"] = "max"
    track: Literal["mean", "max", "mean+deviation"] = "mean"


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
    column. batch_clips: how many clips a step. balance_tags: as in `local`.
    """

    levels: tuple[int, ...] | Literal["all"] = "all"
    hidden_units: tuple[int, ...] = (512, 512)
    dropout: float = Field(0.5, ge=0, lt=1)
    standardise: Literal["scalar", "column"] = "scalar"
    batch_clips: int = Field(16, gt=1)
    balance_tags: bool = False
    windows: WindowSection | None = None
    schedule: Schedule = StagedSchedule(learning_rates=(0.005, 0.001, 0.0002, 0.00004, 0.000008), patience_epochs=8)


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
]


class EvaluationSection(Section):
    """What is compared, and with how many seeds of the global step.

    compare: the methods. "vectors" asks what a plain machine (as in the baselines) makes of the vectors of all scales,
    of each, and of each level. level_subset_scales: of which scales "level-subsets" takes every combination of levels;
    none means all. peers: vectors of other systems to ask the same of, a name and an .npz file with a vector a track.
    truths: groups of tags that listeners said, and the group of the teacher to compare with on them. seeds: of the
    global and the joint step; results are means over them.
    """

    compare: tuple[Comparison, ...] = ("local", "single-levels", "multi-level", "multi-scale")
    level_subset_scales: tuple[int, ...] = ()
    peers: dict[str, Path] = {}
    truths: dict[str, str] = {}
    seeds: tuple[int, ...] = Field((0,), min_length=1)


class BundleSection(Section):
    """What of a trained model becomes a bundle.

    name: of the model; without it the recipe's. split: to train it on, where that is none of those reported. groups: of
    tags that it keeps (none named: all); the others only helped to learn. calibrate: fit probabilities and thresholds
    on the validation sides of the recipe's splits. half_precision: round weights to float16, half the size.
    """

    name: str | None = Field(None, pattern=r"^[a-z0-9][a-z0-9.-]*$")
    split: str | None = None
    groups: tuple[str, ...] = ()
    calibrate: bool = False
    half_precision: bool = False


class Recipe(Section):
    """The whole of an experiment.

    name: lower case letters, digits, dots and dashes; results go to runs/NAME. licence: of the trained model. seed: of
    the local step. model: what `train` writes.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    licence: str = "Apache-2.0"
    seed: int = 0
    model: Literal["three-steps", "joint"] = "three-steps"
    data: DataSection
    local: LocalSection = LocalSection()
    pooling: PoolingSection = PoolingSection()
    global_: GlobalSection = Field(GlobalSection(), alias="global")
    joint: JointSection = JointSection()
    evaluation: EvaluationSection = EvaluationSection()
    bundle: BundleSection = BundleSection()

    @property
    def needs_waveforms(self) -> bool:
        """Whether a local CNN hears raw sound."""
        return any(is_raw(scale) for scale in self.local.scales)

    @property
    def needs_frames(self) -> bool:
        """Whether anything looks at log-mel frames."""
        return not all(is_raw(scale) for scale in self.local.scales) or "baselines" in self.evaluation.compare

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.global_.windows is not None and self.pooling.track != "mean":
            raise ValueError(f"global.windows takes means over windows, but pooling.track is {self.pooling.track!r}")
        joint = self.model == "joint" or "joint" in self.evaluation.compare
        if joint and self.needs_waveforms:
            raise ValueError("joint training is of log-mel scales; local.scales has raw ones too")
        if all(is_raw(scale) for scale in self.local.scales) and self.local.augmentation != AugmentationSection():
            raise ValueError(
                "local.augmentation is of log-mel segments, but local.scales has none; raw ones have gain_deviation"
            )
        if joint and self.pooling != PoolingSection():
            raise ValueError(
                "joint training takes the maximum over segments and the mean over clips, but pooling is "
                f"{self.pooling.segment!r} and {self.pooling.track!r}"
            )
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
    """Read and check a recipe; paths in it are taken from the folder in which the command runs.

    Raises:
        RecipeError: the file is absent, is no TOML, or holds a key or value that a recipe does not have.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RecipeError(f"{path} cannot be read ({error.strerror}); expected a recipe, a TOML file.") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path} is not UTF-8 text ({error.reason}); expected a recipe, a TOML file.") from error
    return parse_recipe(text, str(path))


def parse_recipe(text: str, name: str = "the recipe") -> Recipe:
    """Read and check a recipe from TOML text; `name` stands in error messages.

    Raises:
        RecipeError: the text is no TOML, or holds a key or value that a recipe does not have.
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
    """One sentence for one problem, with the nearest known key where a key is unknown."""
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
    """The keys that the section at a location of the recipe has."""
    section: type[Section] = Recipe
    kinds: dict[str, type[Section]] = {"staged": StagedSchedule, "one-cycle": OneCycleSchedule}
    names: dict[str, type[Section]] = {
        "data": DataSection,
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
