"""Everything that earmark raises on purpose.

EarmarkError
├── AudioError              sound that cannot be used
│   ├── DecodeError             a file, bytes or stream that cannot be decoded
│   │   └── StorageError            a disk or a connection that failed while a sound was read
│   └── WaveformError           samples or a rate that cannot be used
├── SourceError             one file that cannot be used; DecodeError and TrackFileError are such errors too
│   └── FileError               a file on which a library that earmark uses failed
├── ConfigurationError      a file or a variable of the environment that sets no option correctly
├── BatchError              files of a batch that could not be tagged, told after all others were
├── OutputError             results that cannot be written to standard output
├── PictureError            a picture that cannot be drawn where it was asked for
├── SiteError               a site that cannot be written into a folder
├── WorkerError             worker processes that cannot be started
├── InstallationError       a library that reading sound needs and that cannot be loaded
├── TagError                a question that a tagger cannot answer as asked
├── BundleError             a model on disk that is absent, incomplete or not what its card says
├── RecipeError             an experiment that is not described correctly
├── DatasetError            a dataset that is absent, incomplete or inconsistent
├── StoreError              prepared frames on disk that cannot be used
├── TrainingError           a training run that cannot start or go on
├── TeachingError           examples that no words can be taught from
├── LibraryError            a library of tracks that cannot be opened, filled or asked
│   ├── TrackFileError          a file of a library that cannot be read or written
│   └── QueryError              a search that is not written correctly
│       └── UnknownWordError        a search with a word that no tag has
└── MissingExtraError       a part of earmark that is not installed

Every message says what was found, what was expected and what to do.
"""


class EarmarkError(Exception):
    """The root of every error that earmark raises on purpose."""


class SourceError(EarmarkError):
    """One file, or what stands for it, that cannot be used; the root of all errors that name one.

    source: its path, as its user wrote it, or what stands for it, such as <bytes>. reason: what is wrong with it.
    """

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(source, reason)
        self.source = source
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.source}: {self.reason}"


class AudioError(EarmarkError):
    """Sound that cannot be used."""


class DecodeError(AudioError, SourceError):
    """A file, bytes or stream that cannot be decoded.

    source: its path, as its user wrote it, or what stands for it, such as <bytes>. reason: what is wrong with it.
    """


class StorageError(DecodeError):
    """A disk or a connection that failed while a sound was read; the sound itself may be whole.

    source: the sound's path. reason: what the system said.
    """


class WaveformError(AudioError):
    """Samples or a rate that cannot be used: no rate, no samples, NaN or infinity, a wrong shape."""


class FileError(SourceError):
    """A file on which a library that earmark uses failed in a way that its authors did not foresee.

    source: the file's path, as its user wrote it. reason: what the library said.
    """


class ConfigurationError(EarmarkError):
    """A file or a variable of the environment that sets no option correctly, such as by an unknown key.

    source: the file or the variable. key: the key in the file; empty for the file itself. reason: what was found, and
    what was expected.
    """

    def __init__(self, source: str, key: str, reason: str) -> None:
        super().__init__(source, key, reason)
        self.source = source
        self.key = key
        self.reason = reason

    def __str__(self) -> str:
        place = f"{self.source}, {self.key}" if self.key not in ("", self.source) else self.source
        return f"{place}: found {self.reason}. `earmark config` shows every option. Correct or remove it."


class BatchError(EarmarkError):
    """Files of a batch that could not be tagged, raised after all others were.

    errors: the errors, in the order of the files. files: the number of all files.
    """

    def __init__(self, errors: tuple[EarmarkError, ...], files: int) -> None:
        super().__init__(errors, files)
        self.errors = errors
        self.files = files

    def __str__(self) -> str:
        more = f" and {len(self.errors) - 1} more" if len(self.errors) > 1 else ""
        return (
            f"{len(self.errors)} of {self.files} files could not be tagged: {self.errors[0]}{more}. The others were "
            "tagged. Give on_error a function that takes each error, or repair the files."
        )


