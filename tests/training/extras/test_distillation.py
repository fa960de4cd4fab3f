import dataclasses
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from earmark.errors import TrainingError
from earmark.training.data.clips import Clips
from earmark.training.extras.distillation import (
    LEAST,
    BalancedLoss,
    distillation_targets,
    files_hash,
    with_distillation,
)
from earmark.training.networks.networks import GlobalClassifier, LocalCNN
from earmark.training.networks.scales import log_mel_extractor
from training.builders import make_data


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


def write_activations(path: Path, *tracks: str, windows: int = 3, columns: int = 2) -> Path:
    generator = np.random.default_rng(0)
    np.savez(path, **{track: generator.normal(3, 2, (windows, columns)).astype(np.float16) for track in tracks})
    return path


def test_activations_follow_the_targets_standardised_by_training_clips(tmp_path: Path) -> None:
    file = write_activations(tmp_path / "a.npz", "one", "two")
    clips = distillation_targets(clips_of("one", "two", "unknown"), [file], np.array([0]))
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
    files = [write_activations(tmp_path / "a.npz", "one"), write_activations(tmp_path / "b.npz", "one", columns=5)]
    assert distillation_targets(clips_of("one"), files, np.array([0])).targets.shape == (1, 8)
    assert files_hash(files) != files_hash(files[::-1])


@pytest.mark.parametrize(
    ("tracks", "windows", "message"),
    [(("one",), 4, "has 4 windows of one; expected 3"), (("other",), 3, "holds none of the training tracks")],
)
def test_activations_that_do_not_fit_are_told(
    tmp_path: Path, tracks: tuple[str, ...], windows: int, message: str
) -> None:
    file = write_activations(tmp_path / "a.npz", *tracks, windows=windows)
    with pytest.raises(TrainingError, match=message):
        distillation_targets(clips_of("one"), [file], np.array([0]))


def test_distillation_stands_beside_several_tags_alone(tmp_path: Path) -> None:
    """With one label a track all outputs compete for it; without files nothing is asked."""
    data = make_data("one-label", tracks=4, rows=8, tags=2)
    assert with_distillation(data, (), "default") is data
    with pytest.raises(TrainingError, match=r"have one label each.*Leave distillation out"):
        with_distillation(data, [write_activations(tmp_path / "a.npz", "one")], "default")


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    text, flat = tmp_path / "text.npz", tmp_path / "flat.npz"
    text.write_text("no archive")
    np.savez(flat, one=np.zeros(3, np.float32))
    for file, message in (
        (text, "cannot be read for distillation"),
        (flat, "differ in shape"),
        (tmp_path / "no.npz", "cannot"),
    ):
        with pytest.raises(TrainingError, match=message):
            distillation_targets(clips_of("one"), [file], np.array([0]))
    with pytest.raises(TrainingError, match="There is no"):
        files_hash([tmp_path / "no.npz"])


def test_a_finished_network_tells_the_tags_alone() -> None:
    torch.manual_seed(0)
    network = LocalCNN(log_mel_extractor(18, ("a", "b")), further_outputs=3).eval()
    segments = torch.randn(2, 18, 128)
    whole = network(segments)
    assert whole.shape == (2, 5)
    network.drop_further_outputs()
    torch.testing.assert_close(network(segments), whole[:, :2])


def test_a_finished_classifier_tells_the_tags_alone() -> None:
    torch.manual_seed(0)
    network = GlobalClassifier(6, 2, (4,), further_outputs=3).eval()
    vectors = torch.randn(5, 6)
    whole = network(vectors)
    assert whole.shape == (5, 5)
    network.drop_further_outputs()
    torch.testing.assert_close(network(vectors), whole[:, :2])


def soft(seed: int = 0) -> torch.Tensor:
    """Targets of a common tag, a rare one, one that nobody knows, and one that never differs."""
    odds = torch.from_numpy(np.random.default_rng(seed).standard_normal((200, 4)).astype(np.float32))
    targets = torch.sigmoid(odds * torch.tensor([1.0, 0.5, 1.0, 0.0]) + torch.tensor([0.0, -5.0, 0.0, -2.0]))
    targets[:, 2] = float("nan")
    return targets


def test_the_loss_is_least_where_logits_are_those_of_the_targets() -> None:
    targets = soft()
    loss = BalancedLoss(targets)
    right = torch.logit(targets, LEAST).nan_to_num(0.0).requires_grad_()
    loss(right, targets).backward()
    assert float(right.grad.abs().max()) < 1e-7
    with torch.no_grad():
        assert float(loss(right + 0.5, targets)) > float(loss(right, targets))


def test_every_tag_counts_alike() -> None:
    targets = soft()[:, :2]
    loss = BalancedLoss(targets)
    np.testing.assert_allclose(loss.mean, torch.logit(targets, LEAST).mean(dim=0), atol=1e-5)
    np.testing.assert_allclose(loss.deviation, torch.logit(targets, LEAST).std(dim=0, correction=0), atol=1e-5)
    logits = loss.mean.expand(200, 2)
    by_tag = [float(loss(logits, torch.where(torch.arange(2) == tag, targets, torch.nan))) for tag in range(2)]
    assert by_tag[0] == pytest.approx(by_tag[1], rel=0.05)


def test_unknown_yes_and_no_are_finite() -> None:
    targets = soft()
    targets[:5, 0], targets[5:10, 0] = 0.0, 1.0
    loss = BalancedLoss(targets)
    logits = torch.zeros(200, 4, requires_grad=True)
    value = loss(logits, targets)
    value.backward()
    assert torch.isfinite(value) and torch.isfinite(logits.grad).all()
    assert not logits.grad[:, 2].any(), "nobody knows the third tag"


def test_a_network_starts_where_its_targets_lie() -> None:
    network = GlobalClassifier(6, 4, (5, 3))
    loss = BalancedLoss(torch.sigmoid(torch.tensor([[0.0, -5.0, 1.0, -2.0]] * 3)))
    loss.start(network.output)
    network.eval()
    found = network(torch.zeros(1, 6)).detach()
    assert torch.allclose(found, torch.tensor([[0.0, -5.0, 1.0, -2.0]]), atol=1.0)
