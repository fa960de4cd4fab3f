import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from earmark.training.networks.classifier import GlobalClassifier
from earmark.training.steps.balanced import LEAST, BalancedLoss


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
    network.start_at(torch.tensor([0.0, -5.0, 1.0, -2.0]))
    network.eval()
    found = network(torch.zeros(1, 6)).detach()
    assert torch.allclose(found, torch.tensor([[0.0, -5.0, 1.0, -2.0]]), atol=1.0)
