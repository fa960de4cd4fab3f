"""One file's failure: whatever a library raises while it works on one file becomes an error that names the file."""

from collections.abc import Iterator
from contextlib import contextmanager

from earmark.errors import EarmarkError, FileError, SourceError


@contextmanager
def file_errors(source: str) -> Iterator[None]:
    """Raise FileError in place of any other exception that work on one file raises.

    source: the path of the file, as its user wrote it.

    Decoders and tag readers meet bytes that their authors did not foresee, and raise struct.error, IndexError,
    OverflowError, UnicodeError, MemoryError and others. Every loop over files wraps the work on one file, and nothing
    else, in this: a fault of earmark's own output, such as a full disk, must not be blamed on the file.

    Raises FileError, naming the file and the reason; an EarmarkError, KeyboardInterrupt and SystemExit pass unchanged.
    """
    try:
        yield
    except EarmarkError:
        raise
    except Exception as error:  # what a library may raise on damaged bytes is not known beforehand
        raise FileError(source, reason_of(error)) from error


def reason_without_name(error: EarmarkError) -> str:
    """Return why a file failed, without the file's name, for where the name is told beside it."""
    return error.reason if isinstance(error, SourceError) else str(error)


def reason_of(error: Exception) -> str:
    """Describe an exception that a library raised in one line."""
    if isinstance(error, MemoryError):
        return "it needs more memory than there is"
    if isinstance(error, OSError) and error.strerror:
        return f"reading it failed: {error.strerror}"
    message = " ".join(str(error).split())
    kind = type(error).__name__
    return f"reading it failed: {kind}: {message}" if message else f"reading it failed: {kind}"
