"""A bundle from a finished experiment: its probabilities, its model and its card.

platt, calibrate      logits -> probabilities, fitted on tracks that trained nothing
bundle                networks, layout, head and where all of it came from
fold_reliability      whether the probabilities of a recipe's models hold on tracks they do not know
model_card            what a bundle is and how well it tells each tag
"""
