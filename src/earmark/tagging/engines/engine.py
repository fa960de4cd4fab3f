"""The engines that run a model's local networks: numpy, or ONNX Runtime (extra `onnx`)."""

import warnings
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
OLD_NAME = "fast"
"""The name that `onnx` had on the command line."""


class Network(Protocol):
    """One extractor's network, such as `LocalNetwork`: from segments to activations; threads may share it."""

    extractor: "Extractor"
    width: int
    batch_segments: int

    def workspace(self) -> "Workspace | None":
        """Return the memory for one pass, or None where the engine has its own."""

    def __call__(self, segments: Array, workspace: "Workspace | None" = None) -> Activations:
        """Run up to `batch_segments` segments through the network."""


def engine_named(name: str) -> Engine:
    """Return the engine of a name, and warn (DeprecationWarning) where it is the old name of `onnx`.

    Raises TagError for an unknown name.
    """
    if name == OLD_NAME:
        warnings.warn(f"the engine {OLD_NAME!r} is now called 'onnx'", DeprecationWarning, stacklevel=3)
        return "onnx"
    for engine in ENGINES:
        if name == engine:
            return engine
    raise TagError(f"engine: found {name!r}, expected one of {', '.join(ENGINES)}. Choose one of those.")


def networks_of(bundle: "Bundle", engine: Engine, ranges: "Ranges | None" = None) -> tuple[Network, ...]:
    """Return a bundle's local networks, run by an engine. `ranges`: needed by int8 and ignored by the others.

    Raises MissingExtraError where the engine is not installed, TagError for an unknown engine and for int8 without
    ranges, and BundleError where the ranges are another model's.
    """
    engine = engine_named(engine)
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
