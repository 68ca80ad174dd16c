"""The chunked transfer coding of HTTP/1.1 (RFC 9112, section 7.1), decoded as it comes in.

Strict: CRLF only, hexadecimal sizes only, and every line bounded, so that two readers cannot disagree about where the
message ends.
"""

from collections.abc import Callable
from typing import Final

LINE_BYTES_MAX: Final = 1024  # a chunk's size with its extensions
TRAILER_BYTES_MAX: Final = 8 * 1024
_SIZE_DIGITS_MAX: Final = 15
_HEX: Final = frozenset(b"0123456789abcdefABCDEF")


class BadChunk(Exception):
    """The chunks are malformed; where the message ends is unknown, so the connection must close."""


class ChunkedDecoder:
    """Feed it bytes; it gives the content, and after the last chunk what follows the message.

    Attributes:
        done: the last chunk and its trailers have come.
        rest: bytes after the message, once done.
    """

    __slots__ = ("_line", "_remaining", "_state", "_trailer_bytes", "done", "rest")

    def __init__(self) -> None:
        self.done = False
        self.rest = b""
        self._line = b""
        self._remaining = 0
        self._state: Callable[[bytes, int, list[bytes]], int] = self._size_line
        self._trailer_bytes = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The pieces of content in `data`.

        Raises:
            BadChunk: the coding is broken.
        """
        pieces: list[bytes] = []
        position = 0
        while position < len(data) and not self.done:
            position = self._state(data, position, pieces)
        if self.done:
            self.rest = data[position:]
        return [b"".join(pieces)] if len(pieces) > 1 else pieces  # chunks of a byte must not cost fifty

    def _take_line(self, data: bytes, position: int, limit: int) -> tuple[bytes | None, int]:
        """The line that ends in `data` (without CRLF), or None and everything kept for later."""
        end = data.find(b"\n", position)
        if end < 0:
            self._line += data[position:]
            if len(self._line) > limit:
                raise BadChunk("a line is too long")
            return None, len(data)
        line = self._line + data[position:end]
        self._line = b""
        if len(line) > limit or not line.endswith(b"\r") or b"\r" in line[:-1] or b"\0" in line:
            raise BadChunk("a line is malformed")
        return line[:-1], end + 1

    def _size_line(self, data: bytes, position: int, _: list[bytes]) -> int:
        line, position = self._take_line(data, position, LINE_BYTES_MAX)
        if line is None:
            return position
        digits = line.partition(b";")[0]
        if not digits or len(digits) > _SIZE_DIGITS_MAX or not _HEX.issuperset(digits):
            raise BadChunk("a chunk's size is malformed")
        self._remaining = int(digits, 16)
        self._state = self._content if self._remaining else self._trailer
        return position

    def _content(self, data: bytes, position: int, pieces: list[bytes]) -> int:
        piece = data[position : position + self._remaining]
        pieces.append(piece)
        self._remaining -= len(piece)
        if not self._remaining:
            self._state = self._content_end
        return position + len(piece)

    def _content_end(self, data: bytes, position: int, _: list[bytes]) -> int:
        line, position = self._take_line(data, position, 2)
        if line:
            raise BadChunk("a chunk is longer than its size")
        if line is not None:
            self._state = self._size_line
        return position

    def _trailer(self, data: bytes, position: int, _: list[bytes]) -> int:
        line, position = self._take_line(data, position, TRAILER_BYTES_MAX)
        if line is not None:
            self._trailer_bytes += len(line)
            if self._trailer_bytes > TRAILER_BYTES_MAX:
                raise BadChunk("the trailers are too long")
            self.done = not line
        return position
