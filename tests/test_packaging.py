"""What pyproject.toml says of dependencies, against what the code and the other files say."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from earmark.cli.doctor import EXTRAS

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS_OF_PEOPLE = set(PROJECT["project"]["optional-dependencies"]) - {"all", "docs", "dev", "fast"}


def names(requirements: list[str]) -> list[str]:
    return [re.split(r"[<>=!~ ;\[]", requirement)[0] for requirement in requirements]


def test_the_doctor_looks_at_every_extra() -> None:
    assert set(EXTRAS) == EXTRAS_OF_PEOPLE
    for extra, packages in EXTRAS.items():
        declared = names(PROJECT["project"]["optional-dependencies"][extra])
        assert {package for package, _ in packages} <= set(declared), extra


def test_all_are_all_and_the_reference_has_each() -> None:
    [everything] = PROJECT["project"]["optional-dependencies"]["all"]
    assert set(everything.removeprefix("earmark[").removesuffix("]").split(",")) == EXTRAS_OF_PEOPLE
    page = (ROOT / "docs" / "reference" / "environment.md").read_text()
    assert [extra for extra in EXTRAS_OF_PEOPLE if f"| `{extra}` |" not in page] == []


@pytest.mark.parametrize("requirement", PROJECT["project"]["dependencies"])
def test_a_dependency_has_a_lower_bound(requirement: str) -> None:
    assert re.fullmatch(r"[a-z-]+>=[\d.]+(,<[\d.]+)?", requirement), "what make test-matrix tries as the lowest"


def test_the_wheel_holds_what_earmark_copies() -> None:
    included = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included == {
        "recipes": "earmark/recipes",
        "js/src": "earmark/web/site/earmark",
        "vocabularies": "earmark/vocabularies",
    }
    assert all((ROOT / folder).is_dir() for folder in included)
