"""The product held against the method on one page, `training/method.py`.

Networks are compared in float32, trainings in float64, where rounding stays far below the tolerance.
"""

from collections.abc import Iterator

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from lightning.fabric import Fabric

from earmark.audio import logmel
from earmark.audio.segments import SegmentRule
from earmark.tagging.engines.network import LocalNetwork
from earmark.training import method
from earmark.training.data.batches import SegmentBatches, VectorBatches
from earmark.training.data.clips import Clips
from earmark.training.networks.export import local_arrays
from earmark.training.networks.networks import GlobalClassifier, LocalCNN, parameter_count
from earmark.training.networks.scales import convolutions_of, log_mel_extractor
from earmark.training.recipe.sections import GlobalSection, LocalSection, StagedSchedule
from earmark.training.steps.features import clip_vectors, extract_features, read_features
from earmark.training.steps.fit import fit, tag_loss

CLOSE = {"rtol": 1e-5, "atol": 1e-5}
TAGS = ("a", "b", "c")


@pytest.fixture
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def product_of(reference: torch.nn.Module) -> torch.nn.Module:
    """The product's network with the weights of a reference network: both have the same parameters in one order."""
    if isinstance(reference, method.SegmentCNN):
        extractor = log_mel_extractor(reference.scale, TAGS, reference.mean, reference.deviation)
        network, own = LocalCNN(extractor), {"input_mean", "input_deviation"}
    else:
        network, own = GlobalClassifier(reference.layers[0].in_features, len(TAGS)), {"mean", "deviation"}
        network.mean.fill_(reference.mean)
        network.deviation.fill_(reference.deviation)
    state = network.state_dict()
    names = [name for name in state if name not in own]
    weights = reference.state_dict().values()
    assert len(names) == len(weights)
    for name, weight in zip(names, weights, strict=True):
        state[name] = weight.reshape(state[name].shape)
    network.load_state_dict(state)
    return network


def warmed(network: torch.nn.Module, inputs: torch.Tensor) -> torch.nn.Module:
    """Batch norms with statistics of their own, as after a training."""
    network.train()
    for _ in range(3):
        network(inputs)
    return network.eval()


@pytest.mark.parametrize("samples", [600, 22_050])
def test_front_end(samples: int) -> None:
    generator = np.random.default_rng(0)
    sound = generator.uniform(-1, 1, samples).astype(np.float32)
    np.testing.assert_allclose(logmel.log_mel(sound), method.log_mel(sound), **CLOSE)
    np.testing.assert_allclose(logmel.mel_filters(logmel.LogMelSettings()), method.mel_filters(), **CLOSE)


@pytest.mark.parametrize("scale", method.POOLS)
def test_local_networks(scale: int) -> None:
    torch.manual_seed(0)
    reference = method.SegmentCNN(scale, len(TAGS), 0.3, 0.6)
    network = product_of(reference)
    assert parameter_count(network) == sum(weights.numel() for weights in reference.parameters())
    assert [shape.pool_length for shape in convolutions_of(scale)] == list(method.POOLS[scale])
    segments = torch.rand(5, scale, 128)
    reference.eval(), network.eval()
    torch.testing.assert_close(network(segments), reference(segments.transpose(1, 2)), **CLOSE)
    levels = zip(network.activations(segments), reference.levels(segments.transpose(1, 2)), strict=True)
    for found, expected in levels:
        torch.testing.assert_close(found, expected, **CLOSE)


def test_global_network() -> None:
    torch.manual_seed(0)
    reference = method.ClipClassifier(1792, len(TAGS), 0.1, 2.0)
    network = product_of(reference)
    assert parameter_count(network) == sum(weights.numel() for weights in reference.parameters())
    vectors = torch.rand(5, 1792)
    torch.testing.assert_close(network.eval()(vectors), reference.eval()(vectors), **CLOSE)


def test_both_start_from_the_same_distribution() -> None:
    torch.manual_seed(0)
    reference, network = method.SegmentCNN(27, 50, 0, 1), LocalCNN(log_mel_extractor(27, tuple(map(str, range(50)))))
    own = [value for name, value in network.state_dict().items() if not name.startswith("input")]
    for found, expected in zip(own, reference.state_dict().values(), strict=True):
        if found.numel() > 10_000:
            assert float(found.std()) == pytest.approx(float(expected.std()), rel=0.03)
        elif expected.ndim < 2:
            torch.testing.assert_close(found, expected)


