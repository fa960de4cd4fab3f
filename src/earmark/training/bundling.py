"""A finished experiment -> the bundle that tags: networks, layout, head and where all of it came from."""

from collections.abc import Mapping
from datetime import UTC, datetime

from earmark.errors import TrainingError
from earmark.tagging.bundle import Bundle, seal
from earmark.tagging.card import Card, Provenance
from earmark.tagging.layout import layout_of
from earmark.training.experiment import Experiment
from earmark.training.export import Arrays
from earmark.training.features import with_levels
from earmark.training.metrics import measure
from earmark.training.provenance import commit, versions
from earmark.training.recipe import Side

_REPORTED_SIDES: tuple[Side, ...] = ("valid", "test")


def bundle_of(experiment: Experiment, split: str, seed: int, recipe_text: str, metrics: Mapping[str, float]) -> Bundle:
    """Gather the local CNNs of a recipe and its global classifier into a sealed bundle.

    `seed` is that of the classifier; `metrics` are figures of exactly this model, a name each.
    """
    recipe, dataset = experiment.recipe, experiment.material.dataset
    arrays: Arrays = {}
    if recipe.model == "joint":
        joint = experiment.joint(split, seed)
        extractors, head = joint.extractors, joint.head
        for local in joint.local_arrays:
            arrays |= local
        arrays |= joint.arrays
    else:
        selection = experiment.selection()
        trained = [experiment.local(split, scale) for scale in selection.scales]
        extractors = tuple(with_levels(local.extractor, selection.levels) for local in trained)
        classifier = experiment.classifier(split, selection, seed)
        head = classifier.head
        for local_network in trained:
            arrays |= local_network.arrays
        arrays |= classifier.arrays
    card = Card(
        name=recipe.name,
        extractors=extractors,
        layout=layout_of(extractors),
        head=head,
        activation=experiment.activation,
        tags=dataset.tags,
        calibration=(),
        provenance=Provenance(
            recipe=recipe_text,
            data_hash=experiment.material.hash,
            split_hash=dataset.split(split).hash,
            commit=commit(),
            versions=versions(),
            seeds=(recipe.seed, seed),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        ),
        metrics=metrics,
        licence=recipe.licence,
    )
    return seal(card, arrays)


def model_metrics(experiment: Experiment, split: str, seed: int) -> dict[str, float]:
    """How well the model that `bundle_of` makes tags the validation and test sides of its split, a value a metric.

    A side that is empty, or on which no tag has both positives and negatives, has none.
    """
    material = experiment.material
    dataset = material.dataset
    scores = experiment.model_scores(split, seed)
    metrics: dict[str, float] = {}
    for side in _REPORTED_SIDES:
        if not len(material.clips_of(split, side)):
            continue
        try:
            measured = measure(
                material.by_track(scores, split, side),
                material.by_track(material.clips.targets, split, side),
                dataset.labels,
                dataset.task,
                dataset.positive_threshold,
            )
        except TrainingError:
            # The model is none the worse for it; who trains it is told which side has no figures.
            continue
        metrics |= {f"{side} ROC-AUC": measured.roc_auc, f"{side} PR-AUC": measured.pr_auc}
        if dataset.task == "one-label":
            metrics[f"{side} accuracy"] = measured.accuracy
    return metrics
