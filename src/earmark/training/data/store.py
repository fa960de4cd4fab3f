"""Store log-mel frames on disk in one memory-mapped file, keyed by the content of sound files.

A store is a folder that belongs to one front end:

    frames.f16     all frames, rows of `mel_bands` float16 values, track after track
    tracks.jsonl   a line for each track: content hash, first row, rows, decoder, truncated; written after its frames
    files.jsonl    a line for each file seen: path, size, modification time, content hash, which avoids hashing it again

A track is in the store once its line is written. Frames after the last line come from an interrupted run and are cut
off by the next one. Renamed and copied files are not decoded again.

Choice: float16. A log-mel value lies between 0 and about 3, so its error is at most 1e-3, less than the encoding of
the sound changes it; float16 halves disk space, memory and reading time.
"""

import dataclasses
import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from earmark.audio.decode import decode
from earmark.audio.logmel import LogMel, LogMelSettings
from earmark.errors import AudioError, StoreError
from earmark.tagging.bundle.json import to_plain


@dataclasses.dataclass(frozen=True)
class StoredTrack:
    """The frames of one content in the store.

    Attributes:
        content: the SHA-256 of the sound file.
        first_row, rows: the place of its frames in the store.
        decoder: the decoder that read the file.
        truncated: whether the file ended early.
    """

    content: str
    first_row: int
    rows: int
    decoder: str
    truncated: bool


@dataclasses.dataclass(frozen=True)
class PreparedTrack:
    """The result of decoding one file.

    Attributes:
        content: the SHA-256 of the file; empty where it could not be decoded.
        rows: the number of frames.
        frames: (rows, mel_bands) float16; no rows where only their number is wanted.
        decoder: the decoder that read the file.
        truncated: whether the file ended early.
        failure: the reason why the file could not be decoded; None where it could.
    """

    content: str
    rows: int
    frames: npt.NDArray[np.float16]
    decoder: str
    truncated: bool
    failure: str | None


