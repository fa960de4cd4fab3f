"""A model on disk: its card, its weights, and the calibration of its scores."""
