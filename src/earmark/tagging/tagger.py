"""The tagger: a sound in, a Prediction out, in constant memory, whatever the length."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark import __version__
from earmark.audio.ahead import read_ahead
from earmark.audio.decode import Source, decode
from earmark.audio.loudness import Loudest
from earmark.audio.stopwatch import Stopwatch
from earmark.errors import BundleError, TagError
from earmark.tagging.bundle import Bundle, read_bundle
from earmark.tagging.bundled import bundled_folder, models
from earmark.tagging.card import Card
from earmark.tagging.engine import Engine, networks_of
from earmark.tagging.evidence import Explainer
from earmark.tagging.int8 import Ranges, read_ranges
from earmark.tagging.kept import kept_features
from earmark.tagging.listening import Heard, Listening, TagsOverTime
from earmark.tagging.network import Classifier
from earmark.tagging.prediction import ModelIdentity, Prediction
from earmark.tagging.windows import OverTimeSettings

Array = npt.NDArray[np.float32]


def load(model: str | os.PathLike[str] | None = None, engine: Engine = "numpy") -> "Tagger":
    """Load a tagger: from a model's folder, by the name of a bundled model, or the bundled default.

    `engine`: what runs the networks. "numpy" needs nothing more. "onnx" and "int8" are ONNX Runtime (extra `fast`): the
    first has numpy's scores to 1e-5, the second trades a little of them for speed and needs a model with int8 ranges.
    None is ever taken in another's place.
    Raises BundleError where there is no such model, or where it is not whole and unchanged, or has no int8 ranges;
    MissingExtraError where the engine is not installed; TagError for an engine that there is not.
    """
    with _folder_of(model) as folder:
        bundle = read_bundle(folder)
        ranges = read_ranges(folder) if engine == "int8" else None
    return Tagger(bundle, engine, ranges)


@contextmanager
def _folder_of(model: str | os.PathLike[str] | None) -> Iterator[Path]:
    """A model's folder, for as long as it is read; raises BundleError where there is none."""
    if model is None:
        if not models():
            raise BundleError(
                "No model comes with this version of earmark: found none bundled, expected one or a folder. Train "
                "one with `earmark train recipes/demo.toml` (or any recipe) and give its folder: "
                'earmark.load("FOLDER"), or --model FOLDER.'
            )
        with bundled_folder(models()[0]) as folder:
            yield folder
        return
    name = os.fspath(model)
    if Path(name).exists():
        yield Path(name)
    elif name in models():
        with bundled_folder(name) as folder:
            yield folder
    else:
        raise BundleError(
            f"No model {name!r}: found no such folder, and {', '.join(models()) or 'nothing'} bundled; expected a "
            "model's folder or a bundled name. Train one with `earmark train RECIPE` and give the folder it writes."
        )


class Tagger:
    """A model that listens: tags, tags over time, and vectors of sounds.

    It keeps no state between sounds and may be shared by threads. The same sound gives the same numbers to the
    bit, from a path, bytes, a stream or an array, however it is cut into blocks on its way.
    """

    def __init__(self, bundle: Bundle, engine: Engine = "numpy", ranges: Ranges | None = None) -> None:
        """`bundle`: verified, as `read_bundle` and `seal` give it. `engine`, `ranges`: see `load` and `networks_of`."""
        self.bundle = bundle
        self.networks = networks_of(bundle, engine, ranges)
        self.classifier = Classifier(bundle.card.head, bundle.weights)
        self.identity = ModelIdentity(
            bundle.card.name,
            tuple(extractor.hash for extractor in bundle.card.extractors),
            bundle.card.head.hash,
            __version__,
            engine,
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
        self,
        source: Source,
        *,
        over_time: OverTimeSettings | None = None,
        keep_features: bool = False,
        decode_ahead: bool = False,
        stopwatch: Stopwatch | None = None,
        after_block: Callable[[float], None] | None = None,
    ) -> Prediction:
        """Listen to a sound once and tag it.

        `source`: a path, bytes, a binary stream, a Waveform, or an array with its rate. `over_time`: also tag
        windows of that many seconds. `keep_features`: also keep what evidence and other windows need, 10 MB an hour.
        `decode_ahead`: decode in a thread of its own while the networks run; the numbers are the same. `stopwatch`:
        measures where the time goes, which wants one thread. `after_block`: called with the seconds of sound so far
        after every block of about two seconds; what it raises ends the listening.
        Raises DecodeError or WaveformError for sound that cannot be used, and TagError where a window is shorter
        than the model's longest segment or `stopwatch` comes with `decode_ahead`.
        """
        if stopwatch is not None and decode_ahead:
            raise TagError(
                "tag: found a stopwatch with decode_ahead, expected one of them: what two threads take at once adds up "
                "to nothing. Leave one out."
            )
        with stopwatch or nullcontext():
            return self._tag(source, over_time, keep_features, decode_ahead, stopwatch, after_block)

    def _tag(
        self,
        source: Source,
        over_time: OverTimeSettings | None,
        keep_features: bool,
        decode_ahead: bool,
        stopwatch: Stopwatch | None,
        after_block: Callable[[float], None] | None,
    ) -> Prediction:
        classify: Callable[[Array], Array] = self.classifier
        if stopwatch is not None:
            classify = stopwatch.timed("network", classify)
        card = self.card
        windows = None
        if over_time is not None:
            windows = TagsOverTime(self.networks, classify, card, over_time)
        listening = Listening(self.networks, card.activation, windows, keep_features, stopwatch)
        loudest = Loudest(card.rate_hz)
        with ExitStack() as open_until_heard:
            sound = open_until_heard.enter_context(decode(source, card.rate_hz, stopwatch))
            blocks: Iterable[Array] = sound
            if decode_ahead:
                blocks = open_until_heard.enter_context(closing(read_ahead(sound)))
            for block in blocks:
                loudest.add(block)
                listening.push(block)
                if after_block is not None:
                    after_block(sound.duration_seconds)
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
            logits=classify(vector[np.newaxis])[0],
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
            silent=loudest.silent,
        )

    def embed(self, source: Source) -> Array:
        """Listen to a sound once and return its track vector: (columns,) float32; raises as `tag` does."""
        return self.tag(source).embedding

    def hidden(self, embeddings: Array) -> Array:
        """What the classifier's first hidden layer makes of track vectors: shorter, and nearer to what tags mean.

        `embeddings`: (tracks, columns) float32, as `embed` gives one, kept or fresh. Returns (tracks, units) float32,
        0 and above, to compare tracks or train small machines on. Raises TagError for vectors of another width, and for
        a model without a hidden layer.
        """
        return self.classifier.hidden(embeddings)

    @cached_property
    def _explainer(self) -> Explainer:
        return Explainer(self.bundle)

    def _local_scores(self, heard: list[Heard]) -> Array | None:
        if any(extractor.output_tags != self.labels for extractor in self.card.extractors):
            return None
        return np.asarray(np.mean([scale.local_scores for scale in heard], axis=0, dtype=np.float64), np.float32)
