"""The tagger, which turns a sound of any length into a Prediction in constant memory."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark import __version__
from earmark.audio.decode import Source, decode, read_ahead
from earmark.audio.loudness import Loudest
from earmark.audio.stopwatch import Stopwatch
from earmark.errors import BatchError, BundleError, EarmarkError, InstallationError, TagError
from earmark.tagging.batch import Tagged, TagOptions, tag_files
from earmark.tagging.bundle.bundle import Bundle, bundled_folder, models, read_bundle
from earmark.tagging.bundle.calibration import probabilities
from earmark.tagging.bundle.card import Card
from earmark.tagging.engines.engine import Engine, engine_named, networks_of
from earmark.tagging.engines.int8 import Ranges, read_ranges
from earmark.tagging.engines.network import Classifier
from earmark.tagging.evidence import Explainer
from earmark.tagging.familiarity import Distance
from earmark.tagging.features import stored_features
from earmark.tagging.prediction import ModelIdentity, Prediction
from earmark.tagging.streaming import ScaleResult, StreamingPass, TagsOverTime
from earmark.tagging.windows import OverTimeSettings
from earmark.tagging.withheld import withheld_of
from earmark.workers.limits import USUAL_LIMITS, Limits
from earmark.workers.pool import available_processors

Array = npt.NDArray[np.float32]
OnBlock = Callable[[Array, float], None]
"""A callback that takes each block of a sound, (samples,) float32, and the seconds decoded so far."""


def load(model: str | os.PathLike[str] | None = None, engine: Engine = "numpy") -> "Tagger":
    """Load a tagger from a model's folder, by the name of a bundled model, or the default model.

    `engine`: what runs the networks. "numpy" needs no extra. "onnx" and "int8" are ONNX Runtime (extra `onnx`): the
    first has numpy's scores to 1e-5, the second is faster with slightly different scores and needs a model with int8
    ranges. earmark never substitutes one engine for another.

    Raises BundleError where the model does not exist, is incomplete or changed, or has no int8 ranges;
    MissingExtraError where the engine is not installed; TagError for an unknown engine.
    """
    with _folder_of(model) as folder:
        bundle = read_bundle(folder)
        ranges = read_ranges(folder) if engine == "int8" else None
    return Tagger(bundle, engine, ranges)


def read_model(model: str | os.PathLike[str] | None = None) -> Bundle:
    """Read a model, without what runs it, from where `load` finds it; raises BundleError as `load` does."""
    with _folder_of(model) as folder:
        return read_bundle(folder)


@contextmanager
def _folder_of(model: str | os.PathLike[str] | None) -> Iterator[Path]:
    """Give a model's folder while it is read; raises BundleError where there is none."""
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
    """Tags sounds, whole and over time, and returns their vectors.

    It keeps no state between sounds and may be shared by threads. The same sound gives the same numbers to the bit,
    from a path, bytes, a stream or an array, however it is cut into blocks.
    """

    def __init__(self, bundle: Bundle, engine: Engine = "numpy", ranges: Ranges | None = None) -> None:
        """`bundle`: verified, as `read_bundle` and `seal` return it. `engine` and `ranges`: see `load`."""
        engine = engine_named(engine)
        self.bundle = bundle
        self._ranges = ranges
        self.networks = networks_of(bundle, engine, ranges)
        self.classifier = Classifier(bundle.card.head, bundle.weights)
        self.distance = Distance(bundle)
        self.identity = ModelIdentity(
            bundle.card.name,
            tuple(extractor.hash for extractor in bundle.card.extractors),
            bundle.card.head.hash,
            __version__,
            engine,
        )

    @property
    def card(self) -> Card:
        """The model's card: its extractors, tags, provenance and licence."""
        return self.bundle.card

    @property
    def labels(self) -> tuple[str, ...]:
        """The tags' labels, in the order of every score."""
        return self.bundle.card.labels

    def __reduce__(self) -> tuple[object, ...]:
        # Engines hold memory of their own, so a copy in another process makes them again.
        return type(self), (self.bundle, self.identity.engine, self._ranges)

    def __repr__(self) -> str:
        scales = ", ".join(network.extractor.name for network in self.networks)
        return f"<Tagger {self.card.name!r}: {len(self.labels)} tags, scales {scales}>"

    def tag(
        self,
        source: Source,
        *,
        over_time: OverTimeSettings | None = None,
        keep_features: bool = False,
        read_ahead: bool = False,
        stopwatch: Stopwatch | None = None,
        on_block: OnBlock | None = None,
    ) -> Prediction:
        """Decode a sound once and return its tags.

        `source`: a path, bytes, a binary stream, a Waveform, or an array with its rate. `over_time`: also tag windows
        of that many seconds. `keep_features`: also keep the features for evidence and other windows, 10 MB an hour.
        `read_ahead`: decode in a second thread while the networks run; the numbers are the same. `stopwatch`: measures
        the time of each part, in one thread. `on_block`: called with each block of the sound before the networks take
        it, (samples,) float32, mono, at the model's rate, in order, and with the seconds decoded so far; an exception
        that it raises ends the pass. It serves progress bars, outlines and limits.

        Raises DecodeError or WaveformError for sound that cannot be used, and TagError where a window is shorter than
        the model's longest segment or `stopwatch` comes with `read_ahead`.
        """
        if stopwatch is not None and read_ahead:
            raise TagError(
                "tag: found a stopwatch with read_ahead, expected one of them, because the times of two threads do not "
                "add up. Leave one out."
            )
        with stopwatch or nullcontext():
            return self._tag(source, over_time, keep_features, read_ahead, stopwatch, on_block)

    def _tag(
        self,
        source: Source,
        over_time: OverTimeSettings | None,
        keep_features: bool,
        ahead: bool,
        stopwatch: Stopwatch | None,
        on_block: OnBlock | None,
    ) -> Prediction:
        classify: Callable[[Array], Array] = self.classifier
        if stopwatch is not None:
            classify = stopwatch.timed("network", classify)
        card = self.card
        windows = None
        if over_time is not None:
            windows = TagsOverTime(self.networks, classify, card, over_time, self.distance)
        streaming_pass = StreamingPass(self.networks, card.activation, windows, keep_features, stopwatch)
        loudest = Loudest(card.rate_hz)
        with ExitStack() as open_files:
            sound = open_files.enter_context(decode(source, card.rate_hz, stopwatch))
            blocks: Iterable[Array] = sound
            if ahead:
                blocks = open_files.enter_context(closing(read_ahead(sound)))
            for block in blocks:
                if on_block is not None:
                    on_block(block, sound.duration_seconds)
                loudest.add(block)
                streaming_pass.push(block)
            duration_seconds = sound.duration_seconds
            results = streaming_pass.finish(duration_seconds)
            name, decoder, truncated = sound.name, sound.decoder, sound.truncated
        vector = np.concatenate([result.vector for result in results])
        if not np.isfinite(vector).all():
            raise TagError(
                f"{name}: found activations beyond float32, expected a sound of about -1 to 1. "
                "Scale its samples down and try again."
            )
        logits, distance = classify(vector[np.newaxis])[0], float(self.distance(vector[np.newaxis])[0])
        likely = probabilities(logits, card)
        return Prediction(
            tags=card.tags,
            logits=logits,
            activation=card.activation,
            embedding=vector,
            local_scores=self._local_scores(results),
            source=name,
            duration_seconds=duration_seconds,
            truncated=truncated,
            short=tuple(e.name for e, result in zip(card.extractors, results, strict=True) if result.short),
            model=self.identity,
            decoder=decoder,
            over_time=windows.result() if windows is not None else None,
            features=stored_features(streaming_pass.recorders, duration_seconds) if keep_features else None,
            calibration=card.calibration,
            explainer=self.explainer if keep_features else None,
            withheld=withheld_of(likely, card, silent=loudest.silent, distance=distance),
            distance=distance,
        )

    def tag_many(
        self,
        paths: Iterable[str | os.PathLike[str]],
        *,
        jobs: int | None = None,
        on_error: Callable[[EarmarkError], None] | None = None,
        progress: Callable[[int], None] | None = None,
        over_time: OverTimeSettings | None = None,
        keep_features: bool = False,
        limits: Limits = USUAL_LIMITS,
    ) -> Iterator[Prediction]:
        """Tag files and yield their predictions in the order of the files, in constant memory.

        A file that fails yields nothing, and the others go on. The `source` of a prediction is the path as it was
        given.

        `paths`: any iterable, read while files are tagged. `jobs`: the number of worker processes; default: one for
        each available processor; 1 tags in this process. The processes do not import your script, and each file has
        limits of time and length. `on_error`: called with the error of each file that fails, in the order of the
        files; without it, one BatchError holds them all after the last file. `progress`: called with the number of
        files that are done, the failed ones too. `over_time`, `keep_features`: as for `tag`. `limits`: of the work on
        one file.

        Raises BatchError if files failed and there is no `on_error`, TagError for fewer than one process,
        InstallationError if a library that reads sound cannot be loaded, and WorkerError if no worker process can be
        started.
        """
        processes = available_processors() if jobs is None else jobs
        if processes < 1:
            raise TagError(f"tag_many: found jobs = {processes}, expected at least 1. Ask for one process or more.")
        if over_time is not None:
            over_time.refuse_short_windows(self.card.extractors)
        options = TagOptions(over_time, keep_features, limits=limits)
        return self._tag_many(tag_files(self, map(Path, paths), processes, options), on_error, progress)

    def _tag_many(
        self,
        results: Iterator[Tagged | EarmarkError],
        on_error: Callable[[EarmarkError], None] | None,
        progress: Callable[[int], None] | None,
    ) -> Iterator[Prediction]:
        errors: list[EarmarkError] = []
        done = 0
        for done, result in enumerate(results, start=1):
            if isinstance(result, InstallationError):  # No other file can be read either.
                raise result
            if isinstance(result, EarmarkError):
                (errors.append if on_error is None else on_error)(result)
            else:
                yield result.prediction
            if progress is not None:
                progress(done)
        if errors:
            raise BatchError(tuple(errors), done)

    def embed(self, source: Source) -> Array:
        """Decode a sound once and return its track vector, (columns,) float32; raises as `tag` does."""
        return self.tag(source).embedding

    def hidden(self, embeddings: Array) -> Array:
        """Return the activations of the classifier's first hidden layer on track vectors.

        They are shorter than track vectors and closer to the meanings of the tags, for comparing tracks or training
        small classifiers.

        `embeddings`: (tracks, columns) float32, as `embed` returns one. Returns (tracks, units) float32, at least 0.

        Raises TagError for vectors of another width, and for a model without a hidden layer.
        """
        return self.classifier.hidden(embeddings)

    @cached_property
    def explainer(self) -> Explainer:
        """What finds the evidence of tags in the features of sounds."""
        return Explainer(self.bundle)

    def _local_scores(self, results: list[ScaleResult]) -> Array | None:
        if any(extractor.output_tags != self.labels for extractor in self.card.extractors):
            return None
        return np.asarray(np.mean([result.local_scores for result in results], axis=0, dtype=np.float64), np.float32)
