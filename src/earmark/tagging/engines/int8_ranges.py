"""Measuring on music what int8 needs: the range of every convolution's input (static quantisation)."""

from collections.abc import Iterable

import numpy as np

from earmark.audio.decode import Source, decode
from earmark.errors import TagError
from earmark.tagging.bundle.bundle import Bundle
from earmark.tagging.engines.int8 import Ranges
from earmark.tagging.engines.onnx import ObservedNetwork
from earmark.tagging.streaming import StreamingPass


def measure_ranges(bundle: Bundle, sources: Iterable[Source]) -> Ranges:
    """Listen to some music with the float32 networks and keep the lowest and highest value of every input.

    Choice: the extremes, not a percentile. A level's value is the maximum over a segment, so it is the largest values
    that the vectors are made of.

    Raises DecodeError or WaveformError for sound that cannot be used, TagError where there is none,
    and MissingExtraError without ONNX Runtime.
    """
    card = bundle.card
    networks = [ObservedNetwork(extractor, bundle.weights) for extractor in card.extractors]
    seconds = 0.0
    for source in sources:
        listening = StreamingPass(networks, card.activation, None, False)
        with decode(source, card.rate_hz) as sound:
            for block in sound:
                listening.push(block)
            listening.finish(sound.duration_seconds)
            seconds += sound.duration_seconds
    if not seconds:
        raise TagError("int8: found no music to measure ranges on, expected some tracks. Name them.")
    found = {network.extractor.hash: network.ranges for network in networks}
    for ranges in found.values():
        if not np.all([low < high for low, high in ranges]):
            raise TagError("int8: found layers that nothing reached, expected sound of many kinds. Name more music.")
    return Ranges(found, seconds)