class FrameStore:
    """The log-mel frames of many tracks, (rows, mel_bands) float16, memory-mapped.

    Without `keep_frames` the store holds only the number of frames of every track, which is all that networks on raw
    sound need; the frames of a large dataset would fill the disk.

    Raises:
        StoreError: the index of the store cannot be read, or frames are missing.
    """

    def __init__(self, root: Path, settings: LogMelSettings = LogMelSettings(), *, keep_frames: bool = True) -> None:
        described = json.dumps(to_plain(settings, "front end"), sort_keys=True)
        self.settings = settings
        self._keep_frames = keep_frames
        self._row_bytes = settings.mel_bands * 2 if keep_frames else 0
        kind = "log-mel" if keep_frames else "lengths"
        self.folder = root / f"{kind}-{hashlib.sha256(described.encode()).hexdigest()[:12]}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._frames_file = self.folder / "frames.f16"
        self._tracks_file = self.folder / "tracks.jsonl"
        self._files_file = self.folder / "files.jsonl"
        self._read_index()

    def prepare(
        self, paths: Sequence[Path], processes: int = 1, progress: Callable[[int], object] = int
    ) -> Mapping[Path, str]:
        """Decode the files that are not in the store yet, and return the reason for each file that cannot be decoded.

        Tracks are stored in the order of `paths`, whatever the number of processes. `progress` is called with the
        number of files done after each file. Another program that uses the store waits until this one has finished.
        """
        with FileLock(self.folder / "lock"):
            self._cut_unfinished()
            return self._prepare(paths, processes, progress)

    def _prepare(self, paths: Sequence[Path], processes: int, progress: Callable[[int], object]) -> Mapping[Path, str]:
        failures: dict[Path, str] = {}
        missing: list[Path] = []
        for path in paths:
            if not path.is_file():
                failures[path] = f"{path} is not a file."
            elif self._known_content(path) not in self._tracks:
                missing.append(path)
        progress(len(paths) - len(missing))
        with self._frames_file.open("ab") as frames, self._tracks_file.open("a", encoding="utf-8") as tracks:
            for done, (path, prepared) in enumerate(self._prepared(missing, processes), start=1):
                if prepared.failure is not None:
                    failures[path] = prepared.failure
                else:
                    self._remember_file(path, prepared.content)
                    if prepared.content not in self._tracks:
                        stored = StoredTrack(
                            prepared.content,
                            self.rows,
                            prepared.rows,
                            prepared.decoder,
                            prepared.truncated,
                        )
                        prepared.frames.tofile(frames)
                        frames.flush()
                        tracks.write(json.dumps(dataclasses.asdict(stored)) + "\n")
                        tracks.flush()
                        self._tracks[stored.content] = stored
                        self.rows += stored.rows
                progress(len(paths) - len(missing) + done)
        return failures

    def track(self, path: Path) -> StoredTrack:
        """Return the place of a file's frames in the store.

        Raises:
            StoreError: the file was not prepared, or has changed since.
        """
        content = self._known_content(path)
        if content not in self._tracks:
            raise StoreError(f"{path} is not in the store {self.folder}; prepare it first.")
        return self._tracks[content]

    def frames(self) -> npt.NDArray[np.float16]:
        """Open all frames as a read-only memory map: (rows, mel_bands) float16; no rows without `keep_frames`."""
        if not self.rows or not self._keep_frames:
            return np.zeros((0, self.settings.mel_bands), np.float16)
        return np.memmap(self._frames_file, np.float16, "r", shape=(self.rows, self.settings.mel_bands))

    def _known_content(self, path: Path) -> str:
        """Return the content hash of a file that was seen before with this size and time; empty for other files."""
        content: str = self._contents.get(_identify(path), "")
        return content

    def _remember_file(self, path: Path, content: str) -> None:
        name, size, modified = _identify(path)
        line = {"path": name, "size": size, "modified_ns": modified, "content": content}
        with self._files_file.open("a", encoding="utf-8") as files:
            files.write(json.dumps(line) + "\n")
        self._contents[_identify(path)] = content
        self._sizes.add(size)

    def _prepared(self, paths: Sequence[Path], processes: int) -> Iterator[tuple[Path, PreparedTrack]]:
        """Yield decoded files in order; only a few are decoded ahead, to bound the memory."""
        if processes == 1:
            for path in paths:
                yield path, self._copy_of_stored(path) or prepare_track(path, self.settings, self._keep_frames)
            return
        # Processes are spawned, because the threads of torch do not survive a fork.
        with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
            ahead: deque[tuple[Path, PreparedTrack | Future[PreparedTrack]]] = deque()
            remaining = iter(paths)
            while True:
                for path in islice(remaining, 2 * processes - len(ahead)):
                    prepared = self._copy_of_stored(path) or pool.submit(
                        prepare_track, path, self.settings, self._keep_frames
                    )
                    ahead.append((path, prepared))
                if not ahead:
                    return
                path, prepared = ahead.popleft()
                yield path, prepared if isinstance(prepared, PreparedTrack) else prepared.result()

    def _copy_of_stored(self, path: Path) -> PreparedTrack | None:
        """Return the stored track with the same content as a file; None where the file has to be decoded."""
        try:
            if path.stat().st_size not in self._sizes:
                return None
            content = _content_of(path)
        except OSError:
            # The decoder will report why the file cannot be read.
            return None
        stored = self._tracks.get(content)
        if stored is None:
            return None
        return PreparedTrack(content, 0, _no_frames(self.settings), stored.decoder, stored.truncated, None)

    def _read_index(self) -> None:
        """Read the index, which other runs may have extended."""
        try:
            self._tracks = {line["content"]: StoredTrack(**line) for line in _read_lines(self._tracks_file)}
            self._contents = {_file_key(line): line["content"] for line in _read_lines(self._files_file)}
        except (ValueError, TypeError, KeyError) as error:
            raise StoreError(
                f"The index of {self.folder} has a line that earmark did not write ({error!r}). "
                "Remove the folder; it will be made again."
            ) from error
        self._sizes = {size for _, size, _ in self._contents}
        self.rows = max((track.first_row + track.rows for track in self._tracks.values()), default=0)
        """The number of frames of all tracks together."""
        expected = self.rows * self._row_bytes
        found = self._frames_file.stat().st_size if self._frames_file.exists() else 0
        if found < expected:
            raise StoreError(
                f"{self._frames_file} holds {found} bytes, but its index promises {expected}. "
                f"Remove the folder {self.folder}; it will be made again."
            )

    def _cut_unfinished(self) -> None:
        """Remove the traces of an interrupted run: incomplete lines, and frames without a line."""
        self._read_index()
        for index in (self._tracks_file, self._files_file):
            if index.exists():
                complete = _complete_lines(index)
                if len(complete) < index.stat().st_size:
                    index.write_bytes(complete)
        if self._frames_file.exists():
            with self._frames_file.open("r+b") as frames:
                frames.truncate(self.rows * self._row_bytes)


def prepare_track(path: Path, settings: LogMelSettings, keep_frames: bool = True) -> PreparedTrack:
    """Decode a file to log-mel frames, or with `keep_frames` false count them; a failure is part of the result."""
    empty = _no_frames(settings)
    try:
        content = _content_of(path)
        frames = [empty]
        with decode(path, settings.rate_hz) as sound:
            if keep_frames:
                front_end = LogMel(settings)
                frames += [front_end.push(block).astype(np.float16) for block in sound]
                frames.append(front_end.finish().astype(np.float16))
                rows = sum(len(part) for part in frames)
            else:
                rows = 1 + sum(len(block) for block in sound) // settings.hop_samples
    except OSError as error:
        return PreparedTrack("", 0, empty, "", False, f"{path} cannot be read: {error.strerror}.")
    except AudioError as error:
        return PreparedTrack("", 0, empty, "", False, str(error))
    return PreparedTrack(content, rows, np.concatenate(frames), sound.decoder, sound.truncated, None)


def _no_frames(settings: LogMelSettings) -> npt.NDArray[np.float16]:
    return np.zeros((0, settings.mel_bands), np.float16)


def _content_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _identify(path: Path) -> tuple[str, int, int]:
    state = path.stat()
    return str(path.resolve()), state.st_size, state.st_mtime_ns


def _file_key(line: dict[str, Any]) -> tuple[str, int, int]:
    return line["path"], line["size"], line["modified_ns"]


def _read_lines(path: Path) -> list[dict[str, Any]]:
    """Read the complete lines of a JSON-lines file; an incomplete last line is skipped."""
    return [json.loads(line) for line in _complete_lines(path).splitlines()]


def _complete_lines(path: Path) -> bytes:
    data = path.read_bytes() if path.exists() else b""
    return data[: data.rfind(b"\n") + 1]
