"""The fourth step, which the letter leaves to the future: all networks together, from where the three steps ended."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from lightning.fabric import Fabric
from safetensors.numpy import load_file, save_file

from earmark.errors import TrainingError
from earmark.tagging.bundle.card import Extractor, Head
from earmark.tagging.bundle.tensors import extractor_hash
from earmark.training.material.batches import Share
from earmark.training.material.material import Material
from earmark.training.networks.export import Arrays, check_local, local_arrays
from earmark.training.recipe.recipe import Recipe
from earmark.training.steps.fit import History, fit, tag_loss
from earmark.training.steps.global_step import TrainedClassifier, finished_classifier
from earmark.training.steps.history import read_history, write_history
from earmark.training.steps.joint import ClipBatches, JointNetwork, joint_loss
from earmark.training.steps.local_step import TrainedLocal, read_local_network


@dataclasses.dataclass(frozen=True)
class TrainedJoint:
    """Local CNNs and classifier after joint training, as a bundle will hold them (not sealed yet)."""

    extractors: tuple[Extractor, ...]
    local_arrays: tuple[Arrays, ...]
    head: Head
    arrays: Arrays
    history: History


def train_joint(
    recipe: Recipe,
    material: Material,
    split: str,
    trained: Sequence[TrainedLocal],
    classifier: TrainedClassifier,
    seed: int,
    fabric: Fabric,
    folder: Path,
    say: Callable[[str], None],
) -> None:
    """Train the finished networks on together, on whole clips, and keep them in a folder.

    Segments and clip tell the tags at once; the weights are chosen by the clips of another side.

    Raises:
        TrainingError: the local CNNs were trained on other tags, so that their segments cannot tell those of the clip.
    """
    section = recipe.joint
    for local in trained:
        if local.extractor.output_tags != material.dataset.labels:
            raise TrainingError(
                f"The local CNN of scale {local.extractor.name} tells {', '.join(local.extractor.output_tags)}; "
                f"joint training needs those of {material.dataset.name}, in its order. Leave out [local.data]."
            )
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
        folder / "checkpoint.pt",
        lambda epoch: say(
            f"{split} joint  epoch {epoch.number:3d}  loss {epoch.training_loss:.4f} training (both tasks), "
            f"{epoch.validation_loss:.4f} validation (global)"
        ),
    )
    frames = next(iter(validation.epoch(0)))[0]
    arrays: Arrays = {}
    vectors = []
    with torch.inference_mode():
        for network_of_scale in network.networks():
            arrays |= local_arrays(network_of_scale)
            extractor = network_of_scale.extractor
            length = extractor.segment_length
            segments = frames[:, : frames.shape[1] // length * length].reshape(-1, length, frames.shape[2])
            check_local(network_of_scale, arrays, segments.numpy())
            levels = [level.amax(-1) for level in network_of_scale.activations(segments)]
            used = torch.cat([levels[level - 1] for level in extractor.levels], dim=1)
            vectors.append(used.reshape(len(frames), -1, used.shape[1]).mean(dim=1))
    some = np.ascontiguousarray(torch.cat(vectors, dim=1).numpy())
    arrays |= finished_classifier(network.classifier, history, some, some.mean(axis=0)).arrays
    if fabric.is_global_zero:
        save_file(arrays, folder / "weights.safetensors")
        write_history(history, folder)
        (folder / "checkpoint.pt").unlink(missing_ok=True)


def read_joint(extractors: Sequence[Extractor], hidden_units: tuple[int, ...], folder: Path) -> TrainedJoint:
    """What `train_joint` kept; `extractors` describe the local CNNs with the levels that are used."""
    arrays = load_file(folder / "weights.safetensors")
    parts = [_starting(f"extractor.{extractor.name}.", arrays) for extractor in extractors]
    hashed = (
        dataclasses.replace(extractor, hash=extractor_hash(extractor, part))
        for extractor, part in zip(extractors, parts, strict=True)
    )
    rest = {name: array for name, array in arrays.items() if not name.startswith("extractor.")}
    return TrainedJoint(tuple(hashed), tuple(parts), Head(hidden_units, ""), rest, read_history(folder))


def _starting(prefix: str, arrays: Arrays) -> Arrays:
    return {name: array for name, array in arrays.items() if name.startswith(prefix)}
