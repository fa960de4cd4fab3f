"""The ranges that a model needs to run in 8-bit integers: those of every layer's input, measured on music."""

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from earmark.audio.decode import Source, decode
from earmark.errors import BundleError, TagError

if TYPE_CHECKING:
    from earmark.tagging.bundle.bundle import Bundle

RANGES_FILE = "int8.json"
FORMAT, VERSION = "earmark-int8", 1
HOW = "Measure them on some real music with `python benchmarks/int8.py`."

Range = tuple[float, float]


@dataclass(frozen=True)
class Ranges:
    """The lowest and highest value of every convolution's input, by the hash of the extractor they were measured on.

    The input of the first convolution is standardised. Values outside a range are clipped to it. `seconds`: the length
    of the music that the ranges were measured on.
    """

    by_extractor: Mapping[str, tuple[Range, ...]]
    seconds: float

    def of(self, extractor_hash: str, name: str, convolutions: int) -> tuple[Range, ...]:
        """Return the ranges of one extractor.

        Raises BundleError where they belong to another extractor, or are not as many as its convolutions.
        """
        found = self.by_extractor.get(extractor_hash)
        if found is None or len(found) != convolutions:
            raise BundleError(
                f"{RANGES_FILE}: found no ranges of {convolutions} convolutions for the extractor {name!r} "
                f"({extractor_hash[:12]}), expected those of this very model, which may have been trained anew. {HOW}"
            )
        return found


def measure_ranges(bundle: "Bundle", sources: Iterable[Source]) -> Ranges:
    """Run the float32 networks on some music and return the lowest and highest value of every convolution's input.

    Choice: the extremes and no percentile, because a level is the maximum over a segment, so that vectors consist of
    the largest values.

    Raises DecodeError or WaveformError for sound that cannot be used, TagError where there is none, and
    MissingExtraError without ONNX Runtime.
    """
    # Imported here because the engines import this module.
    from earmark.tagging.engines.onnx import ObservedNetwork
    from earmark.tagging.streaming import StreamingPass

    card = bundle.card
    networks = [ObservedNetwork(extractor, bundle.weights) for extractor in card.extractors]
    seconds = 0.0
    for source in sources:
        streaming_pass = StreamingPass(networks, card.activation, None, False)
        with decode(source, card.rate_hz) as sound:
            for block in sound:
                streaming_pass.push(block)
            streaming_pass.finish(sound.duration_seconds)
            seconds += sound.duration_seconds
    if not seconds:
        raise TagError("int8: found no music to measure ranges on, expected some tracks. Name them.")
    found = {network.extractor.hash: network.ranges for network in networks}
    for ranges in found.values():
        if not np.all([low < high for low, high in ranges]):
            raise TagError(
                "int8: found layers whose input was always 0, expected sound of many kinds. Name more music."
            )
    return Ranges(found, seconds)


def write_ranges(ranges: Ranges, folder: str | os.PathLike[str]) -> None:
    """Write ranges into a model's folder."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "seconds": ranges.seconds,
        "extractors": {name: [list(each) for each in found] for name, found in ranges.by_extractor.items()},
    }
    Path(folder, RANGES_FILE).write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_ranges(folder: str | os.PathLike[str]) -> Ranges:
    """Read the ranges from a model's folder; raises BundleError where there are none, or where the file is damaged."""
    file = Path(folder, RANGES_FILE)
    if not file.is_file():
        raise BundleError(
            f"{file}: found no such file, expected the ranges without which this model cannot run in int8. {HOW}"
        )
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{file}: found {error}, expected JSON. {HOW}") from error
    if not isinstance(document, dict) or (document.get("format"), document.get("version")) != (FORMAT, VERSION):
        raise BundleError(f"{file}: found something else, expected {FORMAT!r}, version {VERSION}. {HOW}")
    try:
        seconds = float(document["seconds"])
        by_extractor = {str(name): _checked(found) for name, found in document["extractors"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(f"{file}: found {error}, expected ranges as pairs of numbers. {HOW}") from error
    return Ranges(by_extractor, seconds)


def _checked(found: Sequence[Sequence[float]]) -> tuple[Range, ...]:
    """Return ranges as pairs of finite numbers with 0 between them, or raise ValueError."""
    pairs = tuple((float(low), float(high)) for low, high in found)
    for low, high in pairs:
        if not (math.isfinite(low) and math.isfinite(high) and low <= 0.0 <= high and low < high):
            raise ValueError(f"{low} to {high}")
    return pairs
