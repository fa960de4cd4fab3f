"""How the names of sound files end."""

_ENDINGS = (
    ".aac .aif .aifc .aiff .alac .amr .ape .au .caf .flac .m4a .m4b .mka .mkv .mov .mp2 .mp3 .mp4 .mpc .oga .ogg .opus "
    ".snd .tta .w64 .wav .webm .wma .wv"
)
SOUND_ENDINGS = frozenset(_ENDINGS.split())
"""What is taken from a folder; a file that is named outright is tried whatever its ending."""
