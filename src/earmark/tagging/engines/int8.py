"""What a model needs to be run in whole numbers of 8 bits: the range of every layer's input, measured on music."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from earmark.errors import BundleError

RANGES_FILE = "int8.json"
FORMAT, VERSION = "earmark-int8", 1
HOW = "Measure them on some real music with `python benchmarks/int8.py`."

Range = tuple[float, float]


@dataclass(frozen=True)
class Ranges:
    """The lowest and highest value of every convolution's input, by the hash of the extractor they were measured on.

    The input of the first is standardised. What lies beyond a range at listening is cut to it. `seconds`: of the music
    that they were measured on.
    """

    by_extractor: Mapping[str, tuple[Range, ...]]
    seconds: float

    def of(self, extractor_hash: str, name: str, convolutions: int) -> tuple[Range, ...]:
        """Return those of one extractor.

        Raises BundleError where they are of another, or not as many as its convolutions.
        """
        found = self.by_extractor.get(extractor_hash)
        if found is None or len(found) != convolutions:
            raise BundleError(
                f"{RANGES_FILE}: found no ranges of {convolutions} convolutions for the extractor {name!r} "
                f"({extractor_hash[:12]}), expected those of this very model, which may have been trained anew. {HOW}"
            )
        return found


def write_ranges(ranges: Ranges, folder: str | os.PathLike[str]) -> None:
    """Write ranges beside a model, into its folder."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "seconds": ranges.seconds,
        "extractors": {name: [list(each) for each in found] for name, found in ranges.by_extractor.items()},
    }
    Path(folder, RANGES_FILE).write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_ranges(folder: str | os.PathLike[str]) -> Ranges:
    """Read the ranges beside a model; raises BundleError where there are none, or where they are not as written."""
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
        raise BundleError(f"{file}: found ranges that are none ({error}), expected pairs of numbers. {HOW}") from error
    return Ranges(by_extractor, seconds)


def _checked(found: Sequence[Sequence[float]]) -> tuple[Range, ...]:
    """Ranges as pairs of finite numbers with 0 within; raises ValueError for others."""
    pairs = tuple((float(low), float(high)) for low, high in found)
    for low, high in pairs:
        if not (math.isfinite(low) and math.isfinite(high) and low <= 0.0 <= high and low < high):
            raise ValueError(f"{low} to {high}")
    return pairs
