"""Labels read from a CSV file, and the refusals of wrong ones."""

from pathlib import Path

import pytest

pytest.importorskip("sklearn", reason="needs the extra teach")


from earmark.errors import TeachingError
from earmark.teaching.examples import read_labels


def labels(folder: Path, text: str) -> Path:
    file = folder / "labels.csv"
    file.write_text(text, encoding="utf-8-sig")
    return file


def test_labels_are_read_as_a_spreadsheet_writes_them(tmp_path: Path) -> None:
    file = labels(tmp_path, 'Path,Tags,Artist\na.mp3,sunny; stormy ;sunny,A\n"b, c.mp3",,\n\n/x/d.mp3,calm,\n')
    first, second, third = read_labels(file)
    assert (first.path, first.words, first.group) == (tmp_path / "a.mp3", ("sunny", "stormy"), "A")
    assert (second.path, second.words, second.group) == (tmp_path / "b, c.mp3", (), str(tmp_path))
    assert (third.path, third.group) == (Path("/x/d.mp3"), "/x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path;tags\na;b\n", "Name a column 'path'"),
        ("path,words\na,b\n", "Name a column 'tags'"),
        ("path,tags,tags\n", "found two columns of one name"),
        ("path,tags\n", "found no rows"),
        ("", "found no rows"),
        ("path,tags\na.mp3\n", "line 2: found 1 cells, expected 2"),
        ("path,tags\n,b\n", "line 2: found no path"),
        ("path,tags\na,b\na,c\n", "line 3: found .* a second time"),
    ],
)
def test_wrong_labels_are_refused_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TeachingError, match=message):
        read_labels(labels(tmp_path, text))


def test_labels_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    with pytest.raises(TeachingError, match="it cannot be read"):
        read_labels(tmp_path / "absent.csv")
    (tmp_path / "bytes.csv").write_bytes(b"path,tags\n\xff,a\n")
    with pytest.raises(TeachingError, match="no UTF-8"):
        read_labels(tmp_path / "bytes.csv")
    (tmp_path / "long.csv").write_text(f"path,tags\na.mp3,{'x' * 200_000}\n")
    with pytest.raises(TeachingError, match="no table that can be read"):
        read_labels(tmp_path / "long.csv")


def test_a_path_may_begin_with_the_mark_of_a_home_that_is_nobodys(tmp_path: Path) -> None:
    (label,) = read_labels(labels(tmp_path, "path,tags\n~nobody at all/a.mp3,calm\n"))
    assert label.path == tmp_path / "~nobody at all" / "a.mp3"
