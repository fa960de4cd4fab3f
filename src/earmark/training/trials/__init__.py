"""Trials of a finished model on whole tracks, plain and perturbed.

perturbation          what happens to sound on its way to a listener
track_logits          what a model says of tracks, as `earmark tag` would
reliability           whether probabilities are what they say
robustness            what a perturbation costs; `robustness_report` its tables
"""
