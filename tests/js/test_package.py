"""The npm package in js: its own tests, and its numbers against Python's on models of every kind, in Node."""

import dataclasses
import json
import math
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tagging.builders import constant_bundle, log_mel_extractor, make_bundle, make_bundle_of, raw_extractor
from web.browser.songs import write_song

from earmark.audio.decode import decode
from earmark.tagging.bundle.bundle import Bundle, read_bundled, write_bundle
from earmark.tagging.bundle.card import Convolution, Familiarity, TagName
from earmark.tagging.prediction import Prediction
from earmark.tagging.tagger import Tagger
from earmark.tagging.windows import OverTimeSettings

PACKAGE = Path(__file__).parents[2] / "js"
RATE_HZ = 22_050
TOLERANCE = 1e-4
LABELS = ["tag 1", "tag 2", "tag 3"]
BLOCKS = (Convolution(3, 4, 3), Convolution(3, 6, 3), Convolution(2, 8, 2))


def thin(**of_block: int) -> Any:
    """The letter's extractor of 18 frames with thin blocks of the follow-up."""
    blocks = tuple(dataclasses.replace(block, **of_block) for block in BLOCKS)
    return dataclasses.replace(log_mel_extractor(18, LABELS, 16), convolutions=blocks)


def changed(bundle_of: Any, **of_extractor: Any) -> Bundle:
    """A bundle of one extractor, some of whose settings are others."""
    return make_bundle_of([dataclasses.replace(bundle_of, **of_extractor)], LABELS)


TAGS = [TagName("speech", "other sound"), TagName("rock", "genres"), TagName("metal", "genres", parents=("rock",))]
KINDS: dict[str, Bundle] = {
    "bundled": read_bundled("earmark-1"),
    "softmax": make_bundle(tags=4, activation="softmax", calibrated=True),
    "residual, scaled": changed(thin(squeeze_units=3, residual_convolutions=2)),
    "scaled, mean": changed(thin(squeeze_units=3), segment_statistic="mean"),
    "residual, deviation": changed(thin(residual_convolutions=1), track_statistic="mean+deviation"),
    "overlapping, maximum": changed(thin(), segment_hop=7, track_statistic="max"),
    "apart, no hidden layer": make_bundle_of([dataclasses.replace(thin(), segment_hop=31)], LABELS, hidden_units=()),
    "raw": make_bundle_of([raw_extractor(LABELS)], LABELS),
    "speech": constant_bundle([2.0, -1.0, 1.0], TAGS),
    "far": constant_bundle([-3.0, 2.5, 1.0], TAGS, Familiarity(2, 1.0, 1.0, 0.99, 100, ""), 1e-6),
}
SOUNDS = [(name, "song", RATE_HZ) for name in KINDS]
SOUNDS += [("bundled", "silence", RATE_HZ), ("bundled", "short", RATE_HZ), ("bundled", "song", 44_100)]


def in_node(*arguments: str | Path) -> str:
    """The output of node in the folder of the package, or a skip with the reason."""
    node = shutil.which("node")
    if node is None or not (PACKAGE / "node_modules").is_dir():
        pytest.skip("needs node and `npm install` in js")
    done = subprocess.run([node, *map(str, arguments)], cwd=PACKAGE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    with decode(write_song(tmp_path_factory.mktemp("song") / "song.wav", 0), RATE_HZ) as sound:
        song = np.concatenate(list(sound))
    return {"song": song, "silence": np.zeros(3 * RATE_HZ, np.float32), "short": song[:5_000]}


@pytest.fixture(scope="module")
def pairs(
    tmp_path_factory: pytest.TempPathFactory, sounds: dict[str, np.ndarray]
) -> dict[tuple[str, str, int], tuple[Prediction, dict[str, Any]]]:
    """What Python and JavaScript say of each sound, by the kind of model, the sound and its rate."""
    folder = tmp_path_factory.mktemp("js")
    for kind, bundle in KINDS.items():
        write_bundle(bundle, folder / kind)
    for name, samples in sounds.items():
        samples.tofile(folder / f"{name}.f32")
    jobs = [
        {"model": str(folder / kind), "samples": str(folder / f"{name}.f32"), "rate": rate}
        for kind, name, rate in SOUNDS
    ]
    (folder / "jobs.json").write_text(json.dumps(jobs))
    found = [json.loads(line) for line in in_node("test/predict.mjs", folder / "jobs.json").splitlines()]
    windows = OverTimeSettings(5.0, 2.5)
    expected = [
        Tagger(KINDS[kind]).tag((sounds[name], rate), over_time=windows, keep_features=True)
        for kind, name, rate in SOUNDS
    ]
    return dict(zip(SOUNDS, zip(expected, found, strict=True), strict=True))


def test_the_own_tests_of_the_package() -> None:
    in_node("--test", "test/core.test.js")


@pytest.mark.parametrize("sound", SOUNDS, ids=lambda sound: ", ".join(map(str, sound)))
def test_javascript_says_what_python_says(
    pairs: dict[tuple[str, str, int], tuple[Prediction, dict[str, Any]]], sound: tuple[str, str, int]
) -> None:
    prediction, found = pairs[sound]
    expected = prediction.to_dict()
    # soxr and the package resample alike, but not to the last digit.
    tolerance = TOLERANCE if sound[2] == RATE_HZ else 0.005
    for numbers in ("probabilities", "scores"):
        assert found[numbers] == pytest.approx(expected[numbers], abs=tolerance)
    for same in ("silent", "withheld", "short", "groups", "calibrated", "activation", "duration_seconds"):
        assert found[same] == expected[same], same
    assert found["promised"] == [tag.label for tag in prediction.promised(0.9)]
    assert found["distance"] == (None if math.isnan(prediction.distance) else pytest.approx(prediction.distance))
    if sound[2] != RATE_HZ:
        return
    np.testing.assert_allclose(found["embedding"], prediction.embedding, atol=1e-3, rtol=1e-3)
    over_time: Any = expected["over_time"]
    assert found["over_time"]["seconds"] == over_time["seconds"]
    assert found["over_time"]["withheld"] == over_time["withheld"]
    np.testing.assert_allclose(found["over_time"]["probabilities"], over_time["probabilities"], atol=TOLERANCE)
    for label in prediction.labels:
        assert_same_evidence(found["evidence"][label], prediction.evidence(label).to_dict())


def assert_same_evidence(found: dict[str, Any], expected: Any) -> None:
    # Python stores features as float16.
    np.testing.assert_allclose(found["curve"], expected["curve"], atol=0.003)
    assert found["seconds"] == expected["seconds"]
    assert found["exact"] == expected["exact"]
    assert found["base"] == pytest.approx(expected["base"], abs=1e-3)
    assert found["log_odds"] == pytest.approx(expected["log_odds"], abs=1e-3)
    assert contributions(found) == pytest.approx(contributions(expected), abs=1e-3)
    assert len(found["strongest"]) > 0


def contributions(evidence: dict[str, Any]) -> Sequence[float]:
    return [part["contribution"] for part in evidence["parts"]]
