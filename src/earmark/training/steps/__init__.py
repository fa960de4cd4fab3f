"""The steps of the letter: what is trained in which order, each done once and found again.

schedule, fit         when to take which learning rate, and the one training loop; `history` keeps what happened
balanced              a loss in which every tag counts alike
local_step            step 1, a CNN a scale
features              step 2, every level of every clip
global_step           step 3, the classifier; `window_batches` is what it learns short stretches on
joint, joint_step     all together, the letter's future work
steps                 what is done once and found again
experiment            the composition of all of the above
"""
