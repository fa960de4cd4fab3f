"""The letter's method on one page: `three_steps` trains local CNNs and a global classifier on clips and their tags.

The letter, [SPL], is J. Lee, J. Nam, "Multi-Level and Multi-Scale Feature Aggregation Using Pretrained Convolutional
Neural Networks for Music Auto-Tagging", IEEE SPL 24(8), 2017 (arXiv 1703.01793). "Code" marks what only the authors'
scripts say, "Choice" what neither says. A *scale* is the length of a segment, a *level* the output of a convolution
block. Tests compare the rest of earmark with this module, and nothing else imports it."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn, optim
from torch.nn.functional import binary_cross_entropy_with_logits as tag_loss

RATE_HZ, WINDOW, HOP, BANDS = 22_050, 1024, 512, 128
POOLS = {18: (3, 3, 2), 27: (3, 3, 3), 54: (3, 3, 3, 2), 108: (3, 3, 3, 2, 2), 216: (3, 3, 3, 2, 2, 2)}
SCALES = (18, 27, 54)  # frames per segment: the letter's best set, [SPL] III
STAGES = 5  # of `fit`, each at a fifth of the learning rate of the one before (code, as all arguments of `fit` below)
Examples = tuple[Tensor, Tensor]  # inputs (n, ...) and targets (n, tags) in 0..1


def log_mel(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compute the log-mel frames of mono sound at 22 050 Hz: (samples,) to (frames, bands). [SPL] III."""
    padded = np.pad(samples.astype(np.float64), WINDOW // 2)  # Choice: zeros; librosa of 2017 mirrored the sound
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    magnitudes = np.abs(np.fft.rfft(np.hanning(WINDOW + 1)[:-1] * windows))  # a periodic Hann window
    return np.log10(1 + 10 * (magnitudes @ mel_filters().T))  # log(1 + 10 A), base 10: code


def mel_filters() -> NDArray[np.float64]:
    """Make triangles of equal area, evenly spaced from 0 to 11 025 Hz in Slaney mel (code): (bands, bins)."""
    mel = np.linspace(0, 15 + 27 * np.log(RATE_HZ / 2 / 1000) / np.log(6.4), BANDS + 2)
    hz = np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))  # linear up to 1 kHz, then logarithmic
    low, centre, high = hz[:-2, None], hz[1:-1, None], hz[2:, None]
    bins = np.fft.rfftfreq(WINDOW, 1 / RATE_HZ)
    triangles = np.maximum(0, np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)))
    return np.asarray(triangles * 2 / (high - low), np.float64)


