import dataclasses
from collections.abc import Sequence
from math import log
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from earmark.errors import TrainingError
from earmark.tagging.bundle.card import Extractor, Head
from earmark.tagging.engines.network import Classifier, LocalNetwork
from earmark.training.material.batches import Share
from earmark.training.material.clips import Clips
from earmark.training.networks.classifier import GlobalClassifier
from earmark.training.networks.export import classifier_arrays, local_arrays
from earmark.training.networks.local_cnn import LocalCNN
from earmark.training.networks.scales import log_mel_extractor
from earmark.training.steps.features import clip_vectors, extract_features, read_features, with_levels
from earmark.training.steps.fit import tag_loss
from earmark.training.steps.joint import ClipBatches, JointNetwork, joint_loss
from training.builders import counted_frames, make_clips, make_material

LABELS = ("tag 0", "tag 1")


def used_networks(
    frames: torch.Tensor, extractors: Sequence[Extractor]
) -> tuple[list[LocalCNN], GlobalClassifier, JointNetwork]:
    """Networks whose batch norms have seen some clips (n, frames, mel_bands), alone and joined."""
    torch.manual_seed(0)
    local = [LocalCNN(extractor, dropout=0.0) for extractor in extractors]
    columns = sum(sum(extractor.level_widths) for extractor in extractors)
    classifier = GlobalClassifier(columns, len(LABELS), (16, 8), dropout=0.0)
    classifier.mean.fill_(0.4)
    classifier.deviation.fill_(0.7)
    joint = JointNetwork(local, classifier)
    for _ in range(5):
        joint.train()(frames)
    return local, classifier, joint.eval()


