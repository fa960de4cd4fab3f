from pathlib import Path

import pytest
from library.songs import TAGS, songs_bundle

from earmark.errors import LibraryError
from earmark.library.fields import checked_field
from earmark.library.mapping import TagMapping, Words, read_mapping

MAPPING = """
only = ["jazz", "bebop", "happy", "guitar", "rock"]
most = 2

[groups]
Instruments = "instrument"

[tags]
bebop = "Bebop"
happy = ["Happy", "Uplifting"]
rock = []
guitar = { words = ["Guitar"] }
jazz = { field = "Style", words = "Jazz" }

[parents]
Bebop = "Jazz"
Jazz = "Music"
"""
EVERYTHING = [(tag.label, tag.group) for tag in TAGS]


def mapping(folder: Path, text: str) -> TagMapping:
    file = folder / "mapping.toml"
    file.write_text(text)
    return read_mapping(file)


def test_without_a_mapping_genres_and_moods_have_their_fields() -> None:
    plain = TagMapping()
    assert plain.words(EVERYTHING) == {"genre": ("jazz", "bebop", "rock"), "mood": ("happy", "calm")}
    assert plain.fields(songs_bundle().card) == ("genre", "mood")
    assert TagMapping(most=1).words(EVERYTHING) == {"genre": ("jazz",), "mood": ("happy",)}


def test_a_mapping_chooses_renames_and_adds_parents(tmp_path: Path) -> None:
    read = mapping(tmp_path, MAPPING)
    assert read.words(EVERYTHING) == {
        "STYLE": ("Jazz", "Music"),
        "genre": ("Bebop", "Jazz", "Music"),
        "mood": ("Happy", "Uplifting"),
        "INSTRUMENT": ("Guitar",),
    }
    assert read.of_model(songs_bundle().card) == read


def test_a_word_that_two_tags_share_is_written_once() -> None:
    shared = TagMapping(tags={"jazz": Words(("Jazz",)), "bebop": Words(("Jazz", "Bebop"))})
    assert shared.words(EVERYTHING)["genre"] == ("Jazz", "Bebop", "rock")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("onyl = []", r"onyl: unknown key, expected one of only, most, .*nearest is 'only'"),
        ("most = 0", "most: found 0, expected a whole number of at least 1"),
        ("most = true", "most: found True"),
        ("only = [1]", "only: found .*expected a word or a list of words"),
        ("tags = 3", "tags: found 3, expected a table"),
        ("[tags]\njazz = { word = 'Jazz' }", "tags.jazz.word: unknown key, expected field or words"),
        ("[tags]\njazz = { field = 3 }", "tags.jazz.field: found 3"),
        ("[tags]\njazz = { field = 'TITLE' }", "tags.jazz.field: found the field 'TITLE', expected genre, mood, or"),
        ("[groups]\ngenres = ''", "groups.genres: found '', expected a text"),
        ("[parents]\nA = 'B'\nB = 'A'", "parents.A: found 'A above B above A', expected no word above itself"),
        ("[tags", "found invalid TOML"),
    ],
)
def test_a_wrong_mapping_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(LibraryError, match=message):
        mapping(tmp_path, text)


def test_a_mapping_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="the mapping cannot be read"):
        read_mapping(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (
            TagMapping(only=frozenset(["jaz"])),
            "only: found 'jaz', expected one of the model's 6. The nearest is 'jazz'",
        ),
        (TagMapping(tags={"polka": Words(("Polka",))}), "tags: found 'polka'"),
        (TagMapping(groups={"voices": "VOICE"}), "groups: found 'voices'"),
    ],
)
def test_words_that_the_model_does_not_have_are_refused(made: TagMapping, message: str) -> None:
    with pytest.raises(LibraryError, match=message):
        made.of_model(songs_bundle().card)


@pytest.mark.parametrize("name", ["TITLE", "EARMARK", "EARMARK_ROCK", "A", "MÜSIC", "A=B", "X" * 61, ""])
def test_names_that_no_file_should_have_are_refused(name: str) -> None:
    with pytest.raises(LibraryError, match="expected genre, mood, or a name of your own"):
        checked_field(name, "here")


def test_fields_are_known_whatever_their_case() -> None:
    assert (checked_field("Genre", "here"), checked_field(" instrument", "here")) == ("genre", "INSTRUMENT")
    assert checked_field("comment", "here", read=True) == "comment"
