"""Evaluate methods and models.

metrics           ROC-AUC, PR-AUC, accuracy, rank correlation, and the paired bootstrap of a difference
evaluate          every method of a recipe, over its splits and seeds
report            an evaluation as a Markdown table and as JSON
baselines         plain classifiers on statistics of the sound and on vectors of other systems
perturbation      changes of the sound, and a model's logits of changed tracks
robustness        the loss of a finished model under perturbations
reliability       calibration error, and promised against achieved precision
provenance        commit, machine and package versions behind a number
"""
