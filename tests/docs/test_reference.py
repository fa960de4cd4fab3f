"""The reference is what the code says, and nothing in the code is left out of it."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

pytest.importorskip("pydantic", reason="needs the extra train")

from generation.commands import Command, commands
from generation.errors import ADVICE, error_classes
from generation.file_keys import label_columns, mapping_keys, vocabulary_keys
from generation.meanings import meanings
from generation.python_names import members
from generation.recipe_keys import key_meanings, sections
from generation.server import known, setting_names

import earmark
from earmark.training.datasets.registry import DATASETS

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


def text_of(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def rows_of(text: str) -> Mapping[str, list[str]]:
    """The rows of all tables by the name in their first cell."""
    rows = (line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `"))
    return {name: cells for cells in rows for name in re.findall(r"`([^`]+)`", cells[0])}


def test_the_pages_are_what_the_code_says() -> None:
    command = [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"write them anew with python docs/generate.py\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("command", list(commands()), ids=lambda command: command.name or "earmark")
def test_every_argument_and_option_is_in_the_page_of_its_command(command: Command) -> None:
    page = f"commands/{command.slug}.md" if command.name else "commands/index.md"
    rows = rows_of(text_of(page))
    for each in command.parameters:
        assert each.help, f"{command.name}: {each.names[0]} has no help"
        for name in each.names:
            assert name in rows, f"{name} is not in {page}"
            assert each.help.replace("|", "\\|") in rows[name]


def test_every_command_is_in_the_list() -> None:
    listed = text_of("commands/index.md")
    for command in commands():
        assert not command.name or f"[`earmark {command.name}`]({command.slug}.md)" in listed


def test_every_key_of_a_recipe_is_told_and_has_a_meaning() -> None:
    page = text_of("recipe-keys.md")
    for place, section in sections():
        told = key_meanings(section)
        if "kind" not in section.model_fields:
            assert f"[{place}]" in page or not place
        for name, field in section.model_fields.items():
            key = field.alias or name
            rows = [line for line in page.splitlines() if line.startswith(f"| `{key}`")]
            assert rows, f"{place}.{key} is not told"
            meant = told.get(name) or "Section" in str(field.annotation) or "Schedule" in str(field.annotation)
            assert meant or name == "kind", f"{section.__name__}: say in its docstring what {name} means, `{name}: …`"
            gone = re.search(r"\. (\w+_\w+): ", told.get(name, ""))
            assert gone is None, f"{section.__name__}: its docstring tells of {gone}, which it has not"


def test_the_recipe_of_the_how_to_has_every_key() -> None:
    shown = (ROOT / "docs" / "how-to" / "recipes.md").read_text(encoding="utf-8")
    for place, section in sections():
        for name, field in section.model_fields.items():
            assert re.search(rf"\b{field.alias or name}\b", shown), f"how-to/recipes.md does not show {place}.{name}"


def test_every_key_of_other_files_is_told() -> None:
    rows = rows_of(text_of("file-keys.md"))
    for key in (*mapping_keys(), *label_columns()):
        assert key in rows
    for key in vocabulary_keys():
        assert key in rows or f"tags.{key}" in rows
    for cells in rows.values():
        assert len(cells) >= 2
        assert cells[1].strip()


def test_the_mapping_reads_the_keys_that_are_told(tmp_path: Path) -> None:
    from earmark.errors import LibraryError
    from earmark.library.mapping import read_mapping

    file = tmp_path / "words.toml"
    file.write_text("nothing = 1\n")
    with pytest.raises(LibraryError) as raised:
        read_mapping(file)
    for key in mapping_keys():
        assert key in str(raised.value)


def test_every_setting_and_problem_of_the_server_is_told() -> None:
    from earmark.web.settings import ServerSettings

    rows = rows_of(text_of("server.md"))
    told = meanings(ServerSettings, setting_names())
    for name in setting_names():
        assert name in rows
        assert told.get(name), f"ServerSettings: say in its docstring what {name} means, `{name}: …`"
    problems = list(known())
    assert {"too-large", "no-library", "wrong-host", "no-live-sound"} <= {problem.name for problem in problems}
    for problem in problems:
        assert problem.name in rows


@pytest.mark.parametrize("name", earmark.__all__)
def test_every_public_name_is_told(name: str) -> None:
    page = text_of("python.md")
    assert f"### `earmark.{name}`\n" in page
    value = getattr(earmark, name)
    if isinstance(value, type) and not issubclass(value, BaseException):
        for member, _ in members(value):
            assert f"#### `{name}.{member}`\n" in page


def test_every_error_is_told_with_what_to_do() -> None:
    page = text_of("errors.md")
    for name, value in error_classes().items():
        assert issubclass(value, earmark.EarmarkError)
        assert f"## {name}\n" in page
        assert name in ADVICE, f"say in docs/generation/errors.py what to do about {name}"
    assert set(ADVICE) <= set(error_classes()), "there is advice about an error that there is not"


@pytest.mark.parametrize("name", DATASETS)
def test_every_dataset_is_told_with_its_options(name: str) -> None:
    page = text_of("datasets.md")
    assert f"[`{name}`](#{name}" in page
    shared, *parts = re.split(r"^## ", page, flags=re.MULTILINE)
    own = next(part for part in parts if part.split(":")[0].split("\n")[0] == name)
    published = next(part for part in parts if part.startswith("Rules for all published"))
    for option in DATASETS[name].options:
        assert f"`{option}`" in own + published + shared, f"option {option} of {name} is not told"


def test_every_environment_variable_and_extra_is_told() -> None:
    page = text_of("environment.md")
    source = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "src").rglob("*.py")))
    named = set(re.findall(r"environ(?:\.get|\.setdefault|\.pop)?[\[(]\s*\"(\w+)\"", source))
    assert len(named) >= 4
    for name in named:
        assert f"`{name}`" in page, f"the environment variable {name} is not told"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extra in project["optional-dependencies"]:
        assert f"| `{extra}` |" in page, f"the extra {extra} is not told"
