"""Data: what trainings are fed, from the sound of a dataset's tracks to shuffled batches.

store             prepared frames on disk
clips             the dataset, its frames, and the clips cut from them
waveforms         the raw sound of clips, decoded while the training goes on
batches           segments and vectors, shuffled
"""
