import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("lightning", reason="needs the extra train")

import earmark
from earmark.errors import TrainingError
from earmark.tagging.bundle.bundle import write_bundle
from earmark.tagging.bundle.calibration import activate
from earmark.tagging.engines.network import Classifier
from earmark.training.bundling.bundle import bundle_of
from earmark.training.steps.features import Selection, clip_vectors
from training.builders import make_data
from training.conftest import TINY, Workplace
from training.sounds import write_noise

if TYPE_CHECKING:
    from earmark.training.steps.experiment import Experiment

ALL = Selection((18, 27))


def test_the_first_step_trains_a_network_a_scale(experiment: "Experiment") -> None:
    for scale in ALL.scales:
        trained = experiment.local("default", scale)
        assert trained.extractor.segment_length == scale
        assert len(trained.extractor.hash) == 64
        assert len(trained.history.epochs) == 1
        assert trained.arrays[f"extractor.{scale}.output.weight"].shape == (13, 256)
    mean, deviation = trained.extractor.input_mean, trained.extractor.input_deviation
    data = experiment.data
    rows = [
        data.frames[first : first + 250].astype(np.float64)
        for first in data.clips.first_row[data.clips_of("default", "train")]
    ]
    assert mean == pytest.approx(np.mean(rows), rel=1e-9)
    assert deviation == pytest.approx(np.std(rows), rel=1e-9)


def test_the_second_step_keeps_every_clip(experiment: "Experiment") -> None:
    features = experiment.features("default", 18)
    assert np.diff(features.first).tolist() == [250 // 18] * 12
    assert features.vectors.shape == (12, 512)
    assert features.local_scores.shape == (12, 13)
    assert ((features.local_scores > 0) & (features.local_scores < 1)).all()


def test_the_third_step_scores_every_clip(experiment: "Experiment") -> None:
    scores = experiment.global_scores("default", ALL, 0)
    assert scores.shape == (12, 13)
    assert scores.dtype == np.float32
    trained = experiment.classifier("default", ALL, 0)
    vectors = clip_vectors([experiment.features("default", scale) for scale in ALL.scales], ())
    logits = Classifier(trained.head, trained.arrays)(vectors)
    np.testing.assert_allclose(scores, activate(logits, "sigmoid"), rtol=0, atol=1e-6)
    assert not np.allclose(scores, experiment.global_scores("default", ALL, 1))
    assert not np.allclose(scores, experiment.global_scores("default", Selection((18,)), 0))


def test_the_classifier_standardises_by_its_training_clips(experiment: "Experiment") -> None:
    trained = experiment.classifier("default", ALL, 0)
    vectors = clip_vectors([experiment.features("default", scale) for scale in ALL.scales], ())
    chosen = vectors[experiment.data.clips_of("default", "train")]
    np.testing.assert_allclose(trained.arrays["head.mean"], chosen.mean(axis=0), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(trained.arrays["vector.mean"], trained.arrays["head.mean"])
    deviation = chosen.std(axis=0, ddof=1)
    expected = np.where(deviation > 1e-6, deviation, 1)
    np.testing.assert_allclose(trained.arrays["head.deviation"], expected, rtol=1e-3, atol=1e-6)


def test_a_second_run_makes_no_step_anew(
    tiny: Workplace, experiment: "Experiment", no_training: Callable[[], None]
) -> None:
    expected = experiment.global_scores("default", ALL, 0)
    no_training()
    again = tiny.experiment()
    np.testing.assert_array_equal(again.global_scores("default", ALL, 0), expected)
    for scale in ALL.scales:
        first, second = experiment.local("default", scale), again.local("default", scale)
        assert second.extractor == first.extractor
        assert second.history == first.history
        np.testing.assert_array_equal(
            again.features("default", scale).segments, experiment.features("default", scale).segments
        )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seed = 5", "seed = 6"),
        ("batch_segments = 16", "batch_segments = 17"),
        ("clip_frames = 250", "clip_frames = 240"),
        ("epochs = 1", "epochs = 3"),
    ],
)
def test_another_training_is_another_step(
    tiny: Workplace, experiment: "Experiment", no_training: Callable[[], None], old: str, new: str
) -> None:
    experiment.local("default", 18)
    other = Workplace(tiny.recipe.replace(old, new, 1), tiny.folder).experiment()
    no_training()
    with pytest.raises(pytest.fail.Exception, match="made anew"):
        other.local("default", 18)


