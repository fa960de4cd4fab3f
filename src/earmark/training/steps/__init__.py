"""The letter's three steps, each done once and found again.

experiment        a recipe on its data: which step needs which
local_step        step 1, a CNN a scale
features          step 2, every level of every clip
global_step       step 3, the classifier
fit, schedule     the training loop, and when it takes which learning rate
steps             what is done once and found again
"""
