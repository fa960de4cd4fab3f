"""Names of any bytes as Unicode and back, and names that a person takes for one."""

import json
import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.file_name import folded, from_percent_encoded, is_text, percent_encoded, text_of, unicode_record

POSIX = pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX systems only")
NAME_BYTES = st.binary(min_size=1).filter(lambda name: b"\0" not in name)


@POSIX
@given(NAME_BYTES)
def test_any_bytes_become_unicode_and_come_back_from_ascii(name: bytes) -> None:
    path = os.fsdecode(name)
    assert text_of(path).encode("utf-8")
    encoded = percent_encoded(path)
    assert encoded.isascii()
    assert os.fsencode(from_percent_encoded(encoded)) == name
    assert (text_of(path) == path) == is_text(path)


@POSIX
def test_a_record_tells_a_name_that_is_no_text_twice() -> None:
    odd = os.fsdecode(b"bj\xf6rk.mp3")
    record = {"path": odd, "paths": ["a", odd], "tags": ["piano"], "deep": [{"path": odd}], "score": 0.5, "none": None}
    assert unicode_record(record) == {
        "path": "bj\ufffdrk.mp3",
        "path_bytes": "bj%F6rk.mp3",
        "paths": ["a", "bj\ufffdrk.mp3"],
        "paths_bytes": ["a", "bj%F6rk.mp3"],
        "tags": ["piano"],
        "deep": [{"path": "bj\ufffdrk.mp3", "path_bytes": "bj%F6rk.mp3"}],
        "score": 0.5,
        "none": None,
    }
    assert json.dumps(unicode_record(record), ensure_ascii=False).encode("utf-8")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("BJÖRK", "björk"),
        (unicodedata.normalize("NFD", "Björk"), unicodedata.normalize("NFC", "Björk")),
        (unicodedata.normalize("NFD", "ÉTÉ"), "été"),
        ("STRASSE", "straße"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        (unicodedata.normalize("NFD", "한국"), "한국"),
        ("ガ", "ガ"),
        ("A-ha", "a-HA"),
    ],
)
def test_names_that_a_person_takes_for_one(one: str, other: str) -> None:
    assert folded(one) == folded(other)


@given(st.text())
def test_folding_is_done_once_and_knows_no_form(name: str) -> None:
    once = folded(name)
    assert folded(once) == once
    assert folded(unicodedata.normalize("NFD", name)) == once
    assert folded(unicodedata.normalize("NFC", name)) == once


def test_accents_and_signs_stay() -> None:
    assert len({folded(name) for name in ("bjork", "björk", "bjørk", "bj rk")}) == 4