def test_other_scales_and_classifiers_share_the_local_step(
    tiny: Workplace, experiment: "Experiment", no_training: Callable[[], None]
) -> None:
    expected = experiment.features("default", 18)
    recipe = tiny.recipe.replace("scales = [18, 27]", "scales = [18]").replace("[16, 8]", "[4]")
    no_training()
    found = Workplace(recipe, tiny.folder).experiment().features("default", 18)
    np.testing.assert_array_equal(found.vectors, expected.vectors)


def test_training_twice_gives_the_same_model(tiny: Workplace, experiment: "Experiment", tmp_path: Path) -> None:
    from earmark.training.steps.steps import Steps

    fresh = tiny.experiment()
    fresh._steps = Steps(tmp_path / "steps", fresh._fabric)
    assert fresh.local("default", 18).extractor == experiment.local("default", 18).extractor
    one = Selection((18,))
    np.testing.assert_array_equal(fresh.global_scores("default", one, 0), experiment.global_scores("default", one, 0))


def test_random_windows_train_a_classifier_too(tiny: Workplace, experiment: "Experiment") -> None:
    experiment.features("default", 18)
    windows = "[global.windows]\nshortest_seconds = 1.0\nlongest_seconds = 4.0\n[evaluation]"
    recipe = tiny.recipe.replace("[evaluation]", windows, 1)
    scores = Workplace(recipe, tiny.folder).experiment().global_scores("default", Selection((18,)), 0)
    assert scores.shape == (12, 13)
    assert not np.allclose(scores, experiment.global_scores("default", Selection((18,)), 0))


def test_distillation_trains_another_classifier_of_the_same_shape(
    tiny: Workplace, experiment: "Experiment", tmp_path: Path
) -> None:
    """The key has its old name; a track that the file does not know trains all the same."""
    experiment.features("default", 18)
    generator = np.random.default_rng(0)
    tracks = experiment.data.clips.tracks[1:]
    np.savez(tmp_path / "layer.npz", **{track: generator.normal(size=(1, 3)).astype("f2") for track in tracks})
    distilled = f'[global]\nbalance_tags = true\nhints = ["{tmp_path / "layer.npz"}"]'
    without, with_distillation = (
        Workplace(tiny.recipe.replace("[global]", section, 1), tiny.folder)
        .experiment()
        .classifier("default", Selection((18,)), 0)
        for section in ("[global]\nbalance_tags = true", distilled)
    )
    shapes = [{name: array.shape for name, array in each.arrays.items()} for each in (without, with_distillation)]
    assert shapes[0] == shapes[1]
    assert not np.allclose(without.arrays["head.layer.1.weight"], with_distillation.arrays["head.layer.1.weight"])


