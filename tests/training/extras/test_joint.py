import dataclasses
from collections.abc import Callable, Sequence
from math import log
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("lightning", reason="needs the extra train")

import earmark
from earmark.errors import RecipeError, TrainingError
from earmark.tagging.bundle.bundle import Bundle, write_bundle
from earmark.tagging.bundle.card import Extractor, Head
from earmark.tagging.engines.network import Classifier, LocalNetwork
from earmark.tagging.prediction import activate
from earmark.training.bundling.bundle import bundle_of, model_metrics
from earmark.training.data.batches import Share
from earmark.training.data.clips import Clips
from earmark.training.evaluation.evaluate import evaluate
from earmark.training.evaluation.metrics import measure
from earmark.training.extras.joint import ClipBatches, JointNetwork, joint_loss
from earmark.training.networks.export import classifier_arrays, local_arrays
from earmark.training.networks.networks import GlobalClassifier, LocalCNN
from earmark.training.networks.scales import log_mel_extractor
from earmark.training.recipe.recipe import parse_recipe
from earmark.training.steps.features import clip_vectors, extract_features, read_features, with_levels
from earmark.training.steps.fit import tag_loss
from training.builders import counted_frames, make_clips, make_data
from training.conftest import Workplace

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
    data = make_data(tracks=6, rows=113)
    clips = torch.from_numpy(data.frames.reshape(6, 113, 128)).float()
    extractors = [with_levels(log_mel_extractor(scale, LABELS, 0.5, 0.4), levels) for scale in (27, 18)]
    local, classifier, joint = used_networks(clips, extractors)
    features = []
    for network in local:
        folder = tmp_path / network.extractor.name
        folder.mkdir()
        exported = LocalNetwork(network.extractor, local_arrays(network))
        extract_features(exported, lambda logits: logits, data.clip_rows("log-mel"), folder)
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


if TYPE_CHECKING:
    from earmark.training.steps.experiment import Experiment

JOINT = """
[joint]
batch_clips = 4
[joint.schedule]
kind = "one-cycle"
peak_learning_rate = 0.01
epochs = 2
"""


@pytest.fixture(scope="module")
def place(tiny: Workplace, experiment: "Experiment") -> Workplace:
    """The tiny experiment with a model of all networks trained together, from the tiny one's steps."""
    recipe = tiny.recipe.replace('name = "tiny"', 'name = "tiny"\nmodel = "joint"')
    recipe = recipe.replace(
        '["baselines", "local", "single-levels", "multi-level", "multi-scale"]', '["multi-scale", "joint"]'
    )
    return Workplace(recipe + JOINT, tiny.folder)


@pytest.fixture(scope="module")
def joined(place: Workplace) -> "Experiment":
    return place.experiment()


@pytest.fixture(scope="module")
def bundle(place: Workplace, joined: "Experiment") -> Bundle:
    return bundle_of(joined, "default", 0, place.recipe, model_metrics(joined, "default", 0))


def test_all_networks_move(joined: "Experiment", experiment: "Experiment", bundle: Bundle) -> None:
    before = bundle_of(experiment, "default", 0, "", {})
    assert before.weights.keys() == bundle.weights.keys()
    parts = {name: np.abs(before.weights[name] - weight).max() for name, weight in bundle.weights.items()}
    still = [name for name, moved in parts.items() if not moved > 1e-6]
    assert sorted(still) == ["head.deviation", "head.mean"], "the classifier's standardisation is the three steps'"
    for old, new in zip(before.card.extractors, bundle.card.extractors, strict=True):
        assert old.hash != new.hash
        assert old.levels == new.levels
    history = joined.joint("default", 0).history
    assert len(history.epochs) == 2