class SegmentCNN(nn.Module):
    """A local CNN: predicts tags from one segment, standardised by one mean and one deviation. [SPL] II-A."""

    def __init__(self, scale: int, tags: int, mean: float, deviation: float) -> None:
        super().__init__()
        self.scale, self.mean, self.deviation = scale, mean, deviation
        self.blocks = nn.ModuleList()
        inputs = BANDS  # bands are channels: the convolution runs over time alone
        for channels, pool in zip((128, 128, 256, 256, 256, 256), POOLS[scale], strict=False):
            same = nn.ConstantPad1d(((pool - 1) // 2, pool // 2), 0.0)  # a filter is as long as its pool
            layers = (nn.Conv1d(inputs, channels, pool), nn.BatchNorm1d(channels), nn.ReLU(), nn.MaxPool1d(pool))
            self.blocks.append(nn.Sequential(same, *layers))
            inputs = channels
        self.head = nn.Sequential(*hidden_layer(inputs, 256), nn.Linear(256, tags))
        initialise(self)

    def levels(self, segments: Tensor) -> list[Tensor]:
        """Return the output of every block: (segments, bands, frames) to (segments, channels, time) each."""
        rows, outputs = (segments - self.mean) / self.deviation, []
        for block in self.blocks:
            rows = block(rows)
            outputs.append(rows)
        return outputs

    def forward(self, segments: Tensor) -> Tensor:
        """Predict tags from the last level, whose time is 1: (segments, bands, frames) to logits (segments, tags)."""
        logits: Tensor = self.head(self.levels(segments)[-1].squeeze(2))
        return logits


class ClipClassifier(nn.Module):
    """The global classifier: predicts tags from a clip's vector. [SPL] II-C. Choice: 512 units of 512 or 1024."""

    def __init__(self, columns: int, tags: int, mean: float, deviation: float) -> None:
        super().__init__()
        self.mean, self.deviation = mean, deviation  # one pair for the whole vector: code
        self.layers = nn.Sequential(*hidden_layer(columns, 512), *hidden_layer(512, 512), nn.Linear(512, tags))
        initialise(self)

    def forward(self, vectors: Tensor) -> Tensor:
        """Predict tags: vectors (clips, columns) to logits (clips, tags), whose sigmoid is the probability."""
        logits: Tensor = self.layers((vectors - self.mean) / self.deviation)
        return logits


def hidden_layer(inputs: int, units: int) -> tuple[nn.Module, ...]:
    """Make a fully connected layer with batch norm, ReLU and dropout 0.5."""
    return nn.Linear(inputs, units), nn.BatchNorm1d(units), nn.ReLU(), nn.Dropout(0.5)


def initialise(network: nn.Module) -> None:
    """Draw he-uniform weights and set biases to 0 (code)."""
    for name, weights in network.named_parameters():
        if weights.ndim > 1:
            nn.init.kaiming_uniform_(weights, nonlinearity="relu")
        elif name.endswith("bias"):
            nn.init.zeros_(weights)


def segments_of(clips: Examples, scale: int) -> Examples:
    """Cut clips (n, frames, bands) into segments (n · segments, bands, scale), each with the tags of its clip."""
    inputs, tags = clips
    return inputs.unfold(1, scale, scale).flatten(0, 1), tags.repeat_interleave(inputs.shape[1] // scale, dim=0)


@torch.no_grad()
def clip_vectors(networks: list[SegmentCNN], clips: Tensor) -> Tensor:
    """Join the levels of all scales, by maximum and mean: (clips, frames, bands) to (clips, 1792). [SPL] II-B."""
    parts: list[Tensor] = []  # the vector: scale by scale, and within a scale level by level
    for network in networks:
        segments = clips.unfold(1, network.scale, network.scale).flatten(0, 1)  # (clips · segments, bands, frames)
        maxima = [level.amax(dim=2) for level in network.levels(segments)]  # over the time within each segment
        parts += [level.reshape(len(clips), -1, level.shape[1]).mean(dim=1) for level in maxima]  # over the segments
    return torch.cat(parts, dim=1)


def fit(network: nn.Module, train: Examples, valid: Examples, rate: float, patience: int, n: int) -> None:
    """Minimise the binary cross-entropy by SGD in batches of `n`; keep the weights of the lowest validation loss."""
    optimiser = optim.SGD(network.parameters(), rate, momentum=0.9, nesterov=True)
    epoch, lowest, best = 0, float("inf"), network.state_dict()
    for stage in range(STAGES):
        stalled, updates = 0, 0
        while stalled < patience:  # a stage ends after `patience` epochs without a new lowest validation loss
            torch.manual_seed(epoch)
            order = torch.from_numpy(np.random.default_rng([0, epoch]).permutation(len(train[0])))
            network.train()
            for batch in torch.split(order, n)[: len(order) // n]:  # Choice: a last batch that is not full is left out
                optimiser.param_groups[0]["lr"] = rate / 5**stage / (1 + 1e-6 * updates)
                optimiser.zero_grad()
                tag_loss(network(train[0][batch]), train[1][batch]).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                updates += 1
            loss = tag_loss(network.eval()(valid[0]), valid[1]).item()
            stalled, epoch = stalled + 1, epoch + 1
            if loss < lowest:
                stalled, lowest, best = 0, loss, {name: value.clone() for name, value in network.state_dict().items()}
        network.load_state_dict(best)  # the next stage starts from the best weights


def three_steps(train: Examples, valid: Examples) -> tuple[list[SegmentCNN], ClipClassifier]:
    """Train on clips (n, 1250, bands) and their tags. [SPL] II."""
    networks, (clips, tags) = [], train
    for scale in SCALES:  # step 1: a local CNN for each scale, on segments with their clips' tags
        network = SegmentCNN(scale, tags.shape[1], float(clips.mean()), float(clips.std(correction=0)))
        fit(network, segments_of(train, scale), segments_of(valid, scale), rate=0.01, patience=3, n=23)
        networks.append(network)
    vectors, valid_vectors = (clip_vectors(networks, inputs) for inputs, _ in (train, valid))  # step 2
    classifier = ClipClassifier(vectors.shape[1], tags.shape[1], float(vectors.mean()), float(vectors.std()))
    fit(classifier, (vectors, tags), (valid_vectors, valid[1]), rate=0.005, patience=8, n=16)  # step 3
    return networks, classifier
