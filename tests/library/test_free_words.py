import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.library.free_words import MOST_TERMS, Term, is_strict, read_words
from earmark.library.query import Condition, HasPath, HasWords, Like, Not, OfYears
from earmark.library.tag_names import TagNames
from earmark.tagging.bundle.card import TagName

TAGS = ("piano", "sadness", "drums", "male vocals", "vocals", "hip-hop", "new age", "blues", "bass", "r&b", "harmony")
NAMES = TagNames([TagName(label, "tests", synonyms=("singing",) if label == "vocals" else ()) for label in TAGS])

_SAME = (("drums", "drums"), ("bass", "bass"))


def terms(text: str) -> list[tuple[str, str | None, bool]]:
    return [
        (term.text, None if term.place is None else TAGS[term.place], term.negated)
        for term in read_words(text, NAMES).terms
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sad piano leoni", [("sad", "sadness", False), ("piano", "piano", False), ("leoni", None, False)]),
        ("Drum", [("Drum", "drums", False)]),
        ("male vocal, singing!", [("male vocal", "male vocals", False), ("singing", "vocals", False)]),
        ("drums,bass", [("drums", "drums", False), ("bass", "bass", False)]),
        (
            "drums;bass；piano、sad",
            [(each, tag, False) for each, tag in (*_SAME, ("piano", "piano"), ("sad", "sadness"))],
        ),
        ("drums/bass", [(each, tag, False) for each, tag in _SAME]),
        ("drums+bass", [(each, tag, False) for each, tag in _SAME]),
        ("no drums,bass", [("drums", "drums", True), ("bass", "bass", False)]),
        ("male, vocals", [("male", None, False), ("vocals", "vocals", False)]),
        ("leoni,piano,,-bass", [("leoni", None, False), ("piano", "piano", False), ("bass", "bass", True)]),
        ('"blue sky",piano', [("blue sky", None, False), ("piano", "piano", False)]),
        ("10,000 maniacs", [("10,000", None, False), ("maniacs", None, False)]),
        ("AC/DC", [("AC/DC", None, False)]),
        ("r&b,piano", [("r&b", "r&b", False), ("piano", "piano", False)]),
        (",", [(",", None, False)]),
        ("hip hop", [("hip hop", "hip-hop", False)]),
        ("hiphop", [("hiphop", "hip-hop", False)]),
        ("newage", [("newage", "new age", False)]),
        ("harmonies", [("harmonies", "harmony", False)]),
        ("blue", [("blue", None, False)]),
        ("blues", [("blues", "blues", False)]),
        ("bas", [("bas", None, False)]),
        ("r&b", [("r&b", "r&b", False)]),
        ("piano without male vocals", [("piano", "piano", False), ("male vocals", "male vocals", True)]),
        ("-drums no vocals", [("drums", "drums", True), ("vocals", "vocals", True)]),
        ("no doubt", [("no", None, False), ("doubt", None, False)]),
        ("-", [("-", None, False)]),
        ("not", [("not", None, False)]),
        ("songs with piano in the music", [("piano", "piano", False)]),
        ("the who", [("who", None, False)]),
        ("the the", [("the", None, False)]),
        ('"blue sky" piano', [("blue sky", None, False), ("piano", "piano", False)]),
        ("(piano)", [("piano", "piano", False)]),
        ("", []),
        ("not a piano", [("piano", "piano", True)]),
        ("without piano", [("piano", "piano", True)]),
        ("-rainy", [("rainy", None, True)]),
        ("piano not rainy", [("piano", "piano", False), ("rainy", None, True)]),
        ("piano no", [("piano", "piano", False), ("no", None, False)]),
        ("no", [("no", None, False)]),
        ("-", [("-", None, False)]),
        ('without "male vocal"', [("male vocal", "male vocals", True)]),
        ('-"male vocal" piano', [("male vocal", "male vocals", True), ("piano", "piano", False)]),
        ('piano not the "blue sky"', [("piano", "piano", False), ("blue sky", None, True)]),
        ('no piano "blue sky"', [("piano", "piano", True), ("blue sky", None, False)]),
        ("-(piano)", [("piano", "piano", True)]),
        ('-"piano', [("piano", "piano", True)]),
    ],
)
def test_words(text: str, expected: list[tuple[str, str | None, bool]]) -> None:
    assert terms(text) == expected


