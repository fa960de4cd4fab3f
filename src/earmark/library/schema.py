"""The tables of a library, as the steps that lead from each version to the next.

A step is never changed once it was released; what is new is a new step at the end. The number of steps done stands in
the file as SQLite's user_version.
"""

APPLICATION_ID = 0x6561726D
""""earm": what says that an SQLite file is a library."""

FIRST = (
    # What heard: one row a model. `card` is the newest card with these hashes, so that calibration can follow.
    """
    CREATE TABLE models (
        id INTEGER PRIMARY KEY,
        extractor_hashes TEXT NOT NULL,
        head_hash TEXT NOT NULL,
        card TEXT NOT NULL,
        UNIQUE (extractor_hashes, head_hash)
    )
    """,
    # One row a recording. logits: float32, as many as the model has tags. embedding: float16, the track vector.
    """
    CREATE TABLE tracks (
        id INTEGER PRIMARY KEY,
        identity TEXT NOT NULL UNIQUE,
        model_id INTEGER NOT NULL REFERENCES models (id),
        version TEXT NOT NULL,
        decoder TEXT NOT NULL,
        added TEXT NOT NULL,
        duration_seconds REAL NOT NULL,
        truncated INTEGER NOT NULL,
        short TEXT NOT NULL,
        logits BLOB NOT NULL,
        embedding BLOB NOT NULL
    )
    """,
    "CREATE INDEX tracks_of_model ON tracks (model_id)",
    # Apart from the tracks, as most searches never look at it, and its model may be older than the scores'.
    """
    CREATE TABLE over_time (
        track_id INTEGER PRIMARY KEY REFERENCES tracks (id) ON DELETE CASCADE,
        model_id INTEGER NOT NULL REFERENCES models (id),
        window_seconds REAL NOT NULL,
        hop_seconds REAL NOT NULL,
        windows INTEGER NOT NULL,
        scores BLOB NOT NULL
    )
    """,
    # A path is bytes: a file's name may be no text. missing: it was not there when its folder was last walked.
    """
    CREATE TABLE paths (
        path BLOB PRIMARY KEY,
        track_id INTEGER NOT NULL REFERENCES tracks (id) ON DELETE CASCADE,
        size_bytes INTEGER NOT NULL,
        modified_ns INTEGER NOT NULL,
        missing INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID
    """,
    "CREATE INDEX paths_of_track ON paths (track_id)",
    """
    CREATE TABLE failures (
        path BLOB PRIMARY KEY,
        size_bytes INTEGER NOT NULL,
        modified_ns INTEGER NOT NULL,
        reason TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        failed TEXT NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE TABLE state (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    "INSERT INTO state VALUES ('library', lower(hex(randomblob(16))))",
    # What is drawn from the tracks, such as the file of vectors, is current while the generation is the same.
    "INSERT INTO state VALUES ('generation', 0)",
    """
    CREATE TRIGGER track_added AFTER INSERT ON tracks
    BEGIN UPDATE state SET value = value + 1 WHERE name = 'generation'; END
    """,
    """
    CREATE TRIGGER track_changed AFTER UPDATE OF model_id, logits, embedding ON tracks
    BEGIN UPDATE state SET value = value + 1 WHERE name = 'generation'; END
    """,
    """
    CREATE TRIGGER track_removed AFTER DELETE ON tracks
    BEGIN UPDATE state SET value = value + 1 WHERE name = 'generation'; END
    """,
)

JOURNAL = (
    # Tags written into files: a run is one call of `write`.
    """
    CREATE TABLE write_runs (
        id INTEGER PRIMARY KEY,
        started TEXT NOT NULL,
        model TEXT NOT NULL,
        version TEXT NOT NULL
    )
    """,
    # changes: JSON, a list of [name, old values, new values]. state: begun (perhaps not written), done, undone.
    """
    CREATE TABLE writes (
        id INTEGER PRIMARY KEY,
        run_id INTEGER NOT NULL REFERENCES write_runs (id),
        path BLOB NOT NULL,
        identity TEXT NOT NULL,
        kind TEXT NOT NULL,
        had_tags INTEGER NOT NULL,
        changes TEXT NOT NULL,
        state TEXT NOT NULL
    )
    """,
    "CREATE INDEX writes_of_run ON writes (run_id)",
    "CREATE INDEX writes_of_path ON writes (path)",
    "CREATE INDEX writes_of_identity ON writes (identity)",
)

FOLDED_PATHS = (
    # folded: the path as searches compare it, by the function `folded` that the store brings along.
    "ALTER TABLE paths ADD COLUMN folded BLOB NOT NULL DEFAULT x''",
    "UPDATE paths SET folded = folded(path)",
)

ORIGINALS = (
    # What gives the file back byte for byte (`original.py`); none for what an older version wrote.
    "ALTER TABLE writes ADD COLUMN original BLOB",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (FIRST, JOURNAL, FOLDED_PATHS, ORIGINALS)
