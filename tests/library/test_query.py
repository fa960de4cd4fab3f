import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.errors import EarmarkError, QueryError
from earmark.library.query import And, HasPath, HasTag, Not, Or, Query, parse, with_quotes
from earmark.tagging.bundle.card import TagName

LABELS = ("piano", "guitar", "vocals", "male vocal", "male", "R&B", "drum'n'bass", "not", "no vocals")
NAMES = tuple(TagName(label, "tests") for label in LABELS)
PIANO, GUITAR, VOCALS, MALE_VOCAL, MALE = (HasTag(place) for place in range(5))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("piano", PIANO),
        ("  PIANO ", PIANO),
        ("piano AND guitar", And((PIANO, GUITAR))),
        ("piano and guitar or vocals", Or((And((PIANO, GUITAR)), VOCALS))),
        ("piano OR guitar AND vocals", Or((PIANO, And((GUITAR, VOCALS))))),
        ("(piano OR guitar) AND vocals", And((Or((PIANO, GUITAR)), VOCALS))),
        ("NOT piano AND guitar", And((Not(PIANO), GUITAR))),
        ("NOT (piano AND guitar)", Not(And((PIANO, GUITAR)))),
        ("not not piano", Not(Not(PIANO))),
        ("guitar>0.6", HasTag(1, ">", 0.6)),
        ("guitar >= .5", HasTag(1, ">=", 0.5)),
        ("guitar<60%", HasTag(1, "<", 0.6)),
        ("guitar <= 1", HasTag(1, "<=", 1.0)),
        ("male vocal", MALE_VOCAL),
        ('"male vocal">0.2', HasTag(3, ">", 0.2)),
        ("male AND 'male vocal'", And((MALE, MALE_VOCAL))),
        ("R&B", HasTag(5)),
        ("\"drum'n'bass\"", HasTag(6)),
        ('"not"', HasTag(7)),
        ("no vocals AND piano", And((HasTag(8), PIANO))),
        ("path:Miles", HasPath("path", "Miles")),
        ('path:"*/Miles Davis/*"', HasPath("path", "*/Miles Davis/*")),
        ("FOLDER:~/Music AND piano", And((HasPath("folder", "~/Music"), PIANO))),
        ("(path:'a b')", HasPath("path", "a b")),
        ("drum'n'bass AND piano", And((HasTag(6), PIANO))),
        ("“male vocal” AND «piano»", And((MALE_VOCAL, PIANO))),
        ("drum’n’bass", HasTag(6)),
        ("path:Don't AND piano", And((HasPath("path", "Don't"), PIANO))),
        ("(path:Don’t)", HasPath("path", "Don’t")),
        ("path:„a b“", HasPath("path", "a b")),
        ("piano AND NOT vocals AND guitar>0.6", And((PIANO, Not(VOCALS), HasTag(1, ">", 0.6)))),
    ],
)
def test_what_searches_mean(text: str, expected: Query) -> None:
    assert parse(text, NAMES) == expected


@pytest.mark.parametrize(
    ("text", "said", "marked"),
    [
        ("", "found the end, expected a tag", ""),
        ("piano AND", "found the end, expected a tag", ""),
        ("piano AND AND guitar", "found 'AND', expected a tag", "AND"),
        ("pianno AND guitar", "the nearest is 'piano'", "pianno"),
        ("xyzzy", "its 9 tags are piano, guitar, vocals, male vocal, male, R&B, drum'n'bass, not, …", "xyzzy"),
        ("piano guitar", "found 'guitar', expected AND, OR or the end", "guitar"),
        ("(piano", "a bracket that is not closed, expected ')'", ""),
        ("piano)", "found ')', expected an opening bracket before it", ")"),
        ("guitar>", "found the end after '>', expected a number from 0 to 1", ""),
        ("guitar > loud", "found 'loud' after '>'", "loud"),
        ("guitar > 1.5", "found '1.5' after '>'", "1.5"),
        ("guitar > 150%", "found '150%' after '>'", "150%"),
        ("guitar = 0.5", "found '=', expected AND, OR or the end", "="),
        ("piano AND path:''", "found nothing after path:, expected a text", "path:''"),
        ('piano AND "gui', "found '\"', expected a tag", '"'),
        ("( " * 200 + "piano", "more than 100 nested brackets", "("),
    ],
)
def test_a_wrong_search_points_at_its_error(text: str, said: str, marked: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text, NAMES)
    first, shown, mark = str(caught.value).split("\n")
    assert first.startswith("The search cannot be understood: ")
    assert said in first
    assert shown == f"  {text}"
    start, stop = mark.index("^"), mark.rindex("^") + 1
    assert (shown + " ")[start:stop] == (marked or " ")
    assert isinstance(caught.value, EarmarkError)


