"""A split held against what is known of the official one."""

import pytest

from earmark.errors import DatasetError
from earmark.training.datasets.base import Split
from earmark.training.datasets.official_split import OfficialSide, OfficialSplit, list_hash

SPLIT = Split("s", ("b", "a"), ("c",), ("d",))


def test_the_hash_does_not_depend_on_the_order() -> None:
    # sha256 of "a\nb\n"
    assert list_hash(["b", "a"]) == "911169ddaaf146aff539f58c26c489af3b892dff0fe283c1c264c65ae5aa59a2"


def _official(**counts: int) -> OfficialSplit:
    return OfficialSplit({side: OfficialSide(count, list_hash(SPLIT.side(side))) for side, count in counts.items()})


def test_the_official_split_is_known() -> None:
    official = _official(train=2, valid=1, test=1)
    official.verify(SPLIT)
    assert official.text(SPLIT).endswith(": the official split")
    partly = _official(train=2)
    assert "no official hash is known of valid, test" in partly.text(SPLIT)
    assert "in all that is known" in OfficialSplit({}, total=4).text(SPLIT)


@pytest.mark.parametrize(
    ("official", "split", "sentence"),
    [
        (_official(train=3), SPLIT, "train has 2 tracks, officially 3"),
        (_official(train=2), Split("s", ("x", "a"), (), ()), "but other ones"),
        (OfficialSplit({}, total=9), SPLIT, "it has 4 tracks, the official one 9"),
    ],
)
def test_another_split_is_told(official: OfficialSplit, split: Split, sentence: str) -> None:
    assert "NOT the official split" in official.text(split) and sentence in official.text(split)
    with pytest.raises(DatasetError, match=sentence):
        official.verify(split)
