"""The tagger: a sound in, a Prediction out, in constant memory, whatever the length."""

import os
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark import __version__
from earmark.audio.decode import Source, decode
from earmark.errors import BundleError, TagError
from earmark.tagging.bundle import Bundle, read_bundle
from earmark.tagging.bundled import models, read_bundled
from earmark.tagging.card import Card
from earmark.tagging.evidence import Explainer
from earmark.tagging.kept import kept_features
from earmark.tagging.listening import Heard, Listening, TagsOverTime
from earmark.tagging.network import Classifier, LocalNetwork
from earmark.tagging.prediction import ModelIdentity, Prediction
from earmark.tagging.windows import OverTimeSettings

Array = npt.NDArray[np.float32]


def load(model: str | os.PathLike[str] | None = None) -> "Tagger":
    """Load a tagger: from a model's folder, by the name of a bundled model, or the bundled default.

    Raises BundleError where there is no such model, or where it is not whole and unchanged.
    """
    if model is None:
        if not models():
            raise BundleError(
                "No model comes with this version of earmark: found none bundled, expected one or a folder. Train "
                "one with `earmark train recipes/demo.toml` (or any recipe) and give its folder: "
                'earmark.load("FOLDER"), or --model FOLDER.'
            )
        return Tagger(read_bundled(models()[0]))
    name = os.fspath(model)
    if not Path(name).exists() and name in models():
        return Tagger(read_bundled(name))
    if not Path(name).exists():
        raise BundleError(
            f"No model {name!r}: found no such folder, and {', '.join(models()) or 'nothing'} bundled; expected a "
            "model's folder or a bundled name. Train one with `earmark train RECIPE` and give the folder it writes."
        )
    return Tagger(read_bundle(name))


class Tagger:
    """A model that listens: tags, tags over time, and vectors of sounds.

    It keeps no state between sounds and may be shared by threads. The same sound gives the same numbers to the
    bit, from a path, bytes, a stream or an array, however it is cut into blocks on its way.
    """

    def __init__(self, bundle: Bundle) -> None:
        """`bundle`: verified, as `read_bundle` and `seal` give it."""
        self.bundle = bundle
        self.networks = tuple(LocalNetwork(extractor, bundle.weights) for extractor in bundle.card.extractors)
        self.classifier = Classifier(bundle.card.head, bundle.weights)
        self.identity = ModelIdentity(
            bundle.card.name,
            tuple(extractor.hash for extractor in bundle.card.extractors),
            bundle.card.head.hash,
            __version__,
        )

    @property
    def card(self) -> Card:
        """What the model is: its extractors, tags, provenance, licence."""
        return self.bundle.card

    @property
    def labels(self) -> tuple[str, ...]:
        """The tags' labels, in the order of every score."""
        return self.bundle.card.labels

    def __repr__(self) -> str:
        scales = ", ".join(network.extractor.name for network in self.networks)
        return f"<Tagger {self.card.name!r}: {len(self.labels)} tags, scales {scales}>"

    def tag(
        self, source: Source, *, over_time: OverTimeSettings | None = None, keep_features: bool = False
    ) -> Prediction:
        """Listen to a sound once and tag it.

        `source`: a path, bytes, a binary stream, a Waveform, or an array with its rate. `over_time`: also tag
        windows of that many seconds. `keep_features`: also keep what evidence and other windows need, 10 MB an hour.
        Raises DecodeError or WaveformError for sound that cannot be used, and TagError where a window is shorter
        than the model's longest segment.
        """
        card = self.card
        windows = None
        if over_time is not None:
            windows = TagsOverTime(self.networks, self.classifier, card, over_time)
        listening = Listening(self.networks, card.activation, windows, keep_features)
        with decode(source, card.rate_hz) as sound:
            for block in sound:
                listening.push(block)
            duration_seconds = sound.duration_seconds
            heard = listening.finish(duration_seconds)
            name, decoder, truncated = sound.name, sound.decoder, sound.truncated
        vector = np.concatenate([scale.vector for scale in heard])
        if not np.isfinite(vector).all():
            raise TagError(
                f"{name}: found activations beyond float32, expected a sound of about -1 to 1. "
                "Scale its samples down and try again."
            )
        return Prediction(
            tags=card.tags,
            logits=self.classifier(vector[np.newaxis])[0],
            activation=card.activation,
            embedding=vector,
            local_scores=self._local_scores(heard),
            source=name,
            duration_seconds=duration_seconds,
            truncated=truncated,
            short=tuple(e.name for e, scale in zip(card.extractors, heard, strict=True) if scale.short),
            model=self.identity,
            decoder=decoder,
            over_time=windows.result() if windows is not None else None,
            features=kept_features(listening.keepers, duration_seconds) if keep_features else None,
            calibration=card.calibration,
            explainer=self._explainer if keep_features else None,
        )

    def embed(self, source: Source) -> Array:
        """Listen to a sound once and return its track vector: (columns,) float32; raises as `tag` does."""
        return self.tag(source).embedding

    @cached_property
    def _explainer(self) -> Explainer:
        return Explainer(self.bundle)

    def _local_scores(self, heard: list[Heard]) -> Array | None:
        if any(extractor.output_tags != self.labels for extractor in self.card.extractors):
            return None
        return np.asarray(np.mean([scale.local_scores for scale in heard], axis=0, dtype=np.float64), np.float32)
