"""A file's name: as Unicode where nothing else may stand, such as in JSON, and as it is compared in searches."""

import os
import re
import unicodedata
from collections.abc import Mapping
from urllib.parse import quote_from_bytes, unquote_to_bytes

_SURROGATES = re.compile("[\ud800-\udfff]")
"""What Python puts in place of a name's bytes that are no text."""
BYTES_SUFFIX = "_bytes"


def is_text(name: str) -> bool:
    """Say whether a name is Unicode; on Linux it may be any bytes."""
    return _SURROGATES.search(name) is None


def text_of(name: str) -> str:
    """Return a name as Unicode, with U+FFFD in place of bytes that are no text."""
    return _SURROGATES.sub("\ufffd", name)


def percent_encoded(name: str) -> str:
    """Return a name's bytes as a URL holds them, in ASCII; `/` stands as it is."""
    return quote_from_bytes(os.fsencode(name))


def from_percent_encoded(text: str) -> str:
    """Return the name that `percent_encoded` was given."""
    return os.fsdecode(unquote_to_bytes(text))


def folded(name: str) -> str:
    """Return a name for comparing, whatever the case of its letters and whether they are composed (NFC) or not (NFD).

    "BJÖRK" becomes what "björk" becomes, by Unicode's canonical caseless matching; the result is composed.
    """
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def folded_path(path: bytes) -> bytes:
    """Return the bytes of a path for comparing, by the rule of `folded`."""
    return os.fsencode(folded(os.fsdecode(path)))


def unicode_record(value: object) -> object:
    """Return a JSON document whose every text is Unicode.

    A key whose name or list of names is no text is followed by another one, KEY_bytes, that holds the bytes,
    percent-encoded: {"path": "bj\ufffdrk", "path_bytes": "bj%F6rk"}.
    """
    if isinstance(value, str):
        return text_of(value)
    if isinstance(value, list | tuple):
        return [unicode_record(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    record: dict[str, object] = {}
    for key, each in value.items():
        record[text_of(key)] = unicode_record(each)
        names = [each] if isinstance(each, str) else each if isinstance(each, list | tuple) else []
        if all(isinstance(name, str) for name in names) and not all(map(is_text, names)):
            encoded = [percent_encoded(name) for name in names]
            record[text_of(key) + BYTES_SUFFIX] = encoded[0] if isinstance(each, str) else encoded
    return record
