"""Tagging sound with a trained model on disk, which runs in numpy alone."""
