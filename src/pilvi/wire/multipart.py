"""multipart/form-data, read as it comes: the fields of an HTML form, then the file, which is passed on piece by piece.

    --boundary CRLF headers CRLF CRLF value CRLF --boundary ... CRLF CRLF the file's bytes CRLF --boundary--

What stands before the file is small and kept; of the file never more is kept than could be the beginning of a boundary.
RFC 7578, RFC 2046 (section 5.1).
"""

import re
from typing import Final
from urllib.parse import unquote

FIELDS_BYTES_MAX: Final = 20 * 1024
"""Of everything that comes before the file's first byte (S3's limit)."""
BOUNDARY_LENGTH_MAX: Final = 70  # RFC 2046

FILE_NAME: Final = "${filename}"

_BOUNDARY: Final = re.compile(r';\s*boundary=(?:"([^"]+)"|([^;,\s"]+))', re.IGNORECASE)
_NAME: Final = re.compile(r';\s*name=(?:"((?:[^"\\]|\\.)*)"|([^;\s"]+))', re.IGNORECASE)
_FILE_NAME: Final = re.compile(r';\s*filename=(?:"((?:[^"\\]|\\.)*)"|([^;\s"]+))', re.IGNORECASE)
_FILE_NAME_ENCODED: Final = re.compile(r";\s*filename\*=utf-8'[^']*'([^;\s]+)", re.IGNORECASE)
_FILE: Final = "file"


class MalformedForm(Exception):
    """The bytes are no form."""


class TooManyFields(Exception):
    """More than FIELDS_BYTES_MAX before the file."""


def boundary_of(content_type: str) -> bytes:
    """The boundary that a Content-Type header names.

    Raises:
        MalformedForm: it names none, or one that cannot be.
    """
    found = _BOUNDARY.search(content_type)
    boundary = (found[1] or found[2]) if found else ""
    if not 1 <= len(boundary) <= BOUNDARY_LENGTH_MAX:
        raise MalformedForm("no boundary")
    return boundary.encode("latin-1")


class FormReader:
    """Takes the bytes of one form.

    Attributes:
        fields: names in lower case, values as they came; of a repeated name they are joined by ",". Complete when
            `file_begun`.
        file_name: what the client calls the file, without folders.
        done: the file is complete; what follows it does not matter.
    """

    __slots__ = ("_before", "_delimiter", "_kept", "done", "fields", "file_begun", "file_name")

    def __init__(self, boundary: bytes) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._kept = b"\r\n"  # so that the first boundary looks like all others
        self._before = 0
        self.fields: dict[str, str] = {}
        self.file_name = ""
        self.file_begun = False
        self.done = False

    def feed(self, data: bytes) -> bytes:
        """The bytes of the file that are certain by now; none as long as there are fields.

        Raises:
            MalformedForm, TooManyFields: it cannot become a form any more.
        """
        if self.done:
            return b""
        data, self._kept = (self._kept + data if self._kept else data), b""
        if not self.file_begun:
            data = self._fields(data)
            if not self.file_begun:
                self._kept = data
                return b""
        return self._file(data)

    def finish(self) -> None:
        """The body has ended.

        Raises:
            MalformedForm: before its form had.
        """
        if not self.done:
            raise MalformedForm("the end is missing")

    def named(self) -> dict[str, str]:
        """The fields; in all of them the file's name can be asked for."""
        return {name: value.replace(FILE_NAME, self.file_name) for name, value in self.fields.items()}

    # -- fields ------------------------------------------------------------------------------------------------------

    def _fields(self, data: bytes) -> bytes:
        """Reads the parts that are complete, up to the file's first byte; what is left."""
        place, end = 0, 0
        while end >= 0 and not self.file_begun and not self.done:
            place = end
            end = self._part(data, place)
        place = max(place, end)
        self._before += place
        if self._before + (0 if self.file_begun else len(data) - place) > FIELDS_BYTES_MAX:
            raise TooManyFields
        return data[place:]

    def _part(self, data: bytes, place: int) -> int:
        """Reads the part whose delimiter stands at `place`; where it ends, -1 when it is not all there yet."""
        start = place + len(self._delimiter)
        if not self._delimiter.startswith(data[place:start]):
            raise MalformedForm("it does not begin with its boundary")
        mark = data[start : start + 2]
        if len(mark) < 2:
            return -1
        if mark == b"--":
            self.done = True
            return start + 2
        if mark != b"\r\n":
            raise MalformedForm("a boundary does not end its line")
        head_end = data.find(b"\r\n\r\n", start)
        if head_end < 0:
            return -1
        name, file_name = _names(data[start + 2 : head_end])
        if name == _FILE:
            self.file_begun, self.file_name = True, file_name
            return head_end + 4
        end = data.find(self._delimiter, head_end + 4)
        if end >= 0:
            self._add(name, data[head_end + 4 : end])
        return end

    def _add(self, name: str, value: bytes) -> None:
        text = _text(value)
        self.fields[name] = f"{self.fields[name]},{text}" if name in self.fields else text

    # -- the file ----------------------------------------------------------------------------------------------------

    def _file(self, data: bytes) -> bytes:
        end = data.find(self._delimiter)
        if end >= 0:
            self.done, self._kept = True, b""
            return data[:end]
        tail = data.find(b"\r", max(len(data) - len(self._delimiter) + 1, 0))
        while tail >= 0 and not self._delimiter.startswith(data[tail:]):
            tail = data.find(b"\r", tail + 1)
        if tail < 0:
            self._kept = b""
            return data
        self._kept = data[tail:]
        return data[:tail]


def _names(head: bytes) -> tuple[str, str]:
    """The name of a part, in lower case, and of its file, from the part's headers."""
    for line in _text(head).split("\r\n"):
        header, _, value = line.partition(":")
        if header.strip().lower() != "content-disposition":
            continue
        found = _NAME.search(value)
        if found is not None:
            return _unquoted(found).lower(), _file_name(value)
    raise MalformedForm("a part has no name")


def _file_name(disposition: str) -> str:
    """What the client calls its file: the folders that some send with it are nobody's business."""
    encoded, plain = _FILE_NAME_ENCODED.search(disposition), _FILE_NAME.search(disposition)
    name = unquote(encoded[1]) if encoded else _unquoted(plain) if plain else ""
    return re.split(r"[/\\]", name)[-1]


def _unquoted(found: re.Match[str]) -> str:
    """Browsers write a quotation mark as %22, others escape it."""
    quoted: str | None = found[1]
    return found[2] if quoted is None else quoted.replace('\\"', '"').replace("%22", '"')


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise MalformedForm("a field is no text") from None
