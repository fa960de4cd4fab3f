"""The formats that are decoded, and how the names of their files end."""

from collections.abc import Mapping
from types import MappingProxyType

FORMATS: Mapping[str, str] = MappingProxyType(
    {
        "aac": ".aac .adts",
        "ac3": ".ac3",
        "adx": ".adx",
        "aiff": ".aif .aifc .aiff",
        "amr": ".amr",
        "ape": ".ape",
        "asf": ".asf .wma .wmv",
        "au": ".au .snd",
        "avi": ".avi",
        "caf": ".caf",
        "dsf": ".dsf",
        "dts": ".dts",
        "dtshd": ".dtshd",
        "eac3": ".eac3 .ec3",
        "flac": ".flac",
        "flv": ".flv",
        "iff": ".dff .8svx",
        "loas": ".loas",
        "matroska": ".mka .mkv .webm",
        "mlp": ".mlp",
        "mov": ".3g2 .3gp .alac .f4a .m4a .m4b .m4p .m4r .m4v .mov .mp4",
        "mp3": ".mp1 .mp2 .mp3 .mpa .mpga",
        "mpc": ".mpc",
        "mpc8": ".mpc",
        "mpeg": ".mpeg .mpg .vob",
        "mpegts": ".m2ts .mts",
        "nut": ".nut",
        "ogg": ".oga .ogg .ogv .ogx .opus .spx",
        "oma": ".aa3 .oma",
        "rm": ".ra .rm",
        "shn": ".shn",
        "spdif": ".spdif",
        "tak": ".tak",
        "truehd": ".thd .truehd",
        "tta": ".tta",
        "voc": ".voc",
        "w64": ".w64",
        "wav": ".bwf .rf64 .wav",
        "wv": ".wv",
        "xwma": ".xwma",
    }
)
"""libav's names of the formats that it may open, each with the endings of its files' names.

Choice: formats that hold music or speech. A playlist (hls, dash, concat, sdp) would make libav open other files, and
raw samples look like the formats of games that libav knows.
"""
SOUND_ENDINGS = frozenset(ending for endings in FORMATS.values() for ending in endings.split())
"""The endings of the files that are taken from a folder; a file that is named directly is tried whatever its ending."""