@pytest.mark.parametrize("levels", [(), (1, 3)])
def test_it_starts_where_the_three_steps_ended(tmp_path: Path, levels: tuple[int, ...]) -> None:
    """The numpy path: every clip through each CNN, the mean over its segments, the classifier."""
    material = make_material(tracks=6, rows=113)
    clips = torch.from_numpy(material.frames.reshape(6, 113, 128)).float()
    extractors = [with_levels(log_mel_extractor(scale, LABELS, 0.5, 0.4), levels) for scale in (27, 18)]
    local, classifier, joint = used_networks(clips, extractors)
    features = []
    for network in local:
        folder = tmp_path / network.extractor.name
        folder.mkdir()
        exported = LocalNetwork(network.extractor, local_arrays(network))
        extract_features(exported, lambda logits: logits, material.clip_rows("log-mel"), folder)
        features.append(read_features(network.extractor, folder))
    vectors = clip_vectors(features, levels)
    expected = Classifier(Head((16, 8), ""), classifier_arrays(classifier))(vectors)
    with torch.inference_mode():
        found = joint(clips)
        joint.train()
        assert joint(clips).shape == (6, 1 + 113 // 27 + 113 // 18, 2)
    assert found.shape == (6, 1, 2)
    np.testing.assert_allclose(found[:, 0].numpy(), expected, rtol=0, atol=1e-4)
    assert np.abs(expected).max() > 0.1


def test_the_segments_logits_are_the_local_ones() -> None:
    """Clip by clip and scale by scale, as targets are repeated; in training, where norms count the batch."""
    clips = torch.rand(4, 60, 128, generator=torch.Generator().manual_seed(1))
    local, _, joint = used_networks(clips, [log_mel_extractor(18, LABELS), log_mel_extractor(27, LABELS)])
    with torch.inference_mode():
        found = joint.train()(clips)
        for network, columns, length in ((local[0], slice(1, 4), 18), (local[1], slice(4, 6), 27)):
            count = 60 // length
            segments = clips[:, : count * length].reshape(4 * count, length, 128)
            expected = network.train()(segments).reshape(4, count, 2)
            torch.testing.assert_close(found[:, columns], expected, rtol=1e-4, atol=1e-5)


def test_the_global_loss_reaches_the_first_convolutions() -> None:
    clips = torch.rand(4, 60, 128, generator=torch.Generator().manual_seed(1))
    local, classifier, joint = used_networks(clips, [log_mel_extractor(18, LABELS), log_mel_extractor(27, LABELS)])
    joint.train().zero_grad()
    tag_loss("multi-label")(joint(clips)[:, 0], torch.eye(2).repeat(2, 1)).backward()
    for network in local:
        weight = network.get_parameter("blocks.0.convolution.weight")
        assert weight.grad is not None and weight.grad.abs().max() > 1e-6
        assert network.output.weight.grad is None or not network.output.weight.grad.any()
    assert classifier.output.weight.grad is not None


@pytest.mark.parametrize("statistics", [("mean", "mean"), ("max", "max"), ("max", "mean+deviation")])
def test_other_statistics_are_refused(statistics: tuple[str, str]) -> None:
    segment, track = statistics
    extractor = dataclasses.replace(
        log_mel_extractor(18, LABELS),
        segment_statistic=segment,  # type: ignore[arg-type]
        track_statistic=track,  # type: ignore[arg-type]
    )
    with pytest.raises(
        TrainingError, match=rf"found \('{segment}', '{track}'\).*Leave out \[pooling\]".replace("+", r"\+")
    ):
        JointNetwork([LocalCNN(extractor)], GlobalClassifier(512, 2))


def test_the_loss_of_many_labels_by_hand() -> None:
    """A logit of 0 costs log 2; ln 3 is a probability of 3/4: log 4 where wrong, log 4/3 where right."""
    three = log(3)
    logits = torch.tensor([[[0.0, three], [0.0, 0.0], [three, 0.0]]])
    targets = torch.tensor([[1.0, 0.0]])
    of_clip = (log(2) + log(4)) / 2
    of_segments = (log(2) + log(2) + log(4 / 3) + log(2)) / 4
    loss = tag_loss("multi-label")
    assert float(joint_loss(loss, 0.5)(logits, targets)) == pytest.approx(of_clip + 0.5 * of_segments, rel=1e-6)
    assert float(joint_loss(loss, 0.0)(logits, targets)) == pytest.approx(of_clip, rel=1e-6)
    assert float(joint_loss(loss, 0.5)(logits[:, :1], targets)) == pytest.approx(of_clip, rel=1e-6)
    unknown = torch.tensor([[1.0, float("nan")]])
    known = log(2) + 0.5 * (log(2) + log(4 / 3)) / 2
    assert float(joint_loss(loss, 0.5)(logits, unknown)) == pytest.approx(known, rel=1e-6)


def test_the_loss_of_one_label_by_hand() -> None:
    """Two clips; logits (ln 3, 0) are probabilities of 3/4 and 1/4. Each clip's segments have its own label."""
    three = log(3)
    right, wrong = log(4 / 3), log(4)
    logits = torch.tensor([[[three, 0.0], [three, 0.0], [0.0, 0.0]], [[three, 0.0], [0.0, three], [three, 0.0]]])
    targets = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    expected = (right + wrong) / 2 + 2.0 * (right + log(2) + right + wrong) / 4
    assert float(joint_loss(tag_loss("one-label"), 2.0)(logits, targets)) == pytest.approx(expected, rel=1e-6)


def batches(clips: Clips, chosen: list[int], batch_clips: int, shuffle: bool, share: Share = Share()) -> ClipBatches:
    """Clips of ten frames, which are numbered."""
    frames = counted_frames(clips)
    return ClipBatches(frames, clips, np.array(chosen, np.int64), 10, batch_clips, shuffle=shuffle, seed=3, share=share)


def test_short_clips_are_left_out() -> None:
    clips = make_clips([10, 7, 10, 10, 12])
    found = list(batches(clips, [0, 1, 2, 3, 4], 2, shuffle=False).epoch(0))
    assert len(batches(clips, [0, 1, 2, 3, 4], 2, shuffle=False)) == len(found) == 2
    assert [targets[:, 0].tolist() for _, targets in found] == [[0, 2], [3]]
    for frames, targets in found:
        assert frames.dtype == torch.float32 and frames.shape[1:] == (10, 4)
        first = clips.first_row[targets[:, 0].numpy().astype(int)]
        np.testing.assert_array_equal(frames[:, :, 0].numpy(), first[:, None] + np.arange(10))
    assert len(batches(clips, [1], 2, shuffle=True)) == 0


def test_an_epoch_is_every_clip_once_in_an_order_of_its_own() -> None:
    clips = make_clips([10] * 9)

    def order(number: int) -> list[float]:
        return [
            clip
            for _, targets in batches(clips, list(range(9)), 3, shuffle=True).epoch(number)
            for clip in targets[:, 0].tolist()
        ]

    assert sorted(order(0)) == list(range(9))
    assert order(0) == order(0) != order(1)


def test_processes_share_every_batch() -> None:
    clips = make_clips([10] * 8)
    whole = [targets[:, 0].tolist() for _, targets in batches(clips, list(range(8)), 4, shuffle=True).epoch(2)]
    parts = [
        [
            targets[:, 0].tolist()
            for _, targets in batches(clips, list(range(8)), 4, shuffle=True, share=Share(rank, 2)).epoch(2)
        ]
        for rank in (0, 1)
    ]
    assert [sorted(one + two) for one, two in zip(*parts, strict=True)] == [sorted(batch) for batch in whole]
    assert all(len(part) == 2 for process in parts for part in process)
