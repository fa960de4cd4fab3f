"""The sections of a recipe, each with its keys, types and defaults.

The defaults follow the papers where they speak. Choice: batches of 512 segments, which suit a processor, where the
authors had 23 and 50.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

from earmark.audio.logmel import LogMelSettings
from earmark.training.networks.scales import BlockKind, SampleLevelShape, is_raw


class Section(BaseModel):
    """A part of a recipe: frozen, typed, with unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class StagedSchedule(Section):
    """The authors' schedule: SGD with Nesterov momentum, and one stage for each learning rate until the loss stalls.

    learning_rates: one for each stage, which starts from the best weights so far. patience_epochs: how many epochs the
    validation loss may stall before the next stage. momentum: Nesterov momentum. decay_per_update: how the rate falls
    within a stage, to rate / (1 + decay * updates). stage_epochs_at_most: the most epochs of a stage.
    """

    kind: Literal["staged"] = "staged"
    learning_rates: tuple[float, ...] = Field((0.01, 0.002, 0.0004, 0.00008, 0.000016), min_length=1)
    patience_epochs: int = Field(3, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    decay_per_update: float = Field(1e-6, ge=0)
    stage_epochs_at_most: int = Field(100, gt=0)


class OneCycleSchedule(Section):
    """A modern schedule: AdamW, with a learning rate that rises and falls once over a fixed number of epochs.

    peak_learning_rate: the highest rate. epochs: how many in all. weight_decay: that of AdamW. warm_up_share: the share
    of the updates in which the rate rises.
    """

    kind: Literal["one-cycle"]
    peak_learning_rate: float = Field(3e-3, gt=0)
    epochs: int = Field(20, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    warm_up_share: float = Field(0.25, gt=0, lt=1)


Schedule = Annotated[StagedSchedule | OneCycleSchedule, Field(discriminator="kind")]


Side = Literal["train", "valid", "test"]


class DataSection(Section):
    """The tracks of a recipe with their targets and splits, and how they are cut into clips.

    dataset: its name. root: its folder or CSV. options: those of the dataset. splits: one split, or the folds of a
    cross-validation; `train` takes the first. clip_frames: the length of a clip (1250 frames are 29.1 s).
    clips_per_track: the most clips of a track, one after another from its start. unreadable_tracks_allowed: how many
    tracks may be left out because they cannot be decoded.
    """

    dataset: str
    root: Path
    options: dict[str, Any] = Field({})
    splits: tuple[str, ...] = Field(min_length=1)
    clip_frames: int = Field(1250, gt=0)
    clips_per_track: int = Field(1, gt=0)
    unreadable_tracks_allowed: int = Field(0, ge=0)


class FrontEndSection(Section):
    """The front end of the log-mel networks.

    level_seconds: bring all sound to one level, by its loudness in about so many seconds before, so that loudness
    changes no score; with 0 the loudness stays as it is.
    """

    level_seconds: float = Field(0.0, ge=0)

    @property
    def settings(self) -> LogMelSettings:
        """The settings of the front end."""
        return LogMelSettings(level_seconds=self.level_seconds)


class AugmentationSection(Section):
    """The variation of training segments beside their gain; all of it is off by default.

    equalisation_decibels: the deviation of each of three smooth curves over frequency. mixing_share: the share of
    segments that are mixed with another by up to a half, targets too. noise_share: the share that gets noise, 10 to 40
    dB below. band_limit_share: the share that loses everything above a random frequency from 3 kHz on, as codecs do.
    pitch_semitones: the largest change of pitch, up or down. tempo_deviation: the largest change of tempo, faster or
    slower (0.1 is a tenth).
    """

    equalisation_decibels: float = Field(0.0, ge=0)
    mixing_share: float = Field(0.0, ge=0, le=1)
    noise_share: float = Field(0.0, ge=0, le=1)
    band_limit_share: float = Field(0.0, ge=0, le=1)
    pitch_semitones: float = Field(0.0, ge=0, le=12)
    tempo_deviation: float = Field(0.0, ge=0, le=1)

    @property
    def changes_magnitudes(self) -> bool:
        """Whether anything here changes magnitudes."""
        return bool(self.equalisation_decibels or self.mixing_share or self.noise_share or self.band_limit_share)


class RawSection(Section):
    """The sample-level networks of a recipe, with the fields of `SampleLevelShape`.

    top_channels: the channels of the last layers. channel_multiplier: a factor on all channels. block: the kind of all
    pooled blocks. top_levels: how many of the top hidden layers enter the vector. batch_segments: the segments of a
    step, where they differ from those of other networks.
    """

    top_channels: int = Field(256, gt=0)
    channel_multiplier: float = Field(1.0, gt=0)
    block: BlockKind = "basic"
    top_levels: int = Field(3, gt=0)
    batch_segments: int | None = Field(None, gt=1)
    schedule: Schedule | None = None

    @property
    def shape(self) -> SampleLevelShape:
        """The shape from which the networks are built."""
        return SampleLevelShape(self.top_channels, self.channel_multiplier, self.block, self.top_levels)


class LocalSection(Section):
    """The local CNNs, one for each scale, all trained alike.

    A scale is a segment's length: below 2048 in frames of log-mel, from there on in samples of raw sound, with the
    networks that `raw` describes. Both may be in one recipe (a mixed extractor). Augmentation applies to log-mel
    segments; raw segments only vary in gain.

    data: another dataset to train them on, while only the classifier is trained on the recipe's own (transfer, Table I
    of the letter); it has one split, or as many as the recipe, taken in pairs. scales: segment lengths. batch_segments:
    the segments of a step. dropout: the share of units left out in the dense layer. gain_deviation: random loudness;
    the log of a segment's gain is normal with this deviation. balance_tags: count every tag alike, however rare it is,
    by a loss on log odds that are standardised for each tag (for soft targets). distillation: files (.npz) of the last
    hidden layer of another network in every window, which the CNNs learn beside the tags.
    """

    data: DataSection | None = None
    scales: tuple[int, ...] = Field((18, 27, 54), min_length=1)
    batch_segments: int = Field(512, gt=1)
    dropout: float = Field(0.5, ge=0, lt=1)
    gain_deviation: float = Field(0.0, ge=0)
    balance_tags: bool = False
    distillation: tuple[Path, ...] = Field((), validation_alias=AliasChoices("distillation", "hints"))
    augmentation: AugmentationSection = AugmentationSection()
    raw: RawSection = RawSection()
    schedule: Schedule = StagedSchedule()

    @property
    def is_plain(self) -> bool:
        """Whether nothing of `training.extras` is asked for."""
        varied = bool(self.gain_deviation) or self.augmentation != AugmentationSection()
        return not (self.balance_tags or self.distillation or varied)

    def for_scale(self, scale: int) -> "LocalSection":
        """Return the section for one scale: a raw one has its own batches and schedule, where these are given."""
        if not is_raw(scale):
            return self
        own = {
            "batch_segments": self.raw.batch_segments or self.batch_segments,
            "schedule": self.raw.schedule or self.schedule,
            "augmentation": AugmentationSection(),
        }
        return self.model_copy(update=own)


class PoolingSection(Section):
    """The statistics that turn activations into a vector, over a segment and then over the segments of a clip.

    segment: the statistic of every level over a segment; "mean" is taken before the pool. track: the statistic of every
    column over the segments.
    """

    segment: Literal["max", "mean"] = "max"
    track: Literal["mean", "max", "mean+deviation"] = "mean"


class WindowSection(Section):
    """Windows of random length for the global classifier, so that it learns short stretches too.

    shortest_seconds: the least length. longest_seconds: the greatest length. windows_per_clip: how many windows of
    every clip an epoch takes. gains_decibels: other loudnesses that a window may have, each as likely as its own;
    levels follow loudness, even where the CNNs' own scores have learned not to.
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

    levels: the levels of every scale that enter, counted from 1, or all. hidden_units: the width of each hidden layer.
    dropout: the share of units left out. standardise: one mean and deviation for the whole vector ("scalar", as the
    authors do), or one for each column. batch_clips: the clips of a step. balance_tags, distillation: as in `local`.
    """

    levels: tuple[int, ...] | Literal["all"] = "all"
    hidden_units: tuple[int, ...] = (512, 512)
    dropout: float = Field(0.5, ge=0, lt=1)
    standardise: Literal["scalar", "column"] = "scalar"
    batch_clips: int = Field(16, gt=1)
    balance_tags: bool = False
    distillation: tuple[Path, ...] = Field((), validation_alias=AliasChoices("distillation", "hints"))
    windows: WindowSection | None = None
    schedule: Schedule = StagedSchedule(learning_rates=(0.005, 0.001, 0.0002, 0.00004, 0.000008), patience_epochs=8)

    @property
    def is_plain(self) -> bool:
        """Whether nothing of `training.extras` is asked for."""
        return not (self.balance_tags or self.distillation or self.windows)


def _with_default_schedule(section: type[Section], values: Any) -> Any:
    """Complete a schedule that names some keys only from the section's own default."""
    default: Section = section.model_fields["schedule"].default
    given = values.get("schedule") if isinstance(values, dict) else None
    if not isinstance(given, dict) or given.get("kind") != default.model_dump()["kind"]:
        return values
    return {**values, "schedule": {**default.model_dump(), **given}}


class JointSection(Section):
    """Joint training of local CNNs and classifier, from the finished three steps (the letter's future work).

    local_weight: the weight of the segments' loss beside that of the clip. batch_clips: the clips of a step.
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
    "hidden",
]


class EvaluationSection(Section):
    """The methods to compare, and the seeds of the global step.

    compare: the methods. "vectors" fits a plain machine (as in the baselines) to the vectors of all scales, of each
    scale, and of each level; "hidden" fits it to the first hidden layer of a classifier that was trained where the
    local CNNs were. level_subset_scales: the scales of which "level-subsets" takes every combination of levels; none
    means all. peers: vectors of other systems to compare with, a name and an .npz file with a vector for each track.
    truths: groups of tags that listeners said, and the group of the teacher to compare with on them. seeds: those of
    the global and the joint step; results are means over them.
    """

    compare: tuple[Comparison, ...] = ("local", "single-levels", "multi-level", "multi-scale")
    level_subset_scales: tuple[int, ...] = ()
    peers: dict[str, Path] = Field({})
    truths: dict[str, str] = Field({})
    seeds: tuple[int, ...] = Field((0,), min_length=1)


class BundleSection(Section):
    """The model that a recipe makes.

    name: its name; without it that of the recipe. split: the split to train it on, where that is none of those
    reported. groups: the groups of tags that it keeps (none named: all); the others only helped to learn. calibrate:
    fit probabilities and thresholds on the validation sides of the recipe's splits. half_precision: round weights to
    float16, which halves the size.
    """

    name: str | None = Field(None, pattern=r"^[a-z0-9][a-z0-9.-]*$")
    split: str | None = None
    groups: tuple[str, ...] = ()
    calibrate: bool = False
    half_precision: bool = False
