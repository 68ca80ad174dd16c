"""What the cloud says about its requests: an access log of JSON lines, and metrics in Prometheus' text form.

Recording a request only remembers it; encoding and writing happen once a second for all of them together. Neither
names a secret, a header or a query: a presigned URL's query is as good as a key.
"""

import asyncio
import logging
import os
import time
from bisect import bisect_left
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec

log = logging.getLogger("pilvi.gateway")

FLUSH_SECONDS: Final = 1.0
BUFFERED_MAX: Final = 2_000  # entries; then they are written at once
FILE_BYTES_MAX: Final = 64 * 1024 * 1024
FILES_KEPT: Final = 3
_MEGA: Final = 1_000_000
BOUNDS_US: Final = (
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    _MEGA,
    5 * _MEGA,
)


class Entry(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One line of the access log.

    Attributes:
        at: when the answer was ready, RFC 3339.
        principal: the caller's ARN.
        bytes_out: of the answer's body.
        us: from the request's headers to its answer, in microseconds.
    """

    at: str
    request_id: str
    method: str
    status: int
    us: int
    service: str = ""
    operation: str = ""
    account: str = ""
    principal: str = ""
    peer: str = ""
    error: str = ""
    bytes_out: int = 0


_Line = tuple[int, str, str, int, int, str, str, str, str, str, str, int]


class _Series:
    """Requests of one operation."""

    __slots__ = ("buckets", "sum_us")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS_US) + 1)
        self.sum_us = 0


class Observer:
    """Loop thread only.

    Args:
        path: of the access log; None keeps none.
        file_bytes_max: the file is then renamed to `<name>.1`, `.1` to `.2`, and so on; `FILES_KEPT` remain.
    """

    def __init__(self, path: Path | None = None, file_bytes_max: int = FILE_BYTES_MAX) -> None:
        self._path = path
        self._file_bytes_max = file_bytes_max
        self._fd = -1
        self._size = 0
        self._buffer: list[_Line] = []
        self._timer: asyncio.TimerHandle | None = None
        self._encoder = msgspec.json.Encoder()
        self._counts: dict[tuple[str, str, int], int] = {}
        self._series: dict[tuple[str, str], _Series] = {}
        self._gauges: list[tuple[str, str, Callable[[], float]]] = []
        self._dropped = 0
        self._broken = False

    def record(
        self,
        request_id: str,
        method: str,
        status: int,
        us: int,
        service: str = "",
        operation: str = "",
        account: str = "",
        principal: str = "",
        peer: str = "",
        error: str = "",
        bytes_out: int = 0,
    ) -> None:
        """One request was answered."""
        key = (service, operation, status)
        counts = self._counts
        counts[key] = counts.get(key, 0) + 1
        series = self._series.get((service, operation))
        if series is None:
            series = self._series[service, operation] = _Series()
        series.buckets[bisect_left(BOUNDS_US, us)] += 1
        series.sum_us += us
        if self._path is None:
            return
        self._buffer.append(
            (
                time.time_ns(),
                request_id,
                method,
                status,
                us,
                service,
                operation,
                account,
                principal,
                peer,
                error,
                bytes_out,
            )
        )
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._tick)
        elif len(self._buffer) >= BUFFERED_MAX:
            self.flush()

    def gauge(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        """A figure that is asked for when the metrics are."""
        self._gauges.append((name, help_text, value))

    # -- the log -----------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Writes what was recorded. A full disk costs lines of the log, never an answer."""
        lines, self._buffer = self._buffer, []
        if not lines:
            return
        data = self._encoder.encode_lines([Entry(_moment(line[0]), *line[1:]) for line in lines])
        try:
            self._write(data)
            self._broken = False
        except OSError as error:
            self._dropped += len(lines)
            if not self._broken:
                self._broken = True
                log.warning("the access log cannot be written: %s", error)

    def close(self) -> None:
        """Writes the rest, and lets go of the file."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.flush()
        self._close_file()

    def _tick(self) -> None:
        self._timer = None
        self.flush()

    def _write(self, data: bytes) -> None:
        if self._fd >= 0 and self._size + len(data) > self._file_bytes_max:
            self._rotate()
        if self._fd < 0:
            assert self._path is not None
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self._size = os.fstat(self._fd).st_size
        self._size += os.write(self._fd, data)

    def _rotate(self) -> None:
        self._close_file()
        assert self._path is not None
        for number in range(FILES_KEPT - 1, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{number}")
            if older.exists():
                older.rename(self._path.with_name(f"{self._path.name}.{number + 1}"))
        self._path.rename(self._path.with_name(f"{self._path.name}.1"))

    def _close_file(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    # -- the metrics -------------------------------------------------------------------------------------------------

    def metrics(self) -> bytes:
        """Everything counted since the start. https://prometheus.io/docs/instrumenting/exposition_formats/"""
        lines = ["# HELP pilvi_requests_total Requests answered.", "# TYPE pilvi_requests_total counter"]
        for (service, operation, status), count in sorted(self._counts.items()):
            lines.append(
                f'pilvi_requests_total{{service="{service}",operation="{operation}",status="{status}"}} {count}'
            )
        lines += ["# HELP pilvi_request_seconds Time to the answer.", "# TYPE pilvi_request_seconds histogram"]
        for (service, operation), series in sorted(self._series.items()):
            lines += _histogram(f'service="{service}",operation="{operation}"', series)
        for name, help_text, value in self._gauges:
            lines += [f"# HELP {name} {help_text}", f"# TYPE {name} gauge", f"{name} {value():g}"]
        lines += [
            "# HELP pilvi_access_log_dropped_total Lines that could not be written.",
            "# TYPE pilvi_access_log_dropped_total counter",
            f"pilvi_access_log_dropped_total {self._dropped}",
        ]
        return ("\n".join(lines) + "\n").encode()


def _histogram(labels: str, series: _Series) -> list[str]:
    lines = []
    total = 0
    for bound, count in zip((*BOUNDS_US, None), series.buckets, strict=True):
        total += count
        edge = "+Inf" if bound is None else f"{bound / _MEGA:g}"
        lines.append(f'pilvi_request_seconds_bucket{{{labels},le="{edge}"}} {total}')
    lines.append(f"pilvi_request_seconds_sum{{{labels}}} {series.sum_us / _MEGA:g}")
    lines.append(f"pilvi_request_seconds_count{{{labels}}} {total}")
    return lines


def _moment(ns: int) -> str:
    return f"{_second(ns // 1_000_000_000)}.{ns // 1_000_000 % 1000:03d}Z"


@lru_cache(2)
def _second(seconds: int) -> str:
    """Lines come in order: most share their second with the one before."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
