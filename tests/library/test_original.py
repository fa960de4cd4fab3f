"""A changed file is made the old one again from what is kept of it, which is little."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.library import original
from earmark.library.original import Original, unpacked


def restored(folder: Path, old: bytes, new: bytes) -> bytes:
    """The old file, made from the new one and what was kept."""
    one, other = folder / "old", folder / "new"
    one.write_bytes(old)
    other.write_bytes(new)
    kept = unpacked(Original.of(one, other).packed())
    assert kept.is_of(other)
    assert kept.is_of(one) is (old == new)
    assert kept.restore(other)
    return other.read_bytes()


@given(st.binary(max_size=300), st.binary(max_size=300), st.binary(max_size=300), st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_two_files(
    tmp_path_factory: pytest.TempPathFactory, one: bytes, two: bytes, old: bytes, new: bytes
) -> None:
    folder = tmp_path_factory.mktemp("any")
    with pytest.MonkeyPatch.context() as small:
        small.setattr(original, "CHUNK_BYTES", 64)
        assert restored(folder, one + old + two, one + new + two) == one + old + two
        assert restored(folder, old, new) == old


@pytest.mark.parametrize("grown", [-70_000, -1, 0, 1, 3_000_000])
def test_little_is_kept_of_a_long_file(tmp_path: Path, grown: int) -> None:
    sound = np.random.default_rng(0).bytes(5_000_000)
    head = np.random.default_rng(1).bytes(100_000)
    old = b"RIFF1234" + head + sound
    new = b"RIFF5678" + (head + bytes(grown) if grown >= 0 else head[:grown]) + sound
    assert restored(tmp_path, old, new) == old
    (tmp_path / "new").write_bytes(new)
    assert len(Original.of(tmp_path / "old", tmp_path / "new").packed()) < max(-grown, 0) + 1_000


def test_numbers_in_every_page_are_kept_in_few_bytes(tmp_path: Path) -> None:
    page = np.random.default_rng(0).bytes(4_000)
    old = b"".join(number.to_bytes(8, "little") + page for number in range(1_000))
    new = b"longer" + b"".join((number + 1).to_bytes(8, "little") + page for number in range(1_000))
    assert restored(tmp_path, old, new) == old
    (tmp_path / "new").write_bytes(new)
    assert len(Original.of(tmp_path / "old", tmp_path / "new").packed()) < 30_000


def test_a_file_that_is_another_one_is_not_taken_for_it(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"the old file")
    new.write_bytes(b"the new file")
    kept = Original.of(old, new)
    assert kept.old_hash == hashlib.sha256(b"the old file").digest()
    new.write_bytes(b"the 3rd file")
    assert not kept.is_of(new)
    new.write_bytes(b"another file of another length")
    assert not kept.is_of(new)
    new.write_bytes(b"The new file")
    assert not kept.restore(new)
