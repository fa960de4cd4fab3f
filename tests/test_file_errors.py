"""Whatever a library raises on one file names that file; what is no fault of a file passes."""

import pickle
import struct
from collections.abc import Callable, Iterator

import pytest

from earmark.errors import DecodeError, FileError, QueryError, StorageError, TrackFileError
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
        raise DecodeError("a", "no sound in it")


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interruption_passes(raised: type[BaseException]) -> None:
    def work() -> Iterator[None]:
        with file_errors("a"):
            raise raised
        yield

    with pytest.raises(raised):
        next(work())


@pytest.mark.parametrize("kind", [DecodeError, StorageError, FileError, TrackFileError])
def test_an_error_of_one_file_has_its_name_and_crosses_processes(
    kind: Callable[[str, str], DecodeError | FileError | TrackFileError],
) -> None:
    error = pickle.loads(pickle.dumps(kind("a: b.mp3", "broken: badly")))
    assert type(error) is kind
    assert (error.source, error.reason, str(error)) == ("a: b.mp3", "broken: badly", "a: b.mp3: broken: badly")


def test_a_query_error_crosses_processes() -> None:
    error = pickle.loads(pickle.dumps(QueryError("Found a hat.", "piano hat", 6, 3)))
    assert (error.reason, error.query, error.position, error.length) == ("Found a hat.", "piano hat", 6, 3)
    assert str(error) == "Found a hat.\n  piano hat\n        ^^^"
