"""A bundle from a finished experiment: its probabilities, its model and its card.

platt, calibrate      logits -> probabilities, fitted on tracks that trained nothing
bundle                networks, layout, head and where all of it came from, and how reliable its probabilities are
model_card            what a bundle is and how well it tells each tag
"""
