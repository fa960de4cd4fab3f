"""Scores for General MIDI: ensembles and grooves, what they play, and how it is written."""
