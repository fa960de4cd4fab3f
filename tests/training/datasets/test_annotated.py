"""Tags that are certain: what follows from them, what contradicts them, and the table that they are in."""

import re
from pathlib import Path

import numpy as np
import pytest

from earmark.errors import DatasetError
from earmark.training.datasets.annotated import (
    OTHER_SOUND,
    AnnotatedTrack,
    load,
    read_tracks,
    targets_of,
    targets_of_row,
    write_tracks,
)
from earmark.training.datasets.csv_file import CsvRow
from earmark.training.datasets.vocabulary import Vocabulary, VocabularyTag

UNKNOWN = float("nan")
WORDS = Vocabulary(
    name="small",
    tags=tuple(
        VocabularyTag(
            label=label,
            group=OTHER_SOUND if label == "speech" else "music",
            sources={"one": (label,)},
            parents=parents,
            opposites=opposites,
            synonyms=("talking",) if label == "speech" else (),
        )
        for label, parents, opposites in (
            ("vocals", (), ()),
            ("choir", ("vocals",), ()),
            ("instrumental", (), ("vocals",)),
            ("harp", (), ()),
            ("speech", (), ()),
        )
    ),
)


@pytest.mark.parametrize(
    ("present", "absent", "targets"),
    [
        ((), (), (UNKNOWN,) * 5),
        (("choir",), (), (1, 1, 0, UNKNOWN, UNKNOWN)),
        (("instrumental",), (), (0, 0, 1, UNKNOWN, UNKNOWN)),
        ((), ("vocals",), (0, 0, UNKNOWN, UNKNOWN, UNKNOWN)),
        (("speech",), ("*",), (0, 0, 0, 0, 1)),
        (("harp",), ("*",), (0, 0, 0, 1, UNKNOWN)),
        ((), ("*", "speech"), (0, 0, 0, 0, 0)),
        (("Talking",), ("*", "HARP "), (0, 0, 0, 0, 1)),
    ],
)
def test_what_follows_from_certain_tags(
    present: tuple[str, ...], absent: tuple[str, ...], targets: tuple[float, ...]
) -> None:
    np.testing.assert_array_equal(targets_of(present, absent, WORDS), targets)


@pytest.mark.parametrize(
    ("present", "absent", "sentence"),
    [
        (("choir",), ("vocals",), "'choir', 'vocals' cannot be present and absent"),
        (("choir", "instrumental"), (), "cannot be present and absent"),
        (("hrap",), (), "Did you mean 'harp'"),
        ((), ("speach",), "Did you mean 'speech'"),
        (("*",), (), "has no tag '[*]'"),
    ],
)
def test_what_is_refused(present: tuple[str, ...], absent: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(DatasetError, match=sentence):
        targets_of(present, absent, WORDS)


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    tracks = tuple(
        AnnotatedTrack(
            f"t{fold}", f"audio/{fold}.flac", "solo, quiet", "a; b", "g", "CC0", fold, 2.5, ("harp",) * fold, ("*",)
        )
        for fold in range(3)
    )
    write_tracks(tmp_path, tracks)
    assert read_tracks(tmp_path) == tracks


@pytest.mark.parametrize(("present", "sentence"), [("harp", "cannot be present"), ("hrap", "Did you mean 'harp'")])
def test_a_row_that_is_refused_is_named_by_its_line(tmp_path: Path, present: str, sentence: str) -> None:
    table = tmp_path / "tracks.csv"
    row = CsvRow(7, {"present": f"speech; {present}", "absent": "harp"})
    with pytest.raises(DatasetError, match=f"Line 7 of {re.escape(str(table))}: .*{sentence}"):
        targets_of_row(row, table, WORDS)


def test_a_row_without_the_columns_has_no_certain_tags() -> None:
    np.testing.assert_array_equal(targets_of_row(CsvRow(1, {}), Path("tracks.csv"), WORDS), (UNKNOWN,) * 5)


def test_a_fold_that_is_none_is_refused(tmp_path: Path) -> None:
    write_tracks(tmp_path, [AnnotatedTrack("t", "t.flac", "solo", "s", "g", "CC0", 5, 2.5, (), ())])
    with pytest.raises(DatasetError, match="expected 0 to 4"):
        load(tmp_path)
