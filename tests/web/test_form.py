"""The files of a form are the same however its bytes come, and everything else in it is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.web.form import _QUOTED, FORM_BYTES, FormReader
from earmark.web.problem import ProblemError
from earmark.web.uploads import LONGEST_NAME, plain_name

TYPE = "multipart/form-data; boundary=edge"


def part(content: bytes, disposition: str = 'form-data; name="file"; filename="a.mp3"') -> bytes:
    head = f"--edge\r\nContent-Disposition: {disposition}\r\nContent-Type: audio/mpeg\r\n\r\n".encode()
    return head + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--edge--\r\n"


def read(reader: FormReader, content: bytes) -> list[bytes]:
    found: dict[int, bytes] = {}
    for number, piece in reader.feed(content):
        found[number] = found.get(number, b"") + piece
    return list(found.values())


@settings(deadline=None)
@given(st.lists(st.binary(max_size=1_000), min_size=1, max_size=3), st.lists(st.integers(1, 300), max_size=20))
def test_the_files_of_a_form(contents: list[bytes], cuts: list[int]) -> None:
    whole = form(*(part(content, f'form-data; name="file"; filename="{n}.mp3"') for n, content in enumerate(contents)))
    reader = FormReader(TYPE, "file", 3)
    found = [b""] * len(contents)
    for cut in [*cuts, len(whole)]:
        for number, piece in reader.feed(whole[:cut]):
            found[number] += piece
        whole = whole[cut:]
    assert found == contents
    assert reader.finish() == [f"{number}.mp3" for number in range(len(contents))]


@pytest.mark.parametrize(
    ("parts", "status", "where"),
    [
        ([part(b"1"), part(b"2")], 422, "body.file"),
        ([part(b""), part(b"")], 422, "body.file"),
        ([part(b"1"), part(b"2", 'form-data; name="other"')], 422, "body.other"),
        ([part(b"1", 'form-data; name="Other"; filename="a.mp3"')], 422, "body.Other"),
        ([part(b"1", "form-data")], 422, "body."),
        ([part(b"1", "form-data; name=\"file\"; filename*=UTF-8''a%20b.mp3")], 422, "body.file"),
        ([part(b"1", "form-data; name=\"file\" ; Filename* = UTF-8''a%20b.mp3")], 422, "body.file"),
        ([b"--edge\r\nContent-Type: audio/mpeg\r\n\r\n\r\n"], 400, None),
        ([b"--edge\r\n\r\n\r\n"], 400, None),
    ],
)
def test_everything_but_one_file_is_refused_by_name(parts: list[bytes], status: int, where: str | None) -> None:
    reader = FormReader(TYPE, "file")
    with pytest.raises(ProblemError) as caught:
        reader.feed(form(*parts))
    assert caught.value.problem.status == status
    if where is not None:
        (error,) = caught.value.problem.more["errors"]  # type: ignore[misc,attr-defined]
        assert error["where"] == where
        assert error["what"]


@pytest.mark.parametrize(
    "disposition",
    [
        'form-data; name="file"; filename="a.mp3"; filename*=UTF-8\'\'b.mp3',
        'form-data; name="file"; filename="a; filename*=b.mp3"',
        'form-data; name="file"',
    ],
)
def test_a_plain_name_beside_another_counts(disposition: str) -> None:
    reader = FormReader(TYPE, "file")
    assert read(reader, form(part(b"1", disposition))) == [b"1"]
    assert reader.finish()[0].startswith("a") or "filename" not in disposition


@pytest.mark.parametrize("quoted", [b'\\"' * 2_000, b'\\"' * 2_000 + b"\\", b"\\\n" * 9, b"a; filename*=b", b""])
def test_a_quoted_string_without_an_end_is_looked_at_once(quoted: bytes) -> None:
    assert _QUOTED.findall(b'"' + quoted) == [b'"' + quoted]
    reader = FormReader(TYPE, "file")
    reader.feed(
        b'--edge\r\nContent-Disposition: form-data; name="file"; x="' + quoted.replace(b"\n", b"")[:3_000] + b"\r\n"
    )


@pytest.mark.parametrize("part_of_header", ["_header_name", "_header_value"])
def test_a_header_of_a_part_has_a_limit_whatever_the_parser_takes(part_of_header: str) -> None:
    take = getattr(FormReader(TYPE, "file"), part_of_header)
    take(b"a" * 4_000, 0, 4_000)
    with pytest.raises(ProblemError, match="header of more than 4096 bytes"):
        take(b"a" * 4_000, 0, 97)


@pytest.mark.parametrize(
    "endless",
    [
        b"--edge\r\n\r\n\r\n",
        part(b""),
        b"\r\n",
        b"--edge\r\n" + b"X-A: b\r\n" * 100,
        part(b"1", 'form-data; name="file"; filename="' + "a" * 1_000),
    ],
)
def test_no_form_is_read_on_for_what_is_beside_its_file(endless: bytes) -> None:
    """A megabyte of empty parts or headers is refused before it is read."""
    reader = FormReader(TYPE, "file")
    content = endless * (1_000_000 // len(endless))
    with pytest.raises(ProblemError) as caught:
        for start in range(0, len(content), FORM_BYTES // 4):
            taken = start
            reader.feed(content[start : start + FORM_BYTES // 4])
    assert caught.value.problem.status in (400, 422)
    assert taken <= 2 * FORM_BYTES


@pytest.mark.parametrize(
    "wrong", ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "x" * 999]
)
def test_a_header_without_a_boundary(wrong: str) -> None:
    with pytest.raises(ProblemError) as caught:
        FormReader(wrong, "file").feed(form(part(b"content")))
    assert caught.value.problem.status == 400


@pytest.mark.parametrize("wrong", [b"", b"--edge", b"--edge--\r\n", form(part(b"x"))[:-12], b"--other\r\n\r\n"])
def test_what_is_no_form(wrong: bytes) -> None:
    reader = FormReader(TYPE, "file")
    with pytest.raises(ProblemError) as caught:
        reader.feed(wrong)
        reader.finish()
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
