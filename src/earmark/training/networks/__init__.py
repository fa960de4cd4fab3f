"""Networks: their shapes, their parts, and the arrays that are left of them once they are trained.

scales                the shapes of the local CNNs, by segment length; `sample_level` those on raw sound
norms, blocks         the parts; norms also count a batch that several processes share
local_cnn             a network that tags a segment
classifier            the network on the vector of a clip
network_cost          parameters, multiply-adds, and how far each layer hears
filter_spectra        what the filters on raw sound answer to
export                trained networks -> arrays without torch
"""
