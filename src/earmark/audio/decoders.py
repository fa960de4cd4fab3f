"""Checks that the libraries that decode are installed and work."""

from dataclasses import dataclass

import numpy as np

from earmark.errors import AudioError

NEEDED_CODECS = ("mp3", "aac", "vorbis", "opus", "flac", "alac", "wmav2", "pcm_s16le", "ape", "wavpack")
RATE_HZ = 22_050


@dataclass(frozen=True)
class DecoderCheck:
    """A library that decodes: its name with its version, and what is wrong with it (empty where nothing is)."""

    name: str
    fault: str


def check_decoders() -> tuple[DecoderCheck, ...]:
    """Check libsndfile, libav and the resampler by a little work, and return the result for each."""
    return (_libsndfile(), _libav(), _soxr())


def _libsndfile() -> DecoderCheck:
    try:
        import soundfile
    except (ImportError, OSError) as error:
        return DecoderCheck("libsndfile", f"it cannot be loaded ({error})")
    name = f"libsndfile {soundfile.__libsndfile_version__}"
    missing = [kind for kind in ("WAV", "AIFF", "FLAC", "OGG") if kind not in soundfile.available_formats()]
    return DecoderCheck(name, f"it cannot read {', '.join(missing)}" if missing else "")


def _libav() -> DecoderCheck:
    try:
        import av
    except ImportError as error:
        return DecoderCheck("PyAV", f"it cannot be loaded ({error})")
    libavcodec = ".".join(str(number) for number in av.library_versions.get("libavcodec", ()))
    name = f"PyAV {av.__version__} (libavcodec {libavcodec})"
    missing = [codec for codec in NEEDED_CODECS if codec not in av.codecs_available]
    if missing:
        return DecoderCheck(name, f"it lacks {', '.join(missing)}")
    from earmark.audio.decode import decode
    from earmark.audio.encode import encode_mp3

    tone = (0.3 * np.sin(np.arange(RATE_HZ) * 0.1)).astype(np.float32)
    try:
        with decode(encode_mp3(tone, RATE_HZ, 64_000), RATE_HZ) as sound:
            samples = sum(len(block) for block in sound)
    except AudioError as error:
        return DecoderCheck(name, f"it does not decode an MP3 that it has made ({error})")
    return DecoderCheck(name, "" if samples == RATE_HZ else f"an MP3 of {RATE_HZ} samples came back as {samples}")


def _soxr() -> DecoderCheck:
    try:
        import soxr
    except ImportError as error:
        return DecoderCheck("soxr", f"it cannot be loaded ({error})")
    return DecoderCheck(f"soxr {soxr.__version__}", "")
