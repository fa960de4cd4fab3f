"""Evaluation: how good the methods of a recipe and a finished model are, against what, and by which commit.

metrics           ROC-AUC, PR-AUC, accuracy, and whether a difference may be luck
evaluate, report  every method of a recipe over splits and seeds, and its table
baselines         simple statistics of the sound, and vectors of other systems
agreement         agreement with a teacher whose scores were the targets
perturbation      what happens to sound on its way to a listener
track_logits      what a finished model says of whole tracks
robustness        what a perturbation costs
reliability       whether probabilities are what they say
commit, provenance  which code, which machine, which versions
"""
