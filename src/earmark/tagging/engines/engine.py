"""The engines that run a model's local networks: numpy, or ONNX Runtime (extra `fast`)."""

from typing import TYPE_CHECKING, Literal, Protocol, get_args

from earmark.errors import TagError
from earmark.tagging.engines.network import Activations, Array, LocalNetwork

if TYPE_CHECKING:
    from earmark.tagging.bundle.bundle import Bundle
    from earmark.tagging.bundle.card import Extractor
    from earmark.tagging.engines.convolution import Workspace
    from earmark.tagging.engines.int8 import Ranges


Engine = Literal["numpy", "onnx", "int8"]
ENGINES: tuple[Engine, ...] = get_args(Engine)


class Network(Protocol):
    """One extractor's network, as `LocalNetwork` is one: segments in, activations out; threads may share it."""

    extractor: "Extractor"
    width: int
    batch_segments: int

    def workspace(self) -> "Workspace | None":
        """Memory for one pass, where it wants some."""

    def __call__(self, segments: Array, workspace: "Workspace | None" = None) -> Activations:
        """Run up to `batch_segments` segments through the network."""


def networks_of(bundle: "Bundle", engine: Engine, ranges: "Ranges | None" = None) -> tuple[Network, ...]:
    """Return a bundle's local networks, run by an engine; `ranges` are for int8 alone, which needs them.

    Raises MissingExtraError where the engine is not installed, TagError for an unknown engine and for int8 without
    ranges, and BundleError where the ranges are another model's.
    """
    if engine not in ENGINES:
        raise TagError(f"engine: found {engine!r}, expected one of {', '.join(ENGINES)}. Choose one of those.")
    extractors = bundle.card.extractors
    if engine == "numpy":
        return tuple(LocalNetwork(extractor, bundle.weights) for extractor in extractors)
    if engine == "int8" and ranges is None:
        raise TagError(
            "engine: found int8 without ranges, expected those of this model. Load it from its folder, where int8.json "
            "is, or give what `measure_ranges` returns."
        )
    from earmark.tagging.engines.onnx import OnnxNetwork

    return tuple(
        OnnxNetwork(extractor, bundle.weights, ranges if engine == "int8" else None) for extractor in extractors
    )
