"""Run `earmark train` and `earmark model-card`, which make a model and its card from a recipe."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli.output import progress, say, say_nothing
from earmark.cli.resources import recipe_file
from earmark.errors import MissingExtraError, RecipeError

if TYPE_CHECKING:
    from earmark.training.steps.experiment import Experiment

RecipeArgument = Annotated[
    Path, typer.Argument(help="Recipe file, or a name that `earmark recipes` lists.", show_default=False)
]
RunsOption = Annotated[Path, typer.Option(help="Folder for prepared frames, finished steps and results.")]
ProcessesOption = Annotated[int, typer.Option(min=1, help="Number of processes that decode sound.")]
AcceleratorOption = Annotated[str, typer.Option(help="Device for training: cpu, cuda or auto.")]
PrecisionOption = Annotated[str, typer.Option(help="Numeric precision of training: 32-true, or bf16-mixed on a GPU.")]


def train(
    recipe: RecipeArgument,
    split: Annotated[
        str | None,
        typer.Option(help="Split to train on; default: the recipe's bundle.split, or its first.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for the trained model; default: RUNS/NAME/model.", show_default=False)
    ] = None,
    runs: RunsOption = Path("runs"),
    processes: ProcessesOption = 2,
    accelerator: AcceleratorOption = "auto",
    precision: PrecisionOption = "32-true",
) -> None:
    """Run the three training steps of a recipe and write the model for `earmark tag --model`."""
    experiment = prepared_experiment(recipe, runs, processes, accelerator, precision)
    from earmark.tagging.bundle.bundle import write_bundle
    from earmark.training.bundling.bundle import bundle_of, model_metrics

    described = experiment.recipe
    chosen = split or described.bundle.split or described.data.splits[0]
    known = list(experiment.data.dataset.splits)
    if chosen not in known:
        raise RecipeError(f"There is no split {chosen!r}; {described.data.dataset} has {', '.join(known)}.")
    say_shortage(experiment, [chosen])
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
            say(f"{side}: no metrics, because no tag has both positive and negative tracks there")
    for name, value in metrics.items():
        say(f"{name}: {value:.3f}")
    say(f'The model is in {folder}. Use it with: earmark tag --model "{folder}" song.mp3')
    typer.echo(folder)


def model_card(
    recipe: RecipeArgument,
    prose: Annotated[Path, typer.Argument(help="Markdown file with the card's introduction, written by people.")],
    runs: RunsOption = Path("runs"),
    processes: ProcessesOption = 2,
    accelerator: AcceleratorOption = "auto",
    precision: PrecisionOption = "32-true",
) -> None:
    """Print the card of a recipe's model: an introduction, the training data, and the quality of each tag."""
    experiment = prepared_experiment(recipe, runs, processes, accelerator, precision)
    from earmark.training.bundling.model_card import model_card as written

    text = prose.read_text(encoding="utf-8")
    typer.echo(written(experiment, experiment.recipe.evaluation.seeds[0], text), nl=False)


def prepared_experiment(recipe: Path, runs: Path, processes: int, accelerator: str, precision: str) -> "Experiment":
    """Read a recipe, prepare its data, and return the experiment, which is ready to train."""
    try:
        from earmark.training.recipe.recipe import read_recipe

        # The recipe is read first, because the imports of the training take seconds.
        with recipe_file(recipe) as path:
            described = read_recipe(path)
        from earmark.training.data.clips import prepare_data
        from earmark.training.steps.experiment import Experiment
        from earmark.training.steps.fit import fabric_of
        from earmark.training.steps.steps import Steps
    except ImportError as error:
        raise MissingExtraError("Training", "train", error.name or str(error)) from error
    fabric = fabric_of(accelerator, precision)
    tell: Callable[[str], None] = say if fabric.is_global_zero else say_nothing
    sections = [described.data] if described.local.data is None else [described.data, described.local.data]
    # The first process decodes; the others wait and find the data prepared.
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


def say_shortage(experiment: "Experiment", splits: Sequence[str]) -> None:
    """Say before the training which data the calibration will lack.

    Raises:
        TrainingError: the calibration would have no data at all.
    """
    from earmark.training.bundling.bundle import calibration_shortage

    for split in splits:
        lacking = calibration_shortage(experiment, split)
        if lacking and experiment.leads:
            say(f"{split}: {lacking}")
