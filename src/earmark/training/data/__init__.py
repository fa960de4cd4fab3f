"""Prepare the input of trainings, from the sound of tracks to shuffled batches.

store             log-mel frames on disk
clips             a dataset with its frames, cut into clips
waveforms         raw sound of clips, decoded during training
batches           shuffled batches of segments and of vectors
"""