def test_conditions_stand_beside_words() -> None:
    found = read_words("piano artist:'pink floyd' year:1990s GENRE:jazz like:7 path:a year:x star:trek", NAMES)
    assert found.conditions == (
        HasWords("artist", "pink floyd"),
        OfYears(1990, 1999),
        HasWords("genre", "jazz"),
        Like("7"),
        HasPath("path", "a"),
    )
    assert found.terms == (Term("piano", 0), Term("year:x"), Term("star:trek"))
    assert found.places == (0,)


@pytest.mark.parametrize(
    ("text", "conditions", "words"),
    [
        ("artist:O'Connor piano", [HasWords("artist", "O'Connor")], ["piano"]),
        ("like:/m/Don't.mp3", [Like("/m/Don't.mp3")], []),
        ("folder:Guns_N'_Roses", [HasPath("folder", "Guns_N'_Roses")], []),
        ("title:'round drums", [HasWords("title", "'round")], ["drums"]),
        ("title:'don't go' drums", [HasWords("title", "don't go")], ["drums"]),
        ("path:Don’t", [HasPath("path", "Don’t")], []),
        ('path:a"b', [HasPath("path", 'a"b')], []),
        ("artist:“pink floyd” drums", [HasWords("artist", "pink floyd")], ["drums"]),
        ("artist:‘pink floyd’", [HasWords("artist", "pink floyd")], []),
        ("-artist:„pink floyd“", [Not(HasWords("artist", "pink floyd"))], []),
        ("(artist:leoni) piano", [HasWords("artist", "leoni")], ["piano"]),
        ("year:1990, artist:leoni; piano", [OfYears(1990, 1990), HasWords("artist", "leoni")], ["piano"]),
        ("path:a(b)", [HasPath("path", "a(b)")], []),
        ("artist:leoni - ♥", [HasWords("artist", "leoni")], []),
        ("the - ♥", [], ["the"]),
        ("“male vocal” …", [], ["male vocal"]),
        ("«blue sky» – piano ♥", [], ["blue sky", "piano"]),
    ],
)
def test_quotes_and_signs(text: str, conditions: list[Condition | Not], words: list[str]) -> None:
    found = read_words(text, NAMES)
    assert list(found.conditions) == conditions
    assert [term.text for term in found.terms] == words


@pytest.mark.parametrize("negation", ["not ", "no ", "without ", "not the ", "-", "--", "not -"])
@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("artist:leoni", HasWords("artist", "leoni")),
        ("title:'blue sky'", HasWords("title", "blue sky")),
        ("year:1990s", OfYears(1990, 1999)),
        ("like:7", Like("7")),
        ("path:live", HasPath("path", "live")),
    ],
)
def test_a_condition_is_negated_as_a_tag_is(negation: str, stated: str, expected: Condition) -> None:
    found = read_words(f"piano {negation}{stated} genre:jazz drums", NAMES)
    assert found.conditions == (Not(expected), HasWords("genre", "jazz"))
    assert [term.text for term in found.terms] == ["piano", "drums"]


@pytest.mark.parametrize(
    ("text", "strict"),
    [
        ("piano", False),
        ("rock and roll", False),
        ("not sad", False),
        ("path:jazz", False),
        ("ANDROID", False),
        ('"A OR B"', False),
        ("“A OR B”", False),
        ("don't stop AND rockin' out", True),
        ("piano AND drums", True),
        ("NOT piano", True),
        ("(NOT piano)", True),
        ("piano>0.5", True),
        ("piano <= 50%", True),
    ],
)
def test_capitals_and_comparisons_make_a_search_strict(text: str, strict: bool) -> None:
    assert is_strict(text) is strict


@given(st.text())
def test_no_text_is_wrong(text: str) -> None:
    found = read_words(text, NAMES)
    assert all(term.text for term in found.terms)
    assert bool(found.terms or found.conditions) == bool(text.strip())


def test_only_so_many_terms_count() -> None:
    found = read_words(" ".join(f"word{number}" for number in range(100)), NAMES)
    assert (len(found.terms), found.left_out) == (MOST_TERMS, 100 - MOST_TERMS)
    assert read_words("same " * 100, NAMES).left_out == 0
