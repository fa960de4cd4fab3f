"""The recipes of the sample-level family: their networks exist, what they share is the same, the docs name them."""

from pathlib import Path

import pytest

pytest.importorskip("pydantic", reason="needs the extra train")

from earmark.training.networks.sample_level import is_raw
from earmark.training.networks.scales import blocks_of, levels_of
from earmark.training.recipe.local import LocalSection
from earmark.training.recipe.recipe import Recipe, read_recipe

ROOT = Path(__file__).parents[3]
PATHS = sorted((ROOT / "recipes").rglob("samplelevel-*.toml"))


def named(name: str) -> Recipe:
    (path,) = (ROOT / "recipes").rglob(f"{name}.toml")
    return read_recipe(path)


def training_of(section: LocalSection, scale: int) -> object:
    """All that the training of one scale depends on, of a recipe's local section."""
    shape = section.raw.shape
    settings = section.for_scale(scale).model_dump(exclude={"scales", "data", "raw"})
    return settings, blocks_of(scale, shape), section.data


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_recipe_has_its_networks_and_its_place_in_the_docs(path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe.needs_waveforms
    for scale in recipe.local.scales:
        assert levels_of(scale, recipe.local.raw.shape)[-1] == len(blocks_of(scale, recipe.local.raw.shape))
    document = (ROOT / "docs" / "how-to" / "figures-and-tables.md").read_text(encoding="utf-8")
    assert path.name in document


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("samplelevel-top-mtat", "samplelevel-mtat"),
        ("samplelevel-top-msd", "samplelevel-msd"),
        ("samplelevel-mixed-mtat", "samplelevel-mtat"),
        ("samplelevel-mixed-mtat", "table-2-mtat"),
        ("samplelevel-mixed-msd", "samplelevel-msd"),
        ("samplelevel-mixed-msd", "table-2-msd"),
        ("samplelevel-emotions", "samplelevel-genre"),
        ("samplelevel-mixed-genre", "samplelevel-genre"),
        ("samplelevel-mixed-emotions", "samplelevel-emotions"),
    ],
)
def test_recipes_that_share_networks_train_them_alike(one: str, other: str) -> None:
    first, second = named(one), named(other)
    assert (first.seed, first.data.splits) == (second.seed, second.data.splits)
    shared = set(first.local.scales) & set(second.local.scales)
    assert shared
    for scale in shared:
        assert training_of(first.local, scale) == training_of(second.local, scale)


@pytest.mark.parametrize("target", ["genre", "emotions"])
def test_log_mel_networks_of_the_mixed_recipes_are_those_of_the_figures(target: str) -> None:
    mixed, figures = named(f"samplelevel-mixed-{target}"), named(f"figures-{target}")
    assert mixed.local.data is not None and figures.local.data is not None
    first = mixed.local.data.splits[0]
    assert figures.local.data.splits[0] == first
    alone = figures.local.data.model_copy(update={"splits": (first,)})
    assert mixed.local.data == alone
    for scale in mixed.local.scales:
        if not is_raw(scale):
            assert training_of(mixed.local, scale)[:2] == training_of(figures.local, scale)[:2]  # type: ignore[index]
