"""Define the schema of a library's SQLite file.

The schema is a list of migrations, each leading to the next version. A released migration never changes; a new one is
added at the end. SQLite's user_version is the number of migrations that a file has had.
"""

APPLICATION_ID = 0x6561726D
"""SQLite's application id of a library, the letters "earm"."""

FIRST = (
    # One row for each model that analysed tracks. `card` is the newest card with these hashes, with its calibration.
    """
    CREATE TABLE models (
        id INTEGER PRIMARY KEY,
        extractor_hashes TEXT NOT NULL,
        head_hash TEXT NOT NULL,
        card TEXT NOT NULL,
        UNIQUE (extractor_hashes, head_hash)
    )
    """,
    # One row for each recording. logits: float32, one for each tag. embedding: float16, the track vector.
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
    # A separate table, because most searches do not read it and its model may be older than that of the scores.
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
    # A path is bytes, because a file's name may not be valid text. missing: the file was not found by the last scan.
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
    # Files made from the tracks, such as the vector file, are current while the generation is the same.
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
    # The tags written to files. A run is one call of `write`.
    """
    CREATE TABLE write_runs (
        id INTEGER PRIMARY KEY,
        started TEXT NOT NULL,
        model TEXT NOT NULL,
        version TEXT NOT NULL
    )
    """,
    # changes: a JSON list of [name, old values, new values]. state: begun (perhaps not written), done or undone.
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
    # folded: the path in the form in which searches compare it. The SQL function is registered by `Store`.
    "ALTER TABLE paths ADD COLUMN folded BLOB NOT NULL DEFAULT x''",
    "UPDATE paths SET folded = folded(path)",
)

ORIGINALS = (
    # The bytes that restore the file (`original.py`); NULL for files that an older version wrote.
    "ALTER TABLE writes ADD COLUMN original BLOB",
)

NOT_MUSIC = (
    # These do not follow from the logits. distance: NULL for what an older version analysed.
    "ALTER TABLE tracks ADD COLUMN silent INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE tracks ADD COLUMN distance REAL",
)

_DESCRIBE = """
    INSERT INTO descriptions (id, path)
        SELECT coalesce(max(id) + 1, new.track_id << 20), new.path FROM descriptions
        WHERE id >= new.track_id << 20 AND id < (new.track_id + 1) << 20;
    INSERT INTO words (rowid, path)
        SELECT id, CAST(new.folded AS TEXT) FROM descriptions WHERE path = new.path;
"""
_ABSENT = "NOT EXISTS (SELECT 1 FROM paths WHERE track_id = {} AND NOT missing)"

DESCRIPTIONS = (
    # One row for each path: what the file's own tags say. id: 1 048 576 times the track's number, and the number of the
    # path among the track's, so that the track of a word is known without this table. size_bytes, modified_ns: the
    # file's stamp when its tags were read, NULL before. Texts are as in the file, several values joined by "; ".
    """
    CREATE TABLE descriptions (
        id INTEGER PRIMARY KEY,
        path BLOB NOT NULL UNIQUE REFERENCES paths (path) ON DELETE CASCADE,
        size_bytes INTEGER,
        modified_ns INTEGER,
        title TEXT NOT NULL DEFAULT '',
        artist TEXT NOT NULL DEFAULT '',
        album TEXT NOT NULL DEFAULT '',
        genre TEXT NOT NULL DEFAULT '',
        year INTEGER
    )
    """,
    # The words of a description, in the form of `folded`, under the same number.
    """
    CREATE VIRTUAL TABLE words USING fts5(
        title, artist, album, genre, path, tokenize = "unicode61 remove_diacritics 2"
    )
    """,
    """
    INSERT INTO descriptions (id, path)
        SELECT (track_id << 20) + row_number() OVER (PARTITION BY track_id ORDER BY path) - 1, path FROM paths
    """,
    "INSERT INTO words (rowid, path) SELECT id, CAST(folded AS TEXT) FROM descriptions JOIN paths USING (path)",
    f"CREATE TRIGGER path_added AFTER INSERT ON paths BEGIN {_DESCRIBE} END",
    f"""
    CREATE TRIGGER path_moved AFTER UPDATE OF track_id ON paths WHEN new.track_id <> old.track_id
    BEGIN
        DELETE FROM descriptions WHERE path = new.path;
        {_DESCRIBE}
    END
    """,
    """
    CREATE TRIGGER description_removed AFTER DELETE ON descriptions
    BEGIN DELETE FROM words WHERE rowid = old.id; END
    """,
    # The tracks all of whose files are missing.
    "CREATE TABLE absent (track_id INTEGER PRIMARY KEY)",
    f"INSERT INTO absent SELECT id FROM tracks WHERE {_ABSENT.format('tracks.id')}",
    "CREATE TRIGGER absent_at_first AFTER INSERT ON tracks BEGIN INSERT OR REPLACE INTO absent VALUES (new.id); END",
    """
    CREATE TRIGGER present_by_new_path AFTER INSERT ON paths WHEN NOT new.missing
    BEGIN DELETE FROM absent WHERE track_id = new.track_id; END
    """,
    f"""
    CREATE TRIGGER present_or_absent AFTER UPDATE OF missing, track_id ON paths
    BEGIN
        DELETE FROM absent WHERE track_id = new.track_id AND NOT new.missing;
        INSERT OR REPLACE INTO absent SELECT new.track_id WHERE {_ABSENT.format("new.track_id")};
        INSERT OR REPLACE INTO absent SELECT old.track_id WHERE {_ABSENT.format("old.track_id")};
    END
    """,
    f"""
    CREATE TRIGGER absent_without_path AFTER DELETE ON paths
    BEGIN INSERT OR REPLACE INTO absent SELECT old.track_id WHERE {_ABSENT.format("old.track_id")}; END
    """,
    "CREATE TRIGGER absent_no_more AFTER DELETE ON tracks BEGIN DELETE FROM absent WHERE track_id = old.id; END",
)

HEADS = (
    # Further heads whose scores are kept beside those of the current model. source: the model's folder or name.
    """
    CREATE TABLE heads (
        model_id INTEGER PRIMARY KEY REFERENCES models (id),
        name TEXT NOT NULL UNIQUE,
        source TEXT NOT NULL
    )
    """,
    # logits: float32, one for each tag of the head.
    """
    CREATE TABLE head_scores (
        model_id INTEGER NOT NULL REFERENCES heads (model_id) ON DELETE CASCADE,
        track_id INTEGER NOT NULL REFERENCES tracks (id) ON DELETE CASCADE,
        logits BLOB NOT NULL,
        PRIMARY KEY (model_id, track_id)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX head_scores_of_track ON head_scores (track_id)",
    """
    CREATE TRIGGER head_scores_outdated AFTER UPDATE OF embedding ON tracks WHEN new.embedding <> old.embedding
    BEGIN DELETE FROM head_scores WHERE track_id = new.id; END
    """,
)

HIDDEN_LAYERS = (
    # The first hidden layer of a model's classifier, by which tracks are compared (`space.py`).
    """
    CREATE TABLE hidden_layers (
        model_id INTEGER PRIMARY KEY REFERENCES models (id) ON DELETE CASCADE,
        layer BLOB NOT NULL
    )
    """,
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    FIRST,
    JOURNAL,
    FOLDED_PATHS,
    ORIGINALS,
    NOT_MUSIC,
    DESCRIPTIONS,
    HEADS,
    HIDDEN_LAYERS,
)
