"""Lines on their way: held in memory, taken now and then in batches that become objects."""

from collections.abc import Mapping
from typing import Any

import msgspec

from pilvi.core.watched import Answered
from pilvi.services.s3.accesslogs.lines import lines
from pilvi.services.s3.records import Bucket

BATCH_BYTES_MAX = 256 * 1024
"""Of one object: what the store keeps without a file of its own."""
HELD_BYTES_MAX = 4 * 1024 * 1024
"""Then what is held is to be delivered though it is early."""


class Batch(msgspec.Struct, frozen=True):
    """Lines of one bucket's log, in order; `lines` are times (milliseconds) and texts."""

    name: str
    bucket: int
    lines: tuple[tuple[int, str], ...]


class Gatherer:
    """Gathers the lines of all logs. Belongs to the event loop's thread."""

    def __init__(self) -> None:
        self._held: dict[int, tuple[str, list[tuple[int, str]]]] = {}
        self._bytes = 0

    @property
    def empty(self) -> bool:
        return not self._held

    @property
    def full(self) -> bool:
        return self._bytes >= HELD_BYTES_MAX

    def add(self, seen: Answered, watched: Mapping[Any, Any]) -> None:
        """A request was answered that some bucket's log speaks of."""
        for bucket, line in lines(seen, watched):
            self._hold(bucket, seen.at_ms, line)

    def _hold(self, bucket: Bucket, at_ms: int, line: str) -> None:
        self._held.setdefault(bucket.id, (bucket.name, []))[1].append((at_ms, line))
        self._bytes += len(line) + 1

    def take(self) -> list[Batch]:
        """What was gathered since the last time."""
        held, self._held, self._bytes = self._held, {}, 0
        return [Batch(name, number, part) for number, (name, found) in held.items() for part in cut(found)]


def cut(found: list[tuple[int, str]]) -> list[tuple[tuple[int, str], ...]]:
    """Runs of lines that fit into one object each."""
    runs: list[tuple[tuple[int, str], ...]] = []
    run: list[tuple[int, str]] = []
    size = 0
    for at_ms, line in found:
        if run and size + len(line) + 1 > BATCH_BYTES_MAX:
            runs.append(tuple(run))
            run, size = [], 0
        run.append((at_ms, line))
        size += len(line) + 1
    if run:
        runs.append(tuple(run))
    return runs
