"""How a model comes to be, in the order in which a recipe becomes one; every package has a map of its own.

method            the letter's method on one page, without options; the rest is held against it
recipe/           the whole of an experiment as one TOML file
datasets/         tracks, tags, splits
data/             a dataset's sound, prepared: frames on disk, clips, batches
networks/         local CNNs and the classifier: shapes, blocks, and the arrays that are left of them
steps/            the letter's three steps: local CNNs, features, classifier
extras/           what is not in the letter: augmentation, distillation, windows, joint training
evaluation/       how good every method of a recipe is, and a finished model on plain and perturbed sound
bundle/           the model that tags: calibrated, bundled, with its card
figures/          pictures of measured runs
"""
