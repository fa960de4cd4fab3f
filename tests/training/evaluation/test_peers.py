from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the extra train")

from earmark.errors import TrainingError
from earmark.training.evaluation.peers import peer_vectors


def test_vectors_are_found_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "peer.npz", b=np.array([1.0, 2.0]), a=np.array([3, 4]), other=np.zeros(7))
    found = peer_vectors(tmp_path / "peer.npz", ("a", "b", "a"))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [[3, 4], [1, 2], [3, 4]])


def test_what_is_no_file_of_vectors_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "peer.npz", a=np.zeros(2), b=np.zeros(3), c=np.zeros((2, 2)))
    with pytest.raises(TrainingError, match="no vector of 1 tracks, such as 'z'"):
        peer_vectors(tmp_path / "peer.npz", ("a", "z"))
    for tracks in (("a", "b"), ("c",)):
        with pytest.raises(TrainingError, match="expected one row of one length"):
            peer_vectors(tmp_path / "peer.npz", tracks)
    (tmp_path / "text.npz").write_text("no archive")
    for name in ("text.npz", "absent.npz"):
        with pytest.raises(TrainingError, match="cannot be read as vectors"):
            peer_vectors(tmp_path / name, ("a",))
