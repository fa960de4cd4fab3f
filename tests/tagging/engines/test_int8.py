import json

import pytest

from earmark.errors import BundleError
from earmark.tagging.engines.int8 import RANGES_FILE, Ranges, read_ranges, write_ranges

RANGES = Ranges({"aa": ((-1.5, 2.0), (0.0, 3.25))}, 60.0)


def test_ranges_are_read_as_they_were_written(tmp_path):
    write_ranges(RANGES, tmp_path)
    assert read_ranges(tmp_path) == RANGES
    assert RANGES.of("aa", "18", 2) == ((-1.5, 2.0), (0.0, 3.25))


@pytest.mark.parametrize("question", [("bb", "18", 2), ("aa", "18", 3)])
def test_ranges_of_another_network_are_refused(question):
    with pytest.raises(BundleError, match="found no ranges of"):
        RANGES.of(*question)


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        '{"format": "earmark-int8", "version": 2, "seconds": 1, "extractors": {}}',
        '{"format": "earmark-int8", "version": 1, "extractors": {}}',
        *(
            json.dumps({"format": "earmark-int8", "version": 1, "seconds": 1, "extractors": {"aa": pairs}})
            for pairs in ([[1, 2]], [[0, 0]], [[-1]], [["low", "high"]], [[-1, 1e999]], 3)
        ),
    ],
)
def test_what_are_no_ranges_is_refused(tmp_path, text):
    (tmp_path / RANGES_FILE).write_text(text)
    with pytest.raises(BundleError, match=r"int8\.json: found .*benchmarks/int8\.py"):
        read_ranges(tmp_path)


def test_no_ranges_at_all(tmp_path):
    with pytest.raises(BundleError, match="found no such file"):
        read_ranges(tmp_path)
