"""Teaching a model new words: from examples to a bundle, with a report on how well each word will do."""

import dataclasses
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version

import numpy as np
import numpy.typing as npt

from earmark import __version__
from earmark.errors import TeachingError
from earmark.tagging.bundle.bundle import Bundle, seal
from earmark.tagging.bundle.card import Head, Provenance, TagCalibration, TagName
from earmark.tagging.engines.network import Classifier
from earmark.teaching.examples import Examples
from earmark.teaching.quality import Quality, quality_of
from earmark.teaching.regression import Columns, Numbers, RegressionData, choices_of
from earmark.teaching.selection import Selected, select

LEAST_EXAMPLES = 5
ENOUGH_EXAMPLES = 10
USEFUL_AUC = 0.7
GROUP = "taught"
HIDDEN = "the classifier's hidden layer"

Floats = npt.NDArray[np.float32]
Calibrate = Callable[[Floats, Floats, Sequence[TagName], Sequence[str]], tuple[TagCalibration, ...]]
"""A function from out-of-fold logits and targets, both (tracks, tags), tags and groups to a calibration."""


@dataclass(frozen=True)
class Lesson:
    """The settings of teaching.

    name: the name of the new model. group: the group of its tags. least_examples: words with fewer are left out.
    seed: the seed of the folds.
    """

    name: str
    group: str = GROUP
    least_examples: int = LEAST_EXAMPLES
    seed: int = 0


@dataclass(frozen=True)
class WordReport:
    """How well a word will do on other tracks.

    examples: the number of tracks with it; groups: of their artists or folders. quality: None for a word that is left
    out. promises: the precisions that can be promised for some tracks. advice: what to do; empty where nothing is.
    """

    word: str
    examples: int
    groups: int
    quality: Quality | None
    promises: tuple[str, ...]
    advice: str


@dataclass(frozen=True, eq=False)
class Taught:
    """A taught model with its report.

    reports: one for each word, the words left out last. tracks: how many it was fitted on. columns: the name of the
    choice that the head reads. strength: its regularisation. searched: the mean AUC of each choice of columns.
    """

    bundle: Bundle
    reports: tuple[WordReport, ...]
    tracks: int
    columns: str
    strength: float
    searched: tuple[tuple[str, float], ...]


def teach(base: Bundle, examples: Examples, lesson: Lesson, calibrate: Calibrate) -> Taught:
    """Fit a head on vectors that the base's extractors computed, and calibrate it on out-of-fold logits.

    base: the taught model has its extractors, layout and standardisation, so that no track is decoded again.

    Raises TeachingError where no word has enough examples, or where the vectors are of another model.
    """
    card = base.card
    if examples.vectors.shape[1] != card.vector_width:
        raise TeachingError(
            f"found vectors of {examples.vectors.shape[1]} columns, expected {card.vector_width} of {card.name}. Hear "
            "the tracks with that model."
        )
    reasons = _reasons(examples, lesson.least_examples)
    words = [word for word in examples.words if word not in reasons]
    if not words:
        told = "; ".join(f"{word}: {reason}" for word, reason in list(reasons.items())[:5])
        raise TeachingError(f"found no word that can be taught ({told}). Label more tracks.")
    known = examples.with_words(words)
    reading = Reading(base, known.vectors)
    selected = select(reading.space, known.has, known.groups, reading.choices, lesson.seed)
    tags = tuple(TagName(word, lesson.group) for word in known.words)
    calibration = calibrate(selected.logits.astype(np.float32), known.has.astype(np.float32), tags, known.groups)
    places = np.unique(np.array(known.groups), return_inverse=True)[1]
    reports = [_report(known, number, selected, calibration[number], places) for number in range(len(known.words))]
    reports += [_left_out(examples, word, reason) for word, reason in reasons.items()]
    bundle = _bundle(base, known, lesson, selected, reading, calibration, reports)
    return Taught(
        bundle,
        tuple(reports),
        len(known.names),
        selected.setting.columns.name,
        selected.setting.strength,
        selected.searched,
    )


class Reading:
    """The columns that a taught head may read: standardised track vectors, and the base's first hidden layer.

    That layer was trained on the meanings of many tags, so that few examples suffice in it (docs/RESULTS.md). A taught
    head that reads it has a copy of that layer.
    """

    def __init__(self, base: Bundle, vectors: Floats) -> None:
        """`base`: the model that is taught. `vectors`: (tracks, columns) float32, computed by its extractors."""
        self._base = base
        self._width = base.card.vector_width
        standardised = (vectors - base.weights["head.mean"]) / base.weights["head.deviation"]
        self._hidden_units = base.card.head.hidden_units[:1]
        self._mean, self._deviation = np.zeros(0), 1.0
        if self._hidden_units:
            hidden = Classifier(base.card.head, base.weights).hidden(vectors)
            # Choice: one deviation for all units, because that of a rarely active unit is unreliable on few tracks.
            self._mean, self._deviation = hidden.mean(axis=0, dtype=np.float64), float(hidden.std()) or 1.0
            standardised = np.concatenate([standardised, (hidden - self._mean) / self._deviation], axis=1)
        self._standardised = standardised

    @cached_property
    def space(self) -> RegressionData:
        """The data on which regressions are fitted."""
        return RegressionData(self._standardised, self._base.card.layout)

    @property
    def choices(self) -> tuple[Columns, ...]:
        """The choices of columns among which cross-validation selects one."""
        choices = choices_of(self._base.card.layout)
        hidden = [Columns(HIDDEN, self._width + np.arange(units)) for units in self._hidden_units]
        return (*choices, *hidden)

    def head(self, columns: Columns, weights: Numbers, intercepts: Numbers) -> tuple[Head, dict[str, Floats]]:
        """Return the head with these weights, and the tensors of its layers by their names in a bundle.

        `weights`: (words, columns of the vectors), zero outside `columns`; `intercepts`: (words,).
        """
        if columns.name != HIDDEN:
            return Head((), ""), _layer(1, weights[:, : self._width], intercepts)
        own = weights[:, self._width :] / self._deviation
        first = {f"head.layer.1.{part}": self._base.weights[f"head.layer.1.{part}"] for part in ("weight", "bias")}
        return Head(self._hidden_units, ""), {**first, **_layer(2, own, intercepts - own @ self._mean)}


