"""How a model comes to be, in the order in which a recipe becomes one.

recipe            the whole of an experiment <-> TOML
datasets/         tracks, tags, splits
store, clips      prepared frames on disk, and the clips cut from them; `material` is both with their dataset
scales, networks  the shapes of the local CNNs, and all networks; `norms` where several processes share a batch
batches           segments and vectors, shuffled; `window_batches` windows of random length
schedule, fit     when to take which learning rate, and the one training loop; `history` keeps what happened
local_step        step 1, a CNN a scale
features          step 2, every level of every clip
global_step       step 3, the classifier
joint, joint_step all together, the letter's future work
steps, experiment what is done once and found again, and the composition of all of the above
export, bundling  trained networks -> the bundle that tags
metrics, bootstrap, baselines, evaluate, report, provenance
                  how good it is, against what, on what, and by which commit
figures/          pictures of measured runs
"""
