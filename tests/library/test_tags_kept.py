"""Whatever stands in a file's tags is there after writing, byte for byte, and undoing gives the file back."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from library.songs import heard, make_songs
from library.tag_blocks import KINDS, Made, ending_of, made, plain_files

from earmark.audio.identity import identity
from earmark.library.library import Library
from earmark.library.tag_file import TagFile
from earmark.library.undo import Undoing
from earmark.library.write import WriteRule, Writing

TELLING_BYTES = 8


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    endings = {ending_of(kind) for kind in KINDS} - {"dsf"}
    songs = make_songs(tmp_path_factory.mktemp("plain") / "songs", sorted(endings))
    return plain_files(songs)


@pytest.fixture
def place(tmp_path: Path, plain: dict[str, Made]) -> Iterator[tuple[Path, Library]]:
    """Where each generated file lies, and a library that has heard it."""
    file = tmp_path / "song"
    file.write_bytes(plain["flac"].data)
    with heard(tmp_path / "music.earmark", [file]) as library:
        library.store.run("PRAGMA synchronous = OFF")  # some thousand files, and no disk to wait for
        yield file, library


def written_and_undone(file: Path, library: Library, one: Made, rule: WriteRule) -> str:
    """Write into a generated file and undo it; returns why it was refused, or nothing."""
    file.write_bytes(one.data)
    sound = identity(file)
    library.store.run("UPDATE tracks SET identity = ?", (sound,))
    [outcome] = Writing(library.database, rule)([(str(file), 1)])
    after = file.read_bytes()
    if outcome.reason or not outcome.changes:
        assert after == one.data, "what is refused stays"
        return outcome.reason or "nothing to write"
    assert identity(file) == sound
    read = TagFile(file)
    for field, words in (("genre", ("bebop", "jazz")), ("mood", ("happy", "calm"))):
        left = {kept.field for kept in outcome.kept}
        assert set(words) <= set(read.read(field)) or field in left
    if not rule.overwrite and not any(change.old for change in outcome.changes):
        # A few bytes, as of an empty comment, stand by chance in checksums and positions too.
        for entry in (entry for entry in one.kept if len(entry) >= TELLING_BYTES):
            assert after.count(entry) >= one.data.count(entry), f"lost {entry!r}"
    [undone] = Undoing(library.database)()
    assert undone.reason == ""
    assert file.read_bytes() == one.data, "to the byte"
    return ""


def check(kind: str, plain: dict[str, Made], place: tuple[Path, Library], examples: int) -> Counter[str]:
    results: Counter[str] = Counter()

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
        print_blob=False,
    )
    @given(made(kind, plain[ending_of(kind)]), st.booleans())
    def every(one: Made, overwrite: bool) -> None:
        results[written_and_undone(*place, one, WriteRule(overwrite=overwrite))] += 1

    every()
    return results


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_a_person_wrote_is_lost(kind: str, plain: dict[str, Made], place: tuple[Path, Library]) -> None:
    results = check(kind, plain, place, 25)
    # Which examples are drawn depends on what else is loaded; a person's genre and mood leave nothing to write.
    assert results[""] + results["nothing to write"] >= 20, results
    assert results[""] >= 8, results


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost_of_a_thousand(kind: str, plain: dict[str, Made], place: tuple[Path, Library]) -> None:
    results = check(kind, plain, place, 1_000)
    assert results[""] >= 800, results