class OutputError(EarmarkError):
    """Standard output or standard error that cannot be written to, such as a file on a full disk.

    stream: which of them. reason: what the system said. reader_left: whether it is a pipe whose reader has ended, such
    as `head`, which is no fault.
    """

    def __init__(self, stream: str, reason: str, *, reader_left: bool = False) -> None:
        super().__init__(stream, reason)
        self.stream = stream
        self.reason = reason
        self.reader_left = reader_left

    def __str__(self) -> str:
        return f"{self.stream} cannot be written to: {self.reason}. Make room, or send it to another place."


class PictureError(EarmarkError):
    """A picture that cannot be drawn where it was asked for.

    path: where, as its user wrote it. reason: why not, and what to name instead.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"The picture {self.path} cannot be drawn: {self.reason}"


class SiteError(EarmarkError):
    """A site that cannot be written into a folder.

    folder: as its user wrote it. reason: why not, and what to do.
    """

    def __init__(self, folder: str, reason: str) -> None:
        super().__init__(folder, reason)
        self.folder = folder
        self.reason = reason

    def __str__(self) -> str:
        return f"The site {self.folder} cannot be written: {self.reason}"


class WorkerError(EarmarkError):
    """Worker processes that cannot be started.

    reason: how the last one ended, or why it was never there. tries: how many were started in a row.
    """

    def __init__(self, reason: str, tries: int) -> None:
        super().__init__(reason, tries)
        self.reason = reason
        self.tries = tries

    def __str__(self) -> str:
        return (
            f"Worker processes: found that the last of {self.tries} could not be used: {self.reason}; expected one "
            "that starts. What was done before is kept: put this right, and run the same command again."
        )


class InstallationError(EarmarkError):
    """A library that reading sound needs and that cannot be loaded, for example for lack of memory.

    reason: what the system says.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"Reading sound: found a library that cannot be loaded ({self.reason}); expected an installation that is "
            "whole, and memory for it. No file is at fault: put this right, and run the same command again."
        )


class TagError(EarmarkError):
    """A question that a tagger cannot answer as asked, such as a window shorter than a segment."""


class BundleError(EarmarkError):
    """A model on disk that is absent, incomplete or not what its card says."""


class RecipeError(EarmarkError):
    """An experiment that is not described correctly, such as an unknown key."""


class DatasetError(EarmarkError):
    """A dataset that is absent, incomplete or inconsistent."""


class StoreError(EarmarkError):
    """Prepared frames on disk that cannot be used."""


class TrainingError(EarmarkError):
    """A training run that cannot start or go on."""


class TeachingError(EarmarkError):
    """Examples that no words can be taught from: unreadable, too few, or all alike."""


class LibraryError(EarmarkError):
    """A library of tracks that cannot be opened, filled or asked as wanted."""


class TrackFileError(LibraryError, SourceError):
    """A file of a library that cannot be read, or whose tags cannot be written.

    source: the file's path. reason: what is wrong with it.
    """


class QueryError(LibraryError):
    """A search that is not written correctly; the message points at the place.

    reason: what is wrong, in a sentence. query: the search. position: the place of the first wrong character, from 0.
    length: how many characters are wrong.
    """

    def __init__(self, reason: str, query: str, position: int, length: int) -> None:
        super().__init__(reason, query, position, length)
        self.reason = reason
        self.query = query
        self.position = position
        self.length = length

    def __str__(self) -> str:
        return f"{self.reason}\n  {self.query}\n  {' ' * self.position}{'^' * self.length}"


class UnknownWordError(QueryError):
    """A search in the strict language with a word that names no tag, or without AND or OR before it."""


class MissingExtraError(EarmarkError):
    """A part of earmark that is not installed; the message holds the line that installs it."""

    def __init__(self, part: str, extra: str, missing: str) -> None:
        super().__init__(
            f"{part} needs the package {missing!r}, which is not installed. "
            f'Install it with: pip install "earmark[{extra}]"'
        )
