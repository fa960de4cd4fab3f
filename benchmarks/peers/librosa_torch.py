"""What most would write, librosa and the same networks in torch: librosa_torch.py MODEL [FILE ...].

The whole sound is held at once, and every scale's segments are one batch, as such code has it.
"""

import sys
from collections.abc import Mapping

from answering import one_thread, serve

one_thread()

import librosa  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import Tensor  # noqa: E402
from torch.nn import functional  # noqa: E402

from earmark.audio.logmel import Compression, LogMelSettings  # noqa: E402
from earmark.tagging.bundle.bundle import Bundle, read_bundle  # noqa: E402
from earmark.tagging.bundle.card import Extractor  # noqa: E402


def vector_of(extractor: Extractor, weights: Mapping[str, Tensor], frames: Tensor) -> Tensor:
    """One scale's part of the track vector: (columns,) from (mel bands, frames)."""
    length = extractor.segment_length
    count = frames.shape[1] // length
    rows = frames[:, : count * length].reshape(-1, count, length).transpose(0, 1)
    rows = (rows - extractor.input_mean) / extractor.input_deviation
    levels = []
    for number, convolution in enumerate(extractor.convolutions, start=1):
        name = f"extractor.{extractor.name}.convolution.{number}"
        taps = convolution.filter_length
        rows = functional.pad(rows, ((taps - 1) // 2, taps - 1 - (taps - 1) // 2))
        rows = functional.conv1d(rows, weights[f"{name}.weight"], weights[f"{name}.bias"]).relu()
        rows = functional.max_pool1d(rows, convolution.pool_length)
        levels.append(rows.amax(dim=2))
    return torch.cat(levels, dim=1).mean(dim=0)


def tag(bundle: Bundle, weights: Mapping[str, Tensor], path: str) -> Tensor:
    """File to logits."""
    samples, _ = librosa.load(path, sr=bundle.card.rate_hz)
    mel = librosa.feature.melspectrogram(
        y=samples, sr=bundle.card.rate_hz, n_fft=1024, hop_length=512, n_mels=128, power=1.0
    )
    magnitudes = np.ascontiguousarray(10.0 * mel.T, dtype=np.float32)
    Compression(bundle.card.extractors[0].log_mel or LogMelSettings())(magnitudes)
    frames = torch.from_numpy(magnitudes.T)
    vector = torch.cat([vector_of(extractor, weights, frames) for extractor in bundle.card.extractors])
    values = (vector - weights["head.mean"]) / weights["head.deviation"]
    layers = len(bundle.card.head.hidden_units) + 1
    for number in range(1, layers + 1):
        name = f"head.layer.{number}"
        values = functional.linear(values, weights[f"{name}.weight"], weights[f"{name}.bias"])
        values = values.relu() if number < layers else values
    return values


def main(model: str, *files: str) -> None:
    """Serve."""
    torch.set_num_threads(1)
    bundle = read_bundle(model)
    weights = {name: torch.from_numpy(weight) for name, weight in bundle.weights.items()}
    with torch.inference_mode():
        serve(lambda path: tag(bundle, weights, path), list(files))


if __name__ == "__main__":
    main(*sys.argv[1:])
