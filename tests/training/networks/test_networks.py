import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from lightning.fabric import Fabric
from tagging.builders import raw_extractor

from earmark.tagging.bundle.card import Convolution
from earmark.training.data.batches import VectorBatches
from earmark.training.networks.blocks import ConvolutionBlock
from earmark.training.networks.networks import GlobalClassifier, LocalCNN, output_length
from earmark.training.networks.scales import LETTER_SCALES, log_mel_extractor
from earmark.training.recipe.sections import OneCycleSchedule
from earmark.training.steps.fit import fit, tag_loss

LABELS = ("a", "b")


def convolution_by_hand(rows: np.ndarray, weight: np.ndarray, bias: np.ndarray, before: int, after: int) -> np.ndarray:
    """(inputs, time) -> (channels, time), a sum at a time."""
    padded = np.pad(rows, ((0, 0), (before, after)))
    length = weight.shape[2]
    columns = range(padded.shape[1] - length + 1)
    return np.stack([np.einsum("oif,if->o", weight, padded[:, at : at + length]) + bias for at in columns], axis=1)


@pytest.mark.parametrize(("filter_length", "before", "after"), [(3, 1, 1), (2, 0, 1), (1, 0, 0), (4, 1, 2)])
def test_same_padding_puts_the_odd_zero_at_the_end(filter_length: int, before: int, after: int) -> None:
    torch.manual_seed(0)
    block = ConvolutionBlock(5, Convolution(filter_length, 7, 1)).eval()
    rows = torch.randn(1, 5, 9, 1)
    expected = convolution_by_hand(
        rows[0, :, :, 0].numpy(),
        block.convolution.weight.detach()[..., 0].numpy(),
        block.convolution.bias.detach().numpy(),
        before,
        after,
    )
    expected = np.maximum(expected / np.sqrt(1 + block.norm.eps), 0)
    with torch.inference_mode():
        found = block(rows)[0, :, :, 0].numpy()
    assert found.shape == (7, 9)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_strided_first_layer_pads_nothing() -> None:
    block = ConvolutionBlock(1, Convolution(3, 4, 1, stride=3)).eval()
    rows = torch.randn(2, 1, 9, 1)
    with torch.inference_mode():
        found = block(rows)
        alone = block(rows[:, :, 3:6])
    assert found.shape == (2, 4, 3, 1)
    torch.testing.assert_close(found[:, :, 1:2], alone)


def test_the_pool_takes_maxima() -> None:
    torch.manual_seed(0)
    pooled, plain = (ConvolutionBlock(2, Convolution(3, 4, pool)) for pool in (3, 1))
    plain.load_state_dict(pooled.state_dict())
    rows = torch.randn(1, 2, 9, 1)
    expected = plain.eval()(rows).reshape(1, 4, 3, 3).amax(-1)
    torch.testing.assert_close(pooled.eval()(rows)[..., 0], expected)


@pytest.mark.parametrize("frames", LETTER_SCALES)
def test_shapes_of_a_local_cnn(frames: int) -> None:
    extractor = log_mel_extractor(frames, LABELS)
    network = LocalCNN(extractor).eval()
    with torch.inference_mode():
        segments = torch.rand(3, frames, 128)
        activations = network.activations(segments)
        assert network(segments).shape == (3, 2)
    assert [level.shape[1] for level in activations] == [shape.channels for shape in extractor.convolutions]
    assert activations[-1].shape[2] == output_length(extractor) == 1
    assert all(bool((level >= 0).all()) for level in activations)


def test_a_raw_network_without_a_hidden_layer() -> None:
    extractor = raw_extractor(LABELS)
    network = LocalCNN(extractor)
    assert isinstance(network.hidden, torch.nn.Dropout)
    assert network(torch.rand(4, 2187, 1)).shape == (4, 2)


def test_weights_start_as_the_authors_do() -> None:
    torch.manual_seed(0)
    network = LocalCNN(log_mel_extractor(18, LABELS))
    first = network.blocks[0].convolution
    bound = (6 / (128 * 3)) ** 0.5
    assert not first.bias.detach().any()
    assert 0.99 * bound < float(first.weight.detach().abs().max()) <= bound
    assert float(first.weight.detach().std()) == pytest.approx(bound / 3**0.5, rel=0.02)


def test_dropout_is_for_training_only() -> None:
    network = GlobalClassifier(10, 2, (64,), dropout=0.5)
    vectors = torch.rand(8, 10)
    network.eval()
    torch.testing.assert_close(network(vectors), network(vectors))
    network.train()
    assert not torch.allclose(network(vectors), network(vectors))


def test_the_classifier_standardises() -> None:
    torch.manual_seed(0)
    network, plain = GlobalClassifier(10, 2, (8,)).eval(), GlobalClassifier(10, 2, (8,)).eval()
    plain.load_state_dict(network.state_dict())
    network.mean.fill_(0.3)
    network.deviation.copy_(torch.arange(1.0, 11.0))
    vectors = torch.rand(4, 10)
    torch.testing.assert_close(network(vectors), plain((vectors - 0.3) / torch.arange(1.0, 11.0)))
    assert {"mean", "deviation"} <= set(network.state_dict())


def test_scores_do_not_depend_on_the_batch() -> None:
    network = LocalCNN(log_mel_extractor(18, LABELS)).eval()
    segments = torch.rand(20, 18, 128)
    with torch.inference_mode():
        one_by_one = torch.cat([network(segment[None]) for segment in segments])
        torch.testing.assert_close(one_by_one, network(segments), rtol=0, atol=1e-5)


@pytest.mark.parametrize("task", ["multi-label", "one-label"])
def test_validation_does_not_depend_on_the_batch(task: str) -> None:
    """Also where many targets are unknown, and not equally many in every batch."""
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(50, 6, generator=generator)
    targets = (vectors[:, :3] > 0).float()
    if task == "one-label":
        targets = torch.eye(3)[vectors[:, :3].argmax(dim=1)]
    else:
        targets[:20][torch.rand(20, 3, generator=generator) < 0.7] = float("nan")
    cycle = OneCycleSchedule(kind="one-cycle", epochs=2)
    losses = []
    for size in (1, 7, 50):
        torch.manual_seed(0)
        network = GlobalClassifier(6, 3, (8,))
        training = VectorBatches(vectors, targets, 10, shuffle=True)
        validation = VectorBatches(vectors, targets, size, shuffle=False)
        fabric = Fabric(accelerator="cpu", devices=1)
        history = fit(network, training, validation, cycle, tag_loss(task), 0, fabric)  # type: ignore[arg-type]
        losses.append([epoch.validation_loss for epoch in history.epochs])
    np.testing.assert_allclose(losses, [losses[-1]] * 3, rtol=0, atol=1e-5)
    with torch.inference_mode():
        expected = float(tag_loss(task)(network(vectors), targets))  # type: ignore[arg-type]
    assert history.best.validation_loss == pytest.approx(expected, abs=1e-5)


def test_output_length_counts_strides_and_pools() -> None:
    extractor = log_mel_extractor(18, LABELS)
    assert output_length(dataclasses.replace(extractor, segment_length=36)) == 2
    assert output_length(raw_extractor(LABELS)) == 1