def _reasons(examples: Examples, least: int) -> dict[str, str]:
    """Return the words that cannot be taught, each with the reason."""
    reasons = {}
    for number, word in enumerate(examples.words):
        has = examples.has[:, number]
        own = {group for group, there in zip(examples.groups, has.tolist(), strict=True) if there}
        others = {group for group, there in zip(examples.groups, has.tolist(), strict=True) if not there}
        if has.sum() < least:
            reasons[word] = f"left out: {has.sum()} examples, expected at least {least}; label {least - has.sum()} more"
        elif has.all():
            reasons[word] = "left out: every track has it; label tracks that do not"
        elif len(own) < 2 or len(others) < 2:
            which = "with" if len(own) < 2 else "without"
            reasons[word] = f"left out: all tracks {which} it are of one artist or folder; label some of others"
    return reasons


def _report(
    known: Examples, number: int, selected: Selected, calibration: TagCalibration, places: npt.NDArray[np.int64]
) -> WordReport:
    has = known.has[:, number]
    quality = quality_of(selected.logits[:, number], has, places)
    count = int(has.sum())
    advice = ""
    if quality.low <= 0.5:
        advice = "perhaps no better than chance: label more tracks, or the word is not in the sound"
    elif count < ENOUGH_EXAMPLES:
        advice = f"label {ENOUGH_EXAMPLES - count} more tracks with it"
    elif quality.low < USEFUL_AUC:
        advice = "label more tracks, of other artists"
    return WordReport(
        known.words[number], count, len(np.unique(places[has])), quality, tuple(calibration.thresholds), advice
    )


def _left_out(examples: Examples, word: str, reason: str) -> WordReport:
    has = examples.has[:, examples.words.index(word)]
    own = {group for group, there in zip(examples.groups, has.tolist(), strict=True) if there}
    return WordReport(word, int(has.sum()), len(own), None, (), reason)


def _bundle(
    base: Bundle,
    known: Examples,
    lesson: Lesson,
    selected: Selected,
    reading: Reading,
    calibration: tuple[TagCalibration, ...],
    reports: Sequence[WordReport],
) -> Bundle:
    """Return the base with the taught head: one layer on the track vector, or one on the base's hidden layer."""
    setting = selected.setting
    fitted = [
        reading.space.weights(setting.columns, known.has[:, number], setting.strength)
        for number in range(len(known.words))
    ]
    head, layers = reading.head(
        setting.columns, np.array([own for own, _ in fitted]), np.array([intercept for _, intercept in fitted])
    )
    weights = {name: weight for name, weight in base.weights.items() if not name.startswith("head.layer.")} | layers
    measured = [report.quality for report in reports if report.quality is not None]
    card = dataclasses.replace(
        base.card,
        name=lesson.name,
        head=head,
        activation="sigmoid",
        tags=tuple(TagName(word, lesson.group) for word in known.words),
        calibration=calibration,
        provenance=Provenance(
            recipe=_recipe(base, lesson, selected),
            data_hash=known.hash,
            split_hash=f"{len(set(known.groups))} groups, seed {lesson.seed}",
            commit=f"earmark {__version__}",
            versions={
                "python": platform.python_version(),
                **{package: version(package) for package in ("numpy", "scikit-learn")},
            },
            seeds=(lesson.seed,),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        ),
        metrics={
            "roc_auc": float(np.mean([each.auc for each in measured])),
            "tracks": float(len(known.names)),
        },
    )
    return seal(card, weights)


def _recipe(base: Bundle, lesson: Lesson, selected: Selected) -> str:
    """Return the settings of teaching as TOML."""
    name = lesson.name.replace("\\", "\\\\").replace('"', '\\"')
    based = base.card.name.replace("\\", "\\\\").replace('"', '\\"')
    return (
        f'[teach]\nname = "{name}"\nbase = "{based}"\nbase_head = "{base.card.head.hash}"\n'
        f'columns = "{selected.setting.columns.name}"\nstrength = {selected.setting.strength}\n'
        f"seed = {lesson.seed}\nleast_examples = {lesson.least_examples}\n"
    )


def _layer(number: int, weights: Numbers, bias: Numbers) -> dict[str, Floats]:
    return {
        f"head.layer.{number}.weight": weights.astype(np.float32),
        f"head.layer.{number}.bias": bias.astype(np.float32),
    }
