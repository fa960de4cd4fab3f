"""Local networks in ONNX Runtime on one thread (extra `onnx`), in float32 or in int8.

The graph is built from the bundle in a few milliseconds when it is loaded, so no stored file of it can be out of date.
"""

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from earmark.errors import MissingExtraError, TagError
from earmark.tagging.bundle.card import Extractor, Weights
from earmark.tagging.bundle.check import layer_lengths
from earmark.tagging.engines.network import BATCH_VALUES, LARGEST_BATCH, Activations
from earmark.tagging.engines.onnx_export import HIGHEST, INPUT, LEVELS, LOGITS, LOWEST, network_graph

if TYPE_CHECKING:
    from earmark.tagging.engines.convolution import Workspace
    from earmark.tagging.engines.int8 import Range, Ranges


Array = npt.NDArray[np.float32]

_ONLY_FATAL = 4


class OnnxNetwork:
    """One extractor's network in ONNX Runtime, with the interface of `LocalNetwork`; threads may share it."""

    def __init__(self, extractor: Extractor, weights: Weights, ranges: "Ranges | None" = None) -> None:
        """`weights`: a bundle's verified weights. `ranges`: run in int8 with these ranges.

        Raises MissingExtraError without ONNX Runtime, and BundleError where int8 does not fit the network or the
        ranges.
        """
        self.extractor = extractor
        self.width = sum(extractor.level_widths)
        self.batch_segments = batch_segments(extractor)
        self._shape = (extractor.segment_length, extractor.input_columns)
        own = None if ranges is None else ranges.of(extractor.hash, extractor.name, len(extractor.convolutions))
        self._session = session(network_graph(extractor, weights, own))
        self._wanted = [LEVELS, *([LOGITS] if extractor.output_tags else [])]

    def workspace(self) -> "Workspace | None":
        """Return None, as ONNX Runtime has its own memory."""
        return None

    def __call__(self, segments: Array, workspace: "Workspace | None" = None) -> Activations:
        """Run up to `batch_segments` segments through the network; see `LocalNetwork`.

        Raises TagError for another shape or for more segments.
        """
        del workspace
        if segments.shape[1:] != self._shape or len(segments) > self.batch_segments:
            raise TagError(
                f"The network {self.extractor.name!r} was given the shape {segments.shape}; it takes up to "
                f"{self.batch_segments} segments of {self._shape}. Cut the sound into segments, then into batches."
            )
        levels, *logits = self._session.run(self._wanted, {INPUT: segments})
        return Activations(levels, logits[0] if logits else np.empty((len(levels), 0), dtype=np.float32))


class ObservedNetwork(OnnxNetwork):
    """A float32 network that records the ranges of its convolutions' inputs; for one thread."""

    def __init__(self, extractor: Extractor, weights: Weights) -> None:
        """`extractor`, `weights`: see `OnnxNetwork`, which raises."""
        super().__init__(extractor, weights)
        self._session = session(network_graph(extractor, weights, observed=True))
        # Every input is padded with zeros, so every range holds 0.
        self._lowest = np.zeros(len(extractor.convolutions), np.float32)
        self._highest = np.zeros(len(extractor.convolutions), np.float32)

    def __call__(self, segments: Array, workspace: "Workspace | None" = None) -> Activations:
        """Run the network as `OnnxNetwork` does, and widen the ranges."""
        lowest, highest = self._session.run([LOWEST, HIGHEST], {INPUT: segments})
        np.minimum(self._lowest, lowest.min(axis=0), out=self._lowest)
        np.maximum(self._highest, highest.max(axis=0), out=self._highest)
        return super().__call__(segments, workspace)

    @property
    def ranges(self) -> "tuple[Range, ...]":
        """The lowest and highest value of every convolution's input so far, with 0 between them."""
        return tuple(zip(self._lowest.tolist(), self._highest.tolist(), strict=True))


def batch_segments(extractor: Extractor) -> int:
    """Return the number of segments in a batch: fewer of long ones, as in numpy, and the same for every sound."""
    columns, largest = extractor.input_columns, 1
    for length, convolution in zip(layer_lengths(extractor), extractor.convolutions, strict=False):
        positions = length // convolution.stride
        largest = max(largest, positions * max(convolution.filter_length * columns, convolution.channels))
        columns = convolution.channels
    return max(1, min(LARGEST_BATCH, BATCH_VALUES // largest))


def session(graph: bytes) -> Any:
    """Return a graph ready to run on one thread; raises MissingExtraError without ONNX Runtime."""
    try:
        onnxruntime = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise MissingExtraError("Running networks in ONNX Runtime", "onnx", "onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _ONLY_FATAL
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
