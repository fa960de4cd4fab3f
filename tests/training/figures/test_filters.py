from collections.abc import Callable

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from plots.layout import check_layout, texts
from tagging.builders import make_bundle_of, make_weights

from earmark.errors import TrainingError
from earmark.tagging.bundle.bundle import Bundle, write_bundle
from earmark.tagging.engines.network import LocalNetwork
from earmark.training.figures.filters import draw_filters, filter_spectra, first_layer_spectra, network_of
from earmark.training.figures.measured import MeasuredRun
from earmark.training.networks.scales import BlockKind, SampleLevelShape, raw_extractor

LABELS = ("a", "b")
Make = Callable[..., MeasuredRun]


def bundle_of(kind: BlockKind = "basic", samples: int = 2187) -> Bundle:
    shape = SampleLevelShape(channel_multiplier=1 / 16, block=kind)
    return make_bundle_of([raw_extractor(samples, LABELS, shape)], LABELS)


@pytest.mark.parametrize("kind", ["basic", "se", "rese-2"])
def test_a_bundle_is_a_network_in_torch_again(kind: BlockKind) -> None:
    bundle = bundle_of(kind)
    extractor = bundle.card.extractors[0]
    segments = np.random.default_rng(0).normal(0, 0.1, (2, 2187, 1)).astype(np.float32)
    with torch.inference_mode():
        expected = network_of(extractor, bundle.weights)(torch.from_numpy(segments)).numpy()
    found = LocalNetwork(extractor, bundle.weights)(segments).logits
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_first_layer_filters_are_known_by_their_taps() -> None:
    """A sum passes what is low, a difference what is high, and a middle one what lies between."""
    bundle = bundle_of()
    extractor = bundle.card.extractors[0]
    weights = dict(bundle.weights)
    name = f"extractor.{extractor.name}.convolution.1.weight"
    taps = np.zeros_like(weights[name])
    taps[:] = [1, 1, 1]
    taps[0], taps[1] = [1, -1, 1], [1, 0, -1]
    weights[name] = taps
    spectra = first_layer_spectra(extractor, weights)
    assert spectra.centres_hz[:-2].max() == 0
    np.testing.assert_allclose(spectra.centres_hz[-2:], [11_025 / 2, 11_025], rtol=0.01)
    np.testing.assert_allclose(spectra.magnitudes.max(axis=1), 1)


def test_layers_are_in_order_of_their_centre_frequencies() -> None:
    bundle = bundle_of()
    layers = filter_spectra(bundle.card.extractors[0], bundle.weights)
    assert [layer.level for layer in layers] == [1, 2, 3, 4, 5, 6]
    assert [len(layer.magnitudes) + layer.silent for layer in layers] == [8, 8, 8, 16, 16, 16]
    for layer in layers:
        assert bool((np.diff(layer.centres_hz) >= 0).all())
        peaks = layer.frequencies_hz[layer.magnitudes.argmax(axis=1)]
        np.testing.assert_allclose(peaks, layer.centres_hz)
    again = filter_spectra(bundle.card.extractors[0], bundle.weights)
    np.testing.assert_array_equal(again[3].magnitudes, layers[3].magnitudes)


def test_ascent_finds_what_a_filter_listens_for() -> None:
    """First layer: every third sample as it is. Then a filter [1, 0, -1] on those, which is highest between the two."""
    bundle = bundle_of()
    card = bundle.card
    extractor = card.extractors[0]
    weights = {name: np.zeros_like(weight) for name, weight in make_weights(card, 0).items()}
    prefix = f"extractor.{extractor.name}.convolution"
    weights[f"{prefix}.1.weight"][:, 0] = [0, 1, 0]
    weights[f"{prefix}.1.bias"][:] = 1.0
    weights[f"{prefix}.2.weight"][:, 0] = [1, 0, -1]
    layer = filter_spectra(extractor, weights)[1]
    folded = np.abs((layer.centres_hz + 22_050 / 6) % (22_050 / 3) - 22_050 / 6)
    np.testing.assert_allclose(folded, 22_050 / 12, rtol=0.4)


@pytest.mark.usefixtures("house")
def test_the_figure(made_up: Make) -> None:
    run = made_up(scales=(2187,), compare=("local",))
    write_bundle(bundle_of(), run.folder / "model")
    figure = draw_filters(run, 2187)
    check_layout(figure)
    written = texts(figure)
    assert [text[:2] for text in written if text[0] == "L" and text[1].isdigit()][:6] == [f"L{n}" for n in range(1, 7)]
    assert "Filters by centre frequency, 2187 samples" in written


@pytest.mark.usefixtures("house")
def test_what_is_missing_is_said(made_up: Make) -> None:
    run = made_up(scales=(2187,), compare=("local",))
    with pytest.raises(TrainingError, match=r"the run has no model in .* Train it: earmark train"):
        draw_filters(run, 2187)
    write_bundle(bundle_of(samples=6561), run.folder / "model")
    with pytest.raises(TrainingError, match="has the scales 6561, not 2187"):
        draw_filters(run, 2187)
