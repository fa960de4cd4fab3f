"""Put together trainings that use augmentation, distillation, the balanced loss, or windows of random length."""

import dataclasses
from collections.abc import Sequence

import torch

from earmark.tagging.bundle.card import Extractor
from earmark.training.data.batches import SegmentBatches, Share
from earmark.training.data.clips import TrainingData
from earmark.training.extras.augmentation import Augmentation, AugmentedBatches, WindowBatches
from earmark.training.extras.distillation import BalancedLoss, with_distillation
from earmark.training.networks.networks import GlobalClassifier, LocalCNN
from earmark.training.recipe.sections import GlobalSection, LocalSection
from earmark.training.steps.features import ScaleFeatures
from earmark.training.steps.fit import FitParts
from earmark.training.steps.global_step import classifier_parts
from earmark.training.steps.local_step import local_parts, segment_batches


def extended_local_parts(
    extractor: Extractor, data: TrainingData, split: str, section: LocalSection, seed: int, share: Share
) -> FitParts[LocalCNN]:
    """Put together the training of a local CNN with the extras that its section asks for.

    The arguments are those of `steps.local_step.local_parts`.
    """
    data = with_distillation(data, section.distillation, split)
    parts = local_parts(extractor, data, split, section, seed, share)
    if isinstance(parts.training, SegmentBatches) and extractor.log_mel is not None:
        augmentation = Augmentation(section.augmentation, section.gain_deviation, extractor.log_mel)
        parts = dataclasses.replace(parts, training=AugmentedBatches(parts.training, augmentation))
    else:
        varied = segment_batches(extractor, data, split, "train", section, seed, share, section.gain_deviation)
        parts = dataclasses.replace(parts, training=varied)
    if section.balance_tags:
        balanced = BalancedLoss(torch.from_numpy(data.clips.targets[data.clips_of(split, "train")]))
        balanced.start(parts.network.output)
        parts = dataclasses.replace(parts, loss=balanced)
    return parts


def extended_classifier_parts(
    data: TrainingData,
    split: str,
    features: Sequence[Sequence[ScaleFeatures]],
    levels: tuple[int, ...],
    section: GlobalSection,
    seed: int,
    share: Share,
) -> FitParts[GlobalClassifier]:
    """Put together the training of the global classifier with the extras that its section asks for.

    `features` are the features of all scales, first at the loudness of the clips, then at each other loudness; the
    other arguments are those of `steps.global_step.classifier_parts`.
    """
    data = with_distillation(data, section.distillation, split)
    parts = classifier_parts(data, split, features[0], levels, section, seed, share)
    train = data.clips_of(split, "train")
    if section.windows is not None:
        windows = WindowBatches(features, levels, train, data.clips, section.windows, section.batch_clips, seed, share)
        parts = dataclasses.replace(parts, training=windows)
    if section.balance_tags:
        balanced = BalancedLoss(torch.from_numpy(data.clips.targets[train]))
        balanced.start(parts.network.output)
        parts = dataclasses.replace(parts, loss=balanced)
    return parts
