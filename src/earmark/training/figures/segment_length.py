"""Segment lengths in seconds."""

from earmark.audio.logmel import LogMelSettings


def seconds_of(frames: int) -> float:
    """How long so many frames are, by the front end's hop and rate."""
    settings = LogMelSettings()
    return frames * settings.hop_samples / settings.rate_hz
