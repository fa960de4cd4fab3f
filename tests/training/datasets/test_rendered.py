"""Rendered music: deterministic, balanced, checked against its manifest, and audibly what its tags say."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earmark.errors import DatasetError
from earmark.training.datasets.rendered import RATE_HZ, load, soundings
from earmark.training.datasets.rendering.composition import (
    Score,
    compose,
    draw_pattern,
    draw_progression,
    melody_semitones,
)
from earmark.training.datasets.rendering.performance import perform
from earmark.training.datasets.rendering.plan import INSTRUMENTS, TAGS, TrackPlan, draw_plans

LABELS = [tag.label for tag in TAGS]


def _plan(**changes: Any) -> TrackPlan:
    parts: dict[str, Any] = {
        "instruments": (),
        "drums": "none",
        "tempo": "medium",
        "mode": "open",
        "build_up": False,
        "contrast": False,
    }
    return TrackPlan(**{**parts, **changes})


def _compose(seed: int = 0, seconds: float = 30.0, **changes: Any) -> Score:
    return compose(_plan(**changes), seconds, np.random.default_rng(seed))


def test_tags_are_balanced_and_nearly_independent() -> None:
    plans = draw_plans(600, 0)
    matrix = np.array([[label in plan.labels for label in LABELS] for plan in plans], dtype=float)
    expected = [1 / 2] * 4 + [2 / 3, 1 / 3, 1 / 3] + [1 / 3] * 4 + [1 / 2] * 2
    assert np.allclose(matrix.mean(axis=0), expected, atol=0.002)
    groups = ["pluck", "flute", "organ", "bells", "drums", "slow", "major", "build-up", "contrast"]
    chosen = matrix[:, [LABELS.index(label) for label in groups]]
    between = np.corrcoef(chosen.T) - np.eye(len(groups))
    assert np.abs(between).max() < 0.15
    drums = matrix[:, LABELS.index("drums")]
    patterns = matrix[:, [LABELS.index("four on the floor"), LABELS.index("backbeat")]]
    assert np.array_equal(patterns.sum(axis=1), drums)


def test_another_seed_makes_other_plans() -> None:
    assert draw_plans(20, 0) == draw_plans(20, 0) != draw_plans(20, 1)


@pytest.mark.parametrize("seed", range(5))
def test_both_drum_patterns_have_the_same_hits_a_bar(seed: int) -> None:
    rng = np.random.default_rng(seed)
    patterns = [draw_pattern(name, rng) for name in ("four on the floor", "backbeat")]
    for pattern in patterns:
        assert (len(set(pattern.kick)), len(set(pattern.snare)), len(pattern.hat)) == (4, 2, 8)
        assert not set(pattern.kick) & set(pattern.snare)
    assert patterns[0].kick == (0, 1, 2, 3)
    assert patterns[1].snare == (1, 3)


@pytest.mark.parametrize(("mode", "third"), [("major", 4), ("minor", 3), ("open", None)])
def test_most_chords_have_the_third_of_their_mode(mode: Any, third: int | None) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        progression = draw_progression(mode, rng)
        assert sum(chord.third == third for chord in progression) >= 3
        assert progression[0].third == third and progression[0].root == 0
        assert melody_semitones(mode, progression[1], 0, 15)


@pytest.mark.parametrize(("tempo", "low", "high"), [("slow", 0, 80), ("medium", 80, 140), ("fast", 140, 999)])
def test_a_tempo_is_what_its_tag_says(tempo: str, low: float, high: float) -> None:
    assert all(low < _compose(seed, tempo=tempo).bpm < high for seed in range(20))


def test_a_contrast_changes_the_texture_near_the_middle() -> None:
    for seed in range(10):
        form = _compose(seed, contrast=True).form
        assert form.before != form.after and 12.5 < form.change_seconds < 17.5
        plain = _compose(seed, contrast=False).form
        assert plain.before == plain.after


def test_a_build_up_grows_for_twenty_seconds() -> None:
    rng = np.random.default_rng(1)
    sound = perform(_compose(1, build_up=True, drums="backbeat"), RATE_HZ, rng)
    seconds = np.sqrt(np.square(sound).reshape(30, RATE_HZ).mean(axis=1))
    assert seconds[20:].mean() > 3 * seconds[:5].mean()
    steady = perform(_compose(1, build_up=False, drums="backbeat"), RATE_HZ, np.random.default_rng(1))
    seconds = np.sqrt(np.square(steady).reshape(30, RATE_HZ).mean(axis=1))
    assert seconds[20:].mean() < 1.5 * seconds[:5].mean()


@pytest.mark.parametrize("instrument", INSTRUMENTS)
@pytest.mark.parametrize("build_up", [False, True])
def test_an_instrument_sounds_where_it_is_said_to(instrument: Any, build_up: bool) -> None:
    for seed in range(6):
        score = _compose(seed, 8.0, instruments=(instrument,), build_up=build_up, drums="backbeat")
        of_line = [sounding for sounding in score.soundings() if sounding.instrument == instrument]
        assert of_line
        for sounding in score.soundings():
            assert 0 <= sounding.start_seconds < sounding.end_seconds <= 8.0
        for earlier, later in pairwise(of_line):
            assert earlier.end_seconds <= later.start_seconds


def test_all_instruments_at_their_shortest_give_sound_in_range() -> None:
    for seed, tempo in enumerate(("slow", "medium", "fast")):
        score = _compose(seed, 2.0, instruments=INSTRUMENTS, drums="backbeat", tempo=tempo, contrast=True)
        sound = perform(score, RATE_HZ, np.random.default_rng(seed))
        assert sound.shape == (2 * RATE_HZ,) and sound.dtype == np.float32
        assert 0.1 < np.abs(sound).max() <= 1.0
        assert {sounding.instrument for sounding in score.soundings()} == {*INSTRUMENTS, "drums"}


def test_rendering_twice_gives_the_same_files(rendered: Any, tmp_path: Path) -> None:
    first = load(rendered.root, **rendered.options)
    second = load(tmp_path / "again", **rendered.options)
    assert first.hash == second.hash and first.splits == second.splits
    for one, other in zip(first.tracks, second.tracks, strict=True):
        assert one.path.read_bytes() == other.path.read_bytes()
    manifests = [root / "manifest.json" for root in (rendered.root, tmp_path / "again")]
    assert manifests[0].read_bytes() == manifests[1].read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "other", "rendered"]


def test_an_existing_set_is_not_rendered_again(rendered: Any) -> None:
    load(rendered.root, **rendered.options)
    rendered.audio.write_bytes(b"mine")
    load(rendered.root, **rendered.options)
    assert rendered.audio.read_bytes() == b"mine"


def test_an_empty_folder_is_filled(rendered: Any) -> None:
    rendered.root.mkdir()
    dataset = load(rendered.root, **rendered.options)
    assert dataset.labels == tuple(LABELS)
    assert dataset.splits["default"].counts == {"train": 4, "valid": 1, "test": 1}


def test_the_manifest_says_where_instruments_sound(rendered: Any) -> None:
    dataset = load(rendered.root, **rendered.options)
    found = soundings(rendered.root)
    assert list(found) == [track.identifier for track in dataset.tracks]
    for track in dataset.tracks:
        labels = {label for label, target in zip(dataset.labels, track.targets, strict=True) if target}
        assert {sounding.instrument for sounding in found[track.identifier]} == labels & {
            *INSTRUMENTS,
            "drums",
        }


@pytest.mark.parametrize("option", [{"tracks": 7}, {"seed": 4}, {"seconds": 3.0}])
def test_other_options_than_the_manifest_has_are_refused(rendered: Any, option: dict[str, Any]) -> None:
    load(rendered.root, **rendered.options)
    with pytest.raises(DatasetError, match=r"rendered with .* expected"):
        load(rendered.root, **{**rendered.options, **option})


def test_a_manifest_of_another_version_or_form_is_refused(rendered: Any) -> None:
    load(rendered.root, **rendered.options)
    path = rendered.root / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "version": 0}))
    with pytest.raises(DatasetError, match="version 0; expected version"):
        load(rendered.root, **rendered.options)
    path.write_text(json.dumps({**manifest, "extra": 0}))
    with pytest.raises(DatasetError, match="no manifest of rendered tracks"):
        load(rendered.root, **rendered.options)
    path.write_text("{")
    with pytest.raises(DatasetError, match="Cannot read"):
        load(rendered.root, **rendered.options)


@pytest.mark.parametrize(
    "option", [{"tracks": 2}, {"tracks": "many"}, {"seed": -1}, {"seconds": 1.0}, {"seconds": float("nan")}]
)
def test_options_out_of_range_are_refused(tmp_path: Path, option: dict[str, Any]) -> None:
    with pytest.raises(DatasetError, match=f"option {next(iter(option))}"):
        load(tmp_path / "new", **option)
    assert not (tmp_path / "new").exists()


def test_a_place_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="Cannot render"):
        load(tmp_path / "file" / "inside", tracks=3, seconds=2.0)
