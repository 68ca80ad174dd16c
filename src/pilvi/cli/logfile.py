"""The server's log: one JSON object a line in pilvi.log, rotated by size, and warnings on the terminal.

A log that cannot be written (a full disk) is given up silently: it must never hinder the cloud.
"""

import contextlib
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from pilvi.cli.terminal import RED, YELLOW, styled

BYTES_MAX = 16 * 1024 * 1024
KEPT = 3
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class LogFile(logging.Handler):
    """Appends records to a file; when it grows past `bytes_max` it becomes NAME.1, and NAME.1 becomes NAME.2, ..."""

    def __init__(self, path: Path, bytes_max: int = BYTES_MAX) -> None:
        super().__init__()
        self._path = path
        self._bytes_max = bytes_max
        self._fd, self._size = -1, 0
        self._open()

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError):
            if self._size > self._bytes_max:
                self._rotate()
            self._size += os.write(self._fd, line_of(record))

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        with contextlib.suppress(OSError):
            os.close(fd)
        super().close()

    def _open(self) -> None:
        self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._fd).st_size

    def _rotate(self) -> None:
        os.close(self._fd)
        for number in range(KEPT - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                self._numbered(number).replace(self._numbered(number + 1))
        self._path.replace(self._numbered(1))
        self._open()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


class Warnings(logging.Handler):
    """Says on the terminal what its owner should know now."""

    def emit(self, record: logging.LogRecord) -> None:
        style = RED if record.levelno >= logging.ERROR else YELLOW
        level = styled(f"{record.levelname.lower()}:", style, stream=sys.stderr)
        with contextlib.suppress(OSError):
            sys.stderr.write(f"{level} {record.getMessage()}\n")


def line_of(record: logging.LogRecord) -> bytes:
    """The record as a line: time, level, source, message, what was passed as `extra`, and the traceback if any."""
    fields: dict[str, Any] = {
        "time": _iso(record.created),
        "level": record.levelname.lower(),
        "source": record.name,
        "message": record.getMessage(),
    }
    fields |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
    if record.exc_info:
        fields["traceback"] = logging.Formatter().formatException(record.exc_info)
    return msgspec.json.encode(fields, enc_hook=str) + b"\n"


def begin(path: Path, level: str, *, terminal: bool) -> LogFile:
    """Sends everything that is logged from `level` on to the file, and warnings to the terminal if there is one."""
    handler = LogFile(path)
    root = logging.getLogger()
    root.setLevel(level.upper())
    root.addHandler(handler)
    if terminal:
        root.addHandler(Warnings(logging.WARNING))
    logging.captureWarnings(capture=True)
    return handler


def _iso(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"
