import dataclasses
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from earmark.errors import TrainingError
from earmark.training.material.clips import Clips
from earmark.training.material.hints import hinted, hints_hash, with_hints
from earmark.training.networks.classifier import GlobalClassifier
from earmark.training.networks.local_cnn import LocalCNN
from earmark.training.networks.scales import log_mel_extractor
from training.builders import make_material


def clips_of(*tracks: str) -> Clips:
    """Clips of tracks with three windows of one tag each."""
    count = len(tracks)
    constant = Clips.with_constant_targets(
        tracks, np.arange(count) * 10, np.full(count, 10), np.full((count, 1), 0.5, np.float32)
    )
    return dataclasses.replace(
        constant,
        table=np.full((3 * count, 1), 0.5, np.float32),
        first_entry=3 * np.arange(count),
        entries=np.full(count, 3),
        entry_seconds=np.ones(count),
    )


def write_hints(path: Path, *tracks: str, windows: int = 3, columns: int = 2) -> Path:
    generator = np.random.default_rng(0)
    np.savez(path, **{track: generator.normal(3, 2, (windows, columns)).astype(np.float16) for track in tracks})
    return path


def test_hints_follow_the_targets_standardised_by_training_clips(tmp_path: Path) -> None:
    file = write_hints(tmp_path / "a.npz", "one", "two")
    clips = hinted(clips_of("one", "two", "unknown"), [file], np.array([0]))
    assert clips.table.shape == (9, 3) and clips.targets.shape == (3, 3)
    odds = np.log(clips.table[:3, 1:] / (1 - clips.table[:3, 1:]))
    np.testing.assert_allclose(odds.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(odds.std(axis=0), 1, atol=1e-5)
    with np.load(file) as archive:
        one, two = archive["one"].astype(np.float64), archive["two"].astype(np.float64)
    expected = 1 / (1 + np.exp(-(two - one.mean(axis=0)) / one.std(axis=0)))
    np.testing.assert_allclose(clips.table[3:6, 1:], expected, atol=1e-5)
    np.testing.assert_allclose(clips.targets[1, 1:], expected.mean(axis=0), atol=1e-5)
    assert np.isnan(clips.table[6:, 1:]).all() and np.isnan(clips.targets[2, 1:]).all()
    assert (clips.table[:, 0] == 0.5).all()


def test_files_follow_one_another(tmp_path: Path) -> None:
    files = [write_hints(tmp_path / "a.npz", "one"), write_hints(tmp_path / "b.npz", "one", columns=5)]
    assert hinted(clips_of("one"), files, np.array([0])).targets.shape == (1, 8)
    assert hints_hash(files) != hints_hash(files[::-1])


@pytest.mark.parametrize(
    ("tracks", "windows", "message"),
    [(("one",), 4, "has 4 windows of one, expected 3"), (("other",), 3, "knows none of the training tracks")],
)
def test_hints_that_do_not_fit_are_told(tmp_path: Path, tracks: tuple[str, ...], windows: int, message: str) -> None:
    file = write_hints(tmp_path / "a.npz", *tracks, windows=windows)
    with pytest.raises(TrainingError, match=message):
        hinted(clips_of("one"), [file], np.array([0]))


def test_hints_stand_beside_several_tags_alone(tmp_path: Path) -> None:
    """With one label a track all outputs compete for it; without files nothing is asked."""
    material = make_material("one-label", tracks=4, rows=8, tags=2)
    assert with_hints(material, (), "default") is material
    with pytest.raises(TrainingError, match=r"have one label each.*Leave hints out"):
        with_hints(material, [write_hints(tmp_path / "a.npz", "one")], "default")


def test_files_that_are_no_hints_are_told(tmp_path: Path) -> None:
    text, flat = tmp_path / "text.npz", tmp_path / "flat.npz"
    text.write_text("no archive")
    np.savez(flat, one=np.zeros(3, np.float32))
    for file, message in (
        (text, "cannot be read as hints"),
        (flat, "differ in shape"),
        (tmp_path / "no.npz", "cannot"),
    ):
        with pytest.raises(TrainingError, match=message):
            hinted(clips_of("one"), [file], np.array([0]))
    with pytest.raises(TrainingError, match="There is no"):
        hints_hash([tmp_path / "no.npz"])


def test_a_finished_network_has_no_hints() -> None:
    torch.manual_seed(0)
    network = LocalCNN(log_mel_extractor(18, ("a", "b")), hints=3).eval()
    segments = torch.randn(2, 18, 128)
    whole = network(segments)
    assert whole.shape == (2, 5)
    network.drop_hints()
    torch.testing.assert_close(network(segments), whole[:, :2])


def test_a_finished_classifier_has_no_hints() -> None:
    torch.manual_seed(0)
    network = GlobalClassifier(6, 2, (4,), hints=3).eval()
    vectors = torch.randn(5, 6)
    whole = network(vectors)
    assert whole.shape == (5, 5)
    network.drop_hints()
    torch.testing.assert_close(network(vectors), whole[:, :2])
