"""Writing the page as a static site: everything runs in the browser, and nothing is needed but a server of files."""

import hashlib
import importlib.resources
import json
import shutil
from collections.abc import Iterator
from importlib.resources.abc import Traversable
from pathlib import Path
from tempfile import TemporaryDirectory

from earmark import __version__
from earmark.errors import SiteError
from earmark.tagging.bundle.bundle import Bundle, write_bundle

SERVICE_WORKER = "service-worker.js"
OWN = (SERVICE_WORKER, "site/main.js", "model/card.json")
"""The files by which an earlier site is known."""
AT_THE_TOP = (SERVICE_WORKER, "manifest.webmanifest")
VENDOR = "vendor"
"""What `make site-assets` fetches."""
POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; worker-src 'self' "
    "blob:; connect-src 'self' blob: data:; img-src 'self' data: blob:; media-src 'self' blob:"
)
"""The browser itself refuses every request to another host."""
CHANGES = {
    '<script src="page/main.js" type="module"></script>': (
        f'<script src="site/main.js" type="module" data-version="{__version__}"></script>\n'
        '    <link rel="manifest" href="manifest.webmanifest">'
    ),
    '<meta charset="utf-8">': (
        f'<meta charset="utf-8">\n    <meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    ),
    ' <a href="docs">HTTP API</a>': "",
    '<div class="top-actions">': '<div class="top-actions">\n        <a class="button" href="#/teach">Teach</a>',
}
"""How the site's index.html differs from the server's."""


def write_site(folder: Path, bundle: Bundle) -> int:
    """Write the page with a model into a folder and return the size in bytes. An earlier site there is replaced.

    Raises SiteError where the folder holds something else or cannot be written, or where this installation lacks the
    parts of others.
    """
    web = importlib.resources.files("earmark.web")
    site = web.joinpath("site")
    earlier = all((folder / name).is_file() for name in OWN)
    if folder.exists() and not earlier and (not folder.is_dir() or any(folder.iterdir())):
        raise SiteError(
            str(folder), "found something else of that name, expected none or an earlier site. Name another."
        )
    if not site.joinpath(VENDOR, "onnxruntime").is_dir():
        raise SiteError(
            str(folder),
            "found no onnxruntime-web and no mediabunny in this installation, expected both. Fetch them with "
            "`make site-assets` in the repository (it needs npm), or install a wheel that has them.",
        )
    index = _changed(web.joinpath("page", "index.html").read_text(encoding="utf-8"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.absolute().parent) as made:
            new = Path(made, "site")
            for place, file in (*_files(web.joinpath("page"), "page/"), *_site_files(site)):
                _write(new / place, file.read_bytes())
            (new / "page" / "index.html").unlink()
            _write(new / "index.html", index.encode("utf-8"))
            write_bundle(bundle, new / "model")
            _write(new / SERVICE_WORKER, _service_worker(new).encode("utf-8"))
            size_bytes = sum(file.stat().st_size for file in new.rglob("*") if file.is_file())
            # The earlier site stays until the new one is whole.
            if folder.exists():
                shutil.rmtree(folder)
            new.rename(folder)
        return size_bytes
    except OSError as error:
        raise SiteError(str(folder), f"{error.strerror or error}. Make room, or name another folder.") from error


def _site_files(site: Traversable) -> Iterator[tuple[str, Traversable]]:
    """Yield the files that the page has only as a site, with their places in it."""
    for place, file in _files(site, ""):
        top, _, rest = place.partition("/")
        if top == VENDOR:
            yield rest, file
        elif top == "earmark":
            yield place, file
        else:
            yield place if place in AT_THE_TOP else f"site/{place}", file
    if not site.joinpath("earmark").is_dir():  # in a checkout, the package lies at the top of the repository
        yield from _files(Path(__file__).parents[3] / "js" / "src", "earmark/")


def _files(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    """Yield all files below a folder in alphabetical order, each with its path after the prefix."""
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _files(entry, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}", entry


def _changed(index: str) -> str:
    """Return the site's index.html, from the server's."""
    for found, replacement in CHANGES.items():
        if index.count(found) != 1:
            raise SiteError("index.html", f"found {found!r} {index.count(found)} times, expected once. Install again.")
        index = index.replace(found, replacement)
    return index


def _service_worker(folder: Path) -> str:
    """Return the service worker, which knows every file of the site, and a version that changes with any of them."""
    text = (folder / SERVICE_WORKER).read_text(encoding="utf-8")
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != SERVICE_WORKER)
    digest = hashlib.sha256(text.encode("utf-8"))
    for file in files:
        digest.update(file.read_bytes())
    places = ["./", *(file.relative_to(folder).as_posix() for file in files)]
    return text.replace('["FILES"]', json.dumps(places)).replace(
        '"VERSION"', json.dumps(f"earmark {digest.hexdigest()}")
    )


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
