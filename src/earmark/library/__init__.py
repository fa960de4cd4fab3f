"""Libraries: analyse many tracks once, store the results in one SQLite file, search them, and write tags to files."""
