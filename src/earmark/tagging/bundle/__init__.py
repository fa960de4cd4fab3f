"""A model on disk: its card, its weights, and what turns its scores into probabilities."""
