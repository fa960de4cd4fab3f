from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("lightning", reason="needs the extra train")

import earmark
from earmark.errors import RecipeError, TrainingError
from earmark.tagging.bundle.bundle import write_bundle
from earmark.training.bundling.bundle import bundle_of
from earmark.training.recipe.recipe import parse_recipe
from earmark.training.steps.features import Selection, clip_vectors
from earmark.training.steps.local_step import read_local_network
from training.conftest import TINY, Workplace
from training.sounds import write_noise

ALL = Selection((18, 27))
POOLINGS = [("mean", "mean"), ("max", "max"), ("max", "mean+deviation"), ("mean", "mean+deviation")]


@pytest.fixture(scope="module")
def genres(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """Folders of sounds that are exactly one clip of 250 frames long, a genre a folder."""
    folder = tmp_path_factory.mktemp("pooling")
    for genre in range(2):
        for track in range(5):
            write_noise(folder / "music" / f"genre {genre}" / f"{track}.flac", genre + 10 * track, 249 * 512)
    recipe = TINY.format(root=folder / "music").replace('dataset = "rendered"', 'dataset = "table"')
    return Workplace(recipe.replace("options = { tracks = 12, seed = 0, seconds = 6.0 }", ""), folder)


def pooled(place: Workplace, segment: str, track: str) -> Workplace:
    return Workplace(f'{place.recipe}[pooling]\nsegment = "{segment}"\ntrack = "{track}"\n', place.folder)


def naive(segments: np.ndarray, track: str, widths: tuple[int, ...]) -> np.ndarray:
    """The vector of some segments (segments, width), level by level, statistic by statistic."""
    functions = {"mean": [np.mean], "max": [np.max], "mean+deviation": [np.mean, np.std]}[track]
    levels = np.split(segments.astype(np.float64), np.cumsum(widths)[:-1], axis=1)
    return np.concatenate([function(level, axis=0) for level in levels for function in functions])


@pytest.mark.parametrize(("segment", "track"), [("max", "mean"), *POOLINGS])
def test_vectors_are_the_statistics_of_the_segments(genres: Workplace, segment: str, track: str) -> None:
    """To 1e-3 of the largest value: the segments that stay on disk are float16, the vectors were not made of them."""
    experiment = pooled(genres, segment, track).experiment()
    for scale in ALL.scales:
        features = experiment.features("default", scale)
        widths = features.extractor.level_widths
        expected = np.array(
            [
                naive(features.segments[first:stop], track, widths)
                for first, stop in zip(features.first, features.first[1:], strict=False)
            ]
        )
        assert features.vectors.shape == expected.shape == (10, sum(widths) * (2 if "deviation" in track else 1))
        np.testing.assert_allclose(features.vectors, expected, rtol=0, atol=1e-3 * expected.max())


@pytest.mark.parametrize("segment", ["max", "mean"])
def test_segments_are_pooled_level_by_level(genres: Workplace, segment: str) -> None:
    """The mean is over every frame of a level, before its own pool; the maximum is the same before and after."""
    experiment = pooled(genres, segment, "mean").experiment()
    features, data = experiment.features("default", 18), experiment.data
    network = read_local_network(experiment.local("default", 18), 0.0).eval()
    rows = torch.from_numpy(data.frames[: 250 // 18 * 18].astype(np.float32)).reshape(-1, 18, 128)
    rows = ((rows - network.input_mean) / network.input_deviation).transpose(1, 2).unsqueeze(-1)
    levels = []
    with torch.inference_mode():
        for block in network.blocks:
            before_pool = torch.relu(block.norm(block.convolution(rows)))
            levels.append(before_pool.squeeze(-1).amax(-1) if segment == "max" else before_pool.squeeze(-1).mean(-1))
            rows = block(rows)
    assert data.clips.first_row[0] == 0
    expected = torch.cat(levels, dim=1).mean(dim=0).numpy()
    np.testing.assert_allclose(features.vectors[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("segment", "track"), POOLINGS)
def test_the_bundle_pools_as_the_experiment(genres: Workplace, tmp_path: Path, segment: str, track: str) -> None:
    """To 4e-3 (measured: 1.5e-3 with deviations, else 3e-4): the store rounds frames to float16."""
    place = pooled(genres, segment, track)
    experiment = place.experiment()
    expected = experiment.global_scores("default", ALL, 0)
    vectors = clip_vectors([experiment.features("default", scale) for scale in ALL.scales], ())
    write_bundle(bundle_of(experiment, "default", 0, place.recipe, {}), tmp_path / "model")
    tagger = earmark.load(tmp_path / "model")
    assert tagger.card.vector_width == vectors.shape[1]
    for clip in (0, 9):
        prediction = tagger.tag(experiment.data.dataset.tracks[clip].path)
        np.testing.assert_allclose(prediction.embedding, vectors[clip], rtol=0, atol=1e-3 * vectors.max())
        np.testing.assert_allclose(prediction.scores, expected[clip], rtol=0, atol=4e-3)


def test_every_pooling_shares_the_local_step_and_has_features_of_its_own(genres: Workplace) -> None:
    experiments = [pooled(genres, *pooling).experiment() for pooling in [("max", "mean"), *POOLINGS]]
    assert len({experiment.local("default", 18).folder for experiment in experiments}) == 1
    assert len({experiment.local("default", 18).extractor.hash for experiment in experiments}) == 5
    assert genres.experiment().local("default", 18).extractor == experiments[0].local("default", 18).extractor
    scores = [experiment.global_scores("default", ALL, 0) for experiment in experiments]
    assert all(not np.allclose(scores[0], other) for other in scores[1:])


def test_levels_have_all_their_statistics(genres: Workplace) -> None:
    features = pooled(genres, "max", "mean+deviation").experiment().features("default", 18)
    columns = features.columns((1, 3))
    assert columns.tolist() == [*range(256), *range(512, 1024)]
    with pytest.raises(TrainingError, match=r"has levels 1 to 3; found \[4\]"):
        features.columns((4,))


def test_windows_want_means(genres: Workplace) -> None:
    windows = "[global.windows]\nshortest_seconds = 1.0\nlongest_seconds = 4.0\n"
    for track in ("max", "mean+deviation"):
        with pytest.raises(
            RecipeError, match=f"takes means over windows, but pooling.track is '{track}'".replace("+", r"\+")
        ):
            parse_recipe(pooled(genres, "max", track).recipe + windows)
    place = Workplace(pooled(genres, "mean", "mean").recipe + windows, genres.folder)
    scores = place.experiment().global_scores("default", Selection((18,)), 0)
    assert scores.shape == (10, 2)


def test_an_unknown_statistic_is_refused(genres: Workplace) -> None:
    with pytest.raises(RecipeError, match=r"pooling\.track"):
        parse_recipe(pooled(genres, "max", "median").recipe)
    with pytest.raises(RecipeError, match=r"pooling\.segment"):
        parse_recipe(pooled(genres, "mean+deviation", "mean").recipe)
