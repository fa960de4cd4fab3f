"""Train local CNNs and the global classifier together as one network, which the letter names as future work.

Joint training starts from the results of the three steps and has two tasks: the local outputs predict the tags of the
clip from every segment, and the classifier predicts them from the aggregated levels.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from lightning.fabric import Fabric
from safetensors.numpy import load_file, save_file
from torch import Tensor, nn

from earmark.errors import TrainingError
from earmark.tagging.bundle.card import Extractor, Head
from earmark.tagging.bundle.tensors import extractor_hash
from earmark.training.data.batches import Share, shuffled_batches, updates_an_epoch
from earmark.training.data.clips import Clips, TrainingData
from earmark.training.networks.export import Arrays, check_local, local_arrays
from earmark.training.networks.networks import GlobalClassifier, LocalCNN
from earmark.training.recipe.recipe import Recipe
from earmark.training.steps.fit import History, Loss, fit, read_history, tag_loss, write_history
from earmark.training.steps.global_step import TrainedClassifier, finished_classifier
from earmark.training.steps.local_step import TrainedLocal, read_local_network


class JointNetwork(nn.Module):
    """The local CNNs of a recipe and the classifier on their levels, differentiable from tags to frames.

    The aggregation is that of the letter: the maximum over a segment, and the mean over the segments of a clip.

    Raises:
        TrainingError: a local CNN has another aggregation.
    """

    def __init__(self, local_networks: Sequence[LocalCNN], classifier: GlobalClassifier) -> None:
        super().__init__()
        for network in local_networks:
            found = (network.extractor.segment_statistic, network.extractor.track_statistic)
            if found != ("max", "mean"):
                raise TrainingError(
                    f"Joint training takes the maximum over segments and the mean over clips; found {found}. "
                    "Leave out [pooling] or [joint] in the recipe."
                )
        self.local_networks = nn.ModuleList(local_networks)
        self.classifier = classifier

    def networks(self) -> list[LocalCNN]:
        """Return the local CNNs, in the order of the vector."""
        return [network for network in self.local_networks if isinstance(network, LocalCNN)]

    def forward(self, frames: Tensor) -> Tensor:
        """Compute logits of clips (clips, frames, mel_bands).

        The result is (clips, 1 + segments, tags) in training, with the global logits first, then those of all segments
        of all scales. In evaluation it is (clips, 1, tags), the global logits.
        """
        vectors, local_logits = [], []
        for network in self.networks():
            length = network.extractor.segment_length
            count = frames.shape[1] // length
            segments = frames[:, : count * length].reshape(-1, length, frames.shape[2])
            levels = network.activations(segments)
            used = [levels[level - 1].amax(-1) for level in network.extractor.levels]
            vectors.append(torch.cat(used, dim=1).reshape(len(frames), count, -1).mean(dim=1))
            if self.training:
                logits = network.output(network.hidden(levels[-1].flatten(1)))
                local_logits.append(logits.reshape(len(frames), count, -1))
        global_logits = self.classifier(torch.cat(vectors, dim=1)).unsqueeze(1)
        return torch.cat([global_logits, *local_logits], dim=1)


def joint_loss(loss: Loss, local_weight: float) -> Loss:
    """Return the loss of both tasks: the global loss plus `local_weight` times the loss of all segments."""

    def both(logits: Tensor, targets: Tensor) -> Tensor:
        value = loss(logits[:, 0], targets)
        segments = logits.shape[1] - 1
        if not segments:
            return value
        repeated = targets.unsqueeze(1).expand(-1, segments, -1).flatten(0, 1)
        return value + local_weight * loss(logits[:, 1:].flatten(0, 1), repeated)

    return both


class ClipBatches:
    """Batches of whole clips as log-mel frames, shuffled or in order; clips shorter than `clip_frames` are left out."""

    def __init__(
        self,
        frames: npt.NDArray[np.float16],
        clips: Clips,
        chosen: npt.NDArray[np.int64],
        clip_frames: int,
        batch_clips: int,
        *,
        shuffle: bool,
        seed: int = 0,
        share: Share = Share(),
    ) -> None:
        self._frames, self._clips, self._clip_frames = frames, clips, clip_frames
        self._chosen = chosen[clips.rows[chosen] == clip_frames]
        self._batch_clips, self._shuffle, self._seed, self._share = batch_clips, shuffle, seed, share

    def __len__(self) -> int:
        if self._shuffle:
            return updates_an_epoch(len(self._chosen), self._batch_clips)
        return -(-len(self._chosen) // self._batch_clips)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of an epoch: (n, frames, mel_bands) float32 and (n, tags) float32."""
        if self._shuffle:
            generator = np.random.default_rng([self._seed, number])
            for batch in shuffled_batches(len(self._chosen), self._batch_clips, generator):
                yield self._take(self._chosen[self._share.of(batch)])
        else:
            for first in range(0, len(self._chosen), self._batch_clips):
                yield self._take(self._chosen[first : first + self._batch_clips])

    def _take(self, batch: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        rows = self._clips.first_row[batch][:, None] + np.arange(self._clip_frames)
        return torch.from_numpy(self._frames[rows]).float(), torch.from_numpy(self._clips.targets[batch])


@dataclasses.dataclass(frozen=True)
class TrainedJoint:
    """The local CNNs and the classifier after joint training, as arrays of a bundle whose hashes are not yet set."""

    extractors: tuple[Extractor, ...]
    local_arrays: tuple[Arrays, ...]
    head: Head
    arrays: Arrays
    history: History


def train_joint(
    recipe: Recipe,
    data: TrainingData,
    split: str,
    trained: Sequence[TrainedLocal],
    classifier: TrainedClassifier,
    seed: int,
    fabric: Fabric,
    folder: Path,
    say: Callable[[str], None],
) -> None:
    """Train the networks of the three steps together on whole clips, and store them in a folder.

    The validation side chooses the weights.

    Args:
        recipe: the recipe.
        data: the dataset with its frames.
        split: the name of the split.
        trained: the local CNNs of step 1.
        classifier: the global classifier of step 3.
        seed: the seed of the order of clips.
        fabric: device, precision and processes.
        folder: where weights and history go, and the checkpoint during training.
        say: told a line after every epoch.

    Raises:
        TrainingError: the local CNNs were trained on other tags than the clips have.
    """
    section = recipe.joint
    for local in trained:
        if local.extractor.output_tags != data.dataset.labels:
            raise TrainingError(
                f"The local CNN of scale {local.extractor.name} has outputs for "
                f"{', '.join(local.extractor.output_tags)}; joint training needs those of "
                f"{data.dataset.name}, in its order. Leave out [local.data]."
            )
    network = JointNetwork([read_local_network(local, recipe.local.dropout) for local in trained], classifier.network)
    training, validation = (
        ClipBatches(
            data.frames,
            data.clips,
            data.clips_of(split, side),
            recipe.data.clip_frames,
            section.batch_clips,
            shuffle=side == "train",
            seed=seed,
            share=Share(fabric.global_rank, fabric.world_size),
        )
        for side in ("train", "valid")
    )
    loss = joint_loss(tag_loss(data.dataset.task), section.local_weight)
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
    """Read the networks that `train_joint` stored; `extractors` are the local CNNs with the levels used."""
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