def test_the_letters_steps_need_no_extras(tiny: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of `training.extras` runs in the three steps of a recipe that asks for nothing of it."""
    from earmark.training import extras
    from earmark.training.extras import augmentation, distillation, joint, parts
    from earmark.training.steps.steps import Steps

    assert {path.stem for path in Path(extras.__file__).parent.glob("*.py")} == {
        "__init__",
        *(module.__name__.rpartition(".")[2] for module in (augmentation, distillation, joint, parts)),
    }
    files = {module.__file__ for module in (augmentation, distillation, joint, parts)}
    fresh = tiny.experiment()
    fresh._steps = Steps(tmp_path / "steps", fresh._fabric)
    called: set[str] = set()

    def watch(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename in files:
            called.add(frame.f_code.co_qualname)

    sys.setprofile(watch)
    try:
        fresh.classifier("default", Selection((18,)), 0)
    finally:
        sys.setprofile(None)
    assert called <= {"files_hash"}, "only the inputs of a step know of files that there are none of"


def test_gains_train_another_network(tiny: Workplace, experiment: "Experiment") -> None:
    recipe = tiny.recipe.replace("batch_segments = 16", "batch_segments = 16\ngain_deviation = 0.5")
    other = Workplace(recipe, tiny.folder).experiment().local("default", 18)
    assert other.extractor.hash != experiment.local("default", 18).extractor.hash


def test_silence_is_nothing_to_train_on(tmp_path: Path, experiment: "Experiment") -> None:
    from earmark.training.steps.experiment import Experiment
    from earmark.training.steps.steps import Steps

    data = make_data(tracks=8)
    data.frames[...] = 0
    silent = Experiment(
        experiment.recipe, data, Steps(tmp_path, experiment._fabric), experiment._fabric, lambda line: None
    )
    with pytest.raises(TrainingError, match="expected sound, found silence"):
        silent.local("default", 18)


@pytest.fixture(scope="module")
def genres(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """Folders of sounds that are exactly one clip of 250 frames long, a genre a folder."""
    folder = tmp_path_factory.mktemp("genres")
    for genre in range(3):
        for track in range(6):
            write_noise(folder / "music" / f"genre {genre}" / f"{track}.flac", genre + 10 * track, 249 * 512)
    recipe = TINY.format(root=folder / "music").replace('dataset = "rendered"', 'dataset = "table"')
    recipe = recipe.replace("options = { tracks = 12, seed = 0, seconds = 6.0 }", "")
    return Workplace(recipe, folder)


def test_a_file_of_one_clip_is_tagged_as_in_the_experiment(genres: Workplace, tmp_path: Path) -> None:
    """To 2e-3: the store rounds frames to float16, which moves a score by less than that; the rest is equal."""
    experiment = genres.experiment()
    data = experiment.data
    assert data.clips.rows.tolist() == [250] * 18
    assert experiment.activation == "softmax"
    expected = experiment.global_scores("default", ALL, 0)
    np.testing.assert_allclose(expected.sum(axis=1), 1, atol=1e-5)
    write_bundle(bundle_of(experiment, "default", 0, genres.recipe, {}), tmp_path / "model")
    tagger = earmark.load(tmp_path / "model")
    local = np.mean([experiment.features("default", scale).local_scores for scale in ALL.scales], axis=0)
    for clip in (0, 7, 17):
        prediction = tagger.tag(data.dataset.tracks[clip].path)
        assert prediction.labels == ("genre 0", "genre 1", "genre 2")
        np.testing.assert_allclose(prediction.scores, expected[clip], rtol=0, atol=2e-3)
        assert prediction.local_scores is not None
        np.testing.assert_allclose(prediction.local_scores, local[clip], rtol=0, atol=2e-3)


def test_the_rounding_of_the_store_is_all_that_differs(genres: Workplace) -> None:
    """The vector of a clip, from frames rounded as the store does, equals the experiment's to 1e-5."""
    from earmark.audio.decode import decode
    from earmark.audio.logmel import log_mel
    from earmark.tagging.engines.network import LocalNetwork

    experiment = genres.experiment()
    trained, features = experiment.local("default", 27), experiment.features("default", 27)
    network = LocalNetwork(trained.extractor, trained.arrays)
    with decode(experiment.data.dataset.tracks[5].path, 22_050) as sound:
        rows = log_mel(np.concatenate(list(sound))).astype(np.float16).astype(np.float32)
    levels = network(rows[: 250 // 27 * 27].reshape(-1, 27, 128)).levels
    np.testing.assert_allclose(features.vectors[5], levels.mean(axis=0), rtol=1e-5, atol=1e-5)
