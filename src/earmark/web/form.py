"""Forms (multipart/form-data, RFC 7578) with files in one field, read while they arrive."""

import re

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from earmark.web import problems
from earmark.web.problem import ProblemError

FORM_BYTES = 65_536
"""The bytes that a form may have besides its files, for each file."""
LONGEST_FIELD = 100
"""How many bytes of a field's name an error shows."""
LONGEST_HEADER_BYTES = 4_096
_QUOTED = re.compile(rb'"(?:\\.|[^"\\])*+(?:"|\\?\Z)', re.DOTALL)
"""A quoted string, also one without an end: otherwise each of its quotes would begin another search for the end."""
_EXTENDED_NAME = re.compile(rb";\s*filename\*", re.IGNORECASE)


class FormReader:
    """Reads the files of a form. All of them are in one field; every other field is refused."""

    def __init__(self, content_type: str, field: str, most_files: int = 1) -> None:
        """`content_type`: the header of the request. Raises ProblemError if it names no boundary."""
        _, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if not boundary:
            raise ProblemError(problems.wrong_form("Its Content-Type names no boundary."))
        self._field, self._most_files = field, most_files
        self._names: list[str] = []
        self._ended = self._inside = False
        self._header = self._value = b""
        self._found: list[tuple[int, bytes]] = []
        self._rest_bytes = 0
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._header_name,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._headers_end,
                    "on_part_data": self._data,
                    "on_end": self._finish,
                },
            )
        except FormParserError as error:
            raise ProblemError(problems.wrong_form(f"{error}.")) from error

    def feed(self, content: bytes) -> list[tuple[int, bytes]]:
        """Take the next bytes of the form; return those of its files, each with the number of its file from 0.

        Raises ProblemError if they are no form (400), have more than FORM_BYTES beside a file (400), or have another
        field or too many files (422).
        """
        try:
            self._parser.write(content)
        except FormParserError as error:
            raise ProblemError(problems.wrong_form(f"{error}.")) from error
        found, self._found = self._found, []
        self._rest_bytes += len(content) - sum(len(piece) for _, piece in found)
        if self._rest_bytes > FORM_BYTES * max(1, len(self._names)):
            raise ProblemError(problems.wrong_form(f"It has more than {FORM_BYTES} bytes besides each file."))
        return found

    def finish(self) -> list[str]:
        """Return the names of the files. Raises ProblemError if the form is incomplete or has no file."""
        if not self._ended:
            raise ProblemError(problems.wrong_form("It is incomplete."))
        if not self._names:
            raise ProblemError(problems.wrong_form(f"It has no field {self._field!r}."))
        return self._names

    def _begin(self) -> None:
        self._inside = False
        self._header = self._value = b""

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header = _longer(self._header, data[start:end])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value = _longer(self._value, data[start:end])

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition" and not self._inside:
            self._begin_file()
        self._header = self._value = b""

    def _begin_file(self) -> None:
        """Begin the file that a header describes; raise ProblemError (422) if it is not expected."""
        _, options = parse_options_header(self._value)
        name = options.get(b"name", b"")[:LONGEST_FIELD].decode("utf-8", "replace")
        if name != self._field:
            raise _wrong(name, f"Found an unknown field, expected {self._field!r} alone.")
        if len(self._names) == self._most_files:
            expected = "one file" if self._most_files == 1 else f"at most {self._most_files} files"
            raise _wrong(name, f"Found one more file, expected {expected}.")
        if b"filename" not in options and _EXTENDED_NAME.search(_QUOTED.sub(b"", self._value)):
            raise _wrong(name, "Found filename*, which RFC 7578 forbids in forms, expected filename.")
        self._inside = True
        self._names.append(options.get(b"filename", b"").decode("utf-8", "replace"))

    def _headers_end(self) -> None:
        if not self._inside:
            raise ProblemError(problems.wrong_form("It has a part without Content-Disposition."))

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._found.append((len(self._names) - 1, data[start:end]))

    def _finish(self) -> None:
        self._ended = True


def _longer(header: bytes, more: bytes) -> bytes:
    """Return a part of a header with more of it; raise ProblemError (400) for more than LONGEST_HEADER_BYTES."""
    if len(header) + len(more) > LONGEST_HEADER_BYTES:
        raise ProblemError(problems.wrong_form(f"It has a header of more than {LONGEST_HEADER_BYTES} bytes."))
    return header + more


def _wrong(field: str, what: str) -> ProblemError:
    printable = "".join(character for character in field if character.isprintable())
    return ProblemError(problems.wrong_parameters([{"where": f"body.{printable}", "what": what.rstrip(".")}]))
