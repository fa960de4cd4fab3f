"""Local CNNs and the global classifier as one network: the future work that the letter names.

Trained from the finished three steps, with two tasks at once: every segment tells the clip's tags through its own local
output, and the clip tells them through the classifier on the aggregated levels.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from earmark.errors import TrainingError
from earmark.training.material.batches import Share, shuffled_batches, updates_an_epoch
from earmark.training.material.clips import Clips
from earmark.training.networks.classifier import GlobalClassifier
from earmark.training.networks.local_cnn import LocalCNN
from earmark.training.steps.fit import Loss


class JointNetwork(nn.Module):
    """Every local CNN of a recipe and the classifier on their levels, differentiable from the tags to the frames.

    The aggregation is the letter's: the maximum over a segment, the mean over the segments of a clip.
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
        """The local CNNs, in the order of the vector."""
        return [network for network in self.local_networks if isinstance(network, LocalCNN)]

    def forward(self, frames: Tensor) -> Tensor:
        """Tag clips: (clips, frames, mel_bands) -> logits (clips, 1 + segments, tags) in training, global ones first.

        In evaluation there are only the global ones, (clips, 1, tags).
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
    """The loss of both tasks: that of the global logits plus `local_weight` times that of all segments' logits."""

    def both(logits: Tensor, targets: Tensor) -> Tensor:
        value = loss(logits[:, 0], targets)
        segments = logits.shape[1] - 1
        if not segments:
            return value
        repeated = targets.unsqueeze(1).expand(-1, segments, -1).flatten(0, 1)
        return value + local_weight * loss(logits[:, 1:].flatten(0, 1), repeated)

    return both


class ClipBatches:
    """Whole clips of one length as frames, shuffled or in order; shorter clips are left out."""

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
        """The batches of an epoch: (n, frames, mel_bands) float32 and (n, tags) float32."""
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
