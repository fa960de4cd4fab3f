from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pydantic", reason="needs the extra train")

from tagging.builders import make_bundle

from earmark.audio.decode import decode
from earmark.audio.logmel import log_mel
from earmark.errors import TrainingError
from earmark.tagging.bundle.bundle import Bundle
from earmark.tagging.bundle.calibration import activate
from earmark.tagging.bundle.card import layout_of
from earmark.tagging.engines.network import LocalNetwork
from earmark.tagging.tagger import Tagger
from earmark.training.data.clips import Clips
from earmark.training.steps.features import ScaleFeatures, Selection, clip_vectors, extract_features, read_features
from training.sounds import write_noise

LENGTHS = (250, 700, 11)
"""Frames of three clips; the last is shorter than a segment and the middle one longer than a batch."""


def extract(bundle: Bundle, frames: np.ndarray, clips: Clips, folder: Path) -> list[ScaleFeatures]:
    features = []
    for extractor in bundle.card.extractors:
        place = folder / extractor.name
        place.mkdir()
        network = LocalNetwork(extractor, bundle.weights)
        rows = (
            np.asarray(frames[first : first + count], np.float32)
            for first, count in zip(clips.first_row, clips.rows, strict=True)
        )
        extract_features(network, lambda logits: activate(logits, "sigmoid"), rows, place)
        features.append(read_features(extractor, place))
    return features


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, np.ndarray, list[ScaleFeatures], list[Path]]:
    """A thin random model, the float16 frames of three sounds, their features, and the sounds."""
    folder = tmp_path_factory.mktemp("features")
    bundle = make_bundle()
    paths = [write_noise(folder / f"{rows}.flac", seed, (rows - 1) * 512) for seed, rows in enumerate(LENGTHS)]
    sounds = []
    for path in paths:
        with decode(path, 22_050) as sound:
            sounds.append(np.concatenate(list(sound)))
    frames = np.concatenate([log_mel(samples) for samples in sounds]).astype(np.float16)
    first = np.concatenate([[0], np.cumsum(LENGTHS)])[:-1]
    clips = Clips.with_constant_targets(("a", "b", "c"), first, np.array(LENGTHS), np.zeros((3, 5), np.float32))
    return bundle, frames, extract(bundle, frames, clips, folder), paths


Made = tuple[Bundle, np.ndarray, list[ScaleFeatures], list[Path]]


def test_the_tagger_hears_the_same(made: Made) -> None:
    """Within what the float16 frames of the store may change: 1e-3 of the vector's largest values."""
    bundle, _, features, paths = made
    vectors = clip_vectors(features, ())
    local = np.mean([scale.local_scores for scale in features], axis=0)
    tagger = Tagger(bundle)
    for clip, path in enumerate(paths):
        prediction = tagger.tag(path)
        np.testing.assert_allclose(vectors[clip], prediction.embedding, rtol=0, atol=1e-3 * vectors.max())
        assert prediction.local_scores is not None
        np.testing.assert_allclose(local[clip], prediction.local_scores, rtol=0, atol=1e-3)


def test_segments_are_those_of_the_local_network(made: Made) -> None:
    bundle, frames, features, _ = made
    for scale in features:
        length = scale.extractor.segment_length
        network = LocalNetwork(scale.extractor, bundle.weights)
        assert np.diff(scale.first).tolist() == [250 // length, 700 // length, 1]
        for clip, start in ((0, 0), (1, 250)):
            one_by_one = [
                network(frames[start + at * length : start + (at + 1) * length].astype(np.float32)[None])
                for at in range(LENGTHS[clip] // length)
            ]
            levels = np.concatenate([one.levels for one in one_by_one])
            stored = scale.segments[scale.first[clip] : scale.first[clip + 1]]
            np.testing.assert_allclose(stored, levels, rtol=1e-3, atol=1e-4)
            np.testing.assert_allclose(scale.vectors[clip], levels.mean(axis=0), rtol=1e-5, atol=1e-5)
            scores = np.concatenate([activate(one.logits, "sigmoid") for one in one_by_one])
            np.testing.assert_allclose(scale.local_scores[clip], scores.mean(axis=0), rtol=1e-5, atol=1e-5)


def test_a_short_clip_is_repeated_until_it_fills_a_segment(made: Made) -> None:
    bundle, frames, features, _ = made
    scale = features[0]
    rows = frames[950:961].astype(np.float32)
    repeated = rows[np.arange(18) % 11]
    expected = LocalNetwork(scale.extractor, bundle.weights)(repeated[None])
    np.testing.assert_allclose(scale.vectors[2], expected.levels[0], rtol=1e-5, atol=1e-6)


def test_kept_features_are_mapped_not_read(made: Made) -> None:
    scale = made[2][0]
    assert isinstance(scale.segments, np.memmap)
    assert scale.segments.dtype == np.float16
    assert not scale.segments.flags.writeable


@pytest.mark.parametrize("levels", [(1,), (2,), (3,), (1, 3), (3, 1), (2, 3), (1, 2, 3), (4,), ()])
def test_level_subsets_pick_their_own_columns(made: Made, levels: tuple[int, ...]) -> None:
    features = made[2] if levels != (4,) else made[2][2:]
    whole = np.concatenate([scale.vectors for scale in features], axis=1)
    layout = layout_of([scale.extractor for scale in features])
    expected = [whole[:, block.columns] for block in layout if not levels or block.level in levels]
    np.testing.assert_array_equal(clip_vectors(features, levels), np.concatenate(expected, axis=1))


def test_a_level_that_no_network_has_is_refused(made: Made) -> None:
    with pytest.raises(TrainingError, match=r"scale 18 has levels 1 to 3; found \[4\] asked for"):
        clip_vectors(made[2], (4,))


def test_a_selection_says_what_it_is() -> None:
    assert Selection((18, 27)).label == "18+27"
    assert Selection((18,), (1, 3)).label == "18 L1+L3"
