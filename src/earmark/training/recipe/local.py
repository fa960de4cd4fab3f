"""The local CNNs of a recipe, those on log-mel frames and those on raw sound."""

from pathlib import Path

from pydantic import Field

from earmark.training.networks.sample_level import BlockKind, SampleLevelShape, is_raw
from earmark.training.recipe.augmentation import AugmentationSection
from earmark.training.recipe.data import DataSection
from earmark.training.recipe.schedule import Schedule, StagedSchedule
from earmark.training.recipe.section import Section


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
