"""A worker's log: what it writes to stdout and stderr, line by line, between START, END and REPORT.

A line is an event. Our loader marks newlines inside one log record (a traceback is one event) with a character that
nobody prints; here it becomes a newline again.
"""

from collections.abc import Callable

from pilvi.core.clock import Clock
from pilvi.runtime.worker.errors import INNER_NEWLINE

EVENT_BYTES_MAX = 256 * 1024
TAIL_BYTES = 4096

Line = tuple[int, str]
Write = Callable[[list[Line]], None]

_INNER_NEWLINE = INNER_NEWLINE.encode()


class Log:
    """
    Args:
        write: takes finished lines: (milliseconds since the epoch, text).
    """

    def __init__(self, write: Write, clock: Clock) -> None:
        self._write = write
        self._clock = clock
        self._partial = b""
        self._tail: bytearray | None = bytearray()
        self._lines: list[Line] = []

    def output(self, data: bytes) -> None:
        """Bytes from the worker."""
        now_ms = self._clock.now_ms()
        *lines, rest = (self._partial + data).split(b"\n") if self._partial else data.split(b"\n")
        while len(rest) > EVENT_BYTES_MAX:
            lines.append(rest[:EVENT_BYTES_MAX])
            rest = rest[EVENT_BYTES_MAX:]
        self._partial = rest
        for line in lines:
            self._add(now_ms, line)
        self.flush()

    def line(self, text: str) -> None:
        """A line of our own. It waits for `flush`."""
        now_ms = self._clock.now_ms()
        if self._tail is None:
            self._lines.append((now_ms, text))
        else:
            self._add(now_ms, text.encode())

    def begin(self, *, want_tail: bool) -> None:
        """An invocation begins; what came before belongs to the initialisation, or to nobody."""
        self._tail = bytearray() if want_tail else None

    def end_line(self) -> None:
        """What the worker began and did not end is a line too."""
        if self._partial:
            partial, self._partial = self._partial, b""
            self._add(self._clock.now_ms(), partial)

    def flush(self) -> None:
        if self._lines:
            lines, self._lines = self._lines, []
            self._write(lines)

    def tail(self) -> bytes:
        """The last 4 KB since `begin`, when they were wanted; before it, of the initialisation."""
        return bytes(self._tail[-TAIL_BYTES:]) if self._tail is not None else b""

    def _add(self, now_ms: int, line: bytes) -> None:
        for start in range(0, len(line) or 1, EVENT_BYTES_MAX):
            part = line[start : start + EVENT_BYTES_MAX]
            if _INNER_NEWLINE in part:
                part = part.replace(_INNER_NEWLINE, b"\n")
            self._lines.append((now_ms, part.decode(errors="replace")))
            if self._tail is not None:
                self._tail += part + b"\n"
                if len(self._tail) > 8 * TAIL_BYTES:
                    del self._tail[:-TAIL_BYTES]
