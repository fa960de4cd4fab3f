"""A recipe, section by section: the whole of an experiment as one TOML file, which `recipe` reads.

Every key has a type, and a default that follows the papers where they speak. Choice: batches of 512 segments, which
suit a processor, where the authors had 23 and 50; the one-cycle schedule, windows and joint training are ours.

data              which tracks, cut into which clips
augmentation      how training segments are varied
local, pooling    the local CNNs, and how their activations become a vector
classifier        the global classifier on that vector; `joint` trains all of them together
schedule          of the training of any of them
evaluation        what is compared
bundle            what of a trained model is kept
section           what all of these are: frozen, with unknown keys refused
"""
