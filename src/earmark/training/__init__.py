"""Train models: from a recipe and a dataset to a bundle that tags.

The packages are listed in the order in which a training uses them; each lists its own modules.

method            the letter's method on one page, without options; tests compare the other packages with it
recipe/           an experiment as one TOML file
datasets/         tracks, tags and splits
data/             prepared sound: frames on disk, clips, batches
networks/         local CNNs and the global classifier: shapes, blocks, export to arrays
steps/            the letter's three steps: local CNNs, features, classifier
extras/           additions to the letter: augmentation, distillation, joint training
evaluation/       metrics of every method of a recipe, and of a finished model on plain and perturbed sound
bundling/         bundles: calibration, model card, files
figures/          figures of measured runs
"""
