"""Download Debian packages, read their files without installing them, and find the licence of a file."""

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
"""Archives in a package, whose files count as files of the package: base/music.pk3/music/one.ogg."""
COMMON_LICENCES = "/usr/share/common-licenses/"
UNKNOWN_LICENCE = "see its copyright file"


@dataclass(frozen=True)
class DebianPackage:
    """A package file (.deb) on disk."""

    path: Path

    @property
    def name(self) -> str:
        """The name of the package."""
        return self.path.name.partition("_")[0]

    @property
    def copyright_path(self) -> str:
        """The path of the copyright file in the package."""
        return f"usr/share/doc/{self.name}/copyright"

    def field(self, name: str) -> str:
        """Return a field of the description, such as Version or Source; empty where the field is absent."""
        return run(["dpkg-deb", "--field", str(self.path), name]).strip()

    def files(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
        """Yield path and content of every regular file whose path is wanted, also of files in archives.

        Raises:
            DatasetError: dpkg-deb is not installed, or the package cannot be read.
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
    """Return a package in a folder, and download it with apt-get first if it is not there; nothing is installed.

    Raises:
        DatasetError: apt-get is not installed, or does not find the package.
    """
    found = sorted(folder.glob(f"{name}_*.deb"))
    if not found:
        folder.mkdir(parents=True, exist_ok=True)
        # A killed apt-get leaves an incomplete package under its final name, so it downloads to another folder.
        with tempfile.TemporaryDirectory(dir=folder) as unfinished:
            run(["apt-get", "download", "--quiet", name], Path(unfinished))
            found = [path.rename(folder / path.name) for path in sorted(Path(unfinished).glob(f"{name}_*.deb"))]
    if not found:
        raise DatasetError(f"apt-get downloaded no package {name!r}; expected a file {name}_*.deb in {folder}.")
    return DebianPackage(found[-1])


def run(command: Sequence[str], folder: Path | None = None) -> str:
    """Run a program, and return its output.

    Raises:
        DatasetError: the program is not installed, or fails; the message holds its error output.
    """
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, check=True)
    except FileNotFoundError as error:
        raise DatasetError(f"The program {command[0]} is not here; install it and try again.") from error
    except subprocess.CalledProcessError as error:
        said = " ".join(error.stderr.decode(errors="replace").split())
        raise DatasetError(f"{' '.join(command)} failed: {said or f'status {error.returncode}'}.") from error
    return done.stdout.decode("utf-8", errors="replace")


def licence_of(text: str, path: str) -> str:
    """Return the licence of a file by the text of its package's copyright file, such as "CC-BY-SA-3.0".

    In a machine-readable copyright file (DEP 5), the last paragraph with a matching pattern decides. Patterns are paths
    in the source package, so a pattern also matches where its end matches the end of the installed path, unless that
    end is only "*". For other copyright files the result names the common licences that they refer to, such as "named:
    GPL-2", or is "see its copyright file".
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
        # In DEP 5 a star also matches slashes.
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
