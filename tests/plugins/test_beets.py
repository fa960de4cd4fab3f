"""The plugin of beets, run by the program `beet` on libraries and files of its own."""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import mutagen
import pytest
from tagging.builders import constant_bundle
from training.sounds import write_noise

from earmark.library.library import Library
from earmark.library.tag_file import TagFile
from earmark.tagging.bundle.bundle import write_bundle
from earmark.tagging.bundle.card import TagName

pytest.importorskip("beets", reason="needs beets, which the extra dev installs")

ROOT = Path(__file__).parents[2]
TAGS = (
    TagName("piano", "instruments"),
    TagName("joyful", "moods"),
    TagName("free jazz", "genres"),
    TagName("rock", "genres"),
)


class Beets:
    """A folder with music, a library of beets, its configuration, and a model that says the same of every sound."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.source, self.heard = folder, folder / "source", folder / "heard.earmark"
        self.says(3.0, 2.0, 1.0, -2.0)
        self.configure()

    def says(self, *odds: float) -> None:
        shutil.rmtree(self.folder / "model", ignore_errors=True)
        write_bundle(constant_bundle(odds, TAGS), self.folder / "model")

    def configure(self, *options: str) -> None:
        lines = [
            *(f"directory: {self.folder / 'music'}", f"library: {self.folder / 'beets.db'}", "plugins: earmark"),
            *("create_backup_before_migrations: no", "import: {autotag: no, quiet: yes, singletons: yes}"),
            *("earmark:", f"  model: {self.folder / 'model'}", f"  library: {self.heard}", "  threads: 1"),
            *(f"  {option}" for option in options),
        ]
        (self.folder / "config.yaml").write_text("\n".join(lines), encoding="utf-8")

    def song(self, title: str, **fields: str) -> Path:
        path = write_noise(self.source / f"{title}.flac", ord(title[0]) % 30)
        tags = mutagen.File(path)
        tags.update({"title": title, "artist": "Somebody"} | fields)
        tags.save()
        return path

    def __call__(self, *arguments: str, status: int = 0) -> str:
        """Run `beet` and return what it writes to stdout, and after a failure also to stderr."""
        environment = os.environ | {
            "BEETSDIR": str(self.folder),
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "src", ROOT / "plugins" / "beets"))),
        }
        done = subprocess.run(
            [sys.executable, "-m", "beets", *arguments], env=environment, capture_output=True, text=True
        )
        assert done.returncode == status, done.stderr
        return done.stdout + (done.stderr if status else "")

    def shown(self, title: str) -> str:
        return self("ls", "-f", "$genres|$mood|$earmark_tags", f"title:{title}").strip()

    def words(self, title: str) -> dict[str, tuple[str, ...]]:
        tags = TagFile(next(self.folder.glob(f"music/**/{title}.flac")))
        return {field: tags.read(field) for field in ("genre", "mood")}


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Beets:
    """Two songs that were imported; somebody has given the second a genre and a mood."""
    beets = Beets(tmp_path_factory.mktemp("beets"))
    beets.song("Bare")
    beets.song("Told", genre="Polka", mood="grim")
    beets("import", str(beets.source))
    return beets


def test_an_import_fills_what_is_empty_and_the_command_writes_it(imported: Beets) -> None:
    assert imported.shown("Bare") == "free jazz|joyful|piano; joyful; free jazz"
    assert imported.words("Bare") == {"genre": (), "mood": ()}, "beets writes no files that are imported as they are"
    imported("earmark")
    assert imported.words("Bare") == {"genre": ("free jazz",), "mood": ("joyful",)}
    assert imported.shown("Told") == "Polka|grim|piano; joyful; free jazz"
    assert imported.words("Told") == {"genre": ("Polka",), "mood": ("grim",)}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (("mood:joyful", "piano"), ["Bare"]),
        (("earmark_piano:0.9..", "earmark_free_jazz:..0.9", "^genres:polka"), ["Bare"]),
    ],
)
def test_tags_and_probabilities_are_searched(imported: Beets, query: tuple[str, ...], found: list[str]) -> None:
    assert imported("ls", "-f", "$title", *query).split() == found


def test_the_analysis_is_kept_where_the_files_are_now(imported: Beets) -> None:
    with Library(imported.heard) as library:
        assert len(library) == 2
        for path in imported.folder.glob("music/**/*.flac"):
            assert library.database.embedding(library.track(path).id).any()


def test_a_later_run_changes_its_own_words_alone_and_pretend_none(tmp_path: Path) -> None:
    beets = Beets(tmp_path)
    beets.configure("auto: no")
    beets.song("Bare")
    beets.song("Told", genre="Polka", mood="grim")
    beets("import", str(beets.source))
    with sqlite3.connect(tmp_path / "beets.db") as database:
        # As if imported without the plugin, when beets did not know of moods.
        database.execute("DELETE FROM item_attributes WHERE key = 'mood'")
    pretended = beets("earmark", "--pretend")
    assert "joyful" in pretended and "grim" not in pretended
    assert beets("ls", "earmark_piano:0.1..") == ""
    assert beets.words("Bare") == {"genre": (), "mood": ()}
    beets("earmark")
    assert beets.words("Bare") == {"genre": ("free jazz",), "mood": ("joyful",)}
    assert beets.words("Told") == {"genre": ("Polka",), "mood": ("grim",)}, "the mood is in the file alone"
    beets.says(3.0, -2.0, -2.0, 2.0)
    beets("earmark")
    assert beets.shown("Bare") == "rock||piano; rock"
    assert beets.words("Told") == {"genre": ("Polka",), "mood": ("grim",)}
    beets("earmark", "--force", "--nowrite", "title:Told")
    assert beets("ls", "-f", "$genres", "title:Told").strip() == "rock"
    assert beets.words("Told") == {"genre": ("Polka",), "mood": ("grim",)}


def test_a_file_that_cannot_be_heard_is_a_line_and_the_others_go_on(tmp_path: Path) -> None:
    beets = Beets(tmp_path)
    beets.configure("auto: no", "mapping: words.toml")
    (tmp_path / "words.toml").write_text('[groups]\ninstruments = "INSTRUMENT"\n[tags]\npiano = "Grand piano"\n')
    for title in ("Broken", "Gone", "Whole"):
        beets.song(title)
    beets("import", str(beets.source))
    for path in beets.folder.glob("music/**/*.flac"):
        if path.stem == "Broken":
            path.write_bytes(b"no sound at all" * 100)
        if path.stem == "Gone":
            path.unlink()
    said = beets("earmark", status=1)
    for title in ("Broken.flac: ", "Gone.flac: ", "2 of 3 items could not be tagged"):
        assert title in said
    assert beets("ls", "-f", "$title", "instrument:grand").split() == ["Whole"]
    tags = TagFile(next(beets.folder.glob("music/**/Whole.flac")))
    assert tags.read("INSTRUMENT") == ("Grand piano",)


def test_an_import_goes_on_where_the_analysis_cannot_be_kept(tmp_path: Path) -> None:
    beets = Beets(tmp_path)
    (tmp_path / "file").write_text("")
    beets.heard = tmp_path / "file" / "heard.earmark"
    beets.configure()
    beets.song("Bare")
    beets("import", str(beets.source))
    assert beets("ls", "-f", "$title").strip() == "Bare"


def test_a_wrong_configuration_is_one_line(tmp_path: Path) -> None:
    beets = Beets(tmp_path)
    beets.configure("precision: 0.99")
    said = beets("earmark", status=1)
    assert "0.99" in said
    assert "Traceback" not in said
