"""Which tracks to label next."""

import numpy as np
import pytest

from teaching.made_up import base, made_up

pytest.importorskip("sklearn", reason="needs the extra teach")


from earmark.tagging.engines.network import Classifier
from earmark.teaching.next_tracks import Candidate, next_tracks
from earmark.teaching.teach import Lesson, teach
from earmark.training.bundling.platt import fit_calibration


def test_next_come_the_tracks_in_doubt_each_from_somewhere_else() -> None:
    bundle = base()
    every = made_up(bundle, 260, strength=1.0, a_group=1)
    taught = teach(bundle, every.rows(np.arange(60)), Lesson("words"), fit_calibration).bundle
    classifier = Classifier(taught.card.head, taught.weights)
    candidates = [
        Candidate(every.names[row], f"folder {row % 50}", every.vectors[row].astype(np.float16))
        for row in range(60, 260)
    ]
    weights = {"sunny": 1.0, "stormy": 0.0}
    found = next_tracks(taught.card, classifier, candidates, weights, 10)
    assert len(found) == 10
    groups = {candidate.name: candidate.group for candidate in candidates}
    assert len({groups[each.name] for each in found}) == 10
    assert [each.worth for each in found] == sorted((each.worth for each in found), reverse=True)
    assert all(each.doubts[0][0] == "sunny" for each in found)
    assert all(0.3 < each.doubts[0][1] < 0.7 for each in found)
    assert next_tracks(taught.card, classifier, [], weights, 10) == []
