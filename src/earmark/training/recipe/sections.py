"""Define the sections of a recipe, each with its keys, types and defaults.

The defaults follow the papers wherever these give a value. Choice: batches have 512 segments, which suits a CPU; the
authors' had 23 and 50.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

from earmark.audio.logmel import LogMelSettings
from earmark.training.networks.scales import BlockKind, SampleLevelShape, is_raw


class Section(BaseModel):
    """A section of a recipe: frozen, typed, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class StagedSchedule(Section):
    """The authors' schedule: SGD with Nesterov momentum, and a stage for each learning rate until the loss stalls.

    learning_rates: the rate of each stage, which starts from the best weights so far. patience_epochs: the number of
    epochs without improvement of the validation loss that end a stage. momentum: the Nesterov momentum.
    decay_per_update: the decay d of the rate within a stage, to rate / (1 + d * updates). stage_epochs_at_most: the
    largest number of epochs of a stage.
    """

    kind: Literal["staged"] = "staged"
    learning_rates: tuple[float, ...] = Field((0.01, 0.002, 0.0004, 0.00008, 0.000016), min_length=1)
    patience_epochs: int = Field(3, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    decay_per_update: float = Field(1e-6, ge=0)
    stage_epochs_at_most: int = Field(100, gt=0)


class OneCycleSchedule(Section):
    """The one-cycle schedule: AdamW with a learning rate that rises and falls once in a fixed number of epochs.

    peak_learning_rate: the highest rate. epochs: the number of epochs. weight_decay: the weight decay of AdamW.
    warm_up_share: the share of the updates in which the rate rises.
    """

    kind: Literal["one-cycle"]
    peak_learning_rate: float = Field(3e-3, gt=0)
    epochs: int = Field(20, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    warm_up_share: float = Field(0.25, gt=0, lt=1)


Schedule = Annotated[StagedSchedule | OneCycleSchedule, Field(discriminator="kind")]


Side = Literal["train", "valid", "test"]


class DataSection(Section):
    """The dataset of a recipe, its splits, and the length of clips.

    dataset: the name of the dataset. root: its folder or CSV file. options: the options of its loader. splits: one
    split, or the folds of a cross-validation; `train` takes the first. clip_frames: the length of a clip (1250 frames
    are 29.1 s). clips_per_track: the largest number of clips of a track, one after another from its start.
    unreadable_tracks_allowed: the number of tracks that may be left out because they cannot be decoded.
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

    level_seconds: bring all sound to one level by its loudness over about this many seconds before each moment, so that
    loudness does not change scores; 0 keeps the loudness.
    """

    level_seconds: float = Field(0.0, ge=0)

    @property
    def settings(self) -> LogMelSettings:
        """The settings of the front end."""
        return LogMelSettings(level_seconds=self.level_seconds)


class AugmentationSection(Section):
    """Random changes of training segments beside their gain; none is on by default.

    equalisation_decibels: the deviation of each of three smooth curves over frequency. mixing_share: the share of
    segments that are mixed, with their targets, with up to a half of another segment. noise_share: the share of
    segments with added noise, 10 to 40 dB below the segment. band_limit_share: the share of segments without anything
    above a random frequency of 3 kHz or more, as codecs leave them. pitch_semitones: the largest change of pitch, up or
    down. tempo_deviation: the largest change of tempo, faster or slower (0.1 is a tenth).
    """

    equalisation_decibels: float = Field(0.0, ge=0)
    mixing_share: float = Field(0.0, ge=0, le=1)
    noise_share: float = Field(0.0, ge=0, le=1)
    band_limit_share: float = Field(0.0, ge=0, le=1)
    pitch_semitones: float = Field(0.0, ge=0, le=12)
    tempo_deviation: float = Field(0.0, ge=0, le=1)

    @property
    def changes_magnitudes(self) -> bool:
        """Whether a change of magnitudes is on."""
        return bool(self.equalisation_decibels or self.mixing_share or self.noise_share or self.band_limit_share)


class RawSection(Section):
    """The sample-level networks of a recipe, with the fields of `SampleLevelShape`.

    top_channels: the channels of the last layers. channel_multiplier: a factor on all channels. block: the kind of all
    pooled blocks. top_levels: the number of top hidden layers that enter the vector. batch_segments: the segments in a
    batch, where they differ from those of log-mel networks. schedule: the schedule, where it differs from that of
    log-mel networks.
    """

    top_channels: int = Field(256, gt=0)
    channel_multiplier: float = Field(1.0, gt=0)
    block: BlockKind = "basic"
    top_levels: int = Field(3, gt=0)
    batch_segments: int | None = Field(None, gt=1)
    schedule: Schedule | None = None

    @property
    def shape(self) -> SampleLevelShape:
        """The shape of the networks."""
        return SampleLevelShape(self.top_channels, self.channel_multiplier, self.block, self.top_levels)


class LocalSection(Section):
    """The local CNNs, one for each scale.

    A scale is the length of a segment: below 2048 in log-mel frames, from 2048 on in samples of raw sound, with the
    networks that `raw` describes. A recipe may have both kinds (a mixed extractor). Augmentation changes log-mel
    segments; raw segments only vary in gain.

    data: another dataset to train the CNNs on, while the classifier is trained on the recipe's own (transfer, Table I
    of the letter); it has one split, or as many as the recipe, taken in pairs. scales: segment lengths. batch_segments:
    the segments in a batch. dropout: the share of units left out in the dense layer. gain_deviation: the standard
    deviation of the logarithm of a segment's random gain. balance_tags: weigh all tags alike, however rare, by a loss
    of log odds that are standardised for each tag (for soft targets). distillation: files (.npz) with the last hidden
    layer of another network in every window, which the CNNs learn beside the tags.
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
        """Whether the section asks for none of `training.extras`."""
        varied = bool(self.gain_deviation) or self.augmentation != AugmentationSection()
        return not (self.balance_tags or self.distillation or varied)

    def for_scale(self, scale: int) -> "LocalSection":
        """Return the section for one scale; raw scales have the batches and schedule of `raw` where these are set."""
        if not is_raw(scale):
            return self
        own = {
            "batch_segments": self.raw.batch_segments or self.batch_segments,
            "schedule": self.raw.schedule or self.schedule,
            "augmentation": AugmentationSection(),
        }
        return self.model_copy(update=own)


class PoolingSection(Section):
    """The statistics that aggregate levels to a vector: over each segment, then over the segments of a clip.

    segment: the statistic of every level over a segment; "mean" is computed before the pool. track: the statistic of
    every column over the segments.
    """

    segment: Literal["max", "mean"] = "max"
    track: Literal["mean", "max", "mean+deviation"] = "mean"


class WindowSection(Section):
    """Windows of random length for the global classifier, so that it also learns short stretches of sound.

    shortest_seconds: the smallest length. longest_seconds: the largest length. windows_per_clip: the number of windows
    of every clip in an epoch. gains_decibels: gains that a window may have beside 0, each with the same probability;
    levels depend on loudness even where the CNNs' scores do not.
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
    """The global classifier: hidden layers on the concatenated vector of a clip.

    levels: the levels of every scale that enter the vector, counted from 1, or "all". hidden_units: the width of each
    hidden layer. dropout: the share of units left out. standardise: one mean and deviation for the whole vector
    ("scalar", authors' code), or one for each column. batch_clips: the clips in a batch. balance_tags, distillation: as
    in `local`.
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
        """Whether the section asks for none of `training.extras`."""
        return not (self.balance_tags or self.distillation or self.windows)


def _with_default_schedule(section: type[Section], values: Any) -> Any:
    """Complete a schedule that names only some keys with the other keys of the section's default."""
    default: Section = section.model_fields["schedule"].default
    given = values.get("schedule") if isinstance(values, dict) else None
    if not isinstance(given, dict) or given.get("kind") != default.model_dump()["kind"]:
        return values
    return {**values, "schedule": {**default.model_dump(), **given}}


class JointSection(Section):
    """Joint training of local CNNs and classifier, which continues after the three steps (the letter's future work).

    local_weight: the weight of the segments' loss beside the loss of the clip. batch_clips: the clips in a batch.
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

    compare: the methods. "vectors" fits a plain classifier (as in the baselines) to the vectors of all scales, of each
    scale, and of each level; "hidden" fits it to the first hidden layer of a classifier that was trained on the dataset
    of the local CNNs. level_subset_scales: the scales whose combinations of levels "level-subsets" compares; none named
    means all. peers: vectors of other systems to compare with, as a name and an .npz file with a vector for each track.
    truths: groups of tags with answers of listeners, each with the group of the teacher to compare on them. seeds: the
    seeds of the global and the joint step; results are means over them.
    """

    compare: tuple[Comparison, ...] = ("local", "single-levels", "multi-level", "multi-scale")
    level_subset_scales: tuple[int, ...] = ()
    peers: dict[str, Path] = Field({})
    truths: dict[str, str] = Field({})
    seeds: tuple[int, ...] = Field((0,), min_length=1)


class BundleSection(Section):
    """The bundle that a recipe makes.

    name: the name of the bundle; without it the name of the recipe. split: the split to train it on, where that is not
    one of `data.splits`. groups: the groups of tags that it keeps; none named means all. least_positives: of these, the
    tags that at least so many tracks have on the validation sides of `data.splits`; a tag that hardly any track has
    could be ranked, but not promised. calibrate: fit probabilities and thresholds on the validation sides of the
    recipe's splits. familiarity: also fit, on the validation side, how far a sound may be from the music of the
    training side for promises to be made. half_precision: round weights to float16, which halves the size.
    """

    name: str | None = Field(None, pattern=r"^[a-z0-9][a-z0-9.-]*$")
    split: str | None = None
    groups: tuple[str, ...] = ()
    least_positives: int = Field(0, ge=0)
    calibrate: bool = False
    familiarity: bool = False
    half_precision: bool = False
