"""Run `earmark models` and `earmark recipes`, which list the models, recipes and vocabularies that earmark includes."""

import importlib.resources
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli.output import say
from earmark.errors import RecipeError

if TYPE_CHECKING:
    from earmark.tagging.bundle.card import Card, TagCalibration

RECIPES_FOLDER = "recipes"
VOCABULARIES_FOLDER = "vocabularies"

JUDGES: Mapping[str, str] = {"listeners": "people who listened", "titles": "titles", "teachers": "other taggers"}
COLUMNS = ("tag", "group", "synonyms", "implies", "excludes", "judged by", "promised at")
"""The columns of `earmark models --tags`."""


def recipes(
    name: Annotated[str | None, typer.Argument(help="Print this recipe, such as demo, instead of the list.")] = None,
    copy: Annotated[
        Path | None,
        typer.Option(
            help="Copy the named recipe, or all, with their vocabularies to this folder. Existing files are not "
            "overwritten.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """List the included recipes, print one, or copy them. `train` and `evaluate` also accept their names."""
    if copy is not None:
        written = _copy(name, copy)
        say(f"wrote {len(written)} files; run earmark in {copy}, because paths in recipes start at the current folder")
        typer.echo("\n".join(map(str, written)))
    elif name is not None:
        with recipe_file(Path(name)) as path:
            typer.echo(path.read_text(encoding="utf-8"), nl=False)
    else:
        included = _included_recipes()
        if not included:
            say("This installation includes no recipes; the repository has them in its folder recipes.")
        width = max(map(len, included), default=0)
        for each, file in included.items():
            typer.echo(f"{each:{width}}  {_first_sentence(file.read_text(encoding='utf-8'))}")


@contextmanager
def recipe_file(named: Path) -> Iterator[Path]:
    """Give the path of a recipe within a `with` block: that of an existing file, or that of an included recipe.

    named: a file, a name that `earmark recipes` lists, or recipes/NAME.toml, its path in the repository.

    Raises:
        RecipeError: there is no such file and no such recipe.
    """
    if named.exists():
        yield named
        return
    file = _included_recipes().get(_name(named))
    if file is None:
        raise RecipeError(
            f"{named} does not exist, and earmark includes no recipe of that name; `earmark recipes` lists those that "
            "it includes."
        )
    with importlib.resources.as_file(file) as path:
        yield path


def _included_recipes() -> Mapping[str, Traversable]:
    """Return the included recipes by name, such as demo or paper/table-2-mtat; recipes in no folder come first."""
    files = {
        name.removesuffix(".toml"): file for name, file in _files(_folder(RECIPES_FOLDER), "") if name.endswith(".toml")
    }
    return dict(sorted(files.items(), key=lambda item: ("/" in item[0], item[0])))


def _name(named: Path) -> str:
    """Return the name that a path would have as an included recipe."""
    return named.as_posix().removeprefix(f"{RECIPES_FOLDER}/").removesuffix(".toml")


def _copy(name: str | None, target: Path) -> list[Path]:
    """Copy one recipe, or all, with their vocabularies, and return the files written."""
    recipe_files = dict(_files(_folder(RECIPES_FOLDER), f"{RECIPES_FOLDER}/"))
    if name is not None:
        with recipe_file(Path(name)) as path:
            recipe_files = {f"{RECIPES_FOLDER}/{_name(Path(name))}.toml": path}
    texts = "\n".join(file.read_text(encoding="utf-8") for file in recipe_files.values())
    vocabularies = _files(_folder(VOCABULARIES_FOLDER), f"{VOCABULARIES_FOLDER}/")
    contents = recipe_files | {place: file for place, file in vocabularies if place in texts}
    there = [str(target / place) for place in contents if (target / place).exists()]
    if there:
        raise RecipeError(f"{there[0]} exists already and is not overwritten; choose another folder.")
    for place, file in contents.items():
        try:
            (target / place).parent.mkdir(parents=True, exist_ok=True)
            (target / place).write_bytes(file.read_bytes())
        except OSError as error:
            raise RecipeError(
                f"{target / place} cannot be written ({error.strerror}); choose another folder."
            ) from error
    return [target / place for place in contents]


def _folder(name: str) -> Traversable:
    """Return a folder of the wheel, or in a checkout the folder at the top of the repository."""
    installed = importlib.resources.files("earmark").joinpath(name)
    return installed if installed.is_dir() else Path(__file__).parents[3] / name


def _files(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    """Yield all files below a folder in alphabetical order, each with its relative path after the prefix."""
    entries = sorted(folder.iterdir(), key=lambda entry: entry.name) if folder.is_dir() else []
    for entry in entries:
        if entry.is_dir():
            yield from _files(entry, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}", entry


def _first_sentence(text: str) -> str:
    """Return the first sentence of the comment at the start of a recipe."""
    comment = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        comment.append(line.removeprefix("#").strip())
    return " ".join(comment).partition(". ")[0].removesuffix(".")


def models(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Name of a bundled model, or folder of a model; default: all bundled models.", show_default=False
        ),
    ] = None,
    tags: Annotated[
        bool,
        typer.Option("--tags", help="List the tags: groups, synonyms, relations, who judged them, and promises."),
    ] = False,
) -> None:
    """List the bundled models. The option --model also accepts the folder of any trained model."""
    from earmark.tagging.bundle import bundle as bundled
    from earmark.tagging.tagger import read_model

    names = bundled.models() if name is None else [name]
    if not names:
        typer.echo("This installation includes no model. Train one with: earmark train demo", err=True)
    for each in names:
        card = read_model(each).card
        scales = "+".join(extractor.name for extractor in card.extractors)
        typer.echo(f"{each}\t{len(card.tags)} tags\tscales {scales}\t{card.licence}")
        if tags:
            for row in (COLUMNS, *_tag_rows(card)):
                typer.echo("\t".join(row))


def _tag_rows(card: "Card") -> list[tuple[str, ...]]:
    """Return a row for each tag, with the columns of `COLUMNS`."""
    entries = card.calibration or (None,) * len(card.tags)
    return [
        (
            tag.label,
            tag.group,
            ", ".join(tag.synonyms),
            ", ".join(tag.parents),
            ", ".join(tag.opposites),
            _judge(entry),
            " ".join(sorted(entry.thresholds)) if entry is not None else "",
        )
        for tag, entry in zip(card.tags, entries, strict=True)
    ]


def _judge(entry: "TagCalibration | None") -> str:
    """Return who judged the tracks on which a tag was calibrated, and their number; empty if it is not recorded."""
    if entry is None or entry.truth is None:
        return ""
    return f"{JUDGES[entry.truth]}, {entry.tracks} tracks"
