"""Run `earmark teach`, which makes a model of your own words from labelled tracks."""

import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from earmark.cli.output import json_text, progress, say, show
from earmark.errors import EarmarkError, MissingExtraError, TeachingError
from earmark.file_errors import file_errors, reason_without_name

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from earmark.library.library import Library
    from earmark.tagging.tagger import Tagger
    from earmark.teaching.examples import Examples
    from earmark.teaching.next_tracks import Candidate, Suggestion
    from earmark.teaching.teach import Taught, WordReport

MOST_TRACKS = 4_000
"""The most tracks to learn from; more would improve the model little and take minutes."""
ROWS_TOGETHER = 1_000


def teach(
    labels: Annotated[
        Path | None,
        typer.Argument(
            help="CSV file with the columns path and tags, and optionally group or artist.", show_default=False
        ),
    ] = None,
    *,
    name: Annotated[str, typer.Option(help="Name of the model and of its folder.", show_default=False)],
    from_files: Annotated[
        bool, typer.Option("--from-files", help="Learn the words that the library's files already contain.")
    ] = False,
    field: Annotated[
        list[str] | None,
        typer.Option(
            help="Field for --from-files: genre, mood, comment or a field of your own; repeat for more; default: genre "
            "and mood.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Folder or name of the model that computes the vectors; default: the bundled model.",
            show_default=False,
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--library", help="File of the library; default: the one in your data folder.", show_default=False
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Folder for the model; default: its name in the current folder.", show_default=False),
    ] = None,
    group: Annotated[
        str, typer.Option(help="Group of the words; the groups genres and moods have their own fields in files.")
    ] = "taught",
    least: Annotated[int, typer.Option(min=2, help="Leave out words with fewer examples.")] = 5,
    others: Annotated[
        int,
        typer.Option(min=0, help="Number of other tracks of the library to use as examples that have no word."),
    ] = 0,
    next_: Annotated[
        int,
        typer.Option("--next", min=0, help="Number of tracks of the library to suggest for labelling next."),
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random folds.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Write the report as JSON.")] = False,
) -> None:
    """Teach a model your own words from 10 to 20 examples each.

    This takes seconds on a CPU. The report says how well the model recognises each word.
    """
    if (labels is None) == (not from_files):
        raise typer.BadParameter("give either a CSV file of labels or --from-files")
    if field and not from_files:
        raise typer.BadParameter("--field needs --from-files")
    try:
        from earmark.teaching.teach import Lesson
        from earmark.teaching.teach import teach as fitted
        from earmark.training.bundling.platt import fit_calibration
    except ImportError as error:
        raise MissingExtraError("Teaching", "teach", error.name or str(error)) from error
    from earmark.library.fields import checked_field
    from earmark.library.file_words import USUAL_FIELDS
    from earmark.tagging.bundle.bundle import write_bundle
    from earmark.tagging.tagger import Tagger, load

    folder = Path(name) if output is None else output
    tagger = load(model)
    if model is not None and folder.exists() and Path(model).exists() and folder.samefile(model):
        raise TeachingError(f"{folder}: found the model given by --model, expected another folder. Choose --output.")
    unread = 0
    with ExitStack() as held:
        library = _library(file, held, needed=from_files or others > 0 or next_ > 0)
        if labels is not None:
            worded = labels_from_csv(labels)
        elif library is not None:
            fields = [checked_field(each, "--field", read=True) for each in field or USUAL_FIELDS]
            worded, unread = labels_from_files(library, list(dict.fromkeys(fields)))
        worded = _fewer(worded, seed)
        vectors = TrackVectors(library, tagger)
        worded += _without_words(vectors, worded, others, seed)
        worded = _grouped(worded)
        examples, failed = collect_examples(worded, vectors)
        taught = fitted(tagger.bundle, examples, Lesson(name, group, least, seed), fit_calibration)
        write_bundle(taught.bundle, folder)
        suggestions = _next(Tagger(taught.bundle), taught, vectors, worded, next_)
    _show(taught, suggestions, folder, as_json)
    if failed or unread:
        raise typer.Exit(1)


@dataclass(frozen=True)
class LabelledTrack:
    """A track with its words and its group, which is its artist or folder."""

    path: str
    words: tuple[str, ...]
    group: str


class TrackVectors:
    """Gives the vectors of tracks, from the library if the model's extractors computed them, or else from the sound."""

    def __init__(self, library: "Library | None", tagger: "Tagger") -> None:
        self._library, self._tagger = library, tagger
        self._model_ids: set[int] = set()
        """The library's models that have the same extractors as the tagger, and so give the same vectors."""
        if library is not None:
            own = [extractor.hash for extractor in tagger.card.extractors]
            models = library.database.models()
            self._model_ids = {key for key, card in models.items() if [each.hash for each in card.extractors] == own}

    def stored(self, path: str) -> "npt.NDArray[np.float32] | None":
        """Return the vector (columns,) of a file that the library has stored, or None."""
        import numpy as np

        found = None if self._library is None else self._library.database.known_path(path)
        if self._library is None or found is None or found.model_id not in self._model_ids:
            return None
        return self._library.database.embedding(found.track_id).astype(np.float32)

    def of(self, path: str) -> "npt.NDArray[np.float32]":
        """Return a file's vector (columns,); raises the errors of `Tagger.embed`."""
        import numpy as np

        stored = self.stored(path)
        # The library stores vectors in half precision; rounding a new vector too gives the same result in both cases.
        return self._tagger.embed(path).astype(np.float16).astype(np.float32) if stored is None else stored

    def others(self, named: set[str]) -> "Iterator[Candidate]":
        """Yield the tracks of the library that are not named, with one file for each track."""
        import numpy as np

        from earmark.teaching.next_tracks import Candidate

        if self._library is None:
            return
        store = self._library.store
        for rows in store.stream(
            "SELECT path, model_id, embedding FROM tracks JOIN paths ON track_id = tracks.id WHERE NOT missing "
            "GROUP BY tracks.id ORDER BY tracks.id",
            size=ROWS_TOGETHER,
        ):
            for blob, model_id, embedding in rows:
                path = os.fsdecode(blob)
                if model_id in self._model_ids and path not in named:
                    yield Candidate(path, str(Path(path).parent), np.frombuffer(embedding, "<f2"))


def labels_from_csv(labels: Path) -> list[LabelledTrack]:
    """Read labelled tracks from a CSV file."""
    from earmark.teaching.examples import read_labels

    return [LabelledTrack(os.path.normpath(row.path), row.words, row.group) for row in read_labels(labels)]


def labels_from_files(library: "Library", fields: Sequence[str]) -> tuple[list[LabelledTrack], int]:
    """Read labelled tracks from fields of the library's files; return them and the number of files that failed."""
    from earmark.library.file_words import unify_spelling, words_in_files
    from earmark.library.write import files_of

    files = files_of(library.database)
    found = []
    failed = 0
    with progress("reading tags") as done:
        for number, each in enumerate(words_in_files(library.database, (path for path, _ in files), fields), start=1):
            if each.reason:
                failed += 1
                say(f"earmark: {each.path}: {each.reason}")
            elif each.words:
                found.append(each)
            done(number, len(files))
    say(f"{len(found)} of {len(files)} files have words in the fields {', '.join(fields)}")
    words = unify_spelling([each.words for each in found])
    return [LabelledTrack(each.path, own, each.group) for each, own in zip(found, words, strict=True)], failed


def collect_examples(worded: Sequence[LabelledTrack], vectors: TrackVectors) -> "tuple[Examples, int]":
    """Return the examples of all tracks that have a vector, and the number that failed, with a message for each."""
    import numpy as np

    from earmark.teaching.examples import examples_of

    rows: list[npt.NDArray[Any]] = []
    kept: list[LabelledTrack] = []
    failed = 0
    with progress("collecting vectors") as done:
        for number, each in enumerate(worded, start=1):
            try:
                with file_errors(each.path):
                    rows.append(vectors.of(each.path))
                kept.append(each)
            except EarmarkError as error:
                failed += 1
                say(f"earmark: {each.path}: {reason_without_name(error)}")
            done(number, len(worded))
    matrix = np.array(rows, np.float32).reshape(len(rows), -1)
    words, groups = [each.words for each in kept], [each.group for each in kept]
    return examples_of(matrix, words, groups, [each.path for each in kept]), failed


def _library(file: Path | None, held: ExitStack, *, needed: bool) -> "Library | None":
    """Open the library if it is needed or exists; return None otherwise."""
    from earmark.library.library import Library
    from earmark.library.store import default_library

    if not needed and not (default_library() if file is None else file).exists():
        return None
    return held.enter_context(Library(file))


def _fewer(worded: list[LabelledTrack], seed: int) -> list[LabelledTrack]:
    """Return at most MOST_TRACKS tracks, drawn at random."""
    if len(worded) <= MOST_TRACKS:
        return worded
    say(f"{len(worded)} tracks have words; {MOST_TRACKS} of them are used, drawn at random")
    return sorted(random.Random(seed).sample(worded, MOST_TRACKS), key=lambda each: each.path)


def _without_words(vectors: TrackVectors, worded: list[LabelledTrack], count: int, seed: int) -> list[LabelledTrack]:
    """Return other tracks of the library as examples without words, because most tracks have none of them."""
    if not count:
        return []
    found = [(each.name, each.group) for each in vectors.others({each.path for each in worded})]
    chosen = random.Random(seed).sample(found, min(count, len(found)))
    return [LabelledTrack(path, (), group) for path, group in sorted(chosen)]


def _grouped(worded: list[LabelledTrack]) -> list[LabelledTrack]:
    """Make each track its own group, and say so, if all tracks have the same artist or folder."""
    if len(Counter(each.group for each in worded)) >= 2 or len(worded) < 2:
        return worded
    say(
        "all tracks have the same artist or folder, so each track is a group of its own. If several are by the same "
        "artist, the reported quality is too high; add a column `artist` to correct this"
    )
    return [LabelledTrack(each.path, each.words, each.path) for each in worded]


def _next(
    tagger: "Tagger", taught: "Taught", vectors: TrackVectors, worded: list[LabelledTrack], count: int
) -> "list[Suggestion]":
    from earmark.teaching.next_tracks import next_tracks

    if not count:
        return []
    weights = {
        report.word: report.quality.high - report.quality.low for report in taught.reports if report.quality is not None
    }
    candidates = vectors.others({each.path for each in worded})
    return next_tracks(tagger.card, tagger.classifier, candidates, weights, count)


def _show(taught: "Taught", suggestions: "list[Suggestion]", folder: Path, as_json: bool) -> None:
    if as_json:
        show(json_text(_document(taught, suggestions, folder), indent=1))
        return
    width = max(len(report.word) for report in taught.reports)
    show(f"{'word':{width}}  tracks  AUC (95 % interval)   promises")
    for report in taught.reports:
        show(f"{report.word:{width}}  {report.examples:6d}  {_quality(report):20}  {_promises(report)}".rstrip())
        if report.advice:
            show(f"{'':{width}}          {report.advice}")
    for each in suggestions:
        doubts = ", ".join(f"{word} {chance:.2f}" for word, chance in each.doubts)
        show(f"label next: {each.name}  ({doubts})")
    say(f"learned from {taught.tracks} tracks; the model reads {taught.columns}")
    say(f"wrote {folder}; use it with: earmark tag --model {folder}")


def _quality(report: "WordReport") -> str:
    if report.quality is None:
        return "-"
    return f"{report.quality.auc:.2f} ({report.quality.low:.2f} to {report.quality.high:.2f})"


def _promises(report: "WordReport") -> str:
    return ", ".join(report.promises) or "none"


def _document(taught: "Taught", suggestions: "list[Suggestion]", folder: Path) -> dict[str, Any]:
    return {
        "model": str(folder),
        "name": taught.bundle.card.name,
        "tracks": taught.tracks,
        "columns": taught.columns,
        "strength": taught.strength,
        "searched": dict(taught.searched),
        "words": [
            {
                "word": report.word,
                "examples": report.examples,
                "groups": report.groups,
                "auc": None if report.quality is None else report.quality.auc,
                "low": None if report.quality is None else report.quality.low,
                "high": None if report.quality is None else report.quality.high,
                "promises": list(report.promises),
                "advice": report.advice,
            }
            for report in taught.reports
        ],
        "next": [{"path": each.name, "worth": each.worth, "doubts": dict(each.doubts)} for each in suggestions],
    }
