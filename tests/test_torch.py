"""The model as a torch module: numpy's numbers, gradients, and what was fine-tuned as a model again."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from tagging.builders import log_mel_extractor, make_bundle, make_bundle_of, raw_extractor

from earmark.audio.logmel import LogMelSettings
from earmark.errors import TagError
from earmark.tagging.bundle.bundle import Bundle, write_bundle
from earmark.tagging.tagger import Tagger, load
from earmark.torch import TorchTagger

LABELS = ("a", "b", "c")


def with_statistic(statistic: str) -> Bundle:
    extractor = dataclasses.replace(log_mel_extractor(18, LABELS, 16), track_statistic=statistic)
    return make_bundle_of([extractor], LABELS)


def levelled() -> Bundle:
    extractor = dataclasses.replace(log_mel_extractor(18, LABELS, 16), log_mel=LogMelSettings(level_seconds=3.0))
    return make_bundle_of([extractor], LABELS)


MODELS = {
    "three scales": make_bundle,
    "raw": lambda: make_bundle_of([raw_extractor(LABELS)], LABELS),
    "levelled": levelled,
    "max": lambda: with_statistic("max"),
    "mean+deviation": lambda: with_statistic("mean+deviation"),
    "bundled": lambda: load().bundle,
}


@pytest.mark.parametrize("seconds", [0.1, 7.0])
@pytest.mark.parametrize("model", MODELS)
def test_torch_says_what_numpy_says(model: str, seconds: float) -> None:
    tagger = Tagger(MODELS[model]())
    module = TorchTagger(tagger)
    samples = round(seconds * tagger.card.rate_hz)
    loudness = np.geomspace(0.01, 0.5, samples)
    waveforms = (np.random.default_rng(0).normal(size=(2, samples)) * loudness).astype(np.float32)
    with torch.inference_mode():
        vectors, logits = module.embed(torch.from_numpy(waveforms)), module(torch.from_numpy(waveforms))
    for place, waveform in enumerate(waveforms):
        expected = tagger.tag((waveform, module.rate_hz))
        np.testing.assert_allclose(vectors[place], expected.embedding, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(logits[place], expected.logits, rtol=1e-4, atol=1e-4)


def test_it_is_fine_tuned_and_kept_as_a_model(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = TorchTagger(Tagger(make_bundle(calibrated=True)), dropout=0.1).train()
    waveforms = torch.randn(4, 22_050) * 0.1
    wanted = torch.tensor([[1.0, 0, 0, 0, 0], [0, 1.0, 0, 0, 0]] * 2)
    optimiser = torch.optim.SGD(module.parameters(), lr=0.05)
    losses = []
    for _ in range(8):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(module(waveforms), wanted)
        optimiser.zero_grad()
        loss.backward()
        for name, parameter in module.named_parameters():
            local_output = ".output." in name and name.startswith("networks")
            hidden = ".hidden." in name and name.startswith("networks")
            assert local_output or hidden or parameter.grad.abs().sum() > 0, name
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    write_bundle(module.eval().bundle("tuned"), tmp_path / "tuned")
    tuned = load(tmp_path / "tuned")
    assert (tuned.card.name, tuned.card.calibration) == ("tuned", ())
    with torch.inference_mode():
        expected = module(waveforms[:1])[0].numpy()
    np.testing.assert_allclose(tuned.tag((waveforms[0], 22_050)).logits, expected, rtol=1e-4, atol=1e-4)


def test_other_shapes_are_refused() -> None:
    module = TorchTagger(Tagger(make_bundle()))
    for shape in ((22_050,), (1, 0), (1, 2, 22_050)):
        with pytest.raises(TagError, match=r"\(sounds, samples\)"):
            module(torch.zeros(shape))
