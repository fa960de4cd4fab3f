"""Prepared log-mels on disk: one memory-mapped file, keyed by content, resumable.

A store is a folder that belongs to one front end:

    frames.f16     all frames, a row of `mel_bands` float16 values each, appended track by track
    tracks.jsonl   a line a track: content hash, first row, rows, decoder, truncated; written after its frames
    files.jsonl    a line a file seen: path, size, modification time, content hash, so that nothing is hashed twice

A track counts once its line is written. Frames behind the last line, left by an interrupted run, are cut off at the
next start. Renamed and copied files are not decoded again.

Choice: float16. A log-mel value lies between 0 and about 3, so the error is at most 1e-3, below the changes that
the encoding of the sound makes; it halves the disk, the memory and the time to read.
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
    """The place of one content's frames in the store, and how they were decoded."""

    content: str
    first_row: int
    rows: int
    decoder: str
    truncated: bool


@dataclasses.dataclass(frozen=True)
class PreparedTrack:
    """The result of a worker: the frames of a file, or how many they would be, or the reason why there are none."""

    content: str
    rows: int
    frames: npt.NDArray[np.float16]
    decoder: str
    truncated: bool
    failure: str | None


class FrameStore:
    """Log-mel frames of many tracks: (rows, mel_bands) float16, memory-mapped.

    Without `keep_frames` the store holds the number of frames of every track and no frames. Networks on raw sound need
    no more, and their training must not unpack a dataset on disk.

    Raises:
        StoreError: the folder holds a store that cannot be read or that belongs to another front end.
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
        """Decode what is not in the store yet; return the reason of each file that could not be decoded.

        Files are taken in the order given and written in it, whatever the number of processes; after each file
        `progress` is called with the number done. One program prepares at a time; another waits for it.
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
        """Say where the frames of a file lie.

        Raises:
            StoreError: the file, as it is now, has not been prepared.
        """
        content = self._known_content(path)
        if content not in self._tracks:
            raise StoreError(f"{path} is not in the store {self.folder}; prepare it first.")
        return self._tracks[content]

    def frames(self) -> npt.NDArray[np.float16]:
        """Open all frames as one read-only memory map: (rows, mel_bands) float16; no rows where none are kept."""
        if not self.rows or not self._keep_frames:
            return np.zeros((0, self.settings.mel_bands), np.float16)
        return np.memmap(self._frames_file, np.float16, "r", shape=(self.rows, self.settings.mel_bands))

    def _known_content(self, path: Path) -> str:
        """Return the content hash of a file if this very file was seen before; empty otherwise."""
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
        """Decode files in order, a few ahead, so that memory stays small whatever their number."""
        if processes == 1:
            for path in paths:
                yield path, self._copy_of_stored(path) or prepare_track(path, self.settings, self._keep_frames)
            return
        # Spawned, since torch starts threads, which do not survive a fork.
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
        """Find a file's content in the store under another name; None where it has to be decoded."""
        try:
            if path.stat().st_size not in self._sizes:
                return None
            content = _content_of(path)
        except OSError:
            # The decoder reports why the file cannot be read.
            return None
        stored = self._tracks.get(content)
        if stored is None:
            return None
        return PreparedTrack(content, 0, _no_frames(self.settings), stored.decoder, stored.truncated, None)

    def _read_index(self) -> None:
        """Take up what other runs stored."""
        try:
            self._tracks = {line["content"]: StoredTrack(**line) for line in _read_lines(self._tracks_file)}
            self._contents = {_file_key(line): line["content"] for line in _read_lines(self._files_file)}
        except (ValueError, TypeError, KeyError) as error:
            raise StoreError(
                f"The index of {self.folder} holds a line that is none of earmark's ({error!r}). "
                "Remove the folder; it will be made again."
            ) from error
        self._sizes = {size for _, size, _ in self._contents}
        self.rows = max((track.first_row + track.rows for track in self._tracks.values()), default=0)
        """Frames in the store, of all tracks together."""
        expected = self.rows * self._row_bytes
        found = self._frames_file.stat().st_size if self._frames_file.exists() else 0
        if found < expected:
            raise StoreError(
                f"{self._frames_file} holds {found} bytes, but its index promises {expected}. "
                f"Remove the folder {self.folder}; it will be made again."
            )

    def _cut_unfinished(self) -> None:
        """Remove what an interrupted run left: lines that were cut short, and frames that have no line."""
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
    """Decode one file into float16 log-mel frames, or only count them; where it cannot be decoded, say why."""
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
    """Read the complete lines of a JSON-lines file; a last line cut short by an interruption is skipped."""
    return [json.loads(line) for line in _complete_lines(path).splitlines()]


def _complete_lines(path: Path) -> bytes:
    data = path.read_bytes() if path.exists() else b""
    return data[: data.rfind(b"\n") + 1]
