"""The recipes of the sample-level family: their networks exist, what they share is the same, the docs name them."""

from pathlib import Path

import pytest

pytest.importorskip("pydantic", reason="needs the extra train")

from earmark.errors import RecipeError
from earmark.training.networks.scales import blocks_of, is_raw, levels_of
from earmark.training.recipe.recipe import Recipe, parse_recipe, read_recipe
from earmark.training.recipe.sections import LocalSection, OneCycleSchedule, StagedSchedule

SMALLEST = """
name = "smallest"
[data]
dataset = "rendered"
root = "somewhere"
splits = ["random"]
"""
RECIPES = sorted((Path(__file__).parents[3] / "recipes").rglob("*.toml"))


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
        ("[front_end]\nlevel = 3.0", "front_end.level", "'level_seconds'"),
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
        ("[front_end]\nlevel_seconds = -1.0", "front_end.level_seconds"),
        ("[front_end]\nlevel_seconds = 9.0\n[global.windows]\ngains_decibels = [6.0]", "varies the loudness, which"),
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


def test_raw_scales_have_their_own_networks_batches_and_schedule() -> None:
    raw = "[local]\nscales = [27, 59049]\nbatch_segments = 100\n[local.raw]\nbatch_segments = 23\nblock = 'se'\n"
    recipe = parse_recipe(SMALLEST + raw + "top_levels = 1\n[local.raw.schedule]\nkind = 'one-cycle'")
    assert (recipe.needs_frames, recipe.needs_waveforms) == (True, True)
    assert (recipe.local.raw.shape.block, recipe.local.raw.shape.top_levels) == ("se", 1)
    log_mel, sound = (recipe.local.for_scale(scale) for scale in recipe.local.scales)
    assert (log_mel.batch_segments, sound.batch_segments) == (100, 23)
    assert isinstance(log_mel.schedule, StagedSchedule)
    assert isinstance(sound.schedule, OneCycleSchedule)


@pytest.mark.parametrize(
    ("addition", "frames", "waveforms"),
    [
        ("", True, False),
        ("[local]\nscales = [59049]", False, True),
        ("[local]\nscales = [59049]\n[evaluation]\ncompare = ['baselines']", True, True),
    ],
)
def test_what_a_recipe_looks_at_is_prepared(addition: str, frames: bool, waveforms: bool) -> None:
    recipe = parse_recipe(SMALLEST + addition)
    assert (recipe.needs_frames, recipe.needs_waveforms) == (frames, waveforms)


@pytest.mark.parametrize(
    ("addition", "part"),
    [
        ("[local]\nscales = [59049]\n[evaluation]\ncompare = ['joint']", "joint training takes log-mel scales alone"),
        ("model = 'joint'\n[local]\nscales = [27, 59049]", "joint training takes log-mel scales alone"),
        ("[local]\nscales = [59049]\n[local.augmentation]\nnoise_share = 0.1", "raw ones have gain_deviation"),
        ("[local.raw]\nblock = 'res-3'", "local.raw.block"),
        ("[local.raw]\nchannels = 3", "'top_channels'"),
    ],
)
def test_what_raw_scales_cannot_do_is_refused(addition: str, part: str) -> None:
    # A key of the whole recipe stands before its sections.
    model, _, local = addition.rpartition("[local]\n") if addition.startswith("model") else ("", "", "")
    with pytest.raises(RecipeError, match=part):
        parse_recipe(f"{model}{SMALLEST}[local]\n{local}" if model else SMALLEST + addition)


def test_a_hidden_layer_is_only_asked_for_where_there_is_one() -> None:
    hidden = '[evaluation]\ncompare = ["hidden"]\n'
    assert parse_recipe(SMALLEST + hidden).evaluation.compare == ("hidden",)
    with pytest.raises(RecipeError, match=r"asks for \"hidden\", but global.hidden_units has no layer"):
        parse_recipe(SMALLEST + "[global]\nhidden_units = []\n" + hidden)


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


def test_the_old_name_of_distillation_still_answers() -> None:
    text = 'name = "x"\n[data]\ndataset = "rendered"\nroot = "r"\nsplits = ["default"]\n[{0}]\n{1} = ["layer.npz"]\n'
    for section in ("local", "global"):
        old, new = (parse_recipe(text.format(section, key)) for key in ("hints", "distillation"))
        assert old == new and (old.local.distillation or old.global_.distillation)
        with pytest.raises(RecipeError, match="unknown key"):
            parse_recipe(text.format(section, "hints = []\ndistillation"))
