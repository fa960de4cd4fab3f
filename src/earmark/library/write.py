"""Write tags to files: plan the changes, record them in the journal, and write them.

By default only empty fields are filled. Values that earmark wrote itself are replaced, and values that a person wrote
are kept, unless the rule says to overwrite them.
"""

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark import __version__
from earmark.errors import EarmarkError, LibraryError, TrackFileError
from earmark.file_errors import file_errors, reason_without_name
from earmark.library.database import Database
from earmark.library.fields import PROVENANCE, SCORE_PREFIX, names_in
from earmark.library.journal import Change, Journal
from earmark.library.mapping import TagMapping
from earmark.library.original import Original
from earmark.library.recording import Track
from earmark.library.remote import is_remote
from earmark.library.rewriting import refuse_unwritable, rewrite
from earmark.library.tag_file import Id3Version, TagFile
from earmark.tagging.bundle.calibration import probabilities, promised, refuse_unpromised
from earmark.tagging.bundle.card import Card, TagName
from earmark.tagging.tagger import Tagger
from earmark.tagging.withheld import Withheld, promisable, withheld_of

THRESHOLD = 0.5
NO_TEXT = "(no text)"
"""What is shown for a field that contains something other than text, such as a picture."""


@dataclass(frozen=True)
class WriteRule:
    """What to write and how.

    vocabulary: the words and fields of tags. threshold: the least probability of a tag. precision: write tags that
    promise this precision, instead of using the threshold. scores: also write every tag's probability. overwrite: also
    replace values that a person wrote. keep_time: keep the files' modification times. id3_version: the version of ID3
    for files that have no ID3 tags.
    """

    vocabulary: TagMapping = field(default_factory=TagMapping)
    threshold: float = THRESHOLD
    precision: float | None = None
    scores: bool = False
    overwrite: bool = False
    keep_time: bool = False
    id3_version: Id3Version = 4


@dataclass(frozen=True)
class Kept:
    """A field that was not changed: its values, and those that would have been written."""

    field: str
    there: tuple[str, ...]
    wanted: tuple[str, ...]


@dataclass(frozen=True)
class WriteOutcome:
    """What was, or would be, written to one file.

    kind: the format of its tags. changes: the change of each name; empty if the file does not change. kept: the fields
    that keep what somebody else wrote. reason: why the file could not be written, or an empty text. withheld: why no
    tags of music are written, such as "mostly speech (92 %)", or an empty text.
    """

    path: str
    kind: str = ""
    changes: tuple[Change, ...] = ()
    kept: tuple[Kept, ...] = ()
    reason: str = ""
    withheld: str = ""


