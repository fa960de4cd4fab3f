"""Tag music by its sound, on import and by `beet earmark [QUERY]`.

The analysis is kept in a library of earmark, so that a file is analysed once, however often it is moved or retagged.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beets import config, ui
from beets.dbcore import types
from beets.library import Item
from beets.plugins import BeetsPlugin
from beets.util import syspath
from mediafile import (
    ASFStorageStyle,
    ListMediaField,
    ListStorageStyle,
    MediaFile,
    MP3ListDescStorageStyle,
    MP3ListStorageStyle,
    MP4ListStorageStyle,
)

from earmark.errors import EarmarkError
from earmark.file_errors import file_errors, reason_without_name
from earmark.library.fields import GENRE, MOOD, names_in
from earmark.library.library import Library
from earmark.library.mapping import TagMapping, read_mapping
from earmark.library.scan import stamp_of
from earmark.library.write import TrackScorer, WriteRule, chosen_tags, score_fields
from earmark.tagging.bundle.calibration import refuse_unpromised
from earmark.tagging.tagger import Tagger, load, read_model
from earmark.workers.pool import available_processors

if TYPE_CHECKING:
    from beets import library
    from beets.importer import ImportSession, ImportTask

TAGS = "earmark_tags"
"""The field of all tags of an item, the most probable first."""
OWN = "earmark_own_"
"""The prefix of fields that hold the words that this plugin put into a field, by which it knows them again."""


class EarmarkPlugin(BeetsPlugin):
    """Fills the fields of items with the tags that earmark hears in their files."""

    def __init__(self) -> None:
        super().__init__()
        self.config.add(
            {
                "auto": True,
                "force": False,
                "pretend": False,
                "threads": available_processors(),
                "model": None,
                "library": None,
                "threshold": 0.5,
                "precision": None,
                "mapping": None,
                "probabilities": True,
            }
        )
        self._imported: list[Item] = []
        self._usable = False
        try:
            self._describe_fields()
        except (EarmarkError, ui.UserError) as error:
            # An exception here would be a traceback on every command of beets.
            self._log.error("{}", error)
            return
        self._usable = True
        if self.config["auto"].get(bool):
            self.import_stages = [self.imported]
            self.register_listener("import_task_files", self.files_imported)
            self.register_listener("import", self.import_ended)

    def _describe_fields(self) -> None:
        """Choose the model's tags and fields, and tell beets their types and where files have them."""
        card = read_model(self._model).card
        mapping = self.config["mapping"].get()
        vocabulary = TagMapping() if mapping is None else read_mapping(Path(self.config["mapping"].as_filename()))
        precision = self.config["precision"].get()
        self._rule = WriteRule(
            vocabulary.of_model(card),
            self.config["threshold"].as_number(),
            None if precision is None else self.config["precision"].as_number(),
        )
        if self._rule.precision is not None:
            refuse_unpromised(card, self._rule.precision)
        self._probabilities = {label: name.lower() for label, name in score_fields(card, self._rule.vocabulary).items()}
        self._names = {field: _item_field(field) for field in self._rule.vocabulary.fields(card)}
        lists = [TAGS, *self._names.values(), *(OWN + name for name in self._names.values())]
        self.item_types: dict[str, types.Type] = {
            **dict.fromkeys(self._probabilities.values(), types.FLOAT),
            **{name: types.MULTI_VALUE_DSV for name in lists if name not in Item._fields},
        }
        for field, name in self._names.items():
            if name not in Item._media_fields:
                self.add_media_field(name, _media_field(field))
        # A word without a field, as in `beet ls piano`, is looked for in these fields.
        Item._search_fields = (*(name for name in Item._search_fields if name != TAGS), TAGS)

    @cached_property
    def _tagger(self) -> Tagger:
        return load(self._model)

    @property
    def _model(self) -> str | None:
        model = self.config["model"].get()
        return None if model is None else str(Path(model).expanduser())

    def commands(self) -> list[ui.Subcommand]:
        """Return the command `beet earmark`, or none where the configuration is wrong."""
        if not self._usable:
            return []
        command = ui.Subcommand("earmark", help="tag music by its sound")
        option = command.parser.add_option
        option("-p", "--pretend", action="store_true", help="show actions but do nothing")
        option("-f", "--force", action="store_true", help="replace genres and moods of others")
        option("-F", "--no-force", dest="force", action="store_false", help="fill only empty genres and moods")
        option("-w", "--write", action="store_true", default=None, help="write tags to files")
        option("-W", "--nowrite", dest="write", action="store_false", help="don't write tags to files")
        option("-t", "--threads", type="int", help="the number of processes")
        command.func = self.command
        return [command]

    def command(self, lib: library.Library, opts: Any, args: list[str]) -> None:
        """Tag the items of a query."""
        self.config.set_args(vars(opts))
        items = list(lib.items(args))
        failed = self._tag(items, write=ui.should_write(opts.write), show=True)
        if failed:
            raise ui.UserError(f"earmark: {failed} of {len(items)} items could not be tagged")

    def imported(self, session: ImportSession, task: ImportTask) -> None:
        """Tag the items of a task; the importer writes their files afterwards, where it writes at all."""
        del session
        with self._going_on():
            self._tag(task.imported_items(), write=False, show=False)

    def files_imported(self, session: ImportSession, task: ImportTask) -> None:
        """Note where the importer has put the files."""
        del session
        self._imported += task.imported_items()

    def import_ended(self, lib: library.Library, paths: list[bytes]) -> None:
        """Tell the library of earmark where the files are, which it knows by their sound."""
        del lib, paths
        if self._imported and not self.config["pretend"].get(bool):
            with self._going_on():
                self._heard(self._imported).close()

    @contextmanager
    def _going_on(self) -> Iterator[None]:
        """Log an error of earmark's library, such as a full disk, which is no reason to end an import."""
        try:
            yield
        except ui.UserError as error:
            self._log.error("{}", error)

    def _tag(self, items: Sequence[Item], *, write: bool, show: bool) -> int:
        """Tag items and return how many could not be tagged; each of these has a line in the log."""
        failed = 0
        if not items:
            return failed
        with self._heard(items) as heard:
            score = TrackScorer(heard.database, heard.tagger)
            reasons = {failure.path: failure.reason for failure in heard.failures()}
            for item in items:
                path = os.fsdecode(item.path)
                try:
                    if not heard.knows(path):
                        raise ui.UserError(reasons.get(path, "there is no such file"))
                    with file_errors(path):
                        self._tag_item(item, heard, score, write=write, show=show)
                except (EarmarkError, ui.UserError) as error:
                    failed += 1
                    reason = reason_without_name(error) if isinstance(error, EarmarkError) else error
                    self._log.warning("{}: {}", path, reason)
        return failed

    def _heard(self, items: Iterable[Item]) -> Library:
        """Analyse the files of items that are new, in processes, and return the library of earmark, which is open."""
        place = self.config["library"].get()
        jobs = self.config["threads"].get(int) if config["threaded"].get(bool) else 1
        try:
            heard = Library(None if place is None else self.config["library"].as_filename(), self._tagger)
            for note in heard.add(*(os.fsdecode(item.path) for item in items), jobs=jobs).notes:
                self._log.debug("{}", note)
        except EarmarkError as error:
            raise ui.UserError(str(error)) from error
        return heard

    def _tag_item(self, item: Item, heard: Library, score: TrackScorer, *, write: bool, show: bool) -> None:
        path = os.fsdecode(item.path)
        track = heard.track(path)
        chances = score(track)
        chosen = chosen_tags(score.card, self._rule, chances, score.withheld(track, chances))
        item[TAGS] = [tag.label for tag in chosen]
        words = self._rule.vocabulary.words([(tag.label, tag.group) for tag in chosen])
        for field, name in self._names.items():
            self._fill(item, name, list(words.get(field, ())))
        if self.config["probabilities"].get(bool):
            for label, chance in zip(score.card.labels, chances.tolist(), strict=True):
                if label in self._probabilities:
                    item[self._probabilities[label]] = round(chance, 3)
        if show:
            ui.show_model_changes(item, fields=[TAGS, *self._names.values()])
        if self.config["pretend"].get(bool):
            return
        item.store()
        stamp = stamp_of(path)
        if write and item.try_write() and (written := stamp_of(path)) is not None and written != stamp:
            heard.database.add_paths([(path, written, track.identity)])

    def _fill(self, item: Item, name: str, words: list[str]) -> None:
        """Put words into a field that is empty, or that this plugin filled before; with `force` into any."""
        there = item.get(name, with_album=False) or []
        if not there and name not in Item._fields and name not in item:
            # Items that were imported without this plugin lack what their files say.
            there = getattr(MediaFile(syspath(item.path)), name) or []
        if there and there != item.get(OWN + name) and not (words and self.config["force"].get(bool)):
            return
        if words or there:
            item[name] = words
            item[OWN + name] = words


def _item_field(field: str) -> str:
    """Return the name in beets of a field of earmark."""
    if field == GENRE:
        return "genres"
    name = re.sub(r"[^a-z0-9]+", "_", field.lower())
    if field != MOOD and name in Item._fields:
        raise ui.UserError(f"the mapping has the field {field}, which is a field of beets. Choose another.")
    return name


def _media_field(field: str) -> ListMediaField:
    """Return where files of each format have a field, as `earmark library write` puts it."""
    frame = names_in(field, "ID3v2.4")[0]
    described = frame.removeprefix("TXXX:")
    return ListMediaField(
        MP3ListStorageStyle(frame) if described == frame else MP3ListDescStorageStyle(described),
        MP4ListStorageStyle(names_in(field, "MP4")[0]),
        ListStorageStyle(names_in(field, "Vorbis comments")[0]),
        ASFStorageStyle(names_in(field, "ASF")[0]),
    )
