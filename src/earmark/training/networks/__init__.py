"""Networks: their shapes, their parts, and the arrays that are left of them once they are trained.

scales            the segment lengths and the networks that belong to them
blocks            the parts of networks, with batch norms that also count a batch shared by several processes
local_cnn         the network that tags a segment
classifier        the network that tags a clip by its vector
network_cost      parameters, multiply-adds and receptive lengths
export            trained networks as arrays without torch
"""
