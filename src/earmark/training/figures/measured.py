"""Read a measured run as `earmark evaluate` stored it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, Field, FiniteFloat, ValidationError

from earmark.errors import TrainingError
from earmark.training.recipe.recipe import Recipe
from earmark.training.recipe.sections import Side


class _Tag(BaseModel):
    label: str
    roc_auc: FiniteFloat


class _Pooled(BaseModel):
    tags: list[_Tag]


class _Result(BaseModel):
    name: str
    kind: str
    scales: tuple[int, ...]
    levels: tuple[int, ...]
    values: list[list[FiniteFloat]] = Field(min_length=1)
    mean: FiniteFloat
    split_deviation: FiniteFloat
    seed_deviation: FiniteFloat
    pooled: _Pooled


class _Dataset(BaseModel):
    name: str
    hash: str
    task: str
    groups: dict[str, str] = Field(min_length=1)


class _LocalOutputs(BaseModel):
    tags: int
    task: str


class _Provenance(BaseModel):
    earmark: str
    commit: str


class _Document(BaseModel):
    """The parts of a stored evaluation that figures need; other parts are ignored."""

    recipe: Recipe
    dataset: _Dataset
    splits: dict[str, str]
    side: Side
    tracks: int
    local: _LocalOutputs
    provenance: _Provenance
    results: list[_Result] = Field(min_length=1)


@dataclass(frozen=True)
class MeasuredRow:
    """The measured values of one method.

    Attributes:
        name: the name of the method, such as "global 27".
        kind: its kind, such as "global".
        scales: the scales of its networks; none for a baseline.
        levels: the levels used; an empty tuple means all.
        mean: the metric of the task (accuracy, or mean ROC-AUC), mean over seeds and splits.
        deviation: its standard deviation over splits, or over seeds where there is one split; 0 without repetitions.
        tag_auc: the ROC-AUC of every tag over all tracks together, by label.
    """

    name: str
    kind: str
    scales: tuple[int, ...]
    levels: tuple[int, ...]
    mean: float
    deviation: float
    tag_auc: Mapping[str, float]


@dataclass(frozen=True)
class MeasuredRun:
    """A measured run: its recipe, its dataset, and the values of every method.

    Attributes:
        folder: the folder of the run.
        recipe: the recipe that was run.
        dataset, dataset_hash: the name and the hash of its dataset.
        one_label: whether every track has exactly one tag.
        splits: the hash of each split by name.
        side: the side that was measured.
        tracks: the number of tracks measured.
        earmark, commit: the version and the commit of the code that measured.
        tags: all labels in order, with those that were not measured.
        groups: the group of each label.
        local_tags: the number of outputs of the local CNNs, which may be trained on another dataset.
        local_one_label: whether these outputs are a softmax.
        rows: the values of every method.
    """

    folder: Path
    recipe: Recipe
    dataset: str
    dataset_hash: str
    one_label: bool
    splits: Mapping[str, str]
    side: Side
    tracks: int
    earmark: str
    commit: str
    tags: tuple[str, ...]
    groups: Mapping[str, str]
    local_tags: int
    local_one_label: bool
    rows: tuple[MeasuredRow, ...]

    @property
    def number(self) -> str:
        """The name of the metric of the task."""
        return "accuracy" if self.one_label else "ROC-AUC"

    @property
    def levels(self) -> tuple[int, ...]:
        """The levels that the recipe's multi-level rows use; an empty tuple means all."""
        return () if self.recipe.global_.levels == "all" else self.recipe.global_.levels

    @property
    def levels_label(self) -> str:
        """The levels in words, such as "all levels" or "L1+L2"."""
        return "+".join(f"L{level}" for level in self.levels) or "all levels"

    def rows_of(self, kind: str, scales: tuple[int, ...], levels: tuple[int, ...] = ()) -> tuple[MeasuredRow, ...]:
        """Return the row of a kind with these scales and levels; an empty tuple where it was not measured."""
        wanted = (kind, scales, levels)
        return tuple(row for row in self.rows if (row.kind, row.scales, row.levels) == wanted)

    @property
    def footer(self) -> str:
        """The origin of the values in words: dataset, tracks, splits, seeds, version and commit."""
        recipe = self.recipe
        splits = ", ".join(f"{name}\N{NO-BREAK SPACE}{split_hash[:12]}" for name, split_hash in self.splits.items())
        seeds = ", ".join(str(seed) for seed in recipe.evaluation.seeds)
        return (
            f"Dataset {self.dataset} {self.dataset_hash[:12]}, {self.tracks} tracks of side {self.side}; "
            f"split{'s' if len(self.splits) > 1 else ''} {splits}. Recipe {recipe.name}; seeds: local step "
            f"{recipe.seed}, global step {seeds}. earmark {self.earmark}, commit\N{NO-BREAK SPACE}{self.commit}."
        )

    @property
    def spread(self) -> str:
        """The meaning of plotted means and error bars in words."""
        splits, seeds = len(self.splits), len(self.recipe.evaluation.seeds)
        over = " and ".join(
            f"{count} {what}" for count, what in ((splits, "splits"), (seeds, "seeds of the global step")) if count > 1
        )
        if not over:
            return "One split and one seed: nothing was repeated, so there are no deviations."
        return f"Means over {over}; bars: one deviation over {'splits' if splits > 1 else 'seeds'} to either side."


