"""Watches how much memory workers use: all their processes together, what they share counted once.

The kernel's own limit (cgroups) counts /tmp too, so it lies higher than a function's memory; and where there are no
cgroups this is the limit. Only workers that have something to do are looked at, a few times a second.
"""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import msgspec

PERIOD_SECONDS = 0.1


class _Watched(msgspec.Struct):
    """`new`: it came since the last look. Most are done before the next one, and never cost a look."""

    used: Callable[[], int]
    limit_bytes: int
    too_large: Callable[[int], None]
    new: bool = True


class Watch:
    def __init__(self) -> None:
        self._watched: dict[int, _Watched] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, number: int, used: Callable[[], int], limit_bytes: int, too_large: Callable[[int], None]) -> None:
        """`too_large(bytes)` is called once when `used()` is above the limit."""
        self._watched[number] = _Watched(used, limit_bytes, too_large)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PERIOD_SECONDS, self._look)

    def remove(self, number: int) -> None:
        self._watched.pop(number, None)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        for number, watched in list(self._watched.items()):
            if watched.new:
                watched.new = False
                continue
            used = watched.used()
            if used > watched.limit_bytes:
                self._watched.pop(number, None)
                watched.too_large(used)
        if self._watched:
            self._timer = asyncio.get_running_loop().call_later(PERIOD_SECONDS, self._look)


def private_bytes(pid: int) -> int:
    """Anonymous memory of a process and its descendants; what several share is divided among them."""
    used = 0
    pids = [pid]
    while pids:
        current = pids.pop()
        with contextlib.suppress(OSError, ValueError):
            used += _field(Path(f"/proc/{current}/smaps_rollup").read_text(), "Pss_Anon:") << 10
            pids += [int(word) for word in Path(f"/proc/{current}/task/{current}/children").read_text().split()]
    return used


def peak_kb(pid: int) -> int:
    """The most that a process had in memory; 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return _field(status, "VmHWM:")


def available_bytes() -> int:
    """What the machine can still give out without swapping."""
    with open("/proc/meminfo", encoding="ascii") as file:  # noqa: PTH123 - on the way of a cold start
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    return 0


def _field(status: str, name: str) -> int:
    at = status.find(name)
    return int(status[at + len(name) : status.find("kB", at)]) if at >= 0 else 0