def test_vectors(tmp_path: pytest.TempPathFactory) -> None:
    """What tags, numpy with folded batch norms, gives the vectors of the method: 118 frames leave a rest everywhere."""
    torch.manual_seed(0)
    clips = torch.rand(3, 118, 128)
    references = [
        warmed(method.SegmentCNN(scale, len(TAGS), 0.3, 0.6), torch.rand(40, 128, scale)) for scale in method.SCALES
    ]
    features = []
    for reference in references:
        network = product_of(reference)
        folder = tmp_path / str(reference.scale)
        folder.mkdir()
        tagging = LocalNetwork(network.extractor, local_arrays(network))
        extract_features(tagging, lambda logits: 1 / (1 + np.exp(-logits)), clips.numpy(), folder)
        features.append(read_features(network.extractor, folder))
        segments = method.segments_of((clips, torch.zeros(3, 1)), reference.scale)[0]
        local = torch.sigmoid(reference(segments)).reshape(3, -1, len(TAGS)).mean(dim=1)
        np.testing.assert_allclose(features[-1].local_scores, local.detach(), **CLOSE)
    expected = method.clip_vectors(references, clips)
    assert expected.shape == (3, 1792)
    np.testing.assert_allclose(clip_vectors(features, ()), expected, **CLOSE)


class InDouble:
    """Batches in float64."""

    def __init__(self, batches: SegmentBatches | VectorBatches) -> None:
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches)

    def epoch(self, number: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        return ((inputs.double(), targets.double()) for inputs, targets in self._batches.epoch(number))


def examples(clips: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Clips of 60 frames in which a tag makes some bands loud; float16 holds them without rounding."""
    targets = torch.randint(0, 2, (clips, len(TAGS))).double()
    frames = torch.randint(0, 64, (clips, 60, 128)) / 64
    for tag in range(len(TAGS)):
        frames[:, :, 20 * tag : 20 * tag + 20] += targets[:, tag].reshape(-1, 1, 1) / 8
    return frames, targets


def segment_batches(clips: torch.Tensor, targets: torch.Tensor, scale: int, shuffle: bool) -> InDouble:
    rows = np.full(len(clips), clips.shape[1], np.int64)
    table = Clips.with_constant_targets(
        tuple(map(str, range(len(clips)))), np.cumsum(rows) - rows, rows, targets.float().numpy()
    )
    frames = clips.flatten(0, 1).numpy().astype(np.float16)
    chosen = np.arange(len(clips))
    return InDouble(SegmentBatches(frames, table, chosen, SegmentRule(scale, scale), 23, shuffle=shuffle))


def product_fit(network: torch.nn.Module, training: InDouble, validation: InDouble, schedule: StagedSchedule) -> None:
    short = schedule.model_copy(update={"learning_rates": schedule.learning_rates[: method.STAGES]})
    fabric = Fabric(accelerator="cpu", devices=1, precision="64-true")
    fit(network, training, validation, short, tag_loss("multi-label"), 0, fabric)


def test_three_steps(double: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two stages of each training, from the same weights."""
    monkeypatch.setattr(method, "STAGES", 2)
    monkeypatch.setattr(method, "SCALES", (18, 27))
    started: list[torch.nn.Module] = []
    reference_fit = method.fit

    def watched(network: torch.nn.Module, *arguments: object, **options: object) -> None:
        started.append(product_of(network))
        reference_fit(network, *arguments, **options)

    monkeypatch.setattr(method, "fit", watched)
    torch.manual_seed(0)
    train, valid = examples(18), examples(6)
    networks, classifier = method.three_steps(train, valid)

    *local, classifying = started
    schedule = LocalSection().schedule
    for network, reference in zip(local, networks, strict=True):
        batches = [segment_batches(*side, reference.scale, side is train) for side in (train, valid)]
        product_fit(network, *batches, schedule)
        segments = valid[0][:, : reference.scale]
        torch.testing.assert_close(network(segments), reference(segments.transpose(1, 2)), **CLOSE)
    vectors = [method.clip_vectors(networks, clips) for clips, _ in (train, valid)]
    batches = [
        InDouble(VectorBatches(vectors[0], train[1], GlobalSection().batch_clips, shuffle=True)),
        InDouble(VectorBatches(vectors[1], valid[1], 1024, shuffle=False)),
    ]
    product_fit(classifying, *batches, GlobalSection().schedule)
    torch.testing.assert_close(classifying(vectors[1]), classifier(vectors[1]), **CLOSE)
