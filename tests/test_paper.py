"""The numbers that the papers print, or that follow from them, pinned one by one (method sections 2, 3 and 5)."""

import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from earmark.audio.logmel import LogMelSettings
from earmark.audio.segments import SegmentRule
from earmark.tagging.bundle.card import layout_of
from earmark.training.networks.networks import GlobalClassifier, LocalCNN, output_length, parameter_count
from earmark.training.networks.scales import convolutions_of, log_mel_extractor
from earmark.training.recipe.sections import GlobalSection, StagedSchedule

TAGS = tuple(f"tag {number}" for number in range(50))


@pytest.mark.parametrize(
    ("frames", "parameters", "columns", "segments", "mega_multiply_adds"),
    [
        (18, 244_530, 512, 69, 96),
        (27, 277_298, 512, 46, 99),
        (54, 409_138, 768, 23, 103),
        (108, 540_978, 1024, 11, 100),
        (216, 672_818, 1280, 5, 92),
    ],
)
def test_local_cnns_of_the_letter(
    frames: int, parameters: int, columns: int, segments: int, mega_multiply_adds: int
) -> None:
    extractor = log_mel_extractor(frames, TAGS)
    assert parameter_count(LocalCNN(extractor)) == parameters
    assert layout_of((extractor,))[-1].stop == columns
    assert SegmentRule(frames, frames).count(1250) == segments
    assert output_length(extractor) == 1
    assert segments * multiply_adds(frames) / 1e6 == pytest.approx(mega_multiply_adds, abs=0.6)


def multiply_adds(frames: int) -> int:
    """Multiply-adds of one segment: every convolution at its own length, then the two dense layers."""
    length, inputs, total = frames, 128, 0
    for shape in convolutions_of(frames):
        total += length * shape.filter_length * inputs * shape.channels
        length, inputs = length // shape.pool_length, shape.channels
    return total + inputs * 256 + 256 * len(TAGS)


def test_the_best_set_has_1792_columns() -> None:
    extractors = tuple(log_mel_extractor(frames, TAGS) for frames in (18, 27, 54))
    assert layout_of(extractors)[-1].stop == 1792


def test_the_front_end_of_the_letter() -> None:
    settings = LogMelSettings()
    assert (settings.rate_hz, settings.window_samples, settings.hop_samples) == (22_050, 1024, 512)
    assert (settings.mel_bands, settings.low_hz, settings.high_hz, settings.compression) == (128, 0.0, 11_025.0, 10.0)
    clip_frames = 1 + round(29.1 * settings.rate_hz) // settings.hop_samples
    assert clip_frames == 1254


def test_standardisation_is_a_buffer_that_travels_with_the_weights() -> None:
    network = LocalCNN(log_mel_extractor(18, TAGS, 0.22620339, 0.25794547))
    state = network.state_dict()
    assert float(state["input_mean"]) == pytest.approx(0.22620339)
    assert float(state["input_deviation"]) == pytest.approx(0.25794547)
    segments = torch.rand(4, 18, 128)
    plain = LocalCNN(log_mel_extractor(18, TAGS))
    plain.load_state_dict({**state, "input_mean": torch.tensor(0.0), "input_deviation": torch.tensor(1.0)})
    expected = plain.eval()((segments - 0.22620339) / 0.25794547)
    torch.testing.assert_close(network.eval()(segments), expected, atol=1e-5, rtol=1e-5)


def test_levels_before_their_own_pool_have_the_lengths_of_the_table() -> None:
    network = LocalCNN(log_mel_extractor(18, TAGS)).eval()
    seen: list[tuple[int, int]] = []
    for block in network.blocks:
        block.norm.register_forward_hook(lambda module, inputs, output: seen.append((output.shape[2], output.shape[1])))
    network(torch.rand(1, 18, 128))
    assert seen == [(18, 128), (6, 128), (2, 256)]


def test_the_global_classifier_of_the_letter() -> None:
    network = GlobalClassifier(1792, 50)
    dense = [module for module in network.modules() if isinstance(module, torch.nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in dense] == [(1792, 512), (512, 512), (512, 50)]
    assert {module.p for module in network.modules() if isinstance(module, torch.nn.Dropout)} == {0.5}


def test_the_authors_schedule_is_the_default() -> None:
    schedule = StagedSchedule()
    assert schedule.learning_rates == (0.01, 0.002, 0.0004, 0.00008, 0.000016)
    assert (schedule.patience_epochs, schedule.momentum, schedule.decay_per_update) == (3, 0.9, 1e-6)
    section = GlobalSection()
    assert isinstance(section.schedule, StagedSchedule)
    assert (section.batch_clips, section.schedule.learning_rates[0], section.schedule.patience_epochs) == (16, 0.005, 8)
