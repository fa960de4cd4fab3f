import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from tagging.builders import raw_extractor

from earmark.errors import TrainingError
from earmark.tagging.bundle.card import Extractor, Head
from earmark.tagging.engines.network import Classifier, LocalNetwork
from earmark.training.networks.export import check_classifier, check_local, classifier_arrays, local_arrays
from earmark.training.networks.networks import GlobalClassifier, LocalCNN
from earmark.training.networks.scales import LETTER_SCALES, log_mel_extractor

LABELS = ("a", "b", "c")
SCALES = LETTER_SCALES


def segments_for(extractor: Extractor, count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, extractor.segment_length, extractor.input_columns, generator=generator)


def trained_local(extractor: Extractor) -> LocalCNN:
    """A network whose batch norms have seen data and whose scales, shifts and biases are not those of the start."""
    torch.manual_seed(0)
    network = LocalCNN(extractor, dropout=0.2).train()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.3, 0.3)
            if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
                module.bias.uniform_(-0.2, 0.2)
        for batch in range(3):
            network(segments_for(extractor, 8, batch + 1))
    return network.eval()


@pytest.fixture(scope="module")
def local_18() -> LocalCNN:
    return trained_local(log_mel_extractor(18, LABELS, 0.4, 0.3))


def test_the_running_statistics_are_not_those_of_the_start(local_18: LocalCNN) -> None:
    norms = [module for module in local_18.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert all(float(norm.running_mean.abs().max()) > 0.05 for norm in norms)
    assert all(float((norm.running_var - 1).abs().max()) > 0.05 for norm in norms)


@pytest.mark.parametrize("scale", [*SCALES, 2187])
def test_numpy_says_what_torch_says(scale: int) -> None:
    extractor = raw_extractor(LABELS) if scale == 2187 else log_mel_extractor(scale, LABELS, 0.4, 0.3)
    network = trained_local(extractor)
    arrays = local_arrays(network)
    assert all(array.dtype == np.float32 and array.flags.c_contiguous for array in arrays.values())
    segments = segments_for(extractor, 6)
    with torch.inference_mode():
        logits = network(segments).numpy()
        levels = [level.amax(-1) for level in network.activations(segments)]
    expected = torch.cat([levels[level - 1] for level in extractor.levels], dim=1).numpy()
    found = LocalNetwork(extractor, arrays)(segments.numpy())
    # Relative to the largest value, as `TOLERANCE` has it: these levels go up to 7.
    for numpy_says, torch_says in ((found.logits, logits), (found.levels, expected)):
        np.testing.assert_allclose(numpy_says, torch_says, rtol=0, atol=1e-5 * max(1.0, np.abs(torch_says).max()))
    assert (expected > 0).mean() > 0.5, "the levels say something"
    check_local(network, arrays, segments.numpy())


PARTS = ("convolution.1.weight", "convolution.2.bias", "convolution.3.weight", "hidden.weight", "hidden.bias")


@pytest.mark.parametrize(
    "name",
    (*PARTS, "output.weight", "output.bias"),
)
@pytest.mark.parametrize("damage", ["larger", "shifted", "not a number"])
def test_a_spoiled_array_is_caught(local_18: LocalCNN, name: str, damage: str) -> None:
    arrays = local_arrays(local_18)
    spoiled = arrays[f"extractor.18.{name}"]
    if damage == "larger":
        spoiled *= np.float32(1.01)
    elif damage == "shifted":
        spoiled[...] = np.roll(spoiled, 1)
    else:
        spoiled[...] = np.nan
    with pytest.raises(TrainingError, match=r"The exported network's .* differ from the trained one's"):
        check_local(local_18, arrays, segments_for(local_18.extractor, 6).numpy())


def test_the_check_takes_what_fits_in_a_batch(local_18: LocalCNN) -> None:
    check_local(local_18, local_arrays(local_18), segments_for(local_18.extractor, 100).numpy())


def trained_classifier(hidden_units: tuple[int, ...]) -> GlobalClassifier:
    torch.manual_seed(1)
    network = GlobalClassifier(40, 3, hidden_units, dropout=0.2).train()
    network.mean.uniform_(-1, 1)
    network.deviation.uniform_(0.5, 2)
    with torch.no_grad():
        for _ in range(3):
            network(torch.rand(16, 40) * 3)
    return network.eval()


@pytest.mark.parametrize("hidden_units", [(512, 512), (16,), ()])
def test_the_classifier_says_the_same(hidden_units: tuple[int, ...]) -> None:
    network = trained_classifier(hidden_units)
    arrays = classifier_arrays(network)
    head, vectors = Head(hidden_units, ""), torch.rand(30, 40) * 3
    with torch.inference_mode():
        expected = network(vectors).numpy()
    np.testing.assert_allclose(Classifier(head, arrays)(vectors.numpy()), expected, rtol=1e-5, atol=1e-5)
    check_classifier(network, head, arrays, vectors.numpy())
    for name in arrays:
        spoiled = {**arrays, name: arrays[name] * np.float32(1.05) + np.float32(0.01)}
        with pytest.raises(TrainingError, match="global scores differ"):
            check_classifier(network, head, spoiled, vectors.numpy())


def test_scores_do_not_depend_on_the_batch(local_18: LocalCNN) -> None:
    network = LocalNetwork(local_18.extractor, local_arrays(local_18))
    segments = segments_for(local_18.extractor, 23).numpy()
    whole = network(segments)
    for size in (1, 5):
        parts = [network(segments[at : at + size]) for at in range(0, 23, size)]
        np.testing.assert_allclose(np.concatenate([part.logits for part in parts]), whole.logits, rtol=0, atol=1e-5)
        np.testing.assert_allclose(np.concatenate([part.levels for part in parts]), whole.levels, rtol=0, atol=1e-5)
    classifier = Classifier(Head((16,), ""), classifier_arrays(trained_classifier((16,))))
    vectors = np.random.default_rng(0).uniform(size=(23, 40)).astype(np.float32)
    one_by_one = np.concatenate([classifier(vector[None]) for vector in vectors])
    np.testing.assert_allclose(one_by_one, classifier(vectors), rtol=0, atol=1e-5)


def test_a_network_without_running_statistics_is_refused(local_18: LocalCNN) -> None:
    network = LocalCNN(local_18.extractor)
    network.hidden.norm.running_mean = None
    with pytest.raises(TrainingError, match="without bias or running statistics"):
        local_arrays(network)


def test_arrays_do_not_change_with_the_network(local_18: LocalCNN) -> None:
    network = LocalCNN(local_18.extractor)
    network.load_state_dict(local_18.state_dict())
    arrays = local_arrays(network)
    before = {name: array.copy() for name, array in arrays.items()}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, before[name])
