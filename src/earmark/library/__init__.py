"""Many tracks: found, identified, listened to once, kept in one SQLite file, searched."""