def read_run(folder: Path, side: Side = "test") -> MeasuredRun:
    """Read the evaluation of one side from the folder of a run, such as runs/demo.

    Raises:
        TrainingError: there is no such folder, the side was not measured, or the file holds no evaluation.
    """
    if not folder.is_dir():
        raise TrainingError(
            f"There is no run {folder}; expected the folder of a measured one, such as runs/demo. "
            "Measure first: earmark evaluate recipes/demo.toml"
        )
    path = folder / f"{side}.json"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise TrainingError(f"The run {folder} has no {path.name}: {_how_to_get(folder, side)}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path} cannot be read ({error}); measure again with earmark evaluate.") from error
    try:
        document = _Document.model_validate_json(text)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise TrainingError(
            f"{path} is not what earmark evaluate writes ({where + ': ' if where else ''}{error.errors()[0]['msg']}); "
            "expected an evaluation in JSON. Measure again with earmark evaluate."
        ) from error
    return _run_of(folder, document)


def quoted(names: tuple[str, ...]) -> str:
    """Quote names as in a recipe, such as `"local", "multi-level"`."""
    return ", ".join(json.dumps(name) for name in names)


def _how_to_get(folder: Path, side: Side) -> str:
    others: tuple[Side, ...] = ("test", "valid")
    measured = [other for other in others if other != side and (folder / f"{other}.json").is_file()]
    if measured:
        return f"only {measured[0]}.json is there. Draw that with --side {measured[0]}, or measure the side {side} too."
    return f"it was not measured. Measure it with earmark evaluate and the recipe of {folder.name}."


def _run_of(folder: Path, document: _Document) -> MeasuredRun:
    return MeasuredRun(
        folder=folder,
        recipe=document.recipe,
        dataset=document.dataset.name,
        dataset_hash=document.dataset.hash,
        one_label=document.dataset.task == "one-label",
        splits=document.splits,
        side=document.side,
        tracks=document.tracks,
        earmark=document.provenance.earmark,
        commit=document.provenance.commit,
        tags=tuple(document.dataset.groups),
        groups=document.dataset.groups,
        local_tags=document.local.tags,
        local_one_label=document.local.task == "one-label",
        rows=tuple(_row_of(result) for result in document.results),
    )


def _row_of(result: _Result) -> MeasuredRow:
    several_splits = len(result.values[0]) > 1
    return MeasuredRow(
        name=result.name,
        kind=result.kind,
        scales=result.scales,
        levels=result.levels,
        mean=result.mean,
        deviation=result.split_deviation if several_splits else result.seed_deviation,
        tag_auc={tag.label: tag.roc_auc for tag in result.pooled.tags},
    )
