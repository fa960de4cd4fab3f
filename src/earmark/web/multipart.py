"""The one file of a form (multipart/form-data), as its bytes come."""

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from earmark.web import sound_problems
from earmark.web.problem import ProblemError

FIELD = "file"


class FilePart:
    """Finds the field `file` in a form; what else is in the form is passed over."""

    def __init__(self, content_type: str) -> None:
        """Raises ProblemError where the header names no boundary."""
        _, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if not boundary:
            raise ProblemError(sound_problems.wrong_form("Its Content-Type names no boundary."))
        self._name = ""
        self._found = self._inside = self._ended = False
        self._header = self._value = b""
        self._content: list[bytes] = []
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._header_name,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_end,
                    "on_part_data": self._data,
                    "on_part_end": self._end,
                    "on_end": self._finish,
                },
            )
        except FormParserError as error:
            raise ProblemError(sound_problems.wrong_form(f"{error}.")) from error

    def feed(self, content: bytes) -> bytes:
        """Take the next bytes of the form; returns those of the file. Raises ProblemError for what is no form."""
        try:
            self._parser.write(content)
        except FormParserError as error:
            raise ProblemError(sound_problems.wrong_form(f"{error}.")) from error
        found = b"".join(self._content)
        self._content.clear()
        return found

    def finish(self) -> str:
        """End the form; returns the file's name. Raises ProblemError where it ends too early or has no file."""
        if not self._ended:
            raise ProblemError(sound_problems.wrong_form("It ends before its end."))
        if not self._found:
            raise ProblemError(sound_problems.wrong_form(f"It has no field {FIELD!r}."))
        return self._name

    def _begin(self) -> None:
        self._inside = False
        self._header = self._value = b""

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(self._value)
            if options.get(b"name") == FIELD.encode() and not self._found:
                self._inside = self._found = True
                self._name = options.get(b"filename", b"").decode("utf-8", "replace")
        self._header = self._value = b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._inside:
            self._content.append(data[start:end])

    def _end(self) -> None:
        self._inside = False

    def _finish(self) -> None:
        self._ended = True
