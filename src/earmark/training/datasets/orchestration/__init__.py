"""Scores for General MIDI: ensembles, grooves, their music and the files that hold it."""