def test_the_bundle_tags_what_the_experiment_scored(joined: "Experiment", bundle: Bundle, tmp_path: Path) -> None:
    """A track is 9 frames longer than its clip, which moves the scores; from the clip's own frames they are equal."""
    write_bundle(bundle, tmp_path / "model")
    tagger = earmark.load(tmp_path / "model")
    scores = joined.joint_scores("default", 0)
    data = joined.data
    vectors = []
    for extractor in bundle.card.extractors:
        network, length = LocalNetwork(extractor, bundle.weights), extractor.segment_length
        whole = 250 // length * length
        clips = [data.frames[first : first + whole].astype(np.float32) for first in data.clips.first_row]
        vectors.append([network(clip.reshape(-1, length, 128)).levels.mean(axis=0) for clip in clips])
    joined_vectors = np.concatenate(vectors, axis=1)
    expected = activate(Classifier(bundle.card.head, bundle.weights)(joined_vectors), "sigmoid")
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-5)
    train = data.clips_of("default", "train")
    np.testing.assert_allclose(bundle.weights["vector.mean"], joined_vectors[train].mean(axis=0), rtol=1e-4, atol=1e-5)
    prediction = tagger.tag(data.dataset.tracks[3].path)
    np.testing.assert_allclose(prediction.scores, scores[3], rtol=0, atol=0.1)
    assert prediction.local_scores is not None and prediction.local_scores.shape == (13,)


def test_the_metrics_are_those_of_the_joint_model(joined: "Experiment", bundle: Bundle) -> None:
    data = joined.data
    chosen = data.clips_of("default", "test")
    scores = joined.joint_scores("default", 0)[chosen]
    expected = measure(scores, data.clips.targets[chosen], data.dataset.labels, "multi-label")
    assert bundle.card.metrics["test ROC-AUC"] == expected.roc_auc


def test_it_is_trained_once(place: Workplace, bundle: Bundle, no_training: Callable[[], None]) -> None:
    """Scores, metrics and the bundle are of the same training, also in another run."""
    no_training()
    again = bundle_of(place.experiment(), "default", 0, place.recipe, {})
    assert again.card.head.hash == bundle.card.head.hash
    for name, weight in bundle.weights.items():
        np.testing.assert_array_equal(again.weights[name], weight)


def test_it_can_be_compared(joined: "Experiment") -> None:
    evaluation = evaluate(joined, "test", lambda line: None)
    assert [result.name for result in evaluation.results] == ["global 18+27", "joint 18+27"]
    result = evaluation.find("joint", (18, 27))
    assert (result.kind, result.values.shape) == ("joint", (2, 1))
    chosen = joined.data.clips_of("default", "test")
    expected = np.mean([joined.joint_scores("default", seed)[chosen] for seed in (0, 1)], axis=0)
    np.testing.assert_allclose(result.scores, expected, rtol=1e-5)
    assert not np.allclose(result.scores, evaluation.find("global", (18, 27)).scores)


def test_chosen_levels_only(place: Workplace, tmp_path: Path) -> None:
    recipe = place.recipe.replace("hidden_units = [16, 8]", "hidden_units = [16, 8]\nlevels = [1, 3]")
    chosen = Workplace(recipe, place.folder).experiment()
    bundle = bundle_of(chosen, "default", 0, recipe, {})
    assert [extractor.levels for extractor in bundle.card.extractors] == [(1, 3), (1, 3)]
    write_bundle(bundle, tmp_path / "model")
    prediction = earmark.load(tmp_path / "model").tag(chosen.data.dataset.tracks[3].path)
    np.testing.assert_allclose(prediction.scores, chosen.joint_scores("default", 0)[3], rtol=0, atol=0.1)


@pytest.mark.parametrize("wanted", ['model = "joint"', ""])
def test_other_pooling_is_refused_before_anything_is_trained(place: Workplace, wanted: str) -> None:
    recipe = place.recipe.replace('model = "joint"', wanted)
    assert parse_recipe(recipe).pooling.track == "mean"
    with pytest.raises(RecipeError, match="joint training takes the maximum over segments and the mean over clips"):
        parse_recipe(recipe + '[pooling]\ntrack = "max"\n')
