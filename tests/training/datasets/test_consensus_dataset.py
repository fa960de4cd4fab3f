"""The dataset of a consensus: teachers together, people, what is certain, and the columns beside the tags."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pydantic", reason="needs the extra train")

from earmark.audio.encode import write_flac
from earmark.errors import DatasetError
from earmark.training.datasets.base import Dataset
from earmark.training.datasets.consensus_dataset import LEAST_CERTAIN, PEOPLE_WEIGHT
from earmark.training.datasets.registry import load_dataset
from earmark.training.datasets.taught import LISTENERS

VOCABULARY = """
name = "small"
[[tags]]
label = "guitar"
group = "instruments"
sources = { one = ["guitar"], two = ["Guitar"], magnatagatune = ["guitar"] }
[[tags]]
label = "vocals"
group = "voices"
sources = { one = ["vocals"] }
[[tags]]
label = "opera"
group = "genres"
parents = ["vocals"]
opposites = ["jazz"]
sources = { one = ["opera"] }
[[tags]]
label = "jazz"
group = "genres"
sources = { two = ["Jazz"] }
[[tags]]
label = "speech"
group = "other sound"
synonyms = ["talking"]
sources = { two = ["Speech"] }
[denials.emotify-genre]
classical = ["jazz", "guitar"]
"""
SCORES = {"one": ("guitar", "vocals", "opera"), "two": ("Guitar", "Jazz", "Speech")}
EMOTIONS = "amazement,solemnity,tenderness,nostalgia,calmness,power,joyful_activation,tension,sadness"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Five tracks of Emotify and five of other music, one a fold, and the scores of two teachers."""
    (tmp_path / "vocabulary.toml").write_text(VOCABULARY, encoding="utf-8")
    tables = {
        "emotify": [f"track,file,genre,artist,{EMOTIONS},fold,mtat_tags,mtat_split"]
        + [
            f"e{fold},e{fold}.flac,{'classical' if fold < 3 else 'rock'},artist {fold},{'0.1,' * 9}{fold},"
            f"{'guitar' if fold == 0 else ''},test"
            for fold in range(5)
        ],
        "speech": ["track,file,source,fold,licence,may_ship,present,absent"]
        + [
            f"s{fold},s{fold}.flac,voice {fold},{fold},CC0,{'no' if fold == 4 else 'yes'},"
            f"{'opera' if fold == 1 else 'talking'},{'' if fold == 1 else '*'}"
            for fold in range(5)
        ],
    }
    for folder, lines in tables.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tracks.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        for fold in range(5):
            write_flac(tmp_path / folder / f"{folder[0]}{fold}.flac", np.zeros(2205, np.float32), 22_050)
    generator = np.random.default_rng(0)
    (tmp_path / "scores").mkdir()
    for name, labels in SCORES.items():
        tracks = [f"{folder}{fold}" for folder in "es" for fold in range(5)]
        arrays = {track: generator.uniform(0.2, 0.8, (2, 3)).astype(np.float16) for track in tracks}
        if name == "one":
            del arrays["s3"]
        starts = {f"{track}/starts": np.array([0.0, 3.0]) for track in arrays}
        np.savez(
            tmp_path / "scores" / f"{name}.npz",
            labels=np.array(labels),
            window_seconds=np.array(3.0),
            **arrays,  # type: ignore[arg-type]
            **starts,  # type: ignore[arg-type]
        )
    return tmp_path


def load(root: Path, **options: object) -> Dataset:
    given: dict[str, object] = {
        "vocabulary": str(root / "vocabulary.toml"),
        "teachers": ["one", "two"],
        "scores": str(root / "scores"),
        "folders": {"emotify": "emotify", "speech": "speech"},
        "blanks_folder": str(root / "blanks"),
    }
    return load_dataset("consensus", root, given | options)


def by_label(dataset: Dataset, track: str) -> dict[str, float]:
    return dict(zip(dataset.labels, dataset.select([track])[0].targets, strict=True))


def test_people_draw_the_targets_and_denials_are_theirs(root: Path) -> None:
    dataset = load(root)
    heard = by_label(dataset, "e0")
    assert heard["guitar (people)"] == 1.0
    assert heard["jazz (people)"] == 0.0
    assert heard["jazz"] == pytest.approx((1 - PEOPLE_WEIGHT) * heard["jazz (consensus)"], abs=1e-6)
    assert heard["guitar"] == pytest.approx((1 - PEOPLE_WEIGHT) * heard["guitar (consensus)"] + PEOPLE_WEIGHT, abs=1e-6)
    # What listeners said of a guitar is stronger than what follows from the genre; without listeners the genre denies.
    assert by_label(dataset, "e1")["guitar (people)"] == 0.0
    assert np.isnan(by_label(dataset, "e3")["jazz (people)"])
    assert np.isnan(by_label(dataset, "s0")["guitar (people)"])
    assert by_label(dataset, "e3")["jazz"] == by_label(dataset, "e3")["jazz (consensus)"]