class Writing:
    """Writes the tags of a library's tracks to their files."""

    def __init__(self, database: Database, rule: WriteRule, tagger: Tagger | None = None) -> None:
        """Choose the model and check the rule.

        tagger: the model whose tags are written; default: the library's own.

        Raises:
            LibraryError: the mapping names tags that the model does not have.
            TagError: the model promises no such precision.
        """
        self._journal = Journal(database.store)
        self._score = TrackScorer(database, tagger)
        card = self._score.card
        rule = replace(rule, vocabulary=rule.vocabulary.of_model(card))
        self._database, self._rule = database, rule
        if rule.precision is not None:
            refuse_unpromised(card, rule.precision)
        self._score_fields = score_fields(card, rule.vocabulary) if rule.scores else {}
        self.run: int | None = None
        """The number of the run in the journal, or None before the first file is written."""
        self.written = 0
        """The number of files into which tags were written."""

    @property
    def card(self) -> Card:
        """The card of the model whose tags are written."""
        return self._score.card

    def unplaced(self) -> tuple[str, ...]:
        """Return the groups of tags that are not written because they have no field."""
        vocabulary = self._rule.vocabulary
        left = [
            tag.group
            for tag in self.card.tags
            if tag.label not in vocabulary.tags
            and (vocabulary.only is None or tag.label in vocabulary.only)
            and vocabulary.field_of(tag.label, tag.group) is None
        ]
        return tuple(dict.fromkeys(left))

    def __call__(self, files: Iterable[tuple[str, int]], *, dry_run: bool = False) -> Iterator[WriteOutcome]:
        """Write tags to files and yield the outcome of each. A file that fails does not stop the others.

        files: paths with the number of their track. dry_run: yield the outcomes without writing.
        """
        for path, track_id in files:
            try:
                with file_errors(path):
                    outcome = self._written(path, track_id, dry_run)
            except EarmarkError as error:
                outcome = WriteOutcome(path, reason=reason_without_name(error))
            yield outcome

    def _written(self, path: str, track_id: int, dry_run: bool) -> WriteOutcome:
        if is_remote(path):
            raise TrackFileError(path, "it is not on this machine's disks; copy it here to write its tags")
        track = self._database.track(track_id)
        if track is None:
            raise TrackFileError(path, "its track is no longer in the library")
        chances = self._score(track)
        withheld = self._score.withheld(track, chances)
        reason = "" if withheld is None else withheld.sentence
        wanted = self._wanted(chances, withheld)
        tags = TagFile(Path(path), self._rule.id3_version)
        changes, kept = self._changes(path, track.identity, tags, wanted)
        if not changes:
            return WriteOutcome(path, tags.kind, (), kept, withheld=reason)
        if dry_run:
            refuse_unwritable(Path(path))
            return WriteOutcome(path, tags.kind, changes, kept, withheld=reason)
        if self.run is None:
            self.run = self._journal.begin_run(self.card.name)
        refuse_unwritable(Path(path))
        write = self._journal.begin(self.run, path, track.identity, tags.kind, tags.had_tags, changes)

        def change(copy: Path) -> None:
            opened = TagFile(copy, self._rule.id3_version)
            for each in changes:
                if opened.values(each.name) != each.old:
                    raise TrackFileError(path, "another program has just changed its tags; nothing was written")
                opened.put(each.name, each.new)
            opened.save()

        def check(file: Path, copy: Path) -> None:
            refuse_lost(Path(path), TagFile(file, self._rule.id3_version), TagFile(copy), changes)
            self._journal.keep(write, Original.of(file, copy))

        try:
            with file_errors(path):
                stamp = rewrite(Path(path), change, check, track.identity, keep_time=self._rule.keep_time)
        except EarmarkError:
            self._journal.end(write, "undone")  # Nothing was written.
            raise
        self._journal.end(write, "done")
        self.written += 1
        self._database.add_paths([(path, stamp, track.identity)])
        return WriteOutcome(path, tags.kind, changes, kept, withheld=reason)

    def _wanted(self, chances: npt.NDArray[np.float32], withheld: Withheld | None) -> dict[str, tuple[str, ...]]:
        """Return the words of each field; if promises are withheld, only those of tags of other sounds."""
        card = self.card
        chosen = chosen_tags(card, self._rule, chances, withheld)
        wanted = self._rule.vocabulary.words([(tag.label, tag.group) for tag in chosen])
        for label, name in self._score_fields.items():
            wanted[name] = (f"{chances[card.labels.index(label)]:.3f}",)
        return wanted

    def _changes(
        self, path: str, identity: str, tags: TagFile, wanted: dict[str, tuple[str, ...]]
    ) -> tuple[tuple[Change, ...], tuple[Kept, ...]]:
        own = self._journal.own_values(path, identity)
        changes: list[Change] = []
        kept = []
        for name, words in wanted.items():
            there = tags.read(name)
            if there == words:
                continue
            stored = {spelled: tags.values(spelled) for spelled in tags.present(name)}
            ours = bool(stored) and all(values == own.get(spelled) for spelled, values in stored.items())
            if tags.holds_no_text(name) and not there:
                there = (NO_TEXT,)
            if there and not (ours or self._rule.overwrite or name.startswith(SCORE_PREFIX)):
                kept.append(Kept(name, there, words))
                continue
            changes += _replaced(stored, names_in(name, tags.kind)[0], words)
        if changes:
            stored = {spelled: tags.values(spelled) for spelled in tags.present(PROVENANCE)}
            changes += _replaced(stored, names_in(PROVENANCE, tags.kind)[0], (self._provenance(),))
        return tuple(changes), tuple(kept)

    def _provenance(self) -> str:
        card = self.card
        return f"{card.name} {card.head.hash[:12]}; earmark {__version__}; {datetime.now(UTC).date().isoformat()}"


def refuse_lost(path: Path, before: TagFile, after: TagFile, changes: Sequence[Change]) -> None:
    """Raise TrackFileError if a changed copy lacks the changes, or differs from the file in anything else."""
    names = [change.name for change in changes]
    if before.others(names) != after.others(names):
        raise TrackFileError(
            str(path),
            "changing its tags would have changed or lost other tags; the file was not changed. Repair its tags with "
            "the program that wrote them, then try again.",
        )
    for change in changes:
        if after.values(change.name) != change.new:
            raise TrackFileError(
                str(path),
                f"its tags cannot contain {'; '.join(change.new)!r} under {change.name}; the file was not changed. "
                "Choose other words with a mapping.",
            )


