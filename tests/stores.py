"""A store for tests: a real one, in a folder of the test's own, under a fake clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pilvi.state.sqlite import SqliteStore
from pilvi.state.store import Record


class FakeClock:
    """A clock that stands still until told."""

    def __init__(self, now_ms: int = 1_790_000_000_000) -> None:
        self.now = now_ms

    def now_ms(self) -> int:
        return self.now

    def advance(self, milliseconds: int) -> None:
        self.now += milliseconds


@contextmanager
def open_store(folder: Path, *records: type[Record], **options: Any) -> Iterator[SqliteStore]:
    """A SqliteStore with these records, closed at the end. `options` go to SqliteStore.open."""
    store = SqliteStore.open(folder, records, clock=options.pop("clock", None) or FakeClock(), **options)
    try:
        yield store
    finally:
        store.close()