def test_certain_tags_replace_the_targets_with_their_parents_and_opposites(root: Path) -> None:
    dataset = load(root)
    spoken, sung = by_label(dataset, "s0"), by_label(dataset, "s1")
    assert spoken["speech"] == pytest.approx(1 - LEAST_CERTAIN)
    np.testing.assert_allclose([spoken[label] for label in ("guitar", "vocals", "opera", "jazz")], LEAST_CERTAIN)
    assert sung["opera"] == sung["vocals"] == pytest.approx(1 - LEAST_CERTAIN)
    assert sung["jazz"] == pytest.approx(LEAST_CERTAIN)
    assert 0.1 < sung["guitar"] < 0.9


def test_columns_splits_and_licences(root: Path) -> None:
    dataset = load(root, sources=["two"], blanks=6)
    assert dataset.labels[:5] == ("guitar", "vocals", "opera", "jazz", "speech")
    groups = list(dict.fromkeys(tag.group for tag in dataset.tags))
    assert groups[4:] == ["people", "consensus", *LISTENERS, "two"]
    assert "s4" not in {track.identifier for track in dataset.tracks}
    assert "s4" in {track.identifier for track in load(root, freely_licensed_only=False).tracks}
    split = dataset.split("fold-0")
    assert set(split.test) == {"e0", "s0"}
    assert {"e1", "s1"} <= set(split.valid)
    silence = by_label(dataset, "000-silence")
    assert silence["guitar"] == pytest.approx(LEAST_CERTAIN)
    assert not np.isnan(by_label(dataset, "s3")["vocals"])
    without = load(root, listeners=False)
    assert [tag.group for tag in without.tags][-1] == "consensus"


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"teachers": "one"}, "option teachers"),
        ({"teachers": ["one"], "sources": ["two"]}, "option sources"),
        ({"folders": {}}, "option folders"),
        ({"folders": {"x": "nowhere"}}, "There is no"),
        ({"teachers": ["one", "three"]}, "three"),
    ],
)
def test_wrong_options_are_refused(root: Path, options: dict[str, object], match: str) -> None:
    with pytest.raises(DatasetError, match=match):
        load(root, **options)


def test_wrong_tables_are_refused(root: Path) -> None:
    table = root / "speech" / "tracks.csv"
    text = table.read_text(encoding="utf-8")
    table.write_text(text.replace("talking", "whispers"), encoding="utf-8")
    with pytest.raises(DatasetError, match=r"Line 2 of .*'whispers'"):
        load(root)
    table.write_text(text.replace(",0,CC0", ",7,CC0"), encoding="utf-8")
    with pytest.raises(DatasetError, match="expected 0 to 4"):
        load(root)
    table.write_text(text.replace("s0.flac", "gone.flac"), encoding="utf-8")
    with pytest.raises(DatasetError, match="gone"):
        load(root)


def test_tracks_that_only_train_are_on_no_other_side(root: Path) -> None:
    """Mixtures follow their parts, other tracks train in every split."""
    (root / "mixed").mkdir()
    lines = ["track,file,source,group,fold,parts", "m0,m0.flac,mixture,a,3,e2;e3", "m1,m1.flac,mixture,b,0,e3;e0"]
    lines.append("m2,m2.flac,rendered,c,0,")
    (root / "mixed" / "tracks.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for number in range(3):
        write_flac(root / "mixed" / f"m{number}.flac", np.zeros(2205, np.float32), 22_050)
    for name in SCORES:
        path = root / "scores" / f"{name}.npz"
        with np.load(path) as stored:
            arrays = dict(stored)
        for number in range(3):
            arrays |= {f"m{number}": arrays["e0"], f"m{number}/starts": arrays["e0/starts"]}
        np.savez(path, **arrays)
    folders = {"emotify": "emotify", "speech": "speech", "mixed": "mixed"}
    dataset = load(root, folders=folders, training_only=["mixed"])
    plain = load(root)
    for name, split in dataset.splits.items():
        before = plain.split(name)
        assert (split.valid, split.test) == (before.valid, before.test)
        expected = {
            each
            for each, parts in {"m0": {"e2", "e3"}, "m1": {"e0", "e3"}, "m2": set()}.items()
            if parts <= set(before.train)
        }
        assert set(split.train) == {*before.train, *expected}
    assert {"m0", "m2"} <= set(dataset.split("fold-0").train) and "m1" not in dataset.split("fold-0").train
    with pytest.raises(DatasetError, match="training_only"):
        load(root, training_only=["mixed"])
