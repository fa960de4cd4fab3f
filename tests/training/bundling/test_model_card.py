from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("lightning", reason="needs the extra train")

from sklearn.metrics import roc_auc_score

from earmark.errors import TrainingError
from earmark.tagging.bundle.card import TagName
from earmark.training.bundling.model_card import model_card, tag_figures, training_tracks
from training.conftest import Workplace

if TYPE_CHECKING:
    from earmark.training.steps.experiment import Experiment


def test_figures_of_a_tag_are_those_of_its_known_tracks() -> None:
    generator = np.random.default_rng(0)
    targets = generator.uniform(0.01, 0.99, (60, 3)).astype(np.float32)
    targets[:20, 0] = np.nan
    targets[:, 1] = targets[:, 1] > 0.5
    targets[:, 2] = 0.1
    scores = (np.nan_to_num(targets) + generator.normal(0, 0.3, targets.shape)).astype(np.float32)
    tags = tuple(TagName(label, "tests") for label in ("soft", "yes and no", "never"))
    soft, hard, never = tag_figures(scores, targets, tags, 0.4)
    assert (soft.tracks, soft.positives) == (40, int((targets[20:, 0] >= 0.4).sum()))
    assert soft.area == pytest.approx(roc_auc_score(targets[20:, 0] >= 0.4, scores[20:, 0]))
    assert soft.low < soft.area < soft.high and 0.5 < soft.correlation < 1
    assert np.isnan(hard.correlation) and hard.area > 0.8
    assert np.isnan(never.area) and never.positives == 0


def test_the_card_tells_what_was_heard_and_every_tag(
    tiny: Workplace, experiment: "Experiment", no_training: Callable[[], None]
) -> None:
    chosen = Workplace(tiny.recipe + '[bundle]\nsplit = "default"\n', tiny.folder).experiment()
    text = model_card(chosen, 0, "# Tiny\n\nFor tests.\n")
    assert text.startswith("# Tiny\n\nFor tests.\n\n## What it heard in training")
    ((_, _, tracks, hours),) = training_tracks(chosen, "default")
    assert tracks == len(chosen.data.dataset.splits["default"].train)
    assert hours == pytest.approx(tracks * 250 * 512 / 22_050 / 3600)
    for tag in chosen.data.dataset.tags:
        assert f"\n| {tag.label} | {tag.group} | " in text
    with pytest.raises(TrainingError, match=r"no bundle\.split"):
        model_card(experiment, 0, "")
