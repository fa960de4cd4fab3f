from pathlib import Path

import pytest

pytest.importorskip("pydantic", reason="needs the extra train")

from earmark.errors import RecipeError
from earmark.training.recipe import OneCycleSchedule, StagedSchedule, parse_recipe, read_recipe

SMALLEST = """
name = "smallest"
[data]
dataset = "rendered"
root = "somewhere"
splits = ["random"]
"""
RECIPES = sorted((Path(__file__).parents[2] / "recipes").rglob("*.toml"))


def test_the_smallest_recipe_has_the_letters_defaults() -> None:
    recipe = parse_recipe(SMALLEST)
    assert recipe.local.scales == (18, 27, 54)
    assert isinstance(recipe.local.schedule, StagedSchedule)
    assert recipe.global_.hidden_units == (512, 512)
    assert recipe.global_.levels == "all"


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_of_the_repository_is_valid(path: Path) -> None:
    assert read_recipe(path).name == path.stem


@pytest.mark.parametrize(
    ("addition", "wrong", "nearest"),
    [
        ("[local]\nscale = [18]", "local.scale", "'scales'"),
        ("[local.schedule]\nkind = 'one-cycle'\nepoch = 3", "epoch", "'epochs'"),
        ("[global]\nhiden_units = [3]", "global.hiden_units", "'hidden_units'"),
        ("[globale]\nlevels = 'all'", "globale", "'global'"),
        ("[global.windows]\nshortest = 3", "global.windows.shortest", "'shortest_seconds'"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_one(addition: str, wrong: str, nearest: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(SMALLEST + addition)
    assert wrong in str(caught.value)
    assert nearest in str(caught.value)


@pytest.mark.parametrize(
    ("addition", "part"),
    [
        ("[local]\nbatch_segments = 0", "local.batch_segments"),
        ("[local]\nscales = []", "local.scales"),
        ("[local.schedule]\nkind = 'twice'", "local.schedule"),
        ("[global.windows]\nshortest_seconds = 9.0\nlongest_seconds = 3.0", "shortest_seconds is larger"),
        ("[evaluation]\ncompare = ['everything']", "evaluation.compare"),
        ("[", "not TOML"),
    ],
)
def test_a_wrong_value_is_refused_where_it_stands(addition: str, part: str) -> None:
    with pytest.raises(RecipeError, match=part.replace("[", r"\[")):
        parse_recipe(SMALLEST + addition)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"absent\.toml cannot be read"):
        read_recipe(tmp_path / "absent.toml")


def test_the_modern_schedule_is_an_option() -> None:
    recipe = parse_recipe(SMALLEST + "[local.schedule]\nkind = 'one-cycle'\nepochs = 3")
    assert recipe.local.schedule == OneCycleSchedule(kind="one-cycle", epochs=3)
