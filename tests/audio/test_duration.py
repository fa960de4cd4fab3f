"""The length that a header tells, without decoding."""

from pathlib import Path

import numpy as np
import pytest
from training.datasets.published import mp3

from earmark.audio.duration import header_duration_seconds
from earmark.audio.encode import write_flac
from earmark.errors import DecodeError


def test_the_length_of_flac_and_mp3(tmp_path: Path) -> None:
    write_flac(tmp_path / "a.flac", np.full(33_075, 0.1, np.float32), 22_050)
    assert header_duration_seconds(tmp_path / "a.flac") == pytest.approx(1.5, abs=1e-3)
    (tmp_path / "b.mp3").write_bytes(mp3(29.2))
    assert header_duration_seconds(str(tmp_path / "b.mp3")) == pytest.approx(29.2, abs=0.15)


@pytest.mark.parametrize("content", [None, b"", b"This is no sound at all. " * 40])
def test_what_has_no_length_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.mp3"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DecodeError, match=r"x\.mp3"):
        header_duration_seconds(path)
