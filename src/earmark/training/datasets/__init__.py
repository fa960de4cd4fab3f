"""Datasets: one file each, the same parts in the same order."""
