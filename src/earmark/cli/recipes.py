"""`earmark recipes`: the recipes that come with earmark, and the vocabularies that they name."""

import importlib.resources
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.console import say
from earmark.errors import RecipeError

RECIPES_FOLDER = "recipes"
VOCABULARIES_FOLDER = "vocabularies"


def recipes(
    name: Annotated[str | None, typer.Argument(help="Only this one, such as demo: prints it.")] = None,
    copy: Annotated[
        Path | None,
        typer.Option(
            help="Copy all of them, or the one named, into this folder, with the vocabularies that they name; "
            "nothing is overwritten.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """List the recipes that come with earmark, print one, or copy them; `train` and `evaluate` take their names too."""
    if copy is not None:
        written = _copy(name, copy)
        say(f"wrote {len(written)} files; run earmark in {copy}, as the paths in recipes start where it runs")
        typer.echo("\n".join(map(str, written)))
    elif name is not None:
        with recipe_file(Path(name)) as path:
            typer.echo(path.read_text(encoding="utf-8"), nl=False)
    else:
        supplied = _supplied()
        if not supplied:
            say("No recipe comes with this installation; the repository has them in its folder recipes.")
        width = max(map(len, supplied), default=0)
        for each, file in supplied.items():
            typer.echo(f"{each:{width}}  {_first_sentence(file.read_text(encoding='utf-8'))}")


@contextmanager
def recipe_file(named: Path) -> Iterator[Path]:
    """The recipe that is meant, for as long as it is read: the file, or the one of that name that comes with earmark.

    The names are those that `earmark recipes` lists; recipes/NAME.toml, as it lies in the repository, is one as well.

    Raises:
        RecipeError: there is neither.
    """
    if named.exists():
        yield named
        return
    file = _supplied().get(_name(named))
    if file is None:
        raise RecipeError(
            f"{named} is not there, and no recipe of that name comes with earmark; `earmark recipes` lists those that "
            "do."
        )
    with importlib.resources.as_file(file) as path:
        yield path


def _supplied() -> Mapping[str, Traversable]:
    """The recipes that come with earmark, by name, such as demo or paper/table-2-mtat; those of no folder first."""
    files = {
        name.removesuffix(".toml"): file for name, file in _files(_folder(RECIPES_FOLDER), "") if name.endswith(".toml")
    }
    return dict(sorted(files.items(), key=lambda item: ("/" in item[0], item[0])))


def _name(named: Path) -> str:
    """The name that a recipe would have among those that come with earmark."""
    return named.as_posix().removeprefix(f"{RECIPES_FOLDER}/").removesuffix(".toml")


def _copy(name: str | None, target: Path) -> list[Path]:
    """Copy one recipe, or all, and the vocabularies that they name; return the files written."""
    recipe_files = dict(_files(_folder(RECIPES_FOLDER), f"{RECIPES_FOLDER}/"))
    if name is not None:
        with recipe_file(Path(name)) as path:
            recipe_files = {f"{RECIPES_FOLDER}/{_name(Path(name))}.toml": path}
    texts = "\n".join(file.read_text(encoding="utf-8") for file in recipe_files.values())
    vocabularies = _files(_folder(VOCABULARIES_FOLDER), f"{VOCABULARIES_FOLDER}/")
    contents = recipe_files | {place: file for place, file in vocabularies if place in texts}
    there = [str(target / place) for place in contents if (target / place).exists()]
    if there:
        raise RecipeError(f"{there[0]} is there already, and nothing is overwritten; name another folder.")
    for place, file in contents.items():
        try:
            (target / place).parent.mkdir(parents=True, exist_ok=True)
            (target / place).write_bytes(file.read_bytes())
        except OSError as error:
            raise RecipeError(f"{target / place} cannot be written ({error.strerror}); name another folder.") from error
    return [target / place for place in contents]


def _folder(name: str) -> Traversable:
    """One of the folders that the wheel holds; in a checkout it lies at the top of the repository instead."""
    installed = importlib.resources.files("earmark").joinpath(name)
    return installed if installed.is_dir() else Path(__file__).parents[3] / name


def _files(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    """All files of a folder and of those in it, in alphabetical order, each with its place after the prefix."""
    entries = sorted(folder.iterdir(), key=lambda entry: entry.name) if folder.is_dir() else []
    for entry in entries:
        if entry.is_dir():
            yield from _files(entry, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}", entry


def _first_sentence(text: str) -> str:
    """The first sentence of the comment at the start of a recipe."""
    comment = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        comment.append(line.removeprefix("#").strip())
    return " ".join(comment).partition(". ")[0].removesuffix(".")
