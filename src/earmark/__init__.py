"""earmark listens to a track and tags it: `earmark.load().tag("song.mp3").top(5)`."""

import importlib
from typing import TYPE_CHECKING

from earmark.errors import EarmarkError

if TYPE_CHECKING:
    from earmark.audio.waveform import Waveform
    from earmark.library.library import Library
    from earmark.tagging.bundle.bundle import models
    from earmark.tagging.evidence import Evidence
    from earmark.tagging.prediction import OverTime, Prediction, Tag
    from earmark.tagging.tagger import Tagger, load
    from earmark.tagging.windows import OverTimeSettings

__version__ = "0.1.0.dev0"

__all__ = [
    "EarmarkError",
    "Evidence",
    "Library",
    "OverTime",
    "OverTimeSettings",
    "Prediction",
    "Tag",
    "Tagger",
    "Waveform",
    "__version__",
    "load",
    "models",
]

# Where the public names live. They are imported when first asked for, so that `import earmark` stays quick.
_HOMES = {
    "Evidence": "earmark.tagging.evidence",
    "Library": "earmark.library.library",
    "OverTime": "earmark.tagging.prediction",
    "OverTimeSettings": "earmark.tagging.windows",
    "Prediction": "earmark.tagging.prediction",
    "Tag": "earmark.tagging.prediction",
    "Tagger": "earmark.tagging.tagger",
    "Waveform": "earmark.audio.waveform",
    "load": "earmark.tagging.tagger",
    "models": "earmark.tagging.bundle.bundle",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'earmark' has no attribute {name!r}")
    value: object = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
