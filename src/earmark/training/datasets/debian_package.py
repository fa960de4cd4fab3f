"""A Debian package as a source of sound: downloaded, read without being installed, and what its licence says."""

from __future__ import annotations

import fnmatch
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path, PurePosixPath

from earmark.errors import DatasetError

ARCHIVES = (".pk3", ".zip")
"""Archives inside a package, whose files count as the package's: base/music.pk3/music/one.ogg."""
COMMON_LICENCES = "/usr/share/common-licenses/"
UNKNOWN_LICENCE = "see its copyright file"


@dataclass(frozen=True)
class DebianPackage:
    """A package file (.deb) on disk."""

    path: Path

    @property
    def name(self) -> str:
        """The package's name."""
        return self.path.name.partition("_")[0]

    @property
    def copyright_path(self) -> str:
        """Where in it the file lies that says what its licences are."""
        return f"usr/share/doc/{self.name}/copyright"

    def field(self, name: str) -> str:
        """Return a field of its description, such as Version or Source; empty where there is none."""
        return run(["dpkg-deb", "--field", str(self.path), name]).strip()

    def files(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
        """Yield the path and the content of every regular file whose path is wanted, those of archives inside it too.

        Raises DatasetError where dpkg-deb is missing or the package cannot be read.
        """
        command = ["dpkg-deb", "--fsys-tarfile", str(self.path)]
        try:
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
                with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                    yield from _members(archive, wanted)
                process.communicate()
        except FileNotFoundError as error:
            raise DatasetError("The program dpkg-deb is not here; expected a Debian system. Install dpkg.") from error
        except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise DatasetError(f"{self.path} cannot be read as a Debian package: {error}. Download it anew.") from error


def download(name: str, folder: Path) -> DebianPackage:
    """Return a package that lies in a folder, downloaded by apt-get if it is not there yet; nothing is installed.

    Raises DatasetError where apt-get is missing or does not find it.
    """
    found = sorted(folder.glob(f"{name}_*.deb"))
    if not found:
        folder.mkdir(parents=True, exist_ok=True)
        # apt-get would leave half a package under its final name when it is killed.
        with tempfile.TemporaryDirectory(dir=folder) as unfinished:
            run(["apt-get", "download", "--quiet", name], Path(unfinished))
            found = [path.rename(folder / path.name) for path in sorted(Path(unfinished).glob(f"{name}_*.deb"))]
    if not found:
        raise DatasetError(f"apt-get downloaded no package {name!r}; expected a file {name}_*.deb in {folder}.")
    return DebianPackage(found[-1])


def run(command: Sequence[str], folder: Path | None = None) -> str:
    """Run a program and return what it prints; DatasetError where it is missing or fails, with what it says."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, check=True)
    except FileNotFoundError as error:
        raise DatasetError(f"The program {command[0]} is not here; install it and try again.") from error
    except subprocess.CalledProcessError as error:
        said = " ".join(error.stderr.decode(errors="replace").split())
        raise DatasetError(f"{' '.join(command)} failed: {said or f'status {error.returncode}'}.") from error
    return done.stdout.decode("utf-8", errors="replace")


def licence_of(text: str, path: str) -> str:
    """Return the licence that a package's copyright file gives a file, in the words it uses, such as "CC-BY-SA-3.0".

    In a machine-readable file (DEP 5) the last paragraph counts whose patterns fit; they are paths in the source, so a
    pattern fits too where the end of the installed path does, as long as it names more than "*". Any other file gives
    the common licences that it points to, such as "named: GPL-2", or "see its copyright file".
    """
    paragraphs = [HeaderParser().parsestr(part) for part in text.split("\n\n")] if text.startswith("Format:") else []
    licence = ""
    for paragraph in paragraphs:
        patterns = paragraph.get("Files", "").split()
        if any(_fits(path, pattern) for pattern in patterns):
            licence = paragraph.get("License", "").partition("\n")[0].strip() or licence
    if licence or paragraphs:
        return licence or UNKNOWN_LICENCE
    named = {word.strip("'\"`.,;:()") for word in text.split() if COMMON_LICENCES in word}
    names = sorted(word.rpartition("/")[2] for word in named)
    return f"named: {', '.join(names)}" if names else UNKNOWN_LICENCE


def _fits(path: str, pattern: str) -> bool:
    if pattern == "*":
        return True
    directories, installed = PurePosixPath(pattern).parts, PurePosixPath(path).parts
    for start in range(len(directories)):
        tail = directories[start:]
        if tail == ("*",):
            return False
        # In DEP 5 a star matches slashes too.
        ends = ["/".join(installed[place:]) for place in range(len(installed))]
        if any(fnmatch.fnmatchcase(end, "/".join(tail)) for end in ends):
            return True
    return False


def _members(archive: tarfile.TarFile, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    for member in archive:
        path = member.name.removeprefix("./")
        content = archive.extractfile(member) if member.isfile() else None
        if content is None:
            continue
        if not path.endswith(ARCHIVES):
            if wanted(path):
                yield path, content.read()
            continue
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(content, copy)
            with zipfile.ZipFile(copy) as inside:
                for name in inside.namelist():
                    if wanted(f"{path}/{name}") and not name.endswith("/"):
                        yield f"{path}/{name}", inside.read(name)
