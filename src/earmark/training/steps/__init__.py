"""Run the letter's three steps; each result is stored and found again.

experiment        a recipe on its data: runs the steps in order
local_step        step 1 trains a local CNN for each scale
features          step 2 computes every level of every clip
global_step       step 3 trains the global classifier
fit               the training loop
schedule          optimisers and learning rates
steps             the folder of finished steps
"""
