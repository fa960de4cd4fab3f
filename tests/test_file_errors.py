"""Whatever a library raises on one file names that file; what is no fault of a file passes."""

import pickle
import struct
from collections.abc import Iterator

import pytest

from earmark.errors import DecodeError, FileError
from earmark.file_errors import file_errors

RAISED = (
    struct.error("unpack requires a buffer of 4 bytes"),
    IndexError("index out of range"),
    OSError(22, "Invalid argument"),
    OverflowError("int too large"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    MemoryError(),
    ValueError("two\nlines"),
    KeyError("TXXX"),
    EOFError(),
)


@pytest.mark.parametrize("raised", RAISED, ids=lambda error: type(error).__name__)
def test_what_a_library_raises_names_the_file(raised: Exception) -> None:
    with pytest.raises(FileError) as caught, file_errors("a/song.mp3"):
        raise raised
    assert caught.value.source == "a/song.mp3"
    assert caught.value.reason
    assert "\n" not in caught.value.reason
    assert str(caught.value) == f"a/song.mp3: {caught.value.reason}"
    assert caught.value.__cause__ is raised


def test_an_error_of_earmarks_own_passes() -> None:
    with pytest.raises(DecodeError, match="no sound"), file_errors("a"):
        raise DecodeError("a: no sound in it")


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interruption_passes(raised: type[BaseException]) -> None:
    def work() -> Iterator[None]:
        with file_errors("a"):
            raise raised
        yield

    with pytest.raises(raised):
        next(work())


def test_a_file_error_crosses_processes() -> None:
    error = pickle.loads(pickle.dumps(FileError("a.mp3", "broken")))
    assert (error.source, error.reason, str(error)) == ("a.mp3", "broken", "a.mp3: broken")