@given(st.text(max_size=60))
def test_any_text_is_a_search_or_an_error(text: str) -> None:
    try:
        parse(text, NAMES)
    except QueryError as error:
        assert "^" in str(error)


def written(query: Query) -> str:
    match query:
        case HasTag():
            bound = "" if query.comparison is None else f" {query.comparison} {query.bound}"
            return f'"{LABELS[query.place]}"{bound}'
        case HasPath():
            return f'{query.kind}:"{query.text}"'
        case Not():
            return f"NOT {written(query.part)}"
        case And():
            return "(" + " AND ".join(map(written, query.parts)) + ")"
        case Or():
            return "(" + " OR ".join(map(written, query.parts)) + ")"


TAGS = st.builds(
    HasTag, st.integers(0, 8), st.sampled_from([">", ">=", "<", "<="]), st.integers(0, 20).map(lambda n: n / 20)
)
LEAVES = st.one_of(st.builds(HasTag, st.integers(0, 8)), TAGS, st.builds(HasPath, st.just("path"), st.just("a b")))
QUERIES = st.recursive(
    LEAVES,
    lambda part: st.one_of(
        st.builds(Not, part),
        st.builds(And, st.lists(part, min_size=2, max_size=3).map(tuple)),
        st.builds(Or, st.lists(part, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=12,
)


@given(QUERIES)
def test_what_is_written_is_read_back(query: Query) -> None:
    assert parse(written(query), NAMES) == query


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("artist:miles davis", 'artist:"miles davis"'),
        ("-Title:rage and ruin (live)", '-Title:"rage and ruin (live)"'),
        ('path:a "b" c', "path:'a \"b\" c'"),
        ("folder:/music/my songs", 'folder:"/music/my songs"'),
        ("artist:leoni", "artist:leoni"),
        ("artist:'miles davis'", "artist:'miles davis'"),
        ("artist:leoni AND piano", "artist:leoni AND piano"),
        ("artist:leoni year:1990", "artist:leoni year:1990"),
        ("male vocal", "male vocal"),
    ],
)
def test_quotes_that_a_shell_took_come_back(argument: str, expected: str) -> None:
    assert with_quotes(argument) == expected


SUNG = (
    TagName("vocals", "voices", synonyms=("singing", "no rest", "R & B")),
    TagName("male", "voices", synonyms=("male voice", "Männerstimme")),
    TagName("singing", "voices"),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("male voice", HasTag(1)),
        ("MALE VOICE>0.3 AND vocals", And((HasTag(1, ">", 0.3), HasTag(0)))),
        ("männerSTIMME", HasTag(1)),
        ('"R & B"', HasTag(0)),
        ("no rest", HasTag(0)),
        ("singing", HasTag(2)),  # a label goes before another's synonym
    ],
)
def test_a_synonym_is_as_good_as_the_tag(text: str, expected: Query) -> None:
    assert parse(text, SUNG) == expected


@pytest.mark.parametrize("word", ["Manerstimme", "male voyce", "mele"])
def test_what_is_nearest_to_a_synonym_is_named_by_its_tag(word: str) -> None:
    with pytest.raises(QueryError, match=r"expected a tag of the model; the nearest is .*'male'"):
        parse(f'"{word}"', SUNG)
