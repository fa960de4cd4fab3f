"""Material: what trainings are fed, from the sound of a dataset's tracks to shuffled batches.

store                 prepared frames on disk
clips                 which rows of the store, of which track, with which targets
waveforms             the raw sound of clips, decoded while the training goes on
material              all of these with their dataset
augmentation, hints   what a segment might also have been like, and what another network heard in it
batches               segments, shuffled, and vectors; `waveform_batches` segments of raw sound
"""
