"""`earmark train` and `earmark evaluate`: a recipe in, a model or figures out."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from earmark.cli.console import progress, say
from earmark.cli.recipes import recipe_file
from earmark.errors import MissingExtraError, RecipeError

if TYPE_CHECKING:
    from earmark.training.steps.experiment import Experiment

RecipeArgument = Annotated[
    Path, typer.Argument(help="A recipe, or the name of one that `earmark recipes` lists.", show_default=False)
]
RunsOption = Annotated[Path, typer.Option(help="Folder for prepared frames, finished steps and results.")]
ProcessesOption = Annotated[int, typer.Option(min=1, help="Processes that decode sound.")]
AcceleratorOption = Annotated[str, typer.Option(help="cpu, cuda or auto.")]
PrecisionOption = Annotated[str, typer.Option(help="32-true, or bf16-mixed on a GPU.")]


def train(
    recipe: RecipeArgument,
    split: Annotated[
        str | None,
        typer.Option(help="Which split; without it the recipe's bundle.split, or its first.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder of the trained model; without it RUNS/NAME/model.", show_default=False)
    ] = None,
    runs: RunsOption = Path("runs"),
    processes: ProcessesOption = 2,
    accelerator: AcceleratorOption = "auto",
    precision: PrecisionOption = "32-true",
) -> None:
    """Run the three steps of a recipe and write the model, ready for `earmark tag --model`."""
    experiment = _experiment(recipe, runs, processes, accelerator, precision)
    from earmark.tagging.bundle.bundle import write_bundle
    from earmark.training.bundling.bundle import bundle_of, model_metrics

    described = experiment.recipe
    chosen = split or described.bundle.split or described.data.splits[0]
    known = list(experiment.data.dataset.splits)
    if chosen not in known:
        raise RecipeError(f"There is no split {chosen!r}; {described.data.dataset} has {', '.join(known)}.")
    _tell_shortage(experiment, [chosen])
    seed = experiment.recipe.evaluation.seeds[0]
    metrics = model_metrics(experiment, chosen, seed)
    with recipe_file(recipe) as path:
        bundle = bundle_of(experiment, chosen, seed, path.read_text(encoding="utf-8"), metrics)
    folder = output or runs / experiment.recipe.name / "model"
    if not experiment.leads:
        return
    write_bundle(bundle, folder)
    for side in ("valid", "test"):
        if not any(name.startswith(side) for name in metrics):
            say(f"{side}: no figures, as no tag has both positive and negative tracks there")
    for name, value in metrics.items():
        say(f"{name}: {value:.3f}")
    say(f'The model is in {folder}. Tag with it: earmark tag --model "{folder}" song.mp3')
    typer.echo(folder)


def evaluate(
    recipe: RecipeArgument,
    side: Annotated[Literal["test", "valid"], typer.Option(help="Choose on valid; report on test, once.")] = "test",
    runs: RunsOption = Path("runs"),
    processes: ProcessesOption = 2,
    accelerator: AcceleratorOption = "auto",
    precision: PrecisionOption = "32-true",
    as_json: Annotated[bool, typer.Option("--json", help="JSON, tag by tag, instead of a table.")] = False,
) -> None:
    """Measure everything that a recipe compares, over its splits and seeds; also kept in RUNS/NAME."""
    experiment = _experiment(recipe, runs, processes, accelerator, precision)
    from earmark.training.evaluation.evaluate import evaluate as measure_all
    from earmark.training.evaluation.report import evaluation_json, evaluation_text

    _tell_shortage(experiment, experiment.recipe.data.splits)
    evaluation = measure_all(experiment, side, say if experiment.leads else _say_nothing)
    if not experiment.leads:
        return
    text, document = evaluation_text(evaluation), evaluation_json(evaluation)
    if experiment.recipe.bundle.calibrate and side == "test":
        from earmark.training.bundling.fold_reliability import experiment_reliability, fold_reliability_text

        reliability = experiment_reliability(experiment, experiment.recipe.evaluation.seeds[0])
        text = f"{text}\n\n{fold_reliability_text(reliability)}"
    folder = runs / experiment.recipe.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{side}.md").write_text(text + "\n", encoding="utf-8")
    (folder / f"{side}.json").write_text(document + "\n", encoding="utf-8")
    typer.echo(document if as_json else text)


def model_card(
    recipe: RecipeArgument,
    prose: Annotated[Path, typer.Argument(help="What people have to say of the model, in Markdown.")],
    runs: RunsOption = Path("runs"),
    processes: ProcessesOption = 2,
    accelerator: AcceleratorOption = "auto",
    precision: PrecisionOption = "32-true",
) -> None:
    """Print the card of the model that a recipe makes: prose, then what it heard and how well it tells each tag."""
    experiment = _experiment(recipe, runs, processes, accelerator, precision)
    from earmark.training.bundling.model_card import model_card as written

    text = prose.read_text(encoding="utf-8")
    typer.echo(written(experiment, experiment.recipe.evaluation.seeds[0], text), nl=False)


def _experiment(recipe: Path, runs: Path, processes: int, accelerator: str, precision: str) -> "Experiment":
    """A recipe with its data prepared, ready to train."""
    try:
        from earmark.training.recipe.recipe import read_recipe

        # What trains takes seconds to load; a wrong recipe is told before.
        with recipe_file(recipe) as path:
            described = read_recipe(path)
        from earmark.training.data.clips import prepare_data
        from earmark.training.steps.experiment import Experiment
        from earmark.training.steps.fit import fabric_of
        from earmark.training.steps.steps import Steps
    except ImportError as error:
        raise MissingExtraError("Training", "train", error.name or str(error)) from error
    fabric = fabric_of(accelerator, precision)
    tell: Callable[[str], None] = say if fabric.is_global_zero else _say_nothing
    sections = [described.data] if described.local.data is None else [described.data, described.local.data]
    # One process decodes; the others find everything prepared.
    with progress("decoding") as done, fabric.rank_zero_first():
        prepared = [
            prepare_data(
                section,
                runs / "store",
                processes,
                done,
                frames=described.needs_frames,
                waveforms=described.needs_waveforms,
                front_end=described.front_end.settings,
            )
            for section in sections
        ]
    for note in dict.fromkeys(note for data in prepared for note in data.dataset.left_out):
        tell(note)
    return Experiment(described, prepared[0], Steps(runs / "steps", fabric), fabric, tell, prepared[-1])


def _tell_shortage(experiment: "Experiment", splits: Sequence[str]) -> None:
    """Say before the training what the calibration will lack; raises TrainingError where it would have nothing."""
    from earmark.training.bundling.bundle import calibration_shortage

    for split in splits:
        lacking = calibration_shortage(experiment, split)
        if lacking and experiment.leads:
            say(f"{split}: {lacking}")


def _say_nothing(line: str) -> None:
    del line
