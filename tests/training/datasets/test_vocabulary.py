"""Vocabularies: synonyms, what follows from a tag, families of teachers, and everything that is refused."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pydantic", reason="needs the extra train")

from earmark.errors import DatasetError
from earmark.training.datasets.taught import LISTENERS
from earmark.training.datasets.vocabulary import Vocabulary, read_vocabulary

FILES = sorted((Path(__file__).parents[3] / "vocabularies").glob("*.toml"))
TAG = """
[[tags]]
label = "{label}"
group = "voices"
sources = {{ one = ["{label}"] }}
"""


def written(folder: Path, *tags: tuple[str, str], before: str = "") -> Path:
    """A vocabulary of tags, each a label and further lines."""
    file = folder / "words.toml"
    text = "".join(TAG.format(label=label) + more + "\n" for label, more in tags)
    file.write_text(f'name = "words"\n{before}\n{text}', encoding="utf-8")
    return file


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_vocabularies_of_the_project_are_read(file: Path) -> None:
    vocabulary = read_vocabulary(file)
    assert vocabulary.name == file.stem
    for tag in vocabulary.tags:
        for source, labels in tag.sources.items():
            assert labels
            known = LISTENERS.get(source)
            assert known is None or set(labels) <= set(known), tag.label
    for source, labels in vocabulary.denials.items():
        assert set(labels) <= set(LISTENERS[source])


def test_earmark_2_says_what_follows_from_what() -> None:
    vocabulary = read_vocabulary(next(file for file in FILES if file.stem == "earmark-2"))
    assert 90 <= len(vocabulary.tags) <= 130
    for label in ("opera", "choir", "female vocals", "male vocals", "rap"):
        assert "vocals" in vocabulary.ancestors(label)
    for label in ("techno", "house", "trance"):
        assert "electronic" in vocabulary.ancestors(label)
    assert vocabulary.label_of("singing") == "vocals"
    assert vocabulary.label_of("Joyful activation") == "joyful"
    assert "jazz" in vocabulary.denials["emotify-genre"]["classical"]


def test_synonyms_and_ancestors(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        ("vocals", 'synonyms = ["Singing"]'),
        ("opera", 'parents = ["soprano"]'),
        ("soprano", 'parents = ["female", "vocals"]'),
        ("female", 'parents = ["vocals"]'),
        ("instrumental", 'opposites = ["vocals"]'),
    )
    vocabulary = read_vocabulary(file)
    assert vocabulary.ancestors("opera") == ("vocals", "soprano", "female")
    assert vocabulary.ancestors("vocals") == ()
    assert [vocabulary.label_of(word) for word in ("singing", " VOCALS ", "harp")] == ["vocals", "vocals", None]
    with pytest.raises(DatasetError, match="no tag 'harp'"):
        vocabulary.ancestors("harp")


def test_a_family_stands_for_its_teachers_and_an_own_entry_comes_first() -> None:
    vocabulary = Vocabulary.model_validate(
        {
            "name": "words",
            "families": {"both": ["one", "two"]},
            "tags": [{"label": "vocals", "group": "voices", "sources": {"both": ["voice"], "two": ["vocal", "song"]}}],
        }
    )
    assert vocabulary.sources_of(vocabulary.tags[0]) == {"two": ("vocal", "song"), "one": ("voice",)}
    scores = {"one": np.array([[0.5]], np.float32), "two": np.array([[0.5, 0.5]], np.float32)}
    merged = vocabulary.merge(scores, {"one": ("voice",), "two": ("vocal", "song")})
    np.testing.assert_allclose(merged, [[(0.5 + 0.75) / 2]])


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ('synonym = ["singing"]', "synonym"),
        ('parents = ["singing"]', "no tag of this vocabulary"),
        ('opposites = ["singing"]', "no tag of this vocabulary"),
        ('parents = ["vocals"]', "in a circle"),
        ('parents = ["female"]', "in a circle"),
        ('synonyms = ["FEMALE"]', "named twice: female"),
        ('synonyms = ["vocals"]', "named twice: vocals"),
        ('opposites = ["vocals"]', "implies what it excludes"),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path: Path, more: str, reason: str) -> None:
    file = written(tmp_path, ("vocals", more), ("female", 'parents = ["vocals"]'))
    with pytest.raises(DatasetError, match=reason) as refused:
        read_vocabulary(file)
    assert str(file) in str(refused.value)


def test_what_denies_tags_that_are_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="'harp', which is no tag"):
        read_vocabulary(written(tmp_path, ("vocals", ""), before='[denials.genre]\nrock = ["harp"]'))


def test_a_vocabulary_does_not_change() -> None:
    vocabulary = read_vocabulary(FILES[0])
    with pytest.raises(ValueError, match="frozen"):
        vocabulary.name = "other"  # type: ignore[misc]
    with pytest.raises(ValueError, match="frozen"):
        vocabulary.tags[0].parents = ()  # type: ignore[misc]
