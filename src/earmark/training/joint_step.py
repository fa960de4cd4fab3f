"""The fourth step, which the letter leaves to the future: all networks together, from where the three steps ended."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import torch
from lightning.fabric import Fabric

from earmark.tagging.card import Extractor
from earmark.tagging.tensors import extractor_hash
from earmark.training.batches import Share
from earmark.training.export import Arrays, check_local, local_arrays
from earmark.training.fit import fit, tag_loss
from earmark.training.global_step import TrainedClassifier, finished_classifier
from earmark.training.joint import ClipBatches, JointNetwork, joint_loss
from earmark.training.local_step import TrainedLocal, read_local_network
from earmark.training.material import Material
from earmark.training.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class TrainedJoint:
    """Local CNNs and classifier after joint training, as a bundle will hold them (not sealed yet)."""

    extractors: tuple[Extractor, ...]
    local_arrays: tuple[Arrays, ...]
    classifier: TrainedClassifier


def train_joint(
    recipe: Recipe,
    material: Material,
    split: str,
    trained: Sequence[TrainedLocal],
    classifier: TrainedClassifier,
    seed: int,
    fabric: Fabric,
    say: Callable[[str], None],
) -> TrainedJoint:
    """Train the finished networks on together, on whole clips, segments and clip telling the tags at once."""
    section = recipe.joint
    network = JointNetwork([read_local_network(local, recipe.local.dropout) for local in trained], classifier.network)
    training, validation = (
        ClipBatches(
            material.frames,
            material.clips,
            material.clips_of(split, side),
            recipe.data.clip_frames,
            section.batch_clips,
            shuffle=side == "train",
            seed=seed,
            share=Share(fabric.global_rank, fabric.world_size),
        )
        for side in ("train", "valid")
    )
    loss = joint_loss(tag_loss(material.dataset.task), section.local_weight)
    history = fit(
        network,
        training,
        validation,
        section.schedule,
        loss,
        seed,
        fabric,
        report=lambda epoch: say(
            f"{split} joint  epoch {epoch.number:3d}  loss {epoch.training_loss:.4f} training (both tasks), "
            f"{epoch.validation_loss:.4f} validation (global)"
        ),
    )
    frames = next(iter(validation.epoch(0)))[0]
    extractors, all_arrays, vectors = [], [], []
    with torch.inference_mode():
        for local in network.networks():
            arrays = local_arrays(local)
            extractor = local.extractor
            length = extractor.segment_length
            segments = frames[:, : frames.shape[1] // length * length].reshape(-1, length, frames.shape[2])
            check_local(local, arrays, segments.numpy())
            levels = [level.amax(-1) for level in local.activations(segments)]
            used = torch.cat([levels[level - 1] for level in extractor.levels], dim=1)
            vectors.append(used.reshape(len(frames), -1, used.shape[1]).mean(dim=1))
            extractors.append(dataclasses.replace(extractor, hash=extractor_hash(extractor, arrays)))
            all_arrays.append(arrays)
    some = np.ascontiguousarray(torch.cat(vectors, dim=1).numpy())
    finished = finished_classifier(network.classifier, history, some, some.mean(axis=0))
    return TrainedJoint(tuple(extractors), tuple(all_arrays), finished)
