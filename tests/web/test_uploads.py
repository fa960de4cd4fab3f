"""The file of a form is the same however its bytes come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.web.problems import ProblemError
from earmark.web.uploads import LONGEST_NAME, FormReader, plain_name

TYPE = "multipart/form-data; boundary=edge"


def form(content: bytes, name: str = 'form-data; name="file"; filename="a.mp3"') -> bytes:
    other = b'--edge\r\nContent-Disposition: form-data; name="other"\r\n\r\nnot this\r\n'
    head = f"--edge\r\nContent-Disposition: {name}\r\nContent-Type: audio/mpeg\r\n\r\n".encode()
    return other + head + content + b"\r\n" + other + b"--edge--\r\n"


@given(st.binary(max_size=2_000), st.lists(st.integers(1, 300), max_size=20))
def test_the_file_of_a_form(content: bytes, cuts: list[int]) -> None:
    whole = form(content)
    part = FormReader(TYPE)
    found = b""
    for cut in cuts:
        found += part.feed(whole[:cut])
        whole = whole[cut:]
    found += part.feed(whole)
    assert found == content
    assert part.finish() == "a.mp3"


def test_of_two_files_the_first_counts() -> None:
    part = FormReader(TYPE)
    first = form(b"first").removesuffix(b"--edge--\r\n")
    assert part.feed(first + form(b"second", 'form-data; name="file"; filename="b.mp3"')) == b"first"
    assert part.finish() == "a.mp3"


@pytest.mark.parametrize(
    "wrong", ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "x" * 999]
)
def test_a_header_without_a_boundary(wrong: str) -> None:
    with pytest.raises(ProblemError) as caught:
        FormReader(wrong).feed(form(b"content"))
    assert caught.value.problem.status == 400


@pytest.mark.parametrize("wrong", [b"", b"--edge", b"--edge--\r\n", form(b"x")[:-12], b"--other\r\n\r\n"])
def test_what_is_no_form(wrong: bytes) -> None:
    part = FormReader(TYPE)
    with pytest.raises(ProblemError) as caught:
        part.feed(wrong)
        part.finish()
    assert caught.value.problem.kind == "wrong-form"


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("song.mp3", "song.mp3"),
        ("../../etc/passwd", "passwd"),
        ("C:\\music\\song.mp3", "song.mp3"),
        ("Gymnopédie №1.flac", "Gymnopédie №1.flac"),
        ("a\r\nSet-Cookie: b\x00.mp3", "aSet-Cookie: b.mp3"),
        ("\ud800.mp3", ".mp3"),
        ("", "sound"),
        ("folder/", "sound"),
        ("x" * 999, "x" * LONGEST_NAME),
    ],
)
def test_a_name_is_shown_without_folders_and_signs_that_control(name: str, plain: str) -> None:
    assert plain_name(name) == plain
