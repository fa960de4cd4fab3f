"""Run `earmark evaluate`, `figures`, `robustness` and `calibrate`, which measure, draw and calibrate models."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from earmark.cli.output import progress, say, say_nothing
from earmark.cli.resources import recipe_file
from earmark.cli.train import (
    AcceleratorOption,
    PrecisionOption,
    ProcessesOption,
    RecipeArgument,
    RunsOption,
    prepared_experiment,
    say_shortage,
)
from earmark.errors import MissingExtraError, RecipeError

if TYPE_CHECKING:
    from earmark.tagging.tagger import Tagger
    from earmark.training.datasets.base import Dataset
    from earmark.training.evaluation.perturbation import Perturbation


ModelArgument = Annotated[str, typer.Argument(help="Folder or name of the model.", show_default=False)]
DataArgument = Annotated[Path, typer.Argument(help="Recipe whose section data names the tracks.", show_default=False)]
SplitOption = Annotated[str | None, typer.Option(help="Split of the recipe; default: its first.", show_default=False)]
ThreadsOption = Annotated[int, typer.Option(min=1, help="Number of tracks tagged at once.")]


class Format(StrEnum):
    """The file format of a figure."""

    PNG = "png"
    SVG = "svg"
    PDF = "pdf"


def evaluate(
    recipe: RecipeArgument,
    side: Annotated[
        Literal["test", "valid"], typer.Option(help="Side to measure: valid to choose a model, test to report it.")
    ] = "test",
    runs: RunsOption = Path("runs"),
    processes: ProcessesOption = 2,
    accelerator: AcceleratorOption = "auto",
    precision: PrecisionOption = "32-true",
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON with every tag instead of a table.")] = False,
) -> None:
    """Measure everything that a recipe compares, over its splits and seeds.

    The results are also written to RUNS/NAME.
    """
    experiment = prepared_experiment(recipe, runs, processes, accelerator, precision)
    from earmark.training.evaluation.evaluate import evaluate as measure_all
    from earmark.training.evaluation.report import evaluation_json, evaluation_text

    say_shortage(experiment, experiment.recipe.data.splits)
    evaluation = measure_all(experiment, side, say if experiment.leads else say_nothing)
    if not experiment.leads:
        return
    text, document = evaluation_text(evaluation), evaluation_json(evaluation)
    if experiment.recipe.bundle.calibrate and side == "test":
        from earmark.training.bundling.bundle import experiment_reliability
        from earmark.training.evaluation.reliability import fold_reliability_text

        reliability = experiment_reliability(experiment, experiment.recipe.evaluation.seeds[0])
        text = f"{text}\n\n{fold_reliability_text(reliability)}"
    folder = runs / experiment.recipe.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{side}.md").write_text(text + "\n", encoding="utf-8")
    (folder / f"{side}.json").write_text(document + "\n", encoding="utf-8")
    typer.echo(document if as_json else text)


def figures(
    run: Annotated[Path, typer.Argument(help="Folder of a measured run, such as runs/demo.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option(help="Folder for the figures; default: RUN/figures.", show_default=False)
    ] = None,
    formats: Annotated[
        list[Format] | None,
        typer.Option("--format", help="File format; repeat for more; default: png and svg.", show_default=False),
    ] = None,
    side: Annotated[
        Literal["test", "valid"], typer.Option(help="Measured side to draw, as in earmark evaluate.")
    ] = "test",
    level_scale: Annotated[
        int | None,
        typer.Option(
            help="Scale, in frames, whose levels are shown; default: 27, or the first that was measured.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Draw the letter's figures 1 to 5 from the results of `earmark evaluate`, and name those that have no results."""
    try:
        from earmark.training.figures import draw_run
    except ImportError as error:
        raise MissingExtraError("Drawing", "train", error.name or str(error)) from error
    endings = [str(chosen) for chosen in formats or (Format.PNG, Format.SVG)]
    for path in draw_run(run, output, list(dict.fromkeys(endings)), side=side, level_scale=level_scale, say=say):
        typer.echo(path)


def robustness(
    model: ModelArgument,
    recipe: DataArgument,
    split: SplitOption = None,
    side: Annotated[Literal["test", "valid"], typer.Option(help="Side of the split.")] = "test",
    perturbation: Annotated[
        list[str] | None,
        typer.Option(
            help="Perturbation to measure, such as 'noise 20 dB'; repeat for more; default: all.", show_default=False
        ),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(help="Draw the effect of each perturbation to this .png or .svg file.", show_default=False),
    ] = None,
    reliability_picture: Annotated[
        Path | None,
        typer.Option(
            help="Draw the reliability of probabilities and promises to this .png or .svg file.", show_default=False
        ),
    ] = None,
    threads: ThreadsOption = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON with every tag instead of tables.")] = False,
) -> None:
    """Measure a model on unchanged and on perturbed sound.

    The results are metrics, tags that change, calibration, and whether promised precisions are kept.
    """
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
    recipe: DataArgument,
    output: Annotated[
        Path, typer.Option(help="Folder for the calibrated model; may be the model's own.", show_default=False)
    ],
    split: SplitOption = None,
    side: Annotated[
        Literal["valid", "test"], typer.Option(help="Side to calibrate on; the model must not have been trained on it.")
    ] = "valid",
    threads: ThreadsOption = 1,
) -> None:
    """Calibrate the probabilities and thresholds of a trained model on one side of a split, and write the model."""
    tagger, dataset, chosen = _prepared(model, recipe, split)
    from earmark.tagging.bundle.bundle import write_bundle
    from earmark.training.bundling.calibrate import calibrate_bundle, shortage

    _warn_of_another_split(tagger, dataset, chosen)
    if tagger.labels == dataset.labels:
        lacking = shortage(dataset, dataset.split(chosen).side(side), dataset.labels)
        if lacking:
            say(lacking)
    with progress("tagging") as done:
        bundle, scored = calibrate_bundle(tagger.bundle, dataset, chosen, side, done, threads)
    for reason in scored.unreadable:
        say(f"left out: {reason}")
    write_bundle(bundle, output)
    calibration = bundle.card.calibration
    promising = sum(bool(entry.thresholds) for entry in calibration)
    say(f"calibrated {len(calibration)} tags on {len(scored.tracks)} tracks; {promising} of them promise a precision")
    typer.echo(output)


def _prepared(model: str, recipe: Path, split: str | None) -> "tuple[Tagger, Dataset, str]":
    """Return the tagger, the recipe's dataset, and the split to use."""
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
            f"there is no perturbation {unknown[0]!r}; choose from {', '.join(known)}", param_hint="--perturbation"
        )
    return tuple(known[name] for name in dict.fromkeys(names)) if names else PERTURBATIONS


def _warn_of_another_split(tagger: "Tagger", dataset: "Dataset", split: str) -> None:
    if tagger.card.provenance.split_hash != dataset.split(split).hash:
        say(
            f"The model was not trained on this split ({split}). If the sound is the same, it may have been trained on "
            "tracks that are measured here."
        )
