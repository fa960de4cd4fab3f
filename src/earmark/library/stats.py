"""Count what a library holds."""

from collections.abc import Mapping
from dataclasses import dataclass

from earmark.library.collection import Collection


@dataclass(frozen=True)
class LibraryStats:
    """How much a library holds.

    missing_files: of `files`, those that the last `add` did not find. failed_files: files that could not be used.
    seconds: the durations of all recordings. artists, albums, genres: how many different ones the tags of the files
    name. models: the number of recordings by the name of the model that analysed them. tags: the mean probability of
    each tag, so the share of recordings that are expected to have it, the most frequent first; of further heads too,
    each over the recordings that have its scores.
    """

    recordings: int
    files: int
    missing_files: int
    failed_files: int
    seconds: float
    artists: int
    albums: int
    genres: int
    models: Mapping[str, int]
    tags: Mapping[str, float]


def stats_of(collection: Collection) -> LibraryStats:
    """Count what the library of a collection holds."""
    store = collection.database.store
    ((recordings, seconds),) = store.rows("SELECT count(*), total(duration_seconds) FROM tracks")
    ((files, missing),) = store.rows("SELECT count(*), total(missing) FROM paths")
    ((failed,),) = store.rows("SELECT count(*) FROM failures")
    counted = ", ".join(f"count(DISTINCT nullif({field}, ''))" for field in ("artist", "album", "genre"))
    ((artists, albums, genres),) = store.rows(f"SELECT {counted} FROM descriptions")
    cards = collection.database.models()
    models: dict[str, int] = {}
    for model, count in store.rows("SELECT model_id, count(*) FROM tracks GROUP BY model_id ORDER BY count(*) DESC"):
        models[cards[model].name] = models.get(cards[model].name, 0) + count
    shares = {}
    for place, label in enumerate(collection.labels):
        known = collection.known_chances(place)
        if len(known):
            shares[label] = float(known.mean())
    tags = sorted(shares.items(), key=lambda each: -each[1])
    return LibraryStats(recordings, files, int(missing), failed, seconds, artists, albums, genres, models, dict(tags))
