"""Define the networks, and export them as arrays once they are trained.

scales            segment lengths (scales), the network that belongs to each, and its cost
blocks            the blocks that networks consist of
networks          the local CNN, which tags a segment, and the global classifier, which tags a clip
export            trained networks as arrays without torch
"""