def files_of(database: Database, folders: Sequence[str] = ()) -> list[tuple[str, int]]:
    """Return the existing files of a library as (path, track), in the order of their paths.

    folders: absolute paths of folders and files; only files in these folders, or these files, are returned.
    """
    rows = database.store.rows("SELECT path, track_id FROM paths WHERE NOT missing ORDER BY path")
    files = [(os.fsdecode(path), int(track_id)) for path, track_id in rows]
    if not folders:
        return files
    named = tuple(folders)
    within = tuple(folder.rstrip("/\\") + sep for folder in named for sep in ("/", "\\"))
    return [(path, track) for path, track in files if path in named or path.startswith(within)]


class TrackScorer:
    """Computes the probabilities of a library's tracks with one model, without reading their sound.

    Without a tagger, this is the model that last added tracks to the library. A tagger may use any model with the same
    extractors, such as a taught one; then its classifier scores the stored vectors.
    """

    def __init__(self, database: Database, tagger: Tagger | None = None) -> None:
        """Choose the model.

        Raises:
            LibraryError: there is no tagger and the library is empty.
        """
        self._database, self._tagger = database, tagger
        self.card: Card = database.current_card()[1] if tagger is None else tagger.card

    def __call__(self, track: Track) -> npt.NDArray[np.float32]:
        """Return the probabilities of a track's tags: (tags,) float32, from 0 to 1.

        Raises:
            LibraryError: the track was analysed by a model with other extractors.
        """
        models = self._database.models()
        own = models[track.model_id]
        same_extractors = _extractor_hashes(own) == _extractor_hashes(self.card)
        if same_extractors and own.head.hash == self.card.head.hash:
            return probabilities(track.logits, self.card)
        if self._tagger is None or not same_extractors:
            raise LibraryError(
                f"track {track.id} was analysed by another model ({own.name}), expected {self.card.name}. Add its "
                "folder again with that model."
            )
        vector = self._database.embedding(track.id).astype(np.float32)
        return probabilities(self._tagger.classifier(vector[np.newaxis])[0], self.card)

    def withheld(self, track: Track, chances: npt.NDArray[np.float32]) -> Withheld | None:
        """Return why the model's promises about a track are withheld, or None if they are not.

        chances: the track's probabilities, (tags,) float32.
        """
        distance = track.distance
        if self._tagger is not None:
            vector = self._database.embedding(track.id).astype(np.float32)
            distance = float(self._tagger.distance(vector[np.newaxis])[0])
        return withheld_of(chances, self.card, silent=track.silent, distance=distance)


def chosen_tags(
    card: Card, rule: WriteRule, chances: npt.NDArray[np.float32], withheld: Withheld | None
) -> list[TagName]:
    """Return the tags that a rule writes, the most probable first; if promises are withheld, only other sounds.

    chances: the probabilities of the card's tags, (tags,) float32, from 0 to 1.
    """
    if rule.precision is not None:
        kept = promised(chances, card, rule.precision)
    else:
        kept = np.asarray(chances >= np.float32(rule.threshold))
    kept &= promisable(card.tags, withheld)
    return [card.tags[place] for place in np.argsort(-chances, kind="stable").tolist() if kept[place]]


def _replaced(stored: dict[str, tuple[str, ...]], name: str, words: tuple[str, ...]) -> list[Change]:
    """Return the changes that put these words under one name and remove other names of the same field."""
    spelled = next((each for each in stored if each.casefold() == name.casefold()), name)
    others = [Change(each, values, ()) for each, values in stored.items() if each != spelled]
    own = Change(spelled, stored.get(spelled, ()), words)
    return [*others, *([own] if own.old != own.new else [])]


def score_fields(card: Card, vocabulary: TagMapping) -> dict[str, str]:
    """Return the field for each tag's probability: EARMARK_ and the tag's name in ASCII capitals."""
    names: dict[str, str] = {}
    for label in card.labels:
        if vocabulary.only is not None and label not in vocabulary.only:
            continue
        plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode("ascii")
        name = SCORE_PREFIX + re.sub(r"[^A-Z0-9]+", "_", plain.upper()).strip("_")
        same = [other for other, taken in names.items() if taken == name]
        if name == SCORE_PREFIX or same:
            found = f"{label!r} and {same[0]!r} would share" if same else f"{label!r} has"
            raise LibraryError(
                f"The scores: {found} the field {name}, expected a different name of letters A to Z and digits for "
                "each tag. Leave one out with `only` in the mapping, or do not write scores."
            )
        names[label] = name
    return names


def _extractor_hashes(card: Card) -> tuple[str, ...]:
    return tuple(extractor.hash for extractor in card.extractors)
