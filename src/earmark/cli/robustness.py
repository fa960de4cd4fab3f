"""`earmark calibrate` and `earmark robustness`: what a finished model's numbers are worth."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from earmark.cli.console import progress, say
from earmark.cli.recipes import recipe_file
from earmark.errors import MissingExtraError, RecipeError

if TYPE_CHECKING:
    from earmark.tagging.tagger import Tagger
    from earmark.training.datasets.base import Dataset
    from earmark.training.evaluation.perturbation import Perturbation

ModelArgument = Annotated[str, typer.Argument(help="A model's folder or name.", show_default=False)]
RecipeArgument = Annotated[
    Path, typer.Argument(help="A recipe: its section data says which tracks.", show_default=False)
]
SplitOption = Annotated[
    str | None, typer.Option(help="Which split of the recipe; without it the first.", show_default=False)
]
ThreadsOption = Annotated[int, typer.Option(min=1, help="Tracks that are tagged at a time.")]


def robustness(
    model: ModelArgument,
    recipe: RecipeArgument,
    split: SplitOption = None,
    side: Annotated[Literal["test", "valid"], typer.Option(help="Which side of the split.")] = "test",
    perturbation: Annotated[
        list[str] | None,
        typer.Option(help="Only this one, such as 'noise 20 dB'; again for more; without it all.", show_default=False),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(help="Draw what each perturbation costs into this .png or .svg.", show_default=False),
    ] = None,
    reliability_picture: Annotated[
        Path | None,
        typer.Option(help="Draw what probabilities and promises are worth into this .png or .svg.", show_default=False),
    ] = None,
    threads: ThreadsOption = 1,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, tag by tag, instead of tables.")] = False,
) -> None:
    """Measure a model on unchanged and on perturbed sound: metrics, tags that change, calibration, kept promises."""
    from earmark.plots import refuse_picture

    for path in filter(None, (picture, reliability_picture)):
        refuse_picture(path)
    tagger, dataset, chosen = _prepared(model, recipe, split)
    from earmark.training.evaluation.robustness import measure_robustness, robustness_json, robustness_text

    _warn_of_another_split(tagger, dataset, chosen)
    with progress("tagging") as done:
        measured = measure_robustness(tagger, dataset, chosen, side, done, _perturbations(perturbation or []), threads)
    typer.echo(robustness_json(measured) if as_json else robustness_text(measured))
    if picture is not None:
        from earmark.training.figures.robustness import draw_robustness

        draw_robustness(measured, picture)
        say(f"drew {picture}")
    if reliability_picture is not None:
        from earmark.training.figures.robustness import draw_reliability

        draw_reliability(measured, reliability_picture)
        say(f"drew {reliability_picture}")


def calibrate(
    model: ModelArgument,
    recipe: RecipeArgument,
    output: Annotated[Path, typer.Option(help="Folder for the calibrated model; may be the same.", show_default=False)],
    split: SplitOption = None,
    side: Annotated[
        Literal["valid", "test"], typer.Option(help="The side to calibrate on; it did not train the model.")
    ] = "valid",
    threads: ThreadsOption = 1,
) -> None:
    """Fit probabilities and thresholds of a trained model on one side of a split, and write the model with them."""
    tagger, dataset, chosen = _prepared(model, recipe, split)
    from earmark.tagging.bundle.bundle import write_bundle
    from earmark.training.bundling.calibrate import calibrate_bundle, shortage

    _warn_of_another_split(tagger, dataset, chosen)
    if tagger.labels == dataset.labels:
        lacking = shortage(dataset, dataset.split(chosen).side(side), dataset.labels)
        if lacking:
            say(lacking)
    with progress("tagging") as done:
        bundle, heard = calibrate_bundle(tagger.bundle, dataset, chosen, side, done, threads)
    for reason in heard.unreadable:
        say(f"left out: {reason}")
    write_bundle(bundle, output)
    calibration = bundle.card.calibration
    promising = sum(bool(entry.thresholds) for entry in calibration)
    say(f"calibrated {len(calibration)} tags on {len(heard.tracks)} tracks; {promising} of them promise a precision")
    typer.echo(output)


def _prepared(model: str, recipe: Path, split: str | None) -> "tuple[Tagger, Dataset, str]":
    """The tagger, the recipe's dataset, and the split that is meant."""
    try:
        from earmark.training.recipe.recipe import read_recipe

        with recipe_file(recipe) as path:
            section = read_recipe(path).data
        from earmark.training.datasets.registry import load_dataset
    except ImportError as error:
        raise MissingExtraError("Measuring", "train", error.name or str(error)) from error
    from earmark.tagging.tagger import load

    chosen = split or section.splits[0]
    if chosen not in section.splits:
        raise RecipeError(f"The recipe has no split {chosen!r}; it has {', '.join(section.splits)}.")
    return load(model), load_dataset(section.dataset, section.root, section.options), chosen


def _perturbations(names: list[str]) -> "tuple[Perturbation, ...]":
    from earmark.training.evaluation.perturbation import PERTURBATIONS

    known = {change.name: change for change in PERTURBATIONS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise typer.BadParameter(
            f"there is no {unknown[0]!r}; choose from {', '.join(known)}", param_hint="--perturbation"
        )
    return tuple(known[name] for name in dict.fromkeys(names)) if names else PERTURBATIONS


def _warn_of_another_split(tagger: "Tagger", dataset: "Dataset", split: str) -> None:
    if tagger.card.provenance.split_hash != dataset.split(split).hash:
        say(
            f"The model was not trained on this split ({split}): where the sound is the same, tracks measured here "
            "may have trained it."
        )
