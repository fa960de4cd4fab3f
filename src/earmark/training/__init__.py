"""How a model comes to be, in the order in which a recipe becomes one; every package has a map of its own.

method            the letter's method on one page, without options; everything below is held against it
recipe/           the whole of an experiment, section by section <-> TOML
datasets/         tracks, tags, splits
material/         a dataset's sound, prepared: frames on disk, clips, batches
networks/         local CNNs and the classifier: shapes, blocks, and the arrays that are left of them
steps/            local CNNs, features, classifier, or all together: trained, done once and found again
evaluation/       how good every method of a recipe is, against what, and by which commit
trials/           a finished model on whole tracks, plain and perturbed
bundle/           the model that tags: calibrated, bundled, with its card
figures/          pictures of measured runs

A package imports from those above it alone, but for `recipe`, which takes the kinds of blocks from `networks`.
"""
